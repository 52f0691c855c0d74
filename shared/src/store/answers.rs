//! An agent's answer: its parts are put together, and what lies under their
//! keys already says whether it is a repeat.

use aws_sdk_dynamodb::types::{
    Put as PutRow, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};

use super::call::refused;
use super::entries::{read, write};
use super::row::Row;
use super::{Store, StoreError};
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
        let mut items = Vec::new();
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
            items.push(TransactWriteItem::builder().put(put).build());
        }
        let Err(reasons) = self.transact("TransactWriteItems answer", items).await? else {
            return Ok(Said::Stored);
        };
        // A part that is not among them may have expired before the others.
        for (part, reason) in parts.iter().zip(&reasons).filter(|(_, r)| refused(r)) {
            let there = reason.item().ok_or(StoreError::Unreadable("b"))?;
            if !says_the_same(there, part)? {
                return Ok(Said::OtherWords);
            }
        }
        Ok(Said::Repeat)
    }

    async fn put_only_part(&self, at: &ConversationKey, part: &Entry) -> Result<Said, StoreError> {
        let call = self
            .client
            .put_item()
            .table_name(&self.messages)
            .set_item(Some(write(at, part)?))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(match self.put_seen("PutItem answer", call).await? {
            Ok(_) => Said::Stored,
            Err(there) if says_the_same(&there, part)? => Said::Repeat,
            Err(_) => Said::OtherWords,
        })
    }
}

/// Whether the row that lies under a part's key is that part.
fn says_the_same(row: &Row, part: &Entry) -> Result<bool, StoreError> {
    let there = read(row)?;
    Ok(there.body == part.body && there.answer == part.answer)
}
