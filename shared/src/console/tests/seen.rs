//! What the operator of a channel is shown of it: what was seen, and why calls
//! were refused.

use std::time::Duration;

use serde_json::{Value, json};

use super::House;
use crate::bridge::inbound::inbound;
use crate::bridge::verify::verify;
use crate::channel::DeskSettings;
use crate::wechat::crypto;

const MINUTE: Duration = Duration::from_mins(1);

fn query(house: &House, token: &str, off: i64) -> String {
    let time = (house.stage.bridge.now().seconds() + off).to_string();
    let signature = crypto::signature(&[token, &time, "4157"]);
    format!("signature={signature}&timestamp={time}&nonce=4157&echostr=echo")
}

async fn push(house: &House, token: &str, off: i64) -> u16 {
    let now = house.stage.bridge.now().seconds();
    let body = format!(
        "<xml><ToUserName>gh_demo</ToUserName><FromUserName>openid-1</FromUserName>\
         <CreateTime>{now}</CreateTime><MsgType>text</MsgType><Content>hi</Content>\
         <MsgId>{now}</MsgId></xml>"
    );
    let query = query(house, token, off);
    let answer = inbound(&house.stage.bridge, "demo", None, &query, body.as_bytes()).await;
    answer.status().as_u16()
}

async fn seen(house: &House) -> Value {
    house.get("/api/channels/demo").await["seen"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_channel_shows_its_handshake_pushes_sends_and_refusals() {
    let mut house = House::new().await;
    let channel = house.stage.connect("demo", DeskSettings::Inbox).await;
    let nothing = json!({ "handshake": null, "last_push": null, "last_send": null, "refused": [],
        "alarms": [] });
    assert_eq!(seen(&house).await, nothing);

    let shaken = house.stage.bridge.now().to_string();
    let handshake = verify(
        &house.stage.bridge,
        "demo",
        None,
        &query(&house, "callbacktoken", 0),
    )
    .await;
    assert_eq!(handshake.status(), 200);
    assert_eq!(seen(&house).await["handshake"], json!(shaken));

    tokio::time::advance(MINUTE).await;
    let pushed = house.stage.bridge.now().to_string();
    assert_eq!(push(&house, "callbacktoken", 0).await, 200);
    house.stage.settle().await;
    assert_eq!(seen(&house).await["last_push"], json!(pushed));
    let list = house.get("/api/conversations").await;
    let customer = list["conversations"][0]["customer_id"].as_str().unwrap();
    let path = format!("/api/conversations/{customer}/messages");
    let said = json!({ "id": "one", "kind": "text", "text": "hello", "time": pushed });
    assert_eq!(house.post(&path, &said).await.status.as_u16(), 202);
    house.stage.settle().await;
    assert_eq!(seen(&house).await["last_send"], json!(pushed));

    for _ in 0..3 {
        assert_eq!(push(&house, "another", 0).await, 403);
    }
    tokio::time::advance(MINUTE).await;
    let refused_at = house.stage.bridge.now().to_string();
    assert_eq!(push(&house, "callbacktoken", -601).await, 403);
    let refused = seen(&house).await["refused"].clone();
    let counts: Vec<_> = refused.as_array().unwrap().iter().collect();
    assert_eq!(
        (&counts[0]["code"], &counts[0]["count"]),
        (&json!("stale"), &json!(1))
    );
    assert_eq!(counts[0]["last"], json!(refused_at));
    assert_eq!(
        (&counts[1]["code"], &counts[1]["count"]),
        (&json!("wrong_signature"), &json!(3))
    );
    assert_ne!(counts[1]["zh"], counts[1]["en"]);
    // What is stored is all of it: another process would show the same.
    let stored = house.stage.bridge.store.seen(&channel.id).await.unwrap();
    assert_eq!(stored.refused["wrong_signature"].count, 3);
    assert_eq!(
        house.get("/api/channels").await["channels"][0]["seen"]["refused"],
        refused
    );
}
