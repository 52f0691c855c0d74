//! Pushes, and the answers to them.

use magpie::wechat::crypto;

use super::super::reply::fields;
use super::*;

fn query<'a>(callback: &'a Callback, name: &str) -> &'a str {
    callback
        .query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        .unwrap_or_default()
}

#[test]
fn a_push_in_every_mode() {
    let words = "你好 ]]> <b>&amp;\u{1}\n😀";
    let shown = "你好 ]]> <b>&amp;\n😀";
    for mode in [Mode::Plain, Mode::Compatible, Mode::Secure] {
        let (mut wechat, ming, _) = start();
        wechat.set_mode(APP, mode).unwrap();
        let callback = wechat.act(NOW + 5_000, APP, &ming, &say(words)).unwrap();
        let (time, nonce) = (query(&callback, "timestamp"), query(&callback, "nonce"));
        assert_eq!(time, "1700000005");
        assert_eq!(query(&callback, "openid"), ming);
        assert_eq!(
            query(&callback, "signature"),
            crypto::signature(&[TOKEN, time, nonce])
        );
        let outer = fields(std::str::from_utf8(&callback.body).unwrap()).unwrap();
        assert_eq!(outer.get("ToUserName").unwrap(), "gh_0123456789ab");
        let plain = outer.get("Content").map(String::as_str);
        assert_eq!(plain, (mode != Mode::Secure).then_some(shown), "{mode:?}");
        if mode == Mode::Plain {
            assert!(!outer.contains_key("Encrypt"));
            assert_eq!(query(&callback, "msg_signature"), "");
            continue;
        }
        let sealed = outer.get("Encrypt").unwrap();
        assert_eq!(query(&callback, "encrypt_type"), "aes");
        assert_eq!(
            query(&callback, "msg_signature"),
            crypto::signature(&[TOKEN, time, nonce, sealed])
        );
        let key = crypto::AesKey::parse(KEY).unwrap();
        let opened = crypto::decrypt(&key, sealed).unwrap();
        assert_eq!(opened.app_id, APP);
        let inner = fields(std::str::from_utf8(&opened.message).unwrap()).unwrap();
        assert_eq!(inner.get("Content").unwrap(), shown);
        assert_eq!(inner.get("FromUserName").unwrap(), &ming);
        assert_eq!(inner.get("CreateTime").unwrap(), "1700000005");
    }
}

#[test]
fn message_ids_rise_even_if_the_clock_goes_back() {
    let (mut wechat, ming, _) = start();
    let mut last = 0_u64;
    for now_ms in [NOW, NOW, NOW - 60_000, NOW + 60_000] {
        let callback = wechat.act(now_ms, APP, &ming, &say("hi")).unwrap();
        let push = fields(std::str::from_utf8(&callback.body).unwrap()).unwrap();
        let id = push.get("MsgId").unwrap().parse().unwrap();
        assert!(id > last);
        last = id;
    }
}

#[test]
fn the_same_calls_give_the_same_bytes() {
    let run = || {
        let (mut wechat, ming, token) = start();
        wechat.set_mode(APP, Mode::Secure).unwrap();
        let callback = wechat.act(NOW, APP, &ming, &say("hi")).unwrap();
        let request = format!("POST {SEND}?access_token={token}");
        let answer = call(&mut wechat, NOW, &request, b"{");
        (ming, token, callback.query, callback.body, answer.body)
    };
    assert_eq!(run(), run());
}

#[test]
fn which_answers_are_valid() {
    let (mut wechat, ming, _) = start();
    let mut check = |mode, status, body: &str, expected: Result<Reply, Invalid>| {
        wechat.set_mode(APP, mode).unwrap();
        let callback = wechat.act(NOW, APP, &ming, &say("hi")).unwrap();
        let judged = wechat.judge(&callback, status, body.as_bytes());
        assert_eq!(judged, expected, "{mode:?} {status} {body}");
    };
    let words = passive(&ming, "text", "<Content>a &lt; b&#33;</Content>");
    let text = || Ok(Reply::Text("a < b!".to_owned()));
    for mode in [Mode::Plain, Mode::Compatible, Mode::Secure] {
        check(mode, 200, "success", Ok(Reply::Taken));
        check(mode, 200, "", Ok(Reply::Taken));
        check(mode, 201, "success", Err(Invalid::Status));
        check(mode, 204, "", Err(Invalid::Status));
        check(mode, 403, "", Err(Invalid::Status));
        for body in [
            "SUCCESS",
            "success\n",
            "\"success\"",
            "{}",
            "<xml>",
            "<xml></xml>x",
            "<a></a>",
            "<xml/><xml/>",
        ] {
            check(mode, 200, body, Err(Invalid::Body));
        }
        check(mode, 200, "<!DOCTYPE xml><xml></xml>", Err(Invalid::Body));
    }
    check(Mode::Plain, 200, &words, text());
    check(Mode::Compatible, 200, &words, text());
    check(Mode::Secure, 200, &words, Err(Invalid::Unencrypted));
    check(
        Mode::Plain,
        200,
        &sealed(&words, APP, TOKEN),
        Err(Invalid::Fields),
    );
    check(Mode::Compatible, 200, &sealed(&words, APP, TOKEN), text());
    check(Mode::Secure, 200, &sealed(&words, APP, TOKEN), text());
    check(
        Mode::Secure,
        200,
        &sealed(&words, "wxother", TOKEN),
        Err(Invalid::Seal),
    );
    check(
        Mode::Secure,
        200,
        &sealed(&words, APP, "wrong"),
        Err(Invalid::Seal),
    );
    check(
        Mode::Plain,
        200,
        &passive("oOther", "text", "<Content>a</Content>"),
        Err(Invalid::Fields),
    );
    check(
        Mode::Plain,
        200,
        &passive(&ming, "text", "<Content></Content>"),
        Err(Invalid::Fields),
    );
    check(
        Mode::Plain,
        200,
        &passive(&ming, "text", ""),
        Err(Invalid::Fields),
    );
    check(
        Mode::Plain,
        200,
        &passive(&ming, "dance", ""),
        Err(Invalid::Fields),
    );
    let transfer = "transfer_customer_service";
    check(
        Mode::Plain,
        200,
        &passive(&ming, transfer, ""),
        Ok(Reply::Other(transfer.to_owned())),
    );
}

#[test]
fn a_reply_is_whole_or_none() {
    let (mut wechat, ming, _) = start();
    let transfer = "transfer_customer_service";
    let media = "<MediaId><![CDATA[m]]></MediaId>";
    let news = "<ArticleCount>1</ArticleCount><Articles><item><Title>t</Title><Url>u</Url></item></Articles>";
    for (kind, rest, whole) in [
        ("image", format!("<Image>{media}</Image>"), true),
        ("image", media.to_owned(), false),
        ("image", "<Image><MediaId/></Image>".to_owned(), false),
        ("voice", format!("<Voice>{media}</Voice>"), true),
        ("voice", format!("<Image>{media}</Image>"), false),
        ("video", format!("<Video>{media}</Video>"), true),
        ("video", String::new(), false),
        (
            "music",
            "<Music><ThumbMediaId>m</ThumbMediaId></Music>".to_owned(),
            true,
        ),
        ("music", format!("<Music>{media}</Music>"), false),
        ("news", news.to_owned(), true),
        ("news", news.replace("<Url>u</Url>", ""), false),
        (
            transfer,
            "<TransInfo><KfAccount/></TransInfo>".to_owned(),
            false,
        ),
        (
            "text",
            format!("<Content>{}</Content>", "a".repeat(2049)),
            false,
        ),
    ] {
        let expected = if whole {
            Ok(Reply::Other(kind.to_owned()))
        } else {
            Err(Invalid::Fields)
        };
        let callback = wechat.act(NOW, APP, &ming, &say("hi")).unwrap();
        let body = passive(&ming, kind, &rest);
        let judged = wechat.judge(&callback, 200, body.as_bytes());
        assert_eq!(judged, expected, "{body}");
    }
}
