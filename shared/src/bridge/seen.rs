//! What is seen of a channel, noted for its operator: that WeChat's handshake
//! came, when the last push and the last send were, what was refused and why.
//!
//! Invariant: each kind is written at most once a minute and process, whatever
//! the outside sends; a note that cannot be written holds up nobody.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Bridge;
use crate::channel::{Refusals, Seen};
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::store::StoreError;
use crate::wechat::callback::Rejected;

/// How long a kind that was written is not written again.
const APART: Duration = Duration::from_mins(1);
/// How long a note may take: somebody waits for an answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// Something that was seen of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sight {
    /// WeChat's handshake was right.
    Handshake,
    /// A push was journalled.
    Push,
    /// WeChat took a part of an answer.
    Send,
    /// A call was refused for this reason.
    Refused(Rejected),
}

impl Sight {
    /// The word by which it is counted.
    fn word(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Push => "push",
            Self::Send => "send",
            Self::Refused(why) => why.code(),
        }
    }
}

/// What this process has seen.
#[derive(Debug, Default)]
pub(super) struct Sights(Mutex<BTreeMap<ChannelId, Own>>);

#[derive(Debug, Default)]
struct Own {
    /// When each kind was written.
    written: BTreeMap<&'static str, Moment>,
    /// What is not written yet.
    fresh: Seen,
    /// How often each kind was seen since this process began.
    counts: BTreeMap<&'static str, u64>,
}

impl Sights {
    fn all(&self) -> MutexGuard<'_, BTreeMap<ChannelId, Own>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes something; says what has to be written now.
    fn note(&self, id: &ChannelId, sight: Sight, now: Moment) -> Option<Seen> {
        let mut all = self.all();
        let own = all.entry(id.clone()).or_default();
        let word = sight.word();
        *own.counts.entry(word).or_default() += 1;
        match sight {
            Sight::Handshake => own.fresh.handshake = Some(now),
            Sight::Push => own.fresh.push = Some(now),
            Sight::Send => own.fresh.send = Some(now),
            Sight::Refused(why) => {
                let refused = own.fresh.refused.entry(why.code());
                let refused = refused.or_insert(Refusals {
                    count: 0,
                    last: now,
                });
                refused.count += 1;
                refused.last = now;
            }
        }
        let waits = |before: &Moment| *before <= now && now.since(*before) < APART;
        if own.written.get(word).is_some_and(waits) {
            return None;
        }
        // Everything that waits goes with it: one write for all.
        let fresh = std::mem::take(&mut own.fresh);
        own.written.insert(word, now);
        for code in fresh.refused.keys() {
            own.written.insert(code, now);
        }
        Some(fresh)
    }
}

impl Bridge {
    /// Notes something of a channel for its operator.
    pub(super) async fn saw(&self, id: &ChannelId, sight: Sight) {
        let Some(fresh) = self.sights.note(id, sight, self.now()) else {
            return;
        };
        let written = tokio::time::timeout(PATIENCE, self.store.note_seen(id, &fresh)).await;
        if !matches!(written, Ok(Ok(_))) {
            tracing::warn!(channel = %id, "what was seen of a channel could not be noted");
            // It goes with the next note.
            if let Some(own) = self.sights.all().get_mut(id) {
                own.fresh.add(&fresh);
            }
        }
    }

    /// What was seen of a channel: what is stored, and what this process has not
    /// written yet.
    pub(crate) async fn seen(&self, id: &ChannelId) -> Result<Seen, StoreError> {
        let mut seen = self.store.seen(id).await?;
        if let Some(own) = self.sights.all().get(id) {
            seen.add(&own.fresh);
        }
        Ok(seen)
    }

    /// How often this process has seen each kind, by channel: for metrics.
    #[must_use]
    pub fn sights(&self) -> BTreeMap<ChannelId, BTreeMap<&'static str, u64>> {
        let all = self.sights.all();
        let counts = all.iter().map(|(id, own)| (id.clone(), own.counts.clone()));
        counts.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRONG: Sight = Sight::Refused(Rejected::WrongSignature);

    #[test]
    fn each_kind_is_written_at_once_and_then_once_a_minute() {
        let sights = Sights::default();
        let id = ChannelId::parse("demo").unwrap();
        let note = |sight, seconds| sights.note(&id, sight, Moment::from_seconds(seconds));
        assert_eq!(
            note(Sight::Push, 0).unwrap().push,
            Some(Moment::from_seconds(0))
        );
        assert!(note(Sight::Push, 59).is_none());
        // Another kind goes at once, and takes along what waits.
        let taken = note(WRONG, 59).unwrap();
        assert_eq!(taken.push, Some(Moment::from_seconds(59)));
        assert_eq!(taken.refused["wrong_signature"].count, 1);
        for second in 60..118 {
            assert!(note(WRONG, second).is_none());
        }
        let taken = note(WRONG, 119).unwrap();
        assert_eq!(taken.refused["wrong_signature"].count, 59);
        assert_eq!(taken.push, None);
        let own = &sights.all()[&id];
        assert_eq!((own.counts["push"], own.counts["wrong_signature"]), (2, 60));
    }

    #[test]
    fn a_clock_that_was_set_back_stops_nothing() {
        let sights = Sights::default();
        let id = ChannelId::parse("demo").unwrap();
        let note = |seconds| sights.note(&id, Sight::Push, Moment::from_seconds(seconds));
        assert!(note(1_000).is_some());
        assert!(note(10).is_some());
    }
}
