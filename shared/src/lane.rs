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
//!   One exception: a notice needs no window, so it passes answers that wait for the
//!   customer. It is what brings them back.
//! * **Where no window is open** an answer dies, unless its channel has a fallback: then one
//!   notice goes out for all answers that wait, and they wait for the customer after it.
//!   There is no other one before the customer did something.
//! * **Exclusion.** An unparked inbound lane needs none, since a desk knows a
//!   repeat by its id. An outbound entry is claimed before WeChat is called,
//!   and a worker that meets another's live claim sends nothing.
//! * **Uncertain sends** are never repeated by themselves.
//! * **Parking.** A lane that cannot go on has a row that says when to look
//!   again. Who finds the row raises its revision instead of going ahead; who
//!   takes it away does so only on the revision that it has seen.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::conversation::Called;
use crate::journal::{Entry, EntryKey, State};
use crate::message::Body;
use crate::moment::Moment;
use crate::reason::Reason;
use crate::rich::Rich;
use crate::window::{Opening, Verdict, Windows};

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
/// How often a template message is sent again at once whose answer was lost. WeChat knows it
/// by our id, for ten minutes.
pub const LOST_TRIES: u32 = 1;
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
    /// This entry waits for the customer, at most until then, for this reason.
    Hold(EntryKey, Moment, Reason),
    /// A notice is to ask the customer back, on behalf of this answer.
    Call(EntryKey),
    /// Claim this entry for that window and send it; a notice needs none.
    Send(EntryKey, Option<EntryKey>),
}

/// How a channel asks its customers back where no window is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recall {
    /// How long answers wait for the customer after a notice.
    pub wait: Duration,
    /// The last notice, if the customer has done nothing since.
    pub last: Option<Called>,
}

impl Recall {
    /// What is known of the last notice; `openings` reach back to it, or to the customer's
    /// last message.
    #[must_use]
    pub fn of(wait: Duration, called: Option<&Called>, openings: &[Opening]) -> Self {
        let back = |called: &&Called| {
            let mut opens = openings.iter().filter(|opening| opening.opens.is_some());
            opens.any(|opening| opening.at > called.at)
        };
        Self {
            wait,
            last: called.filter(|called| !back(called)).cloned(),
        }
    }

    fn is_last(&self, key: &EntryKey) -> bool {
        self.last.as_ref().is_some_and(|last| last.key == *key)
    }
}

/// Whether an entry is a notice, which needs no window.
#[must_use]
pub fn is_notice(entry: &Entry) -> bool {
    matches!(entry.body, Body::Rich(Rich::Notice(_)))
}

/// Whether an entry is a notice that asks the customer back: nobody said it.
#[must_use]
pub fn is_call(entry: &Entry) -> bool {
    is_notice(entry) && entry.answer.is_none()
}

/// Decides the next step of an outbound lane. `recall` is there if the channel has a fallback.
#[must_use]
pub fn next(entries: &Outgoing, windows: &Windows, recall: Option<&Recall>, now: Moment) -> Step {
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
    let waiting = || entries.values().filter(|e| e.state == State::Pending);
    let answer = waiting().find(|entry| !is_notice(entry));
    let step = answer.map(|entry| of_answer(entry, entries, windows, recall, now));
    let Some(notice) = waiting().find(|entry| is_notice(entry)) else {
        return step.unwrap_or(Step::Idle);
    };
    let first = answer.is_none_or(|answer| notice.key < answer.key);
    match step {
        // It passes what waits for the customer, and nothing else.
        Some(Step::Hold(..) | Step::Call(_)) => of_notice(notice, answer, windows, recall),
        Some(step) if !first => step,
        _ => of_notice(notice, answer, windows, recall),
    }
}

/// What is to be done with the earliest answer that waits.
fn of_answer(
    entry: &Entry,
    entries: &Outgoing,
    windows: &Windows,
    recall: Option<&Recall>,
    now: Moment,
) -> Step {
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
    match (windows.verdict(rest), recall) {
        (Verdict::Open(window), _) => Step::Send(entry.key.clone(), Some(window)),
        (Verdict::Hold(until), _) => Step::Hold(entry.key.clone(), until, Reason::WindowFull),
        (Verdict::Refuse(Reason::WindowClosed), Some(recall)) => shut(entry, entries, recall, now),
        (Verdict::Refuse(reason), _) => Step::Bury(entry.key.clone(), reason),
    }
}

/// What is to be done with an answer for which no window is open, in a channel that asks its
/// customers back.
fn shut(entry: &Entry, entries: &Outgoing, recall: &Recall, now: Moment) -> Step {
    let key = entry.key.clone();
    let Some(last) = &recall.last else {
        return Step::Call(key);
    };
    let until = last.at.plus(recall.wait);
    if now >= until {
        return Step::Bury(key, Reason::WindowClosed);
    }
    match entries.get(&last.key) {
        None => Step::Fetch(last.key.clone()),
        Some(notice) => match notice.state {
            State::Pending => Step::Send(last.key.clone(), None),
            // One whose fate nobody knows may have arrived.
            State::Dead if notice.reason != Some(Reason::Uncertain) => {
                Step::Bury(key, Reason::WindowClosed)
            }
            _ => Step::Hold(key, until, Reason::CustomerNotified),
        },
    }
}

/// What is to be done with a notice that waits, in front of `answer` if one waits.
fn of_notice(
    notice: &Entry,
    answer: Option<&Entry>,
    windows: &Windows,
    recall: Option<&Recall>,
) -> Step {
    let key = notice.key.clone();
    let asked = !is_call(notice) || notice.redriven.is_some();
    let calls = answer.is_some() && recall.is_some_and(|recall| recall.is_last(&key));
    match windows.verdict(1) {
        _ if asked => Step::Send(key, None),
        Verdict::Refuse(Reason::WindowClosed) if calls => Step::Send(key, None),
        Verdict::Refuse(reason) if reason != Reason::WindowClosed => Step::Bury(key, reason),
        _ => Step::Bury(key, Reason::NoticeNotNeeded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Claim, Class, Origin};
    use crate::message::{Body, ChannelId, MessageId};
    use crate::notice::{Notice, Way};
    use crate::opens::Opens;
    use crate::window::{Opening, Used};

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
                Step::Send(a.key.clone(), Some(window.clone())),
            ),
            (vec![a.clone(), claimed(b.clone(), soon)], Step::Wait(soon)),
            (
                vec![a.clone(), claimed(b.clone(), NOW)],
                Step::Bury(b.key.clone(), Reason::Uncertain),
            ),
        ] {
            assert_eq!(next(&lane(&entries), &open(), None, NOW), expected);
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
                Step::Send(two.key.clone(), Some(window)),
            ),
        ] {
            assert_eq!(next(&lane(&entries), &open(), None, NOW), expected);
        }
    }

    #[test]
    fn an_answer_without_a_window_dies_at_once() {
        let a = entry(1, 1, 1, State::Pending);
        let shut = Windows::derive(&[], &[], NOW);
        assert_eq!(
            next(&lane(std::slice::from_ref(&a)), &shut, None, NOW),
            Step::Bury(a.key, Reason::WindowClosed)
        );
    }

    fn notice(mut entry: Entry) -> Entry {
        let notice = Notice {
            way: Way::Template,
            template_id: "t".into(),
            title: None,
            data: BTreeMap::new(),
            url: None,
            mini_program: None,
        };
        entry.body = Body::Rich(Rich::Notice(notice));
        entry
    }

    /// The notice that asks the customer back.
    fn call(time: i64, state: State) -> Entry {
        let mut call = notice(entry(time, 1, 1, state));
        call.answer = None;
        call
    }

    fn shut() -> Windows {
        Windows::derive(&[], &[], NOW)
    }

    fn full() -> Windows {
        let opening = Opening {
            key: EntryKey::message(1, "1"),
            at: NOW,
            opens: Some(Opens::Message),
        };
        let used = Used {
            window: None,
            exhausted: Some(opening.key.clone()),
        };
        Windows::derive(&[opening], &[used], NOW)
    }

    const WAIT: Duration = Duration::from_hours(48);

    /// A channel that asks back, and that did so `ago` with this notice.
    fn recall(last: Option<(&Entry, Duration)>) -> Recall {
        let last = last.map(|(call, ago)| Called {
            key: call.key.clone(),
            at: NOW.minus(ago),
        });
        Recall { wait: WAIT, last }
    }

    #[test]
    fn a_notice_needs_no_window_and_passes_only_what_waits_for_the_customer() {
        let a = entry(1, 1, 1, State::Pending);
        let n = notice(entry(2, 1, 1, State::Pending));
        let early = notice(entry(0, 1, 1, State::Pending));
        let to_all = Step::Send(n.key.clone(), None);
        let window = Some(EntryKey::message(1, "1"));
        let soon = NOW.plus(Duration::from_secs(1));
        let check = |entries: &[&Entry], windows: &Windows, expected: Step| {
            let entries: Vec<Entry> = entries.iter().copied().cloned().collect();
            assert_eq!(next(&lane(&entries), windows, None, NOW), expected);
        };
        check(&[&n], &shut(), to_all.clone());
        check(&[&a, &n], &full(), to_all);
        check(&[&a, &n], &open(), Step::Send(a.key.clone(), window));
        check(&[&early, &a], &open(), Step::Send(early.key.clone(), None));
        let dies = Step::Bury(a.key.clone(), Reason::WindowClosed);
        check(&[&a, &n], &shut(), dies);
        let live = claimed(entry(3, 1, 1, State::Pending), soon);
        check(&[&a, &n, &live], &full(), Step::Wait(soon));
    }

    #[test]
    fn one_notice_goes_out_for_all_answers_that_wait() {
        let (a, b) = (
            entry(1, 1, 1, State::Pending),
            entry(5, 1, 1, State::Pending),
        );
        let hour = Duration::from_hours(1);
        let check = |entries: &[&Entry], recall: &Recall, expected: Step| {
            let entries: Vec<Entry> = entries.iter().copied().cloned().collect();
            assert_eq!(next(&lane(&entries), &shut(), Some(recall), NOW), expected);
        };
        check(&[&a, &b], &recall(None), Step::Call(a.key.clone()));
        let waits = call(2, State::Pending);
        let last = recall(Some((&waits, Duration::ZERO)));
        check(
            &[&a, &waits, &b],
            &last,
            Step::Send(waits.key.clone(), None),
        );
        check(&[&a], &last, Step::Fetch(waits.key.clone()));
        let sent = call(2, State::Delivered);
        let last = recall(Some((&sent, hour)));
        let until = NOW.minus(hour).plus(WAIT);
        let held = Step::Hold(a.key.clone(), until, Reason::CustomerNotified);
        check(&[&a, &sent, &b], &last, held.clone());
        let mut unsure = call(2, State::Dead);
        unsure.reason = Some(Reason::Uncertain);
        check(&[&a, &unsure], &last, held);
        unsure.reason = Some(Reason::NotSubscribed);
        let dies = Step::Bury(a.key.clone(), Reason::WindowClosed);
        check(&[&a, &unsure], &last, dies.clone());
        check(&[&a, &sent], &recall(Some((&sent, WAIT))), dies);
    }

    #[test]
    fn a_notice_that_nobody_needs_any_more_does_not_go_out() {
        let a = entry(1, 1, 1, State::Pending);
        let waits = call(2, State::Pending);
        let last = recall(Some((&waits, Duration::ZERO)));
        let check = |entries: &[&Entry], windows: &Windows, recall: Option<&Recall>, reason| {
            let entries: Vec<Entry> = entries.iter().copied().cloned().collect();
            let expected = Step::Bury(waits.key.clone(), reason);
            assert_eq!(next(&lane(&entries), windows, recall, NOW), expected);
        };
        let needless = Reason::NoticeNotNeeded;
        check(&[&waits], &shut(), Some(&last), needless);
        check(&[&waits], &shut(), None, needless);
        check(&[&a, &waits], &full(), Some(&last), needless);
        check(&[&waits], &unfollowed(), Some(&last), Reason::Unfollowed);
        // Whoever sends it again by hand wants it sent.
        let mut again = waits.clone();
        again.redriven = Some(NOW);
        let step = next(&lane(std::slice::from_ref(&again)), &open(), None, NOW);
        assert_eq!(step, Step::Send(again.key, None));
    }

    fn unfollowed() -> Windows {
        let opening = Opening {
            key: EntryKey::hashed(1, Class::Unfollow, b"u"),
            at: NOW,
            opens: None,
        };
        Windows::derive(&[opening], &[], NOW)
    }

    #[test]
    fn the_last_notice_counts_until_the_customer_is_back() {
        let called = Called {
            key: EntryKey::message(9, "1"),
            at: NOW,
        };
        let opening = |at, opens| Opening {
            key: EntryKey::message(1, "1"),
            at,
            opens,
        };
        let later = NOW.plus(Duration::from_millis(1));
        for (openings, known) in [
            (vec![], true),
            (vec![opening(NOW, Some(Opens::Message))], true),
            (vec![opening(later, None)], true),
            (vec![opening(later, Some(Opens::Moment))], false),
            (vec![opening(later, Some(Opens::Message))], false),
        ] {
            let recall = Recall::of(WAIT, Some(&called), &openings);
            assert_eq!(recall.last.is_some(), known, "{openings:?}");
        }
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
