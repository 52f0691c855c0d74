//! The rules of the simulated WeChat, as tables.

mod account;
mod api;
mod business;
mod controls;
mod delivery;
mod door;
mod mishap;
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
    let (method, address) = request.split_once(' ').unwrap();
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    wechat.call(
        now_ms,
        &Call {
            method,
            path,
            query,
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
