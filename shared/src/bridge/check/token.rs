//! Whether WeChat gives a token.

use std::net::IpAddr;

use super::{Finding, OK};
use crate::bridge::token::Tokenless;
use crate::bridge::{Bridge, Broken, TokenSource};
use crate::channel::Channel;
use crate::http::Trouble;
use crate::wechat::api::NoToken;

pub(super) async fn look(bridge: &Bridge, channel: &Channel) -> Result<Finding, Broken> {
    let server = matches!(bridge.token_source, TokenSource::Server(_));
    match bridge.try_token(channel).await {
        Ok(()) if server => Ok(finding((
            OK,
            "凭证服务器已返回接口凭证。",
            "The server of tokens gives one.",
        ))),
        Ok(()) => Ok(finding((
            OK,
            "微信已返回接口凭证。",
            "WeChat gives a token.",
        ))),
        Err(Tokenless::Broken(broken)) => Err(broken),
        Err(Tokenless::WeChat(NoToken::Silent(_))) if server => Ok(finding((
            "unreachable",
            "凭证服务器没有有效应答：请检查 MAGPIE_TOKEN_URL 及其密钥。",
            "The server of tokens gives no valid answer: check MAGPIE_TOKEN_URL and its key.",
        ))),
        Err(none) => Ok(refused(&none)),
    }
}

/// Looks without ending the token that others may be using, for a process that is not
/// theirs.
pub(super) async fn look_harmlessly(bridge: &Bridge, channel: &Channel) -> Result<Finding, Broken> {
    if bridge.token_source.always_makes_another(channel) {
        return Ok(finding((
            "not_asked",
            "未向微信获取凭证：token_call 为 classic，新凭证会使现有凭证失效。请启动 Magpie 后再检查。",
            "WeChat was not asked: with token_call classic another token ends the one that \
             there is. Start Magpie and check again.",
        )));
    }
    look(bridge, channel).await
}

fn finding(words: super::Words<'_>) -> Finding {
    Finding::new("token", words)
}

/// Why WeChat gives no token, and what to do.
fn refused(none: &Tokenless) -> Finding {
    let (code, zh, en) = match none {
        Tokenless::WeChat(NoToken::Refused { code, address }) => {
            return by_code(*code, *address);
        }
        Tokenless::WeChat(NoToken::Silent(Some(Trouble::Forbidden))) => (
            "forbidden_base",
            "api_base 不是公网地址，也不在 MAGPIE_ALLOW_ENDPOINTS 中。",
            "api_base is not public and MAGPIE_ALLOW_ENDPOINTS does not list it.",
        ),
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
        Tokenless::Elsewhere(Some(_)) => (
            "internal",
            "无法调用 token-refresh 函数：请查看其日志和调用者的日志。",
            "The function token-refresh could not be called: see its log, and the log of who \
             called it.",
        ),
        Tokenless::Elsewhere(None)
        | Tokenless::Broken(
            Broken::Store(_)
            | Broken::Unfinished
            | Broken::Secret(_)
            | Broken::Storage(_)
            | Broken::Damaged(_),
        ) => (
            "internal",
            "系统内部暂时出错：请稍后重试。",
            "Something of ours failed for now: try again in a moment.",
        ),
    };
    finding((code, zh, en))
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
    let mut finding = finding((code, zh, en));
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
}
