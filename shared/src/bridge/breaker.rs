//! The breaker of a channel's desk: when the whole desk is down, its lanes are
//! left alone but for one probe a minute.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Bridge, Broken};
use crate::channel::{Channel, DeskSettings};
use crate::journal::ConversationKey;
use crate::message::ChannelId;
use crate::moment::Moment;

/// So many failures …
const FAILURES: usize = 20;
/// … over at least so many lanes …
const LANES: usize = 5;
/// … within so long open the breaker.
const WITHIN: Duration = Duration::from_secs(30);
/// How long a process believes what it read of a breaker.
const BELIEVED: Duration = Duration::from_secs(15);
/// How long after a probe of an open breaker the next may come: less than the
/// minute between two sweeps, so that each sweep has one.
pub const PROBE: Duration = Duration::from_secs(50);

/// What this process knows of breakers.
#[derive(Debug, Default)]
pub(super) struct Breakers(Mutex<BTreeMap<ChannelId, Known>>);

#[derive(Debug, Default)]
struct Known {
    read: Option<(Moment, bool)>,
    failures: Vec<(Moment, ConversationKey)>,
    /// When the desk last took something.
    heard: Option<Moment>,
    /// When it last could not be reached.
    failed: Option<Moment>,
}

impl Known {
    /// Whether the breaker is open, if that is known at all.
    fn open(&self, now: Moment) -> Option<bool> {
        let (when, open) = self.read?;
        (when <= now && now.since(when) < BELIEVED).then_some(open)
    }
}

impl Breakers {
    fn known(&self) -> MutexGuard<'_, BTreeMap<ChannelId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget(&self, id: &ChannelId) {
        self.known().remove(id);
    }

    /// Whether a breaker is open, if that is known at all.
    fn open(&self, id: &ChannelId, now: Moment) -> Option<bool> {
        self.known().get(id)?.open(now)
    }

    /// Counts a failure; says whether the breaker must open.
    fn count(&self, id: &ChannelId, at: &ConversationKey, now: Moment) -> bool {
        let mut all = self.known();
        let known = all.entry(id.clone()).or_default();
        known.failed = Some(now);
        // What was on its way when the breaker opened opens it no second time.
        if known.open(now) == Some(true) {
            return false;
        }
        known.failures.retain(|(when, _)| now.since(*when) < WITHIN);
        known.failures.push((now, at.clone()));
        let lanes: BTreeSet<_> = known.failures.iter().map(|(_, at)| at).collect();
        let trips = known.failures.len() >= FAILURES && lanes.len() >= LANES;
        if trips {
            known.failures.clear();
            known.read = Some((now, true));
        }
        trips
    }
}

impl Bridge {
    /// Whether a channel's desk is known to be down. Our own never is.
    pub(super) async fn desk_is_down(&self, channel: &Channel) -> Result<bool, Broken> {
        if channel.desk == DeskSettings::Inbox {
            return Ok(false);
        }
        let id = &channel.id;
        if let Some(open) = self.breakers.open(id, self.now()) {
            return Ok(open);
        }
        let open = self.read_breaker(id).await?.is_some();
        Ok(open || self.breakers.open(id, self.now()) == Some(true))
    }

    /// Since when the store has a breaker open, if it has. What opened here while
    /// it was read stays open for this process.
    pub(super) async fn read_breaker(&self, id: &ChannelId) -> Result<Option<Moment>, Broken> {
        let asked = self.now();
        let open = self.store.breaker(id).await?;
        let mut all = self.breakers.known();
        let known = all.entry(id.clone()).or_default();
        let opened_here = known.read.is_some_and(|(when, open)| open && when >= asked);
        if open.is_some() || !opened_here {
            known.read = Some((asked, open.is_some()));
        }
        Ok(open)
    }

    /// Notes what is known of a breaker now.
    pub(super) fn believe(&self, id: &ChannelId, open: bool) {
        let now = self.now();
        let mut all = self.breakers.known();
        all.entry(id.clone()).or_default().read = Some((now, open));
    }

    /// Notes that a desk has taken something.
    pub(super) fn desk_heard(&self, id: &ChannelId) {
        let now = self.now();
        let mut all = self.breakers.known();
        all.entry(id.clone()).or_default().heard = Some(now);
    }

    /// Whether a desk has taken something since.
    pub(super) fn desk_was_heard(&self, id: &ChannelId, since: Moment) -> bool {
        let all = self.breakers.known();
        let heard = all.get(id).and_then(|known| known.heard);
        heard.is_some_and(|heard| heard >= since)
    }

    /// Whether a desk could not be reached since.
    pub(super) fn desk_has_failed(&self, id: &ChannelId, since: Moment) -> bool {
        let all = self.breakers.known();
        let failed = all.get(id).and_then(|known| known.failed);
        failed.is_some_and(|failed| failed >= since)
    }

    /// Counts that a desk could not be reached, and opens the breaker when
    /// that is the rule.
    pub(super) async fn desk_failed(
        &self,
        id: &ChannelId,
        at: &ConversationKey,
    ) -> Result<(), Broken> {
        let now = self.now();
        if self.breakers.count(id, at, now) {
            tracing::error!(channel = %id, "the desk is down: its lanes wait, one probe a minute");
            self.store.open_breaker(id, now).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_failures_over_five_lanes_in_half_a_minute_open_it() {
        let id = ChannelId::parse("demo").unwrap();
        let lane = |n: usize| ConversationKey::parse(&format!("A#{n}")).unwrap();
        let trips = |lanes: usize, apart: i64| {
            let breakers = Breakers::default();
            (0..20_usize).any(|n| {
                let now = Moment::from_millis(i64::try_from(n).unwrap() * apart);
                breakers.count(&id, &lane(n % lanes), now)
            })
        };
        assert!(trips(5, 100));
        assert!(!trips(4, 100), "too few lanes");
        assert!(!trips(5, 2000), "too slow");
    }

    #[test]
    fn what_was_on_its_way_opens_it_no_second_time() {
        let id = ChannelId::parse("demo").unwrap();
        let lane = |n: usize| ConversationKey::parse(&format!("A#{n}")).unwrap();
        let breakers = Breakers::default();
        let now = Moment::from_millis(0);
        let trips = (0..100).filter(|n| breakers.count(&id, &lane(n % 50), now));
        assert_eq!(trips.count(), 1);
        let later = now.plus(BELIEVED);
        let trips = (0..100).filter(|n| breakers.count(&id, &lane(n % 50), later));
        assert_eq!(
            trips.count(),
            1,
            "after a probe that failed it is told again"
        );
    }
}
