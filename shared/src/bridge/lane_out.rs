//! An outbound lane: an agent's answers go to WeChat, one at a time.

use std::time::Duration;

use super::deliver::{Progress, Stop, Wait, Worked, read_below};
use super::part::Part;
use super::{Bridge, Broken, Run, Rung, expires};
use crate::channel::Channel;
use crate::conversation::Called;
use crate::journal::{ConversationKey, Entry, EntryKey, Lane, Origin, State};
use crate::lane::{self, Outgoing, Recall, Step};
use crate::message::{Body, CustomerId, OpenId, Outcome};
use crate::moment::Moment;
use crate::opens::Opens;
use crate::reason::Reason;
use crate::store::{Death, Holder, Look};
use crate::tally::Deed;
use crate::window::{MESSAGE_SPAN, Opening, Used, Windows};

/// How long the reply to a push is on its way, from the first attempt: most of it is the
/// write that comes before it, and a lane has to end within its run.
pub(super) const REPLY_WAY: Duration = Duration::from_secs(1);

/// Whether a look goes back far enough to know every open window: to the last
/// message, to an unfollow, or for 48 hours.
pub(super) fn shows_windows(look: &Look, now: Moment) -> bool {
    look.entries.values().any(|entry| {
        let decides =
            Opening::of(entry).is_some_and(|opening| opening.opens != Some(Opens::Moment));
        decides || now.since(entry.at) > MESSAGE_SPAN
    })
}

/// The same for who is to decide about the lane: it goes back to the last notice that asked
/// the customer back, too, unless the customer did something since.
pub(super) fn shows_all(look: &Look, now: Moment) -> bool {
    let called = look.conversation.as_ref().and_then(|c| c.called.as_ref());
    let since = |called: &Called| {
        look.entries.values().any(|entry| {
            let back = Opening::of(entry).is_some_and(|opening| opening.opens.is_some());
            entry.at <= called.at || back
        })
    };
    shows_windows(look, now) && called.is_none_or(since)
}

pub(crate) fn openings(look: &Look) -> Vec<Opening> {
    look.entries.values().filter_map(Opening::of).collect()
}

/// Reads the newest entries of the lane, as far back as windows and order
/// need, and what rang below them.
pub(super) async fn read(
    bridge: &Bridge,
    at: &ConversationKey,
    look: &Look,
    rung: &Rung,
) -> Result<Outgoing, Broken> {
    let openings = openings(look);
    let now = bridge.now();
    let late = look
        .conversation
        .as_ref()
        .and_then(|c| c.late_sends.as_ref());
    let late = late.filter(|late| now < late.until);
    let below_late = |entries: &Outgoing| {
        let lowest = entries.keys().next();
        late.is_none_or(|late| lowest.is_some_and(|lowest| *lowest <= late.lowest))
    };
    let mut entries = bridge
        .store
        .outgoing(at, |entries| {
            entries.values().any(|entry| entry.state.ended()) && below_late(entries) && {
                let used: Vec<_> = entries.values().filter_map(Used::of).collect();
                Windows::reaches(&openings, &used, now)
            }
        })
        .await?;
    read_below(bridge, at, Lane::Out, rung, &mut entries).await?;
    entries.retain(|_, entry| look.keeps(entry));
    Ok(entries)
}

/// The windows as these entries and this look show them.
pub(crate) fn windows(look: &Look, entries: &Outgoing, now: Moment) -> Windows {
    let used: Vec<Used> = entries.values().filter_map(Used::of).collect();
    Windows::derive(&openings(look), &used, now)
}

/// Everything that the entries of one lane share.
pub(super) struct Context<'a> {
    pub(super) bridge: &'a Bridge,
    pub(super) at: &'a ConversationKey,
    pub(super) channel: &'a Channel,
    pub(super) open_id: &'a OpenId,
    pub(super) customer: &'a CustomerId,
    pub(super) run: &'a Run,
    pub(super) look: &'a Look,
    pub(super) entries: Outgoing,
    /// How the channel asks the customer back, if it does.
    pub(super) recall: Option<Recall>,
    /// Answers whose last part has arrived.
    arrived: Vec<Entry>,
    went_on: bool,
}

/// Works on what waits, earliest first, until it is done or cannot go on.
pub(super) async fn work(
    bridge: &Bridge,
    at: &ConversationKey,
    look: Look,
    entries: Outgoing,
    run: &Run,
) -> Result<Worked, Broken> {
    let first = entries.values().find(|entry| !entry.state.ended());
    let Some(first) = first.map(|entry| (entry.key.clone(), entry.origin.channel.clone())) else {
        return Ok(Worked {
            progress: Progress::Done,
            went_on: false,
            channel: None,
        });
    };
    let (first, id) = first;
    let channel = bridge.working_channel(&id).await?;
    let (progress, went_on) = match (channel, &look.conversation) {
        (Some(channel), Some(_)) if channel.suspended => {
            (stop(first, Reason::Suspended, Wait::Now), false)
        }
        (Some(channel), Some(conversation)) => {
            let mut lane = Context {
                bridge,
                at,
                channel: &channel,
                open_id: &conversation.open_id,
                customer: &conversation.customer,
                run,
                look: &look,
                entries,
                recall: channel.fallback.as_ref().map(|fallback| {
                    let called = conversation.called.as_ref();
                    Recall::of(fallback.wait(), called, &openings(&look))
                }),
                arrived: Vec::new(),
                went_on: false,
            };
            let progress = lane.advance().await;
            lane.tell_arrived().await?;
            (progress?, lane.went_on)
        }
        // The channel was deleted, or the conversation erased.
        _ => (bury_all(bridge, at, &entries).await?, true),
    };
    Ok(Worked {
        progress,
        went_on,
        channel: Some(id),
    })
}

fn stop(from: EntryKey, reason: Reason, wait: Wait) -> Progress {
    Progress::Stopped(Stop::at(from, reason, wait))
}

/// Ends everything that waits in a lane whose channel or conversation is gone.
async fn bury_all(
    bridge: &Bridge,
    at: &ConversationKey,
    entries: &Outgoing,
) -> Result<Progress, Broken> {
    for entry in entries.values().filter(|entry| !entry.state.ended()) {
        let now = bridge.now();
        let death = Death {
            entry,
            holder: Holder::of(entry),
            reason: Reason::ChannelDeleted,
            now,
            expires: expires(None, now),
        };
        if bridge.store.bury(at, &death).await? {
            bridge
                .tally
                .note(at, &entry.key, Deed::Died(Reason::ChannelDeleted));
        }
    }
    Ok(Progress::Done)
}

fn dead(entries: &mut Outgoing, key: &EntryKey, reason: Reason) {
    if let Some(entry) = entries.get_mut(key) {
        entry.state = State::Dead;
        entry.claim = None;
        entry.reason = Some(reason);
        if reason != Reason::Uncertain {
            entry.window = None;
        }
    }
}

impl Context<'_> {
    /// Goes from step to step.
    async fn advance(&mut self) -> Result<Progress, Broken> {
        loop {
            let now = self.bridge.now();
            let windows = windows(self.look, &self.entries, now);
            let stopped = match lane::next(&self.entries, &windows, self.recall.as_ref(), now) {
                Step::Idle => Some(Progress::Done),
                Step::Wait(until) => self
                    .first_waiting()
                    .map(|first| stop(first, Reason::InFlight, Wait::Until(until))),
                Step::Hold(key, until, reason) => Some(self.hold(key, until, reason)),
                Step::Call(key) => Box::pin(self.call_back(&key)).await?,
                Step::Fetch(key) => {
                    self.fetch(key).await?;
                    None
                }
                Step::Bury(key, reason) => self.end(&key, reason).await?,
                Step::Send(key, window) => self.try_part(&key, window).await?,
            };
            if let Some(progress) = stopped {
                return Ok(progress);
            }
        }
    }

    /// A stop for the customer, with all answers that wait for them.
    fn hold(&self, from: EntryKey, until: Moment, reason: Reason) -> Progress {
        let waiting = self.entries.values().filter(|entry| {
            entry.state == State::Pending && (entry.key.part() == 1 || entry.key == from)
        });
        let held = waiting.map(|entry| (entry.key.clone(), entry.at)).collect();
        let mut stop = Stop::at(from, reason, Wait::Until(until));
        stop.held = held;
        Progress::Stopped(stop)
    }

    fn first_waiting(&self) -> Option<EntryKey> {
        let waiting = self.entries.values().find(|entry| !entry.state.ended());
        waiting.map(|entry| entry.key.clone())
    }

    /// Reads the part before one that waits, or the notice after which it waits.
    async fn fetch(&mut self, key: EntryKey) -> Result<(), Broken> {
        let found = self.bridge.store.entry(self.at, &key).await?;
        // If it was erased, what follows it has no sense any more.
        let found = found.or_else(|| {
            let part = self.entries.values().find(|e| e.key.same_answer(&key));
            part.map(|part| Entry {
                key: key.clone(),
                state: State::Dead,
                ..part.clone()
            })
        });
        // What is known of a notice whose row has expired is that it went out.
        let found = found.or_else(|| {
            let origin = Origin::ours(&self.channel.id);
            let mut gone = Entry::pending(key.clone(), self.run.begun, Body::text(""), origin);
            gone.state = State::Delivered;
            Some(gone)
        });
        self.entries.extend(found.map(|entry| (key, entry)));
        Ok(())
    }

    async fn end(&mut self, key: &EntryKey, reason: Reason) -> Result<Option<Progress>, Broken> {
        let Some(entry) = self.entries.get(key).cloned() else {
            return Ok(Some(Progress::Again));
        };
        if !self.bury(&entry, reason).await? {
            return Ok(Some(Progress::Again));
        }
        self.went_on = true;
        dead(&mut self.entries, key, reason);
        Ok(None)
    }

    /// Sends one part, if there is time for it.
    async fn try_part(
        &mut self,
        key: &EntryKey,
        window: Option<EntryKey>,
    ) -> Result<Option<Progress>, Broken> {
        let Some(entry) = self.entries.get(key).cloned() else {
            return Ok(Some(Progress::Again));
        };
        let pause = match key.part() {
            1 => Duration::ZERO,
            _ => self.channel.part_pause(),
        };
        let pause = pause.max(self.behind_reply());
        // A notice may pass answers that wait.
        let from = self.first_waiting().unwrap_or_else(|| key.clone());
        if !self.time_for(pause) {
            return Ok(Some(stop(from, Reason::OutOfTime, Wait::Now)));
        }
        self.bridge.clock.pause(pause).await;
        match self.part(&entry, window.as_ref()).await? {
            Part::Taken => {
                self.went_on = true;
                if let Some(known) = self.entries.get_mut(key) {
                    known.state = State::Delivered;
                    known.window = window;
                }
                if entry.answer.as_ref().is_none_or(|a| a.parts == key.part()) {
                    self.arrived.push(entry);
                }
            }
            Part::NotOurs => return Ok(Some(Progress::Again)),
            Part::NoTime => return Ok(Some(stop(from, Reason::OutOfTime, Wait::Now))),
            Part::WindowFull => {
                if let Some(known) = self.entries.get_mut(key) {
                    known.exhausted = window;
                }
            }
            Part::Dead(reason) => {
                self.went_on = true;
                // It was claimed for this window, and may have used it.
                if let Some(known) = self.entries.get_mut(key) {
                    known.window = window;
                }
                dead(&mut self.entries, key, reason);
            }
            Part::Waits(failure) => {
                let wait = Wait::Backoff(failure.retry.least(self.bridge.now()));
                return Ok(Some(stop(from, failure.reason, wait)));
            }
        }
        Ok(None)
    }

    /// How long the reply to the last push may still be on its way: what is sent beside
    /// it could come first.
    fn behind_reply(&self) -> Duration {
        let entries = self.look.entries.values();
        let replied = entries.filter(|entry| entry.reply.is_some());
        let last = replied.map(|entry| entry.at).max();
        last.map_or(Duration::ZERO, |at| {
            // The clock of whoever took the push may be ahead of ours.
            at.plus(REPLY_WAY).since(self.bridge.now()).min(REPLY_WAY)
        })
    }

    /// Tells the desk of answers that arrived. Once: it may be lost.
    async fn tell_arrived(&self) -> Result<(), Broken> {
        for entry in &self.arrived {
            let told = self.bridge.tell_outcome(
                self.at,
                self.channel,
                Some(self.customer),
                entry,
                Outcome::Delivered,
                self.run.ends,
            );
            // Whoever hangs is not asked to hang again.
            if !told.await? {
                break;
            }
        }
        Ok(())
    }
}
