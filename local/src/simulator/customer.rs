//! A person with a phone: what they see in their chat with one account.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::allowance::Allowance;
use super::attachment::Attachment;

/// How many bubbles a phone keeps.
const KEPT: usize = 10_000;

/// One person in one account's chat.
#[derive(Debug)]
pub struct Customer {
    /// Minted by WeChat, unique within the account.
    pub open_id: String,
    /// What the page calls them. Never told to the account: the real WeChat
    /// does not tell it either.
    pub name: String,
    /// They follow the account.
    pub following: bool,
    /// What the chat shows, oldest first.
    pub bubbles: VecDeque<Bubble>,
    /// Messages of the account that came since the chat was last looked at.
    pub unread: u32,
    /// What became of the last push about them.
    pub last_push: Option<PushState>,
    pub(crate) allowance: Allowance,
    pub(crate) acted_ms: Option<i64>,
    /// How they came to follow.
    pub(crate) came: Came,
    /// What the account notes of them; empty if it does not.
    pub remark: String,
    /// How many notifications they have asked for, by template.
    pub subscriptions: BTreeMap<String, u32>,
    /// The tags that the account has put on them, in that order.
    pub tags: Vec<u32>,
    pub(crate) typing_until_ms: i64,
    shown: u64,
}

/// How somebody came to follow an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Came {
    /// When, in milliseconds.
    pub(crate) at_ms: i64,
    /// WeChat's word for the way.
    pub(crate) way: &'static str,
    /// The scene of the QR code that they scanned; empty if they scanned none.
    pub(crate) scene: String,
}

/// Before anything that is simulated.
impl Default for Came {
    fn default() -> Self {
        Self {
            at_ms: 1_500_000_000_000,
            way: "ADD_SCENE_OTHERS",
            scene: String::new(),
        }
    }
}

/// One line of a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bubble {
    /// Counts up within the chat.
    pub id: u64,
    /// When it appeared, in milliseconds.
    pub at_ms: i64,
    /// What it is.
    #[serde(flatten)]
    pub content: Content,
}

/// What a bubble holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Content {
    /// The customer's words.
    Mine {
        /// The words, or what they sent in brackets, such as `[image]`.
        text: String,
        /// What they sent that is no text.
        #[serde(skip_serializing_if = "Option::is_none")]
        attachment: Option<Attachment>,
    },
    /// The account's words.
    Theirs {
        /// The words, or the message's type in brackets, such as `[image]`.
        text: String,
        /// What the customer may tap below them.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        choices: Vec<Choice>,
        /// What it sent that is no text.
        #[serde(skip_serializing_if = "Option::is_none")]
        attachment: Option<Attachment>,
        /// The agent in whose name it came.
        #[serde(skip_serializing_if = "Option::is_none")]
        agent: Option<String>,
        /// The phone notes that an AI wrote it.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        by_ai: bool,
    },
    /// A grey line of the system.
    Note {
        /// What happened.
        note: Note,
        /// The key, address or scene that it happened with.
        text: String,
    },
}

impl Content {
    /// Words of the account and nothing else.
    pub(crate) fn theirs(text: String) -> Self {
        Self::Theirs {
            text,
            choices: Vec::new(),
            attachment: None,
            agent: None,
            by_ai: false,
        }
    }
}

/// An entry of a `msgmenu`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// What comes back as `bizmsgmenuid`.
    pub id: String,
    /// The label, and the words that the tap sends.
    pub text: String,
}

/// What a grey line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// The customer followed the account.
    Followed,
    /// The customer unfollowed it.
    Unfollowed,
    /// The customer tapped a menu entry that tells the account.
    Tapped,
    /// The customer tapped a menu entry that opens a page.
    Viewed,
    /// The customer scanned one of the account's QR codes.
    Scanned,
    /// The customer asked for a notification.
    Subscribed,
    /// The customer wants none.
    Declined,
    /// 该公众号暂时无法提供服务，请稍后再试: the account's server did not answer as it must.
    Unavailable,
}

/// What became of a push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PushState {
    /// The push, counted over all accounts.
    pub serial: u64,
    /// How it stands.
    pub stage: Stage,
    /// The HTTP status of the last answer, if one came.
    pub status: Option<u16>,
    /// How often it was sent so far.
    pub attempts: u32,
    /// How long it took in all, in milliseconds.
    pub took_ms: i64,
}

/// How a push stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It is on its way.
    Sending,
    /// The account's server took it.
    Taken,
    /// Every attempt failed.
    Failed,
    /// It was not sent: the callback address has not passed the check.
    NotConnected,
}

impl Customer {
    pub(crate) fn new(open_id: String, name: &str) -> Self {
        Self {
            open_id,
            name: name.to_owned(),
            following: false,
            bubbles: VecDeque::new(),
            unread: 0,
            last_push: None,
            allowance: Allowance::default(),
            acted_ms: None,
            came: Came::default(),
            remark: String::new(),
            subscriptions: BTreeMap::new(),
            tags: Vec::new(),
            typing_until_ms: i64::MIN,
            shown: 0,
        }
    }

    /// How many notifications of this template they have asked for and not got yet.
    pub(crate) fn subscriptions_to(&self, template: &str) -> u32 {
        self.subscriptions.get(template).copied().unwrap_or(0)
    }

    /// The texts that the account has shown to this customer, oldest first;
    /// what is no text by its type in brackets.
    pub fn received(&self) -> impl Iterator<Item = &str> {
        self.bubbles
            .iter()
            .filter_map(|bubble| match &bubble.content {
                Content::Theirs { text, .. } => Some(text.as_str()),
                Content::Mine { .. } | Content::Note { .. } => None,
            })
    }

    pub(crate) fn show(&mut self, now_ms: i64, content: Content) {
        if matches!(content, Content::Theirs { .. }) {
            self.unread += 1;
            self.typing_until_ms = i64::MIN;
        }
        self.shown += 1;
        self.bubbles.push_back(Bubble {
            id: self.shown,
            at_ms: now_ms,
            content,
        });
        if self.bubbles.len() > KEPT {
            self.bubbles.pop_front();
        }
    }
}
