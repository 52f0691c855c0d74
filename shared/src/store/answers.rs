//! An agent's answer: its parts are put together, and what lies under their
//! keys already says whether it is a repeat.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    Put as PutRow, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};

use super::entries::{read, write};
use super::outcomes::condition_failed;
use super::row::Row;
use super::{Side, Store, StoreError, unavailable};
use crate::journal::{ConversationKey, Entry};

/// What became of an agent's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is journalled.
    Stored,
    /// It was journalled before: this is a repeat.
    Repeat,
    /// Its id and time stand for other words, which stay as they are.
    OtherWords,
}

impl Store {
    /// Journals the parts of one answer, all or none. What lies under their
    /// keys already says whether this is a repeat.
    pub async fn put_answer(
        &self,
        at: &ConversationKey,
        parts: &[Entry],
    ) -> Result<Said, StoreError> {
        if let [only] = parts {
            return self.put_only_part(at, only).await;
        }
        let mut call = self
            .client
            .transact_write_items()
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        for part in parts {
            let put = PutRow::builder()
                .table_name(&self.messages)
                .set_item(Some(write(at, part)?))
                .condition_expression("attribute_not_exists(pk)")
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                )
                .build()
                .map_err(|_| StoreError::Unreadable("b"))?;
            call = call.transact_items(TransactWriteItem::builder().put(put).build());
        }
        let error = match call.send().await {
            Ok(done) => {
                for capacity in done.consumed_capacity() {
                    self.count(Side::Write, Some(capacity));
                }
                return Ok(Said::Stored);
            }
            Err(error) => error,
        };
        let there = match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled))
                if error.as_service_error().is_some_and(condition_failed) =>
            {
                // A part that is not among them may have expired before the others.
                parts
                    .iter()
                    .zip(cancelled.cancellation_reasons())
                    .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
                    .map(|(part, reason)| says_the_same(reason.item(), part))
                    .collect::<Result<Vec<_>, _>>()?
            }
            _ => return Err(unavailable("TransactWriteItems answer")(error)),
        };
        Ok(if there.into_iter().all(|same| same) {
            Said::Repeat
        } else {
            Said::OtherWords
        })
    }

    async fn put_only_part(&self, at: &ConversationKey, part: &Entry) -> Result<Said, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.messages)
            .set_item(Some(write(at, part)?))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match put {
            Ok(put) => {
                self.count(Side::Write, put.consumed_capacity());
                Ok(Said::Stored)
            }
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    self.count_units(Side::Write, 1.0);
                    Ok(if says_the_same(failed.item(), part)? {
                        Said::Repeat
                    } else {
                        Said::OtherWords
                    })
                }
                _ => Err(unavailable("PutItem answer")(error)),
            },
        }
    }
}

/// Whether the row that lies under a part's key is that part.
fn says_the_same(row: Option<&Row>, part: &Entry) -> Result<bool, StoreError> {
    let there = read(row.ok_or(StoreError::Unreadable("b"))?)?;
    Ok(there.body == part.body && there.answer == part.answer)
}
