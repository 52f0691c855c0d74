//! Whether what is kept secret of a channel is there, whole, and the channel's.

use super::{Finding, OK, Words};
use crate::bridge::{Bridge, Broken, read_pepper};
use crate::channel::{CallbackMode, Channel};
use crate::desk::Desk;
use crate::secrets::{ChannelSecrets, PEPPER, SecretError};
use crate::wechat::crypto::AesKey;

/// The code of a secret that nobody can read.
pub(super) const DAMAGED: &str = "damaged";

pub(super) async fn look(bridge: &Bridge, channel: &Channel) -> Result<Finding, Broken> {
    let words = match bridge.secrets.kept(&channel.id).await {
        Ok(None) => (
            "no_secret",
            "渠道没有密钥：请重新保存渠道，填写 Token、EncodingAESKey 和 AppSecret。",
            "Nothing secret is kept of the channel: save it again with token, EncodingAESKey \
             and AppSecret.",
        ),
        Ok(Some((_, kept))) => match kept.of(channel.revision) {
            Some(secrets) => words(channel, secrets),
            None => (
                "another_revision",
                "密钥与渠道设置不属于同一次修改：请重新保存渠道。",
                "Settings and secrets of the channel belong to different changes: save it again.",
            ),
        },
        Err(SecretError::Unreadable(_)) => (
            DAMAGED,
            "密钥已损坏：请从备份恢复，或删除该密钥后重新保存渠道。",
            "The channel's secret is damaged: restore it, or remove it and save the channel again.",
        ),
        Err(error) => return Err(error.into()),
    };
    Ok(Finding::new("secret", words))
}

pub(super) async fn look_at_pepper(bridge: &Bridge) -> Result<Option<Finding>, Broken> {
    let Some(text) = bridge.secrets.get(PEPPER).await? else {
        return Ok(None);
    };
    let words = match read_pepper(&text) {
        Some(_) => (OK, "pepper 完整。", "What hides open ids is whole."),
        None => (
            DAMAGED,
            "pepper 已损坏：请恢复原值，换新值会让所有顾客变成新顾客。",
            "What hides open ids is damaged: restore it as it was. With another one every \
             customer would be a new one.",
        ),
    };
    Ok(Some(Finding::new("pepper", words)))
}

fn words(channel: &Channel, secrets: &ChannelSecrets) -> Words<'static> {
    let is_key = |key: &String| AesKey::parse(key).is_ok();
    let keys = [&secrets.aes_key, &secrets.previous_aes_key];
    let keyed = secrets.mode == CallbackMode::Plain || secrets.aes_key.is_some();
    let another = (&secrets.app_id, &secrets.original_id, secrets.mode)
        != (&channel.app_id, &channel.original_id, channel.mode);
    if another {
        return (
            "another_account",
            "密钥属于另一个公众号或另一种模式：请重新保存渠道。",
            "The secrets are of another account or mode than the settings: save the channel again.",
        );
    }
    if secrets.token.is_empty() {
        return (
            "no_token",
            "缺少 Token：请重新保存渠道。",
            "The callback's token is missing: save the channel again.",
        );
    }
    if !keyed || !keys.into_iter().flatten().all(is_key) {
        return (
            "wrong_key",
            "EncodingAESKey 缺失或不是 43 位：请重新保存渠道。",
            "The EncodingAESKey is missing or none: save the channel again.",
        );
    }
    if Desk::of(channel, &secrets.desk).is_none() {
        return (
            "wrong_desk_secret",
            "客服系统的密钥缺失或格式不对：请重新保存渠道。",
            "The desk's secret is missing or has not its form: save the channel again.",
        );
    }
    // Whether there is an AppSecret is told by who asks for a token with it.
    (OK, "密钥完整。", "What is kept secret is whole.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{DeskSettings, TIME_ZONE, TokenCall};
    use crate::message::ChannelId;

    fn channel(desk: DeskSettings) -> Channel {
        Channel {
            id: ChannelId::parse("shop-a").unwrap(),
            name: "一号店".to_owned(),
            app_id: "wx1".to_owned(),
            original_id: "gh_1".to_owned(),
            mode: CallbackMode::Secure,
            suspended: false,
            resumed: None,
            only_wechat_addresses: false,
            replies: crate::reply::Replies::default(),
            deleted: false,
            api_base: String::new(),
            token_call: TokenCall::Stable,
            part_pause_ms: 0,
            retention_days: 30,
            erase_after_days: 15,
            time_zone: TIME_ZONE.to_owned(),
            fallback: None,
            agent_name: crate::channel::AgentName::None,
            kf_account: None,
            desk,
            revision: 1,
        }
    }

    #[test]
    fn what_is_kept_is_looked_at_piece_by_piece() {
        let key = Some("a".repeat(43));
        let whole = ChannelSecrets {
            only_wechat_addresses: false,
            replies: false,
            mode: CallbackMode::Secure,
            app_id: "wx1".to_owned(),
            original_id: "gh_1".to_owned(),
            token: "kestrel".to_owned(),
            aes_key: key.clone(),
            previous_aes_key: None,
            app_secret: Some("secret".to_owned()),
            desk: Vec::new(),
        };
        let inbox = channel(DeskSettings::Inbox);
        let url = "https://desk.example.com/".to_owned();
        let far = channel(DeskSettings::Webhook { url });
        let check = |channel: &Channel, change: fn(&mut ChannelSecrets), code: &str| {
            let mut secrets = whole.clone();
            change(&mut secrets);
            assert_eq!(words(channel, &secrets).0, code);
        };
        check(&inbox, |_| (), "ok");
        check(&inbox, |s| s.app_id.push('2'), "another_account");
        check(&inbox, |s| s.original_id.clear(), "another_account");
        check(&inbox, |s| s.mode = CallbackMode::Plain, "another_account");
        check(&inbox, |s| s.token.clear(), "no_token");
        check(&inbox, |s| s.aes_key = None, "wrong_key");
        let short = |s: &mut ChannelSecrets| s.previous_aes_key = Some("short".to_owned());
        check(&inbox, short, "wrong_key");
        check(&far, |_| (), "wrong_desk_secret");
        let signed = |s: &mut ChannelSecrets| {
            s.desk = vec!["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()];
        };
        check(&far, signed, "ok");
    }
}
