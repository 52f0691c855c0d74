//! One way to send a call of each kind: it counts what the call cost, and takes
//! a condition that does not hold for an answer, not for a failure.
//!
//! A call that meets a transaction of somebody else's is sent again: the SDK does
//! not take that for a failure that passes.
//!
//! What the SDK is at while it waits is kilobytes: it lies in a box, so that the
//! futures of everybody above stay small.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put as PutRow, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};

use super::control::channel_pk;
use super::row::{Row, s};
use super::{Side, Store, StoreError, unavailable};
use crate::journal::ConversationKey;
use crate::message::ChannelId;

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

    /// A look at what the table of control holds of a channel.
    pub(super) fn row_of_control(&self, channel: &ChannelId, sk: &str) -> GetItemFluentBuilder {
        self.client
            .get_item()
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

    /// Changes a row. Shows the attributes that the call asks for, or the row that
    /// stood against it, empty if there is none.
    pub(super) async fn update_seen(
        &self,
        operation: &'static str,
        call: UpdateItemFluentBuilder,
    ) -> Result<Result<Row, Row>, StoreError> {
        let call = call
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let done = unhindered(|| call.clone().send(), in_conflict).await;
        let done = self.held(operation, done, |error| match error {
            UpdateItemError::ConditionalCheckFailedException(failed) => {
                Some(failed.item().cloned())
            }
            _ => None,
        })?;
        Ok(done.map(|done| {
            self.count(Side::Write, done.consumed_capacity());
            done.attributes.unwrap_or_default()
        }))
    }

    /// Puts a row. Says whether its condition held.
    pub(super) async fn put(
        &self,
        operation: &'static str,
        call: PutItemFluentBuilder,
    ) -> Result<bool, StoreError> {
        Ok(self.put_seen(operation, call).await?.is_ok())
    }

    /// Puts a row. Shows what stood against it as [`Self::update_seen`] does, if
    /// the call asks for that.
    pub(super) async fn put_seen(
        &self,
        operation: &'static str,
        call: PutItemFluentBuilder,
    ) -> Result<Result<Row, Row>, StoreError> {
        let call = call.return_consumed_capacity(ReturnConsumedCapacity::Total);
        let done = unhindered(|| call.clone().send(), in_conflict).await;
        let done = self.held(operation, done, |error| match error {
            PutItemError::ConditionalCheckFailedException(failed) => Some(failed.item().cloned()),
            _ => None,
        })?;
        Ok(done.map(|done| {
            self.count(Side::Write, done.consumed_capacity());
            done.attributes.unwrap_or_default()
        }))
    }

    /// Puts a row of the journal where none is. Shows the one that is there.
    pub(super) async fn put_new(
        &self,
        operation: &'static str,
        row: Row,
    ) -> Result<Result<(), Row>, StoreError> {
        let call = self
            .client
            .put_item()
            .table_name(&self.messages)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(self.put_seen(operation, call).await?.map(drop))
    }

    /// The same as a part of a transaction.
    pub(super) fn new_row(&self, row: Row) -> Result<TransactWriteItem, StoreError> {
        PutRow::builder()
            .table_name(&self.messages)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map(|put| TransactWriteItem::builder().put(put).build())
            .map_err(|_| StoreError::Unreadable("sk"))
    }

    /// A row of the journal that a transaction puts, whatever is there.
    pub(super) fn any_row(&self, row: Row) -> Result<TransactWriteItem, StoreError> {
        PutRow::builder()
            .table_name(&self.messages)
            .set_item(Some(row))
            .build()
            .map(|put| TransactWriteItem::builder().put(put).build())
            .map_err(|_| StoreError::Unreadable("sk"))
    }

    /// Deletes a row. Says whether its condition held.
    pub(super) async fn delete(
        &self,
        operation: &'static str,
        call: DeleteItemFluentBuilder,
    ) -> Result<bool, StoreError> {
        let call = call.return_consumed_capacity(ReturnConsumedCapacity::Total);
        let done = unhindered(|| call.clone().send(), in_conflict).await;
        let done = self.held(operation, done, |error| match error {
            DeleteItemError::ConditionalCheckFailedException(_) => Some(None),
            _ => None,
        })?;
        if let Ok(done) = &done {
            self.count(Side::Write, done.consumed_capacity());
        }
        Ok(done.is_ok())
    }

    /// Turns a failed write into the row that stood against it, empty if none was
    /// asked for or none is there, if it failed by its condition: then `against`
    /// finds that in the error.
    fn held<T, E>(
        &self,
        operation: &'static str,
        done: Result<T, SdkError<E>>,
        against: impl FnOnce(&E) -> Option<Option<Row>>,
    ) -> Result<Result<T, Row>, StoreError>
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let error = match done {
            Ok(done) => return Ok(Ok(done)),
            Err(error) => error,
        };
        let row = error.as_service_error().and_then(against);
        let row = row.ok_or_else(|| unavailable(operation)(error))?;
        self.count_units(Side::Write, 1.0);
        Ok(Err(row.unwrap_or_default()))
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

    /// Reads a page of a whole table, and says where the next one begins if there
    /// may be one.
    pub(super) async fn scan(
        &self,
        operation: &'static str,
        call: ScanFluentBuilder,
    ) -> Result<(Vec<Row>, Option<Row>), StoreError> {
        let sent = call
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send();
        let page = Box::pin(sent).await.map_err(unavailable(operation))?;
        self.count(Side::Read, page.consumed_capacity());
        let next = page.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((page.items.unwrap_or_default(), next))
    }

    /// Writes all or nothing. If a condition does not hold: the reasons, in the
    /// order of the items.
    pub(super) async fn transact(
        &self,
        operation: &'static str,
        items: Vec<TransactWriteItem>,
    ) -> Result<Result<(), Vec<CancellationReason>>, StoreError> {
        let call = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let done = unhindered(|| call.clone().send(), was_hindered).await;
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

/// How long to wait before a call that met somebody else's transaction is sent
/// again. Such a transaction lasts for milliseconds.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_millis(40),
    Duration::from_millis(160),
    Duration::from_millis(640),
];

/// Sends a call, and again while it meets transactions of others.
async fn unhindered<T, E, F>(
    send: impl Fn() -> F,
    hindered: impl Fn(&SdkError<E>) -> bool,
) -> Result<T, SdkError<E>>
where
    F: Future<Output = Result<T, SdkError<E>>>,
{
    for pause in PAUSES {
        match Box::pin(send()).await {
            Err(error) if hindered(&error) => tokio::time::sleep(pause).await,
            done => return done,
        }
    }
    Box::pin(send()).await
}

/// Whether a transaction of somebody else's holds the row of a call.
fn in_conflict<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    error.code() == Some("TransactionConflictException")
}

/// Whether a transaction met another one, and no condition decided over it.
fn was_hindered(error: &SdkError<TransactWriteItemsError>) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    else {
        return in_conflict(error);
    };
    let reasons = cancelled.cancellation_reasons();
    let conflict = |reason: &CancellationReason| reason.code() == Some("TransactionConflict");
    reasons.iter().any(conflict) && !reasons.iter().any(refused)
}
