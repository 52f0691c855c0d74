//! What a desk calls for: an answer, whose parts are put together, or the end of
//! a session. What lies under their keys already says whether it is a repeat.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::call::refused;
use super::entries::{read, write};
use super::row::{Read as _, Row, n, s};
use super::{Store, StoreError};
use crate::journal::{ConversationKey, Entry, EntryKey};
use crate::message::Body;
use crate::moment::Moment;
use crate::rich::Rich;

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
    ///
    /// A question leaves a way back to it, which lasts until `expires` (seconds since 1970).
    pub async fn put_answer(
        &self,
        at: &ConversationKey,
        parts: &[Entry],
        expires: i64,
    ) -> Result<Said, StoreError> {
        let asks = |part: &&Entry| matches!(part.body, Body::Rich(Rich::Choice(_)));
        if let [only] = parts
            && !asks(&only)
        {
            return self.put_only_part(at, only).await;
        }
        let mut items = Vec::new();
        for part in parts {
            items.push(self.new_row(write(at, part)?)?);
        }
        for part in parts.iter().filter(asks) {
            let mut way = Row::from([
                ("pk".to_owned(), s(at.as_str())),
                ("sk".to_owned(), s(question_key(&part.key.mark(at)))),
                ("of".to_owned(), s(part.key.as_str())),
                ("ch".to_owned(), s(part.origin.channel.as_str())),
                ("ttl".to_owned(), n(expires)),
            ]);
            belongs_to(&mut way, part);
            items.push(self.any_row(way)?);
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

    /// The question of this mark, as it was journalled.
    pub async fn question(
        &self,
        at: &ConversationKey,
        mark: &str,
    ) -> Result<Option<Entry>, StoreError> {
        let call = self
            .client
            .get_item()
            .table_name(&self.messages)
            .key("pk", s(at.as_str()))
            .key("sk", s(question_key(mark)));
        let Some(row) = self.get("GetItem question", call).await? else {
            return Ok(None);
        };
        match EntryKey::parse(row.need("of")?) {
            Some(key) => self.entry(at, &key).await,
            None => Err(StoreError::Unreadable("of")),
        }
    }

    /// Journals the end of a session that a desk's `call` asked for, and that the
    /// call was carried out: the same call once more, when another session is
    /// open, ends nothing. Says whether it is new.
    pub async fn put_end(
        &self,
        at: &ConversationKey,
        end: &Entry,
        call: &str,
        expires: i64,
    ) -> Result<bool, StoreError> {
        let mut mark = Row::from([
            ("pk".to_owned(), s(at.as_str())),
            ("sk".to_owned(), s(call_key(call))),
            ("ch".to_owned(), s(end.origin.channel.as_str())),
            ("ttl".to_owned(), n(expires)),
        ]);
        belongs_to(&mut mark, end);
        let both = vec![self.new_row(mark.clone())?, self.new_row(write(at, end)?)?];
        let Err(reasons) = self.transact("TransactWriteItems end", both).await? else {
            return Ok(true);
        };
        if reasons.first().is_some_and(refused) {
            return Ok(false);
        }
        // This session's end is journalled already: only the call is new.
        Ok(self.put_new("PutItem call", mark).await?.is_ok())
    }

    /// Journals a notice that asks a customer back, and notes in the conversation that it is
    /// the last one, if `last` still is. `since` is the moment from which on what the customer
    /// does is an answer to it. Says whether it did: of two workers one does.
    pub async fn put_call(
        &self,
        at: &ConversationKey,
        notice: &Entry,
        last: Option<&EntryKey>,
        since: Moment,
    ) -> Result<bool, StoreError> {
        let customer = notice.customer.as_ref();
        let customer = customer.ok_or(StoreError::Unreadable("cid"))?;
        let mut note = Update::builder()
            .table_name(&self.messages)
            .key("pk", s(at.as_str()))
            .key("sk", s("J"))
            .update_expression("SET nk = :key, na = :since")
            .expression_attribute_values(":cid", s(customer.expose()))
            .expression_attribute_values(":key", s(notice.key.as_str()))
            .expression_attribute_values(":since", n(since.millis()));
        note = match last {
            Some(last) => note
                .condition_expression("cid = :cid AND nk = :last")
                .expression_attribute_values(":last", s(last.as_str())),
            None => note.condition_expression("cid = :cid AND attribute_not_exists(nk)"),
        };
        let note = note.build().map_err(|_| StoreError::Unreadable("nk"))?;
        let items = vec![
            self.new_row(write(at, notice)?)?,
            TransactWriteItem::builder().update(note).build(),
        ];
        let done = self.transact("TransactWriteItems call", items).await?;
        Ok(done.is_ok())
    }

    async fn put_only_part(&self, at: &ConversationKey, part: &Entry) -> Result<Said, StoreError> {
        Ok(
            match self.put_new("PutItem answer", write(at, part)?).await? {
                Ok(()) => Said::Stored,
                Err(there) if says_the_same(&there, part)? => Said::Repeat,
                Err(_) => Said::OtherWords,
            },
        )
    }
}

/// Notes for whom a row beside an entry is, as the entry does.
fn belongs_to(row: &mut Row, entry: &Entry) {
    if let Some(customer) = &entry.customer {
        row.insert("cid".to_owned(), s(customer.expose()));
    }
}

/// The sort key of the way back to a question.
fn question_key(mark: &str) -> String {
    format!("Q#{mark}")
}

/// The sort key of a call that was carried out.
fn call_key(call: &str) -> String {
    let digest = Sha256::digest(call.as_bytes());
    format!("C#{}", URL_SAFE_NO_PAD.encode(digest))
}

/// Whether the row that lies under a part's key is that part.
fn says_the_same(row: &Row, part: &Entry) -> Result<bool, StoreError> {
    let there = read(row)?;
    let digest = |entry: &Entry| entry.answer.as_ref().and_then(|a| a.digest.clone());
    Ok(match (digest(&there), digest(part)) {
        (Some(one), Some(other)) => one == other,
        _ => there.body == part.body,
    })
}
