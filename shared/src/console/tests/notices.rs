//! Notices: the templates that an account has, what a channel does where no window is open,
//! and a notice that an agent sends.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::House;
use super::account::told;
use crate::channel::DeskSettings;

const TEMPLATES: &str = "/api/channels/demo/templates";

fn fallback(data: &Value) -> Value {
    json!({
        "kind": "subscribe", "template_id": "tpl-1", "title": "回复提醒", "data": data,
        "url": "https://a.example/", "mini_program": { "app_id": "wx1234", "path": "pages/a" },
        "wait_hours": 24,
    })
}

async fn put(house: &House, fallback: &Value) -> (StatusCode, Value) {
    let body = json!({
        "name": "Demo 演示", "app_id": "wx0123456789abcdef", "original_id": "gh_0123456789ab",
        "callback": { "mode": "plain", "token": "callbackToken1" },
        "desk": { "kind": "inbox" }, "fallback": fallback,
    });
    let path = "/api/channels/shop-a";
    let reply = house.program("PUT", path, Some(&body)).await;
    (reply.status, reply.json())
}

#[tokio::test(start_paused = true)]
async fn both_lists_of_templates_come_with_their_fields() {
    let (house, _) = House::of_account().await;
    house.wechat_says(&json!({ "template_list": [{
        "template_id": "a", "title": "回复提醒", "content": "{{first.DATA}}\n{{keyword1.DATA}}",
        "example": "您好", "primary_industry": "", "deputy_industry": "",
    }] }));
    house.wechat_says(&json!({ "errcode": 0, "data": [{
        "priTmplId": "b", "title": "新消息", "content": "内容：{{thing1.DATA}}",
        "example": "内容：您好", "type": 3,
    }] }));
    let reply = house.program("GET", TEMPLATES, None).await;
    assert_eq!(
        reply.json(),
        json!({
            "template": [{ "template_id": "a", "title": "回复提醒", "example": "您好",
                "content": "{{first.DATA}}\n{{keyword1.DATA}}", "fields": ["first", "keyword1"],
                "lasts": false }],
            "subscribe": [{ "template_id": "b", "title": "新消息", "example": "内容：您好",
                "content": "内容：{{thing1.DATA}}", "fields": ["thing1"], "lasts": true }],
        })
    );
    // An account that may have no template messages may have notifications.
    house.stage.outside.codes.lock().unwrap().push_back(48001);
    house.wechat_says(&json!({ "errcode": 0, "data": [] }));
    let reply = house.program("GET", TEMPLATES, None).await;
    assert_eq!(reply.json(), json!({ "template": null, "subscribe": [] }));
    house.stage.outside.codes.lock().unwrap().push_back(45009);
    let reply = house.program("GET", TEMPLATES, None).await;
    assert_eq!(told(&reply), (424, json!("wechat_refused")));
    assert_eq!(reply.json()["wechat"]["code"], 45009);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_is_set_shown_and_taken_back() {
    let house = House::new().await;
    let all =
        fallback(&json!({ "thing1": "回复：{words}", "time2": "{time}", "name3": "{agent}" }));
    let (status, shown) = put(&house, &all).await;
    assert_eq!((status, &shown["fallback"]), (StatusCode::CREATED, &all));
    let short =
        json!({ "kind": "template", "template_id": "t", "data": { "keyword1": "{words}" } });
    let (status, shown) = put(&house, &short).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(shown["fallback"]["wait_hours"], 48);
    assert_eq!(shown["fallback"]["url"], Value::Null);
    let (_, shown) = put(&house, &Value::Null).await;
    assert_eq!(shown["fallback"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_fallback_is_told_with_its_field() {
    let house = House::new().await;
    let with = |name: &str, value: Value| {
        let mut all = fallback(&json!({ "thing1": "{words}" }));
        all[name] = value;
        all
    };
    let data = |data: Value| fallback(&data);
    for (fallback, field) in [
        (json!("x"), "fallback"),
        (with("kind", json!("card")), "fallback.kind"),
        (with("template_id", Value::Null), "fallback.template_id"),
        (with("wait_hours", json!(169)), "fallback.wait_hours"),
        (with("url", json!("javascript:1")), "fallback.url"),
        (with("mini_program", json!({})), "fallback.mini_program"),
        (with("more", json!(1)), "fallback.more"),
        (data(json!({})), "fallback.data"),
        (data(json!({ "thing1": "{name}" })), "fallback.data"),
        // What it stands for would fit by chance only.
        (data(json!({ "number1": "{words}" })), "fallback.data"),
        (data(json!({ "phrase1": "{words}" })), "fallback.data"),
        (data(json!({ "thing1": null })), "fallback.data.thing1"),
    ] {
        let (status, problem) = put(&house, &fallback).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{fallback}");
        assert_eq!(problem["errors"][0]["field"], field, "{fallback}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_sends_a_notice_when_the_window_is_shut() {
    let mut house = House::new().await;
    let shop = house.stage.connect("shop-a", DeskSettings::Inbox).await;
    house.stage.says(&shop.id, "openid-1", "hello").await;
    house.stage.settle().await;
    tokio::time::advance(Duration::from_hours(50)).await;
    let list = house.get("/api/conversations?channel=shop-a").await;
    let customer = list["conversations"][0]["customer_id"].as_str().unwrap();
    let path = format!("/api/conversations/{customer}/messages");
    let notice = |id: &str, data: Value| {
        json!({
            "id": id, "time": house.stage.bridge.now().to_string(), "kind": "subscribe",
            "template_id": "tpl-1", "title": "回复提醒", "data": data,
        })
    };
    let wrong = notice("n0", json!({ "thing1": "长".repeat(21) }));
    let refused = house.post(&path, &wrong).await;
    assert_eq!(refused.json()["errors"][0]["field"], "data");
    let right = notice("n1", json!({ "thing1": "订单已寄出", "time2": "10:00" }));
    let reply = house.post(&path, &right).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.text);
    house.stage.settle().await;
    let shown = house.get(&format!("/api/conversations/{customer}")).await;
    let said = shown["messages"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(said["kind"], "notice");
    assert_eq!(said["state"], "delivered");
    assert_eq!(said["text_zh"], "[订阅通知] 回复提醒 · 订单已寄出 · 10:00");
    assert_eq!(said["message_id"], "n1");
}
