//! What was seen of a channel, in words for its operator.

use serde::Serialize;

use crate::channel::Seen;
use crate::standing::Standing;

/// What was seen of a channel. A time is null where nothing was seen yet.
#[derive(Serialize)]
pub(super) struct ShownSeen {
    handshake: Option<String>,
    last_push: Option<String>,
    last_send: Option<String>,
    /// Calls of WeChat's, or of somebody who plays it, that were refused: the
    /// latest reason first.
    refused: Vec<ShownRefusals>,
    /// What WeChat finds wrong with the account itself.
    alarms: Vec<ShownAlarm>,
}

/// What WeChat finds wrong with an account, and what to do about it.
#[derive(Serialize)]
pub(super) struct ShownAlarm {
    code: &'static str,
    zh: &'static str,
    en: &'static str,
    time: String,
    expires: Option<String>,
}

impl ShownAlarm {
    /// Shows a word that something is wrong.
    pub(super) fn of(standing: &Standing) -> Option<Self> {
        let alarm = standing.alarm?;
        let (zh, en) = alarm.words();
        Some(Self {
            code: alarm.code(),
            zh,
            en,
            time: standing.at.to_string(),
            expires: standing.expires.map(|at| at.to_string()),
        })
    }
}

#[derive(Serialize)]
struct ShownRefusals {
    code: &'static str,
    zh: &'static str,
    en: &'static str,
    count: u64,
    last: String,
}

impl From<&Seen> for ShownSeen {
    fn from(seen: &Seen) -> Self {
        let mut refused: Vec<_> = seen.refused.iter().collect();
        refused.sort_by_key(|(_, refusals)| std::cmp::Reverse(refusals.last));
        let shown = |(code, refusals): (&&'static str, &crate::channel::Refusals)| {
            let (zh, en) = words(code);
            ShownRefusals {
                code,
                zh,
                en,
                count: refusals.count,
                last: refusals.last.to_string(),
            }
        };
        Self {
            handshake: seen.handshake.map(|at| at.to_string()),
            last_push: seen.push.map(|at| at.to_string()),
            last_send: seen.send.map(|at| at.to_string()),
            refused: refused.into_iter().map(shown).collect(),
            alarms: seen.alarms.iter().filter_map(ShownAlarm::of).collect(),
        }
    }
}

/// Why a call to the callback was refused, and what to do about it.
fn words(code: &str) -> (&'static str, &'static str) {
    match code {
        "foreign_address" => (
            "来源地址不在微信的地址列表中，而此渠道只接受微信的地址。若渠道收不到消息，请检查代理是否如实传递来源地址。",
            "The caller has none of WeChat's addresses, and this channel takes calls from those alone. If no pushes arrive, check that the proxy passes the caller's address on, and that Magpie is told of the proxy.",
        ),
        "too_large" => (
            "请求超过 64 KiB：微信不会发送这样的请求，可能有人在试探，可以忽略。",
            "The call was larger than 64 KiB: WeChat sends none so large, so somebody else did. Nothing to do.",
        ),
        "malformed" => (
            "请求不符合微信的格式：多半不是微信发来的，可以忽略。",
            "The call does not have the form of WeChat's: most likely somebody else made it. Nothing to do.",
        ),
        "mode_mismatch" => (
            "消息加解密方式不一致：请让此处与公众平台“服务器配置”中的方式相同。",
            "The message mode differs: choose the same mode here and under 服务器配置 (server configuration) in WeChat's console.",
        ),
        "wrong_signature" => (
            "签名不正确：请核对公众平台“服务器配置”中的 Token 与此处一致。若渠道正常收到消息，则是有人在试探。",
            "The signature is wrong: the Token under 服务器配置 (server configuration) in WeChat's console and the one here must be the same. If pushes do arrive, somebody else is trying.",
        ),
        "stale" => (
            "请求的时间与本机时钟相差超过 10 分钟：请校准本机时钟。",
            "The call's time is more than ten minutes off our clock: set this machine's clock right.",
        ),
        "another_app" => (
            "请求属于另一个公众号：请核对公众平台中的服务器地址（URL）是否填错了渠道。",
            "The call is meant for another account: check that its console has the URL of this channel.",
        ),
        "undecryptable" => (
            "无法解密：请核对 EncodingAESKey 与公众平台一致；更换密钥后请把新密钥保存到此处。",
            "The message cannot be decrypted: the EncodingAESKey here and in WeChat's console must be the same; after changing it there, save the new one here.",
        ),
        _ => ("请求被拒绝。", "The call was refused."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::REFUSED_FOR;
    use crate::wechat::callback::Rejected;
    use crate::wechat::document::Unreadable;

    #[test]
    fn every_reason_for_a_refusal_has_words_of_its_own() {
        let all = [
            Rejected::ForeignAddress,
            Rejected::TooLarge,
            Rejected::Malformed("x"),
            Rejected::Envelope(Unreadable::Dtd),
            Rejected::ModeMismatch,
            Rejected::WrongSignature,
            Rejected::Stale { seconds: 601 },
            Rejected::AnotherApp,
            Rejected::Undecryptable,
        ];
        for why in all {
            assert!(REFUSED_FOR.contains(&why.code()), "{why:?}");
            assert_ne!(words(why.code()), words("no such code"), "{why:?}");
        }
    }
}
