//! What a desk calls for: an answer, whose parts are put together, or the end of
//! a session. What lies under their keys already says whether it is a repeat.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::call::refused;
use super::entries::{read, write};
use super::row::{Row, n, s};
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
            items.push(self.new_row(write(at, part)?)?);
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
        let mark = Row::from([
            ("pk".to_owned(), s(at.as_str())),
            ("sk".to_owned(), s(call_key(call))),
            ("ch".to_owned(), s(end.origin.channel.as_str())),
            ("ttl".to_owned(), n(expires)),
        ]);
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

/// The sort key of a call that was carried out.
fn call_key(call: &str) -> String {
    let digest = Sha256::digest(call.as_bytes());
    format!("C#{}", URL_SAFE_NO_PAD.encode(digest))
}

/// Whether the row that lies under a part's key is that part.
fn says_the_same(row: &Row, part: &Entry) -> Result<bool, StoreError> {
    let there = read(row)?;
    Ok(there.body == part.body && there.answer == part.answer)
}
