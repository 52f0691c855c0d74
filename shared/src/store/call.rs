//! One way to send a call of each kind: it counts what the call cost, and takes
//! a condition that does not hold for an answer, not for a failure.
//!
//! What the SDK is at while it waits is kilobytes: it lies in a box, so that the
//! futures of everybody above stay small.

use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    CancellationReason, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};

use super::control::channel_pk;
use super::row::{Row, s};
use super::{Side, Store, StoreError, unavailable};
use crate::journal::ConversationKey;
use crate::message::ChannelId;

/// What became of a conditional write: the attributes that it was asked for, or
/// the row that stood against it, empty if there is none.
pub(super) type Seen = Result<Row, Row>;

impl Store {
    /// A change of a row of the journal, to be told its condition and sent.
    pub(super) fn amend(&self, at: &ConversationKey, sk: &str) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.messages)
            .key("pk", s(at.as_str()))
            .key("sk", s(sk))
    }

    /// A change of what the table of control holds of a channel.
    pub(super) fn amend_control(&self, channel: &ChannelId, sk: &str) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.control)
            .key("pk", s(channel_pk(channel)))
            .key("sk", s(sk))
    }

    /// Changes a row. Says whether its condition held.
    pub(super) async fn update(
        &self,
        operation: &'static str,
        call: UpdateItemFluentBuilder,
    ) -> Result<bool, StoreError> {
        Ok(self.update_seen(operation, call).await?.is_ok())
    }

    /// Changes a row, and shows what stood against it if anything did.
    pub(super) async fn update_seen(
        &self,
        operation: &'static str,
        call: UpdateItemFluentBuilder,
    ) -> Result<Seen, StoreError> {
        let sent = call
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send();
        let done = Box::pin(sent).await;
        match done {
            Ok(done) => {
                self.count(Side::Write, done.consumed_capacity());
                Ok(Ok(done.attributes.unwrap_or_default()))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    self.count_units(Side::Write, 1.0);
                    Ok(Err(failed.item().cloned().unwrap_or_default()))
                }
                _ => Err(unavailable(operation)(error)),
            },
        }
    }

    /// Puts a row. Says whether its condition held.
    pub(super) async fn put(
        &self,
        operation: &'static str,
        call: PutItemFluentBuilder,
    ) -> Result<bool, StoreError> {
        Ok(self.put_seen(operation, call).await?.is_ok())
    }

    /// Puts a row, and shows what stood against it if anything did.
    pub(super) async fn put_seen(
        &self,
        operation: &'static str,
        call: PutItemFluentBuilder,
    ) -> Result<Seen, StoreError> {
        let sent = call
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send();
        let done = Box::pin(sent).await;
        match done {
            Ok(done) => {
                self.count(Side::Write, done.consumed_capacity());
                Ok(Ok(done.attributes.unwrap_or_default()))
            }
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    self.count_units(Side::Write, 1.0);
                    Ok(Err(failed.item().cloned().unwrap_or_default()))
                }
                _ => Err(unavailable(operation)(error)),
            },
        }
    }

    /// Deletes a row. Says whether its condition held.
    pub(super) async fn delete(
        &self,
        operation: &'static str,
        call: DeleteItemFluentBuilder,
    ) -> Result<bool, StoreError> {
        let sent = call
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send();
        let done = Box::pin(sent).await;
        let done = self.held(operation, done)?;
        if let Some(done) = &done {
            self.count(Side::Write, done.consumed_capacity());
        }
        Ok(done.is_some())
    }

    /// Reads a row.
    pub(super) async fn get(
        &self,
        operation: &'static str,
        call: GetItemFluentBuilder,
    ) -> Result<Option<Row>, StoreError> {
        let sent = call
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send();
        let got = Box::pin(sent).await.map_err(unavailable(operation))?;
        self.count(Side::Read, got.consumed_capacity());
        Ok(got.item)
    }

    /// Reads a page, and says where the next one begins if there may be one.
    pub(super) async fn query(
        &self,
        operation: &'static str,
        call: QueryFluentBuilder,
    ) -> Result<(QueryOutput, Option<Row>), StoreError> {
        let sent = call
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send();
        let mut page = Box::pin(sent).await.map_err(unavailable(operation))?;
        self.count(Side::Read, page.consumed_capacity());
        let next = page.last_evaluated_key.take();
        Ok((page, next.filter(|key| !key.is_empty())))
    }

    /// Writes all or nothing. If a condition does not hold: the reasons, in the
    /// order of the items.
    pub(super) async fn transact(
        &self,
        operation: &'static str,
        items: Vec<TransactWriteItem>,
    ) -> Result<Result<(), Vec<CancellationReason>>, StoreError> {
        let sent = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send();
        let done = Box::pin(sent).await;
        match done {
            Ok(done) => {
                for capacity in done.consumed_capacity() {
                    self.count(Side::Write, Some(capacity));
                }
                Ok(Ok(()))
            }
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled))
                    if cancelled.cancellation_reasons().iter().any(refused) =>
                {
                    Ok(Err(cancelled.cancellation_reasons().to_vec()))
                }
                _ => Err(unavailable(operation)(error)),
            },
        }
    }
}

/// Whether this is the item of a transaction whose condition did not hold.
pub(super) fn refused(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}
