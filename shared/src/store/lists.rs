//! Lists: what is due, what is on the board, what is dead and what was said.

use std::fmt;

use super::conversations::{Snippet, board_partition};
use super::entries::{dead_partition, due_partition};
use super::row::{Read, Row, n, s};
use super::{Store, StoreError};
use crate::conversation::Conversation;
use crate::journal::{ConversationKey, Entry, EntryKey, Lane, State};
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::reason::Reason;

/// A lane or a timer that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// A parked lane.
    Lane {
        /// The conversation.
        at: ConversationKey,
        /// The lane.
        lane: Lane,
        /// When it was due.
        due: Moment,
        /// Why it is parked.
        reason: Option<Reason>,
        /// The earliest entry that may wait.
        from: Option<EntryKey>,
    },
    /// A session's timer.
    Session {
        /// The conversation.
        at: ConversationKey,
        /// When it was due.
        due: Moment,
    },
}

/// One page of a list and where the next begins.
#[derive(Clone, Debug)]
pub struct Page<T, P = String> {
    /// The rows.
    pub rows: Vec<T>,
    /// `None` at the end.
    pub next: Option<P>,
}

/// One page of one partition of the board.
pub type BoardPage = Page<(ConversationKey, String, Conversation, Option<Snippet>)>;

/// A dead entry.
#[derive(Clone, Debug)]
pub struct DeadEntry {
    /// The conversation.
    pub at: ConversationKey,
    /// The entry.
    pub entry: Entry,
}

/// A place in a channel's list of dead entries. It names no channel, so that it
/// leads nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadPlace {
    /// When the entry died.
    died: Moment,
    /// The conversation.
    pub at: ConversationKey,
    /// The entry.
    pub key: EntryKey,
}

impl DeadPlace {
    /// Reads what [`fmt::Display`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut pieces = text.splitn(3, '|');
        Some(Self {
            died: Moment::from_millis(pieces.next()?.parse().ok()?),
            at: ConversationKey::parse(pieces.next()?)?,
            key: EntryKey::parse(pieces.next()?)?,
        })
    }

    fn of(row: &Row) -> Option<Self> {
        Some(Self {
            died: row.moment("du").ok()?,
            at: row.text("pk").and_then(ConversationKey::parse)?,
            key: row.text("sk").and_then(EntryKey::parse)?,
        })
    }
}

impl fmt::Display for DeadPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}|{}", self.died.millis(), self.at, self.key)
    }
}

impl Store {
    /// What is due in one partition of a channel, earliest first; without
    /// inbound lanes if their desk is `down`. Reads an index, so what was just
    /// written may be missing.
    pub async fn due(
        &self,
        channel: &ChannelId,
        shard: u8,
        now: Moment,
        down: bool,
        most: i32,
    ) -> Result<Vec<Due>, StoreError> {
        let mut start = None;
        let mut rows = Vec::new();
        loop {
            let mut call = self
                .client
                .query()
                .table_name(&self.messages)
                .index_name("due")
                .key_condition_expression("dp = :dp AND du <= :now")
                .expression_attribute_values(":dp", s(due_partition(channel, shard)))
                .expression_attribute_values(":now", n(now.millis()))
                .set_exclusive_start_key(start);
            // Lanes of a desk that is down may be many: they hide nothing else.
            call = if down {
                call.filter_expression("sk <> :in")
                    .expression_attribute_values(":in", s(Lane::In.row()))
            } else {
                call.limit(most)
            };
            let (page, next) = self.query("Query due", call).await?;
            rows.extend(page.items.unwrap_or_default());
            start = next;
            if !down || start.is_none() {
                break;
            }
        }
        let mut due = Vec::new();
        for row in rows {
            let Some(at) = ConversationKey::parse(row.need("pk")?) else {
                continue;
            };
            let when = row.moment("du")?;
            match row.need("sk")? {
                "J#session" => due.push(Due::Session { at, due: when }),
                sk => {
                    if let Some(lane) = Lane::of_row(sk) {
                        due.push(Due::Lane {
                            at,
                            lane,
                            due: when,
                            reason: row.text("r").and_then(Reason::parse),
                            from: row.text("fr").and_then(EntryKey::parse),
                        });
                    }
                }
            }
        }
        Ok(due)
    }

    /// A channel's dead entries, latest first, from behind a place on.
    pub async fn dead(
        &self,
        channel: &ChannelId,
        most: i32,
        behind: Option<&DeadPlace>,
    ) -> Result<Page<DeadEntry, DeadPlace>, StoreError> {
        let start = behind.map(|place| {
            Row::from([
                ("dp".to_owned(), s(dead_partition(channel))),
                ("du".to_owned(), n(place.died.millis())),
                ("pk".to_owned(), s(place.at.as_str())),
                ("sk".to_owned(), s(place.key.as_str())),
            ])
        });
        let call = self
            .client
            .query()
            .table_name(&self.messages)
            .index_name("due")
            .key_condition_expression("dp = :dp")
            .expression_attribute_values(":dp", s(dead_partition(channel)))
            .scan_index_forward(false)
            .limit(most)
            .set_exclusive_start_key(start);
        let (page, next) = self.query("Query dead", call).await?;
        let mut rows = Vec::new();
        for key in page.items.unwrap_or_default() {
            let (Some(at), Some(sk)) = (
                key.text("pk").and_then(ConversationKey::parse),
                key.text("sk").and_then(EntryKey::parse),
            ) else {
                continue;
            };
            // The index may lag behind a redrive or a deletion.
            let entry = self.entry(&at, &sk).await?;
            if let Some(entry) = entry.filter(|entry| entry.state == State::Dead) {
                rows.push(DeadEntry { at, entry });
            }
        }
        Ok(Page {
            rows,
            next: next.as_ref().and_then(DeadPlace::of),
        })
    }

    /// One partition of the board, latest first, from before `place` on; or
    /// only what is not before `since`.
    pub async fn board(
        &self,
        channel: &ChannelId,
        open: bool,
        shard: u8,
        before: Option<&str>,
        since: Option<Moment>,
        most: i32,
    ) -> Result<BoardPage, StoreError> {
        let low = format!("{:013}", since.map_or(0, Moment::millis).max(0));
        let high = before.unwrap_or("~").to_owned();
        // The row at `before` is read too, and left out.
        let limit = most.saturating_add(i32::from(before.is_some()));
        let call = self
            .client
            .query()
            .table_name(&self.messages)
            .index_name("board")
            .key_condition_expression("bp = :bp AND bt BETWEEN :low AND :high")
            .expression_attribute_values(":bp", s(board_partition(channel, open, shard)))
            .expression_attribute_values(":low", s(low))
            .expression_attribute_values(":high", s(high))
            .scan_index_forward(false)
            .limit(limit);
        let (page, next) = self.query("Query board", call).await?;
        let mut rows = Vec::new();
        for row in page.items.unwrap_or_default() {
            let Some(at) = row.text("pk").and_then(ConversationKey::parse) else {
                continue;
            };
            let place = row.need("bt")?.to_owned();
            if Some(place.as_str()) == before {
                continue;
            }
            rows.push((
                at,
                place,
                super::conversations::read(&row)?,
                super::conversations::snippet(&row),
            ));
        }
        let next = next.and_then(|_| rows.last().map(|row| row.1.clone()));
        Ok(Page { rows, next })
    }

    /// One lane of a conversation as history, latest first, from before `key`
    /// on. Rows that have expired are left out.
    pub async fn history(
        &self,
        at: &ConversationKey,
        lane: Lane,
        before: Option<&EntryKey>,
        most: i32,
        now: Moment,
    ) -> Result<(Vec<Entry>, bool), StoreError> {
        let mut high = before.map_or_else(
            || format!("{}~", lane.prefix()),
            |key| key.as_str().to_owned(),
        );
        let mut before = before.cloned();
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.messages)
                .key_condition_expression("pk = :pk AND sk BETWEEN :low AND :high")
                .expression_attribute_values(":pk", s(at.as_str()))
                .expression_attribute_values(":low", s(lane.prefix()))
                .expression_attribute_values(":high", s(&high))
                .scan_index_forward(false)
                .limit(most.saturating_add(1));
            let (page, next) = self.query("Query history", call).await?;
            let mut entries = Vec::new();
            let mut last = None;
            for row in page.items.unwrap_or_default() {
                let expired = row
                    .number::<i64>("ttl")
                    .is_some_and(|ttl| ttl < now.seconds());
                let entry = super::entries::read(&row)?;
                last = Some(entry.key.clone());
                if !expired && Some(&entry.key) != before.as_ref() {
                    entries.push(entry);
                }
            }
            let more = next.is_some();
            match last {
                // All of it has expired: a caller could not go on from nothing.
                Some(key) if more && entries.is_empty() => {
                    key.as_str().clone_into(&mut high);
                    before = Some(key);
                }
                _ => return Ok((entries, more)),
            }
        }
    }
}
