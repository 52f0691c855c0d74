//! The rules of the simulated WeChat, as tables.

mod account;
mod api;
mod business;
mod controls;
mod delivery;
mod door;
mod files;
mod media;
mod messages;
mod mishap;
mod notices;
mod people;
mod phone;
mod push;
mod sight;

use magpie::wechat::crypto;
use serde_json::{Value, json};

use super::*;

const APP: &str = "wx0123456789abcdef";
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const TOKEN: &str = "callbacktoken";
// The last character carries unused bits, as most keys of WeChat's console do.
const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const NOW: i64 = 1_700_000_000_000;
const SEND: &str = "/cgi-bin/message/custom/send";
const TYPING: &str = "/cgi-bin/message/custom/typing";

const UPLOAD: &str = "/cgi-bin/media/upload";
const GET: &str = "/cgi-bin/media/get";
const DAY_MS: i64 = 86_400_000;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";
const JPEG: &[u8] = b"\xff\xd8\xff\xe0 and so on";
const GIF: &[u8] = b"GIF89a and so on";
const AMR: &[u8] = b"#!AMR\n and so on";
const MP3: &[u8] = b"ID3\x04 and so on";
const MP4: &[u8] = b"\0\0\0\x20ftypisom and so on";
const FORM: &str = "multipart/form-data; boundary=xyz";

fn settings() -> AccountSettings {
    AccountSettings {
        app_id: APP.to_owned(),
        original_id: "gh_0123456789ab".to_owned(),
        secret: SECRET.to_owned(),
        token: TOKEN.to_owned(),
        aes_key: KEY.to_owned(),
        mode: Mode::Plain,
        callback_url: "http://127.0.0.1:9/wechat/demo".to_owned(),
        name: "喜鹊小店".to_owned(),
    }
}

/// A WeChat with one account, one follower who has just written, and a token.
fn start() -> (WeChat, String, String) {
    let mut wechat = WeChat::new("seed");
    wechat.add_account(settings()).unwrap();
    let ming = wechat.add_follower(APP, "小明").unwrap();
    wechat.act(NOW, APP, &ming, &say("你好")).unwrap();
    let token = stable(&mut wechat, NOW, &json!({}));
    (wechat, ming, token)
}

fn say(text: &str) -> Act {
    Act::Say {
        text: text.to_owned(),
    }
}

fn call(wechat: &mut WeChat, now_ms: i64, request: &str, body: &[u8]) -> Answer {
    typed_call(wechat, now_ms, request, "", body)
}

fn typed_call(
    wechat: &mut WeChat,
    now_ms: i64,
    request: &str,
    content_type: &str,
    body: &[u8],
) -> Answer {
    let (method, address) = request.split_once(' ').unwrap();
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    wechat.call(
        now_ms,
        &Call {
            method,
            path,
            query,
            content_type,
            body,
            caller: "203.0.113.7",
        },
    )
}

fn meet(wechat: &mut WeChat, request: &str, body: &[u8]) -> Treatment {
    let (method, address) = request.split_once(' ').unwrap();
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let caller = "203.0.113.7";
    let call = Call {
        method,
        path,
        query,
        content_type: "",
        body,
        caller,
    };
    wechat.meet(NOW, &call)
}

fn stable(wechat: &mut WeChat, now_ms: i64, change: &Value) -> String {
    let mut body = json!({"grant_type": "client_credential", "appid": APP, "secret": SECRET});
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    let request = "POST /cgi-bin/stable_token";
    let answer = call(wechat, now_ms, request, body.to_string().as_bytes());
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

fn send(wechat: &mut WeChat, now_ms: i64, token: &str, body: &str) -> i64 {
    let request = format!("POST {SEND}?access_token={token}");
    call(wechat, now_ms, &request, body.as_bytes()).errcode()
}

fn text(open_id: &str, words: &str) -> String {
    json!({"touser": open_id, "msgtype": "text", "text": {"content": words}}).to_string()
}

/// A reply as an account's server writes it.
fn passive(to: &str, kind: &str, rest: &str) -> String {
    format!(
        "<xml><ToUserName>{to}</ToUserName><FromUserName><![CDATA[gh_0123456789ab]]></FromUserName>\
         <CreateTime>1700000000</CreateTime><MsgType>{kind}</MsgType>{rest}</xml>"
    )
}

fn sealed(inner: &str, app_id: &str, token: &str) -> String {
    let key = crypto::AesKey::parse(KEY).unwrap();
    let sealed = crypto::encrypt(&key, [7; 16], inner.as_bytes(), app_id);
    let signature = crypto::signature(&[token, "1700000000", "n", &sealed]);
    format!(
        "<xml><Encrypt><![CDATA[{sealed}]]></Encrypt><MsgSignature>{signature}</MsgSignature>\
         <TimeStamp>1700000000</TimeStamp><Nonce>n</Nonce></xml>"
    )
}

/// A form with one file.
fn form(name: &str, file_name: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!(
        "--xyz\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    [head.as_bytes(), bytes, b"\r\n--xyz--\r\n"].concat()
}

/// What an upload is answered.
fn upload(wechat: &mut WeChat, token: &str, kind: &str, file_name: &str, bytes: &[u8]) -> Value {
    let request = format!("POST {UPLOAD}?access_token={token}&type={kind}");
    let body = form("media", file_name, bytes);
    let answer = typed_call(wechat, NOW, &request, FORM, &body);
    assert_eq!(answer.status, 200);
    serde_json::from_slice(&answer.body).unwrap()
}

/// The id of a medium that the account has uploaded.
fn uploaded(wechat: &mut WeChat, token: &str, kind: &str, file_name: &str, bytes: &[u8]) -> String {
    let answer = upload(wechat, token, kind, file_name, bytes);
    let name = if kind == "thumb" {
        "thumb_media_id"
    } else {
        "media_id"
    };
    answer[name].as_str().unwrap().to_owned()
}

/// What a download is answered.
fn fetch(wechat: &mut WeChat, now_ms: i64, token: &str, media_id: &str) -> Answer {
    let request = format!("GET {GET}?access_token={token}&media_id={media_id}");
    call(wechat, now_ms, &request, b"")
}

/// A second account, a follower of it who has just written, and a token.
fn another(wechat: &mut WeChat) -> (String, String) {
    let other = AccountSettings {
        app_id: "wxother".to_owned(),
        ..settings()
    };
    wechat.add_account(other).unwrap();
    let li = wechat.add_follower("wxother", "阿丽").unwrap();
    wechat.act(NOW, "wxother", &li, &say("hi")).unwrap();
    let token = stable(wechat, NOW, &json!({"appid": "wxother"}));
    (li, token)
}

/// What a customer's phone shows last.
fn last(wechat: &WeChat, open_id: &str) -> Value {
    let customer = wechat.customer(APP, open_id).unwrap();
    json!(customer.bubbles.back().unwrap())
}
