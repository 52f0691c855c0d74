//! The erasure of one customer, to which the law gives everybody a right (PIPL, article 47:
//! <http://www.npc.gov.cn/npc/c30834/202108/a8c4e3672c74491a80b53a172bb753fe.shtml>): asked for
//! by a person or a desk, or due because the customer left or withdrew a consent.
//!
//! Invariant: it begins by one write, after which the customer is nobody's any more here and
//! the desk is told of it by an entry of the channel's own journal. What carries it out may
//! die at any point: the sweep goes on. It ends by a second pass when nobody can be at work
//! any more who had read before.

use std::time::Duration;

use tracing::info;

use super::files::DOOR;
use super::{Bridge, Broken};
use crate::conversation::{Conversation, EraseCause, Leaving, Tombstone};
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
        let begun = self.depart(&at, customer, cause).await?;
        Ok(begun.then_some(Begun { at, channel }))
    }

    /// Begins the erasure of the customer of a conversation. Says `false` if it is not
    /// theirs any more.
    async fn depart(
        &self,
        at: &ConversationKey,
        customer: &CustomerId,
        cause: EraseCause,
    ) -> Result<bool, Broken> {
        for _ in 0..TRIES {
            let look = self.store.look(at, |_| true).await?;
            let Some(conversation) = look.conversation else {
                return Ok(false);
            };
            if conversation.customer != *customer {
                return Ok(false);
            }
            let stone = match self.store.erasure(at).await? {
                Some(Stage::Begun(stone, _)) => Some(stone),
                _ => None,
            };
            let now = self.now();
            let own = ConversationKey::of_channel(&conversation.channel);
            let notice = notice(&conversation, cause, now);
            let departed = Departed {
                conversation: &conversation,
                files: &Place::folder(customer),
                notice: (&own, &notice),
                now,
            };
            let begun = self.store.begin_erasure(at, departed, stone.as_ref());
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
        let Some(Stage::Begun(stone, customer)) = self.store.erasure(at).await? else {
            return Ok(true);
        };
        let done = self.pass(at, channel, &stone, customer.as_ref(), ends);
        if !done.await? {
            return Ok(false);
        }
        let second = stone.since.plus(BELIEVED);
        if self.now() < second {
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
        customer: Option<&CustomerId>,
        ends: Moment,
    ) -> Result<bool, Broken> {
        let mut behind: Option<String> = None;
        loop {
            let swept = self
                .store
                .sweep_erased(at, stone.since, customer, behind.as_deref())
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
            match self.store.erasure(&at).await? {
                Some(Stage::Noted(conversation, leaving)) if leaving.due <= now => {
                    let customer = &conversation.customer;
                    if self.came_back(&at, leaving).await? {
                        self.store.call_off_erasure(&at, customer, leaving).await?;
                        continue;
                    }
                    self.depart(&at, customer, leaving.cause).await?;
                }
                Some(Stage::Begun(..)) => {}
                // The index has not heard what became of it.
                _ => continue,
            }
            let channel = channel.clone();
            self.clear(&Begun { at, channel }, ends).await?;
        }
        Ok(())
    }

    /// Whether a customer came back who left: the entry that says so may wait for the desk.
    async fn came_back(&self, at: &ConversationKey, leaving: Leaving) -> Result<bool, Broken> {
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
    ) -> Result<(), Broken> {
        let leaving = Leaving {
            cause,
            since: entry.at,
            due: entry.at.plus(grace),
        };
        self.store.note_erasure(at, conversation, leaving).await?;
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
    let origin = Origin {
        channel: conversation.channel.clone(),
        open_id: None,
    };
    Entry::pending(key, now, Body::Erased(erased), origin)
}
