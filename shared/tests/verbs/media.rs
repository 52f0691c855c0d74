//! What becomes of the files that customers send.

use std::path::Path;
use std::time::Duration;

use magpie::bridge::{Files, sweep};
use magpie::channel::{CallbackMode, Channel, DeskSettings};
use magpie::journal::Lane;
use magpie::media::Attachment;
use magpie::reason::Reason;
use magpie::storage::{Folder, Found, Storage};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::shop::{Shop, at, channel, webhook_desk};

const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF and so on";
const MP4: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom and so on";
const AMR: &[u8] = b"#!AMR\n and so on";
const PICTURE: &str = "https://mmbiz.qpic.cn/picture";
const SCANNER: &str = "https://scanner.example/scan";

/// A shop that keeps files, and where it keeps them.
async fn shop(desk: DeskSettings, scanner: bool) -> (Shop, TempDir) {
    let mut shop = Shop::open(crate::store().await, desk, CallbackMode::Plain).await;
    let root = TempDir::new().unwrap();
    shop.bridge = shop.bridge.with_files(Files {
        storage: Storage::Folder(Folder::open(&root.path().join("media")).unwrap()),
        base: Some(Url::parse("https://bridge.example").unwrap()),
        scanner: scanner.then(|| Url::parse(SCANNER).unwrap()),
    });
    (shop, root)
}

/// Ann sends something that holds these elements.
async fn sends(shop: &Shop, kind: &str, id: u64, elements: &[(&str, &str)]) {
    let now = shop.now();
    let elements = elements.iter().fold(String::new(), |xml, (name, text)| {
        xml + &format!("<{name}><![CDATA[{text}]]></{name}>")
    });
    let xml = format!(
        "<xml><ToUserName>gh_shop_a</ToUserName><FromUserName>oAnn</FromUserName>\
         <CreateTime>{now}</CreateTime><MsgType>{kind}</MsgType>{elements}<MsgId>{id}</MsgId></xml>"
    );
    assert_eq!(shop.push(&xml).await.status(), 200);
    shop.deliver().await;
}

async fn picture(shop: &Shop, id: u64) {
    sends(
        shop,
        "image",
        id,
        &[
            ("MediaId", "m1"),
            ("PicUrl", "http://mmbiz.qpic.cn/picture"),
        ],
    )
    .await;
}

/// What the desk was told of messages since the last time.
fn media(shop: &Shop) -> Vec<Value> {
    let told = shop.told().into_iter();
    let told = told.filter(|call| call["type"] == "message.created");
    told.map(|call| call["message"]["media"].clone()).collect()
}

async fn later(shop: &Shop, minutes: u64) {
    tokio::time::advance(Duration::from_mins(minutes)).await;
    let ends = shop.bridge.now().plus(Duration::from_secs(50));
    sweep::sweep(&shop.bridge, ends).await.unwrap();
    shop.deliver().await;
}

/// How often WeChat was asked for a file since the last time.
fn asked(shop: &Shop) -> usize {
    let calls = shop.sent_to("api.weixin.qq.com");
    let media = calls
        .iter()
        .filter(|call| call.url.path() == "/cgi-bin/media/get");
    media.count()
}

/// What lies behind a link.
async fn behind(shop: &Shop, url: &str) -> Option<Vec<u8>> {
    let url = Url::parse(url).unwrap();
    assert_eq!(url.origin().ascii_serialization(), "https://bridge.example");
    let path = url.path().strip_prefix("/media/").unwrap();
    let found = shop
        .bridge
        .open_file(&http::Method::GET, path, url.query().unwrap())
        .await
        .unwrap();
    match found?.found {
        Found::File(path) => std::fs::read(path).ok(),
        Found::Elsewhere(_) => None,
    }
}

fn files_below(root: &Path) -> usize {
    let mut folders = vec![root.join("media")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
            }
        }
    }
    files
}

#[tokio::test(start_paused = true)]
async fn a_picture_is_fetched_once_and_told_with_a_link_that_expires() {
    let (shop, root) = shop(webhook_desk(), false).await;
    shop.gives("m1", 200, JPEG);
    shop.desk_answers(503);
    picture(&shop, 1).await;
    // Of the desk it is the session that it is asked to take first.
    assert_eq!(media(&shop), [Value::Null; 0]);
    assert_eq!(asked(&shop), 1);
    shop.desk_answers(200);
    later(&shop, 2).await;
    assert_eq!(asked(&shop), 0, "it is there");
    let told = media(&shop);
    let [told] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(
        (&told["state"], &told["type"], &told["size"]),
        (&json!("kept"), &json!("image/jpeg"), &json!(JPEG.len()))
    );
    let url = told["url"].as_str().unwrap();
    assert!(!url.contains("oAnn") && !url.contains("m1"), "{url}");
    assert_eq!(behind(&shop, url).await.as_deref(), Some(JPEG));
    assert_eq!(behind(&shop, &url.replace("sig=", "sig=x")).await, None);
    tokio::time::advance(Duration::from_hours(72)).await;
    assert_eq!(behind(&shop, url).await, None, "it has expired");
    // A month later the file itself goes.
    tokio::time::advance(Duration::from_hours(24 * 26)).await;
    assert_eq!(shop.bridge.expire_files().await.unwrap(), 0);
    assert_eq!(files_below(root.path()), 1);
    tokio::time::advance(Duration::from_hours(24 * 2)).await;
    assert_eq!(shop.bridge.expire_files().await.unwrap(), 1);
    assert_eq!(files_below(root.path()), 0);
}

#[tokio::test(start_paused = true)]
async fn films_come_by_their_address_and_pictures_by_theirs_where_the_api_is_closed() {
    let (shop, _root) = shop(webhook_desk(), false).await;
    let film = json!({ "video_url": "http://mp.weixin.qq.com/film?x=1" });
    shop.gives("v1", 200, film.to_string());
    shop.gives("https://mp.weixin.qq.com/film?x=1", 200, MP4);
    shop.gives("w1", 200, AMR);
    shop.gives("m1", 200, json!({ "errcode": 48001 }).to_string());
    shop.gives(PICTURE, 200, JPEG);
    sends(
        &shop,
        "video",
        1,
        &[("MediaId", "v1"), ("ThumbMediaId", "t1")],
    )
    .await;
    sends(
        &shop,
        "voice",
        2,
        &[("MediaId", "a1"), ("MediaId16K", "w1"), ("Format", "amr")],
    )
    .await;
    picture(&shop, 3).await;
    let told = media(&shop);
    let types: Vec<_> = told.iter().map(|media| media["type"].as_str()).collect();
    assert_eq!(
        types,
        [Some("video/mp4"), Some("audio/amr"), Some("image/jpeg")]
    );
    for (told, bytes) in told.iter().zip([MP4, AMR, JPEG]) {
        let url = told["url"].as_str().unwrap();
        assert_eq!(behind(&shop, url).await.as_deref(), Some(bytes));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_had_is_said_and_the_message_goes_on() {
    let page = b"<!DOCTYPE html><script>alert(1)</script>";
    let elsewhere = json!({ "video_url": "https://evil.example/film" }).to_string();
    let inside = json!({ "video_url": "http://127.0.0.1/film" }).to_string();
    for (kind, name, status, body, expected) in [
        ("image", "m1", 200, &page[..], "media_unknown"),
        ("image", "m1", 200, MP4, "media_unknown"),
        ("image", "m1", 200, b"", "media_unknown"),
        (
            "voice",
            "m1",
            200,
            &[b"#!AMR\n".to_vec(), vec![0; 5 << 20]].concat(),
            "media_too_large",
        ),
        ("video", "m1", 200, elsewhere.as_bytes(), "media_gone"),
        ("video", "m1", 200, inside.as_bytes(), "media_gone"),
        ("voice", "m1", 404, b"", "media_gone"),
        ("video", "other", 200, MP4, "media_gone"),
    ] {
        let (shop, root) = shop(webhook_desk(), false).await;
        shop.gives(name, status, body);
        sends(&shop, kind, 1, &[("MediaId", "m1")]).await;
        let told = media(&shop);
        assert_eq!(told.len(), 1, "{expected}");
        assert_eq!(told[0]["state"], "missing");
        assert_eq!(told[0]["reason"]["code"], expected);
        assert_eq!(files_below(root.path()), 0, "nothing is left of {expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_waits_for_its_file_and_not_for_ever() {
    let (shop, _root) = shop(webhook_desk(), false).await;
    shop.gives("m1", 500, "");
    shop.gives(PICTURE, 502, "");
    picture(&shop, 1).await;
    assert_eq!(shop.say("oAnn", 2, "看图").await.status(), 200);
    shop.deliver().await;
    assert_eq!(media(&shop), [Value::Null; 0], "nothing passes it");
    shop.gives("m1", 200, JPEG);
    later(&shop, 2).await;
    let told = media(&shop);
    assert_eq!(told.len(), 2);
    assert_eq!(
        (&told[0]["type"], &told[1]),
        (&json!("image/jpeg"), &Value::Null)
    );

    shop.gives("m1", 500, "");
    picture(&shop, 3).await;
    for _ in 0..4 {
        later(&shop, 5).await;
    }
    let told = media(&shop);
    assert_eq!(told[0]["reason"]["code"], "media_unreachable");
    let journal = shop.journal(&at("oAnn"), Lane::In).await;
    let missing = Some(Attachment::Missing(Reason::MediaUnreachable));
    assert!(journal.iter().any(|entry| entry.attachment == missing));
}

#[tokio::test(start_paused = true)]
async fn a_stale_token_is_replaced_and_the_file_is_fetched() {
    let (shop, _root) = shop(webhook_desk(), false).await;
    shop.gives("m1", 200, json!({ "errcode": 40001 }).to_string());
    shop.gives(PICTURE, 404, "");
    picture(&shop, 1).await;
    assert_eq!(media(&shop), [Value::Null; 0]);
    let calls = shop.sent_to("api.weixin.qq.com");
    let of = |path: &str| calls.iter().filter(|call| call.url.path() == path).count();
    assert_eq!(of("/cgi-bin/media/get"), 2, "once more with another token");
    assert!(of("/cgi-bin/stable_token") >= 2);
    shop.gives("m1", 200, JPEG);
    later(&shop, 2).await;
    assert_eq!(media(&shop)[0]["state"], "kept");
}

#[tokio::test(start_paused = true)]
async fn what_the_scanner_finds_is_withheld() {
    let (shop, root) = shop(webhook_desk(), true).await;
    shop.gives("m1", 200, JPEG);
    shop.gives(
        SCANNER,
        200,
        json!({ "clean": false, "found": "eicar" }).to_string(),
    );
    picture(&shop, 1).await;
    let scanned = shop.sent_to("scanner.example");
    assert_eq!(scanned.len(), 1);
    assert_eq!(scanned[0].body, JPEG);
    assert_eq!(scanned[0].headers["content-type"], "image/jpeg");
    assert_eq!(media(&shop)[0]["reason"]["code"], "media_withheld");
    assert_eq!(files_below(root.path()), 0);
    // One that says nothing lets nothing pass.
    shop.gives(SCANNER, 503, "");
    picture(&shop, 2).await;
    assert_eq!(media(&shop), [Value::Null; 0]);
    shop.gives(SCANNER, 200, r#"{"clean": true}"#);
    later(&shop, 2).await;
    assert_eq!(media(&shop)[0]["state"], "kept");
}

#[tokio::test(start_paused = true)]
async fn the_files_of_a_deleted_channel_go_with_it() {
    let (shop, root) = shop(DeskSettings::Inbox, false).await;
    shop.gives("m1", 200, JPEG);
    picture(&shop, 1).await;
    assert_eq!(files_below(root.path()), 1);
    let channel = Channel {
        deleted: true,
        revision: 2,
        ..channel(DeskSettings::Inbox, CallbackMode::Plain)
    };
    let retired = shop
        .bridge
        .store
        .retire_channel(&channel, shop.bridge.now());
    assert!(retired.await.unwrap());
    for _ in 0..3 {
        later(&shop, 5).await;
    }
    assert_eq!(files_below(root.path()), 0);
}
