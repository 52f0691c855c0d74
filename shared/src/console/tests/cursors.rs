//! Cursors and ids that are damaged, forged, or another list's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Value, json};

use super::super::cursor::{List, veil};
use super::House;
use crate::channel::DeskSettings;
use crate::message::ChannelId;

/// A house whose lists go over pages, and the addresses of the lists.
async fn house() -> (House, Vec<String>) {
    let mut house = House::new().await;
    let channel = house.stage.connect("demo", DeskSettings::Inbox).await;
    let url = "https://desk.example.com/in".to_owned();
    let far = house.stage.connect("far", DeskSettings::Webhook { url });
    let far = far.await;
    *house.stage.outside.desk.lock().unwrap() = Some(400);
    for (channel, who) in [
        (&channel, "openid-1"),
        (&channel, "openid-2"),
        (&far, "openid-3"),
    ] {
        for text in ["one", "two", "three"] {
            house.stage.says(&channel.id, who, text).await;
        }
        house.stage.settle().await;
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
    }
    let mut lists = vec![
        "/api/channels?limit=1".to_owned(),
        "/api/conversations?limit=1".to_owned(),
        "/api/changes?limit=1".to_owned(),
        "/api/dead?limit=1".to_owned(),
    ];
    let talks = house.get("/api/conversations").await;
    for talk in talks["conversations"].as_array().unwrap() {
        let customer = talk["customer_id"].as_str().unwrap();
        lists.push(format!("/api/conversations/{customer}?limit=1"));
    }
    (house, lists)
}

async fn refused(house: &House, list: &str, cursor: &str) {
    let reply = house
        .program("GET", &format!("{list}&cursor={cursor}"), None)
        .await;
    let what = format!("{list} {cursor} {}", reply.text);
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{what}");
    assert_eq!(reply.headers["content-type"], "application/problem+json");
    let problem = reply.json();
    assert_eq!(problem["errors"][0]["field"], "cursor", "{what}");
    let words = problem["detail"].as_str().unwrap();
    assert!(words.contains("begin with the first page"), "{what}");
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_is_none_of_the_lists_is_refused_with_words() {
    let (house, lists) = house().await;
    let mut cursors = Vec::new();
    for list in &lists {
        let page = house.get(list).await;
        cursors.push(page["cursor"].as_str().unwrap().to_owned());
    }
    for (list, own) in lists.iter().zip(&cursors) {
        house.get(&format!("{list}&cursor={own}")).await;
        for (other, cursor) in lists.iter().zip(&cursors) {
            if other != list {
                refused(&house, list, cursor).await;
            }
        }
        for end in 1..own.len() {
            refused(&house, list, own.get(..end).unwrap()).await;
        }
        for length in [1, 2, 16, 40, 300] {
            let bytes = house.stage.bridge.chance.bytes::<300>();
            refused(&house, list, &URL_SAFE_NO_PAD.encode(&bytes[..length])).await;
        }
        for nonsense in ["x", "%00", "%F0%9F%90%A6", "null"] {
            refused(&house, list, nonsense).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_forged_cursor_leads_to_no_other_partition() {
    let (house, lists) = house().await;
    let far = house.get("/api/dead?channel=far&limit=1").await;
    let genuine = far["cursor"].as_str().unwrap();
    // A channel's list is not continued with another's cursor.
    refused(&house, "/api/dead?channel=demo", genuine).await;
    let long = "x".repeat(3000);
    for place in [
        "",
        "|",
        "no channel|",
        "demo",
        "demo|nonsense",
        "far|1|U#1234567890123456789012|J",
        "far|1|X#1|I#1",
        "far|x|U#1234567890123456789012|I#1795335330#500000000000000000001",
        &format!("far|1|A#{long}|I#1795335330#500000000000000000001"),
        &format!("far|1|U#1234567890123456789012|O#1795335330120#{long}#01"),
    ] {
        refused(&house, "/api/dead?limit=9", &List::Dead.cursor(place)).await;
    }
    // What is well made opens this channel's list, behind whatever it names.
    let place = "far|0|U#1234567890123456789012|I#1795335330#500000000000000000001";
    let cursor = List::Dead.cursor(place);
    let page = house.get(&format!("/api/dead?cursor={cursor}")).await;
    assert_eq!(page["dead"], json!([]));

    for place in ["", "No Channel", "x", &long] {
        refused(
            &house,
            "/api/channels?limit=9",
            &List::Channels.cursor(place),
        )
        .await;
    }
    for place in ["", "~", "#", "1795335330120", "-000000000001#U#x", &long] {
        let cursor = List::Conversations.cursor(place);
        refused(&house, "/api/conversations?limit=9", &cursor).await;
    }
    for place in ["", "-1", "x", "9223372036854775807"] {
        refused(&house, "/api/changes?limit=9", &List::Changes.cursor(place)).await;
    }
    let channel = ChannelId::parse("demo").unwrap();
    for who in ["openid-1", "openid-2"] {
        let at = house.stage.place(&channel, who).await;
        let list = lists.iter().skip(4);
        for place in ["", "|J", "J|", "I#|O#", "O#1795335330120#a#01|", &long] {
            let cursor = List::Messages(&at).cursor(place);
            for list in list.clone() {
                refused(&house, list, &cursor).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_goes_on_though_the_channel_of_its_cursor_is_gone() {
    let (house, _) = house().await;
    let place = "aaa|1|U#1234567890123456789012|I#1795335330#500000000000000000001";
    let cursor = List::Dead.cursor(place);
    let page = house.get(&format!("/api/dead?cursor={cursor}")).await;
    assert_eq!(page["dead"].as_array().unwrap().len(), 3, "all of the next");
}

#[tokio::test(start_paused = true)]
async fn forged_ids_are_not_found_and_break_nothing() {
    let (house, lists) = house().await;
    let long = "x".repeat(3000);
    for id in [
        "",
        "|",
        "A#demo|J",
        "U#1234567890123456789012|I#",
        &format!("A#{long}|I#1795335330#500000000000000000001"),
        &format!("U#1234567890123456789012|O#1795335330120#{long}#01"),
    ] {
        let path = format!("/api/dead/{}/redrive", veil(id));
        let reply = house.post(&path, &json!({})).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{id}");
    }
    let talk = lists[4].split('?').next().unwrap();
    for key in ["", "I#", "J", &format!("I#1795335330#5{long}")] {
        let up_to: Value = veil(key).into();
        let path = format!("{talk}/read");
        let reply = house.post(&path, &json!({ "up_to": up_to })).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{key}");
    }
}
