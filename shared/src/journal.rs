//! The journal: the durable list of a conversation's messages in both
//! directions. Its keys, its entries and their states.
//!
//! Invariant: a key is made from what the far side sent and nothing else, so
//! that a repeat finds its own key. Keys carry no open id and no text.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::media::Attachment;
use crate::message::{Body, ChannelId, CustomerId, MessageId, OpenId};
use crate::moment::Moment;
use crate::reason::Reason;
use crate::reply::Replied;
use crate::rich::{MARK, Manner};

/// The key of the hash that hides open ids. It never rotates: with another one
/// every customer would be a new one.
#[derive(Clone)]
pub struct Pepper(Hmac<Sha256>);

impl Pepper {
    /// The least length, in bytes.
    pub const MIN: usize = 32;

    /// Takes a pepper; `None` if it is shorter than [`Self::MIN`].
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < Self::MIN {
            return None;
        }
        // HMAC takes keys of every length.
        Hmac::new_from_slice(bytes).ok().map(Self)
    }

    /// Seals a text for a purpose: 132 bits of an HMAC over both, in base64url. Another
    /// purpose has other seals, and none is a conversation's key.
    #[must_use]
    pub fn seal(&self, purpose: &str, text: &str) -> String {
        let mut mac = self.0.clone();
        // No channel is named like this.
        mac.update(b"#");
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(text.as_bytes());
        short(&mac.finalize().into_bytes())
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(…)")
    }
}

/// Where a conversation lies in the journal: `U#<h>`, or `A#<channel>` for the
/// channel's own journal. It hides the open id and may stand in logs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationKey(String);

impl ConversationKey {
    /// The key of a customer's conversation: 132 bits of an HMAC over channel
    /// and open id, in base64url.
    #[must_use]
    pub fn of(pepper: &Pepper, channel: &ChannelId, open_id: &OpenId) -> Self {
        let mut mac = pepper.0.clone();
        mac.update(channel.as_str().as_bytes());
        mac.update(&[0]);
        mac.update(open_id.expose().as_bytes());
        Self(format!("U#{}", short(&mac.finalize().into_bytes())))
    }

    /// The key of a channel's own journal.
    #[must_use]
    pub fn of_channel(channel: &ChannelId) -> Self {
        Self(format!("A#{channel}"))
    }

    /// Takes a key as the store or a stream record has it; `None` if it is no
    /// place of a journal.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (text.starts_with("U#") && text.len() == 24) || text.starts_with("A#");
        fits.then(|| Self(text.to_owned()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where an earlier version kept the files of the conversation.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.0.strip_prefix("U#").unwrap_or(&self.0)
    }

    /// Which of the four partitions of an index this conversation is in.
    #[must_use]
    pub fn shard(&self) -> u8 {
        self.0.bytes().fold(0_u8, u8::wrapping_add) % SHARDS
    }
}

impl fmt::Display for ConversationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How many partitions of an index a channel has.
pub const SHARDS: u8 = 4;

/// The first 132 bits of a digest in base64url: 22 characters.
fn short(digest: &[u8]) -> String {
    let mut text = URL_SAFE_NO_PAD.encode(digest);
    text.truncate(22);
    text
}

fn hash(bytes: &[u8]) -> String {
    short(&Sha256::digest(bytes))
}

/// One direction of one conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// From the customer to the desk.
    In,
    /// From the agent to the customer.
    Out,
}

impl Lane {
    /// The sort key of the lane's row while it is parked.
    #[must_use]
    pub fn row(self) -> &'static str {
        match self {
            Self::In => "J#in",
            Self::Out => "J#out",
        }
    }

    /// The lane whose row has this sort key.
    #[must_use]
    pub fn of_row(row: &str) -> Option<Self> {
        match row {
            "J#in" => Some(Self::In),
            "J#out" => Some(Self::Out),
            _ => None,
        }
    }

    /// What the keys of the lane's entries begin with.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::In => "I#",
            Self::Out => "O#",
        }
    }
}

/// The classes of inbound entries, in the order that they have inside a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Something happened.
    Event,
    /// The customer said something.
    Message,
    /// What became of an agent's message.
    Receipt,
    /// A session ends.
    SessionEnd,
    /// The customer unfollowed.
    Unfollow,
}

impl Class {
    fn digit(self) -> char {
        match self {
            Self::Event => '1',
            Self::Message => '5',
            Self::Receipt => '7',
            Self::SessionEnd => '8',
            Self::Unfollow => '9',
        }
    }
}

/// The key of one entry within its conversation; keys sort as entries do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey(String);

impl EntryKey {
    /// The key of a customer's message: by its id padded to 20 digits, or by a
    /// hash of an id that is no number.
    #[must_use]
    pub fn message(create_time: u64, msg_id: &str) -> Self {
        let id = match msg_id.parse::<u64>() {
            Ok(number) => format!("{number:020}"),
            Err(_) => hash(msg_id.as_bytes()),
        };
        Self::inbound(create_time, Class::Message, &id)
    }

    /// The key of an inbound entry that is identified by `identity`.
    #[must_use]
    pub fn hashed(create_time: u64, class: Class, identity: &[u8]) -> Self {
        Self::inbound(create_time, class, &hash(identity))
    }

    /// A name for the entry of a conversation that tells nothing of its key: 22 characters.
    #[must_use]
    pub fn hashed_in(&self, at: &ConversationKey) -> String {
        hash(format!("{at} {self}").as_bytes())
    }

    /// What tells the question that this entry is from the others of its conversation.
    #[must_use]
    pub fn mark(&self, at: &ConversationKey) -> String {
        let mut mark = self.hashed_in(at);
        mark.truncate(MARK);
        mark
    }

    fn inbound(create_time: u64, class: Class, id: &str) -> Self {
        let seconds = create_time.min(9_999_999_999);
        Self(format!("I#{seconds:010}#{}{id}", class.digit()))
    }

    /// The key of one part of an agent's message, numbered from 1. An id that
    /// would not read well in a key is hashed.
    #[must_use]
    pub fn outbound(time: Moment, message: &MessageId, part: u8) -> Self {
        let id = message.as_str();
        let plain = id.len() <= 64
            && !id.starts_with('~')
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~'));
        let id = if plain {
            id.to_owned()
        } else {
            format!("~{}", hash(id.as_bytes()))
        };
        let millis = time.millis().clamp(0, Moment::MAX.millis());
        Self(format!("O#{millis:013}#{id}#{part:02}"))
    }

    /// Takes a key as the store or a stream record has it; `None` if it is no
    /// entry's.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.starts_with("I#") || text.starts_with("O#");
        fits.then(|| Self(text.to_owned()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The lane of the entry.
    #[must_use]
    pub fn lane(&self) -> Lane {
        if self.0.starts_with("I#") {
            Lane::In
        } else {
            Lane::Out
        }
    }

    /// The class of an inbound entry.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        if self.lane() == Lane::Out {
            return None;
        }
        match self.0.as_bytes().get(13)? {
            b'1' => Some(Class::Event),
            b'5' => Some(Class::Message),
            b'7' => Some(Class::Receipt),
            b'8' => Some(Class::SessionEnd),
            b'9' => Some(Class::Unfollow),
            _ => None,
        }
    }

    /// The second that the key of an inbound entry names, by WeChat's clock.
    #[must_use]
    pub fn seconds(&self) -> Option<i64> {
        match self.lane() {
            Lane::In => self.0.get(2..12)?.parse().ok(),
            Lane::Out => None,
        }
    }

    /// The millisecond that the key of an outbound entry names, by its desk's clock.
    #[must_use]
    pub fn time(&self) -> Option<Moment> {
        match self.lane() {
            Lane::In => None,
            Lane::Out => self.0.get(2..15)?.parse().ok().map(Moment::from_millis),
        }
    }

    /// When the entry was said: by WeChat's clock to the second, or by its desk's.
    #[must_use]
    pub fn said(&self) -> Moment {
        let inbound = || self.seconds().map(Moment::from_seconds);
        self.time().or_else(inbound).unwrap_or_default()
    }

    /// The number of an outbound entry among the parts of its message, from 1.
    #[must_use]
    pub fn part(&self) -> u8 {
        match self.lane() {
            Lane::In => 1,
            Lane::Out => self
                .0
                .rsplit('#')
                .next()
                .and_then(|n| n.parse().ok())
                .unwrap_or(1),
        }
    }

    /// The same message's part with another number.
    #[must_use]
    pub fn with_part(&self, part: u8) -> Self {
        match (self.lane(), self.0.rsplit_once('#')) {
            (Lane::Out, Some((head, _))) => Self(format!("{head}#{part:02}")),
            _ => self.clone(),
        }
    }

    /// Whether both are parts of one agent's message.
    #[must_use]
    pub fn same_answer(&self, other: &Self) -> bool {
        let head = |key: &Self| key.0.rsplit_once('#').map(|(head, _)| head.to_owned());
        self.lane() == Lane::Out && head(self) == head(other)
    }
}

impl fmt::Display for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The state of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits.
    Pending,
    /// A worker has claimed it and may be sending it.
    Sending,
    /// The far side has it.
    Delivered,
    /// It will not arrive by itself.
    Dead,
}

impl State {
    /// Whether the entry has come to its end.
    #[must_use]
    pub fn ended(self) -> bool {
        matches!(self, Self::Delivered | Self::Dead)
    }

    /// The word for it in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// The exclusive right of one run to send an outbound entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The nonce of the run.
    pub by: String,
    /// When the run is over for certain.
    pub until: Moment,
}

/// Where an inbound entry comes from: what is needed to begin a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The account that was written to.
    pub channel: ChannelId,
    /// Who wrote; absent in the channel's own journal.
    pub open_id: Option<OpenId>,
}

impl Origin {
    /// Where an entry comes from that we make ourselves.
    #[must_use]
    pub fn ours(channel: &ChannelId) -> Self {
        Self {
            channel: channel.clone(),
            open_id: None,
        }
    }
}

/// What an outbound entry is a part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The agent's message as its desk names it.
    pub message: MessageId,
    /// How many parts it has.
    pub parts: u8,
    /// In whose name it is said.
    pub manner: Manner,
    /// A hash over what its desk said, before a name was put to it and before it was
    /// split: by it a repeat is known whatever was set meanwhile. What was journalled by
    /// an earlier version has none.
    pub digest: Option<String>,
}

/// One row of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: EntryKey,
    /// Its state.
    pub state: State,
    /// When it was journalled, by our clock.
    pub at: Moment,
    /// When a person sent it again: it has one more attempt, outside the order.
    pub redriven: Option<Moment>,
    /// What it says.
    pub body: Body,
    /// The channel, and the open id of an inbound entry.
    pub origin: Origin,
    /// The customer for whom we made it. A customer's own push names none: who that is,
    /// is told by the conversation.
    pub customer: Option<CustomerId>,
    /// What an outbound entry is a part of.
    pub answer: Option<Answer>,
    /// Why it waits or died.
    pub reason: Option<Reason>,
    /// Who may be sending it.
    pub claim: Option<Claim>,
    /// The key of the inbound entry whose window it used.
    pub window: Option<EntryKey>,
    /// The window that WeChat said was used up when this entry was tried.
    pub exhausted: Option<EntryKey>,
    /// What was said in the answer to the push that this entry is.
    pub reply: Option<Replied>,
    /// The session in which an inbound entry is told, where that had to be settled before
    /// it was: its end was on its way.
    pub session: Option<String>,
    /// What became of the file of a customer's message, once that is known.
    pub attachment: Option<Attachment>,
    /// When it could not be had for the first time.
    pub lacking: Option<Moment>,
}

impl Entry {
    /// A new entry that waits.
    #[must_use]
    pub fn pending(key: EntryKey, at: Moment, body: Body, origin: Origin) -> Self {
        Self {
            key,
            state: State::Pending,
            at,
            body,
            origin,
            customer: None,
            answer: None,
            reason: None,
            claim: None,
            window: None,
            exhausted: None,
            reply: None,
            session: None,
            attachment: None,
            lacking: None,
            redriven: None,
        }
    }

    /// The same entry for this customer alone: should they be erased, it is nobody's.
    #[must_use]
    pub fn for_customer(mut self, customer: &CustomerId) -> Self {
        self.customer = Some(customer.clone());
        self
    }

    /// The same entry as a part of an agent's message.
    #[must_use]
    pub fn answering(mut self, message: MessageId, parts: u8) -> Self {
        self.answer = Some(Answer {
            message,
            parts,
            manner: Manner::default(),
            digest: None,
        });
        self
    }

    /// What this entry tells about the window, if it opens one.
    #[must_use]
    pub fn opens(&self) -> Option<crate::opens::Opens> {
        crate::opens::opens(&self.body)
    }
}

/// The shortest time that an ended entry is kept: WeChat's media lives as long.
pub const RETENTION_MIN: Duration = Duration::from_hours(72);

#[cfg(test)]
mod tests {
    use super::*;

    fn pepper() -> Pepper {
        Pepper::new(&[9; 32]).unwrap()
    }

    fn key(channel: &ChannelId, open_id: &str) -> ConversationKey {
        ConversationKey::of(&pepper(), channel, &OpenId::new(open_id))
    }

    #[test]
    fn a_conversation_key_hides_the_open_id_and_separates_channels() {
        let channel = |id: &str| ChannelId::parse(id).unwrap();
        let (one, two) = (channel("one"), channel("two"));
        let a = key(&one, "oAbc");
        assert_eq!(a.as_str().len(), 24);
        assert_eq!(a, key(&one, "oAbc"));
        assert_ne!(a, key(&two, "oAbc"));
        assert_ne!(a, key(&one, "oAbd"));
        assert_eq!(ConversationKey::parse(a.as_str()), Some(a));
        assert_eq!(ConversationKey::parse("X#1"), None);
    }

    #[test]
    fn keys_sort_as_entries_do() {
        let keys = [
            EntryKey::hashed(1, Class::Event, b"z"),
            EntryKey::message(1, "9"),
            EntryKey::message(1, "10"),
            EntryKey::message(1, "18446744073709551615"),
            EntryKey::hashed(1, Class::Receipt, b"a"),
            EntryKey::hashed(1, Class::SessionEnd, b"a"),
            EntryKey::hashed(1, Class::Unfollow, b"a"),
            EntryKey::message(2, "1"),
            EntryKey::message(u64::MAX, "1"),
        ];
        assert!(keys.is_sorted());
        assert_eq!(keys.first().and_then(EntryKey::class), Some(Class::Event));
        assert_eq!(keys.last().and_then(EntryKey::class), Some(Class::Message));
    }

    #[test]
    fn parts_of_an_answer_know_each_other() {
        let id = |text: &str| MessageId::parse(text).unwrap();
        let at = Moment::from_millis(1_795_335_330_120);
        let second = EntryKey::outbound(at, &id("msg_2abc"), 2);
        assert_eq!(second.as_str(), "O#1795335330120#msg_2abc#02");
        assert_eq!(second.part(), 2);
        assert_eq!(
            second.with_part(1),
            EntryKey::outbound(at, &id("msg_2abc"), 1)
        );
        assert!(second.same_answer(&second.with_part(5)));
        assert!(!second.same_answer(&EntryKey::outbound(at, &id("msg_2abd"), 2)));
        let odd = EntryKey::outbound(at, &id("a#b/c"), 1);
        assert_eq!(odd.as_str().matches('#').count(), 3);
        assert_ne!(odd, EntryKey::outbound(at, &id("a#b/d"), 1));
    }
}
