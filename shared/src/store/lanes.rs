//! Parked lanes and timers: the rows that say when to look again.

use aws_sdk_dynamodb::types::ReturnValue;

use super::entries::due_partition;
use super::row::{Read, Row, n, s};
use super::{Store, StoreError};
use crate::journal::{ConversationKey, EntryKey, Lane};
use crate::lane::Parked;
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::reason::Reason;

/// Reads a lane's row.
pub(super) fn read(row: &Row) -> Result<Parked, StoreError> {
    Ok(Parked {
        due: row.moment("du")?,
        by: row.text("by").map(str::to_owned),
        attempts: row.number("tr").unwrap_or(0),
        revision: row.number("rev").ok_or(StoreError::Unreadable("rev"))?,
        from: EntryKey::parse(row.need("fr")?).ok_or(StoreError::Unreadable("fr"))?,
        reason: row
            .text("r")
            .and_then(Reason::parse)
            .unwrap_or(Reason::Internal),
        nonce: row.text("nc").unwrap_or_default().to_owned(),
    })
}

/// What became of an attempt to take a parked lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is ours until the end of the turn.
    Ours(Parked),
    /// It is not due, or another run has it.
    NotNow,
    /// It is not parked.
    Free,
}

/// Where and how a lane is parked.
#[derive(Clone, Debug)]
pub struct Park<'a> {
    /// The channel, for the index.
    pub channel: &'a ChannelId,
    /// When to look again.
    pub due: Moment,
    /// How often it was parked since it last went on.
    pub attempts: u32,
    /// The earliest entry that may wait.
    pub from: &'a EntryKey,
    /// Why.
    pub reason: Reason,
    /// The nonce of the run that parks.
    pub by: &'a str,
}

impl Store {
    /// Parks a lane that is not parked. Says `false` if it is parked already
    /// (by somebody else): then [`Self::raise`] is right.
    pub async fn park(
        &self,
        at: &ConversationKey,
        lane: Lane,
        park: &Park<'_>,
    ) -> Result<bool, StoreError> {
        let row = Row::from([
            ("pk".to_owned(), s(at.as_str())),
            ("sk".to_owned(), s(lane.row())),
            ("ch".to_owned(), s(park.channel.as_str())),
            ("dp".to_owned(), s(due_partition(park.channel, at.shard()))),
            ("du".to_owned(), n(park.due.millis())),
            ("tr".to_owned(), n(park.attempts)),
            ("rev".to_owned(), n(1)),
            ("fr".to_owned(), s(park.from.as_str())),
            ("r".to_owned(), s(park.reason.code())),
            ("nc".to_owned(), s(park.by)),
        ]);
        let call = self
            .client
            .put_item()
            .table_name(&self.messages)
            .set_item(Some(row))
            // A repeat after a lost answer finds its own row as it left it.
            .condition_expression("attribute_not_exists(pk) OR (nc = :nc AND rev = :one)")
            .expression_attribute_values(":nc", s(park.by))
            .expression_attribute_values(":one", n(1));
        self.put("PutItem lane", call).await
    }

    /// Tells whoever has a parked lane that there is something new in it, and
    /// optionally makes it due. Says `false` if the lane is not parked.
    pub async fn raise(
        &self,
        at: &ConversationKey,
        lane: Lane,
        from: Option<&EntryKey>,
        due: Option<Moment>,
    ) -> Result<bool, StoreError> {
        Ok(self.raise_seen(at, lane, from, due).await?.is_some())
    }

    /// Does as [`Self::raise`] does, and shows the lane as it is from then on; `None` if it
    /// is not parked.
    pub async fn raise_seen(
        &self,
        at: &ConversationKey,
        lane: Lane,
        from: Option<&EntryKey>,
        due: Option<Moment>,
    ) -> Result<Option<Parked>, StoreError> {
        // A condition cannot choose a value, so an earlier entry is tried first.
        if let Some(from) = from {
            let lowered = self
                .raise_if(
                    at,
                    lane,
                    Some(from),
                    due,
                    "attribute_exists(pk) AND fr > :fr",
                )
                .await?;
            if lowered.is_some() {
                return Ok(lowered);
            }
        }
        self.raise_if(at, lane, None, due, "attribute_exists(pk)")
            .await
    }

    async fn raise_if(
        &self,
        at: &ConversationKey,
        lane: Lane,
        from: Option<&EntryKey>,
        due: Option<Moment>,
        condition: &str,
    ) -> Result<Option<Parked>, StoreError> {
        let mut set = "SET rev = rev + :one".to_owned();
        let mut call = self
            .amend(at, lane.row())
            .condition_expression(condition)
            .expression_attribute_values(":one", n(1));
        if let Some(from) = from {
            set.push_str(", fr = :fr");
            call = call.expression_attribute_values(":fr", s(from.as_str()));
        }
        if let Some(due) = due {
            set.push_str(", du = :du");
            call = call.expression_attribute_values(":du", n(due.millis()));
        }
        let call = call
            .update_expression(set)
            .return_values(ReturnValue::AllNew);
        let raised = self.update_seen("UpdateItem raise", call).await?;
        raised.ok().as_ref().map(read).transpose()
    }

    /// Makes an outbound lane due that waits for the window. If a run holds it,
    /// that run is told instead, by the revision.
    pub async fn wake_held(&self, at: &ConversationKey, now: Moment) -> Result<(), StoreError> {
        let call = self
            .amend(at, Lane::Out.row())
            .update_expression("SET du = :now, rev = rev + :one")
            .condition_expression(
                "attribute_exists(pk) AND r IN (:window, :notified) AND attribute_not_exists(#by)",
            )
            .expression_attribute_names("#by", "by")
            .expression_attribute_values(":now", n(now.millis()))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":window", s(Reason::WindowFull.code()))
            .expression_attribute_values(":notified", s(Reason::CustomerNotified.code()));
        if !self.update("UpdateItem wake", call).await? {
            self.raise(at, Lane::Out, None, None).await?;
        }
        Ok(())
    }

    /// Takes a parked lane that is due, until `until`.
    pub async fn take(
        &self,
        at: &ConversationKey,
        lane: Lane,
        by: &str,
        now: Moment,
        until: Moment,
    ) -> Result<Taken, StoreError> {
        let call = self
            .amend(at, lane.row())
            .update_expression("SET du = :until, #by = :by")
            .condition_expression("attribute_exists(pk) AND (du <= :now OR #by = :by)")
            .expression_attribute_names("#by", "by")
            .expression_attribute_values(":now", n(now.millis()))
            .expression_attribute_values(":until", n(until.millis()))
            .expression_attribute_values(":by", s(by))
            .return_values(ReturnValue::AllNew);
        Ok(match self.update_seen("UpdateItem take", call).await? {
            Ok(row) => Taken::Ours(read(&row)?),
            Err(row) if row.is_empty() => Taken::Free,
            Err(_) => Taken::NotNow,
        })
    }

    /// Parks a lane again that this run has taken, if nothing new came into it
    /// since `seen`. Says `false` if something did.
    pub async fn park_again(
        &self,
        at: &ConversationKey,
        lane: Lane,
        seen: u64,
        park: &Park<'_>,
    ) -> Result<bool, StoreError> {
        let call = self
            .amend(at, lane.row())
            .update_expression(
                "SET du = :du, tr = :tr, fr = :fr, r = :r, nc = :by REMOVE #by",
            )
            .condition_expression(
                "attribute_exists(pk) AND rev = :rev AND (#by = :by OR (attribute_not_exists(#by) AND nc = :by))",
            )
            .expression_attribute_names("#by", "by")
            .expression_attribute_values(":du", n(park.due.millis()))
            .expression_attribute_values(":tr", n(park.attempts))
            .expression_attribute_values(":fr", s(park.from.as_str()))
            .expression_attribute_values(":r", s(park.reason.code()))
            .expression_attribute_values(":by", s(park.by))
            .expression_attribute_values(":rev", n(seen));
        self.update("UpdateItem park again", call).await
    }

    /// Un-parks a lane that this run has taken, if nothing new came into it
    /// since `seen`. Says `false` if something did or if it is another's.
    pub async fn unpark(
        &self,
        at: &ConversationKey,
        lane: Lane,
        by: &str,
        seen: u64,
    ) -> Result<bool, StoreError> {
        let call = self
            .client
            .delete_item()
            .table_name(&self.messages)
            .key("pk", s(at.as_str()))
            .key("sk", s(lane.row()))
            // Deleting what is gone is harmless: a repeat after a lost answer.
            .condition_expression("attribute_not_exists(pk) OR (#by = :by AND rev = :rev)")
            .expression_attribute_names("#by", "by")
            .expression_attribute_values(":by", s(by))
            .expression_attribute_values(":rev", n(seen));
        self.delete("DeleteItem lane", call).await
    }

    /// Sets the session's timer.
    pub async fn set_timer(
        &self,
        at: &ConversationKey,
        channel: &ChannelId,
        due: Moment,
    ) -> Result<(), StoreError> {
        let call = self
            .client
            .put_item()
            .table_name(&self.messages)
            .item("pk", s(at.as_str()))
            .item("sk", s("J#session"))
            .item("ch", s(channel.as_str()))
            .item("dp", s(due_partition(channel, at.shard())))
            .item("du", n(due.millis()));
        self.put("PutItem timer", call).await?;
        Ok(())
    }

    /// Moves the session's timer, if it is still due at `seen`.
    pub async fn move_timer(
        &self,
        at: &ConversationKey,
        seen: Moment,
        due: Moment,
    ) -> Result<bool, StoreError> {
        let call = self
            .amend(at, "J#session")
            .update_expression("SET du = :due")
            .condition_expression("attribute_exists(pk) AND du = :seen")
            .expression_attribute_values(":due", n(due.millis()))
            .expression_attribute_values(":seen", n(seen.millis()));
        self.update("UpdateItem timer", call).await
    }

    /// Stops the session's timer, if it is still due at `seen`: a new session
    /// may have set it anew.
    pub async fn stop_timer(&self, at: &ConversationKey, seen: Moment) -> Result<(), StoreError> {
        let call = self
            .client
            .delete_item()
            .table_name(&self.messages)
            .key("pk", s(at.as_str()))
            .key("sk", s("J#session"))
            .condition_expression("attribute_not_exists(pk) OR du = :seen")
            .expression_attribute_values(":seen", n(seen.millis()));
        self.delete("DeleteItem timer", call).await?;
        Ok(())
    }
}
