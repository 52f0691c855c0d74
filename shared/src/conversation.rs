//! A conversation: everything between one customer and one channel, and the
//! session that may be open in it.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::journal::EntryKey;
use crate::message::{ChannelId, CustomerId, OpenId};
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
