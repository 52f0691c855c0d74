//! A turn: a worker takes a parked lane that is due, works on it, and un-parks
//! it or parks it again.
//!
//! Invariant: whatever came into the lane meanwhile is found before it is put
//! down, and so is the earliest entry that anybody has seen in it.

use super::deliver::{Progress, ROUNDS, Worked, due, wakes_held};
use super::{Bridge, Broken, Run, Rung, lane_in, lane_out, receipts};
use crate::journal::{ConversationKey, EntryKey, Lane};
use crate::lane::{self, Parked};
use crate::store::{Park, Taken};

/// How many waiting entries a turn reads at a time.
pub(super) const SLICE: usize = 64;

/// Takes a parked lane that is due and works on it, from the earliest entry
/// that its row names or that was `seen`. Says `false` if it is not parked any
/// more. `rung` are the answers that rang, of which the desk knows nothing yet.
pub(super) async fn turn(
    bridge: &Bridge,
    at: &ConversationKey,
    lane: Lane,
    seen: Option<&EntryKey>,
    rung: &Rung,
    run: &Run,
) -> Result<bool, Broken> {
    let now = bridge.now();
    let until = now.plus(lane::TURN);
    let run = &Run {
        until: run.until.min(until),
        ..run.clone()
    };
    // What is known to wait, and may lie before what the row names.
    let mut earliest = seen.cloned();
    let mut attempts = None;
    for _ in 0..ROUNDS {
        let mut parked = match bridge
            .store
            .take(at, lane, &run.by, bridge.now(), until)
            .await?
        {
            Taken::Ours(parked) => parked,
            Taken::NotNow => {
                // Whoever has it hears of it.
                return match &earliest {
                    Some(earliest) => {
                        Ok(bridge.store.raise(at, lane, Some(earliest), None).await?)
                    }
                    None => Ok(true),
                };
            }
            Taken::Free => return Ok(false),
        };
        if let Some(earliest) = earliest.take_if(|earliest| *earliest < parked.from) {
            parked.from = earliest;
        }
        let mut tried = attempts.unwrap_or(parked.attempts);
        let (worked, complete) = slice(bridge, at, lane, &parked, run).await?;
        if worked.went_on {
            tried = 0;
        }
        let from = parked.from.clone();
        let settled = match worked.progress {
            Progress::Done if complete => {
                bridge
                    .store
                    .unpark(at, lane, &run.by, parked.revision)
                    .await?
            }
            // There is more behind what was read, or what was seen is so no more.
            Progress::Done | Progress::Again => {
                earliest = Some(from);
                false
            }
            Progress::Stopped(stop) => {
                let Some(channel) = worked.channel else {
                    return Ok(true);
                };
                let waited = parked.reason == stop.reason;
                // The first time that it waits for the customer: whatever came
                // while it waited for something else is found in a minute.
                if stop.reason.holds() && !waited {
                    tried = 0;
                }
                if !stop.wait.for_time() {
                    tried = tried.saturating_add(1);
                }
                // Of those that waited already the desk was told. Bells that rang when the
                // lane was about to be worked on left it to us.
                let recent = now.minus(lane::WINDOW_RECHECK);
                let left = |key, at| rung.contains(key) || at >= recent;
                let news = stop.held.iter();
                let news = news.filter(|(key, at)| !waited || left(key, *at));
                let news = news.map(|(key, _)| key);
                receipts::tell_held(bridge, at, news, stop.reason, run).await?;
                let park = Park {
                    channel: &channel,
                    due: due(bridge, &stop, tried),
                    attempts: tried,
                    from: &stop.from,
                    reason: stop.reason,
                    by: &run.by,
                };
                earliest = Some(stop.from.clone());
                bridge
                    .store
                    .park_again(at, lane, parked.revision, &park)
                    .await?
            }
        };
        if settled {
            return Ok(true);
        }
        // Something new came in meanwhile: it is read with what was left.
        attempts = Some(tried);
    }
    // The end of the turn makes the lane due for whoever comes next.
    if let Some(earliest) = &earliest {
        bridge.store.raise(at, lane, Some(earliest), None).await?;
    }
    Ok(true)
}
/// Works on what waits in a taken lane; says whether that was all there is.
async fn slice(
    bridge: &Bridge,
    at: &ConversationKey,
    lane: Lane,
    parked: &Parked,
    run: &Run,
) -> Result<(Worked, bool), Broken> {
    let (mut waiting, complete) = bridge
        .store
        .waiting_from(at, lane, &parked.from, SLICE)
        .await?;
    match lane {
        Lane::In => {
            // The newest page shows an earlier entry whose bell is on its way.
            let look = bridge.store.look(at, |_| true).await?;
            if wakes_held(&look) {
                bridge.store.wake_held(at, bridge.now()).await?;
            }
            let last = waiting.keys().next_back().cloned();
            waiting.retain(|_, entry| look.keeps(entry));
            let seen = look
                .entries
                .into_iter()
                .filter(|(key, _)| complete || last.as_ref().is_some_and(|last| key < last));
            waiting.extend(seen);
            let worked = lane_in::work(bridge, at, look.conversation, &waiting, run).await?;
            Ok((worked, complete))
        }
        Lane::Out => {
            let now = bridge.now();
            let look = bridge
                .store
                .look_for_windows(at, |look| lane_out::shows_all(look, now))
                .await?;
            let mut entries = lane_out::read(bridge, at, &look, &Rung::new()).await?;
            // What was read later is right.
            let waiting = waiting.into_iter().filter(|(_, entry)| look.keeps(entry));
            for (key, entry) in waiting {
                entries.entry(key).or_insert(entry);
            }
            let worked = lane_out::work(bridge, at, look, entries, run).await?;
            Ok((worked, complete))
        }
    }
}
