//! Conversations: the list, the messages, the changes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::House;
use crate::channel::DeskSettings;
use crate::conversation::{Conversation, customer_id};
use crate::journal::{Entry, EntryKey, Origin};
use crate::message::{Body, ChannelId, OpenId};
use crate::wechat::push::{self, Place};

const SECOND: Duration = Duration::from_secs(1);

async fn customers(house: &mut House, channels: &[&str], count: usize) {
    for id in channels {
        house.stage.connect(id, DeskSettings::Inbox).await;
    }
    for number in 0..count {
        let channel = ChannelId::parse(channels[number % channels.len()]).unwrap();
        let (who, text) = (format!("openid-{number}"), format!("text {number}"));
        house.stage.says(&channel, &who, &text).await;
        house.stage.settle().await;
        tokio::time::advance(SECOND).await;
    }
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap();
    let text = |one: &Value| {
        let text = &one["last_message"]["text"];
        text.as_str().or(one["text"].as_str()).unwrap().to_owned()
    };
    list.iter().map(text).collect()
}

fn id_of(talk: &Value) -> String {
    talk["customer_id"].as_str().unwrap().to_owned()
}

async fn first(house: &House) -> String {
    id_of(&house.get("/api/conversations").await["conversations"][0])
}

#[tokio::test(start_paused = true)]
async fn the_list_goes_by_last_activity_over_all_channels_and_pages() {
    let mut house = House::new().await;
    customers(&mut house, &["one", "two"], 37).await;
    let expected: Vec<_> = (0..37).rev().map(|n| format!("text {n}")).collect();
    for limit in [1, 7, 36, 37, 100] {
        let mut seen = Vec::new();
        let list = format!("/api/conversations?state=all&limit={limit}");
        for page in house.pages(&list).await {
            let rows = texts(&page["conversations"]);
            assert!(rows.len() <= limit);
            seen.extend(rows);
        }
        assert_eq!(seen, expected, "{limit}");
    }
    let one = house.get("/api/conversations?channel=one&limit=100").await;
    assert_eq!(one["conversations"].as_array().unwrap().len(), 19);
    let talk = &one["conversations"][0];
    assert_eq!(
        (&talk["state"], &talk["unread"]),
        (&json!("open"), &json!(1))
    );
    assert_eq!(talk["window"]["left"], 5);
    assert_eq!(talk["last_message"]["direction"], "in");

    let customer = id_of(talk);
    let end = format!("/api/conversations/{customer}/end");
    assert_eq!(house.post(&end, &json!({})).await.status.as_u16(), 202);
    house.stage.settle().await;
    let open = house.get("/api/conversations?state=open&limit=100").await;
    assert_eq!(open["conversations"].as_array().unwrap().len(), 36);
    let all = house.get("/api/conversations?limit=1").await;
    assert_eq!(
        id_of(&all["conversations"][0]),
        customer,
        "an end is activity"
    );
    assert_eq!(all["conversations"][0]["state"], "closed");
}

#[tokio::test(start_paused = true)]
async fn a_conversation_is_listed_once_its_customer_can_be_found() {
    let mut house = House::new().await;
    customers(&mut house, &["demo"], 1).await;
    let channel = ChannelId::parse("demo").unwrap();
    let store = &house.stage.bridge.store;
    let begun = Conversation {
        channel: channel.clone(),
        customer: customer_id([7; 16]),
        open_id: OpenId::new("openid-9"),
        linked: false,
        session: None,
        read_up_to: None,
        last_session: None,
        late_sends: None,
        leaving: None,
        called: None,
        active: house.stage.bridge.now(),
    };
    let at = house.stage.place(&channel, "openid-9").await;
    store.begin(&at, &begun).await.unwrap();
    let listed = async || {
        let list = house.get("/api/conversations?state=all").await;
        let list = list["conversations"].as_array().unwrap().clone();
        list.iter().map(id_of).collect::<Vec<_>>()
    };
    assert_eq!(listed().await.len(), 1);
    tokio::time::advance(SECOND).await;
    let now = house.stage.bridge.now();
    store.link(&at, &begun, now).await.unwrap();
    let list = listed().await;
    assert_eq!((list.len(), list[0].as_str()), (2, begun.customer.expose()));
    for customer in list {
        house.get(&format!("/api/conversations/{customer}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn messages_of_both_lanes_come_in_pages() {
    let mut house = House::new().await;
    customers(&mut house, &["demo"], 1).await;
    let channel = ChannelId::parse("demo").unwrap();
    let customer = first(&house).await;
    let path = format!("/api/conversations/{customer}");
    let mut expected = vec!["text 0".to_owned()];
    for number in 1..30 {
        let text = format!("text {number}");
        if number % 3 == 0 {
            let said = json!({ "id": format!("m{number}"), "kind": "text", "text": text,
                "time": house.stage.bridge.now().to_string() });
            let reply = house.post(&format!("{path}/messages"), &said).await;
            assert_eq!(reply.status.as_u16(), 202, "{}", reply.text);
        } else {
            house.stage.says(&channel, "openid-0", &text).await;
        }
        house.stage.settle().await;
        expected.push(text);
        tokio::time::advance(SECOND).await;
    }
    for limit in [1, 4, 29, 30, 100] {
        assert_eq!(by_pages(&house, &path, limit).await, expected, "{limit}");
    }
}

/// What was said in a conversation, as it is read by pages.
async fn by_pages(house: &House, path: &str, limit: usize) -> Vec<String> {
    let pages = house.pages(&format!("{path}?limit={limit}")).await;
    let pages = pages.iter().rev();
    pages.flat_map(|page| texts(&page["messages"])).collect()
}

#[tokio::test(start_paused = true)]
async fn thanks_within_the_second_of_an_answer_stand_below_it() {
    let mut house = House::new().await;
    customers(&mut house, &["demo"], 1).await;
    let channel = ChannelId::parse("demo").unwrap();
    let customer = first(&house).await;
    let path = format!("/api/conversations/{customer}");
    let mut expected = vec!["text 0".to_owned()];
    for number in 0..3 {
        let into = house.stage.bridge.now().millis().rem_euclid(1000);
        let rest = u64::try_from(1300 - into).unwrap();
        tokio::time::advance(Duration::from_millis(rest)).await;
        let [answer, thanks] = ["answer", "thanks"].map(|what| format!("{what} {number}"));
        let said = json!({ "id": answer.replace(' ', "-"), "kind": "text", "text": answer,
            "time": house.stage.bridge.now().to_string() });
        let reply = house.post(&format!("{path}/messages"), &said).await;
        assert_eq!(reply.status.as_u16(), 202, "{}", reply.text);
        tokio::time::advance(Duration::from_millis(300)).await;
        house.stage.says(&channel, "openid-0", &thanks).await;
        house.stage.settle().await;
        expected.extend([answer, thanks]);
    }
    for limit in [1, 2, 100] {
        assert_eq!(by_pages(&house, &path, limit).await, expected, "{limit}");
    }
    let talk = house.get(&path).await;
    let times = talk["messages"].as_array().unwrap().iter();
    let times: Vec<&str> = times.map(|one| one["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_goes_out_once_and_is_shown_with_its_state() {
    let mut house = House::new().await;
    customers(&mut house, &["demo"], 1).await;
    let customer = first(&house).await;
    let path = format!("/api/conversations/{customer}");
    let now = house.stage.bridge.now().to_string();
    let said = json!({ "id": "answer-1", "time": now, "kind": "text", "text": "你好" });
    for state in ["pending", "delivered"] {
        let reply = house.post(&format!("{path}/messages"), &said).await;
        assert_eq!(reply.status.as_u16(), 202, "{}", reply.text);
        let entry = &reply.json()["entries"][0];
        assert_eq!(entry["state"], state);
        assert_eq!((&entry["part"], &entry["parts"]), (&json!(1), &json!(1)));
        house.stage.settle().await;
    }
    let talk = house.get(&path).await;
    assert_eq!(texts(&talk["messages"]), ["text 0", "你好"]);
    let answer = &talk["messages"][1];
    assert_eq!(
        (&answer["direction"], &answer["state"]),
        (&json!("out"), &json!("delivered"))
    );
    assert_eq!(
        (&answer["message_id"], &answer["reason"]),
        (&json!("answer-1"), &Value::Null)
    );
    assert_eq!(answer["time"], now);
    assert_eq!(talk["last_message"]["text"], "你好");
    assert_eq!(talk["last_message"]["direction"], "out");
    assert_eq!(talk["window"]["left"], 4);
    let sends = house.stage.outside.calls.lock().unwrap();
    let sends = sends
        .iter()
        .filter(|call| call.url.path().ends_with("custom/send"));
    assert_eq!(sends.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_taken_is_refused_with_words() {
    let mut house = House::new().await;
    customers(&mut house, &["demo"], 1).await;
    let customer = first(&house).await;
    let path = format!("/api/conversations/{customer}/messages");
    let now = house.stage.bridge.now();
    let said =
        |text: &str, time: String| json!({ "id": "a", "time": time, "kind": "text", "text": text });
    let check = async |body: &Value, status: u16, code: &str| {
        let reply = house.post(&path, body).await;
        assert_eq!(reply.status.as_u16(), status, "{}", reply.text);
        assert_eq!(reply.json()["code"], code);
    };
    check(&said(" \n", now.to_string()), 422, "empty").await;
    check(&said(&"长".repeat(4000), now.to_string()), 422, "too_long").await;
    let ahead = now.plus(Duration::from_secs(301)).to_string();
    check(&said("hi", ahead), 400, "invalid").await;
    check(&said("hi", "yesterday".into()), 400, "invalid").await;
    check(&json!({ "id": "a" }), 400, "invalid").await;
    let mut other = said("hi", now.to_string());
    other["kind"] = "image".into();
    check(&other, 400, "invalid").await;
    other["kind"] = "hologram".into();
    check(&other, 422, "unsupported_kind").await;
    let ok = house.post(&path, &said("hi", now.to_string())).await;
    assert_eq!(ok.status.as_u16(), 202);
    check(&said("other words", now.to_string()), 409, "id_used").await;
    let nobody = "/api/conversations/00000000-0000-4000-8000-000000000000/messages";
    let reply = house.post(nobody, &said("hi", now.to_string())).await;
    assert_eq!(reply.status.as_u16(), 404);
}

#[tokio::test(start_paused = true)]
async fn another_desks_customers_are_not_answered_here() {
    let mut house = House::new().await;
    let url = "https://desk.example.com/in".to_owned();
    let channel = house
        .stage
        .connect("far", DeskSettings::Webhook { url })
        .await;
    house.stage.says(&channel.id, "openid-1", "hello").await;
    house.stage.settle().await;
    let list = house.get("/api/conversations").await;
    let talk = &list["conversations"][0];
    assert_eq!(talk["unread"], 0, "nobody reads here");
    assert_eq!(talk["last_message"]["text"], "hello");
    let path = format!("/api/conversations/{}/messages", id_of(talk));
    let said = json!({ "id": "a", "time": house.stage.bridge.now().to_string(),
        "kind": "text", "text": "hi" });
    let reply = house.post(&path, &said).await;
    assert_eq!(reply.json()["code"], "other_desk");
}

#[tokio::test(start_paused = true)]
async fn the_sixth_answer_is_held_and_says_why() {
    let mut house = House::new().await;
    customers(&mut house, &["demo"], 1).await;
    let customer = first(&house).await;
    let path = format!("/api/conversations/{customer}");
    for number in 0..6 {
        let said = json!({ "id": format!("m{number}"), "kind": "text", "text": "hi",
            "time": house.stage.bridge.now().to_string() });
        house.post(&format!("{path}/messages"), &said).await;
        house.stage.settle().await;
        tokio::time::advance(SECOND).await;
    }
    let talk = house.get(&path).await;
    assert_eq!(talk["window"]["left"], 0);
    let shown: Vec<_> = talk["messages"].as_array().unwrap().iter().collect();
    assert_eq!(shown[5]["state"], "delivered");
    assert_eq!(shown[6]["state"], "held");
    assert_eq!(shown[6]["reason"]["code"], "window_full");
    let status = house.get("/api/status").await;
    let total = &status["total"];
    assert_eq!(total["parked_by_reason"], json!({ "window_full": 1 }));
    assert_eq!((&total["pending"], &total["dead"]), (&json!(1), &json!(0)));
    assert_eq!(total["oldest_pending"], shown[6]["time"]);
    let channel = &status["channels"][0];
    assert_eq!(
        (&channel["channel"], &channel["desk_down"]),
        (&json!("demo"), &json!(false))
    );
    assert!(channel["token"]["expires"].is_string());
}

#[tokio::test(start_paused = true)]
async fn what_is_read_is_read_for_everybody_and_never_unread() {
    let mut house = House::new().await;
    customers(&mut house, &["demo"], 1).await;
    let channel = ChannelId::parse("demo").unwrap();
    for number in 0..120 {
        let text = format!("more {number}");
        house.stage.says(&channel, "openid-0", &text).await;
        tokio::time::advance(SECOND).await;
    }
    house.stage.settle().await;
    let customer = first(&house).await;
    let path = format!("/api/conversations/{customer}");
    let talk = house.get(&path).await;
    assert_eq!(talk["unread"], 99);
    let messages = talk["messages"].as_array().unwrap();
    let id = |back: usize| messages[messages.len() - 1 - back]["id"].clone();
    for (back, unread) in [(20, 20), (3, 3), (10, 3), (0, 0)] {
        let reply = house
            .post(&format!("{path}/read"), &json!({ "up_to": id(back) }))
            .await;
        assert_eq!(reply.status.as_u16(), 204, "{}", reply.text);
        assert_eq!(house.get(&path).await["unread"], unread, "{back}");
    }
    let future = super::super::cursor::veil("I#9999999999#500000000000000000001");
    for (wrong, status) in [
        (json!("nonsense"), 400),
        (json!(super::super::cursor::veil("O#1")), 400),
        (json!(future), 404),
    ] {
        let reply = house
            .post(&format!("{path}/read"), &json!({ "up_to": wrong }))
            .await;
        assert_eq!(reply.status.as_u16(), status);
    }
}

#[tokio::test(start_paused = true)]
async fn changes_tell_of_what_moved_and_of_the_open_conversation() {
    let mut house = House::new().await;
    customers(&mut house, &["demo"], 3).await;
    tokio::time::advance(SECOND * 10).await;
    let start = house.get("/api/changes").await;
    assert_eq!(start["conversations"], json!([]));
    assert_eq!(start["messages"], Value::Null);
    let cursor = start["cursor"].as_str().unwrap();
    let quiet = house.get(&format!("/api/changes?cursor={cursor}")).await;
    assert_eq!(quiet["conversations"], json!([]));

    let channel = ChannelId::parse("demo").unwrap();
    for who in ["openid-2", "openid-0"] {
        tokio::time::advance(SECOND).await;
        house
            .stage
            .says(&channel, who, &who.replace("openid-", "again "))
            .await;
        house.stage.settle().await;
    }
    let told = house.get(&format!("/api/changes?cursor={cursor}")).await;
    let rows = texts(&told["conversations"]);
    assert_eq!(rows, ["again 2", "again 0"], "oldest first");

    tokio::time::advance(SECOND * 10).await;
    let later = told["cursor"].as_str().unwrap();
    let all = house.get("/api/conversations").await;
    let customer = id_of(&all["conversations"][2]);
    let path = format!("/api/changes?cursor={later}&customer={customer}");
    let told = house.get(&path).await;
    let open: BTreeSet<_> = told["conversations"]
        .as_array()
        .unwrap()
        .iter()
        .map(id_of)
        .collect();
    assert!(open.contains(&customer));
    assert_eq!(texts(&told["messages"]), ["text 1"]);
    let nobody = "00000000-0000-4000-8000-000000000000";
    let told = house
        .get(&format!("/api/changes?cursor={later}&customer={nobody}"))
        .await;
    assert_eq!(told["messages"], Value::Null);
}

/// The API's document holds what every message and event has as data.
#[tokio::test(start_paused = true)]
async fn every_sample_of_a_push_is_shown() {
    let mut house = House::new().await;
    customers(&mut house, &["demo"], 1).await;
    let channel = ChannelId::parse("demo").unwrap();
    let at = house.stage.place(&channel, "openid-0").await;
    let now = house.stage.bridge.now();
    let origin = Origin {
        channel,
        open_id: Some(OpenId::new("openid-0")),
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/push");
    let mut expected = Vec::new();
    for (number, file) in fs::read_dir(folder).unwrap().enumerate() {
        let push = push::parse(&fs::read(file.unwrap().path()).unwrap()).unwrap();
        if matches!(push.place(), Place::Account | Place::Location) {
            continue;
        }
        let seconds = u64::try_from(now.seconds()).unwrap() + u64::try_from(number).unwrap();
        expected.push(serde_json::to_value(push.body.data()).unwrap());
        let key = EntryKey::message(seconds, "1");
        let entry = Entry::pending(key, now, push.body, origin.clone());
        let store = &house.stage.bridge.store;
        store.put_entry(&at, &entry, None).await.unwrap();
    }
    let customer = first(&house).await;
    let talk = house
        .get(&format!("/api/conversations/{customer}?limit=100"))
        .await;
    let shown = talk["messages"].as_array().unwrap();
    let shown: Vec<_> = shown.iter().map(|m| m["data"].clone()).collect();
    assert_eq!(shown[shown.len() - expected.len()..], expected);
}

#[tokio::test(start_paused = true)]
async fn events_are_shown_in_the_readers_language() {
    let mut house = House::new().await;
    customers(&mut house, &["demo"], 1).await;
    let channel = ChannelId::parse("demo").unwrap();
    let at = house.stage.place(&channel, "openid-0").await;
    let now = house.stage.bridge.now();
    let seconds = u64::try_from(now.seconds()).unwrap();
    let key = EntryKey::hashed(seconds, crate::journal::Class::Unfollow, b"u");
    let origin = Origin {
        channel,
        open_id: Some(OpenId::new("openid-0")),
    };
    let body = Body::Event {
        name: "unsubscribe".to_owned(),
        fields: crate::message::Fields::new(),
    };
    let entry = Entry::pending(key, now, body, origin);
    house
        .stage
        .bridge
        .store
        .put_entry(&at, &entry, None)
        .await
        .unwrap();
    house.stage.bridge.ring(&at, &entry.key);
    house.stage.settle().await;
    let customer = first(&house).await;
    let talk = house.get(&format!("/api/conversations/{customer}")).await;
    let kinds: Vec<_> = talk["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["kind"])
        .collect();
    assert_eq!(kinds, ["text", "session_end", "event"]);
    let event = &talk["messages"][2];
    assert_eq!(event["text"], event["text_en"]);
    assert_ne!(event["text_zh"], event["text_en"]);
    assert_eq!(
        (&talk["state"], &talk["window"]),
        (&json!("closed"), &Value::Null)
    );
}
