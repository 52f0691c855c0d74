//! A tour of the API: every answer that its document has is given once, but
//! those that only a failing store or one machine gives.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde_json::json;

use super::super::TokenKey;
use super::described::{nowhere, operations};
use super::{House, KEY};
use crate::channel::DeskSettings;

const TOKEN_KEY: &str = "a key for tokens alone";

/// What everybody can do wrong, with every operation.
async fn go_wrong_everywhere(house: &House) {
    let bearer = format!("Bearer {KEY}");
    let key = json!({ "key": KEY });
    let reply = house.call("POST", "/api/session", &[], Some(&key)).await;
    let cookie = reply.headers["set-cookie"].to_str().unwrap().to_owned();
    for (method, path, operation) in operations() {
        let at = nowhere(path);
        house.call(&method, &at, &[], None).await;
        house.call(&method, &at, &[("cookie", &cookie)], None).await;
        let wrong = format!("{at}?limit=0&cursor=.&force=perhaps");
        house.program(&method, &wrong, None).await;
        house
            .program(&method, &format!("{at}?channel=nowhere"), None)
            .await;
        if operation.get("requestBody").is_some() {
            for (kind, body) in [
                ("text/plain", Bytes::new()),
                ("application/json", Bytes::from(vec![b' '; 64 * 1024 + 1])),
                ("application/json", Bytes::from_static(b"[]")),
                ("application/json", Bytes::from_static(b"{\"no\":1}")),
            ] {
                let request = Request::builder()
                    .method(method.as_str())
                    .uri(&at)
                    .header("authorization", &bearer)
                    .header("content-type", kind);
                house.send(request.body(body).unwrap()).await;
            }
        }
    }
}

/// Keys that nobody has, and pages that are not ours.
async fn knock(house: &House) {
    let wrong = json!({ "key": "wrong" });
    for _ in 0..11 {
        house.call("POST", "/api/session", &[], Some(&wrong)).await;
    }
    let from = [("origin", "https://evil.example"), ("host", "desk.example")];
    house
        .call("POST", "/api/session", &from, Some(&wrong))
        .await;
    house.program("DELETE", "/api/session", None).await;
}

/// A channel's life.
async fn connect(house: &House) {
    let settings = json!({
        "name": "Shop A", "app_id": "wx0123456789abcdef", "original_id": "gh_0123456789ab",
        "callback": { "mode": "plain", "token": "token" }, "app_secret": "0123456789abcdef",
        "retention_days": 30.0, "part_pause_ms": -0.0,
        "desk": { "kind": "webhook", "url": "https://desk.example.com/in" }
    });
    for path in ["shop-a", "shop-a", "shop-b", "Not_An_Id"] {
        let path = format!("/api/channels/{path}");
        house.program("PUT", &path, Some(&settings)).await;
    }
    house.get("/api/channels?limit=1").await;
    house.get("/api/channels/shop-a").await;
    let bearer = format!("Bearer {TOKEN_KEY}");
    for id in ["shop-a", "nowhere"] {
        let path = format!("/api/channels/{id}/token");
        house
            .call("GET", &path, &[("authorization", &bearer)], None)
            .await;
    }
    house.post("/api/channels/shop-a/check", &json!({})).await;
    house
        .program("DELETE", "/api/channels/shop-a?force=false", None)
        .await;
}

/// A conversation's life.
async fn talk(house: &mut House) {
    let shop = house.stage.connect("shop-c", DeskSettings::Inbox).await;
    house.stage.says(&shop.id, "openid-1", "hello").await;
    house.stage.settle().await;
    let list = house
        .get("/api/conversations?state=open&channel=shop-c")
        .await;
    let customer = list["conversations"][0]["customer_id"].as_str().unwrap();
    let path = format!("/api/conversations/{customer}");
    let words = house.get(&path).await["messages"][0]["id"].clone();
    house
        .get(&format!("/api/changes?customer={customer}"))
        .await;
    let now = house.stage.bridge.now().to_string();
    for text in ["你好", "other words", " "] {
        let said = json!({ "id": "a", "time": now, "kind": "text", "text": text });
        house.post(&format!("{path}/messages"), &said).await;
    }
    bring(house, &path).await;
    house
        .post(&format!("{path}/read"), &json!({ "up_to": words }))
        .await;
    house.program("DELETE", "/api/channels/shop-c", None).await;
    house.post(&format!("{path}/end"), &json!({})).await;
    let customer = format!("/api/customers/{customer}");
    house.program("DELETE", &customer, None).await;
    let nobody = nowhere("/api/conversations/{customer_id}");
    let said = json!({ "id": "a", "time": now, "kind": "text", "text": "hi" });
    house.post(&format!("{nobody}/messages"), &said).await;
    house
        .post(&format!("{nobody}/read"), &json!({ "up_to": words }))
        .await;
    house.post(&format!("{nobody}/end"), &json!({})).await;
}

/// Files that are going to be sent, and typing.
async fn bring(house: &House, path: &str) {
    for name in ["a.png", "a.exe"] {
        let file = json!({ "name": name, "size": 5 });
        house.post(&format!("{path}/files"), &file).await;
        let nobody = nowhere("/api/conversations/{customer_id}/files");
        house.post(&nobody, &file).await;
    }
    house
        .post(&format!("{path}/typing"), &json!({ "on": true }))
        .await;
    let nobody = nowhere("/api/conversations/{customer_id}/typing");
    house.post(&nobody, &json!({})).await;
}

/// The account's own business, at WeChat that refuses everything once.
async fn run_the_account(house: &House) {
    house.stage.connect("acct", DeskSettings::Inbox).await;
    let button = json!([{ "name": "a", "type": "click", "key": "k" }]);
    let (menu, rule) = (json!({ "button": button }), json!({ "tag_id": "2" }));
    let some = json!({ "button": button, "matchrule": rule });
    let code = json!({ "scene": "counter_3", "name": "Counter 3" });
    let made = json!({ "ticket": "t", "url": "u" });
    let quota = json!({ "quota": { "daily_limit": 1, "used": 0, "remain": 1 } });
    let templates = json!({ "template_list": [], "data": [] });
    let call = json!({ "request": { "invoke_time": 1, "cost_in_ms": 1 } });
    house.get("/api/channels/acct/qrcodes?limit=1").await;
    for (method, path) in [
        ("GET", "events"),
        ("GET", "events?limit=0"),
        ("GET", "capabilities"),
        ("DELETE", "capabilities"),
    ] {
        for channel in ["acct", "nowhere"] {
            let path = format!("/api/channels/{channel}/{path}");
            house.program(method, &path, None).await;
        }
    }
    for (method, path, body, says) in [
        ("POST", "qrcodes", Some(&code), Some(&made)),
        ("POST", "qrcodes", Some(&code), None),
        ("GET", "qrcodes/counter_3/picture", None, None),
        ("DELETE", "qrcodes/counter_3", None, None),
        ("PUT", "menu", Some(&menu), None),
        ("POST", "menu/check", Some(&menu), None),
        ("GET", "menu", None, Some(&json!({ "menu": menu }))),
        (
            "POST",
            "menu/conditional",
            Some(&some),
            Some(&json!({ "menuid": "7" })),
        ),
        ("DELETE", "menu/conditional/7", None, None),
        ("DELETE", "menu", None, None),
        ("GET", "quota", None, Some(&quota)),
        ("GET", "quota?path=menu", None, None),
        (
            "POST",
            "quota/clear",
            Some(&json!({ "confirm": "acct" })),
            None,
        ),
        ("GET", "rid/1a-2b", None, Some(&call)),
        ("GET", "templates", None, Some(&templates)),
    ] {
        let at = |channel: &str| format!("/api/channels/{channel}/{path}");
        house
            .stage
            .outside
            .bodies
            .lock()
            .unwrap()
            .extend(says.map(ToString::to_string));
        house.program(method, &at("acct"), body).await;
        house.stage.outside.bodies.lock().unwrap().clear();
        house.program(method, &at("nowhere"), body).await;
        house.stage.outside.codes.lock().unwrap().push_back(45009);
        let other = json!({ "scene": "other", "name": "Other" });
        let body = if path == "qrcodes" {
            Some(&other)
        } else {
            body
        };
        house.program(method, &at("acct"), body).await;
        house.stage.outside.codes.lock().unwrap().clear();
    }
    let confirm = json!({ "confirm": "nowhere" });
    house
        .post("/api/channels/nowhere/quota/clear", &confirm)
        .await;
}

/// What WeChat knows of people, at WeChat that refuses everything once.
async fn know_people(house: &mut House) {
    let shop = house.stage.connect("shop-d", DeskSettings::Inbox).await;
    house.stage.says(&shop.id, "openid-1", "hello").await;
    house.stage.settle().await;
    let list = house.get("/api/conversations?channel=shop-d").await;
    let customer = list["conversations"][0]["customer_id"].as_str().unwrap();
    let one = format!("conversations/{customer}");
    let nobody = "conversations/00000000-0000-4000-8000-000000000000";
    let (tags, nowhere) = ("channels/shop-d", "channels/nowhere");
    let name = json!({ "name": "VIP" });
    let tag = json!({ "tag": { "id": 134, "name": "VIP" } });
    let remark = json!({ "remark": "老客户" });
    for (method, at, other, path, body, says) in [
        (
            "GET",
            &*one,
            nobody,
            "profile",
            None,
            json!({ "subscribe": 0 }),
        ),
        ("PUT", &*one, nobody, "remark", Some(&remark), json!({})),
        (
            "POST",
            &*one,
            nobody,
            "tags",
            Some(&json!({ "add": [134] })),
            json!({}),
        ),
        ("GET", tags, nowhere, "tags", None, json!({ "tags": [] })),
        ("POST", tags, nowhere, "tags", Some(&name), tag),
        ("PUT", tags, nowhere, "tags/134", Some(&name), json!({})),
        ("DELETE", tags, nowhere, "tags/134", None, json!({})),
        ("PUT", tags, nowhere, "tags/2", Some(&name), json!({})),
        ("DELETE", tags, nowhere, "tags/2", None, json!({})),
    ] {
        house.wechat_says(&says);
        house
            .program(method, &format!("/api/{at}/{path}"), body)
            .await;
        house.stage.outside.bodies.lock().unwrap().clear();
        house
            .program(method, &format!("/api/{other}/{path}"), body)
            .await;
        house.stage.outside.codes.lock().unwrap().push_back(45009);
        house
            .program(method, &format!("/api/{at}/{path}"), body)
            .await;
        house.stage.outside.codes.lock().unwrap().clear();
    }
}

/// What waits, and what is dead.
async fn operate(house: &mut House) {
    let url = "https://desk.example.com/in".to_owned();
    let desk = DeskSettings::Webhook { url };
    let far = house.stage.connect("far", desk).await;
    for (status, text) in [(400, "dies"), (400, "dies too"), (500, "waits")] {
        *house.stage.outside.desk.lock().unwrap() = Some(status);
        house.stage.says(&far.id, "openid-2", text).await;
        house.stage.settle().await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let list = house.get("/api/conversations?channel=far").await;
    let customer = list["conversations"][0]["customer_id"].as_str().unwrap();
    bring(house, &format!("/api/conversations/{customer}")).await;
    let parked = house.get("/api/parked?limit=1").await;
    assert_eq!(parked["parked"][0]["reason"]["code"], "desk_unreachable");
    house.get("/api/status").await;
    let dead = house.get("/api/dead?channel=far").await["dead"][0]["id"].clone();
    let path = format!("/api/dead/{}/redrive", dead.as_str().unwrap());
    for _ in 0..2 {
        house.post(&path, &json!({})).await;
    }
    for channel in ["far", "nowhere"] {
        let all = json!({ "channel": channel, "reason": "desk_refused" });
        house.post("/api/dead/redrive", &all).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_answer_of_the_document_is_given() {
    let mut house = House::new().await;
    house.console = house
        .console
        .with_token_key(TokenKey::Given(TOKEN_KEY.to_owned()));
    house.call("GET", "/api/openapi.json", &[], None).await;
    go_wrong_everywhere(&house).await;
    knock(&house).await;
    connect(&house).await;
    talk(&mut house).await;
    operate(&mut house).await;
    run_the_account(&house).await;
    know_people(&mut house).await;
    let mut left = BTreeSet::new();
    for (method, path, operation) in operations() {
        for status in operation["responses"].as_object().unwrap().keys() {
            left.insert((method.clone(), path.to_owned(), status.clone()));
        }
    }
    for given in house.given.lock().unwrap().iter() {
        left.remove(given);
    }
    // Of a store that fails or is slow other tests tell, and of one machine's own answers.
    left.retain(|(_, path, status)| {
        let stream = path == "/api/events" && status == "200";
        let slow = path == "/api/customers/{customer_id}" && status == "202";
        !(stream || slow || status == "408" || status == "503")
    });
    assert_eq!(left, BTreeSet::new(), "never given");
}
