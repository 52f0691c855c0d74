//! An outbound lane: an agent's answers go to WeChat, one at a time.

use std::time::Duration;

use tracing::{error, warn};

use super::deliver::{Progress, Stop, Wait, Worked};
use super::receipts::receipt;
use super::token::Tokenless;
use super::{Bridge, Broken, Run, Rung, expires};
use crate::channel::Channel;
use crate::delivery::{Failure, Retry};
use crate::journal::{Claim, ConversationKey, Entry, EntryKey, Lane, State};
use crate::lane::{self, Outgoing, Step};
use crate::message::{Body, CustomerId, OpenId, Outcome};
use crate::moment::Moment;
use crate::opens::Opens;
use crate::reason::Reason;
use crate::store::{Death, Holder, Look, StoreError};
use crate::wechat::api::{Api, Sent};
use crate::wechat::codes::Meaning;
use crate::window::{MESSAGE_SPAN, Opening, Used, Windows};

/// What a send needs beside the time that it may take itself.
const MARGIN: Duration = Duration::from_secs(1);

/// Whether a look goes back far enough to know every open window: to the last
/// message, to an unfollow, or for 48 hours.
pub(super) fn shows_windows(look: &Look, now: Moment) -> bool {
    look.entries.values().any(|entry| {
        let decides =
            Opening::of(entry).is_some_and(|opening| opening.opens != Some(Opens::Moment));
        decides || now.since(entry.at) > MESSAGE_SPAN
    })
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
    let mut entries = bridge
        .store
        .outgoing(at, |entries| {
            entries.values().any(|entry| entry.state.ended())
                && (Windows::derive(&openings, &[], now).shown().is_none()
                    || entries
                        .values()
                        .filter_map(Used::of)
                        .any(|used| Windows::reaches(&openings, &used, now)))
        })
        .await?;
    for key in rung.iter().filter(|key| key.lane() == Lane::Out) {
        if !entries.contains_key(key)
            && let Some(entry) = bridge.store.entry(at, key).await?
        {
            entries.insert(key.clone(), entry);
        }
    }
    Ok(entries)
}

/// The windows as these entries and this look show them.
pub(crate) fn windows(look: &Look, entries: &Outgoing, now: Moment) -> Windows {
    let used: Vec<Used> = entries.values().filter_map(Used::of).collect();
    Windows::derive(&openings(look), &used, now)
}

/// Everything that the entries of one lane share.
struct Context<'a> {
    bridge: &'a Bridge,
    at: &'a ConversationKey,
    channel: &'a Channel,
    open_id: &'a OpenId,
    run: &'a Run,
    look: &'a Look,
    entries: Outgoing,
    /// Answers whose last part has arrived.
    arrived: Vec<Entry>,
    went_on: bool,
}

/// What has become of one part.
enum Part {
    /// WeChat has it.
    Taken,
    /// Somebody else has claimed it.
    NotOurs,
    /// WeChat says that this window is used up: the part waits again.
    WindowFull,
    /// It died.
    Dead(Reason),
    /// It waits again.
    Waits(Failure),
    /// There was no time left to send it.
    NoTime,
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
                run,
                look: &look,
                entries,
                arrived: Vec::new(),
                went_on: false,
            };
            let progress = lane.advance().await?;
            lane.tell_arrived(&conversation.customer).await?;
            (progress, lane.went_on)
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
    Progress::Stopped(Stop { from, reason, wait })
}

/// Ends everything that waits in a lane whose channel or conversation is gone.
async fn bury_all(
    bridge: &Bridge,
    at: &ConversationKey,
    entries: &Outgoing,
) -> Result<Progress, Broken> {
    for entry in entries.values().filter(|entry| !entry.state.ended()) {
        let by = entry.claim.as_ref().map(|claim| claim.by.as_str());
        let holder = by.map_or(Holder::Nobody, Holder::Run);
        let now = bridge.now();
        let reason = Reason::ChannelDeleted;
        bridge
            .store
            .bury(at, entry, holder, reason, now, expires(None, now))
            .await?;
    }
    Ok(Progress::Done)
}

fn dead(entries: &mut Outgoing, key: &EntryKey, reason: Reason) {
    if let Some(entry) = entries.get_mut(key) {
        entry.state = State::Dead;
        entry.claim = None;
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
            let stopped = match lane::next(&self.entries, &windows, now) {
                Step::Idle => Some(Progress::Done),
                Step::Wait(until) => self
                    .first_waiting()
                    .map(|first| stop(first, Reason::InFlight, Wait::Until(until))),
                Step::Hold(key, until) => Some(stop(key, Reason::WindowFull, Wait::Until(until))),
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

    fn first_waiting(&self) -> Option<EntryKey> {
        let waiting = self.entries.values().find(|entry| !entry.state.ended());
        waiting.map(|entry| entry.key.clone())
    }

    /// Reads the part before one that waits.
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

    /// Whether a send may begin after this pause: no send begins with less than
    /// its own time-out left.
    fn time_for(&self, pause: Duration) -> bool {
        self.bridge.now().plus(pause + lane::ATTEMPT + MARGIN) <= self.run.until
    }

    /// Sends one part, if there is time for it.
    async fn try_part(
        &mut self,
        key: &EntryKey,
        window: EntryKey,
    ) -> Result<Option<Progress>, Broken> {
        let Some(entry) = self.entries.get(key).cloned() else {
            return Ok(Some(Progress::Again));
        };
        let pause = match key.part() {
            1 => Duration::ZERO,
            _ => self.channel.part_pause(),
        };
        if !self.time_for(pause) {
            return Ok(Some(stop(key.clone(), Reason::OutOfTime, Wait::Now)));
        }
        self.bridge.clock.pause(pause).await;
        match self.part(&entry, &window).await? {
            Part::Taken => {
                self.went_on = true;
                if let Some(known) = self.entries.get_mut(key) {
                    known.state = State::Delivered;
                    known.window = Some(window);
                }
                if entry.answer.as_ref().is_none_or(|a| a.parts == key.part()) {
                    self.arrived.push(entry);
                }
            }
            Part::NotOurs => return Ok(Some(Progress::Again)),
            Part::NoTime => return Ok(Some(stop(key.clone(), Reason::OutOfTime, Wait::Now))),
            Part::WindowFull => {
                if let Some(known) = self.entries.get_mut(key) {
                    known.exhausted = Some(window);
                }
            }
            Part::Dead(reason) => {
                self.went_on = true;
                // It was claimed for this window, and may have used it.
                if let Some(known) = self.entries.get_mut(key) {
                    known.window = Some(window);
                }
                dead(&mut self.entries, key, reason);
            }
            Part::Waits(failure) => {
                let least = match failure.retry {
                    Retry::After(span) => span,
                    Retry::Now | Retry::Never => Duration::ZERO,
                };
                let wait = Wait::Backoff(least);
                return Ok(Some(stop(key.clone(), failure.reason, wait)));
            }
        }
        Ok(None)
    }

    /// Claims a part, sends it and notes what became of it.
    async fn part(&self, entry: &Entry, window: &EntryKey) -> Result<Part, Broken> {
        let Body::Text { text, .. } = &entry.body else {
            let buried = self.bury(entry, Reason::UnsupportedKind).await?;
            return Ok(if buried {
                Part::Dead(Reason::UnsupportedKind)
            } else {
                Part::NotOurs
            });
        };
        let token = match self.bridge.token(self.channel).await {
            Ok(token) => token,
            Err(none) => {
                none.log(&self.channel.id);
                return self.waits_unclaimed(entry, Tokenless::failure()).await;
            }
        };
        // The token may have taken its time.
        if !self.time_for(Duration::ZERO) {
            return Ok(Part::NoTime);
        }
        let claim = Claim {
            by: self.run.by.clone(),
            until: self.run.ends.plus(lane::CLAIM_MARGIN),
        };
        let store = &self.bridge.store;
        // An answer that was lost is asked for once more: our own claim counts.
        let claimed = match store.claim(self.at, &entry.key, &claim, window).await {
            Ok(claimed) => claimed,
            Err(_) => store.claim(self.at, &entry.key, &claim, window).await?,
        };
        if !claimed {
            return Ok(Part::NotOurs);
        }
        let sent = self.send(token, text).await;
        self.note(entry, window, sent).await
    }

    /// Sends a text; again at once where that is right.
    async fn send(&self, mut token: crate::wechat::api::Token, text: &str) -> Sent {
        let bridge = self.bridge;
        let api = Api {
            http: &bridge.http,
            base: &self.channel.api_base,
        };
        let mut renewed = false;
        let mut tries = 0;
        loop {
            let sent = api.send_text(&token, self.open_id, text).await;
            let most = match &sent {
                Sent::Answered(Meaning::Token) if !renewed => {
                    renewed = true;
                    match bridge.refresh(self.channel, Some(&token)).await {
                        Ok(other) => token = other,
                        Err(none) => {
                            none.log(&self.channel.id);
                            return Sent::NotSent(Tokenless::failure());
                        }
                    }
                    // The new token took its time; WeChat refused for certain.
                    if !self.time_for(Duration::ZERO) {
                        return Sent::NotSent(Failure::after(Duration::ZERO, Reason::OutOfTime));
                    }
                    continue;
                }
                Sent::Answered(Meaning::Busy) => lane::BUSY_TRIES,
                Sent::NotSent(failure) if failure.retry == Retry::Now => lane::QUICK_TRIES,
                _ => return sent,
            };
            let pause = lane::quick_pause(tries);
            if tries >= most || !self.time_for(pause) {
                return sent;
            }
            tries += 1;
            bridge.clock.pause(pause).await;
        }
    }

    /// Notes what became of a part that this run has claimed.
    async fn note(&self, entry: &Entry, window: &EntryKey, sent: Sent) -> Result<Part, Broken> {
        let holder = Holder::Run(&self.run.by);
        let store = &self.bridge.store;
        let wechat = match sent {
            Sent::Answered(Meaning::Taken) => {
                let expires = expires(Some(self.channel), self.bridge.now());
                // A lost answer is asked for once more; should that fail too,
                // the claim is outlived and the part is uncertain.
                let marked = store.delivered(self.at, &entry.key, holder, expires).await;
                if let Ok(marked) = marked {
                    return Ok(if marked { Part::Taken } else { Part::NotOurs });
                }
                // If the first mark took effect the second finds nothing.
                store
                    .delivered(self.at, &entry.key, holder, expires)
                    .await?;
                return Ok(Part::Taken);
            }
            Sent::Answered(Meaning::WindowFull) => {
                self.release(entry, Reason::WindowFull, Some(window))
                    .await?;
                return Ok(Part::WindowFull);
            }
            Sent::Answered(Meaning::Token) => {
                error!(channel = %self.channel.id, "WeChat refuses a token that it has just given");
                Failure::after(Duration::ZERO, Reason::NoToken)
            }
            Sent::Answered(Meaning::Busy) => Failure::after(Duration::ZERO, Reason::WechatBusy),
            Sent::Answered(Meaning::Failed(failure)) | Sent::NotSent(failure) => failure,
            Sent::Lost => Failure {
                retry: Retry::Never,
                certain: false,
                reason: Reason::Uncertain,
            },
        };
        let dies = wechat.retry == Retry::Never || entry.redriven.is_some();
        if dies {
            let held = Entry {
                claim: Some(Claim {
                    by: self.run.by.clone(),
                    until: self.run.ends,
                }),
                state: State::Sending,
                ..entry.clone()
            };
            if matches!(wechat.reason, Reason::Unauthorized | Reason::Defect) {
                error!(channel = %self.channel.id, reason = wechat.reason.code(), "WeChat refuses what this account sends");
            }
            let buried = self.bury(&held, wechat.reason).await?;
            return Ok(if buried {
                Part::Dead(wechat.reason)
            } else {
                Part::NotOurs
            });
        }
        self.release(entry, wechat.reason, None).await?;
        Ok(Part::Waits(wechat))
    }

    async fn release(
        &self,
        entry: &Entry,
        reason: Reason,
        exhausted: Option<&EntryKey>,
    ) -> Result<(), Broken> {
        let store = &self.bridge.store;
        let by = &self.run.by;
        // If the first answer was lost the second finds nothing to release.
        if store
            .release(self.at, &entry.key, by, reason, exhausted)
            .await
            .is_err()
        {
            store
                .release(self.at, &entry.key, by, reason, exhausted)
                .await?;
        }
        Ok(())
    }

    /// A part that cannot be tried now, and that nobody has claimed.
    async fn waits_unclaimed(&self, entry: &Entry, failure: Failure) -> Result<Part, Broken> {
        if entry.redriven.is_some() {
            let buried = self.bury(entry, failure.reason).await?;
            return Ok(if buried {
                Part::Dead(failure.reason)
            } else {
                Part::NotOurs
            });
        }
        Ok(Part::Waits(failure))
    }

    /// Ends a part for good, and journals the desk's receipt with it; a later
    /// part of the same answer has none of its own. Says `false` if somebody
    /// else was there.
    async fn bury(&self, entry: &Entry, reason: Reason) -> Result<bool, Broken> {
        let now = self.bridge.now();
        let told = reason != Reason::EarlierPartFailed;
        let receipt = receipt(entry, reason, now).filter(|_| told);
        let holder = match (&entry.claim, entry.state) {
            (Some(claim), State::Sending) => Holder::Run(&claim.by),
            _ => Holder::Nobody,
        };
        let death = Death {
            entry,
            holder,
            reason,
            now,
            expires: expires(Some(self.channel), now),
        };
        let mut buried = self.end_row(&death, receipt.as_ref()).await;
        if buried.is_err() {
            // After a lost answer the second attempt finds it dead already.
            buried = self.end_row(&death, receipt.as_ref()).await.map(|_| true);
        }
        let buried = buried?;
        if told && buried {
            warn!(channel = %self.channel.id, reason = reason.code(), "an answer died on its way to WeChat");
        }
        if let Some(receipt) = receipt {
            self.bridge.ring(self.at, &receipt.key);
        }
        Ok(buried)
    }

    async fn end_row(
        &self,
        death: &Death<'_>,
        receipt: Option<&Entry>,
    ) -> Result<bool, StoreError> {
        let store = &self.bridge.store;
        if let Some(receipt) = receipt {
            return store.bury_and_tell(self.at, death, receipt).await;
        }
        let Death {
            entry,
            holder,
            reason,
            now,
            expires,
        } = *death;
        store
            .bury(self.at, entry, holder, reason, now, expires)
            .await
    }

    /// Tells the desk of answers that arrived. Once: it may be lost.
    async fn tell_arrived(&self, customer: &CustomerId) -> Result<(), Broken> {
        for entry in &self.arrived {
            let told = self.bridge.tell_outcome(
                self.at,
                self.channel,
                Some(customer),
                entry,
                Outcome::Delivered,
                self.run.until,
            );
            // Whoever hangs is not asked to hang again.
            if !told.await? {
                break;
            }
        }
        Ok(())
    }
}
