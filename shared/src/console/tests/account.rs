//! The account's own business: QR codes, its menu, its quotas.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::{House, Reply};
use crate::bridge::sweep::sweep;
use crate::channel::{Channel, DeskSettings};
use crate::fields::Fields;
use crate::journal::{Class, Entry, EntryKey, Origin};
use crate::message::{Body, OpenId};
use crate::qrcode::Scene;

const CODES: &str = "/api/channels/demo/qrcodes";
const MENU: &str = "/api/channels/demo/menu";

impl House {
    /// A house with a channel whose token is known.
    pub(super) async fn of_account() -> (Self, Channel) {
        let house = Self::new().await;
        let channel = house.stage.connect("demo", DeskSettings::Inbox).await;
        house.stage.bridge.token(&channel).await.unwrap();
        (house, channel)
    }

    /// What `WeChat` answers the next call about the account with.
    pub(super) fn wechat_says(&self, body: &Value) {
        let mut bodies = self.stage.outside.bodies.lock().unwrap();
        bodies.push_back(body.to_string());
    }

    /// What went to `WeChat` about accounts: path and body.
    pub(super) fn asked(&self) -> Vec<(String, Value)> {
        let calls = self.stage.outside.calls.lock().unwrap();
        let about = calls
            .iter()
            .filter(|call| !call.url.path().ends_with("token"));
        about
            .map(|call| {
                let body = serde_json::from_slice(&call.body).unwrap_or_default();
                (call.url.path().to_owned(), body)
            })
            .collect()
    }

    async fn makes(&self, scene: &str, expires_in: Option<u32>) -> Reply {
        self.wechat_says(&json!({
            "ticket": format!("gQ+{scene}="), "url": format!("http://weixin.qq.com/q/{scene}"),
            "expire_seconds": expires_in,
        }));
        let body = json!({ "scene": scene, "name": "柜台", "expires_in": expires_in });
        let reply = self.post(CODES, &body).await;
        self.stage.outside.bodies.lock().unwrap().clear();
        reply
    }

    /// Somebody scans a code; it is journalled and its bell rung.
    async fn scans(&self, channel: &Channel, who: &str, event: &str, key: &str) -> EntryKey {
        let now = self.stage.bridge.now();
        let mut fields = Fields::default();
        fields.insert("EventKey".to_owned(), key.to_owned());
        let seconds = u64::try_from(now.seconds()).unwrap();
        let key = EntryKey::hashed(
            seconds,
            Class::Event,
            format!("{who} {event} {key}").as_bytes(),
        );
        let origin = Origin {
            channel: channel.id.clone(),
            open_id: Some(OpenId::new(who)),
        };
        let name = event.to_owned();
        let entry = Entry::pending(key, now, Body::Event { name, fields }, origin);
        assert_eq!(entry.key.class(), Some(Class::Event));
        let at = self.stage.place(&channel.id, who).await;
        let store = &self.stage.bridge.store;
        store.put_entry(&at, &entry, None).await.unwrap();
        self.stage.bridge.ring(&at, &entry.key);
        entry.key
    }
}

pub(super) fn told(reply: &Reply) -> (u16, Value) {
    (reply.status.as_u16(), reply.json()["code"].clone())
}

#[tokio::test(start_paused = true)]
async fn a_code_is_made_listed_and_forgotten() {
    let (house, channel) = House::of_account().await;
    let reply = house.makes("counter_3", None).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
    let made = reply.json();
    assert_eq!(
        made,
        json!({
            "scene": "counter_3", "name": "柜台", "url": "http://weixin.qq.com/q/counter_3",
            "picture": "https://mp.weixin.qq.com/cgi-bin/showqrcode?ticket=gQ%2Bcounter_3%3D",
            "expires": null, "created": house.stage.bridge.now().to_string(), "scans": 0,
        })
    );
    assert_eq!(
        house.asked(),
        [(
            "/cgi-bin/qrcode/create".to_owned(),
            json!({ "action_name": "QR_LIMIT_STR_SCENE",
                "action_info": { "scene": { "scene_str": "counter_3" } } })
        )]
    );
    // Nobody asks WeChat for a second one.
    let again = house.makes("counter_3", Some(60)).await;
    assert_eq!(told(&again), (409, json!("scene_taken")));
    assert_eq!(house.asked().len(), 1);

    for scene in ["b", "a", "shop:3,till=4"] {
        house.makes(scene, Some(604_800)).await;
    }
    let pages = house.pages(&format!("{CODES}?limit=2")).await;
    let scenes: Vec<_> = pages
        .iter()
        .flat_map(|page| page["qrcodes"].as_array().unwrap())
        .map(|code| code["scene"].as_str().unwrap())
        .collect();
    assert_eq!(scenes, ["a", "b", "counter_3", "shop:3,till=4"]);
    let cursor = pages[0]["cursor"].as_str().unwrap();
    house.stage.connect("other", DeskSettings::Inbox).await;
    let stolen = format!("/api/channels/other/qrcodes?cursor={cursor}");
    assert_eq!(
        told(&house.program("GET", &stolen, None).await),
        (400, json!("invalid"))
    );

    let path = format!("{CODES}/shop:3,till=4");
    let drawn = house.program("GET", &format!("{path}/picture"), None).await;
    let other = format!("{CODES}/counter_3/picture");
    let other = house.program("GET", &other, None).await;
    assert_ne!(drawn.text, other.text);
    for _ in 0..2 {
        let reply = house.program("DELETE", &path, None).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
    }
    let count = house.stage.bridge.store.qrcode_count(&channel.id).await;
    assert_eq!(count.unwrap(), 3);
    for scene in ["", "a b", "柜台", "a/b", "..", &"s".repeat(65)] {
        let reply = house.makes(scene, None).await;
        assert_eq!(reply.json()["errors"][0]["field"], "scene", "{scene}");
    }
    for seconds in [0, 59, 2_592_001] {
        let reply = house.makes("c", Some(seconds)).await;
        assert_eq!(
            reply.json()["errors"][0]["field"],
            "expires_in",
            "{seconds}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_code_is_drawn_for_whoever_is_signed_in() {
    let (house, _) = House::of_account().await;
    house.makes("shop:3,till=4", None).await;
    let path = format!("{CODES}/shop:3,till=4/picture");
    let reply = house.call("GET", &path, &[], None).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    let asked = house.asked().len();
    let reply = house.program("GET", &path, None).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(reply.text.contains("<svg "), "{}", reply.text);
    for (name, value) in [
        ("content-type", "image/svg+xml"),
        (
            "content-disposition",
            "inline; filename=\"shop:3,till=4.svg\"",
        ),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
        ("cache-control", "private, no-cache"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(reply.headers[name], value, "{name}");
    }
    assert_eq!(house.asked().len(), asked);
    let nobodys = format!("{CODES}/nobodys/picture");
    assert_eq!(
        told(&house.program("GET", &nobodys, None).await),
        (404, json!("not_found"))
    );
    let reply = house.program("DELETE", &path, None).await;
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[test]
fn a_scene_in_an_address_may_be_escaped() {
    for (part, scene) in [
        ("counter_3", Some("counter_3")),
        ("shop%3A3%2Ctill%3d4", Some("shop:3,till=4")),
        ("a+b", Some("a+b")),
        ("a%2Fb", None),
        ("a%", None),
        ("a%zz", None),
        ("%ff", None),
        ("", None),
    ] {
        let read = super::super::qrcodes::scene(part);
        assert_eq!(read.as_ref().map(Scene::as_str), scene, "{part}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_scan_is_counted_once_and_a_renewed_code_goes_on() {
    let (mut house, channel) = House::of_account().await;
    house.makes("counter_3", Some(60)).await;
    let first = house.scans(&channel, "openid-1", "SCAN", "counter_3").await;
    house
        .scans(&channel, "openid-2", "subscribe", "qrscene_counter_3")
        .await;
    house.scans(&channel, "openid-2", "subscribe", "").await;
    house
        .scans(&channel, "openid-3", "CLICK", "counter_3")
        .await;
    house.scans(&channel, "openid-3", "SCAN", "nobodys").await;
    house.stage.settle().await;
    let shown = house.get(CODES).await;
    assert_eq!(shown["qrcodes"][0]["scans"], 2);
    // Whoever marks it once more counts nothing.
    let at = house.stage.place(&channel.id, "openid-1").await;
    let scene = Scene::parse("counter_3").unwrap();
    let store = &house.stage.bridge.store;
    let again = store
        .delivered_scan(&at, &first, 0, &channel.id, &scene)
        .await;
    assert!(!again.unwrap());
    assert_eq!(house.get(CODES).await["qrcodes"][0]["scans"], 2);

    let made = house.get(CODES).await["qrcodes"][0]["created"].clone();
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(
        told(&house.makes("counter_3", None).await),
        (409, json!("scene_taken"))
    );
    tokio::time::advance(Duration::from_secs(1)).await;
    let renewed = house.makes("counter_3", None).await;
    assert_eq!(renewed.status, StatusCode::CREATED);
    let renewed = renewed.json();
    assert_eq!((&renewed["scans"], &renewed["created"]), (&json!(2), &made));
    assert_eq!(renewed["expires"], Value::Null);
    house.scans(&channel, "openid-1", "SCAN", "counter_3").await;
    house.stage.settle().await;
    assert_eq!(house.get(CODES).await["qrcodes"][0]["scans"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_scan_that_the_desk_has_not_taken_is_not_counted_yet() {
    let mut house = House::new().await;
    let url = "https://desk.example.com/in".to_owned();
    let desk = DeskSettings::Webhook { url };
    let channel = house.stage.connect("demo", desk).await;
    house.makes("counter_3", None).await;
    house.stage.says(&channel.id, "openid-1", "hello").await;
    house.stage.settle().await;
    *house.stage.outside.desk.lock().unwrap() = Some(500);
    tokio::time::advance(Duration::from_secs(5)).await;
    house.scans(&channel, "openid-1", "SCAN", "counter_3").await;
    house.stage.settle().await;
    assert_eq!(house.get(CODES).await["qrcodes"][0]["scans"], 0);
    *house.stage.outside.desk.lock().unwrap() = None;
    tokio::time::advance(Duration::from_mins(2)).await;
    let bridge = &house.stage.bridge;
    sweep(bridge, bridge.now().plus(Duration::from_mins(1)))
        .await
        .unwrap();
    assert_eq!(house.get(CODES).await["qrcodes"][0]["scans"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_channel_leaves_no_codes() {
    let (house, channel) = House::of_account().await;
    for number in 0..60 {
        house.makes(&format!("c{number}"), None).await;
    }
    house.program("DELETE", "/api/channels/demo", None).await;
    for _ in 0..2 {
        let bridge = &house.stage.bridge;
        sweep(bridge, bridge.now().plus(Duration::from_mins(1)))
            .await
            .unwrap();
        tokio::time::advance(Duration::from_mins(3)).await;
    }
    let store = &house.stage.bridge.store;
    assert!(store.channel_ids().await.unwrap().is_empty());
    assert!(
        store
            .qrcodes(&channel.id, None, 100)
            .await
            .unwrap()
            .codes
            .is_empty()
    );
    assert_eq!(store.qrcode_count(&channel.id).await.unwrap(), 0);
}

fn menu() -> Value {
    json!({ "button": [
        { "name": "门店", "type": "click", "key": "shops" },
        { "name": "更多", "sub_button": [
            { "name": "官网", "type": "view", "url": "https://shop.example/" },
        ] },
    ] })
}

#[tokio::test(start_paused = true)]
async fn a_menu_is_checked_set_shown_and_deleted() {
    let (house, _) = House::of_account().await;
    let mut wrong = menu();
    wrong["button"][1]["sub_button"][0]["name"] = "".into();
    wrong["button"][0]["color"] = "red".into();
    for (method, path) in [("PUT", MENU.to_owned()), ("POST", format!("{MENU}/check"))] {
        let reply = house.program(method, &path, Some(&wrong)).await;
        assert_eq!(told(&reply), (400, json!("invalid")));
        let fields: Vec<_> = reply.json()["errors"].as_array().unwrap().clone();
        let fields: Vec<_> = fields.iter().map(|one| one["field"].clone()).collect();
        assert_eq!(fields, ["button[0].color", "button[1].sub_button[0].name"]);
        assert!(house.asked().is_empty());
    }
    let checked = house.post(&format!("{MENU}/check"), &menu()).await;
    assert_eq!(checked.status, StatusCode::NO_CONTENT);
    assert!(house.asked().is_empty(), "a check asks nobody");
    let set = house.program("PUT", MENU, Some(&menu())).await;
    assert_eq!(set.status, StatusCode::NO_CONTENT, "{}", set.text);
    assert_eq!(house.asked(), [("/cgi-bin/menu/create".to_owned(), menu())]);

    house.wechat_says(&json!({ "menu": menu(), "conditionalmenu": [
        { "button": menu()["button"], "matchrule": { "tag_id": "2" }, "menuid": 208_396_993 },
    ] }));
    let shown = house.get(MENU).await;
    assert_eq!(shown["menu"], menu());
    assert_eq!(shown["conditional"][0]["menuid"], "208396993");
    let mut conditional = menu();
    conditional["matchrule"] = json!({ "client_platform_type": "1" });
    house.wechat_says(&json!({ "menuid": "208396938" }));
    let path = format!("{MENU}/conditional");
    let added = house.post(&path, &conditional).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text);
    assert_eq!(added.json(), json!({ "menuid": "208396938" }));
    let gone = house
        .program("DELETE", &format!("{path}/208396938"), None)
        .await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let (path, body) = house.asked().pop().unwrap();
    assert_eq!(
        (path.as_str(), body),
        (
            "/cgi-bin/menu/delconditional",
            json!({ "menuid": "208396938" })
        )
    );
    for code in [0, 46003] {
        house.stage.outside.codes.lock().unwrap().push_back(code);
        let reply = house.program("DELETE", MENU, None).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
    }
    house.stage.outside.codes.lock().unwrap().push_back(46003);
    assert_eq!(
        house.get(MENU).await,
        json!({ "menu": null, "conditional": [] })
    );
}

#[tokio::test(start_paused = true)]
async fn what_wechat_refuses_is_told_in_words_with_its_rid() {
    let (house, _) = House::of_account().await;
    house.wechat_says(&json!({
        "errcode": 65316, "errmsg": "too many domains rid: 6498abcd-1a2b3c4d-5e6f7a8b"
    }));
    let reply = house.program("PUT", MENU, Some(&menu())).await;
    assert_eq!(told(&reply), (424, json!("wechat_refused")));
    let problem = reply.json();
    assert_eq!(
        problem["wechat"],
        json!({ "code": 65316, "rid": "6498abcd-1a2b3c4d-5e6f7a8b" })
    );
    assert_eq!(
        problem["detail"],
        "WeChat says: the addresses of a menu lead to 3 domains at most (65316)."
    );
    // What nobody can read may have been done.
    house.wechat_says(&json!([]));
    let reply = house.program("PUT", MENU, Some(&menu())).await;
    assert_eq!(told(&reply), (424, json!("wechat_unreachable")));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_ended_is_replaced_once() {
    let (house, _) = House::of_account().await;
    house.stage.outside.codes.lock().unwrap().push_back(42001);
    // WeChat gives the same token again, then another by force.
    for token in ["TOKEN-MARKER", "TOKEN-MARKER-2"] {
        house
            .stage
            .outside
            .tokens
            .lock()
            .unwrap()
            .push_back(token.to_owned());
    }
    let reply = house.program("PUT", MENU, Some(&menu())).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT, "{}", reply.text);
    assert_eq!(house.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn quotas_and_calls_are_shown_without_what_is_secret() {
    let (house, channel) = House::of_account().await;
    house.wechat_says(&json!({
        "errcode": 0, "errmsg": "ok",
        "quota": { "daily_limit": 500_000, "used": 7, "remain": 499_993 },
        "rate_limit": { "call_count": 10_000, "refresh_second": 60 },
    }));
    let path = "/api/channels/demo/quota";
    assert_eq!(
        house.get(path).await,
        json!({ "path": "/cgi-bin/message/custom/send", "daily_limit": 500_000, "used": 7,
            "left": 499_993, "rate": { "calls": 10_000, "seconds": 60 } })
    );
    let wrong = house
        .program("GET", &format!("{path}?path=menu"), None)
        .await;
    assert_eq!(wrong.json()["errors"][0]["field"], "path");
    let clear = format!("{path}/clear");
    let slip = house.post(&clear, &json!({ "confirm": "other" })).await;
    assert_eq!(slip.json()["errors"][0]["field"], "confirm");
    let done = house.post(&clear, &json!({ "confirm": "demo" })).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT);
    let last = (
        "/cgi-bin/clear_quota".to_owned(),
        json!({ "appid": channel.app_id }),
    );
    assert_eq!(house.asked().pop().unwrap(), last);
    house.wechat_says(&json!({ "errcode": 0, "errmsg": "ok", "request": {
        "invoke_time": 1_795_335_000, "cost_in_ms": 30,
        "request_url": "https://api.weixin.qq.com/cgi-bin/message/custom/send?access_token=TOKEN-MARKER",
        "request_body": "{\"touser\":\"openid-1\"}",
        "response_body": "{\"errcode\":45015,\"errmsg\":\"openid-1\"}", "client_ip": "198.51.100.7",
    } }));
    assert_eq!(
        house
            .get("/api/channels/demo/rid/6498abcd-1a2b3c4d-5e6f7a8b")
            .await,
        json!({ "rid": "6498abcd-1a2b3c4d-5e6f7a8b", "time": "2026-11-22T08:10:00.000Z",
            "took_ms": 30, "path": "/cgi-bin/message/custom/send", "caller": "198.51.100.7",
            "code": 45015 })
    );
}
