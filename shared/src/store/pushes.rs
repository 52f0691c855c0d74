//! A push is journalled together with what is said in the answer to it.
//!
//! Invariant: the reply of a push is what the first attempt wrote; a repeat is shown it.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};

use super::call::refused;
use super::entries::write;
use super::row::{Read as _, Row, n, s};
use super::{Store, StoreError, body};
use crate::journal::{ConversationKey, Entry};
use crate::reply::Replied;

/// What became of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is journalled, with its reply.
    Stored,
    /// It was there, with this reply.
    Repeat(Option<Replied>),
}

/// An answer that goes out by the reply to a push.
#[derive(Clone, Copy, Debug)]
pub struct Ride<'a> {
    /// The only part of the answer.
    pub answer: &'a Entry,
    /// What tells the desk that it arrived, if the desk is to be told.
    pub receipt: Option<&'a Entry>,
    /// When its row may be deleted, in seconds since 1970.
    pub expires: i64,
}

impl Store {
    /// Journals a push that waits, with the reply that it has.
    pub async fn put_push(
        &self,
        at: &ConversationKey,
        entry: &Entry,
    ) -> Result<Pushed, StoreError> {
        Ok(
            match self.put_new("PutItem entry", write(at, entry)?).await? {
                Ok(()) => Pushed::Stored,
                Err(there) => Pushed::Repeat(replied(&there)),
            },
        )
    }

    /// Journals a push whose reply is an agent's answer, which is delivered by that: all
    /// or nothing. `None` says that the answer does not wait any more, and nothing is
    /// written.
    pub async fn put_push_with_answer(
        &self,
        at: &ConversationKey,
        entry: &Entry,
        ride: Ride<'_>,
    ) -> Result<Option<Pushed>, StoreError> {
        let answer = Update::builder()
            .table_name(&self.messages)
            .key("pk", s(at.as_str()))
            .key("sk", s(ride.answer.key.as_str()))
            .update_expression("SET st = :d, #ttl = :ttl REMOVE r")
            .condition_expression("attribute_exists(pk) AND st = :p")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":d", s("d"))
            .expression_attribute_values(":p", s("p"))
            .expression_attribute_values(":ttl", n(ride.expires))
            .build()
            .map_err(|_| StoreError::Unreadable("sk"))?;
        let mut items = vec![
            self.new_row(write(at, entry)?)?,
            TransactWriteItem::builder().update(answer).build(),
        ];
        if let Some(receipt) = ride.receipt {
            items.push(self.any_row(write(at, receipt)?)?);
        }
        let Err(reasons) = self.transact("TransactWriteItems push", items).await? else {
            return Ok(Some(Pushed::Stored));
        };
        Ok(match reasons.first().filter(|reason| refused(reason)) {
            Some(repeat) => {
                let there = repeat.item().ok_or(StoreError::Unreadable("sk"))?;
                Some(Pushed::Repeat(replied(there)))
            }
            None => None,
        })
    }
}

/// The reply of the push that lies in this row.
fn replied(row: &Row) -> Option<Replied> {
    row.bytes("rp").and_then(body::unpack_reply).ok()
}
