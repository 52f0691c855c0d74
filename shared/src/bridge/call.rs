//! A customer is asked back: where no window is open, one notice goes out for all answers that
//! wait.
//!
//! Invariant: it is journalled with the note in the conversation that it is the last one, so
//! that of two workers one puts it, and none another before the customer did something.

use super::Broken;
use super::deliver::Progress;
use super::lane_out::Context;
use crate::conversation::Called;
use crate::fallback::Told;
use crate::journal::{ConversationKey, Entry, EntryKey, Origin};
use crate::lines;
use crate::message::{Body, MessageId};
use crate::rich::Rich;

/// The key of the notice that is put on behalf of this answer, after `last`.
fn key_of(at: &ConversationKey, answer: &EntryKey, last: Option<&EntryKey>) -> Option<EntryKey> {
    let after = last.map_or("", EntryKey::as_str);
    let name = EntryKey::parse(&format!("{answer} {after}"))?.hashed_in(at);
    let id = MessageId::parse(&format!("notice.{name}"))?;
    Some(EntryKey::outbound(answer.said(), &id, 1))
}

impl Context<'_> {
    /// Journals the notice that asks the customer back.
    pub(super) async fn call_back(
        &mut self,
        answer: &EntryKey,
    ) -> Result<Option<Progress>, Broken> {
        let (Some(fallback), Some(first), Some(recall)) = (
            &self.channel.fallback,
            self.entries.get(answer),
            &mut self.recall,
        ) else {
            return Ok(Some(Progress::Again));
        };
        let conversation = self.look.conversation.as_ref();
        let last = conversation.and_then(|known| known.called.as_ref());
        let last = last.map(|called| &called.key);
        let Some(key) = key_of(self.at, answer, last) else {
            return Ok(Some(Progress::Again));
        };
        let manner = first.answer.as_ref().map(|answer| &answer.manner);
        let notice = fallback.notice(&Told {
            words: &lines::line(&first.body).zh,
            agent: manner.and_then(|manner| manner.agent.as_deref()),
            said: answer.said(),
            account: &self.channel.name,
            zone: &self.channel.time_zone,
        });
        let (bridge, at) = (self.bridge, self.at);
        let body = Body::Rich(Rich::Notice(notice));
        let entry = Entry::pending(key, bridge.now(), body, Origin::ours(&self.channel.id))
            .for_customer(self.customer);
        let since = self.run.begun;
        if !bridge.store.put_call(at, &entry, last, since).await? {
            return Ok(Some(Progress::Again));
        }
        bridge.changed();
        recall.last = Some(Called {
            key: entry.key.clone(),
            at: since,
        });
        self.entries.insert(entry.key.clone(), entry);
        Ok(None)
    }
}
