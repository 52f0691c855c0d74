//! Every minute: lanes and timers that are due, through the same lane code.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tracing::{error, info};

use super::turn::turn;
use super::{Bridge, Broken, Rung, breaker};
use crate::channel::{Channel, DeskSettings};
use crate::conversation::Conversation;
use crate::journal::{Class, ConversationKey, Lane, Origin, SHARDS};
use crate::lane;
use crate::message::{ChannelId, EndCause};
use crate::moment::Moment;
use crate::store::Due;
use crate::window::MESSAGE_SPAN;

/// How many rows of an index are read at a time.
const PAGE: i32 = 100;
/// How long a lane may be worked on in a sweep.
const SPAN: Duration = Duration::from_secs(25);
/// How much of a sweep's time a channel has at the least.
const SHARE: Duration = Duration::from_secs(10);
/// When a session's timer looks again after it has ended its session: should
/// that have failed, it is found.
const RECHECK: Duration = Duration::from_hours(1);
/// How long a sweep erases what is left of one channel.
const PURGE: Duration = Duration::from_secs(15);
/// How long the last worker may believe in a channel that was deleted: it has
/// read it just before, and is at work when that grows old.
const BELIEVED: Duration = Duration::from_mins(2);

/// Works on everything that is due, until nothing is or `ends` is near.
pub async fn sweep(bridge: &Bridge, ends: Moment) -> Result<(), Broken> {
    let mut ids = bridge.store.channel_ids().await?;
    // Each minute another one is the first, and none has more than its share of
    // the time that is left: a slow desk keeps no other channel waiting.
    let minute = usize::try_from(bridge.now().seconds() / 60).unwrap_or(0);
    let first = minute % ids.len().max(1);
    ids.rotate_left(first);
    for (done, id) in ids.iter().enumerate() {
        let now = bridge.now();
        if near(bridge, ends) {
            break;
        }
        let left = u32::try_from(ids.len() - done).unwrap_or(u32::MAX);
        let share = (ends.since(now) / left).max(SHARE);
        let ends = now.plus(share).min(ends);
        // A channel that cannot be swept is no reason to leave out the others.
        if let Err(broken) = channel(bridge, id, ends).await {
            error!(channel = %id, error = %broken, "a channel could not be swept");
        }
    }
    bridge.changed();
    Ok(())
}

fn near(bridge: &Bridge, ends: Moment) -> bool {
    bridge.now().plus(lane::ATTEMPT) > ends
}

async fn channel(bridge: &Bridge, id: &ChannelId, ends: Moment) -> Result<(), Broken> {
    let Some(channel) = bridge.store.channel(id).await? else {
        // A creation that was never finished, or a removal.
        return Ok(());
    };
    if channel.deleted {
        return purge(bridge, &channel, ends).await;
    }
    // It waits neither for the desk nor for the end of a suspension.
    if let Err(broken) = bridge
        .go_on_erasing(id, ends.min(bridge.now().plus(PURGE)))
        .await
    {
        error!(channel = %id, error = %broken, "the erasures of a channel could not be looked at");
    }
    if channel.suspended {
        return Ok(());
    }
    bridge.remember(&channel);
    let mut breaker = bridge.read_breaker(id).await?;
    // It was another desk's.
    if breaker.is_some() && channel.desk == DeskSettings::Inbox {
        bridge.store.close_breaker(id).await?;
        breaker = None;
    }
    work(bridge, id, ends).await?;
    // What waits for another desk, or for none, does not wait for the probe.
    if let Some(probed) = breaker
        && probe(bridge, &channel, probed, ends).await?
    {
        bridge.believe(id, false);
        work(bridge, id, ends).await?;
    }
    Ok(())
}

/// Works on what is due of a channel, but for lanes whose desk is down.
async fn work(bridge: &Bridge, id: &ChannelId, ends: Moment) -> Result<(), Broken> {
    for shard in 0..SHARDS {
        loop {
            // Lanes that are left alone from now on stay due: they are not
            // taken up again and again.
            let Some(channel) = bridge.working_channel(id).await? else {
                return Ok(());
            };
            if channel.suspended {
                return Ok(());
            }
            let down = bridge.desk_is_down(&channel).await?;
            let due = bridge
                .store
                .due(id, shard, bridge.now(), down, PAGE)
                .await?;
            if due.is_empty() || near(bridge, ends) {
                break;
            }
            let more = due.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
            let works: Vec<_> = due
                .into_iter()
                .map(|due| one(bridge, &channel, due, ends))
                .collect();
            let () = stream::iter(works)
                .buffer_unordered(lane::WIDTH)
                .collect()
                .await;
            if !more {
                break;
            }
        }
    }
    Ok(())
}

async fn one(bridge: &Bridge, channel: &Channel, due: Due, ends: Moment) {
    let done = match &due {
        Due::Lane { at, lane, .. } => {
            let run = bridge.run(SPAN, ends);
            let nothing = Rung::new();
            let turn = turn(bridge, at, *lane, None, &nothing, &run);
            turn.await.map(|_| ())
        }
        Due::Session { at, due } => timer(bridge, channel, at, *due).await,
    };
    if let Err(broken) = done {
        error!(channel = %channel.id, error = %broken, "something due could not be done");
    }
}

/// Lets one lane of a desk that is down try its luck, once a minute. Says
/// whether the desk is back.
async fn probe(
    bridge: &Bridge,
    channel: &Channel,
    probed: Moment,
    ends: Moment,
) -> Result<bool, Broken> {
    let now = bridge.now();
    if now.since(probed) < breaker::PROBE
        || !bridge.store.take_probe(&channel.id, probed, now).await?
    {
        return Ok(false);
    }
    for shard in 0..SHARDS {
        let due = bridge
            .store
            .due(&channel.id, shard, now, false, PAGE)
            .await?;
        let lane = due.into_iter().find_map(|due| match due {
            Due::Lane {
                at, lane: Lane::In, ..
            } => Some(at),
            _ => None,
        });
        let Some(at) = lane else { continue };
        bridge.believe(&channel.id, false);
        let run = bridge.run(lane::RUN, ends);
        // A lane that fails for reasons of its own says nothing of the desk.
        if let Err(broken) = turn(bridge, &at, Lane::In, None, &Rung::new(), &run).await {
            error!(channel = %channel.id, error = %broken, "a lane could not probe the desk");
            continue;
        }
        // A lane that ended without the desk's help says nothing of it.
        if bridge.desk_was_heard(&channel.id, now) {
            bridge.store.close_breaker(&channel.id).await?;
            info!(channel = %channel.id, "the desk is back");
            return Ok(true);
        }
        bridge.believe(&channel.id, true);
        // It waited for the desk, not for its own patience.
        let due = Some(bridge.now());
        bridge.store.raise(&at, Lane::In, None, due).await?;
        if bridge.desk_has_failed(&channel.id, now) {
            break;
        }
    }
    Ok(false)
}

/// A session's timer: it ends the session, unless the customer wrote since.
async fn timer(
    bridge: &Bridge,
    channel: &Channel,
    at: &ConversationKey,
    due: Moment,
) -> Result<(), Broken> {
    let now = bridge.now();
    let look = bridge
        .store
        .look(at, |look| {
            look.entries.values().any(|entry| {
                entry.key.class() == Some(Class::Message) || now.since(entry.at) > MESSAGE_SPAN
            })
        })
        .await?;
    let Some(Conversation {
        session: Some(session),
        customer,
        ..
    }) = look.conversation
    else {
        bridge.store.stop_timer(at, due).await?;
        return Ok(());
    };
    let newest = look
        .entries
        .values()
        .rev()
        .find(|entry| entry.key.class() == Some(Class::Message));
    if let Some(newest) = newest.filter(|entry| entry.at.plus(MESSAGE_SPAN) > now) {
        bridge
            .store
            .move_timer(at, due, newest.at.plus(MESSAGE_SPAN))
            .await?;
        return Ok(());
    }
    let origin = Origin::ours(&channel.id);
    // Behind everything that was read, however far ahead WeChat's clock is.
    let last = newest.and_then(|entry| entry.key.seconds()).unwrap_or(0);
    let seconds = u64::try_from(due.seconds().max(last)).unwrap_or(0);
    let end = bridge
        .session_end_at(seconds, origin, &session.id, EndCause::Silence)
        .for_customer(&customer);
    bridge.store.put_entry(at, &end, None).await?;
    bridge.store.move_timer(at, due, now.plus(RECHECK)).await?;
    bridge.ring(at, &end.key);
    Ok(())
}

/// Removes what is left of a deleted channel, as far as there is time; the next
/// sweep goes on. Who has read the channel before may believe in it for a while
/// and begin conversations: its row stays that long, so that they are found.
async fn purge(bridge: &Bridge, channel: &Channel, ends: Moment) -> Result<(), Broken> {
    // Other channels wait for this sweep too.
    let ends = ends.min(bridge.now().plus(PURGE));
    loop {
        let left = bridge.store.left_of(&channel.id).await?;
        if left.is_empty() {
            break;
        }
        let mut rows = 0;
        for at in left {
            match erase(bridge, &at, ends).await? {
                Some(erased) => rows += erased,
                None => return Ok(()),
            }
        }
        if rows == 0 {
            // The index has not heard of the last erasure.
            return Ok(());
        }
    }
    let own = ConversationKey::of_channel(&channel.id);
    if erase(bridge, &own, ends).await?.is_none() {
        return Ok(());
    }
    while !bridge.store.forget_some_qrcodes(&channel.id).await? {
        if near(bridge, ends) {
            return Ok(());
        }
    }
    bridge.secrets.remove_channel(&channel.id).await?;
    let retired = bridge.store.retired(&channel.id).await?;
    if retired.is_some_and(|retired| bridge.now() < retired.plus(BELIEVED)) {
        return Ok(());
    }
    // The last who believed in it may have fetched a file until now.
    while !bridge.forget_some_files(&channel.id, None).await? {
        if near(bridge, ends) {
            return Ok(());
        }
    }
    bridge.store.forget_channel(&channel.id).await?;
    bridge.forget(&channel.id);
    info!(channel = %channel.id, "a deleted channel is gone");
    Ok(())
}

/// Erases a conversation. Says how many rows it had, or `None` if the time was
/// too short.
async fn erase(
    bridge: &Bridge,
    at: &ConversationKey,
    ends: Moment,
) -> Result<Option<usize>, Broken> {
    let mut rows = 0;
    while !near(bridge, ends) {
        let erased = bridge.store.erase_some(at).await?;
        rows += erased.rows;
        if erased.all {
            return Ok(Some(rows));
        }
    }
    Ok(None)
}
