//! What WeChat saw.

use serde_json::json;

use super::*;

/// One line a sight: what it is, whom it is about, the words.
fn lines(wechat: &WeChat) -> Vec<String> {
    wechat
        .sights()
        .map(|sight| {
            let what = match &sight.event {
                Event::Call {
                    method,
                    path,
                    outcome,
                    ..
                } => format!("{method} {path} {outcome:?}"),
                Event::Push {
                    what, stage, tries, ..
                } => format!("push {what} {stage:?} {}", tries.len()),
                Event::Check { connection, .. } => format!("check {connection:?}"),
            };
            let customer = sight.customer.as_ref().map(|open_id| {
                let customer = wechat.customer(APP, open_id).unwrap();
                customer.name.clone()
            });
            let account = sight.app_id.as_deref().map(|app_id| app_id == APP);
            format!("{what}, {account:?}, {customer:?}, {:?}", sight.text)
        })
        .collect()
}

#[test]
fn everything_is_seen_in_its_order() {
    let (mut wechat, ming, token) = start();
    let chen = wechat.add_customer(APP, "Chen").unwrap();
    for act in [
        Act::Scan {
            scene: "7".to_owned(),
        },
        Act::Scan {
            scene: "8".to_owned(),
        },
        Act::Click {
            key: "HELP".to_owned(),
        },
        Act::Unfollow,
    ] {
        wechat.act(NOW, APP, &chen, &act).unwrap();
    }
    // What was refused was never pushed.
    wechat.act(NOW, APP, &chen, &say("hi")).unwrap_err();
    send(&mut wechat, NOW, &token, &text(&ming, "您好"));
    send(&mut wechat, NOW, &token, &text("oNobody", "hi"));
    send(&mut wechat, NOW, "short", &text(&ming, "hi"));
    let typing = json!({"touser": ming, "command": "Typing"}).to_string();
    let request = format!("POST {TYPING}?access_token={token}");
    call(&mut wechat, NOW, &request, typing.as_bytes());
    let request = "GET /cgi-bin/token?grant_type=client_credential&appid=wx9";
    call(&mut wechat, NOW, request, b"");
    call(
        &mut wechat,
        NOW,
        "POST /cgi-bin/no/such?access_token=x",
        b"",
    );
    call(&mut wechat, NOW, "GET /favicon.ico", b"");
    let check = wechat.handshake(NOW, APP).unwrap();
    wechat.conclude(&check, Some((404, b"")));
    let ours = "Some(true)";
    assert_eq!(
        lines(&wechat),
        [
            format!("push text Sending 0, {ours}, Some(\"小明\"), Some(\"你好\")"),
            format!("POST /cgi-bin/stable_token Code(0), {ours}, None, None"),
            format!("push subscribe Sending 0, {ours}, Some(\"Chen\"), Some(\"7\")"),
            format!("push SCAN Sending 0, {ours}, Some(\"Chen\"), Some(\"8\")"),
            format!("push CLICK Sending 0, {ours}, Some(\"Chen\"), Some(\"HELP\")"),
            format!("push unsubscribe Sending 0, {ours}, Some(\"Chen\"), None"),
            format!("POST {SEND} Code(0), {ours}, Some(\"小明\"), Some(\"您好\")"),
            format!("POST {SEND} Code(40003), {ours}, None, Some(\"hi\")"),
            format!("POST {SEND} Code(40014), None, Some(\"小明\"), Some(\"hi\")"),
            format!("POST {TYPING} Code(0), {ours}, Some(\"小明\"), None"),
            "GET /cgi-bin/token Code(40013), None, None, None".to_owned(),
            "POST /cgi-bin/no/such Status(404), None, None, None".to_owned(),
            format!("check Failed {{ status: Some(404) }}, {ours}, None, None"),
        ]
    );
    let ids: Vec<_> = wechat.sights().map(|sight| sight.id).collect();
    assert!(ids.is_sorted_by(|one, next| one < next));
}

#[test]
fn every_try_of_a_push_is_seen() {
    let (mut wechat, ming, _) = start();
    let first = wechat.act(NOW, APP, &ming, &say("one")).unwrap();
    let second = wechat.act(NOW, APP, &ming, &say("two")).unwrap();
    let mut settle = |callback: &Callback, attempts, status, took_ms, stage| {
        let state = PushState {
            serial: callback.serial,
            stage,
            status,
            attempts,
            took_ms,
        };
        wechat.settle(NOW, callback, state, &Reply::Taken);
    };
    settle(&first, 1, None, 5_000, Stage::Sending);
    settle(&second, 0, None, 0, Stage::NotConnected);
    settle(&first, 2, Some(500), 5_003, Stage::Sending);
    settle(&first, 3, Some(200), 5_010, Stage::Taken);
    let pushes: Vec<_> = wechat
        .sights()
        .skip(2)
        .map(|sight| match &sight.event {
            Event::Push { stage, tries, .. } => (
                *stage,
                tries
                    .iter()
                    .map(|one| (one.status, one.took_ms))
                    .collect::<Vec<_>>(),
            ),
            other => panic!("{other:?}"),
        })
        .collect();
    let tries = vec![(None, 5_000), (Some(500), 3), (Some(200), 7)];
    assert_eq!(
        pushes,
        [(Stage::Taken, tries), (Stage::NotConnected, Vec::new())]
    );
}

#[test]
fn no_secret_is_seen() {
    let (mut wechat, ming, token) = start();
    let request =
        format!("GET /cgi-bin/token?grant_type=client_credential&appid={APP}&secret={SECRET}");
    call(&mut wechat, NOW, &request, b"");
    // Not even where it is mistaken for something else.
    let request = format!("GET /cgi-bin/token?appid={SECRET}&secret={APP}");
    call(&mut wechat, NOW, &request, b"");
    stable(&mut wechat, NOW, &json!({}));
    send(&mut wechat, NOW, &token, &text(&ming, "hi"));
    send(&mut wechat, NOW, &token, &text(&token, "hi"));
    let check = wechat.handshake(NOW, APP).unwrap();
    wechat.conclude(&check, Some((200, check.echostr.as_bytes())));
    let trouble = Mishap::once(ApiPath::Send, Trouble::CloseAfter);
    wechat.order(trouble).unwrap();
    let request = format!("POST {SEND}?access_token={token}");
    meet(&mut wechat, &request, text(&ming, "hi").as_bytes());
    let seen: Vec<_> = wechat.sights().collect();
    assert_eq!(seen.len(), 9);
    let seen = json!(seen).to_string();
    for secret in [SECRET, TOKEN, KEY, &token, &check.echostr] {
        assert!(!seen.contains(secret), "{secret}");
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let (mut wechat, ming, token) = start();
    let long = text(&ming, &"喜".repeat(600));
    for _ in 0..600 {
        send(&mut wechat, NOW, &token, &long);
    }
    let path = format!("POST /cgi-bin/{}", "x".repeat(10_000));
    call(&mut wechat, NOW, &path, b"");
    assert_eq!(wechat.sights().count(), 500);
    let longest = wechat
        .sights()
        .filter_map(|sight| sight.text.as_ref())
        .map(|text| text.chars().count());
    assert_eq!(longest.max(), Some(201));
    let last = wechat.sights().next_back().unwrap();
    assert!(json!(last).to_string().len() < 400);
    assert_eq!(last.id, 603);
}
