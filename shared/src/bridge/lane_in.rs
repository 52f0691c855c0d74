//! An inbound lane: entries go to the desk, earliest first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::deliver::{Progress, Stop, Wait, Worked};
use super::media::Known;
use super::sessions::ended_by;
use super::{Bridge, Broken, Run, expires};
use crate::channel::Channel;
use crate::conversation::{Coming, Conversation, EraseCause, customer_id};
use crate::delivery::{Delivery, Failure, Retry};
use crate::desk::{Desk, Letter, News, public_id};
use crate::journal::{Class, ConversationKey, Entry, EntryKey};
use crate::lane;
use crate::lines;
use crate::message::{Body, CustomerId, EndCause, Erased};
use crate::qrcode::Scene;
use crate::reason::Reason;
use crate::store::{Death, Found, Holder, Settled, Snippet};
use crate::tally::{Deed, Trace};

/// How many characters of a message the list of conversations shows.
const SNIPPET: usize = 60;

/// What has become of one entry.
pub(super) enum Step {
    /// The desk has it.
    Arrived,
    /// It did not arrive.
    Failed(Failure),
}

/// Everything that the entries of one lane share.
pub(super) struct Context<'a> {
    pub(super) bridge: &'a Bridge,
    pub(super) at: &'a ConversationKey,
    pub(super) channel: &'a Channel,
    pub(super) desk: &'a Desk,
    pub(super) run: &'a Run,
    pub(super) conversation: Option<Conversation>,
    /// The sessions whose ends are among the entries that were read.
    pub(super) ends: BTreeSet<String>,
}

/// Works on what waits, earliest first, until it is done or cannot go on.
pub(super) async fn work(
    bridge: &Bridge,
    at: &ConversationKey,
    conversation: Option<Conversation>,
    entries: &BTreeMap<EntryKey, Entry>,
    run: &Run,
) -> Result<Worked, Broken> {
    let waiting: Vec<_> = entries.values().filter(|e| !e.state.ended()).collect();
    let Some(first) = waiting.first() else {
        return Ok(worked(Progress::Done, false, None));
    };
    let id = first.origin.channel.clone();
    let first = first.key.clone();
    let stopped = |reason, wait| {
        let stop = Stop::at(first.clone(), reason, wait);
        worked(Progress::Stopped(stop), false, Some(id.clone()))
    };
    let Some(channel) = bridge.working_channel(&id).await? else {
        for entry in waiting {
            bury(bridge, at, None, entry, Reason::ChannelDeleted).await?;
        }
        return Ok(worked(Progress::Done, true, Some(id)));
    };
    // Left alone until then, it goes on with the first sweep afterwards.
    if channel.suspended {
        return Ok(stopped(Reason::Suspended, Wait::Now));
    }
    if bridge.desk_is_down(&channel).await? {
        return Ok(stopped(Reason::DeskUnreachable, Wait::Now));
    }
    let Some(desk) = bridge.desk(&channel).await? else {
        let old = |entry: &Entry| lane::given_up(entry, channel.resumed, bridge.now());
        let (old, young): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|entry| old(entry));
        for entry in old {
            bury(bridge, at, Some(&channel), entry, Reason::GaveUp).await?;
        }
        let Some(first) = young.first() else {
            return Ok(worked(Progress::Done, true, Some(id)));
        };
        let wait = Wait::Backoff(Duration::ZERO);
        let stop = Stop::at(first.key.clone(), Reason::DeskUnreachable, wait);
        return Ok(worked(Progress::Stopped(stop), false, Some(id)));
    };
    let mut context = Context {
        bridge,
        at,
        channel: &channel,
        desk: &desk,
        run,
        conversation,
        ends: entries.values().filter_map(ended_by).collect(),
    };
    let mut went_on = false;
    for entry in waiting {
        let stop = |reason, wait| Progress::Stopped(Stop::at(entry.key.clone(), reason, wait));
        if bridge.now().plus(lane::ATTEMPT) > run.until && went_on {
            return Ok(worked(
                stop(Reason::OutOfTime, Wait::Now),
                went_on,
                Some(id),
            ));
        }
        let failure = match context.forward(entry).await? {
            Step::Arrived => {
                let strange = context.conversation.is_none();
                if mark(bridge, at, &channel, entry, strange).await? {
                    bridge.tally.note(at, &entry.key, Deed::Forwarded);
                }
                went_on = true;
                continue;
            }
            Step::Failed(failure) => failure,
        };
        if failure.reason == Reason::DeskUnreachable {
            bridge.desk_failed(&id, at).await?;
        }
        let reason = match failure.retry {
            Retry::Never => Some(failure.reason),
            _ if entry.redriven.is_some() => Some(failure.reason),
            _ if lane::given_up(entry, channel.resumed, bridge.now()) => Some(Reason::GaveUp),
            _ => None,
        };
        if let Some(reason) = reason {
            bury(bridge, at, Some(&channel), entry, reason).await?;
            went_on = true;
            continue;
        }
        let wait = match failure.reason {
            // Nothing was tried: the next turn has its time before it.
            Reason::OutOfTime => Wait::Now,
            _ => Wait::Backoff(failure.retry.least(bridge.now())),
        };
        let progress = stop(failure.reason, wait);
        return Ok(worked(progress, went_on, Some(id)));
    }
    Ok(worked(Progress::Done, went_on, Some(id)))
}

fn worked(progress: Progress, went_on: bool, channel: Option<crate::message::ChannelId>) -> Worked {
    Worked {
        progress,
        went_on,
        channel,
    }
}

/// Marks an entry delivered, and counts the scan of a QR code with that, if it tells of one.
async fn mark(
    bridge: &Bridge,
    at: &ConversationKey,
    channel: &Channel,
    entry: &Entry,
    strange: bool,
) -> Result<bool, Broken> {
    // What is nobody's customer's is kept no longer than it has to be.
    let kept = (!strange || Coming::of(entry) == Coming::Here).then_some(channel);
    let expires = expires(kept, bridge.now());
    let (store, key) = (&bridge.store, &entry.key);
    Ok(match Scene::scanned(&entry.body) {
        Some(scene) => {
            store
                .delivered_scan(at, key, expires, &channel.id, &scene)
                .await?
        }
        None => store.delivered(at, key, Holder::Nobody, expires).await?,
    })
}

async fn bury(
    bridge: &Bridge,
    at: &ConversationKey,
    channel: Option<&Channel>,
    entry: &Entry,
    reason: Reason,
) -> Result<(), Broken> {
    let now = bridge.now();
    let death = Death {
        entry,
        holder: Holder::Nobody,
        reason,
        now,
        expires: expires(channel, now),
    };
    if bridge.store.bury(at, &death).await? {
        bridge.tally.note(at, &entry.key, Deed::Died(reason));
        let (channel, trace) = (&entry.origin.channel, Trace::of(at, &entry.key));
        tracing::warn!(%channel, %trace, reason = reason.code(), "an entry died on its way to the desk");
    }
    Ok(())
}

impl Context<'_> {
    /// Brings one entry to the desk.
    async fn forward(&mut self, entry: &Entry) -> Result<Step, Broken> {
        match entry.key.class() {
            Some(Class::Message) => self.message(entry).await,
            Some(Class::Event) => self.event(entry).await,
            // Of few entries: the others do not carry them along.
            Some(Class::Unfollow) => Box::pin(self.unfollow(entry)).await,
            Some(Class::Receipt) => self.receipt(entry).await,
            Some(Class::SessionEnd) => Box::pin(self.session_end(entry)).await,
            None => Ok(Step::Arrived),
        }
    }

    /// The conversation, begun now if it has not been.
    async fn begun(&mut self, entry: &Entry) -> Result<Option<&mut Conversation>, Broken> {
        if self.conversation.is_none() {
            let Some(open_id) = entry.origin.open_id.clone() else {
                return Ok(None);
            };
            let new = Conversation {
                channel: self.channel.id.clone(),
                customer: customer_id(self.bridge.chance.bytes()),
                open_id,
                linked: false,
                session: None,
                read_up_to: None,
                last_session: None,
                late_sends: None,
                leaving: None,
                called: None,
                active: entry.at,
            };
            self.conversation = Some(match self.bridge.store.begin(self.at, &new).await? {
                Found::New => new,
                Found::Theirs(theirs) => *theirs,
                // The entry goes with them.
                Found::Erased => return Ok(None),
            });
        }
        let Some(conversation) = &mut self.conversation else {
            return Ok(None);
        };
        if !conversation.linked {
            let now = self.bridge.now();
            self.bridge.store.link(self.at, conversation, now).await?;
            conversation.linked = true;
        }
        Ok(Some(conversation))
    }

    async fn message(&mut self, entry: &Entry) -> Result<Step, Broken> {
        let Some(conversation) = self.begun(entry).await? else {
            return Ok(Step::Arrived);
        };
        let customer = conversation.customer.clone();
        Box::pin(self.stays(entry)).await?;
        let whose = (self.channel, &customer);
        let known = self.bridge.attach(self.at, whose, entry, self.run);
        // Of few messages, and large: the others do not carry it along.
        let attachment = match Box::pin(known).await? {
            Known::Settled(attachment) => attachment,
            Known::Waits(failure) => return Ok(Step::Failed(failure)),
        };
        // A session may end between two lines: once more is enough, since only a later
        // message or an end can come between.
        for _ in 0..2 {
            let Some((session, open)) = self.session(entry).await? else {
                return Ok(Step::Arrived);
            };
            match self.desk {
                Desk::Inbox => {
                    if self.show(entry, open.then_some(&session.id)).await? {
                        return Ok(Step::Arrived);
                    }
                    if let Some(conversation) = &mut self.conversation {
                        conversation.session = None;
                    }
                }
                Desk::Webhook(_) => match self.settled(entry, session.id, open).await? {
                    Settled::In(session) => {
                        let told = self.bridge.told_of(entry, attachment.as_ref()).await?;
                        let asked = self.bridge.asked(self.at, &entry.body).await?;
                        let news = News::Message(entry, told.as_ref(), asked.as_ref());
                        return self.tell(entry, Some(&session), news).await;
                    }
                    Settled::Closed => {
                        if let Some(conversation) = &mut self.conversation {
                            conversation.session = None;
                        }
                    }
                    Settled::Needless => return Ok(Step::Arrived),
                },
            }
        }
        Ok(match self.desk {
            Desk::Inbox => Step::Arrived,
            Desk::Webhook(_) => Step::Failed(Failure::after(Duration::ZERO, Reason::Internal)),
        })
    }

    /// Puts a message at the top of the inbox. Says `false` if its session,
    /// where it is in an open one, is not the open one any more.
    async fn show(&mut self, entry: &Entry, session: Option<&String>) -> Result<bool, Broken> {
        let snippet = Snippet {
            outbound: false,
            kind: entry.body.kind(),
            text: snippet(&entry.body),
            time: entry.at,
        };
        let now = self.bridge.now();
        let store = &self.bridge.store;
        let session = session.map(String::as_str);
        let Some(conversation) = &self.conversation else {
            return Ok(true);
        };
        let whose = (&self.channel.id, &conversation.customer);
        Ok(store.touch(self.at, whose, session, &snippet, now).await? || session.is_none())
    }

    pub(super) async fn event(&mut self, entry: &Entry) -> Result<Step, Broken> {
        if Coming::of(entry) == Coming::Here {
            self.begun(entry).await?;
        }
        Box::pin(self.leaves_or_stays(entry)).await?;
        let open = self.conversation.as_ref().and_then(|c| c.session.clone());
        // It came before a session that is younger: told in that one, a repeat
        // would say something else than it said first.
        let open = open.filter(|open| open.opened <= entry.at || entry.redriven.is_some());
        match open {
            Some(session) if !is_no_news(entry) => {
                self.tell(entry, Some(&session.id), News::Event(entry))
                    .await
            }
            _ => Ok(Step::Arrived),
        }
    }

    /// The customer is to be erased who left; and is not, who came back.
    async fn leaves_or_stays(&mut self, entry: &Entry) -> Result<(), Broken> {
        let Coming::Leaves(cause) = Coming::of(entry) else {
            return self.stays(entry).await;
        };
        let Some(conversation) = &mut self.conversation else {
            // All that there may be of somebody who never wrote.
            self.bridge.store.forget_location(self.at).await?;
            return Ok(());
        };
        let grace = self.channel.grace();
        let noted = self
            .bridge
            .note_erasure(self.at, conversation, cause, entry, grace)
            .await?;
        conversation.leaving = noted.or(conversation.leaving);
        Ok(())
    }

    /// Who does something that only a follower can has not left.
    async fn stays(&mut self, entry: &Entry) -> Result<(), Broken> {
        let Some(conversation) = &mut self.conversation else {
            return Ok(());
        };
        if let Some(leaving) = conversation.leaving
            && leaving.called_off_by(entry)
        {
            let customer = &conversation.customer;
            self.bridge
                .store
                .call_off_erasure(self.at, customer, leaving)
                .await?;
            conversation.leaving = None;
        }
        Ok(())
    }

    /// The desk is told that a customer was erased, whose session has ended with that.
    pub(super) async fn erased(&self, entry: &Entry, erased: &Erased) -> Result<Step, Broken> {
        let customer = Some(&erased.customer);
        let time = said(entry);
        if let Some(session) = &erased.session {
            let id = public_id(self.at, &format!("session {}", entry.key));
            let news = News::SessionEnded(EndCause::Erased);
            let told = self
                .tell_of(customer, id, time, Some(session), news)
                .await?;
            if let Step::Failed(_) = told {
                return Ok(told);
            }
        }
        let id = public_id(self.at, entry.key.as_str());
        let news = News::CustomerErased(erased.cause);
        self.tell_of(customer, id, time, None, news).await
    }

    async fn receipt(&mut self, entry: &Entry) -> Result<Step, Broken> {
        let Body::Receipt(receipt) = &entry.body else {
            return Ok(Step::Arrived);
        };
        // Without a session: another one may be open when it is repeated, and a
        // repeat says the same.
        self.tell(entry, None, News::Status(receipt)).await
    }

    /// Tells the desk of an entry; before it, of the session it is in, if the
    /// desk has not taken that yet.
    async fn tell(
        &mut self,
        entry: &Entry,
        session: Option<&str>,
        news: News<'_>,
    ) -> Result<Step, Broken> {
        if matches!(self.desk, Desk::Inbox) {
            return Ok(Step::Arrived);
        }
        if let Step::Failed(failure) = self.tell_opened().await? {
            return Ok(Step::Failed(failure));
        }
        let id = public_id(self.at, entry.key.as_str());
        self.tell_as(id, said(entry), session, news).await
    }

    /// One piece of news to the desk, tried again at once while that makes
    /// sense and there is time.
    pub(super) async fn tell_as(
        &self,
        id: String,
        time: crate::moment::Moment,
        session: Option<&str>,
        news: News<'_>,
    ) -> Result<Step, Broken> {
        let customer = self.conversation.as_ref().map(|c| &c.customer);
        self.tell_of(customer, id, time, session, news).await
    }

    async fn tell_of(
        &self,
        customer: Option<&CustomerId>,
        id: String,
        time: crate::moment::Moment,
        session: Option<&str>,
        news: News<'_>,
    ) -> Result<Step, Broken> {
        let letter = Letter {
            id,
            time,
            channel: &self.channel.id,
            customer,
            session,
            news,
        };
        let mut tries = 0;
        loop {
            let now = self.bridge.now();
            match self.desk.tell(&self.bridge.http, &letter, now).await {
                Delivery::Accepted => {
                    self.bridge.desk_heard(&self.channel.id);
                    return Ok(Step::Arrived);
                }
                Delivery::Failed(failure) => {
                    let pause = lane::quick_pause(tries);
                    let time = self.bridge.now().plus(pause + lane::ATTEMPT) <= self.run.until;
                    if failure.retry != Retry::Now || tries >= lane::QUICK_TRIES || !time {
                        return Ok(Step::Failed(failure));
                    }
                    tries += 1;
                    self.bridge.clock.pause(pause).await;
                }
            }
        }
    }
}

/// Whether an event is none of an agent's: the customer looked at something, or told WeChat
/// what may be done with their data.
fn is_no_news(entry: &Entry) -> bool {
    let consent = Coming::of(entry) == Coming::Leaves(EraseCause::Consent);
    consent || matches!(&entry.body, Body::Event { name, .. } if name == "VIEW")
}

/// When an entry was said: by WeChat's clock, to the second, as its key has it.
pub(super) fn said(entry: &Entry) -> crate::moment::Moment {
    entry
        .key
        .seconds()
        .map_or(entry.at, crate::moment::Moment::from_seconds)
}

/// The first words of a message, for lists.
pub(crate) fn snippet(body: &Body) -> String {
    let text = match body {
        Body::Text { .. } => lines::line(body).zh,
        other => {
            let line = lines::line(other);
            format!("{} {}", line.zh, line.en)
        }
    };
    text.chars().take(SNIPPET).collect()
}
