//! What passes between a customer and an agent, in words of our own.
//!
//! Invariant: nothing here knows WeChat's XML or a desk's JSON. A desk and the
//! journal see a [`Body`]; the wire types stay beside the adapter that speaks
//! them. The persisted form of a body is versioned in [`crate::journal`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::content::{ArticleRef, Content, Text};
use crate::conversation::EraseCause;
use crate::event::Event;
pub use crate::fields::Fields;
use crate::rich::{Asked, Rich};

/// Declares an opaque identifier: a string whose `Debug` never shows it.
macro_rules! opaque {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes the identifier as its minter wrote it.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The identifier as text, for the store and the wire only.
            #[must_use]
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

opaque! {
    /// A customer as WeChat knows them. Minted by WeChat, unique within one
    /// account, opaque; personal data, so it never leaves the store and the
    /// WeChat client.
    OpenId
}

opaque! {
    /// A customer as desks know them: a UUID v4 minted at first contact,
    /// unique for ever, opaque. After an erasure a returning customer gets a new one.
    CustomerId
}

/// One connected account. Minted by the operator, unique in a deployment:
/// `[a-z0-9-]{3,40}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChannelId(String);

impl ChannelId {
    /// Checks and takes a channel id; `None` unless it is `[a-z0-9-]{3,40}`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (3..=40).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        fits.then(|| Self(text.to_owned()))
    }

    /// The id as text. It is no secret and may be logged.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ChannelId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a channel id is 3 to 40 of a-z, 0-9 and -")
    }
}

impl From<ChannelId> for String {
    fn from(id: ChannelId) -> Self {
        id.0
    }
}

/// An agent's message as its desk names it (the `webhook-id`, or the `id` of
/// `POST /api/conversations/{customer_id}/messages`). Minted by the desk or the
/// caller, unique within a conversation together with its time; opaque.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageId(String);

impl MessageId {
    /// The longest id that is taken, in bytes.
    pub const MAX: usize = 128;

    /// Checks and takes an id: 1 to [`Self::MAX`] printable ASCII characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits =
            (1..=Self::MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }

    /// The id as its minter wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MessageId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("an id is 1 to 128 printable ASCII characters")
    }
}

impl From<MessageId> for String {
    fn from(id: MessageId) -> Self {
        id.0
    }
}

/// What one entry of the journal says.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// Words, from the customer or from an agent. `choice` is the id of the
    /// menu choice that was tapped (`bizmsgmenuid`), if the words come from one.
    Text {
        /// The words.
        text: String,
        /// The id of the tapped choice.
        choice: Option<String>,
        /// What else the push carried.
        fields: Fields,
    },
    /// Any other message of a customer: its kind in our vocabulary, WeChat's
    /// name for it and what it carried.
    Other {
        /// The neutral kind.
        kind: Kind,
        /// WeChat's `MsgType`.
        name: String,
        /// What the push carried.
        fields: Fields,
    },
    /// What an agent sends beside words.
    Rich(Rich),
    /// Something that happened: followed, menu tapped, …
    Event {
        /// WeChat's `Event`, in its documented spelling if it is a known one.
        name: String,
        /// What the push carried.
        fields: Fields,
    },
    /// An authentic push that we could not read, kept as it came.
    Unknown {
        /// The bytes after decryption.
        bytes: Vec<u8>,
    },
    /// What became of an agent's message; told to the desk.
    Receipt(Receipt),
    /// The end of a session; told to the desk.
    SessionEnd(SessionEnd),
    /// That a customer was erased; told to the desk.
    Erased(Erased),
}

/// Shows the kind alone: what people write is in nobody's log.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({})", self.kind().word())
    }
}

impl Body {
    /// Plain words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text {
            text: text.into(),
            choice: None,
            fields: Fields::new(),
        }
    }

    /// What a customer's message holds beside words, as typed data. `None` for what
    /// holds nothing more, and for what is no message.
    #[must_use]
    pub fn content(&self) -> Option<Content> {
        match self {
            Self::Text { choice, .. } => {
                let text = |choice| Text {
                    choice,
                    question: None,
                };
                choice.clone().map(|choice| Content::Text(text(choice)))
            }
            Self::Other { kind, name, fields } => Content::of(*kind, name, fields),
            Self::Rich(_)
            | Self::Event { .. }
            | Self::Unknown { .. }
            | Self::Receipt(_)
            | Self::SessionEnd(_)
            | Self::Erased(_) => None,
        }
    }

    /// What desks and the API are given beside the line.
    #[must_use]
    pub fn data(&self) -> Option<Data> {
        self.data_answering(None)
    }

    /// The same with the question that was answered,
    /// if it was. A picture holds nothing that they could use.
    #[must_use]
    pub fn data_answering(&self, asked: Option<&Asked>) -> Option<Data> {
        if let Some(event) = self.event() {
            return Some(Data::Event(event));
        }
        let content = match (self.content(), asked) {
            (Some(Content::Text(_)), Some(asked)) => Some(Content::Text(Text {
                choice: asked.choice.clone(),
                question: Some(asked.clone()),
            })),
            (content, _) => content,
        };
        let content = content.filter(|content| !matches!(content, Content::Image(_)));
        let article = self.article();
        (content.is_some() || article.is_some()).then_some(Data::Message { content, article })
    }

    /// The article of a mass message under which a customer sent this.
    #[must_use]
    pub fn article(&self) -> Option<ArticleRef> {
        match self {
            Self::Text { fields, .. } | Self::Other { fields, .. } => ArticleRef::of(fields),
            _ => None,
        }
    }

    /// What happened, as typed data. `None` for what is no event.
    #[must_use]
    pub fn event(&self) -> Option<Event> {
        match self {
            Self::Event { name, fields } => Some(Event::of(name, fields)),
            _ => None,
        }
    }

    /// The neutral kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Text { .. } => Kind::Text,
            Self::Other { kind, .. } => *kind,
            Self::Rich(rich) => rich.kind(),
            Self::Event { .. } => Kind::Event,
            Self::Unknown { .. } => Kind::Unknown,
            Self::Receipt(_) => Kind::Receipt,
            Self::SessionEnd(_) => Kind::SessionEnd,
            Self::Erased(_) => Kind::Erased,
        }
    }
}

/// What a body holds as data, for desks and the API.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Data {
    /// What a message holds beside words, and where it comes from.
    Message {
        /// What it holds.
        #[serde(flatten)]
        content: Option<Content>,
        /// The article under which it was sent.
        #[serde(skip_serializing_if = "Option::is_none")]
        article: Option<ArticleRef>,
    },
    /// What happened.
    Event(Event),
}

/// The neutral kinds of [`Body`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Words.
    Text,
    /// A picture.
    Image,
    /// A spoken message.
    Voice,
    /// A film, long or short.
    Video,
    /// A document.
    File,
    /// A place.
    Location,
    /// An article or an address of the web.
    Link,
    /// A mini-program card.
    Card,
    /// A question with choices.
    Choice,
    /// A notice by a template of the account's.
    Notice,
    /// Something that happened.
    Event,
    /// A message of a kind that we do not know.
    Unknown,
    /// What became of an agent's message.
    Receipt,
    /// The end of a session.
    SessionEnd,
    /// The erasure of a customer.
    Erased,
}

impl Kind {
    /// The word for this kind in the API, on pages and in metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Voice => "voice",
            Self::Video => "video",
            Self::File => "file",
            Self::Location => "location",
            Self::Link => "link",
            Self::Card => "card",
            Self::Choice => "choice",
            Self::Notice => "notice",
            Self::Event => "event",
            Self::Unknown => "unknown",
            Self::Receipt => "receipt",
            Self::SessionEnd => "session_end",
            Self::Erased => "erased",
        }
    }
}

/// What became of an agent's message, for the desk that sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The agent's message.
    pub message: MessageId,
    /// What became of it.
    pub outcome: Outcome,
    /// The conversation as the desk named it, when it is none of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
}

/// The three things that a receipt can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "reason")]
pub enum Outcome {
    /// WeChat took every part.
    Delivered,
    /// It waits for the window.
    Held(crate::reason::Reason),
    /// It will not arrive by itself.
    Failed(crate::reason::Reason),
}

/// The end of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnd {
    /// The session that ends.
    pub session: String,
    /// Who or what ended it.
    pub cause: EndCause,
}

/// That a customer was erased: all that is kept of it, so that the desk can do the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// The customer as the desk knew them.
    pub customer: CustomerId,
    /// The session that was open, if the desk had been told of it.
    pub session: Option<String>,
    /// Why.
    pub cause: EraseCause,
}

/// Who or what ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// An agent did.
    Agent,
    /// The customer unfollowed the account.
    Unfollowed,
    /// 48 hours passed since the customer's last message.
    Silence,
    /// The channel was deleted.
    ChannelDeleted,
    /// The customer was erased.
    Erased,
}

impl EndCause {
    /// The word for this cause on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Unfollowed => "unfollowed",
            Self::Silence => "silence",
            Self::ChannelDeleted => "channel_deleted",
            Self::Erased => "erased",
        }
    }
}
