//! A connected account: what an operator set, without its secrets.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fallback::Fallback;
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::reply::Replies;
use crate::standing::Standing;

/// How many days a channel may keep messages that ended.
pub const RETENTION: RangeInclusive<u32> = 3..=3650;
/// How many it keeps them if nobody says otherwise.
pub const RETENTION_DAYS: u32 = 30;

/// The settings of a channel that are no secret. Kept in `control`, cached for
/// [`CACHED`] by every process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// What people call it, up to 40 characters.
    pub name: String,
    /// WeChat's id of the account; it never changes.
    pub app_id: String,
    /// The account's original id (`gh_…`); it never changes.
    pub original_id: String,
    /// Which check the callback applies.
    pub mode: CallbackMode,
    /// Calls to the callback are taken from the addresses alone that WeChat lists as its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_wechat_addresses: bool,
    /// Pushes are accepted and journalled, both lanes are held.
    pub suspended: bool,
    /// When it was last resumed: what waited is not older than that for the
    /// purpose of giving up.
    #[serde(default)]
    pub resumed: Option<Moment>,
    /// It is being deleted: its lanes end and its bodies are removed.
    #[serde(default)]
    pub deleted: bool,
    /// Where WeChat's API is.
    pub api_base: String,
    /// Which of WeChat's two token calls is used.
    pub token_call: TokenCall,
    /// The pause between the parts of one answer, in milliseconds (0 to 2000).
    pub part_pause_ms: u32,
    /// How long an ended entry is kept, in days (3 to 3650).
    pub retention_days: u32,
    /// How many days after a customer left, or withdrew a consent, they are erased (0 to 30).
    #[serde(default = "grace")]
    pub erase_after_days: u32,
    /// The zone that its times are shown in, by its name at IANA.
    #[serde(default = "beijing")]
    pub time_zone: String,
    /// What it says in the answers to pushes.
    #[serde(default, skip_serializing_if = "has_none")]
    pub replies: Replies,
    /// Which name of an agent stands before what they say.
    #[serde(default, skip_serializing_if = "AgentName::is_none")]
    pub agent_name: AgentName,
    /// WeChat's account of an agent in whose name everything is said that names no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kf_account: Option<String>,
    /// What it does when an answer is due and no window is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// Where its agents work.
    pub desk: DeskSettings,
    /// Raised by every change; a change on a stale copy is refused.
    pub revision: u64,
}

/// Which name of an agent customers see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentName {
    /// None.
    #[default]
    None,
    /// What comes before the first blank.
    First,
    /// All of it.
    Full,
}

impl AgentName {
    /// The longest name that is put before an answer, in characters.
    pub const MAX: usize = 40;

    /// Every one with its word.
    pub const ALL: [(&str, Self); 3] = [
        ("none", Self::None),
        ("first", Self::First),
        ("full", Self::Full),
    ];

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// What an agent of this name says, with the name before it.
    #[must_use]
    pub fn before(self, name: Option<&str>, words: String) -> String {
        let name = name.unwrap_or_default();
        let name = match self {
            Self::None => "",
            Self::First => name.split_whitespace().next().unwrap_or_default(),
            Self::Full => name.trim(),
        };
        let name: String = name
            .chars()
            .filter(|c| !c.is_control())
            .take(Self::MAX)
            .collect();
        if name.is_empty() {
            return words;
        }
        // As it is written where the name is.
        let colon = if name.is_ascii() { ": " } else { "：" };
        format!("{name}{colon}{words}")
    }
}

/// The zone of a channel that names none.
pub const TIME_ZONE: &str = "Asia/Shanghai";

fn has_none(replies: &Replies) -> bool {
    !replies.any()
}

fn beijing() -> String {
    TIME_ZONE.to_owned()
}

/// What was seen of a channel, as far as it was noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// When WeChat's handshake was last right.
    pub handshake: Option<Moment>,
    /// When a push was last journalled, to the minute.
    pub push: Option<Moment>,
    /// When WeChat last took a part of an answer, to the minute.
    pub send: Option<Moment>,
    /// The calls that were refused, by the word for the reason.
    pub refused: BTreeMap<&'static str, Refusals>,
    /// What is wrong with the account's standing, as WeChat said last.
    pub alarms: Vec<Standing>,
}

/// Every reason for which a call to the callback is refused, as it is counted.
pub const REFUSED_FOR: [&str; 8] = [
    "foreign_address",
    "too_large",
    "malformed",
    "mode_mismatch",
    "wrong_signature",
    "stale",
    "another_app",
    "undecryptable",
];

/// Calls that were refused for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// How many there were at least: a process that dies takes up to a minute of
    /// them along.
    pub count: u64,
    /// When the last one was.
    pub last: Moment,
}

impl Seen {
    /// Adds what was seen besides.
    pub fn add(&mut self, more: &Self) {
        self.handshake = self.handshake.max(more.handshake);
        self.push = self.push.max(more.push);
        self.send = self.send.max(more.send);
        for (code, more) in &more.refused {
            let known = self.refused.entry(code).or_insert(Refusals {
                count: 0,
                last: more.last,
            });
            known.count += more.count;
            known.last = known.last.max(more.last);
        }
    }
}

/// After how many days customers who left are erased, where nothing is set: what the law asks
/// of who handles personal data is due in fifteen working days (GB/T 35273-2020, 8.7: thirty
/// days at the most).
pub const ERASE_AFTER_DAYS: u32 = 15;

fn grace() -> u32 {
    ERASE_AFTER_DAYS
}

/// How long a process may use what it read of a channel.
pub const CACHED: Duration = Duration::from_mins(1);

impl Channel {
    /// How long an ended entry is kept.
    #[must_use]
    pub fn retention(&self) -> Duration {
        Duration::from_hours(24 * u64::from(self.retention_days))
    }

    /// How long after a customer left, or withdrew a consent, they are erased.
    #[must_use]
    pub fn grace(&self) -> Duration {
        Duration::from_hours(24 * u64::from(self.erase_after_days))
    }

    /// The pause between the parts of one answer.
    #[must_use]
    pub fn part_pause(&self) -> Duration {
        Duration::from_millis(self.part_pause_ms.into())
    }
}

/// Which check the callback applies. The channel decides, never the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallbackMode {
    /// `signature` over the query; the body is what it says it is.
    Plain,
    /// As secure; the body also has plain fields, which nobody reads.
    Compatible,
    /// `msg_signature` over the envelope, and decryption.
    Secure,
}

/// Which of WeChat's two token calls a channel uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenCall {
    /// `stable_token`: asks again give the same token.
    #[default]
    Stable,
    /// `token`: every call makes a new one and ends the last.
    Classic,
}

/// Where a channel's agents work, without the secrets of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum DeskSettings {
    /// Our own inbox.
    Inbox,
    /// Somebody's server that speaks Standard Webhooks.
    Webhook {
        /// Where it listens.
        url: String,
    },
}

impl DeskSettings {
    /// The word for the kind of desk.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Webhook { .. } => "webhook",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As channels were kept before they had a zone.
    const KEPT: &str = r#"{"id":"shop-a","name":"Shop A","app_id":"wx0123456789abcdef",
        "original_id":"gh_0123456789ab","mode":"secure","suspended":false,
        "api_base":"https://api.weixin.qq.com","token_call":"stable","part_pause_ms":300,
        "retention_days":30,"desk":{"kind":"inbox"},"revision":1}"#;

    #[test]
    fn what_was_kept_before_is_read() {
        let channel: Channel = serde_json::from_str(KEPT).unwrap();
        assert_eq!(channel.time_zone, TIME_ZONE);
        let again: Channel =
            serde_json::from_str(&serde_json::to_string(&channel).unwrap()).unwrap();
        assert_eq!(again, channel);
    }
}
