//! The conversations over the Lambda binaries.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it has to be"
)]

#[path = "world/cloud.rs"]
mod cloud;
#[path = "conversation.rs"]
mod conversation;
#[path = "harness/mod.rs"]
mod harness;
#[path = "world/lambda.rs"]
mod lambda;
#[path = "world/mod.rs"]
mod world;

use axum::Router;
use axum::routing::get;
use lambda::Lambda as Form;
use magpie_local::simulator::{MediaKind, Mode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use world::{Customer, World, time};

/// What `deliver` may have resident at the most: the smallest function of AWS has twice that.
const MOST: u64 = 64 << 20;
/// As large as WeChat takes pictures and films.
const LARGEST: usize = 10 << 20;

#[tokio::test]
async fn files_pass_through_little_memory() {
    let world = World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Secure).await;
    let deliver = world.bridge().cloud().function("deliver").clone();
    let customer = shop.customer("Han Meimei");
    customer.says("你好").await;
    desk.hears_a_beginning(&world, "你好").await;
    for _ in 0..3 {
        let photo = conversation::picture(LARGEST);
        customer.sends(MediaKind::Image, "photo.jpg", &photo).await;
        let news = desk.hears(&world, "message.created").await;
        assert_eq!(news["message"]["media"]["size"], photo.len());
    }
    if let Some(peak) = deliver.peak_memory() {
        assert!(peak < MOST, "{peak} bytes were resident");
    }
    let objects = world.bridge().cloud().bucket.objects();
    let tags: Vec<_> = objects
        .values()
        .map(|object| object.tags.as_str())
        .collect();
    assert_eq!(tags, ["keep=30"; 3]);
    world.close().await;
}

/// A film of so many bytes, as far as its first ones tell.
fn film(size: usize) -> Vec<u8> {
    let mut bytes = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom".to_vec();
    bytes.extend((0_u8..241).cycle().take(size - bytes.len()));
    bytes
}

/// Where a brand keeps its film. It is there until the set is dropped.
async fn shelf(film: &[u8]) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/film.mp4", listener.local_addr().unwrap());
    let film = axum::body::Bytes::copy_from_slice(film);
    let router = Router::new().route("/film.mp4", get(move || std::future::ready(film)));
    let mut server = JoinSet::new();
    server.spawn(async move {
        axum::serve(listener, router).await.unwrap();
    });
    (address, server)
}

/// The customer sees a file, which is this one.
async fn sees_file(customer: &Customer<'_>, line: &str, bytes: &[u8]) {
    customer.sees(line).await;
    let seen = customer.opens_the_last_file().await;
    assert!(seen == bytes, "{line}: {} bytes", seen.len());
}

#[tokio::test]
async fn files_of_agents_go_out_through_little_memory() {
    let world = World::start().await;
    let deliver = world.bridge().cloud().function("deliver").clone();
    let (film_at, _shelf) = shelf(&film(LARGEST)).await;

    // A desk names our link to a picture of the customer's, and an address of its own.
    let (shop, desk) = world.shop_with_desk(Mode::Secure).await;
    let customer = shop.customer("Han Meimei");
    let photo = conversation::picture(LARGEST);
    customer.sends(MediaKind::Image, "photo.jpg", &photo).await;
    let talk = desk.hears(&world, "session.opened").await["conversation"].clone();
    let news = desk.hears(&world, "message.created").await;
    let link = &news["message"]["media"]["url"];
    let says = async |id: &str, kind: &str, url: &Value| {
        let message = json!({ "kind": kind, "media": { "url": url } });
        let body = json!({ "type": "message", "time": time(), "conversation": talk,
            "message": message });
        let status = desk.calls(&shop, id, &body, desk.secret()).await;
        assert_eq!(status, 202);
    };
    says("ours", "image", link).await;
    sees_file(&customer, "[image]", &photo).await;
    desk.hears_status(&world, "ours", "delivered").await;
    says("theirs", "video", &json!(film_at)).await;
    sees_file(&customer, "[video]", &film(LARGEST)).await;
    desk.hears_status(&world, "theirs", "delivered").await;

    // At the inbox both are chosen from a folder and go through the bucket.
    let inbox = world.shop_with_inbox(Mode::Secure).await;
    let jim = inbox.customer("Jim");
    jim.says("hello").await;
    let talk = inbox.conversation().await;
    for (name, kind, bytes) in [
        ("photo.jpg", "image", &photo),
        ("film.mp4", "video", &film(LARGEST)),
    ] {
        let file = talk.brings(name, bytes).await;
        let said = json!({ "id": name, "time": time(), "kind": kind, "media": { "file": file } });
        let (status, told) = talk.post("messages", said).await;
        assert_eq!(status, 202, "{told}");
        sees_file(&jim, &format!("[{kind}]"), bytes).await;
    }
    let calls = world.wechat.with(|wechat| {
        let seen = wechat.log().filter(|seen| seen.call.starts_with("POST"));
        let paths = seen.map(|seen| seen.call.rsplit('/').next().unwrap().to_owned());
        paths
            .filter(|path| path == "upload" || path == "send")
            .collect::<Vec<_>>()
    });
    assert_eq!(calls, ["upload", "send"].repeat(4));
    if let Some(peak) = deliver.peak_memory() {
        assert!(peak < MOST, "{peak} bytes were resident");
    }
    world.close().await;
}
