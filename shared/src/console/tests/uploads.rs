//! What agents send beside words, and the files that they bring first.

use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

use super::House;
use crate::bridge::Taken;
use crate::channel::DeskSettings;
use crate::http::Trouble;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

/// An inbox with a customer who has written; where that conversation is in the API.
async fn inbox(house: &mut House) -> String {
    let shop = house.stage.connect("shop-a", DeskSettings::Inbox).await;
    house.stage.says(&shop.id, "openid-1", "hello").await;
    house.stage.settle().await;
    let list = house.get("/api/conversations").await;
    let customer = list["conversations"][0]["customer_id"].as_str().unwrap();
    format!("/api/conversations/{customer}")
}

/// Brings a file to where the API says; gives its name and what became of it.
async fn bring(
    house: &House,
    path: &str,
    name: &str,
    size: usize,
    bytes: &[u8],
) -> (String, Taken) {
    let file = json!({ "name": name, "size": size });
    let begun = house.post(&format!("{path}/files"), &file).await.json();
    let url: url::Url = begun["upload"]["url"].as_str().unwrap().parse().unwrap();
    let place = url.path().strip_prefix("/media/").unwrap();
    let pieces = bytes
        .chunks(7)
        .map(|piece| Ok::<_, Trouble>(Bytes::copy_from_slice(piece)));
    let pieces = stream::iter(pieces.collect::<Vec<_>>());
    let query = url.query().unwrap();
    let taken = house.stage.bridge.take_file(place, query, pieces).await;
    (begun["file"].as_str().unwrap().to_owned(), taken.unwrap())
}

/// The bodies of what WeChat was asked to send.
fn sent(house: &House) -> Vec<Value> {
    let calls = house.stage.outside.calls.lock().unwrap();
    let sends = calls
        .iter()
        .filter(|call| call.url.path() == "/cgi-bin/message/custom/send");
    sends
        .map(|call| serde_json::from_slice(&call.body).unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_file_is_brought_sent_and_shown() {
    let mut house = House::new().await;
    let path = inbox(&mut house).await;
    let (file, taken) = bring(&house, &path, "Photo.PNG", PNG.len(), PNG).await;
    assert_eq!(taken, Taken::Kept);
    let said = json!({ "id": "a", "time": house.stage.bridge.now().to_string(),
        "kind": "image", "media": { "file": file }, "text": "新品" });
    let reply = house.post(&format!("{path}/messages"), &said).await;
    assert_eq!(reply.status.as_u16(), 202, "{}", reply.text);
    // A repeat is harmless.
    let again = house.post(&format!("{path}/messages"), &said).await;
    assert_eq!(again.json()["entries"].as_array().unwrap().len(), 2);
    let uploads = |ids: &[&str]| {
        let ids = ids.iter().map(|id| json!({ "media_id": id }).to_string());
        house.stage.outside.bodies.lock().unwrap().extend(ids);
    };
    uploads(&["m1"]);
    house.stage.settle().await;
    let sent = sent(&house);
    assert_eq!(sent[0]["image"]["media_id"], "m1");
    assert_eq!(sent[1]["text"]["content"], "新品");
    assert_eq!(sent.len(), 2);
    let talk = house.get(&path).await;
    let picture = &talk["messages"][1];
    assert_eq!(
        (&picture["kind"], &picture["text"]),
        (&json!("image"), &json!("[image]"))
    );
    assert_eq!(picture["state"], "delivered");
    assert_eq!(picture["media"]["type"], "image/png");
    assert_eq!(picture["media"]["size"], PNG.len());
    assert_eq!(talk["last_message"]["text"], "[图片] [image]");
}

#[tokio::test(start_paused = true)]
async fn what_is_brought_is_what_was_said() {
    let mut house = House::new().await;
    let path = inbox(&mut house).await;
    for (name, size, bytes) in [
        ("a.png", PNG.len() + 1, PNG),
        ("a.png", PNG.len() - 1, PNG),
        ("a.jpg", PNG.len(), PNG),
        ("a.pdf", PNG.len(), PNG),
        ("a.txt", PNG.len(), PNG),
    ] {
        let (file, taken) = bring(&house, &path, name, size, bytes).await;
        assert_eq!(taken, Taken::NotThis, "{name} {size}");
        let said = json!({ "id": "a", "time": house.stage.bridge.now().to_string(),
            "kind": "image", "media": { "file": file } });
        let reply = house.post(&format!("{path}/messages"), &said).await;
        assert_eq!(
            reply.json()["errors"][0]["field"],
            "media",
            "nothing lies there"
        );
    }
    let begun = json!({ "name": "a.png", "size": PNG.len() });
    let begun = house.post(&format!("{path}/files"), &begun).await.json();
    let url = begun["upload"]["url"].as_str().unwrap();
    let (place, query) = url
        .split_once("/media/")
        .unwrap()
        .1
        .split_once('?')
        .unwrap();
    let take = async |place: &str, query: &str| {
        let pieces = stream::iter([Ok(Bytes::from_static(PNG))]);
        house
            .stage
            .bridge
            .take_file(place, query, pieces)
            .await
            .unwrap()
    };
    let size = format!("size={}", PNG.len());
    let longer = query.replace(&size, "size=99999999");
    assert_eq!(take(place, &longer).await, Taken::NoDoor);
    let other = place.replace("shop-a", "shop-b");
    assert_eq!(take(&other, query).await, Taken::NoDoor);
    tokio::time::advance(std::time::Duration::from_mins(15)).await;
    assert_eq!(take(place, query).await, Taken::NoDoor);
    // Nothing is left on its way.
    let way = house.root.path().join("media/-");
    assert_eq!(std::fs::read_dir(way).unwrap().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_wechat_would_not_take_is_told_at_once() {
    let mut house = House::new().await;
    let path = inbox(&mut house).await;
    let now = house.stage.bridge.now().to_string();
    let say = async |message: Value| {
        let mut said = json!({ "id": "a", "time": now });
        let fields = said.as_object_mut().unwrap();
        fields.extend(message.as_object().unwrap().clone());
        let reply = house.post(&format!("{path}/messages"), &said).await;
        (reply.status.as_u16(), reply.json())
    };
    let pdf = b"%PDF-1.7 and so on";
    let (file, _) = bring(&house, &path, "a.pdf", pdf.len(), pdf).await;
    let (status, told) = say(json!({ "kind": "image", "media": { "file": file } })).await;
    assert_eq!((status, &told["code"]), (422, &json!("file_not_taken")));
    let amr = b"#!AMR\n and so on";
    let (voice, _) = bring(&house, &path, "a.amr", amr.len(), amr).await;
    let (status, _) = say(json!({ "kind": "voice", "media": { "file": voice } })).await;
    assert_eq!(status, 202);
    // Of another customer's files nobody is told.
    let shop = crate::message::ChannelId::parse("shop-a").unwrap();
    house.stage.says(&shop, "openid-2", "hello").await;
    let strange = json!({ "kind": "file", "name": "a.pdf", "media": { "file": "AAAAAAAAAAAAAAAAAAAAAA.pdf" } });
    assert_eq!(say(strange).await.0, 400);
    for (message, field) in [
        (json!({ "kind": "image" }), "media"),
        (json!({ "kind": "image", "media": {} }), "media"),
        (
            json!({ "kind": "image", "media": { "file": "a", "url": "https://a.example" } }),
            "media",
        ),
        (json!({ "kind": "image", "media": { "url": "a" } }), "media"),
        (
            json!({ "kind": "image", "media": { "odd": "a" } }),
            "media.odd",
        ),
        (
            json!({ "kind": "image", "media": { "media_id": "m" }, "url": "https://a" }),
            "url",
        ),
        (
            json!({ "kind": "link", "title": "t", "url": "mailto:a" }),
            "url",
        ),
        (
            json!({ "kind": "choice", "text": "?", "choices": [{ "id": "1" }] }),
            "choices.0.text",
        ),
        (
            json!({ "kind": "text", "text": "hi", "kf_account": "anna" }),
            "kf_account",
        ),
        (
            json!({ "kind": "text", "text": "hi", "agent": { "age": 3 } }),
            "agent.age",
        ),
    ] {
        let (status, told) = say(message.clone()).await;
        assert_eq!(status, 400, "{message}");
        let fields = told["errors"].as_array().unwrap();
        assert!(
            fields.iter().any(|one| one["field"] == field),
            "{message} {told}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_is_shown_with_its_choices_and_so_is_what_was_chosen() {
    let mut house = House::new().await;
    let path = inbox(&mut house).await;
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    let said = json!({ "id": "q1", "time": house.stage.bridge.now().to_string(), "kind": "choice",
        "text": "满意吗？", "choices": [{ "id": "y", "text": "满意" }, { "id": "n", "text": "不满意" }] });
    let reply = house.post(&format!("{path}/messages"), &said).await;
    assert_eq!(reply.status.as_u16(), 202, "{}", reply.text);
    house.stage.settle().await;
    let sent = sent(&house);
    let id = sent[0]["msgmenu"]["list"][1]["id"].as_str().unwrap();
    let shop = crate::message::ChannelId::parse("shop-a").unwrap();
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    house.stage.taps(&shop, "openid-1", id, "不满意").await;
    house.stage.settle().await;
    let talk = house.get(&path).await;
    assert_eq!(talk["messages"][1]["text"], "满意吗？\n1. 满意\n2. 不满意");
    let tap = &talk["messages"][2];
    assert_eq!(tap["text"], "不满意");
    let expected = json!({ "choice": "n", "question": { "id": "q1", "text": "满意吗？" } });
    assert_eq!(tap["data"], expected);
    // Whoever types is shown to the customer.
    let on = house
        .post(&format!("{path}/typing"), &json!({ "on": true }))
        .await;
    assert_eq!(on.status.as_u16(), 202);
    let calls = house.stage.outside.calls.lock().unwrap();
    let typing = calls
        .iter()
        .find(|call| call.url.path() == "/cgi-bin/message/custom/typing");
    let body: Value = serde_json::from_slice(&typing.unwrap().body).unwrap();
    assert_eq!(body["command"], "Typing");
}
