//! `POST /api/channels/{id}/check`: is the channel right on both sides? WeChat
//! is asked for a token and the desk for a greeting.

use http::StatusCode;
use serde::Serialize;
use std::net::IpAddr;

use super::problem::{Answered, json};
use super::{Call, channels};
use crate::bridge::Broken;
use crate::bridge::token::Tokenless;
use crate::desk::Greeting;
use crate::message::ChannelId;
use crate::wechat::api::NoToken;

/// What one check found.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    name: &'static str,
    ok: bool,
    code: &'static str,
    zh: String,
    en: String,
    /// WeChat's code, or the desk's HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<i64>,
    /// The address to allow-list.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
}

fn finding(name: &'static str, code: &'static str, zh: &str, en: &str) -> Finding {
    Finding {
        name,
        ok: code == "ok",
        code,
        zh: zh.to_owned(),
        en: en.to_owned(),
        answer: None,
        address: None,
    }
}

/// Answers the call.
pub(super) async fn check(call: &Call<'_>, id: &ChannelId) -> Answered {
    #[derive(Serialize)]
    struct Checks {
        checks: [Finding; 2],
    }
    let bridge = call.bridge;
    // What was set just now, in whatever process, is what is checked.
    bridge.forget(id);
    let channel = channels::there(bridge, id).await?;
    let token = match bridge.try_token(&channel).await {
        Ok(()) => finding(
            "token",
            "ok",
            "微信已返回接口凭证。",
            "WeChat gives a token.",
        ),
        Err(Tokenless::Broken(broken)) => return Err(broken.into()),
        Err(none) => refused(&none),
    };
    let desk = match bridge.desk(&channel).await? {
        Some(desk) => greeted(
            desk.greet(&bridge.http, id, bridge.now(), bridge.chance.nonce())
                .await,
        ),
        None => finding(
            "desk",
            "no_secret",
            "客服系统没有密钥：请重新保存渠道。",
            "The desk has no secret: save the channel again.",
        ),
    };
    let checks = [token, desk];
    json(StatusCode::OK, &Checks { checks })
}

/// Why WeChat gives no token, and what to do.
fn refused(none: &Tokenless) -> Finding {
    let (code, zh, en) = match none {
        Tokenless::WeChat(NoToken::Refused { code, address }) => {
            return by_code(*code, *address);
        }
        Tokenless::WeChat(NoToken::Silent(_)) => (
            "unreachable",
            "无法连接微信接口：请检查网络和 api_base。",
            "WeChat's API cannot be reached: check the network and api_base.",
        ),
        Tokenless::NoSecret => (
            "no_secret",
            "尚未设置 AppSecret：可以接收消息，但无法回复。",
            "There is no AppSecret: messages arrive, and answers cannot go out.",
        ),
        Tokenless::Busy | Tokenless::Rationed | Tokenless::JustTried => (
            "busy",
            "正在获取接口凭证：请 15 秒后重试。",
            "A token is being asked for: try again in 15 seconds.",
        ),
        Tokenless::Elsewhere(_)
        | Tokenless::Broken(Broken::Store(_) | Broken::Secret(_) | Broken::Damaged(_)) => (
            "internal",
            "系统内部暂时出错：请稍后重试。",
            "Something of ours failed for now: try again in a moment.",
        ),
    };
    finding("token", code, zh, en)
}

/// WeChat's codes of the token calls:
/// <https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/getStableAccessToken.html>
fn by_code(number: i64, address: Option<IpAddr>) -> Finding {
    let (code, zh, en) = match number {
        40164 => (
            "address_not_allowed",
            "本机地址不在公众号的 IP 白名单中：请在公众平台添加下列地址。",
            "Our address is not on the account's IP allow-list: add it there.",
        ),
        40001 | 40125 => (
            "wrong_secret",
            "AppSecret 不正确：请在公众平台核对后重新保存。",
            "The AppSecret is wrong: compare it with WeChat's console and save it again.",
        ),
        40013 => (
            "wrong_app_id",
            "AppID 不正确：请核对后新建渠道。",
            "WeChat does not know this AppID: check it and connect the channel anew.",
        ),
        40243 => (
            "secret_frozen",
            "AppSecret 已被冻结：请在公众平台解冻。",
            "The AppSecret is frozen: unfreeze it in WeChat's console.",
        ),
        50004 | 50007 | 89503 | 89501 | 89506 | 89507 => (
            "account_restricted",
            "公众号受限或调用需要管理员确认：请查看公众平台。",
            "The account is restricted or its administrator must confirm: see WeChat's console.",
        ),
        45009 | 45011 => (
            "quota_used_up",
            "接口调用额度已用完：请稍后重试。",
            "The quota of API calls is used up: try again later.",
        ),
        -1 => (
            "busy",
            "微信系统繁忙：请稍后重试。",
            "WeChat is busy: try again in a moment.",
        ),
        _ => (
            "refused",
            "微信拒绝返回接口凭证：请按错误码查询原因。",
            "WeChat gives no token: look its code up.",
        ),
    };
    let mut finding = finding("token", code, zh, en);
    if let Some(address) = address {
        finding.zh = format!("{} {address}", finding.zh);
        finding.en = format!("{} {address}", finding.en);
    }
    Finding {
        answer: Some(number),
        address,
        ..finding
    }
}

fn greeted(greeting: Greeting) -> Finding {
    let (code, zh, en) = match greeting {
        Greeting::Ours => ("ok", "内置收件箱。", "The inbox is ours."),
        Greeting::Answered(200..=299 | 409) => ("ok", "客服系统已应答。", "The desk answers."),
        Greeting::Answered(401 | 403) => (
            "unauthorized",
            "客服系统拒绝了签名：请核对密钥。",
            "The desk refuses the signature: compare the secrets.",
        ),
        Greeting::Answered(404) => (
            "wrong_address",
            "客服系统没有此地址：请核对 URL。",
            "The desk has no such address: check the URL.",
        ),
        Greeting::Answered(500..) => (
            "desk_error",
            "客服系统出错。",
            "The desk answers with an error of its own.",
        ),
        // It does not know a greeting, and it is there.
        Greeting::Answered(_) => ("ok", "客服系统可以连接。", "The desk can be reached."),
        Greeting::Silent => (
            "unreachable",
            "无法连接客服系统：请检查 URL 和网络。",
            "The desk cannot be reached: check the URL and the network.",
        ),
        Greeting::Forbidden => (
            "address_not_allowed",
            "不允许访问该地址：它不是公网地址，也不在 MAGPIE_ALLOW_ENDPOINTS 中。",
            "This address is not public and MAGPIE_ALLOW_ENDPOINTS does not list it.",
        ),
    };
    let answer = match greeting {
        Greeting::Answered(status) => Some(i64::from(status)),
        _ => None,
    };
    Finding {
        answer,
        ..finding("desk", code, zh, en)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_a_refused_token_say_what_to_do() {
        let address: Option<IpAddr> = "198.51.100.7".parse().ok();
        let check = |number, code| assert_eq!(by_code(number, None).code, code, "{number}");
        check(40164, "address_not_allowed");
        check(40001, "wrong_secret");
        check(40125, "wrong_secret");
        check(40013, "wrong_app_id");
        check(40243, "secret_frozen");
        check(-1, "busy");
        check(12345, "refused");
        let found = by_code(40164, address);
        assert!(found.en.ends_with("198.51.100.7") && found.zh.ends_with("198.51.100.7"));
    }

    #[test]
    fn a_desk_that_answers_is_there_unless_it_says_otherwise() {
        let check = |greeting, ok| assert_eq!(greeted(greeting).ok, ok, "{greeting:?}");
        check(Greeting::Ours, true);
        for status in [200, 204, 400, 405, 409, 422, 429] {
            check(Greeting::Answered(status), true);
        }
        for status in [401, 403, 404, 500, 503] {
            check(Greeting::Answered(status), false);
        }
        check(Greeting::Silent, false);
        check(Greeting::Forbidden, false);
    }
}
