//! Sessions: an inbound lane opens them and ends them, and tells the desk of
//! both.
//!
//! Invariant: a message opens a session only while it waits, and the end of one
//! closes it only while it is the open one; so whoever forwards an entry once
//! more says the same.

use super::Bridge;
use super::Broken;
use super::lane_in::{Context, Step, said};
use crate::conversation::{Session, session_id};
use crate::desk::{Desk, News, public_id, session_letter_id};
use crate::journal::{Class, Entry, EntryKey};
use crate::message::{Body, EndCause, SessionEnd};
use crate::store::{Opened, Settled};
use crate::window::MESSAGE_SPAN;

/// The session that an entry ends, whatever has become of it.
pub(super) fn ended_by(entry: &Entry) -> Option<String> {
    match &entry.body {
        Body::SessionEnd(end) => Some(end.session.clone()),
        _ => None,
    }
}

/// A session that is not open any more, in which a message is told all the same: another
/// worker may have done so while it was.
fn settled_before(id: String, entry: &Entry) -> Session {
    Session {
        id,
        opened: entry.at,
        told: true,
    }
}

impl Context<'_> {
    /// The session that a message belongs to: the open one, or a new one, of
    /// which the desk is told first; and whether it is open. `None` if nothing
    /// needs to be told any more.
    pub(super) async fn session(
        &mut self,
        entry: &Entry,
    ) -> Result<Option<(Session, bool)>, Broken> {
        let bridge = self.bridge;
        let Some(conversation) = &mut self.conversation else {
            return Ok(None);
        };
        let open = conversation.session.as_ref();
        if let Some(settled) = &entry.session {
            let open = open.filter(|open| open.id == *settled).cloned();
            let is_open = open.is_some();
            let settled = || settled_before(settled.clone(), entry);
            return Ok(Some((open.unwrap_or_else(settled), is_open)));
        }
        if let Some(open) = open {
            return Ok(Some((open.clone(), true)));
        }
        // What a person tries once more opens a session of its own.
        let again = entry.redriven.map(|at| format!("|{}", at.millis()));
        let identity = format!("{}{}", entry.key, again.unwrap_or_default());
        let new = Session {
            id: session_id(&conversation.customer, &identity),
            opened: entry.redriven.unwrap_or(entry.at),
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
            .open_session(
                self.at,
                (&conversation.channel, &conversation.customer),
                &entry.key,
                &new,
                now,
            )
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
            Opened::Settled(session) => (settled_before(session, entry), false),
            Opened::Needless => return Ok(None),
        }))
    }

    /// In which session a message is told: in the one that it found, unless the end of that is
    /// on its way and another worker may close it just now.
    pub(super) async fn settled(
        &self,
        entry: &Entry,
        session: String,
        open: bool,
    ) -> Result<Settled, Broken> {
        if !open || !self.ends.contains(&session) || entry.redriven.is_some() {
            return Ok(Settled::In(session));
        }
        let settled = self
            .bridge
            .store
            .settle_session(self.at, &entry.key, &session);
        Ok(settled.await?)
    }

    /// Tells the desk of the session that is open, if it has not taken that yet.
    pub(super) async fn tell_opened(&mut self) -> Result<Step, Broken> {
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

    /// The desk is told of it in the session, which ends by it.
    pub(super) async fn unfollow(&mut self, entry: &Entry) -> Result<Step, Broken> {
        let told = self.event(entry).await?;
        let open = self.conversation.as_ref();
        let open = open.and_then(|c| Some((c.session.clone()?, &c.customer)));
        if let (Step::Arrived, Some((session, customer))) = (&told, open) {
            let end = self
                .bridge
                .session_end(entry, &session.id, EndCause::Unfollowed)
                .for_customer(customer);
            self.bridge.store.put_entry(self.at, &end, None).await?;
            // Its own bell brings it to the desk: messages of the same second may
            // have come before it meanwhile, and belong to the session.
            self.bridge.ring(self.at, &end.key);
        }
        Ok(told)
    }

    pub(super) async fn session_end(&mut self, entry: &Entry) -> Result<Step, Broken> {
        let (session, cause) = match &entry.body {
            Body::SessionEnd(SessionEnd { session, cause }) => (session, cause),
            Body::Erased(erased) => return self.erased(entry, erased).await,
            _ => return Ok(Step::Arrived),
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
