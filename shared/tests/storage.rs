//! Files are kept, found and forgotten: in a folder, and in a bucket where `MAGPIE_TEST_S3`
//! names an S3.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it has to be"
)]

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, Method};
use magpie::clock::Clock;
use magpie::config::{Aws, variable};
use magpie::http::{Allowed, Downloaded, Http, Outgoing};
use magpie::journal::{ConversationKey, EntryKey, Pepper};
use magpie::media::{Format, Place};
use magpie::message::{ChannelId, CustomerId, OpenId};
use magpie::moment::Moment;
use magpie::storage::{Folder, Found, Spooled, Storage};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use url::Url;

const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF and so on";
const DAY: Duration = Duration::from_hours(24);

fn place(channel: &str, id: &str) -> Place {
    let pepper = Pepper::new(&[7; 32]).unwrap();
    let channel = ChannelId::parse(channel).unwrap();
    let at = ConversationKey::of(&pepper, &channel, &OpenId::new("oAnn"));
    let ann = CustomerId::new("ann");
    Place::of(
        &channel,
        &ann,
        (&at, &EntryKey::message(1, id)),
        Format::Jpeg,
    )
}

/// A file as the network brought it.
fn spooled(storage: &Storage, bytes: &[u8]) -> Spooled {
    let file = storage.spool().unwrap();
    file.handle().unwrap().write_all(bytes).unwrap();
    let of = Downloaded {
        status: 200,
        headers: HeaderMap::new(),
        size: u64::try_from(bytes.len()).unwrap(),
        head: bytes.to_vec(),
        digest: Sha256::digest(bytes).into(),
    };
    Spooled { file, of }
}

fn http() -> Http {
    Http::network(Allowed::parse("http://127.0.0.1").unwrap())
}

fn names(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// What lies at a place can be looked at and opened, and nothing where nothing lies.
async fn can_be_read(storage: &Storage, http: &Http, there: &Place, gone: &Place, now: Moment) {
    use std::io::Read as _;
    let peeked = storage.peek(http, there, now).await.unwrap();
    let size = u64::try_from(JPEG.len()).unwrap();
    assert_eq!(peeked, Some((size, JPEG.to_vec())));
    let opened = storage.open(http, there, now, DAY).await.unwrap().unwrap();
    assert_eq!(opened.of.size, size);
    assert_eq!(opened.of.digest, <[u8; 32]>::from(Sha256::digest(JPEG)));
    for _ in 0..2 {
        let mut bytes = Vec::new();
        let mut file = opened.file.handle().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, JPEG);
    }
    assert_eq!(storage.peek(http, gone, now).await.unwrap(), None);
    let opened = storage.open(http, gone, now, DAY).await.unwrap();
    assert!(opened.is_none());
}

#[tokio::test]
async fn a_folder_keeps_files_until_their_time_is_over() {
    let root = TempDir::new().unwrap();
    let storage = Storage::Folder(Folder::open(root.path()).unwrap());
    let (http, now) = (http(), Moment::from_seconds(1_800_000_000));
    let (one, other) = (place("shop-a", "1"), place("shop-b", "1"));
    for (place, days) in [(&one, 3), (&other, 30), (&one, 3)] {
        let file = spooled(&storage, JPEG);
        storage
            .keep(&http, place, file, days, now, DAY)
            .await
            .unwrap();
    }
    can_be_read(&storage, &http, &one, &place("shop-a", "2"), now).await;
    let door = storage.door(&one, 5, 3, now).unwrap();
    assert!(door.is_none(), "it is brought to us");
    // What is given up leaves nothing behind.
    drop(spooled(&storage, JPEG));
    let Found::File(path) = storage.find(&Method::GET, &one, "inline", now).unwrap() else {
        unreachable!("it is a folder");
    };
    assert_eq!(std::fs::read(&path).unwrap(), JPEG);
    assert_eq!(names(&root.path().join("-")), 0);

    assert_eq!(storage.expire(now.plus(DAY * 3)).await.unwrap(), 0);
    let later = now.plus(DAY * 3 + Duration::from_secs(1));
    assert_eq!(storage.expire(later).await.unwrap(), 1);
    assert!(!path.exists() && !root.path().join("shop-a").exists());
    for _ in 0..2 {
        let shop = ChannelId::parse("shop-b").unwrap();
        let forget = || storage.forget_some(&http, &shop, None, now);
        while !forget().await.unwrap() {}
    }
    assert_eq!(names(root.path()), 1, "the folder of what is on its way");
}

#[tokio::test]
async fn only_the_owner_sees_a_folder_of_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = TempDir::new().unwrap();
    let storage = Storage::Folder(Folder::open(&root.path().join("media")).unwrap());
    let now = Moment::from_seconds(1_800_000_000);
    let file = spooled(&storage, JPEG);
    let place = place("shop-a", "1");
    storage
        .keep(&http(), &place, file, 3, now, DAY)
        .await
        .unwrap();
    let mut path = root.path().join("media").join(place.as_str());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0);
    while path.pop() && path != root.path() {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
}

/// Where no S3 is named, the one of the end-to-end tests plays its part.
#[tokio::test]
async fn a_bucket_keeps_files_and_gives_them_out_by_links() {
    let Some(address) = variable("MAGPIE_TEST_S3") else {
        return;
    };
    let (http, now) = (http(), Clock::System.now());
    let address = Url::parse(&address).unwrap().join("/magpie-files").unwrap();
    let span = Duration::from_secs(10);
    let mut made = Outgoing::get(address.clone(), span);
    made.method = Method::PUT;
    assert_eq!(http.send(made).await.unwrap().status, 200);
    let aws = Aws {
        region: "us-east-1".to_owned(),
        access_key: "ASIATEST".to_owned(),
        secret_key: "test".to_owned(),
        session_token: None,
        dynamodb_endpoint: None,
        secrets_endpoint: None,
        lambda_endpoint: None,
    };
    let storage = Storage::bucket(address.clone(), &aws);
    assert_eq!(
        storage.origin().unwrap(),
        address.origin().ascii_serialization()
    );
    let (one, two, other) = (
        place("shop-a", "1"),
        place("shop-a", "2"),
        place("shop-b", "1"),
    );
    for place in [&one, &two, &other, &one] {
        let file = spooled(&storage, JPEG);
        storage
            .keep(&http, place, file, 45, now, DAY)
            .await
            .unwrap();
    }
    let get = async |place: &Place, query: &str| {
        let Found::Elsewhere(mut url) = storage.find(&Method::GET, place, "inline", now).unwrap()
        else {
            unreachable!("it is a bucket");
        };
        url.query_pairs_mut()
            .extend_pairs((!query.is_empty()).then_some((query, "")));
        http.send(Outgoing::get(url, span)).await.unwrap()
    };
    let answer = get(&one, "").await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, JPEG));
    assert_eq!(answer.headers["content-type"], "image/jpeg");
    let tags = String::from_utf8(get(&one, "tagging").await.body).unwrap();
    assert!(tags.contains("<Key>keep</Key><Value>30</Value>"), "{tags}");

    can_be_read(&storage, &http, &one, &place("shop-a", "9"), now).await;
    let brought = place("shop-a", "3");
    let bring = async |bytes: &[u8]| {
        let size = u64::try_from(bytes.len()).unwrap();
        let door = storage.door(&brought, size, 45, now).unwrap().unwrap();
        let mut put = Outgoing::get(door.url, span);
        put.method = Method::PUT;
        put.body = bytes.to_vec();
        for (name, value) in &door.headers {
            put = put.with(name, value);
        }
        http.send(put).await.unwrap().status
    };
    assert_eq!(bring(JPEG).await, 200);
    assert_eq!(get(&brought, "").await.body, JPEG);
    let tags = String::from_utf8(get(&brought, "tagging").await.body).unwrap();
    assert!(tags.contains("<Key>keep</Key><Value>30</Value>"), "{tags}");

    let shop = ChannelId::parse("shop-a").unwrap();
    let forget = |customer: &str| {
        let folder = Place::folder(&CustomerId::new(customer));
        let (storage, http, shop) = (&storage, &http, &shop);
        async move {
            let folder = Some(folder.as_str());
            while !storage.forget_some(http, shop, folder, now).await.unwrap() {}
        }
    };
    // Somebody else's erasure touches nothing of hers.
    forget("ben").await;
    assert_eq!(get(&one, "").await.status, 200);
    for _ in 0..2 {
        forget("ann").await;
    }
    // S3 says 404 to those alone who may list what is there.
    for gone in [&one, &two] {
        let status = get(gone, "").await.status;
        assert!(matches!(status, 403 | 404), "{status}");
    }
    assert_eq!(get(&other, "").await.status, 200);
}
