//! What is noted of the files of messages, each once.

use super::entries::read;
use super::row::{n, s};
use super::{Store, StoreError};
use crate::journal::{ConversationKey, EntryKey};
use crate::media::Attachment;
use crate::moment::Moment;

/// What was noted of the file of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attached {
    /// This.
    This,
    /// Somebody else was first, and noted that.
    Other(Attachment),
    /// The message was erased.
    Gone,
}

/// What became of a file, as its row has it.
pub(super) fn write(attachment: &Attachment) -> Result<String, StoreError> {
    serde_json::to_string(attachment).map_err(|_| StoreError::Unreadable("md"))
}

impl Store {
    /// Notes what became of the file of a message, unless that is noted already.
    pub async fn attach(
        &self,
        at: &ConversationKey,
        key: &EntryKey,
        attachment: &Attachment,
    ) -> Result<Attached, StoreError> {
        let json = write(attachment)?;
        let call = self
            .amend(at, key.as_str())
            .update_expression("SET md = :md")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(md)")
            .expression_attribute_values(":md", s(json));
        Ok(match self.update_seen("UpdateItem attach", call).await? {
            Ok(_) => Attached::This,
            Err(row) if row.is_empty() => Attached::Gone,
            Err(row) => match read(&row)?.attachment {
                Some(other) if other == *attachment => Attached::This,
                Some(other) => Attached::Other(other),
                None => return Err(StoreError::Unreadable("md")),
            },
        })
    }

    /// Notes since when the file of a message cannot be had, unless that is noted already.
    pub async fn note_lacking(
        &self,
        at: &ConversationKey,
        key: &EntryKey,
        now: Moment,
    ) -> Result<(), StoreError> {
        let call = self
            .amend(at, key.as_str())
            .update_expression("SET ml = :now")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(ml)")
            .expression_attribute_values(":now", n(now.millis()));
        self.update("UpdateItem lacking", call).await?;
        Ok(())
    }
}
