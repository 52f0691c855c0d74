//! Receipts: what became of an answer, for the desk that it came from.
//!
//! Invariant: a failure is an entry of the inbound lane, ordered and retried
//! like any other, and so is the arrival of an answer that went out by the reply to a
//! push; that any other arrived or waits is told once, and may be lost.

use super::{Bridge, Broken, Run};
use crate::channel::{Channel, DeskSettings};
use crate::delivery::Delivery;
use crate::desk::{Desk, Letter, News, public_id};
use crate::journal::{Class, ConversationKey, Entry, EntryKey, Origin, State};
use crate::lane::{self, is_notice};
use crate::message::{Body, CustomerId, Outcome, Receipt};
use crate::moment::Moment;
use crate::reason::Reason;

/// The entry that tells the desk how an answer ended: the same however often it is made,
/// and another one for each time that it was redriven.
/// `said` is its place in the lane.
pub(super) fn receipt(entry: &Entry, outcome: Outcome, said: Moment, now: Moment) -> Option<Entry> {
    let answer = entry.answer.as_ref()?;
    let redriven = entry.redriven.map_or(0, Moment::millis);
    let identity = format!("{} {redriven}", entry.key.with_part(0));
    let key = EntryKey::hashed(
        u64::try_from(said.seconds()).unwrap_or(0),
        Class::Receipt,
        identity.as_bytes(),
    );
    let receipt = Receipt {
        message: answer.message.clone(),
        outcome,
        conversation: None,
    };
    let origin = Origin::ours(&entry.origin.channel);
    let told = Entry::pending(key, now, Body::Receipt(receipt), origin);
    Some(Entry {
        customer: entry.customer.clone(),
        ..told
    })
}

/// Tells the desk of answers that wait for the customer, for this reason. Once: it may be
/// lost. Says whether there is a notice among them: that waits for nobody.
pub(super) async fn tell_held(
    bridge: &Bridge,
    at: &ConversationKey,
    answers: impl Iterator<Item = &EntryKey>,
    why: Reason,
    run: &Run,
) -> Result<bool, Broken> {
    let mut customer = None;
    let (mut notice, mut hears) = (false, true);
    for key in answers {
        let entry = bridge.store.entry(at, key).await?;
        // A repeat of an answer that has ended rings, too.
        let Some(entry) = entry.filter(|entry| entry.state == State::Pending) else {
            continue;
        };
        if is_notice(&entry) {
            notice = true;
            continue;
        }
        let channel = bridge.channel(&entry.origin.channel).await?;
        // Nobody is told in the inbox: it shows them as they are.
        let desk = channel.filter(|channel| hears && channel.desk != DeskSettings::Inbox);
        let Some(channel) = desk else {
            continue;
        };
        if customer.is_none() {
            let conversation = bridge.store.conversation(at).await?;
            customer = conversation.map(|(known, _)| known.customer);
        }
        let outcome = Outcome::Held(why);
        let told = bridge.tell_outcome(at, &channel, customer.as_ref(), &entry, outcome, run.ends);
        // Whoever hangs is not asked to hang again.
        hears = told.await?;
    }
    Ok(notice)
}

impl Bridge {
    /// Tells a desk once what became of an answer, if there is time for it. Says
    /// `false` if the desk could not be reached.
    pub(super) async fn tell_outcome(
        &self,
        at: &ConversationKey,
        channel: &Channel,
        customer: Option<&CustomerId>,
        entry: &Entry,
        outcome: Outcome,
        until: Moment,
    ) -> Result<bool, Broken> {
        let now = self.now();
        let (Some(answer), Some(desk)) = (&entry.answer, self.desk(channel).await?) else {
            return Ok(true);
        };
        if matches!(desk, Desk::Inbox) || now.plus(lane::ATTEMPT) > until {
            return Ok(true);
        }
        if self.desk_is_down(channel).await? {
            return Ok(false);
        }
        // Whatever finds once more that an answer waits says the same again.
        let begun = entry.redriven.unwrap_or(entry.at);
        let (word, time) = match outcome {
            Outcome::Delivered => ("delivered", now),
            // It may wait for the window first, and for the customer then.
            Outcome::Held(Reason::CustomerNotified) => ("notified", begun),
            Outcome::Held(_) => ("held", begun),
            Outcome::Failed(_) => ("failed", now),
        };
        let receipt = Receipt {
            message: answer.message.clone(),
            outcome,
            conversation: None,
        };
        let letter = Letter {
            id: public_id(
                at,
                &format!("{word} {} {}", entry.key.with_part(0), begun.millis()),
            ),
            time,
            channel: &channel.id,
            customer,
            session: None,
            news: News::Status(&receipt),
        };
        // One attempt: this news is told once or not at all.
        match desk.tell(&self.http, &letter, now).await {
            Delivery::Failed(failure) if failure.reason == Reason::DeskUnreachable => {
                self.desk_failed(&channel.id, at).await?;
                Ok(false)
            }
            _ => Ok(true),
        }
    }
}
