//! What is left of a channel that is deleted: every row of a conversation, and what the
//! indexes still list. The erasure of one customer is in [`super::erasure`].

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::{DeleteRequest, ReturnConsumedCapacity, WriteRequest};

use super::conversations::board_partition;
use super::entries::{dead_partition, due_partition};
use super::erasure::leaving_partition;
use super::row::{Read, Row, s};
use super::{Side, Store, StoreError, unavailable};
use crate::journal::{ConversationKey, SHARDS};
use crate::message::ChannelId;

/// How many rows are deleted at a time: as many as one call takes, less one.
const BATCH: i32 = 24;
/// How long to wait when the engine has left something undone.
const PAUSE: Duration = Duration::from_millis(200);
/// How many rows of an index are read at a time.
const PAGE: i32 = 100;

/// What one step of an erasure did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// How many rows it deleted.
    pub rows: usize,
    /// Whether nothing is left.
    pub all: bool,
}

impl Store {
    /// Deletes every row of a conversation. Says how many there were.
    pub async fn erase(&self, at: &ConversationKey) -> Result<usize, StoreError> {
        let mut rows = 0;
        loop {
            let erased = self.erase_some(at).await?;
            rows += erased.rows;
            if erased.all {
                return Ok(rows);
            }
        }
    }

    /// Deletes some rows of a conversation, until there are none.
    pub async fn erase_some(&self, at: &ConversationKey) -> Result<Erased, StoreError> {
        let call = self
            .client
            .query()
            .table_name(&self.messages)
            .key_condition_expression("pk = :pk")
            .projection_expression("pk, sk, cid")
            .expression_attribute_values(":pk", s(at.as_str()))
            .consistent_read(true)
            .limit(BATCH);
        let (page, _) = self.query("Query erase", call).await?;
        let rows = page.items.unwrap_or_default();
        if rows.is_empty() {
            return Ok(Erased { rows: 0, all: true });
        }
        let mut requests = Vec::new();
        // The conversation's own row last: by it the indexes find what is left when somebody
        // who erases dies.
        let others = rows.iter().any(|row| row.text("sk") != Some("J"));
        let rows = rows.into_iter();
        let rows = rows.filter(|row| !others || row.text("sk") != Some("J"));
        for mut row in rows {
            let customer = row.remove("cid").and_then(|v| v.as_s().ok().cloned());
            if let Some(customer) = customer.filter(|_| row.text("sk") == Some("J")) {
                // Before the row that names it: once that is gone, nobody
                // knows of the link.
                self.unlink(&customer).await?;
            }
            requests.push(delete(row)?);
        }
        // What the engine leaves undone is read again.
        let rows = self.delete_rows(requests).await?;
        Ok(Erased { rows, all: false })
    }

    /// Deletes rows of the journal, at most 25. Says how many; the engine may leave some
    /// undone, and waits a little before it says so.
    pub(super) async fn delete_rows(
        &self,
        requests: Vec<WriteRequest>,
    ) -> Result<usize, StoreError> {
        let asked = requests.len();
        let done = self
            .client
            .batch_write_item()
            .request_items(&self.messages, requests)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(unavailable("BatchWriteItem erase"))?;
        for capacity in done.consumed_capacity() {
            self.count(Side::Write, Some(capacity));
        }
        let undone = done.unprocessed_items.unwrap_or_default();
        let undone: usize = undone.values().map(Vec::len).sum();
        if undone > 0 {
            // It has less capacity than that just now: a caller who comes at once
            // finds no more.
            tokio::time::sleep(PAUSE).await;
        }
        Ok(asked.saturating_sub(undone))
    }

    /// Some conversations of which the indexes list something under a channel:
    /// on the board, parked, timed or dead. Empty if they list nothing more.
    pub async fn left_of(
        &self,
        channel: &ChannelId,
    ) -> Result<BTreeSet<ConversationKey>, StoreError> {
        let mut partitions = vec![
            ("due", "dp", dead_partition(channel)),
            ("due", "dp", leaving_partition(channel)),
        ];
        for shard in 0..SHARDS {
            partitions.push(("due", "dp", due_partition(channel, shard)));
            for open in [true, false] {
                partitions.push(("board", "bp", board_partition(channel, open, shard)));
            }
        }
        for (index, name, partition) in partitions {
            let call = self
                .client
                .query()
                .table_name(&self.messages)
                .index_name(index)
                .key_condition_expression("#p = :p")
                .projection_expression("pk")
                .expression_attribute_names("#p", name)
                .expression_attribute_values(":p", s(partition))
                .limit(PAGE);
            let (page, _) = self.query("Query left", call).await?;
            let rows = page.items();
            let left: BTreeSet<_> = rows
                .iter()
                .filter_map(|row| row.text("pk").and_then(ConversationKey::parse))
                .collect();
            if !left.is_empty() {
                return Ok(left);
            }
        }
        Ok(BTreeSet::new())
    }
}

pub(super) fn delete(key: Row) -> Result<WriteRequest, StoreError> {
    let request = DeleteRequest::builder()
        .set_key(Some(key))
        .build()
        .map_err(|_| StoreError::Unreadable("pk"))?;
    Ok(WriteRequest::builder().delete_request(request).build())
}
