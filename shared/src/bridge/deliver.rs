//! Lanes are worked on: by `deliver` when a bell rings, by `sweep` when a
//! parked one is due. One path for both; the rules are in [`crate::lane`].

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tracing::error;

use super::turn::{SLICE, turn};
use super::{Bridge, Broken, Ring, Run, Rung, lane_in, lane_out, receipts};
use crate::journal::{ConversationKey, Entry, EntryKey, Lane};
use crate::lane::{self, Parked, backoff};
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::reason::Reason;
use crate::store::{Look, Park};
use crate::tally::Deed;

/// How often a lane is begun anew in one run because others were there too.
pub(super) const ROUNDS: usize = 8;

/// What came of working on a lane.
#[derive(Debug)]
pub(super) enum Progress {
    /// Nothing that we saw waits any more.
    Done,
    /// Somebody else was there: what we saw is no longer so.
    Again,
    /// It cannot go on now.
    Stopped(Stop),
}

/// Why a lane cannot go on, and when it is to be looked at again.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    /// The first entry that waits.
    pub(super) from: EntryKey,
    /// Why.
    pub(super) reason: Reason,
    /// When.
    pub(super) wait: Wait,
    /// The answers that wait for the window with it, by their first parts, and when they
    /// were journalled.
    pub(super) held: Vec<(EntryKey, Moment)>,
}

impl Stop {
    /// A stop at this entry.
    pub(super) fn at(from: EntryKey, reason: Reason, wait: Wait) -> Self {
        Self {
            from,
            reason,
            wait,
            held: Vec::new(),
        }
    }
}

/// When a lane that stopped is to be looked at again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wait {
    /// After the usual patience, and not before this much time.
    Backoff(Duration),
    /// At this moment.
    Until(Moment),
    /// As soon as somebody has time, or as its channel is worked on again.
    Now,
}

impl Wait {
    /// Whether nothing has failed.
    pub(super) fn for_time(self) -> bool {
        matches!(self, Self::Now)
    }
}

/// What came of working on a lane, and whether anything ended on the way.
#[derive(Debug)]
pub(super) struct Worked {
    pub(super) progress: Progress,
    pub(super) went_on: bool,
    pub(super) channel: Option<ChannelId>,
}

/// Works on the lanes that rang. `ends` is when the invocation is over for
/// certain. Answers with the positions of the bells whose lanes could not even
/// be parked: they must ring again.
pub async fn deliver(bridge: &Bridge, rings: &[Ring], ends: Moment) -> Vec<usize> {
    let begun = bridge.now();
    let mut lanes: BTreeMap<(ConversationKey, Lane), (Rung, Vec<usize>)> = BTreeMap::new();
    for (position, ring) in rings.iter().enumerate() {
        let (rung, positions) = lanes.entry((ring.at.clone(), ring.lane())).or_default();
        rung.insert(ring.key.clone());
        positions.push(position);
    }
    let works: Vec<_> = lanes
        .into_iter()
        .map(|((at, lane), (rung, positions))| async move {
            match lane_of_batch(bridge, &at, lane, &rung, begun, ends).await {
                Ok(()) => Vec::new(),
                Err(_) => positions,
            }
        })
        .collect();
    let failed: Vec<Vec<usize>> = stream::iter(works)
        .buffer_unordered(lane::WIDTH)
        .collect()
        .await;
    bridge.changed();
    let mut failed: Vec<usize> = failed.into_iter().flatten().collect();
    failed.sort_unstable();
    failed
}

/// Works on one lane of a batch. Fails only if the lane cannot even be parked.
async fn lane_of_batch(
    bridge: &Bridge,
    at: &ConversationKey,
    lane: Lane,
    rung: &Rung,
    begun: Moment,
    ends: Moment,
) -> Result<(), Broken> {
    let run = bridge.run(lane::RUN, ends);
    let worked = if bridge.now().since(begun) > lane::BEGIN {
        put_off(bridge, at, rung, &run).await
    } else {
        answer_bell(bridge, at, lane, rung, &run).await
    };
    match worked {
        Ok(()) => Ok(()),
        Err(broken) => {
            error!(conversation = %at, error = %broken, "a lane could not be worked on");
            put_off(bridge, at, rung, &run).await
        }
    }
}

impl Bridge {
    /// A run of a worker that puts its lane down after `span`, and at the
    /// latest when the invocation ends.
    pub(super) fn run(&self, span: Duration, ends: Moment) -> Run {
        Run {
            by: self.chance.nonce(),
            begun: self.now(),
            until: self.now().plus(span).min(ends),
            ends,
        }
    }
}

/// Looks at a lane whose bell rang.
async fn answer_bell(
    bridge: &Bridge,
    at: &ConversationKey,
    lane: Lane,
    rung: &Rung,
    run: &Run,
) -> Result<(), Broken> {
    for _ in 0..ROUNDS {
        let look = read(bridge, at, lane, rung).await?;
        if lane == Lane::In {
            bridge.note_leaving(at, &look).await?;
        }
        let wakes = lane == Lane::In && wakes_held(&look);
        if wakes {
            bridge.store.wake_held(at, bridge.now()).await?;
        }
        // A look shows inbound entries: of an outbound lane it knows only what
        // rang.
        let earliest = waiting(&look)
            .next()
            .filter(|_| lane == Lane::In)
            .or(rung.first());
        let done = match look.parked.get(&lane) {
            Some(parked)
                if parked.due <= bridge.now() && !left_alone(bridge, lane, &look).await? =>
            {
                turn(bridge, at, lane, earliest, rung, run).await?
            }
            Some(_) => {
                let raised = bridge.store.raise_seen(at, lane, earliest, None).await?;
                let waits = |parked: &&Parked| waits_for_customer(parked, bridge.now());
                match raised.as_ref().filter(waits).filter(|_| lane == Lane::Out) {
                    Some(parked) => join_held(bridge, at, parked, rung, run).await?,
                    None => raised.is_some(),
                }
            }
            None => free(bridge, at, lane, look, rung, run).await?,
        };
        if !done {
            continue;
        }
        if wakes {
            turn(bridge, at, Lane::Out, None, &Rung::new(), run).await?;
        }
        return Ok(());
    }
    put_off(bridge, at, rung, run).await
}

/// Tells the desk of answers that join those which wait for the customer. A notice among them
/// waits for nobody. Says whether that was all.
async fn join_held(
    bridge: &Bridge,
    at: &ConversationKey,
    parked: &Parked,
    rung: &Rung,
    run: &Run,
) -> Result<bool, Broken> {
    let answers = rung.iter().filter(|key| key.part() == 1);
    let notice = receipts::tell_held(bridge, at, answers, parked.reason, run).await?;
    if !notice {
        return Ok(true);
    }
    bridge.store.wake_held(at, bridge.now()).await?;
    turn(bridge, at, Lane::Out, rung.first(), &Rung::new(), run).await
}

/// Whether a lane waits for the window and nobody works on it or is about to, who may find
/// another one open by now.
fn waits_for_customer(parked: &Parked, now: Moment) -> bool {
    parked.reason.holds() && parked.by.is_none() && parked.due > now
}

/// Whether a lane is due that nobody works on for now: its channel is suspended,
/// or its desk is down.
async fn left_alone(bridge: &Bridge, lane: Lane, look: &Look) -> Result<bool, Broken> {
    let Some(conversation) = &look.conversation else {
        return Ok(false);
    };
    let Some(channel) = bridge.working_channel(&conversation.channel).await? else {
        return Ok(false);
    };
    Ok(channel.suspended || (lane == Lane::In && bridge.desk_is_down(&channel).await?))
}

/// Reads what a look at this lane must show.
async fn read(
    bridge: &Bridge,
    at: &ConversationKey,
    lane: Lane,
    rung: &Rung,
) -> Result<Look, Broken> {
    let now = bridge.now();
    let mut look = match lane {
        // Of a parked lane no more is needed than that it is.
        Lane::In => {
            let enough =
                |look: &Look| look.meets_an_ended_entry() || look.parked.contains_key(&Lane::In);
            bridge.store.look(at, enough).await?
        }
        Lane::Out => {
            bridge
                .store
                .look_for_windows(at, |look| lane_out::shows_all(look, now))
                .await?
        }
    };
    if lane == Lane::In {
        let mut entries = std::mem::take(&mut look.entries);
        read_below(bridge, at, lane, rung, &mut entries).await?;
        entries.retain(|_, entry| look.keeps(entry));
        look.entries = entries;
    }
    Ok(look)
}

/// Reads what rang below the entries that are known, and what waits beside it: a
/// late push, the later parts of an answer.
pub(super) async fn read_below(
    bridge: &Bridge,
    at: &ConversationKey,
    lane: Lane,
    rung: &Rung,
    known: &mut BTreeMap<EntryKey, Entry>,
) -> Result<(), Broken> {
    let mut below = rung.iter().filter(|key| key.lane() == lane);
    if let Some(lowest) = below.find(|key| !known.contains_key(key)) {
        let (waiting, _) = bridge.store.waiting_from(at, lane, lowest, SLICE).await?;
        for (key, entry) in waiting {
            known.entry(key).or_insert(entry);
        }
    }
    Ok(())
}

fn waiting(look: &Look) -> impl Iterator<Item = &EntryKey> {
    look.entries
        .values()
        .filter(|entry| !entry.state.ended())
        .map(|entry| &entry.key)
}

/// Whether something new came that lets a held answer go, or die.
pub(super) fn wakes_held(look: &Look) -> bool {
    let held = look.parked.get(&Lane::Out);
    held.is_some_and(|parked| parked.reason.holds())
        && look
            .entries
            .values()
            .any(|entry| !entry.state.ended() && crate::window::Opening::of(entry).is_some())
}

/// Works on a lane that is not parked. Says whether that was all.
async fn free(
    bridge: &Bridge,
    at: &ConversationKey,
    lane: Lane,
    look: Look,
    rung: &Rung,
    run: &Run,
) -> Result<bool, Broken> {
    let worked = match lane {
        Lane::In => lane_in::work(bridge, at, look.conversation, &look.entries, run).await?,
        Lane::Out => {
            let entries = lane_out::read(bridge, at, &look, rung).await?;
            lane_out::work(bridge, at, look, entries, run).await?
        }
    };
    match (worked.progress, worked.channel) {
        (Progress::Done, _) | (_, None) => Ok(true),
        (Progress::Again, _) => Ok(false),
        (Progress::Stopped(stop), Some(channel)) => {
            let held = stop.held.iter().map(|(key, _)| key);
            receipts::tell_held(bridge, at, held, stop.reason, run).await?;
            let attempts = u32::from(!stop.wait.for_time());
            let park = Park {
                channel: &channel,
                due: due(bridge, &stop, attempts),
                attempts,
                from: &stop.from,
                reason: stop.reason,
                by: &run.by,
            };
            if bridge.store.park(at, lane, &park).await? {
                let deed = Deed::Parked(stop.reason);
                bridge.tally.note(at, &stop.from, deed);
                return Ok(true);
            }
            Ok(bridge.store.raise(at, lane, Some(&stop.from), None).await?)
        }
    }
}

pub(super) fn due(bridge: &Bridge, stop: &Stop, attempts: u32) -> Moment {
    let now = bridge.now();
    match stop.wait {
        Wait::Now => now,
        Wait::Backoff(least) => now.plus(backoff(attempts, bridge.chance.jitter()).max(least)),
        Wait::Until(until) if stop.reason.holds() && attempts <= 1 => {
            until.min(now.plus(lane::WINDOW_RECHECK))
        }
        Wait::Until(until) => until,
    }
}

/// Parks a lane due now, because this run has no time for it or met a failure
/// of ours.
async fn put_off(
    bridge: &Bridge,
    at: &ConversationKey,
    rung: &Rung,
    run: &Run,
) -> Result<(), Broken> {
    let Some(from) = rung.first() else {
        return Ok(());
    };
    let Some(entry) = bridge.store.entry(at, from).await? else {
        return Ok(());
    };
    for _ in 0..ROUNDS {
        let park = Park {
            channel: &entry.origin.channel,
            due: bridge.now(),
            attempts: 0,
            from,
            reason: Reason::OutOfTime,
            by: &run.by,
        };
        if bridge.store.park(at, from.lane(), &park).await? {
            bridge.tally.note(at, from, Deed::Parked(park.reason));
            return Ok(());
        }
        let raised = bridge.store.raise(at, from.lane(), Some(from), None);
        if raised.await? {
            return Ok(());
        }
    }
    Ok(())
}
