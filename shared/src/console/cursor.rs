//! What callers hold of ours: cursors into lists, ids of entries. They are
//! nobody's to read, and what comes back is read strictly.
//!
//! Invariant: a cursor opens the list that it was made for and no other, and
//! what is damaged is told so. Its seal is no secret: whoever forges one can
//! ask for another place of the same list, which is no more than paging does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::problem::Refusal;
use super::wrong;
use crate::journal::{ConversationKey, EntryKey, Lane};
use crate::message::ChannelId;
use crate::moment::Moment;

/// How many bytes of a digest seal a cursor.
const SEAL: usize = 8;
/// The longest key of an entry or of a conversation, in bytes.
const KEY_MAX: usize = 96;

/// A list that is read by pages.
#[derive(Clone, Copy, Debug)]
pub(super) enum List<'a> {
    /// The channels.
    Channels,
    /// The conversations.
    Conversations,
    /// What is new since.
    Changes,
    /// The messages of one conversation.
    Messages(&'a ConversationKey),
    /// The dead entries.
    Dead,
    /// The parked lanes.
    Parked,
    /// The QR codes of one channel.
    Qrcodes(&'a ChannelId),
    /// The events of one channel's own journal.
    Events(&'a ChannelId),
}

impl List<'_> {
    fn seal(self, place: &str) -> Vec<u8> {
        let name = match self {
            Self::Channels => "channels",
            Self::Conversations => "conversations",
            Self::Changes => "changes",
            Self::Messages(at) => at.as_str(),
            Self::Dead => "dead",
            Self::Parked => "parked",
            Self::Qrcodes(channel) | Self::Events(channel) => channel.as_str(),
        };
        // A channel may be called as a list is.
        let kind: &[u8] = match self {
            Self::Qrcodes(_) => b"\0qrcodes",
            Self::Events(_) => b"\0events",
            _ => b"",
        };
        let digest = Sha256::new()
            .chain_update(name)
            .chain_update(kind)
            .chain_update([0])
            .chain_update(place)
            .finalize();
        digest.iter().copied().take(SEAL).collect()
    }

    /// The cursor that leads to a place of this list.
    pub(super) fn cursor(self, place: &str) -> String {
        let mut bytes = self.seal(place);
        bytes.extend_from_slice(place.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place that a cursor leads to, if it is one of this list's.
    pub(super) fn place(self, cursor: &str) -> Result<String, Refusal> {
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
            let (seal, place) = bytes.split_at_checked(SEAL)?;
            let place = std::str::from_utf8(place).ok()?;
            (self.seal(place) == seal).then(|| place.to_owned())
        };
        read().ok_or_else(bad)
    }
}

/// A cursor that is none of this list's.
pub(super) fn bad() -> Refusal {
    wrong(
        "cursor",
        "不是此列表给出的游标：请从第一页重新开始",
        "it is none that this list gave: begin with the first page again",
    )
}

/// Makes a text opaque.
pub(super) fn veil(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Reads what [`veil`] made.
pub(super) fn unveil(text: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

fn is_short(text: &str) -> bool {
    text.len() <= KEY_MAX && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The key of an entry, if it is of the form that ours have.
pub(super) fn entry_key(text: &str) -> Option<EntryKey> {
    let key = EntryKey::parse(text).filter(|_| is_short(text))?;
    let fits = match key.lane() {
        Lane::In => key.seconds().is_some() && key.class().is_some(),
        Lane::Out => key.time().is_some(),
    };
    fits.then_some(key)
}

/// The key of a conversation, if it is of the form that ours have.
pub(super) fn conversation_key(text: &str) -> Option<ConversationKey> {
    ConversationKey::parse(text).filter(|_| is_short(text))
}

/// A moment that a cursor names in milliseconds.
pub(super) fn moment(text: &str) -> Option<Moment> {
    let millis = text.parse().ok()?;
    let known = 0..=Moment::MAX.millis();
    known.contains(&millis).then(|| Moment::from_millis(millis))
}

/// Whether this is a place of the board: the last activity and the conversation.
pub(super) fn is_board_place(text: &str) -> bool {
    text.split_once('#').is_some_and(|(active, at)| {
        active.len() == 13 && moment(active).is_some() && conversation_key(at).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_its_own_list_and_whole_alone() {
        let at = |id: &str| ConversationKey::of_channel(&ChannelId::parse(id).unwrap());
        let (one, two) = (at("one"), at("two"));
        let dead = ChannelId::parse("dead").unwrap();
        let other = ChannelId::parse("other").unwrap();
        let lists = [
            List::Qrcodes(&dead),
            List::Qrcodes(&other),
            List::Channels,
            List::Conversations,
            List::Changes,
            List::Dead,
            List::Parked,
            List::Messages(&one),
            List::Messages(&two),
        ];
        for (number, list) in lists.iter().enumerate() {
            let cursor = list.cursor("1795335330120");
            for (other, reader) in lists.iter().enumerate() {
                let read = reader.place(&cursor).ok();
                let own = (number == other).then(|| "1795335330120".to_owned());
                assert_eq!(read, own, "{list:?} {reader:?}");
            }
            for end in 0..cursor.len() {
                let cut = cursor.get(..end).unwrap();
                assert!(list.place(cut).is_err(), "{cut}");
            }
        }
    }

    #[test]
    fn only_keys_of_our_form_are_read() {
        for (text, fits) in [
            ("I#1795335330#500000000000000000001", true),
            ("O#1795335330120#msg_1#01", true),
            ("I#", false),
            ("O#", false),
            ("I#1795335330#2x", false),
            ("I#~", false),
            ("O#later#msg#01", false),
            ("O#1795335330120#m g#01", false),
            ("J", false),
        ] {
            assert_eq!(entry_key(text).is_some(), fits, "{text}");
        }
        let long = format!("O#1795335330120#{}#01", "x".repeat(2000));
        assert_eq!(entry_key(&long), None);
        assert_eq!(conversation_key(&format!("A#{}", "x".repeat(3000))), None);
        assert!(is_board_place("1795335330120#U#1234567890123456789012"));
        for wrong in ["", "#", "1795335330120", "~#U#1234567890123456789012"] {
            assert!(!is_board_place(wrong), "{wrong}");
        }
    }
}
