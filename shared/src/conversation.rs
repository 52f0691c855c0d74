//! A conversation: everything between one customer and one channel, and the
//! session that may be open in it.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::journal::{Entry, EntryKey};
use crate::message::{Body, ChannelId, CustomerId, OpenId};
use crate::moment::Moment;

/// The conversation row: who talks, and what is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// The account.
    pub channel: ChannelId,
    /// The customer as desks know them.
    pub customer: CustomerId,
    /// The customer as WeChat knows them.
    pub open_id: OpenId,
    /// The way back from the customer id is written.
    pub linked: bool,
    /// The open session, if there is one.
    pub session: Option<Session>,
    /// The last session that ended.
    pub last_session: Option<String>,
    /// The key of the newest inbound entry that agents have read.
    pub read_up_to: Option<String>,
    /// When something last happened in it.
    pub active: Moment,
    /// Answers that were sent out of the order of their keys, if any were.
    pub late_sends: Option<LateSends>,
    /// The last notice that asked the customer back, if one ever did.
    pub called: Option<Called>,
    /// The erasure that is to come, if one is.
    pub leaving: Option<Leaving>,
}

/// An erasure that comes when its time of grace is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Why.
    pub cause: EraseCause,
    /// When what asks for it was journalled.
    pub since: Moment,
    /// When it is due.
    pub due: Moment,
}

impl Leaving {
    /// Whether this entry shows that the customer came back: only who follows the account can
    /// do what opens a window. A consent that was withdrawn stays withdrawn.
    #[must_use]
    pub fn called_off_by(&self, entry: &Entry) -> bool {
        self.cause == EraseCause::Unfollowed && entry.at > self.since && entry.opens().is_some()
    }
}

/// What an event says of whether there is a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coming {
    /// The customer is here.
    Here,
    /// Nothing: somebody looked at something, or was sent something.
    Nobody,
    /// The customer is to be erased.
    Leaves(EraseCause),
}

impl Coming {
    /// What an entry says.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let Body::Event { name, .. } = &entry.body else {
            return Self::Here;
        };
        match name.as_str() {
            "unsubscribe" => Self::Leaves(EraseCause::Unfollowed),
            "user_info_modified"
            | "user_authorization_revoke"
            | "user_authorization_cancellation" => Self::Leaves(EraseCause::Consent),
            "VIEW" | "TEMPLATESENDJOBFINISH" | "subscribe_msg_sent_event" => Self::Nobody,
            _ => Self::Here,
        }
    }
}

/// What is left where a customer was erased, until it is certain that nobody
/// writes any more who had begun before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Whatever was journalled until then is to go.
    pub since: Moment,
    /// The names of the folders of the customers' files.
    pub files: Vec<String>,
}

/// Why a customer is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EraseCause {
    /// Somebody asked for it here: over the API, or an agent in the inbox.
    Asked,
    /// The desk asked for it.
    Desk,
    /// The customer does not follow the account any more.
    Unfollowed,
    /// The customer withdrew the consent that they had given, or changed what they
    /// had given it for.
    Consent,
}

impl EraseCause {
    /// The word for it on the wire and in the store.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Desk => "desk",
            Self::Unfollowed => "unfollowed",
            Self::Consent => "consent",
        }
    }

    /// The cause with this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::Asked, Self::Desk, Self::Unfollowed, Self::Consent];
        all.into_iter().find(|cause| cause.word() == word)
    }
}

/// A notice that asked a customer back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Its key.
    pub key: EntryKey,
    /// Since when: whatever the customer did after that is an answer to it.
    pub at: Moment,
}

/// Answers that went out after later ones had used an older window: they came
/// late, or a person tried them once more. Whoever counts what a window has left
/// reads down to the lowest of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateSends {
    /// The lowest key of them.
    pub lowest: EntryKey,
    /// When their windows have shut for certain.
    pub until: Moment,
}

/// An open enquiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id, the same however often its opening is repeated.
    pub id: String,
    /// When the message that opened it was journalled.
    pub opened: Moment,
    /// The desk has taken the news of its opening.
    pub told: bool,
}

/// The id of the session that the entry `key` of this conversation opens.
/// Derived, so that two workers which open it at once open the same one.
#[must_use]
pub fn session_id(customer: &CustomerId, key: &str) -> String {
    let digest = Sha256::new()
        .chain_update(customer.expose())
        .chain_update([0])
        .chain_update(key)
        .finalize();
    let mut bytes = [0_u8; 16];
    for (to, from) in bytes.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// A new customer id from sixteen random bytes.
#[must_use]
pub fn customer_id(random: [u8; 16]) -> CustomerId {
    CustomerId::new(
        uuid::Builder::from_random_bytes(random)
            .into_uuid()
            .to_string(),
    )
}

/// Reads a customer id that somebody sent us; `None` unless it is a UUID in
/// the form that we hand out.
#[must_use]
pub fn parse_customer_id(text: &str) -> Option<CustomerId> {
    let uuid = Uuid::try_parse(text).ok()?;
    (uuid.to_string() == text).then(|| CustomerId::new(text))
}

#[cfg(test)]
mod tests {
    use super::{customer_id, parse_customer_id, session_id};

    #[test]
    fn ids_have_the_form_that_we_hand_out() {
        let customer = customer_id([7; 16]);
        assert_eq!(customer.expose(), "07070707-0707-4707-8707-070707070707");
        assert_eq!(parse_customer_id(customer.expose()), Some(customer.clone()));
        for wrong in [
            "",
            "07070707070747078707070707070707",
            "{07070707-0707-4707-8707-070707070707}",
        ] {
            assert_eq!(parse_customer_id(wrong), None);
        }
        let session = session_id(&customer, "I#1#5");
        assert_eq!(session, session_id(&customer, "I#1#5"));
        assert_ne!(session, session_id(&customer, "I#1#6"));
    }
}
