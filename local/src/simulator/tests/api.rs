//! Calls of the API.

use serde_json::{Value, json};

use super::*;

#[test]
fn token_calls() {
    let check = |request: &str, body: &str, expected: i64| {
        let (mut wechat, ..) = start();
        let answer = call(&mut wechat, NOW, request, body.as_bytes());
        assert_eq!(
            (answer.status, answer.errcode()),
            (200, expected),
            "{request} {body}"
        );
        let seen = wechat.log().next_back().unwrap();
        assert_eq!(seen.errcode, expected);
        assert!(!format!("{seen:?}").contains(SECRET));
    };
    let classic =
        |query: &str, expected| check(&format!("GET /cgi-bin/token?{query}"), "", expected);
    classic(
        &format!("grant_type=client_credential&appid={APP}&secret={SECRET}"),
        0,
    );
    classic(&format!("appid={APP}&secret={SECRET}"), 40002);
    classic(
        &format!("grant_type=password&appid={APP}&secret={SECRET}"),
        40002,
    );
    classic(
        &format!("grant_type=client_credential&secret={SECRET}"),
        41002,
    );
    classic(
        &format!("grant_type=client_credential&appid=wx9&secret={SECRET}"),
        40013,
    );
    classic(&format!("grant_type=client_credential&appid={APP}"), 41004);
    classic(
        &format!("grant_type=client_credential&appid={APP}&secret=short"),
        40125,
    );
    let other = SECRET.replace('0', "1");
    classic(
        &format!("grant_type=client_credential&appid={APP}&secret={other}"),
        40001,
    );
    check("POST /cgi-bin/token", "", 43001);

    let stable = |body: &str, expected| check("POST /cgi-bin/stable_token", body, expected);
    let body = |change: Value| {
        let mut body = json!({"grant_type": "client_credential", "appid": APP, "secret": SECRET});
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        body.to_string()
    };
    stable(&body(json!({})), 0);
    stable(&body(json!({"force_refresh": true})), 0);
    stable(&body(json!({"force_refresh": "yes"})), 47001);
    stable(&body(json!({"grant_type": "x"})), 40002);
    stable(&body(json!({"appid": ""})), 41002);
    stable(&body(json!({"appid": "wx9"})), 40013);
    stable(&body(json!({"secret": ""})), 41004);
    stable(&body(json!({"secret": "short"})), 40125);
    stable(&body(json!({"secret": other})), 40001);
    stable("{", 47001);
    check("GET /cgi-bin/stable_token", "", 43002);
}

#[test]
fn only_listed_addresses_get_a_token() {
    let (mut wechat, ming, token) = start();
    let request =
        format!("GET /cgi-bin/token?grant_type=client_credential&appid={APP}&secret={SECRET}");
    wechat
        .allow_addresses(APP, vec!["198.51.100.1".to_owned()])
        .unwrap();
    let answer = call(&mut wechat, NOW, &request, b"");
    assert_eq!(answer.errcode(), 40164);
    assert!(String::from_utf8_lossy(&answer.body).contains("203.0.113.7"));
    // The list is about the token calls only.
    assert_eq!(send(&mut wechat, NOW, &token, &text(&ming, "hi")), 0);
    wechat
        .allow_addresses(APP, vec!["203.0.113.7".to_owned()])
        .unwrap();
    assert_eq!(call(&mut wechat, NOW, &request, b"").errcode(), 0);
}

#[test]
fn who_may_send() {
    let (mut wechat, ming, token) = start();
    let hi = text(&ming, "hi");
    let foreign = format!("{}x", token.get(1..).unwrap());
    assert_eq!(send(&mut wechat, NOW, "", &hi), 41001);
    assert_eq!(send(&mut wechat, NOW, "short", &hi), 40014);
    assert_eq!(send(&mut wechat, NOW, &foreign, &hi), 40001);
    assert_eq!(send(&mut wechat, NOW + 7_200_000, &token, &hi), 42001);
    let next = stable(&mut wechat, NOW + 6_900_000, &json!({}));
    assert_ne!(next, token);
    assert_eq!(send(&mut wechat, NOW + 7_199_999, &token, &hi), 0);
    assert_eq!(send(&mut wechat, NOW + 7_200_000, &next, &hi), 0);
    wechat.end_tokens(NOW + 7_200_001, APP).unwrap();
    assert_eq!(send(&mut wechat, NOW + 7_200_001, &next, &hi), 40001);

    let get = format!("GET {SEND}?access_token={token}");
    assert_eq!(call(&mut wechat, NOW, &get, b"").errcode(), 43002);
    assert_eq!(
        call(&mut wechat, NOW, "POST /cgi-bin/no/such", b"").status,
        404
    );
}

#[test]
fn what_may_be_sent() {
    let check = |body: &dyn Fn(&str) -> String, expected: i64| {
        let (mut wechat, ming, token) = start();
        let body = body(&ming);
        assert_eq!(send(&mut wechat, NOW, &token, &body), expected, "{body}");
        let shown = wechat.customer(APP, &ming).unwrap().received().count();
        assert_eq!(shown, usize::from(expected == 0), "{body}");
    };
    let content = |content: &str| {
        let content = content.to_owned();
        move |to: &str| {
            format!(r#"{{"touser":"{to}","msgtype":"text","text":{{"content":"{content}"}}}}"#)
        }
    };
    check(&content("你好 😀"), 0);
    check(
        &content("line\\n\\ttab \\\"quoted\\\" \\\\u4f60 \\u0007"),
        0,
    );
    check(&content("\\u4f60\\u597d"), 40033);
    check(&content("\\ud83d\\ude00"), 40033);
    check(&content("a \\u0026 b"), 40033);
    check(&content(""), 44004);
    check(&content(&"a".repeat(2_048)), 0);
    check(&content(&"a".repeat(2_049)), 45002);
    check(&content(&format!("{}aa", "你".repeat(682))), 0);
    check(&content(&"你".repeat(683)), 45002);
    check(&|_| "{".to_owned(), 47001);
    check(&|_| "[]".to_owned(), 47001);
    check(&|_| text("oSomebodyOfAnotherAccount000", "hi"), 40003);
    check(
        &|_| r#"{"msgtype":"text","text":{"content":"hi"}}"#.to_owned(),
        40003,
    );
    check(
        &|to| json!({"touser": to, "msgtype": "text"}).to_string(),
        44004,
    );
    check(
        &|to| json!({"touser": to, "msgtype": "text", "text": {"content": 1}}).to_string(),
        47001,
    );
    check(&|to| json!({"touser": to}).to_string(), 40008);
    check(
        &|to| json!({"touser": to, "msgtype": "link"}).to_string(),
        40008,
    );
    check(
        &|to| json!({"touser": to, "msgtype": "image", "image": {"media_id": "m"}}).to_string(),
        40007,
    );
    let menu = |list: Value| {
        move |to: &str| {
            json!({"touser": to, "msgtype": "msgmenu",
                "msgmenu": {"head_content": "?", "list": list, "tail_content": ""}})
            .to_string()
        }
    };
    check(&menu(json!([{"id": "101", "content": "满意"}])), 0);
    check(&menu(json!([{"id": 101, "content": "满意"}])), 47001);
    check(&menu(json!([])), 44004);

    let (mut wechat, _, token) = start();
    let request = format!("POST {SEND}?access_token={token}");
    assert_eq!(
        call(&mut wechat, NOW, &request, b"\"\xff\"").errcode(),
        40033
    );
}

#[test]
fn windows_follow_from_what_a_customer_does() {
    let click = Act::Click {
        key: "K".to_owned(),
    };
    let scan = Act::Scan {
        scene: "7".to_owned(),
    };
    let choose = Act::Choose {
        id: "1".to_owned(),
        text: "满意".to_owned(),
    };
    let view = Act::View {
        url: "https://example.com".to_owned(),
    };
    let image = Act::Elements {
        xml: "<MsgType>image</MsgType><MsgId>1</MsgId>".to_owned(),
    };
    let arrive = Act::Elements {
        xml: "<MsgType>event</MsgType><Event>LOCATION</Event>".to_owned(),
    };
    for (act, count, minutes) in [
        (&say("hi"), 5, 48 * 60),
        (&image, 5, 48 * 60),
        (&click, 3, 1),
        (&scan, 3, 1),
        (&choose, 3, 1),
        (&view, 0, 0),
        (&arrive, 0, 0),
    ] {
        let (mut wechat, _, token) = start();
        let li = wechat.add_follower(APP, "阿丽").unwrap();
        wechat.act(NOW, APP, &li, act).unwrap();
        let hi = text(&li, "hi");
        for _ in 0..count {
            assert_eq!(send(&mut wechat, NOW, &token, &hi), 0, "{act:?}");
        }
        let over = if count == 0 { 45015 } else { 45047 };
        assert_eq!(send(&mut wechat, NOW, &token, &hi), over, "{act:?}");
        let end = NOW + minutes * 60_000;
        let token = stable(&mut wechat, end, &json!({}));
        assert_eq!(send(&mut wechat, end, &token, &hi), 45015, "{act:?}");
        assert_eq!(wechat.customer(APP, &li).unwrap().received().count(), count);
    }
}

#[test]
fn a_customer_comes_and_goes() {
    let (mut wechat, _, token) = start();
    let chen = wechat.add_customer(APP, "Chen").unwrap();
    let hi = text(&chen, "hi");
    let act = |wechat: &mut WeChat, act: &Act| {
        let callback = wechat.act(NOW, APP, &chen, act)?;
        Ok::<_, Refused>(String::from_utf8(callback.body).unwrap())
    };
    assert_eq!(send(&mut wechat, NOW, &token, &hi), 43004);
    assert_eq!(act(&mut wechat, &say("hi")), Err(Refused::NotFollowing));
    let scan = Act::Scan {
        scene: "7".to_owned(),
    };
    let push = act(&mut wechat, &scan).unwrap();
    assert!(push.contains("<![CDATA[subscribe]]>") && push.contains("qrscene_7"));
    assert_eq!(act(&mut wechat, &Act::Follow), Err(Refused::Following));
    let push = act(&mut wechat, &scan).unwrap();
    assert!(push.contains("<![CDATA[SCAN]]>") && !push.contains("qrscene_"));
    assert_eq!(send(&mut wechat, NOW, &token, &hi), 0);
    let push = act(&mut wechat, &Act::Unfollow).unwrap();
    assert!(push.contains("<![CDATA[unsubscribe]]>") && !push.contains("MsgId"));
    assert_eq!(send(&mut wechat, NOW, &token, &hi), 43004);
    act(&mut wechat, &Act::Follow).unwrap();
    assert_eq!(act(&mut wechat, &say(" ")), Err(Refused::Empty));
    assert_eq!(
        act(&mut wechat, &say(&"a".repeat(20_000))),
        Err(Refused::TooLong)
    );
    assert_eq!(
        wechat.act(NOW, APP, "nobody", &Act::Follow).unwrap_err(),
        Refused::UnknownCustomer
    );
    assert_eq!(wechat.customer(APP, &chen).unwrap().unread, 1);
    wechat.read(APP, &chen).unwrap();
    assert_eq!(wechat.customer(APP, &chen).unwrap().unread, 0);
}

#[test]
fn typing() {
    let (mut wechat, ming, token) = start();
    let mut typing = |after_ms: i64, command: &str| {
        let body = json!({"touser": ming, "command": command}).to_string();
        let request = format!("POST {TYPING}?access_token={token}");
        call(&mut wechat, NOW + after_ms, &request, body.as_bytes()).errcode()
    };
    assert_eq!(typing(0, "Dancing"), 45072);
    assert_eq!(typing(0, "Typing"), 0);
    assert_eq!(typing(14_999, "Typing"), 45081);
    assert_eq!(typing(15_000, "Typing"), 0);
    assert_eq!(typing(15_001, "CancelTyping"), 0);
    assert_eq!(typing(30_000, "Typing"), 0);
    assert_eq!(typing(60_000, "Typing"), 45080);
}

#[test]
fn a_foreign_accounts_customer_is_nobody() {
    let (mut wechat, ming, _) = start();
    let other = AccountSettings {
        app_id: "wxother".to_owned(),
        ..settings()
    };
    wechat.add_account(other.clone()).unwrap();
    assert_eq!(wechat.add_account(other), Err(BadSettings::Twice));
    let li = wechat.add_follower("wxother", "阿丽").unwrap();
    assert_ne!(li, ming);
    wechat.act(NOW, "wxother", &li, &say("hi")).unwrap();
    let theirs = stable(&mut wechat, NOW, &json!({"appid": "wxother"}));
    assert_eq!(send(&mut wechat, NOW, &theirs, &text(&ming, "hi")), 40003);
    assert_eq!(send(&mut wechat, NOW, &theirs, &text(&li, "hi")), 0);
}

#[test]
fn bad_settings_are_refused() {
    let mut wechat = WeChat::new("seed");
    for (settings, expected) in [
        (
            AccountSettings {
                aes_key: "short".to_owned(),
                ..settings()
            },
            BadSettings::AesKey,
        ),
        (
            AccountSettings {
                callback_url: "ftp://x".to_owned(),
                ..settings()
            },
            BadSettings::CallbackUrl,
        ),
    ] {
        assert_eq!(wechat.add_account(settings), Err(expected));
    }
}

#[test]
fn an_injected_code_has_no_effect_and_is_used_once() {
    let (mut wechat, ming, token) = start();
    wechat.answer_next_with(-1);
    stable(&mut wechat, NOW, &json!({}));
    assert_eq!(send(&mut wechat, NOW, &token, &text(&ming, "hi")), -1);
    assert_eq!(send(&mut wechat, NOW, &token, &text(&ming, "hi")), 0);
    assert_eq!(wechat.customer(APP, &ming).unwrap().received().count(), 1);
}
