//! Whether the desk answers a greeting.

use super::{Finding, OK};
use crate::bridge::{Bridge, Broken};
use crate::channel::Channel;
use crate::desk::Greeting;

pub(super) async fn look(bridge: &Bridge, channel: &Channel) -> Result<Finding, Broken> {
    let Some(desk) = bridge.desk(channel).await? else {
        let words = (
            "no_secret",
            "客服系统没有密钥：请重新保存渠道。",
            "The desk has no secret: save the channel again.",
        );
        return Ok(Finding::new("desk", words));
    };
    let nonce = bridge.chance.nonce();
    let greeting = desk.greet(&bridge.http, &channel.id, bridge.now(), nonce);
    Ok(greeted(greeting.await))
}

fn greeted(greeting: Greeting) -> Finding {
    let (code, zh, en) = match greeting {
        Greeting::Ours => (OK, "内置收件箱。", "The inbox is ours."),
        Greeting::Answered(200..=299 | 409) => (OK, "客服系统已应答。", "The desk answers."),
        Greeting::Answered(401 | 403) => (
            "unauthorized",
            "客服系统拒绝了签名：请核对密钥。",
            "The desk refuses the signature: compare the secrets.",
        ),
        Greeting::Answered(300..=399) => (
            "redirected",
            "客服系统要求重定向，Magpie 不会跟随：请填写最终地址。",
            "The desk redirects, which is not followed: give its address itself.",
        ),
        Greeting::Answered(404 | 405 | 410 | 415) => (
            "wrong_address",
            "客服系统在此地址不接收消息：请核对 URL。",
            "The desk takes no messages at this address: check the URL.",
        ),
        Greeting::Answered(500..) => (
            "desk_error",
            "客服系统出错。",
            "The desk answers with an error of its own.",
        ),
        // It does not know a greeting, and it is there.
        Greeting::Answered(_) => (OK, "客服系统可以连接。", "The desk can be reached."),
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
        ..Finding::new("desk", (code, zh, en))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_desk_that_answers_is_there_unless_it_says_otherwise() {
        let check = |greeting, ok| assert_eq!(greeted(greeting).ok, ok, "{greeting:?}");
        check(Greeting::Ours, true);
        for status in [200, 204, 400, 409, 422, 429] {
            check(Greeting::Answered(status), true);
        }
        for status in [301, 308, 401, 403, 404, 405, 410, 415, 500, 503] {
            check(Greeting::Answered(status), false);
        }
        check(Greeting::Silent, false);
        check(Greeting::Forbidden, false);
    }
}
