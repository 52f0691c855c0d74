//! The sessions of a conversation: opened, settled, told of and closed, each by one write.

use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};

use super::call::refused;
use super::conversations::{board_partition, board_place, read_begun};
use super::row::{Read, n, s};
use super::{Store, StoreError};
use crate::conversation::Session;
use crate::journal::{ConversationKey, EntryKey};
use crate::message::{ChannelId, CustomerId};
use crate::moment::Moment;

/// What became of an attempt to open a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It is open.
    Open,
    /// Another one is open.
    Another(Session),
    /// This very session has ended already.
    Ended,
    /// The message does not wait any more.
    Needless,
    /// The message is told in this session, open or not: that was settled before.
    Settled(String),
}

/// What became of an attempt to settle in which session a message is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// In this one.
    In(String),
    /// Not in that one: it is not open any more.
    Closed,
    /// The message does not wait any more.
    Needless,
}

/// The session that was settled for a message that still waits, by its row as a condition
/// met it.
fn waits_in(met: &CancellationReason) -> Option<String> {
    let row = met.item().filter(|row| row.text("st") == Some("p"))?;
    row.text("ss").map(str::to_owned)
}

impl Store {
    /// Opens a session for a `message` that waits, unless another one is open
    /// or this one has ended.
    pub async fn open_session(
        &self,
        at: &ConversationKey,
        (channel, customer): (&ChannelId, &CustomerId),
        message: &EntryKey,
        session: &Session,
        now: Moment,
    ) -> Result<Opened, StoreError> {
        let open = Update::builder()
            .table_name(&self.messages)
            .key("pk", s(at.as_str()))
            .key("sk", s("J"))
            .update_expression("SET ses = :ses, so = :so, act = :now, bp = :bp, bt = :bt REMOVE tol")
            .condition_expression(
                "cid = :cid AND attribute_not_exists(ses) AND (attribute_not_exists(ls) OR ls <> :ses)",
            )
            .expression_attribute_values(":cid", s(customer.expose()))
            .expression_attribute_values(":ses", s(&session.id))
            .expression_attribute_values(":so", n(session.opened.millis()))
            .expression_attribute_values(":now", n(now.millis()))
            .expression_attribute_values(":bp", s(board_partition(channel, true, at.shard())))
            .expression_attribute_values(":bt", s(board_place(at, now)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|_| StoreError::Unreadable("J"))?;
        // Another worker may have brought the message into a session that has
        // ended since: a session comes before its end in the lane.
        let waits = ConditionCheck::builder()
            .table_name(&self.messages)
            .key("pk", s(at.as_str()))
            .key("sk", s(message.as_str()))
            .condition_expression("attribute_exists(pk) AND st = :p AND attribute_not_exists(ss)")
            .expression_attribute_values(":p", s("p"))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|_| StoreError::Unreadable("sk"))?;
        let items = vec![
            TransactWriteItem::builder().update(open).build(),
            TransactWriteItem::builder().condition_check(waits).build(),
        ];
        let reasons = match self.transact("TransactWriteItems open", items).await? {
            Ok(()) => return Ok(Opened::Open),
            Err(reasons) => reasons,
        };
        if let Some(message) = reasons.get(1).filter(|reason| refused(reason)) {
            return Ok(match waits_in(message) {
                Some(session) => Opened::Settled(session),
                None => Opened::Needless,
            });
        }
        let row = reasons.first().and_then(CancellationReason::item);
        let begun = row.map(read_begun).transpose()?.flatten();
        let Some(begun) = begun.filter(|begun| begun.customer == *customer) else {
            // The customer was erased, and the message goes with that.
            return Ok(Opened::Needless);
        };
        Ok(match begun.session {
            Some(open) if open.id == session.id => Opened::Open,
            Some(open) => Opened::Another(open),
            None => Opened::Ended,
        })
    }

    /// Settles that a `message` that waits is told in this session while it is the open one,
    /// whatever becomes of that meanwhile: whoever tells it once more says the same.
    pub async fn settle_session(
        &self,
        at: &ConversationKey,
        message: &EntryKey,
        session: &str,
    ) -> Result<Settled, StoreError> {
        let settle = Update::builder()
            .table_name(&self.messages)
            .key("pk", s(at.as_str()))
            .key("sk", s(message.as_str()))
            .update_expression("SET ss = :ses")
            .condition_expression(
                "attribute_exists(pk) AND st = :p AND (attribute_not_exists(ss) OR ss = :ses)",
            )
            .expression_attribute_values(":p", s("p"))
            .expression_attribute_values(":ses", s(session))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|_| StoreError::Unreadable("sk"))?;
        let open = ConditionCheck::builder()
            .table_name(&self.messages)
            .key("pk", s(at.as_str()))
            .key("sk", s("J"))
            .condition_expression("attribute_exists(pk) AND ses = :ses")
            .expression_attribute_values(":ses", s(session))
            .build()
            .map_err(|_| StoreError::Unreadable("J"))?;
        let items = vec![
            TransactWriteItem::builder().update(settle).build(),
            TransactWriteItem::builder().condition_check(open).build(),
        ];
        let reasons = match self.transact("TransactWriteItems settle", items).await? {
            Ok(()) => return Ok(Settled::In(session.to_owned())),
            Err(reasons) => reasons,
        };
        Ok(match reasons.first().filter(|reason| refused(reason)) {
            Some(message) => waits_in(message).map_or(Settled::Needless, Settled::In),
            None => Settled::Closed,
        })
    }

    /// Notes that the desk has taken the news of a session.
    pub async fn told(&self, at: &ConversationKey, session: &str) -> Result<(), StoreError> {
        let call = self
            .amend(at, "J")
            .update_expression("SET tol = :true")
            .condition_expression("attribute_exists(pk) AND ses = :ses")
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":ses", s(session));
        self.update("UpdateItem told", call).await?;
        Ok(())
    }

    /// Closes a session, if it is still the open one.
    pub async fn close_session(
        &self,
        at: &ConversationKey,
        channel: &ChannelId,
        session: &str,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let call = self
            .amend(at, "J")
            .update_expression("SET ls = :ses, act = :now, bp = :bp, bt = :bt REMOVE ses, so, tol")
            .condition_expression("attribute_exists(pk) AND ses = :ses")
            .expression_attribute_values(":ses", s(session))
            .expression_attribute_values(":now", n(now.millis()))
            .expression_attribute_values(":bp", s(board_partition(channel, false, at.shard())))
            .expression_attribute_values(":bt", s(board_place(at, now)));
        self.update("UpdateItem close", call).await
    }
}
