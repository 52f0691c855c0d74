//! What WeChat tells of the account itself, and what it does not let it send.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::House;
use crate::bridge::inbound::inbound;
use crate::channel::DeskSettings;
use crate::wechat::crypto;

const EVENTS: &str = "/api/channels/demo/events";
const CAPABILITIES: &str = "/api/channels/demo/capabilities";

/// `WeChat` pushes an event; what it says, it says of this second.
async fn push(house: &House, name: &str, second: i64, rest: &str) {
    let time = house.stage.bridge.now().seconds().to_string();
    let signature = crypto::signature(&["callbacktoken", &time, "4157"]);
    let query = format!("signature={signature}&timestamp={time}&nonce=4157");
    let body = format!(
        "<xml><ToUserName>gh_demo</ToUserName><FromUserName>openid-of-wechat</FromUserName>\
         <CreateTime>{second}</CreateTime><MsgType>event</MsgType><Event>{name}</Event>{rest}</xml>"
    );
    let answer = inbound(&house.stage.bridge, "demo", None, &query, body.as_bytes()).await;
    assert_eq!(answer.status(), StatusCode::OK, "{name}");
}

async fn alarms(house: &House) -> Vec<String> {
    let shown = house.get("/api/channels/demo").await["seen"]["alarms"].clone();
    let listed = house.get("/api/channels").await;
    assert_eq!(listed["channels"][0]["seen"]["alarms"], shown);
    let status = house.get("/api/status").await;
    assert_eq!(status["channels"][0]["alarms"], shown);
    let codes = shown.as_array().unwrap().iter();
    codes
        .map(|alarm| alarm["code"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_wechat_tells_of_the_account_is_listed_newest_first() {
    let house = House::new().await;
    house.stage.connect("demo", DeskSettings::Inbox).await;
    let now = house.stage.bridge.now().seconds();
    let failed = "<FailTime>1442401156</FailTime><FailReason>by other reason</FailReason>";
    let mass = "<MsgID>1000001625</MsgID><Status>sendsuccess</Status><TotalCount>100</TotalCount>\
        <FilterCount>80</FilterCount><SentCount>75</SentCount><ErrorCount>5</ErrorCount>";
    let right = "<ExpiredTime>1442401156</ExpiredTime>";
    // It is about somebody, and lies with them.
    let revoked = "<OpenID>openid-revoker</OpenID><AppID>wx1</AppID><RevokeInfo>201</RevokeInfo>";
    push(&house, "MASSSENDJOBFINISH", now - 3, mass).await;
    push(&house, "naming_verify_success", now - 2, right).await;
    push(&house, "user_authorization_revoke", now - 2, revoked).await;
    push(&house, "qualification_verify_fail", now - 1, failed).await;
    // A receipt for a conversation that is nobody's lies in the same journal.
    let told = house.get(EVENTS).await;
    let events = told["events"].as_array().unwrap();
    let names: Vec<_> = events.iter().map(|event| &event["name"]).collect();
    assert_eq!(
        names,
        [
            "qualification_verify_fail",
            "naming_verify_success",
            "MASSSENDJOBFINISH"
        ]
    );
    assert_eq!(events[0]["alarm"], "qualification_failed");
    assert_eq!(events[0]["data"]["reason"], "by other reason");
    assert!(
        events[0]["text_zh"]
            .as_str()
            .unwrap()
            .contains("资质认证失败")
    );
    assert_eq!(events[1]["data"]["kind"], "verified");
    let figures = (&events[2]["data"]["sent"], &events[2]["data"]["total"]);
    assert_eq!(figures, (&json!(75), &json!(100)));
    assert_eq!(events[2]["alarm"], Value::Null);
    // By pages, with cursors that are this list's alone.
    let pages = house.pages(&format!("{EVENTS}?limit=1")).await;
    let by_pages: Vec<_> = pages
        .iter()
        .flat_map(|page| page["events"].as_array().unwrap().clone())
        .collect();
    assert_eq!(&by_pages, events);
    house.stage.connect("other", DeskSettings::Inbox).await;
    let cursor = pages[0]["cursor"].as_str().unwrap();
    for stolen in [
        format!("/api/channels/other/events?cursor={cursor}"),
        format!("/api/channels/demo/qrcodes?cursor={cursor}"),
    ] {
        let reply = house.program("GET", &stolen, None).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{stolen}");
    }
    let none = house.get("/api/channels/other/events").await;
    assert_eq!(none, json!({ "events": [], "cursor": null }));
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_the_account_is_an_alarm_until_all_is_well() {
    let house = House::new().await;
    house.stage.connect("demo", DeskSettings::Inbox).await;
    let now = house.stage.bridge.now().seconds();
    assert!(alarms(&house).await.is_empty());
    let expires = "<ExpiredTime>1442401156</ExpiredTime>";
    push(&house, "annual_renew", now - 9, expires).await;
    assert_eq!(alarms(&house).await, ["renewal_due"]);
    let shown = house.get("/api/channels/demo").await;
    assert_eq!(
        shown["seen"]["alarms"][0]["expires"],
        "2015-09-16T10:59:16.000Z"
    );
    push(&house, "naming_verify_fail", now - 8, "").await;
    push(&house, "verify_expired", now - 7, expires).await;
    assert_eq!(
        alarms(&house).await,
        ["verification_expired", "name_failed"]
    );
    // What comes late, or once more, changes nothing.
    push(&house, "annual_renew", now - 9, expires).await;
    push(&house, "qualification_verify_success", now - 8, expires).await;
    assert_eq!(
        alarms(&house).await,
        ["verification_expired", "name_failed"]
    );
    push(&house, "qualification_verify_success", now - 5, expires).await;
    assert_eq!(alarms(&house).await, ["name_failed"]);
    push(&house, "naming_verify_success", now - 4, expires).await;
    assert!(alarms(&house).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_goes_in_words_is_shown_and_forgotten() {
    let house = House::new().await;
    let channel = house.stage.connect("demo", DeskSettings::Inbox).await;
    let none = json!({ "in_words": [] });
    assert_eq!(house.get(CAPABILITIES).await, none);
    let now = house.stage.bridge.now();
    let week = now.plus(Duration::from_hours(7 * 24));
    let store = &house.stage.bridge.store;
    for (word, until) in [
        ("msgmenu", week),
        ("news", now.plus(Duration::from_mins(1))),
    ] {
        store
            .note_refused_kind(&channel.id, word, until)
            .await
            .unwrap();
    }
    let shown = house.get(CAPABILITIES).await;
    let kinds: Vec<_> = shown["in_words"].as_array().unwrap().iter().collect();
    assert_eq!(kinds.len(), 2);
    let choice = json!({ "kind": "choice", "msgtype": "msgmenu", "until": week.to_string() });
    assert_eq!(kinds[0], &choice);
    assert_eq!(kinds[1]["kind"], "link");
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(house.get(CAPABILITIES).await["in_words"], json!([choice]));
    let reply = house.program("DELETE", CAPABILITIES, None).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    assert_eq!(house.get(CAPABILITIES).await, none);
    let now = house.stage.bridge.now();
    let refused = store.refuses_kind(&channel.id, "msgmenu", now).await;
    assert!(!refused.unwrap());
}
