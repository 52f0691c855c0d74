//! What an account is, and what it may do.

use serde_json::{Value, json};

use super::*;

fn type_at(wechat: &mut WeChat, token: &str, open_id: &str) -> i64 {
    let body = json!({"touser": open_id, "command": "Typing"}).to_string();
    let request = format!("POST {TYPING}?access_token={token}");
    call(wechat, NOW, &request, body.as_bytes()).errcode()
}

#[test]
fn what_each_kind_may_send() {
    for (kind, text_code, menu_code, typing_code) in [
        (Kind::Service, 0, 0, 0),
        (Kind::Subscription, 48001, 48001, 48001),
        (Kind::Overseas, 0, 40200, 0),
    ] {
        let (mut wechat, ming, token) = start();
        wechat.set_kind(APP, kind).unwrap();
        assert_eq!(wechat.account(APP).unwrap().kind, kind);
        let menu = json!({"touser": ming, "msgtype": "msgmenu", "msgmenu":
            {"head_content": "?", "list": [{"id": "1", "content": "满意"}]}});
        assert_eq!(type_at(&mut wechat, &token, &ming), typing_code);
        let sent = send(&mut wechat, NOW, &token, &text(&ming, "hi"));
        assert_eq!(sent, text_code, "{kind:?}");
        let sent = send(&mut wechat, NOW, &token, &menu.to_string());
        assert_eq!(sent, menu_code, "{kind:?}");
        // It gets tokens and pushes all the same.
        assert_eq!(stable(&mut wechat, NOW, &json!({})), token);
        let push = wechat.act(NOW, APP, &ming, &say("hi")).unwrap();
        assert_eq!(wechat.judge(&push, 200, b"success"), Ok(Reply::Taken));
        let shown = wechat.customer(APP, &ming).unwrap().received().count();
        let expected = usize::from(text_code == 0) + usize::from(menu_code == 0);
        assert_eq!(shown, expected, "{kind:?}");
    }
    let unknown = start().0.set_kind("wx9", Kind::Service);
    assert_eq!(unknown, Err(Refused::UnknownAccount));
}

#[test]
fn limits_of_sending_belong_to_one_account_and_one_path() {
    let (mut wechat, ming, token) = start();
    let limits = Limits {
        a_day: Some(4),
        a_minute: Some(2),
    };
    wechat.set_limits(APP, ApiPath::Send, limits).unwrap();
    let hi = text(&ming, "hi");
    for (at_ms, expected) in [(0, 0), (0, 0), (0, 45011), (60_000, 0)] {
        assert_eq!(send(&mut wechat, NOW + at_ms, &token, &hi), expected);
    }
    // A call that WeChat refuses for its contents counts, too.
    assert_eq!(send(&mut wechat, NOW + 60_000, &token, "{"), 47001);
    assert_eq!(send(&mut wechat, NOW + 120_000, &token, &hi), 45009);
    assert_eq!(type_at(&mut wechat, &token, &ming), 0);
    assert_eq!(stable(&mut wechat, NOW, &json!({})), token);
    let other = AccountSettings {
        app_id: "wxother".to_owned(),
        ..settings()
    };
    wechat.add_account(other).unwrap();
    let li = wechat.add_follower("wxother", "阿丽").unwrap();
    wechat.act(NOW, "wxother", &li, &say("hi")).unwrap();
    let theirs = stable(&mut wechat, NOW, &json!({"appid": "wxother"}));
    assert_eq!(send(&mut wechat, NOW, &theirs, &text(&li, "hi")), 0);
    wechat
        .set_limits(APP, ApiPath::Send, Limits::default())
        .unwrap();
    assert_eq!(send(&mut wechat, NOW + 120_000, &token, &hi), 0);
    let unknown = wechat.set_limits("wx9", ApiPath::Send, limits);
    assert_eq!(unknown, Err(Refused::UnknownAccount));
}

#[test]
fn limits_of_tokens_can_be_set() {
    let (mut wechat, ..) = start();
    let body: Value = json!({"grant_type": "client_credential", "appid": APP, "secret": SECRET});
    let body = body.to_string();
    let classic =
        format!("GET /cgi-bin/token?grant_type=client_credential&appid={APP}&secret={SECRET}");
    let limits = |a_day, a_minute| Limits { a_day, a_minute };
    let stable = "POST /cgi-bin/stable_token";
    // One stable token was fetched at the start.
    for (path, request, limits, expected) in [
        (ApiPath::Token, &*classic, limits(Some(1), None), [0, 45009]),
        (ApiPath::Token, &*classic, limits(None, None), [0, 0]),
        (
            ApiPath::StableToken,
            stable,
            limits(None, Some(2)),
            [0, 45011],
        ),
        (
            ApiPath::StableToken,
            stable,
            limits(Some(0), None),
            [45009; 2],
        ),
        (ApiPath::StableToken, stable, limits(None, None), [0, 0]),
    ] {
        wechat.set_limits(APP, path, limits).unwrap();
        let codes = [(); 2].map(|()| call(&mut wechat, NOW, request, body.as_bytes()).errcode());
        assert_eq!(codes, expected, "{path:?} {limits:?}");
    }
    // Whoever has the wrong secret uses nothing up.
    let wrong = classic.replace(SECRET, &SECRET.replace('0', "1"));
    wechat
        .set_limits(APP, ApiPath::Token, limits(Some(4), None))
        .unwrap();
    assert_eq!(call(&mut wechat, NOW, &wrong, b"").errcode(), 40001);
    assert_eq!(call(&mut wechat, NOW, &classic, b"").errcode(), 0);
    assert_eq!(call(&mut wechat, NOW, &classic, b"").errcode(), 45009);
}
