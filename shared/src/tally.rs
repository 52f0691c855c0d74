//! What a process has done since it was last asked: counted for metrics, and by
//! entry for the line that an invocation leaves in the log.
//!
//! Invariant: an entry is named by its [`Trace`], from which nobody finds the
//! customer; of a busy process only the first entries are named, all are
//! counted.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::journal::{ConversationKey, EntryKey, Lane};
use crate::reason::Reason;

/// The length of a trace: 72 bits.
const CHARACTERS: usize = 12;
/// How many entries are named until the tally is taken.
const NAMED: usize = 100;

/// What a log calls an entry in every process that touches it: twelve characters
/// of a hash over its place in the journal. All parts of an answer have one. It is
/// no personal datum: it leads back to a customer only through the table itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Trace(String);

impl Trace {
    /// The name of an entry.
    #[must_use]
    pub fn of(at: &ConversationKey, key: &EntryKey) -> Self {
        let mut hash = Sha256::new();
        hash.update(at.as_str());
        hash.update([0]);
        hash.update(key.with_part(0).as_str());
        let text = URL_SAFE_NO_PAD.encode(hash.finalize());
        Self(text.chars().take(CHARACTERS).collect())
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something that became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// A push was journalled.
    Pushed,
    /// A push or an answer that was journalled before came again.
    Repeated,
    /// An agent's answer was journalled.
    Answered,
    /// The desk has it.
    Forwarded,
    /// WeChat has a part of an answer.
    Sent,
    /// Its lane was parked with it in front.
    Parked(Reason),
    /// It will not arrive.
    Died(Reason),
}

impl Deed {
    /// The word in logs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pushed => "pushed",
            Self::Repeated => "repeated",
            Self::Answered => "answered",
            Self::Forwarded => "forwarded",
            Self::Sent => "sent",
            Self::Parked(_) => "parked",
            Self::Died(_) => "died",
        }
    }

    /// The name of the metric that counts it, in a lane.
    fn metric(self, lane: Lane) -> &'static str {
        match self {
            Self::Pushed => "Pushed",
            Self::Repeated => "Repeated",
            Self::Answered => "Answered",
            Self::Forwarded => "Forwarded",
            Self::Sent => "Sent",
            Self::Parked(_) => "Parked",
            Self::Died(_) if lane == Lane::In => "DiedInbound",
            Self::Died(_) => "DiedOutbound",
        }
    }

    fn reason(self) -> Option<Reason> {
        match self {
            Self::Parked(reason) | Self::Died(reason) => Some(reason),
            _ => None,
        }
    }
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// How often, by the name of the metric.
    pub counts: BTreeMap<&'static str, u64>,
    /// What became of the entries that are named, as `word` or `word:reason`, in
    /// the order of what was done.
    pub entries: BTreeMap<Trace, Vec<String>>,
    named: usize,
}

/// What a process has done.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Done>);

impl Tally {
    /// Notes what became of an entry.
    pub fn note(&self, at: &ConversationKey, key: &EntryKey, deed: Deed) {
        let mut done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *done.counts.entry(deed.metric(key.lane())).or_default() += 1;
        if done.named >= NAMED {
            return;
        }
        done.named += 1;
        let word = match deed.reason() {
            Some(reason) => format!("{}:{}", deed.word(), reason.code()),
            None => deed.word().to_owned(),
        };
        let words = done.entries.entry(Trace::of(at, key)).or_default();
        words.push(word);
    }

    /// Takes everything, and begins anew.
    #[must_use]
    pub fn take(&self) -> Done {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{ChannelId, MessageId};
    use crate::moment::Moment;

    fn at() -> ConversationKey {
        ConversationKey::of_channel(&ChannelId::parse("demo").unwrap())
    }

    #[test]
    fn parts_of_one_answer_have_one_name_and_nothing_else_has_it() {
        let message = MessageId::parse("m1").unwrap();
        let part = |part| EntryKey::outbound(Moment::from_millis(1), &message, part);
        let first = Trace::of(&at(), &part(1));
        assert_eq!(first, Trace::of(&at(), &part(2)));
        assert_eq!(first.to_string().len(), 12);
        let other = EntryKey::outbound(Moment::from_millis(2), &message, 1);
        assert_ne!(first, Trace::of(&at(), &other));
        let elsewhere = ConversationKey::of_channel(&ChannelId::parse("other").unwrap());
        assert_ne!(first, Trace::of(&elsewhere, &part(1)));
    }

    #[test]
    fn everything_is_counted_and_the_first_are_named() {
        let tally = Tally::default();
        let key = EntryKey::message(1, "23");
        tally.note(&at(), &key, Deed::Pushed);
        tally.note(&at(), &key, Deed::Parked(Reason::DeskUnreachable));
        for id in 0..200 {
            tally.note(&at(), &EntryKey::message(1, &id.to_string()), Deed::Sent);
        }
        let done = tally.take();
        assert_eq!(done.counts["Sent"], 200);
        assert_eq!(
            done.entries[&Trace::of(&at(), &key)],
            ["pushed", "parked:desk_unreachable", "sent"]
        );
        assert_eq!(done.entries.len(), 98);
        assert_eq!(tally.take(), Done::default());
    }
}
