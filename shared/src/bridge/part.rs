//! One part of an answer: claimed, sent to WeChat, and what became of it noted.
//!
//! Invariant: nothing is sent that this run has not claimed, and no send whose
//! answer was lost is repeated; but for a template message, once and at once, which WeChat
//! knows by the id that we give it.

use std::time::Duration;

use tracing::{error, warn};

use super::lane_out::Context;
use super::ready::{How, REFUSED, Unready};
use super::receipts::receipt;
use super::seen::Sight;
use super::token::Tokenless;
use super::{Broken, expires};
use crate::delivery::{Failure, Retry};
use crate::journal::{Claim, Entry, EntryKey, State};
use crate::lane;
use crate::message::Outcome;
use crate::reason::Reason;
use crate::store::{Death, Holder, StoreError};
use crate::tally::{Deed, Trace};
use crate::wechat::api::{Api, Sent, Token};
use crate::wechat::codes::Meaning;
use crate::wechat::send::Content;
use crate::window::MESSAGE_SPAN;

/// What a send needs beside the time that it may take itself.
pub(super) const MARGIN: Duration = Duration::from_secs(1);

/// What has become of one part.
pub(super) enum Part {
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

impl Context<'_> {
    /// Whether a send may begin after this pause: no send begins with less than
    /// its own time-out left.
    pub(super) fn time_for(&self, pause: Duration) -> bool {
        self.bridge.now().plus(pause + lane::ATTEMPT + MARGIN) <= self.run.until
    }

    /// Claims a part, sends it and notes what became of it.
    pub(super) async fn part(
        &self,
        entry: &Entry,
        window: Option<&EntryKey>,
    ) -> Result<Part, Broken> {
        let content = match self.ready(entry, How::AsItIs).await? {
            Ok(content) => content,
            Err(Unready::Never(reason)) => return self.let_die(entry, reason).await,
            Err(Unready::NotNow(failure)) => return self.waits_unclaimed(entry, failure).await,
            Err(Unready::NoTime) => return Ok(Part::NoTime),
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
        if window.is_some_and(|window| self.goes_late(entry, window)) {
            let now = self.bridge.now();
            let until = now.plus(MESSAGE_SPAN);
            store
                .note_late_send(self.at, &entry.key, now, until)
                .await?;
        }
        // An answer that was lost is asked for once more: our own claim counts.
        let claimed = match store.claim(self.at, &entry.key, &claim, window).await {
            Ok(claimed) => claimed,
            Err(_) => store.claim(self.at, &entry.key, &claim, window).await?,
        };
        if !claimed {
            return Ok(Part::NotOurs);
        }
        let sent = self.send(token, entry, content).await;
        let arrived = matches!(sent, Sent::Answered(Meaning::Taken));
        let part = self.note(entry, window, sent).await?;
        if arrived {
            self.bridge.tally.note(self.at, &entry.key, Deed::Sent);
            self.bridge.saw(&self.channel.id, Sight::Send).await;
        }
        Ok(part)
    }

    /// Whether a later answer has used another window already: who counts from
    /// the newest answer on would not come as far as this one.
    fn goes_late(&self, entry: &Entry, window: &EntryKey) -> bool {
        let mut later = self.entries.values().filter(|other| other.key > entry.key);
        later.any(|other| other.window.as_ref().is_some_and(|used| used != window))
    }

    /// Sends a message; again at once where that is right.
    async fn send(&self, mut token: Token, entry: &Entry, mut content: Content) -> Sent {
        let bridge = self.bridge;
        let api = Api {
            http: &bridge.http,
            base: &self.channel.api_base,
        };
        let manner = entry.answer.as_ref().map(|answer| answer.manner.clone());
        let manner = manner.unwrap_or_default();
        let mut renewed = false;
        let mut made = How::AsItIs;
        let mut tries = 0;
        loop {
            let sent = api.send(&token, self.open_id, &content, &manner).await;
            let most = match &sent {
                Sent::Answered(Meaning::NoMedia | Meaning::NotThisKind) => {
                    let how = self.otherwise(&sent, &content, made).await;
                    let Some(how) = how else { return sent };
                    made = how;
                    content = match self.ready(entry, how).await {
                        Ok(Ok(content)) => content,
                        Ok(Err(unready)) => return not_sent(unready),
                        Err(broken) => {
                            error!(channel = %self.channel.id, error = %broken, "an answer cannot be sent otherwise");
                            return not_sent(Unready::NotNow(Failure::after(
                                Duration::ZERO,
                                Reason::Internal,
                            )));
                        }
                    };
                    // It took its time; WeChat refused for certain.
                    if !self.time_for(Duration::ZERO) {
                        return not_sent(Unready::NoTime);
                    }
                    continue;
                }
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
                Sent::Lost if content.is_known_again() => lane::LOST_TRIES,
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

    /// How a message may be sent that WeChat did not take as it is: once more with its files
    /// brought anew, or in words, which it is from now on.
    async fn otherwise(&self, sent: &Sent, content: &Content, made: How) -> Option<How> {
        match sent {
            Sent::Answered(Meaning::NoMedia) => (made == How::AsItIs).then_some(How::Anew),
            Sent::Answered(Meaning::NotThisKind) if made != How::InWords => {
                let word = content.word();
                if matches!(content, Content::Text(_) | Content::Notice(..)) {
                    return None;
                }
                let (id, until) = (&self.channel.id, self.bridge.now().plus(REFUSED));
                warn!(channel = %id, kind = word, "WeChat takes no such messages of this account, they go in words");
                if let Err(error) = self.bridge.store.note_refused_kind(id, word, until).await {
                    error!(channel = %id, %error, "what an account may not send could not be noted");
                }
                Some(How::InWords)
            }
            _ => None,
        }
    }

    /// Notes what became of a part that this run has claimed.
    async fn note(
        &self,
        entry: &Entry,
        window: Option<&EntryKey>,
        sent: Sent,
    ) -> Result<Part, Broken> {
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
                let marked = store
                    .delivered(self.at, &entry.key, holder, expires)
                    .await?
                    || self.ended_as(&entry.key, State::Delivered, None).await?;
                return Ok(if marked { Part::Taken } else { Part::NotOurs });
            }
            Sent::Answered(Meaning::WindowFull) => {
                if window.is_some() {
                    self.release(entry, Reason::WindowFull, window).await?;
                    return Ok(Part::WindowFull);
                }
                // No notice uses one.
                Failure::never(Reason::Refused)
            }
            Sent::Answered(Meaning::Token) => {
                error!(channel = %self.channel.id, "WeChat refuses a token that it has just given");
                Failure::after(Duration::ZERO, Reason::NoToken)
            }
            // It may have taken it all the same: two more tries are enough.
            Sent::Answered(Meaning::Busy) => Failure::never(Reason::WechatBusy),
            Sent::Answered(Meaning::NoMedia) => Failure::never(Reason::FileUnavailable),
            Sent::Answered(Meaning::NotThisKind) if window.is_none() => {
                Failure::never(Reason::UnsupportedKind)
            }
            // It was words already: the account may send nothing at all.
            Sent::Answered(Meaning::NotThisKind) => Failure::never(Reason::Unauthorized),
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
            return self.let_die(&held, wechat.reason).await;
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
            return self.let_die(entry, failure.reason).await;
        }
        Ok(Part::Waits(failure))
    }

    /// Ends a part for good, unless somebody else was there.
    async fn let_die(&self, entry: &Entry, reason: Reason) -> Result<Part, Broken> {
        Ok(if self.bury(entry, reason).await? {
            Part::Dead(reason)
        } else {
            Part::NotOurs
        })
    }

    /// Ends a part for good, and journals the desk's receipt with it; a later
    /// part of the same answer has none of its own. Says `false` if somebody
    /// else was there.
    pub(super) async fn bury(&self, entry: &Entry, reason: Reason) -> Result<bool, Broken> {
        let now = self.bridge.now();
        let told = reason != Reason::EarlierPartFailed;
        let said = entry.redriven.unwrap_or_else(|| entry.key.said());
        let receipt = receipt(entry, Outcome::Failed(reason), said, now).filter(|_| told);
        let death = Death {
            entry,
            holder: Holder::of(entry),
            reason,
            now,
            expires: expires(Some(self.channel), now),
        };
        // After a lost answer the second attempt may find it dead already.
        let buried = match self.end_row(&death, receipt.as_ref()).await {
            Ok(buried) => buried,
            Err(_) => {
                self.end_row(&death, receipt.as_ref()).await?
                    || self.ended_as(&entry.key, State::Dead, Some(reason)).await?
            }
        };
        if buried {
            self.bridge
                .tally
                .note(self.at, &entry.key, Deed::Died(reason));
            if told {
                let (channel, trace) = (&self.channel.id, Trace::of(self.at, &entry.key));
                warn!(%channel, %trace, reason = reason.code(), "an answer died on its way to WeChat");
            }
        }
        if let Some(receipt) = receipt {
            self.bridge.ring(self.at, &receipt.key);
        }
        Ok(buried)
    }

    /// Whether an entry has ended in this way: by a write of ours whose answer
    /// was lost.
    async fn ended_as(
        &self,
        key: &EntryKey,
        state: State,
        reason: Option<Reason>,
    ) -> Result<bool, StoreError> {
        let entry = self.bridge.store.entry(self.at, key).await?;
        Ok(entry.is_some_and(|entry| (entry.state, entry.reason) == (state, reason)))
    }

    async fn end_row(
        &self,
        death: &Death<'_>,
        receipt: Option<&Entry>,
    ) -> Result<bool, StoreError> {
        let store = &self.bridge.store;
        match receipt {
            Some(receipt) => store.bury_and_tell(self.at, death, receipt).await,
            None => store.bury(self.at, death).await,
        }
    }
}

/// What it comes to when a message that WeChat refused cannot be sent otherwise.
fn not_sent(unready: Unready) -> Sent {
    Sent::NotSent(match unready {
        Unready::Never(reason) => Failure::never(reason),
        Unready::NotNow(failure) => failure,
        Unready::NoTime => Failure::after(Duration::ZERO, Reason::OutOfTime),
    })
}
