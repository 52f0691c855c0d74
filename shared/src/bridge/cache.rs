//! What a process remembers of channels, for a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::message::ChannelId;
use crate::moment::Moment;

/// How long a process believes that a channel does not exist.
const UNKNOWN: Duration = Duration::from_secs(5);
/// How often a failed check may ask anew, by channel.
const AGAIN: Duration = Duration::from_secs(10);
/// How many channels are remembered: callers choose the names.
const MOST: usize = 1000;

#[derive(Debug)]
struct Known<T> {
    read: Moment,
    asked_again: Option<Moment>,
    value: Option<Arc<T>>,
}

/// A bounded memory by channel.
#[derive(Debug)]
pub(super) struct Cache<T>(Mutex<BTreeMap<ChannelId, Known<T>>>);

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }
}

impl<T> Cache<T> {
    fn known(&self) -> MutexGuard<'_, BTreeMap<ChannelId, Known<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered, if it is young enough; the inner `None` is a channel
    /// that does not exist.
    #[expect(
        clippy::option_option,
        reason = "not remembered and known not to exist are two things"
    )]
    pub(super) fn get(&self, id: &ChannelId, now: Moment, age: Duration) -> Option<Option<Arc<T>>> {
        let known = self.known();
        let known = known.get(id)?;
        let age = if known.value.is_some() { age } else { UNKNOWN };
        // A clock that was set back makes nothing young again.
        (known.read <= now && now.since(known.read) < age).then(|| known.value.clone())
    }

    pub(super) fn put(&self, id: &ChannelId, now: Moment, value: Option<Arc<T>>) {
        let mut all = self.known();
        if all.len() >= MOST && !all.contains_key(id) {
            all.retain(|_, known| known.value.is_some());
            if all.len() >= MOST {
                all.clear();
            }
        }
        let asked_again = all.get(id).and_then(|known| known.asked_again);
        all.insert(
            id.clone(),
            Known {
                read: now,
                asked_again,
                value,
            },
        );
    }

    /// Whether a failed check may ask anew now; notes that it does.
    pub(super) fn may_ask_again(&self, id: &ChannelId, now: Moment) -> bool {
        match self.known().get_mut(id) {
            Some(known) if known.read == now => false,
            Some(known) => {
                let may = known
                    .asked_again
                    .is_none_or(|last| now.since(last) >= AGAIN);
                if may {
                    known.asked_again = Some(now);
                }
                may
            }
            None => true,
        }
    }

    pub(super) fn forget(&self, id: &ChannelId) {
        self.known().remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_in_time_and_stays_small() {
        let cache = Cache::default();
        let id = |n: usize| ChannelId::parse(&format!("channel-{n}")).unwrap();
        let at = |seconds| Moment::from_seconds(seconds);
        let minute = Duration::from_mins(1);
        cache.put(&id(1), at(0), Some(Arc::new(7)));
        cache.put(&id(2), at(0), None::<Arc<i32>>);
        assert_eq!(cache.get(&id(1), at(59), minute), Some(Some(Arc::new(7))));
        assert_eq!(cache.get(&id(1), at(60), minute), None);
        assert_eq!(cache.get(&id(2), at(4), minute), Some(None));
        assert_eq!(cache.get(&id(2), at(5), minute), None);
        assert!(cache.may_ask_again(&id(1), at(10)));
        assert!(!cache.may_ask_again(&id(1), at(19)));
        assert!(cache.may_ask_again(&id(1), at(20)));
        for n in 0..5000 {
            cache.put(&id(n), at(0), None);
        }
        assert!(cache.known().len() <= MOST);
        assert_eq!(
            cache.get(&id(1), at(0), minute),
            None,
            "unknown ones make room"
        );
    }
}
