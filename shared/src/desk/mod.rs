//! Desks: where agents work. A closed set with hand-written dispatch: a new
//! desk is a variant and a file, and the compiler names every place that must
//! decide.
//!
//! Invariant: a desk never sees an open id, and knows nothing of the store.

pub mod webhook;

use std::fmt;
use std::time::Duration;

use http::HeaderMap;

use crate::channel::{Channel, DeskSettings};
use crate::conversation::EraseCause;
use crate::delivery::Delivery;
use crate::http::Http;
use crate::journal::{ConversationKey, Entry};
use crate::media::Told;
use crate::message::{ChannelId, CustomerId, EndCause, MessageId, Receipt};
use crate::moment::Moment;
use crate::reason::Reason;
use crate::rich::{Asked, Saying};

/// A desk of one channel, with what it needs to speak.
pub enum Desk {
    /// Our own inbox: it reads the journal itself.
    Inbox,
    /// Somebody's server that speaks Standard Webhooks.
    Webhook(webhook::Webhook),
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inbox => "Inbox",
            Self::Webhook(_) => "Webhook(…)",
        })
    }
}

/// News for a desk. Everything in it is the same on every repeat.
#[derive(Clone, Debug)]
pub enum News<'a> {
    /// A session opened.
    SessionOpened,
    /// The customer said something; what became of its file, if it has one; and which
    /// question it answers.
    Message(&'a Entry, Option<&'a Told>, Option<&'a Asked>),
    /// Something happened in a session.
    Event(&'a Entry),
    /// What became of an agent's message.
    Status(&'a Receipt),
    /// The session ended.
    SessionEnded(EndCause),
    /// The customer was erased here: the desk's own records are its to delete.
    CustomerErased(EraseCause),
}

/// A piece of news with whom it concerns.
#[derive(Clone, Debug)]
pub struct Letter<'a> {
    /// The identity of the news: by it a desk knows a repeat.
    pub id: String,
    /// When it was said or happened.
    pub time: Moment,
    /// The account.
    pub channel: &'a ChannelId,
    /// The customer; absent in a receipt for a conversation that is none of ours.
    pub customer: Option<&'a CustomerId>,
    /// The session.
    pub session: Option<&'a str>,
    /// The news.
    pub news: News<'a>,
}

/// What an agent did, as a desk tells it.
#[derive(Clone, PartialEq, Eq)]
pub enum AgentEvent {
    /// An agent said something.
    Message {
        /// The desk's id of it.
        id: MessageId,
        /// When it was said.
        time: Moment,
        /// The conversation as the desk names it.
        conversation: String,
        /// What was said, or why it cannot be.
        said: Box<Result<Saying, Reason>>,
    },
    /// An agent began or ceased to type.
    Typing {
        /// The conversation as the desk names it.
        conversation: String,
        /// Whether the agent types.
        on: bool,
    },
    /// All that is kept of the customer is to be erased.
    Delete {
        /// The conversation as the desk names it.
        conversation: String,
    },
    /// An agent ended the session.
    SessionEnd {
        /// The desk's id of it.
        id: MessageId,
        /// When it was ended, by the desk's clock.
        time: Moment,
        /// How long before this call that was.
        age: Duration,
        /// The conversation as the desk names it.
        conversation: String,
    },
}

/// Shows the kind alone.
impl fmt::Debug for AgentEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Message { .. } => "Message(…)",
            Self::Typing { .. } => "Typing(…)",
            Self::Delete { .. } => "Delete(…)",
            Self::SessionEnd { .. } => "SessionEnd(…)",
        })
    }
}

/// What a desk said to a greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// It is our own.
    Ours,
    /// It answered with this HTTP status.
    Answered(u16),
    /// It did not answer.
    Silent,
    /// Its address may not be reached.
    Forbidden,
}

/// Why a desk's call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The channel's desk sends nothing to this address.
    #[error("the channel's desk sends nothing here")]
    NotThisDesk,
    /// There is no signature of ours, or it is too old or too new.
    #[error("the signature is wrong or stale")]
    Unsigned,
    /// The body is longer than we read.
    #[error("the body is too large")]
    TooLarge,
    /// It is signed, and it is nonsense; the words say what is wrong.
    #[error("the body is not of the documented form: {0}")]
    Nonsense(&'static str),
    /// It is signed, and a field of it is wrong; the words say how.
    #[error("{0} of the body: {1}")]
    Field(&'static str, &'static str),
}

impl Rejected {
    /// The HTTP status that says it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::NotThisDesk => 404,
            Self::Unsigned => 401,
            Self::TooLarge => 413,
            Self::Nonsense(_) | Self::Field(..) => 400,
        }
    }
}

impl Desk {
    /// The desk of a channel. `secrets` are those of the channel's desk.
    #[must_use]
    pub fn of(channel: &Channel, secrets: &[String]) -> Option<Self> {
        match &channel.desk {
            DeskSettings::Inbox => Some(Self::Inbox),
            DeskSettings::Webhook { url } => webhook::Webhook::new(url, secrets).map(Self::Webhook),
        }
    }

    /// Authenticates and reads what a desk sent. Pure.
    pub fn receive(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Moment,
    ) -> Result<AgentEvent, Rejected> {
        match self {
            Self::Inbox => Err(Rejected::NotThisDesk),
            Self::Webhook(webhook) => webhook.receive(headers, body, now),
        }
    }

    /// Tells the desk a piece of news: one step over the network at the most.
    pub async fn tell(&self, http: &Http, letter: &Letter<'_>, now: Moment) -> Delivery {
        match self {
            // The journal is the inbox.
            Self::Inbox => Delivery::Accepted,
            Self::Webhook(webhook) => webhook.tell(http, letter, now).await,
        }
    }

    /// Greets the desk for an operator who wants to know whether it is there:
    /// a signed call that is no news and that the desk may refuse.
    pub async fn greet(
        &self,
        http: &Http,
        channel: &ChannelId,
        now: Moment,
        nonce: String,
    ) -> Greeting {
        match self {
            Self::Inbox => Greeting::Ours,
            Self::Webhook(webhook) => webhook.greet(http, channel, now, nonce).await,
        }
    }
}

/// The identity of an entry outside the journal: it tells nothing of its key.
#[must_use]
pub fn public_id(at: &ConversationKey, key: &str) -> String {
    use base64::Engine as _;
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::new()
        .chain_update(at.as_str())
        .chain_update([0])
        .chain_update(key)
        .finalize();
    let mut id = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest);
    id.truncate(27);
    format!("msg_{id}")
}

/// The identity of the news that a session opened.
#[must_use]
pub fn session_letter_id(at: &ConversationKey, session: &str) -> String {
    public_id(at, &format!("opened {session}"))
}
