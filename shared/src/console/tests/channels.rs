//! The life of a channel.

use http::StatusCode;
use serde_json::{Value, json};

use super::House;
use crate::channel::DeskSettings;
use crate::message::ChannelId;
use crate::secrets::ChannelSecrets;

const AES: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const AES_2: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefg";

fn body() -> Value {
    json!({
        "name": "Shop A", "app_id": "wx0123456789abcdef", "original_id": "gh_0123456789ab",
        "callback": { "mode": "secure", "token": "tokenMarker7", "encoding_aes_key": AES },
        "app_secret": "0123456789abcdef0123456789abcdef",
        "desk": { "kind": "inbox" }
    })
}

fn with(path: &str, value: Value) -> Value {
    let mut body = body();
    let (object, name) = match path.split_once('.') {
        Some((object, name)) => (&mut body[object], name),
        None => (&mut body, path),
    };
    object[name] = value;
    body
}

fn without(path: &str) -> Value {
    let mut body = body();
    let (object, name) = match path.split_once('.') {
        Some((object, name)) => (&mut body[object], name),
        None => (&mut body, path),
    };
    object.as_object_mut().unwrap().remove(name);
    body
}

async fn secrets(house: &House, id: &str) -> Option<ChannelSecrets> {
    let id = ChannelId::parse(id).unwrap();
    house.stage.bridge.secrets.channel(&id).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_channel_is_connected_changed_and_removed() {
    let house = House::new().await;
    let path = "/api/channels/shop-a";
    let put = async |body: &Value| house.program("PUT", path, Some(body)).await;
    let created = put(&body()).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    let expected = json!({
        "id": "shop-a", "name": "Shop A", "app_id": "wx0123456789abcdef",
        "original_id": "gh_0123456789ab", "suspended": false,
        "callback": { "mode": "secure", "only_wechat_addresses": false, "token_set": true,
            "encoding_aes_key_set": true, "previous_aes_key_set": false },
        "app_secret_set": true, "api_base": "https://api.weixin.qq.com",
        "token_call": "stable", "part_pause_ms": 300, "retention_days": 30, "erase_after_days": 15,
        "time_zone": "Asia/Shanghai", "agent_name": "none", "kf_account": null,
        "replies": {}, "fallback": null, "desk": { "kind": "inbox" },
        "callback_url": "https://desk.example/wechat/shop-a", "desk_url": null, "revision": 1,
        "seen": { "handshake": null, "last_push": null, "last_send": null, "refused": [],
            "alarms": [] }
    });
    assert_eq!(created.json(), expected);
    assert_eq!(house.get(path).await, expected);
    assert_eq!(
        house.get("/api/channels").await["channels"],
        json!([expected])
    );

    let mut later = without("callback.token");
    later["suspended"] = true.into();
    later["callback"]["encoding_aes_key"] = AES_2.into();
    later.as_object_mut().unwrap().remove("app_secret");
    for revision in [2, 3] {
        let changed = put(&later).await;
        assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
        assert_eq!(changed.json()["revision"], revision);
        let kept = secrets(&house, "shop-a").await.unwrap();
        assert_eq!(kept.token, "tokenMarker7");
        assert_eq!(kept.aes_key.as_deref(), Some(AES_2));
        assert_eq!(
            kept.previous_aes_key.as_deref(),
            Some(AES),
            "the same key again"
        );
        assert!(kept.app_secret.is_some());
    }
    later["callback"]["previous_aes_key"] = Value::Null;
    later["app_secret"] = Value::Null;
    later["suspended"] = false.into();
    later["time_zone"] = "europe/paris".into();
    assert_eq!(put(&later).await.json()["time_zone"], "Europe/Paris");
    let kept = secrets(&house, "shop-a").await.unwrap();
    assert_eq!((kept.previous_aes_key, kept.app_secret), (None, None));
    let id = ChannelId::parse("shop-a").unwrap();
    let stored = house
        .stage
        .bridge
        .store
        .channel(&id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.resumed, Some(house.stage.bridge.now()));

    let deleted = house.program("DELETE", path, None).await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED);
    assert!(secrets(&house, "shop-a").await.is_none());
    let again = house.program("DELETE", path, None).await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    assert_eq!(
        house.program("GET", path, None).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(house.get("/api/channels").await["channels"], json!([]));
    let reply = put(&body()).await;
    assert_eq!(reply.json()["code"], "being_deleted");
}

#[tokio::test(start_paused = true)]
async fn channels_are_listed_by_pages() {
    let house = House::new().await;
    let mut expected = Vec::new();
    for number in [3, 1, 0, 4, 2] {
        let id = format!("shop-{number}");
        house.stage.connect(&id, DeskSettings::Inbox).await;
        expected.push(id);
    }
    expected.sort();
    for limit in [1, 2, 4, 5, 100] {
        let mut seen = Vec::new();
        for page in house.pages(&format!("/api/channels?limit={limit}")).await {
            let channels = page["channels"].as_array().unwrap();
            assert!(channels.len() <= limit);
            seen.extend(
                channels
                    .iter()
                    .map(|one| one["id"].as_str().unwrap().to_owned()),
            );
        }
        assert_eq!(seen, expected, "{limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_is_connected_once_and_never_moves() {
    let house = House::new().await;
    let put = async |id: &str, body: &Value| {
        let path = format!("/api/channels/{id}");
        house.program("PUT", &path, Some(body)).await
    };
    assert_eq!(put("shop-a", &body()).await.status.as_u16(), 201);
    for taken in [
        with("app_id", "wx00000000".into()),
        with("original_id", "gh_other".into()),
    ] {
        let reply = put("shop-b", &taken).await;
        assert_eq!(reply.status.as_u16(), 409);
        assert_eq!(reply.json()["code"], "account_taken");
        assert!(secrets(&house, "shop-b").await.is_none());
        let reply = put("shop-a", &taken).await;
        assert_eq!(reply.json()["code"], "account_fixed");
    }
    let kept = secrets(&house, "shop-a").await.unwrap();
    assert_eq!(kept.app_id, "wx0123456789abcdef");
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_crashed_is_finished_by_the_same_call() {
    let house = House::new().await;
    let id = ChannelId::parse("shop-a").unwrap();
    let path = "/api/channels/shop-a";
    house.program("PUT", path, Some(&body())).await;
    house
        .stage
        .bridge
        .secrets
        .remove_channel(&id)
        .await
        .unwrap();
    house.stage.bridge.forget(&id);
    assert_eq!(house.get(path).await["callback"]["token_set"], false);
    let reply = house
        .program("PUT", path, Some(&without("callback.token")))
        .await;
    assert_eq!(reply.json()["errors"][0]["field"], "callback.token");
    let reply = house.program("PUT", path, Some(&body())).await;
    assert_eq!(reply.json()["callback"]["token_set"], true);
}

#[tokio::test(start_paused = true)]
async fn every_wrong_field_is_named() {
    let house = House::new().await;
    let check = async |body: &Value, fields: &[&str]| {
        let reply = house
            .program("PUT", "/api/channels/shop-a", Some(body))
            .await;
        assert_eq!(reply.status.as_u16(), 400, "{body}");
        let problem = reply.json();
        let errors = problem["errors"].as_array().unwrap();
        let named: Vec<_> = errors
            .iter()
            .map(|e| e["field"].as_str().unwrap())
            .collect();
        assert_eq!(named, fields, "{body}");
        assert!(!reply.text.contains("valueMarker"), "{}", reply.text);
    };
    check(
        &json!({}),
        &["name", "app_id", "original_id", "callback", "desk"],
    )
    .await;
    let long = "字".repeat(41);
    for (field, value) in [
        ("name", json!("")),
        ("name", json!(long)),
        ("name", json!("a\nb")),
        ("name", json!(7)),
        ("app_id", json!("valueMarker")),
        ("app_id", json!("wx12")),
        ("original_id", json!("gh_!valueMarker")),
        ("suspended", json!("valueMarker")),
        ("api_base", json!("http://api.weixin.qq.com")),
        ("api_base", json!("https://valueMarker.example")),
        ("api_base", json!("https://api.weixin.qq.com/valueMarker")),
        ("token_call", json!("valueMarker")),
        ("part_pause_ms", json!(2001)),
        ("part_pause_ms", json!(-1)),
        ("retention_days", json!(2)),
        ("erase_after_days", json!(31)),
        ("retention_days", json!(3651)),
        ("retention_days", json!(3.5)),
        ("time_zone", json!("")),
        ("time_zone", json!("valueMarker")),
        ("time_zone", json!("UTC+8")),
        ("time_zone", json!("Factory")),
        ("time_zone", json!(8)),
        ("app_secret", json!("short")),
        ("app_secret", json!(["valueMarker"])),
        ("callback", json!("valueMarker")),
        ("callback.mode", json!("valueMarker")),
        ("callback.token", json!("")),
        ("callback.token", json!("value-Marker!")),
        ("callback.token", Value::Null),
        ("callback.encoding_aes_key", json!("valueMarker")),
        ("callback.encoding_aes_key", Value::Null),
        ("callback.previous_aes_key", json!("valueMarker")),
        ("callback.extra", json!("valueMarker")),
        ("desk", json!([])),
        ("desk.kind", json!("valueMarker")),
        ("desk.url", json!("https://valueMarker.example")),
        ("extra", json!("valueMarker")),
    ] {
        check(&with(field, value), &[field]).await;
    }
    for (url, fields) in [
        ("https://desk.example.com/in", &["desk.secrets"][..]),
        ("http://desk.example.com/in", &["desk.url", "desk.secrets"]),
        ("https://10.0.0.1/in", &["desk.url", "desk.secrets"]),
        ("https://localhost/in", &["desk.url", "desk.secrets"]),
        (
            "https://a:b@desk.example.com/",
            &["desk.url", "desk.secrets"],
        ),
    ] {
        for secrets in [json!([]), json!(["valueMarker"]), json!("valueMarker")] {
            let desk = json!({ "kind": "webhook", "url": url, "secrets": secrets });
            check(&with("desk", desk), fields).await;
        }
    }
    // Words follow the caller's language.
    let bearer = format!("Bearer {}", super::KEY);
    let headers = [
        ("authorization", bearer.as_str()),
        ("accept-language", "zh-CN"),
    ];
    let reply = house
        .call(
            "PUT",
            "/api/channels/shop-a",
            &headers,
            Some(&without("name")),
        )
        .await;
    assert_eq!(reply.json()["detail"], "name：缺少此字段。");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_without_secrets_is_given_one_that_is_shown_once() {
    let house = House::new().await;
    let path = "/api/channels/shop-a";
    let desk = json!({ "kind": "webhook", "url": "https://desk.example.com/in" });
    let body = with("desk", desk);
    let created = house.program("PUT", path, Some(&body)).await.json();
    let shown = created["desk"]["secrets"][0].as_str().unwrap();
    assert_eq!(secrets(&house, "shop-a").await.unwrap().desk, [shown]);
    assert_eq!(created["desk_url"], "https://desk.example/desk/shop-a");
    let again = house.program("PUT", path, Some(&body)).await.json();
    assert_eq!(again["desk"]["secrets"], Value::Null);
    assert_eq!(again["desk"]["secrets_set"], 1);
    assert_eq!(secrets(&house, "shop-a").await.unwrap().desk, [shown]);
    assert_eq!(house.get(path).await, again);
    house
        .program("PUT", path, Some(&with("name", "B".into())))
        .await;
    assert!(secrets(&house, "shop-a").await.unwrap().desk.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_channel_with_open_sessions_goes_by_force_alone() {
    let mut house = House::new().await;
    let channel = house.stage.connect("demo", DeskSettings::Inbox).await;
    house.stage.says(&channel.id, "openid-1", "hello").await;
    house.stage.settle().await;
    let reply = house.program("DELETE", "/api/channels/demo", None).await;
    assert_eq!(reply.json()["code"], "sessions_open");
    assert!(secrets(&house, "demo").await.is_some());
    let reply = house
        .program("DELETE", "/api/channels/demo?force=true", None)
        .await;
    assert_eq!(reply.status.as_u16(), 202);
    let reply = house.program("DELETE", "/api/channels/nowhere", None).await;
    assert_eq!(reply.status.as_u16(), 404);
    assert_eq!(
        house.get("/api/conversations").await["conversations"],
        json!([])
    );
}

#[tokio::test(start_paused = true)]
async fn calls_from_wechats_addresses_alone_are_a_setting() {
    let house = House::new().await;
    let path = "/api/channels/shop-a";
    for (given, expected) in [
        (json!(true), true),
        (json!(null), false),
        (json!(true), true),
        (json!(false), false),
    ] {
        let body = with("callback.only_wechat_addresses", given);
        let put = house.program("PUT", path, Some(&body)).await;
        assert!(put.status.is_success(), "{}", put.text);
        let shown = house.get(path).await;
        assert_eq!(shown["callback"]["only_wechat_addresses"], expected);
        // The callback looks among its secrets alone.
        let kept = secrets(&house, "shop-a").await.unwrap();
        assert_eq!(kept.only_wechat_addresses, expected);
        let path = format!("{path}/check");
        let checks = house.program("POST", &path, None).await.json()["checks"].clone();
        assert_eq!(checks[3]["code"] == "no_list", expected, "{checks}");
    }
    let wrong = with("callback.only_wechat_addresses", json!("yes"));
    let refused = house.program("PUT", path, Some(&wrong)).await;
    let field = "callback.only_wechat_addresses";
    assert_eq!(refused.json()["errors"][0]["field"], field);
}

#[tokio::test(start_paused = true)]
async fn a_check_says_what_is_wrong_on_either_side() {
    let house = House::new().await;
    house.stage.connect("demo", DeskSettings::Inbox).await;
    let url = "https://desk.example.com/in".to_owned();
    house
        .stage
        .connect("far", DeskSettings::Webhook { url })
        .await;
    let check = async |id: &str| {
        let path = format!("/api/channels/{id}/check");
        let reply = house.program("POST", &path, None).await;
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.text);
        reply.json()["checks"].clone()
    };
    let found = check("demo").await;
    assert_eq!(
        (&found[0]["ok"], &found[1]["ok"]),
        (&json!(true), &json!(true))
    );
    let codes = &house.stage.outside.codes;
    codes.lock().unwrap().extend([40164, 40125]);
    let found = check("demo").await;
    assert_eq!(found[0]["code"], "address_not_allowed");
    assert_eq!(found[0]["address"], "198.51.100.7");
    assert_eq!(check("demo").await[0]["code"], "wrong_secret");
    *house.stage.outside.desk.lock().unwrap() = Some(401);
    let found = check("far").await;
    assert_eq!(found[1]["code"], "unauthorized");
    assert_eq!(found[1]["answer"], 401);
    let calls = house.stage.outside.calls.lock().unwrap();
    let greeting = calls.last().unwrap();
    assert!(greeting.headers.contains_key("webhook-signature"));
    let body: Value = serde_json::from_slice(&greeting.body).unwrap();
    assert_eq!(
        (&body["type"], &body["channel"]),
        (&json!("greeting"), &json!("far"))
    );
}
