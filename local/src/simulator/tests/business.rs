//! The account's own business: QR codes, its menu, its quotas.

use serde_json::{Value, json};

use super::super::view::View;
use super::*;

fn about(wechat: &mut WeChat, now_ms: i64, request: &str, token: &str, body: &Value) -> Value {
    let request = format!("{request}?access_token={token}");
    let body = if request.starts_with("GET") {
        String::new()
    } else {
        body.to_string()
    };
    let answer = call(wechat, now_ms, &request, body.as_bytes());
    assert_eq!(answer.status, 200);
    serde_json::from_slice(&answer.body).unwrap()
}

fn code(answer: &Value) -> i64 {
    answer["errcode"].as_i64().unwrap_or(0)
}

#[test]
fn codes_with_a_scene() {
    let (mut wechat, _, token) = start();
    let mut ask = |body: &Value| {
        about(
            &mut wechat,
            NOW,
            "POST /cgi-bin/qrcode/create",
            &token,
            body,
        )
    };
    let text = |text: &str| json!({ "scene": { "scene_str": text } });
    let number = |number: i64| json!({ "scene": { "scene_id": number } });
    let made = ask(
        &json!({ "action_name": "QR_STR_SCENE", "action_info": text("a"), "expire_seconds": 600 }),
    );
    assert_eq!(made["expire_seconds"], 600);
    assert_eq!(made["ticket"].as_str().unwrap().len(), 96);
    let other = ask(&json!({ "action_name": "QR_LIMIT_STR_SCENE", "action_info": text("a") }));
    assert_ne!(other["ticket"], made["ticket"]);
    assert_eq!(other.get("expire_seconds"), None);
    for (name, info, seconds, expected) in [
        ("QR_STR_SCENE", text("a"), json!(60), 0),
        ("QR_STR_SCENE", text(&"a".repeat(64)), json!(2_592_000), 0),
        ("QR_STR_SCENE", text("a"), json!(2_592_001), 40053),
        ("QR_STR_SCENE", text("a"), json!(0), 40053),
        ("QR_STR_SCENE", text("a"), json!("60"), 40053),
        ("QR_STR_SCENE", text(""), json!(60), 40053),
        ("QR_STR_SCENE", text(&"a".repeat(65)), json!(60), 40053),
        ("QR_STR_SCENE", number(1), json!(60), 40053),
        ("QR_SCENE", number(4_294_967_295), json!(60), 0),
        ("QR_SCENE", number(0), json!(60), 40053),
        ("QR_LIMIT_SCENE", number(100_000), json!(60), 0),
        ("QR_LIMIT_SCENE", number(100_001), json!(60), 40053),
        ("QR_CARD", number(1), json!(60), 40052),
    ] {
        let body = json!({ "action_name": name, "action_info": info, "expire_seconds": seconds });
        assert_eq!(code(&ask(&body)), expected, "{body}");
    }
}

#[test]
fn menus() {
    let (mut wechat, _, token) = start();
    let mut ask = |request: &str, body: &Value| {
        let request = request.replace(' ', " /cgi-bin/menu/");
        about(&mut wechat, NOW, &request, &token, body)
    };
    let none = json!({});
    let click = json!({ "name": "a", "type": "click", "key": "k" });
    let menu = json!({ "button": [click, { "name": "b", "sub_button": [click] }] });
    let some = json!({ "button": [click], "matchrule": { "tag_id": "2" } });
    assert_eq!(code(&ask("GET get", &none)), 46003);
    assert_eq!(code(&ask("POST addconditional", &some)), 65303);
    assert_eq!(code(&ask("POST get", &none)), 43001);
    assert_eq!(code(&ask("GET create", &none)), 43002);
    assert_eq!(code(&ask("POST create", &menu)), 0);
    let shown = ask("GET get", &none);
    assert_eq!(shown["menu"]["button"][0]["sub_button"], json!([]));
    assert_eq!(shown["menu"]["button"][1]["sub_button"][0]["key"], "k");
    let id = ask("POST addconditional", &some)["menuid"].clone();
    let shown = ask("GET get", &none);
    let number = shown["conditionalmenu"][0]["menuid"].to_string();
    assert_eq!(id, number);
    assert_eq!(
        code(&ask("POST delconditional", &json!({ "menuid": "1" }))),
        65301
    );
    assert_eq!(
        code(&ask("POST delconditional", &json!({ "menuid": id }))),
        0
    );
    assert_eq!(
        code(&ask("POST addconditional", &json!({ "button": [click] }))),
        65304
    );
    assert_eq!(
        code(&ask(
            "POST addconditional",
            &json!({ "matchrule": { "tag_id": "2" } })
        )),
        65307
    );

    let view = |url: &str| json!({ "name": "a", "type": "view", "url": url });
    let named = |name: &str| json!({ "name": name, "type": "click", "key": "k" });
    let sub = |button: &Value| json!([{ "name": "a", "sub_button": [button] }]);
    let program = json!({ "name": "a", "type": "miniprogram", "url": "http://a", "appid": "wx1" });
    let (a, b) = (view("https://a.example/"), view("https://b.example?x"));
    for (button, expected) in [
        (json!([]), 40016),
        (json!([click, click, click, click]), 40016),
        (
            json!([{ "name": "a", "sub_button": vec![click.clone(); 6] }]),
            40023,
        ),
        (sub(&json!({ "name": "a", "sub_button": [click] })), 40022),
        (json!([named("")]), 40018),
        (json!([named("六个汉字啊啊")]), 40018),
        (sub(&named(&"字".repeat(21))), 40025),
        (sub(&named(&"字".repeat(20))), 0),
        (json!([{ "name": "a" }]), 40017),
        (sub(&json!({ "name": "a", "type": "x" })), 40024),
        (json!([{ "name": "a", "type": "click" }]), 40019),
        (
            sub(&json!({ "name": "a", "type": "click", "key": "k".repeat(129) })),
            40026,
        ),
        (json!([view("")]), 40020),
        (sub(&view(&"a".repeat(1_025))), 40027),
        (json!([view("shop.example")]), 40055),
        (sub(&view("ftp://a")), 40054),
        (json!([program]), 47001),
        (
            json!([{ "name": "a", "type": "media_id", "media_id": "m" }]),
            40007,
        ),
        (json!([a, b, view("https://A.example:8443")]), 0),
        (
            json!([a, b, { "name": "c", "sub_button": [view("http://c"), view("http://d")] }]),
            65316,
        ),
    ] {
        let body = json!({ "button": button });
        assert_eq!(code(&ask("POST create", &body)), expected, "{body}");
    }
    assert_eq!(code(&ask("GET delete", &none)), 0);
    assert_eq!(code(&ask("GET get", &none)), 46003);
}

#[test]
fn quotas_are_told_and_reset_ten_times() {
    let (mut wechat, ming, token) = start();
    let send = text(&ming, "hi");
    super::send(&mut wechat, NOW, &token, &send);
    let mut ask = |now_ms: i64, path: &str, body: &Value| {
        about(
            &mut wechat,
            now_ms,
            &format!("POST /cgi-bin/{path}"),
            &token,
            body,
        )
    };
    let path = json!({ "cgi_path": SEND });
    let told = ask(NOW, "openapi/quota/get", &path);
    assert_eq!(
        told["quota"],
        json!({ "daily_limit": 500_000, "used": 1, "remain": 499_999 })
    );
    let path = json!({ "cgi_path": "/cgi-bin/stable_token" });
    let told = ask(NOW, "openapi/quota/get", &path);
    assert_eq!(
        told["rate_limit"],
        json!({ "call_count": 10_000, "refresh_second": 60 })
    );
    assert_eq!(
        code(&ask(NOW, "openapi/quota/get", &json!({ "cgi_path": "/x" }))),
        76021
    );
    assert_eq!(
        code(&ask(NOW, "clear_quota", &json!({ "appid": "wx9" }))),
        40013
    );
    for _ in 0..10 {
        assert_eq!(code(&ask(NOW, "clear_quota", &json!({ "appid": APP }))), 0);
    }
    assert_eq!(
        code(&ask(NOW, "clear_quota", &json!({ "appid": APP }))),
        48006
    );
    let told = ask(NOW, "openapi/quota/get", &json!({ "cgi_path": SEND }));
    assert_eq!(told["quota"]["used"], 0);
}

#[test]
fn phones_show_the_menu_for_everybody() {
    let (mut wechat, _, token) = start();
    let shown = |wechat: &WeChat| json!(View::new(wechat, NOW))["accounts"][0]["menu"].clone();
    assert_eq!(shown(&wechat), Value::Null);
    let button = json!([{ "name": "门店", "type": "click", "key": "shops" }]);
    let everybody = json!({ "button": button });
    let some = json!({ "button": [{ "name": "a", "type": "click", "key": "k" }],
        "matchrule": { "tag_id": "2" } });
    for (path, body) in [("create", &everybody), ("addconditional", &some)] {
        let path = format!("POST /cgi-bin/menu/{path}");
        assert_eq!(code(&about(&mut wechat, NOW, &path, &token, body)), 0);
    }
    assert_eq!(shown(&wechat)[0]["name"], "门店");
    let gone = "GET /cgi-bin/menu/delete";
    about(&mut wechat, NOW, gone, &token, &Value::Null);
    assert_eq!(shown(&wechat), Value::Null);
}

#[test]
fn a_refused_call_is_remembered_by_its_rid() {
    let (mut wechat, _, token) = start();
    let refused = about(
        &mut wechat,
        NOW,
        "GET /cgi-bin/menu/get",
        &token,
        &json!({}),
    );
    let words = refused["errmsg"].as_str().unwrap().to_owned();
    let (_, rid) = words.split_once("rid: ").unwrap();
    let mut ask = |rid: &str| {
        about(
            &mut wechat,
            NOW,
            "POST /cgi-bin/openapi/rid/get",
            &token,
            &json!({ "rid": rid }),
        )
    };
    let told = ask(rid);
    assert_eq!(told["request"]["response_body"], "{\"errcode\":46003}");
    assert_eq!(told["request"]["client_ip"], "203.0.113.7");
    assert!(!told.to_string().contains(&token));
    assert_eq!(code(&ask("1-2-3")), 76001);
}
