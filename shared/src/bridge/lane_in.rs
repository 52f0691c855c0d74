//! An inbound lane: entries go to the desk, earliest first.

use std::time::Duration;

use super::deliver::{Progress, Stop, Wait, Worked};
use super::{Bridge, Broken, Run, expires};
use crate::channel::Channel;
use crate::conversation::{Conversation, Session, customer_id, session_id};
use crate::delivery::{Delivery, Failure, Retry};
use crate::desk::{Desk, Letter, News, public_id, session_letter_id};
use crate::journal::{Class, ConversationKey, Entry, EntryKey};
use crate::lane;
use crate::lines;
use crate::message::{Body, EndCause, SessionEnd};
use crate::reason::Reason;
use crate::store::{Death, Found, Holder, Opened, Snippet};
use crate::window::MESSAGE_SPAN;

/// How many characters of a message the list of conversations shows.
const SNIPPET: usize = 60;

/// What has become of one entry.
enum Step {
    /// The desk has it.
    Arrived,
    /// It did not arrive.
    Failed(Failure),
}

/// Everything that the entries of one lane share.
struct Context<'a> {
    bridge: &'a Bridge,
    at: &'a ConversationKey,
    channel: &'a Channel,
    desk: &'a Desk,
    run: &'a Run,
    conversation: Option<Conversation>,
}

/// Works on what waits, earliest first, until it is done or cannot go on.
pub(super) async fn work(
    bridge: &Bridge,
    at: &ConversationKey,
    conversation: Option<Conversation>,
    waiting: Vec<Entry>,
    run: &Run,
) -> Result<Worked, Broken> {
    let Some(first) = waiting.first() else {
        return Ok(worked(Progress::Done, false, None));
    };
    let id = first.origin.channel.clone();
    let first = first.key.clone();
    let stopped = |reason, wait| {
        let from = first.clone();
        worked(
            Progress::Stopped(Stop { from, reason, wait }),
            false,
            Some(id.clone()),
        )
    };
    let Some(channel) = bridge.working_channel(&id).await? else {
        for entry in &waiting {
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
        return Ok(stopped(
            Reason::DeskUnreachable,
            Wait::Backoff(Duration::ZERO),
        ));
    };
    let mut context = Context {
        bridge,
        at,
        channel: &channel,
        desk: &desk,
        run,
        conversation,
    };
    let mut went_on = false;
    for entry in waiting {
        let stop = |reason, wait| {
            let from = entry.key.clone();
            Progress::Stopped(Stop { from, reason, wait })
        };
        if bridge.now().plus(lane::ATTEMPT) > run.until && went_on {
            return Ok(worked(
                stop(Reason::OutOfTime, Wait::Now),
                went_on,
                Some(id),
            ));
        }
        let failure = match context.forward(&entry).await? {
            Step::Arrived => {
                let expires = expires(Some(&channel), bridge.now());
                bridge
                    .store
                    .delivered(at, &entry.key, Holder::Nobody, expires)
                    .await?;
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
            _ if lane::given_up(&entry, channel.resumed, bridge.now()) => Some(Reason::GaveUp),
            _ => None,
        };
        if let Some(reason) = reason {
            bury(bridge, at, Some(&channel), &entry, reason).await?;
            went_on = true;
            continue;
        }
        let least = match failure.retry {
            Retry::After(span) => span,
            Retry::Now | Retry::Never => Duration::ZERO,
        };
        let progress = stop(failure.reason, Wait::Backoff(least));
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

async fn bury(
    bridge: &Bridge,
    at: &ConversationKey,
    channel: Option<&Channel>,
    entry: &Entry,
    reason: Reason,
) -> Result<(), Broken> {
    let now = bridge.now();
    tracing::warn!(channel = %entry.origin.channel, reason = reason.code(), "an entry died on its way to the desk");
    let death = Death {
        entry,
        holder: Holder::Nobody,
        reason,
        now,
        expires: expires(channel, now),
    };
    bridge.store.bury(at, &death).await?;
    Ok(())
}

impl Context<'_> {
    /// Brings one entry to the desk.
    async fn forward(&mut self, entry: &Entry) -> Result<Step, Broken> {
        match entry.key.class() {
            Some(Class::Message) => self.message(entry).await,
            Some(Class::Event) => self.event(entry).await,
            Some(Class::Unfollow) => self.unfollow(entry).await,
            Some(Class::Receipt) => self.receipt(entry).await,
            Some(Class::SessionEnd) => self.session_end(entry).await,
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
                active: entry.at,
            };
            self.conversation = Some(match self.bridge.store.begin(self.at, &new).await? {
                Found::New => new,
                Found::Theirs(theirs) => *theirs,
            });
        }
        let Some(conversation) = &mut self.conversation else {
            return Ok(None);
        };
        if !conversation.linked {
            self.bridge.store.link(self.at, conversation).await?;
            conversation.linked = true;
        }
        Ok(Some(conversation))
    }

    async fn message(&mut self, entry: &Entry) -> Result<Step, Broken> {
        if self.begun(entry).await?.is_none() {
            return Ok(Step::Arrived);
        }
        // An inbox's session may end between two lines: once more is enough,
        // since only a later message or an end can come between.
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
                Desk::Webhook(_) => {
                    return self
                        .tell(entry, Some(&session.id), News::Message(entry))
                        .await;
                }
            }
        }
        Ok(Step::Arrived)
    }

    /// The session that a message belongs to: the open one, or a new one, of
    /// which the desk is told first; and whether it is open. `None` if nothing
    /// needs to be told any more.
    async fn session(&mut self, entry: &Entry) -> Result<Option<(Session, bool)>, Broken> {
        let bridge = self.bridge;
        let Some(conversation) = &mut self.conversation else {
            return Ok(None);
        };
        if let Some(open) = &conversation.session {
            return Ok(Some((open.clone(), true)));
        }
        let new = Session {
            id: session_id(&conversation.customer, entry.key.as_str()),
            opened: entry.at,
            told: false,
        };
        let now = bridge.now();
        // The timer first: a session without one would never end.
        let due = entry.at.plus(MESSAGE_SPAN);
        bridge
            .store
            .set_timer(self.at, &conversation.channel, due.max(now))
            .await?;
        let opened = bridge
            .store
            .open_session(self.at, &conversation.channel, &entry.key, &new, now)
            .await?;
        Ok(Some(match opened {
            Opened::Open => {
                conversation.session = Some(new.clone());
                (new, true)
            }
            Opened::Another(other) => {
                conversation.session = Some(other.clone());
                (other, true)
            }
            // It was opened by this very message and has ended since: the
            // message is repeated into it, and nothing is opened.
            Opened::Ended => (new, false),
            Opened::Needless => return Ok(None),
        }))
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
        Ok(store
            .touch(self.at, &self.channel.id, session, &snippet, now)
            .await?
            || session.is_none())
    }

    async fn event(&mut self, entry: &Entry) -> Result<Step, Broken> {
        self.begun(entry).await?;
        let open = self.conversation.as_ref().and_then(|c| c.session.clone());
        let looks_only = matches!(&entry.body, Body::Event { name, .. } if name == "VIEW");
        match open {
            Some(session) if !looks_only => {
                self.tell(entry, Some(&session.id), News::Event(entry))
                    .await
            }
            _ => Ok(Step::Arrived),
        }
    }

    /// The desk is told of it in the session, which ends by it.
    async fn unfollow(&mut self, entry: &Entry) -> Result<Step, Broken> {
        let told = self.event(entry).await?;
        let open = self.conversation.as_ref().and_then(|c| c.session.clone());
        if let (Step::Arrived, Some(session)) = (&told, open) {
            let end = self
                .bridge
                .session_end(entry, &session.id, EndCause::Unfollowed);
            self.bridge.store.put_entry(self.at, &end, None).await?;
            // Its own bell brings it to the desk: messages of the same second may
            // have come before it meanwhile, and belong to the session.
            self.bridge.ring(self.at, &end.key);
        }
        Ok(told)
    }

    async fn receipt(&mut self, entry: &Entry) -> Result<Step, Broken> {
        let Body::Receipt(receipt) = &entry.body else {
            return Ok(Step::Arrived);
        };
        // Without a session: another one may be open when it is repeated, and a
        // repeat says the same.
        self.tell(entry, None, News::Status(receipt)).await
    }

    async fn session_end(&mut self, entry: &Entry) -> Result<Step, Broken> {
        let Body::SessionEnd(SessionEnd { session, cause }) = &entry.body else {
            return Ok(Step::Arrived);
        };
        let open = self.conversation.as_ref().and_then(|c| c.session.as_ref());
        let Some(open) = open.filter(|open| open.id == *session) else {
            return Ok(Step::Arrived);
        };
        let opened = open.opened;
        if self
            .bridge
            .store
            .has_later_message(self.at, &entry.key)
            .await?
        {
            return Ok(Step::Arrived);
        }
        // The message that opened it may have died on its way.
        if let Step::Failed(failure) = self.tell_opened().await? {
            return Ok(Step::Failed(failure));
        }
        // By its entry, not by its session: two ends of one session may be on
        // their way, each with its own time and cause.
        let id = public_id(self.at, entry.key.as_str());
        let time = said(entry).max(opened);
        let told = self
            .tell_as(id, time, Some(session), News::SessionEnded(*cause))
            .await?;
        if let Step::Failed(_) = &told {
            return Ok(told);
        }
        // The timer stays: a new session may have set it anew meanwhile. The
        // sweep stops one that finds no session.
        let store = &self.bridge.store;
        store
            .close_session(self.at, &self.channel.id, session, self.bridge.now())
            .await?;
        if let Some(conversation) = &mut self.conversation {
            conversation.session = None;
        }
        Ok(told)
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

    /// Tells the desk of the session that is open, if it has not taken that yet.
    async fn tell_opened(&mut self) -> Result<Step, Broken> {
        let open = self.conversation.as_ref().and_then(|c| c.session.clone());
        let Some(open) = open.filter(|open| !open.told && !matches!(self.desk, Desk::Inbox)) else {
            return Ok(Step::Arrived);
        };
        let id = session_letter_id(self.at, &open.id);
        let told = self
            .tell_as(id, open.opened, Some(&open.id), News::SessionOpened)
            .await?;
        if let Step::Arrived = &told {
            self.bridge.store.told(self.at, &open.id).await?;
            if let Some(open) = self.conversation.as_mut().and_then(|c| c.session.as_mut()) {
                open.told = true;
            }
        }
        Ok(told)
    }

    /// One piece of news to the desk, tried again at once while that makes
    /// sense and there is time.
    async fn tell_as(
        &self,
        id: String,
        time: crate::moment::Moment,
        session: Option<&str>,
        news: News<'_>,
    ) -> Result<Step, Broken> {
        let letter = Letter {
            id,
            time,
            channel: &self.channel.id,
            customer: self.conversation.as_ref().map(|c| &c.customer),
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

/// When an entry was said: by WeChat's clock, to the second, as its key has it.
fn said(entry: &Entry) -> crate::moment::Moment {
    entry
        .key
        .seconds()
        .map_or(entry.at, crate::moment::Moment::from_seconds)
}

/// The first words of a message, for lists.
pub(crate) fn snippet(body: &Body) -> String {
    let text = match body {
        Body::Text { text, .. } => text.clone(),
        other => {
            let line = lines::line(other);
            format!("{} {}", line.zh, line.en)
        }
    };
    text.chars().take(SNIPPET).collect()
}

impl Bridge {
    /// The entry that ends a session at the time of `cause_of`: the same
    /// however often it is made.
    pub(super) fn session_end(&self, cause_of: &Entry, session: &str, cause: EndCause) -> Entry {
        let seconds = cause_of.key.seconds().unwrap_or(0);
        self.session_end_at(
            u64::try_from(seconds).unwrap_or(0),
            cause_of.origin.clone(),
            session,
            cause,
        )
    }

    /// The entry that ends a session at this second.
    pub(crate) fn session_end_at(
        &self,
        seconds: u64,
        origin: crate::journal::Origin,
        session: &str,
        cause: EndCause,
    ) -> Entry {
        let key = EntryKey::hashed(seconds, Class::SessionEnd, session.as_bytes());
        let end = SessionEnd {
            session: session.to_owned(),
            cause,
        };
        Entry::pending(key, self.now(), Body::SessionEnd(end), origin)
    }
}
