//! A lane is one direction of one conversation: the unit of order, retry and
//! exclusion. This file decides; `bridge` carries out.
//!
//! The invariants, in the order in which a reader needs them:
//!
//! * **A bell is not a record.** It names a lane to look at. Whoever looks
//!   reads the newest entries, and begins with the earliest that waits.
//! * **Order.** Nothing passes an entry of its lane that waits. An entry that is
//!   journalled after a later one was attempted goes when it comes. Part *n* of
//!   an answer goes only when part *n−1* has arrived.
//! * **Exclusion.** An unparked inbound lane needs none, since a desk knows a
//!   repeat by its id. An outbound entry is claimed before WeChat is called,
//!   and a worker that meets another's live claim sends nothing.
//! * **Uncertain sends** are never repeated by themselves.
//! * **Parking.** A lane that cannot go on has a row that says when to look
//!   again. Who finds the row raises its revision instead of going ahead; who
//!   takes it away does so only on the revision that it has seen.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::journal::{Entry, EntryKey, State};
use crate::moment::Moment;
use crate::reason::Reason;
use crate::window::{Verdict, Windows};

/// How long one attempt over the network may take.
pub const ATTEMPT: Duration = Duration::from_secs(3);
/// How long one lane may be worked on in one run of `deliver`.
pub const RUN: Duration = Duration::from_secs(8);
/// What a batch has not begun after this long it parks.
pub const BEGIN: Duration = Duration::from_secs(10);
/// How long a worker holds a parked lane at the most.
pub const TURN: Duration = Duration::from_secs(30);
/// How many lanes are worked on at once.
pub const WIDTH: usize = 32;
/// How much longer than the run a claim lasts.
pub const CLAIM_MARGIN: Duration = Duration::from_secs(5);
/// When an inbound entry is given up.
pub const PATIENCE: Duration = Duration::from_hours(24);
/// How soon a lane that waits for the window is looked at the first time: a
/// message that came while it was being parked is found then.
pub const WINDOW_RECHECK: Duration = Duration::from_mins(1);
/// How often WeChat's "system error" is tried again at once.
pub const BUSY_TRIES: u32 = 2;
/// How often another failure is tried again at once.
pub const QUICK_TRIES: u32 = 2;

/// The row of a lane that is parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// When to look at it again.
    pub due: Moment,
    /// The run that holds it, if one does.
    pub by: Option<String>,
    /// How often it was parked since it last went on.
    pub attempts: u32,
    /// Raised by everyone who finds something new in the lane.
    pub revision: u64,
    /// The earliest entry that may wait.
    pub from: EntryKey,
    /// Why it is parked.
    pub reason: Reason,
    /// The nonce of the last write, by which a repeated one knows itself.
    pub nonce: String,
}

/// How long a lane waits after its `attempts`-th failure: 1, 2, 4, 8, 15
/// minutes, more or less an eighth. `jitter` is any random number.
#[must_use]
pub fn backoff(attempts: u32, jitter: u16) -> Duration {
    let minutes = match attempts {
        0 | 1 => 1,
        2 => 2,
        3 => 4,
        4 => 8,
        _ => 15,
    };
    let base = Duration::from_mins(minutes);
    base / 8 * 7 + base / 4 * u32::from(jitter) / u32::from(u16::MAX)
}

/// The pause before a failed step is tried again within a run.
#[must_use]
pub fn quick_pause(tries: u32) -> Duration {
    Duration::from_millis(if tries == 0 { 200 } else { 1000 })
}

/// Whether an inbound entry has been tried long enough. Time under suspension
/// does not count: the clock starts again when the channel is resumed.
#[must_use]
pub fn given_up(entry: &Entry, resumed: Option<Moment>, now: Moment) -> bool {
    let since = [Some(entry.at), resumed].into_iter().flatten().max();
    since.is_some_and(|since| now.since(since) >= PATIENCE)
}

/// What is known of an outbound lane: entries by key, at least all that wait
/// or are claimed as far as the look went.
pub type Outgoing = BTreeMap<EntryKey, Entry>;

/// The next thing to do in an outbound lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing waits.
    Idle,
    /// Another run may be sending: nothing before then.
    Wait(Moment),
    /// This entry must be read before anything can be decided.
    Fetch(EntryKey),
    /// This entry dies.
    Bury(EntryKey, Reason),
    /// This entry waits for the customer, at most until then.
    Hold(EntryKey, Moment),
    /// Claim this entry for that window and send it.
    Send(EntryKey, EntryKey),
}

/// Decides the next step of an outbound lane.
#[must_use]
pub fn next(entries: &Outgoing, windows: &Windows, now: Moment) -> Step {
    let mut live = None;
    for entry in entries.values().filter(|e| e.state == State::Sending) {
        match &entry.claim {
            Some(claim) if claim.until > now => live = live.max(Some(claim.until)),
            // The claim outlived its worker: nobody knows whether it was sent.
            _ => return Step::Bury(entry.key.clone(), Reason::Uncertain),
        }
    }
    if let Some(until) = live {
        return Step::Wait(until);
    }
    let Some(entry) = entries.values().find(|e| e.state == State::Pending) else {
        return Step::Idle;
    };
    let part = entry.key.part();
    if part > 1 {
        let before = entry.key.with_part(part - 1);
        match entries.get(&before).map(|e| e.state) {
            None => return Step::Fetch(before),
            Some(State::Dead) => {
                return Step::Bury(entry.key.clone(), Reason::EarlierPartFailed);
            }
            Some(_) => {}
        }
    }
    let parts = entry.answer.as_ref().map_or(1, |answer| answer.parts);
    let rest = parts.saturating_sub(part).saturating_add(1);
    match windows.verdict(rest) {
        Verdict::Open(window) => Step::Send(entry.key.clone(), window),
        Verdict::Hold(until) => Step::Hold(entry.key.clone(), until),
        Verdict::Refuse(reason) => Step::Bury(entry.key.clone(), reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Claim, Origin};
    use crate::message::{Body, ChannelId, MessageId};
    use crate::opens::Opens;
    use crate::window::Opening;

    const NOW: Moment = Moment::from_millis(1_800_000_000_000);

    fn entry(time: i64, part: u8, parts: u8, state: State) -> Entry {
        let id = MessageId::parse(&format!("m{time}")).unwrap();
        let key = EntryKey::outbound(Moment::from_millis(time), &id, part);
        let origin = Origin {
            channel: ChannelId::parse("demo").unwrap(),
            open_id: None,
        };
        let mut entry = Entry::pending(key, NOW, Body::text("hi"), origin).answering(id, parts);
        entry.state = state;
        entry
    }

    fn claimed(mut entry: Entry, until: Moment) -> Entry {
        entry.state = State::Sending;
        entry.claim = Some(Claim {
            by: "another".into(),
            until,
        });
        entry
    }

    fn lane(entries: &[Entry]) -> Outgoing {
        entries.iter().map(|e| (e.key.clone(), e.clone())).collect()
    }

    fn open() -> Windows {
        let opening = Opening {
            key: EntryKey::message(1, "1"),
            at: NOW,
            opens: Some(Opens::Message),
        };
        Windows::derive(&[opening], &[], NOW)
    }

    #[test]
    fn the_earliest_that_waits_goes_first_and_a_live_claim_stops_all() {
        let window = EntryKey::message(1, "1");
        let (a, b) = (
            entry(1, 1, 1, State::Pending),
            entry(2, 1, 1, State::Pending),
        );
        let soon = NOW.plus(Duration::from_secs(1));
        for (entries, expected) in [
            (vec![], Step::Idle),
            (vec![entry(1, 1, 1, State::Delivered)], Step::Idle),
            (
                vec![b.clone(), a.clone()],
                Step::Send(a.key.clone(), window.clone()),
            ),
            (vec![a.clone(), claimed(b.clone(), soon)], Step::Wait(soon)),
            (
                vec![a.clone(), claimed(b.clone(), NOW)],
                Step::Bury(b.key.clone(), Reason::Uncertain),
            ),
        ] {
            assert_eq!(next(&lane(&entries), &open(), NOW), expected);
        }
    }

    #[test]
    fn a_part_needs_the_one_before_it() {
        let window = EntryKey::message(1, "1");
        let two = entry(1, 2, 3, State::Pending);
        let one = |state| entry(1, 1, 3, state);
        for (entries, expected) in [
            (vec![two.clone()], Step::Fetch(one(State::Pending).key)),
            (
                vec![one(State::Dead), two.clone()],
                Step::Bury(two.key.clone(), Reason::EarlierPartFailed),
            ),
            (
                vec![one(State::Delivered), two.clone()],
                Step::Send(two.key.clone(), window),
            ),
        ] {
            assert_eq!(next(&lane(&entries), &open(), NOW), expected);
        }
    }

    #[test]
    fn an_answer_without_a_window_dies_at_once() {
        let a = entry(1, 1, 1, State::Pending);
        let shut = Windows::derive(&[], &[], NOW);
        assert_eq!(
            next(&lane(std::slice::from_ref(&a)), &shut, NOW),
            Step::Bury(a.key, Reason::WindowClosed)
        );
    }

    #[test]
    fn patience_grows_to_a_quarter_of_an_hour_and_ends_after_a_day() {
        for (attempts, minutes) in [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (5, 15), (99, 15)] {
            let base = Duration::from_mins(minutes);
            assert_eq!(backoff(attempts, 0), base / 8 * 7);
            assert_eq!(backoff(attempts, u16::MAX), base + base / 8);
        }
        let mut waiting = entry(1, 1, 1, State::Pending);
        waiting.at = NOW.minus(PATIENCE);
        assert!(given_up(&waiting, None, NOW));
        assert!(!given_up(&waiting, Some(NOW), NOW));
    }
}
