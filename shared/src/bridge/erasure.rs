//! The erasure of one customer, to which the law gives everybody a right (PIPL, article 47:
//! <http://www.npc.gov.cn/npc/c30834/202108/a8c4e3672c74491a80b53a172bb753fe.shtml>): asked for
//! by a person or a desk, or due because the customer left or withdrew a consent.
//!
//! Invariant: it begins by one write, after which the customer is nobody's any more here and
//! the desk is told of it by an entry of the channel's own journal. What carries it out may
//! die at any point: the sweep goes on. It ends by a second pass when nobody can be at work
//! any more who had read before.

use std::time::Duration;

use tracing::{error, info};

use super::files::DOOR;
use super::{Bridge, Broken};
use crate::conversation::{Coming, Conversation, EraseCause, Leaving, Tombstone};
use crate::journal::{Class, ConversationKey, Entry, EntryKey, Origin};
use crate::media::Place;
use crate::message::{Body, ChannelId, CustomerId, Erased};
use crate::moment::Moment;
use crate::store::{Departed, Look, Stage};

/// How long whoever has read a conversation may be at work with it, or bring a file for it.
const BELIEVED: Duration = DOOR.saturating_add(Duration::from_mins(5));
/// How often it is tried to begin where something happens in the conversation meanwhile.
const TRIES: usize = 8;
/// How many erasures of a channel a sweep takes up.
const MOST: i32 = 100;

/// An erasure that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    /// Where the conversation lies.
    pub(crate) at: ConversationKey,
    /// The customer's channel.
    pub(crate) channel: ChannelId,
}

impl Bridge {
    /// Begins the erasure of a customer of this channel, or of any. From then on nobody finds
    /// the customer. `None` if there is no such one.
    pub(crate) async fn erase(
        &self,
        customer: &CustomerId,
        of: Option<&ChannelId>,
        cause: EraseCause,
    ) -> Result<Option<Begun>, Broken> {
        let found = self.store.find(customer).await?;
        let Some((at, channel)) = found.filter(|(_, own)| of.is_none_or(|of| of == own)) else {
            return Ok(None);
        };
        let begun = self.depart(&at, customer, cause, None).await?;
        Ok(begun.then_some(Begun { at, channel }))
    }

    /// Begins the erasure of the customer of a conversation. Says `false` if it is not
    /// theirs any more, or if they came back for whom it was `noted`.
    async fn depart(
        &self,
        at: &ConversationKey,
        customer: &CustomerId,
        cause: EraseCause,
        noted: Option<Leaving>,
    ) -> Result<bool, Broken> {
        for _ in 0..TRIES {
            let look = self.store.look(at, |_| true).await?;
            let Some(conversation) = look.conversation else {
                return Ok(false);
            };
            if conversation.customer != *customer {
                return Ok(false);
            }
            if let Some(leaving) = noted {
                let back = look.entries.values().any(|e| leaving.called_off_by(e));
                if back || conversation.leaving != noted {
                    return Ok(false);
                }
            }
            let now = self.now();
            let own = ConversationKey::of_channel(&conversation.channel);
            let notice = notice(&conversation, cause, now);
            let departed = Departed {
                conversation: &conversation,
                files: &Place::folder(customer),
                notice: (&own, &notice),
                now,
            };
            let begun = self.store.begin_erasure(at, departed, look.erased.as_ref());
            if !begun.await? {
                // A session was opened or ended just now.
                continue;
            }
            self.ring(&own, &notice.key);
            // A lane finds nothing, and goes.
            for lane in look.parked.keys() {
                self.store.raise(at, *lane, None, Some(now)).await?;
            }
            if let Some(due) = look.timer {
                self.store.stop_timer(at, due).await?;
            }
            info!(channel = %conversation.channel, cause = cause.word(), "a customer is erased");
            return Ok(true);
        }
        Err(Broken::Unfinished)
    }

    /// Deletes what is left of a customer, as far as there is time. Says whether nothing is.
    pub(crate) async fn clear(&self, begun: &Begun, ends: Moment) -> Result<bool, Broken> {
        let Begun { at, channel } = begun;
        let Some(Stage::Begun(stone)) = self.store.erasure(at).await? else {
            return Ok(true);
        };
        // What is put behind a pass counts as late, however long the pass takes.
        let now = self.now();
        let done = self.pass(at, channel, &stone, ends);
        if !done.await? {
            return Ok(false);
        }
        let second = stone.since.plus(BELIEVED);
        if now < second {
            self.store.postpone_erasure(at, &stone, second).await?;
        } else {
            self.store.end_erasure(at, &stone).await?;
            info!(%channel, "an erasure has left nothing");
        }
        Ok(true)
    }

    async fn pass(
        &self,
        at: &ConversationKey,
        channel: &ChannelId,
        stone: &Tombstone,
        ends: Moment,
    ) -> Result<bool, Broken> {
        let mut behind: Option<String> = None;
        loop {
            let swept = self
                .store
                .sweep_erased(at, stone, behind.as_deref())
                .await?;
            if !swept.undone {
                behind = swept.next;
                if behind.is_none() {
                    break;
                }
            }
            if self.now() >= ends {
                return Ok(false);
            }
        }
        for folder in stone.files.iter().map(String::as_str).chain([at.folder()]) {
            while !self.forget_some_files(channel, Some(folder)).await? {
                if self.now() >= ends {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Goes on with the erasures of a channel that are due.
    pub(super) async fn go_on_erasing(
        &self,
        channel: &ChannelId,
        ends: Moment,
    ) -> Result<(), Broken> {
        let now = self.now();
        for at in self.store.due_erasures(channel, now, MOST).await? {
            if self.now() >= ends {
                break;
            }
            // One that fails is no reason to leave out the others.
            if let Err(broken) = self.go_on(&at, channel, now, ends).await {
                error!(%channel, error = %broken, "an erasure could not be carried on");
            }
        }
        Ok(())
    }

    async fn go_on(
        &self,
        at: &ConversationKey,
        channel: &ChannelId,
        now: Moment,
        ends: Moment,
    ) -> Result<(), Broken> {
        match self.store.erasure(at).await? {
            Some(Stage::Noted(conversation, leaving)) if leaving.due <= now => {
                let customer = &conversation.customer;
                if self.came_back(at, &conversation, leaving).await? {
                    self.store.call_off_erasure(at, customer, leaving).await?;
                    return Ok(());
                }
                if !self
                    .depart(at, customer, leaving.cause, Some(leaving))
                    .await?
                {
                    return Ok(());
                }
            }
            Some(Stage::Begun(_)) => {}
            // The index has not heard what became of it.
            _ => return Ok(()),
        }
        let (at, channel) = (at.clone(), channel.clone());
        self.clear(&Begun { at, channel }, ends).await?;
        Ok(())
    }

    /// Whether a customer came back who left: the entry that says so may wait for the desk.
    async fn came_back(
        &self,
        at: &ConversationKey,
        conversation: &Conversation,
        leaving: Leaving,
    ) -> Result<bool, Broken> {
        // Its first message may have expired by now.
        let talks = conversation.session.as_ref();
        if leaving.cause == EraseCause::Unfollowed
            && talks.is_some_and(|session| session.opened > leaving.since)
        {
            return Ok(true);
        }
        let back = |look: &Look| {
            let mut entries = look.entries.values();
            entries.any(|entry| leaving.called_off_by(entry))
        };
        let before = |look: &Look| look.entries.values().any(|entry| entry.at <= leaving.since);
        let look = self.store.look(at, |look| back(look) || before(look));
        Ok(back(&look.await?))
    }

    /// Notes that a customer is to be erased, who left or withdrew a consent by this entry.
    pub(super) async fn note_erasure(
        &self,
        at: &ConversationKey,
        conversation: &Conversation,
        cause: EraseCause,
        entry: &Entry,
        grace: Duration,
    ) -> Result<Option<Leaving>, Broken> {
        let leaving = Leaving {
            cause,
            since: entry.at,
            due: entry.at.plus(grace),
        };
        let noted = self.store.note_erasure(at, conversation, leaving).await?;
        Ok(noted.then_some(leaving))
    }

    /// Notes of a lane that may have to wait for its desk who leaves by what waits in it: that
    /// keeps no erasure waiting.
    pub(super) async fn note_leaving(
        &self,
        at: &ConversationKey,
        look: &Look,
    ) -> Result<(), Broken> {
        let leaves = |entry: &Entry| match Coming::of(entry) {
            Coming::Leaves(cause) if !entry.state.ended() => Some(cause),
            _ => None,
        };
        let Some(conversation) = look.conversation.as_ref().filter(|c| c.leaving.is_none()) else {
            return Ok(());
        };
        for entry in look.entries.values() {
            if let Some(cause) = leaves(entry)
                && let Some(channel) = self.working_channel(&conversation.channel).await?
            {
                let grace = channel.grace();
                self.note_erasure(at, conversation, cause, entry, grace)
                    .await?;
            }
        }
        Ok(())
    }
}

/// The entry that tells the desk, and shows later that it was done.
fn notice(conversation: &Conversation, cause: EraseCause, now: Moment) -> Entry {
    let customer = &conversation.customer;
    let seconds = u64::try_from(now.seconds()).unwrap_or(0);
    let key = EntryKey::hashed(seconds, Class::SessionEnd, customer.expose().as_bytes());
    let session = conversation.session.as_ref();
    let erased = Erased {
        customer: customer.clone(),
        session: session.filter(|open| open.told).map(|open| open.id.clone()),
        cause,
    };
    let origin = Origin::ours(&conversation.channel);
    Entry::pending(key, now, Body::Erased(erased), origin)
}
