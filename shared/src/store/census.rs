//! Counts for people: what is unread, what is parked, what waits, what is dead.
//! They read indexes, so what was just written may be missing.

use aws_sdk_dynamodb::types::Select;

use super::entries::{dead_partition, due_partition};
use super::row::{Read, Row, n, s};
use super::{Store, StoreError};
use crate::journal::{Class, ConversationKey, EntryKey, Lane, SHARDS};
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::reason::Reason;

/// A parked lane as the index `due` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedLane {
    /// The conversation.
    pub at: ConversationKey,
    /// The lane.
    pub lane: Lane,
    /// When it is looked at again.
    pub due: Moment,
    /// Why it is parked.
    pub reason: Option<Reason>,
    /// The earliest entry that may wait.
    pub from: Option<EntryKey>,
}

impl Store {
    /// How many messages of a customer came after the entry `after`, counted up
    /// to about `most`.
    pub async fn unread(
        &self,
        at: &ConversationKey,
        after: Option<&str>,
        most: usize,
    ) -> Result<usize, StoreError> {
        let mut found = 0;
        let mut start = None;
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.messages)
                .key_condition_expression("pk = :pk AND sk BETWEEN :low AND :high")
                .projection_expression("sk")
                .expression_attribute_values(":pk", s(at.as_str()))
                .expression_attribute_values(":low", s(after.unwrap_or("I#")))
                .expression_attribute_values(":high", s("I~"))
                .scan_index_forward(false)
                .limit(100)
                .set_exclusive_start_key(start);
            let (page, next) = self.query("Query unread", call).await?;
            found += page
                .items()
                .iter()
                .filter_map(|row| row.text("sk"))
                .filter(|sk| Some(*sk) != after)
                .filter_map(EntryKey::parse)
                .filter(|key| key.class() == Some(Class::Message))
                .count();
            start = next;
            if start.is_none() || found >= most {
                return Ok(found.min(most));
            }
        }
    }

    /// The parked lanes of a channel, due or not, at most about `most`.
    pub async fn parked(
        &self,
        channel: &ChannelId,
        most: usize,
    ) -> Result<Vec<ParkedLane>, StoreError> {
        let mut lanes = Vec::new();
        for shard in 0..SHARDS {
            let mut start = None;
            while lanes.len() < most {
                let call = self
                    .client
                    .query()
                    .table_name(&self.messages)
                    .index_name("due")
                    .key_condition_expression("dp = :dp")
                    .expression_attribute_values(":dp", s(due_partition(channel, shard)))
                    .set_exclusive_start_key(start);
                let (page, next) = self.query("Query parked", call).await?;
                lanes.extend(page.items().iter().filter_map(parked));
                start = next;
                if start.is_none() {
                    break;
                }
            }
        }
        Ok(lanes)
    }

    /// How many entries of a lane wait, from an entry on, and since when the
    /// first of them does, by our clock.
    pub async fn count_waiting(
        &self,
        at: &ConversationKey,
        from: &EntryKey,
    ) -> Result<(usize, Option<Moment>), StoreError> {
        let mut found = 0;
        let mut oldest = None;
        let mut start = None;
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.messages)
                .key_condition_expression("pk = :pk AND sk BETWEEN :low AND :high")
                .filter_expression("st = :p OR st = :s")
                .expression_attribute_values(":pk", s(at.as_str()))
                .expression_attribute_values(":low", s(from.as_str()))
                .expression_attribute_values(":high", s(format!("{}~", from.lane().prefix())))
                .expression_attribute_values(":p", s("p"))
                .expression_attribute_values(":s", s("s"))
                .projection_expression("#at, ra")
                .expression_attribute_names("#at", "at")
                .set_exclusive_start_key(start);
            let (page, next) = self.query("Query waiting count", call).await?;
            found += page.items().len();
            let since = page.items().iter().filter_map(|row| {
                let since = row.number("ra").or_else(|| row.number("at"));
                since.map(Moment::from_millis)
            });
            oldest = since.chain(oldest).min();
            start = next;
            if start.is_none() {
                return Ok((found, oldest));
            }
        }
    }

    /// How many dead entries a channel has that are kept, counted up to about
    /// `most`.
    pub async fn count_dead(
        &self,
        channel: &ChannelId,
        since: Moment,
        most: usize,
    ) -> Result<usize, StoreError> {
        let mut found = 0;
        let mut start: Option<Row> = None;
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.messages)
                .index_name("due")
                .key_condition_expression("dp = :dp AND du >= :since")
                .expression_attribute_values(":dp", s(dead_partition(channel)))
                .expression_attribute_values(":since", n(since.millis()))
                .select(Select::Count)
                .set_exclusive_start_key(start);
            let (page, next) = self.query("Query dead count", call).await?;
            found += usize::try_from(page.count).unwrap_or(0);
            start = next;
            if start.is_none() || found >= most {
                return Ok(found.min(most));
            }
        }
    }
}

fn parked(row: &Row) -> Option<ParkedLane> {
    Some(ParkedLane {
        at: ConversationKey::parse(row.text("pk")?)?,
        lane: Lane::of_row(row.text("sk")?)?,
        due: row.moment("du").ok()?,
        reason: row.text("r").and_then(Reason::parse),
        from: row.text("fr").and_then(EntryKey::parse),
    })
}
