//! The walk over everything that waits, and how far it has come: a row of the
//! table of control, there while a walk is under way.

use aws_sdk_dynamodb::types::ReturnValue;

use super::row::{Read, Row, n, s};
use super::{Store, StoreError};
use crate::journal::{ConversationKey, EntryKey};
use crate::moment::Moment;

/// Where the row lies.
pub(super) const PLACE: &str = "WALK";

/// An entry that waits, as the walk finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The conversation.
    pub at: ConversationKey,
    /// The entry.
    pub key: EntryKey,
    /// When it was journalled or redriven.
    pub since: Moment,
}

/// How far a walk has come.
#[derive(Clone, Debug, PartialEq)]
pub struct WalkPlace {
    /// Where the next page begins; `None` at the beginning.
    pub cursor: Option<Row>,
    revision: u64,
}

impl WalkPlace {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let key = |stored: &str, name: &str| {
            let value = row.get(stored).cloned();
            value.map(|value| (name.to_owned(), value))
        };
        Ok(Self {
            cursor: key("cp", "pk")
                .zip(key("cs", "sk"))
                .map(|(pk, sk)| Row::from([pk, sk])),
            revision: row.number("rev").ok_or(StoreError::Unreadable("rev"))?,
        })
    }
}

impl Store {
    /// One page of the walk: everything that waits, wherever it is.
    pub async fn walk(
        &self,
        cursor: Option<Row>,
    ) -> Result<(Vec<Waiting>, Option<Row>), StoreError> {
        let call = self
            .client
            .scan()
            .table_name(&self.messages)
            .filter_expression("(st = :p OR st = :s) AND sk BETWEEN :low AND :high")
            .projection_expression("pk, sk, #at, ra")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":p", s("p"))
            .expression_attribute_values(":s", s("s"))
            .expression_attribute_values(":low", s("I#"))
            .expression_attribute_values(":high", s("O~"))
            .consistent_read(true)
            .set_exclusive_start_key(cursor);
        let (rows, next) = self.scan("Scan walk", call).await?;
        let mut waiting = Vec::new();
        for row in rows {
            if let (Some(at), Some(key)) = (
                row.text("pk").and_then(ConversationKey::parse),
                row.text("sk").and_then(EntryKey::parse),
            ) {
                let since = row.number("ra").or_else(|| row.number("at"));
                waiting.push(Waiting {
                    at,
                    key,
                    // A damaged row keeps no other from being found.
                    since: Moment::from_millis(since.unwrap_or(0)),
                });
            }
        }
        Ok((waiting, next))
    }

    /// Begins a walk, unless one is under way. Says whether it did.
    pub async fn begin_walk(&self, now: Moment) -> Result<bool, StoreError> {
        let call = self
            .client
            .put_item()
            .table_name(&self.control)
            .item("pk", s(PLACE))
            .item("sk", s("#"))
            .item("at", n(now.millis()))
            .item("rev", n(0))
            .condition_expression("attribute_not_exists(pk)");
        self.put("PutItem walk", call).await
    }

    /// How far the walk has come that is under way, if one is.
    pub async fn walk_place(&self) -> Result<Option<WalkPlace>, StoreError> {
        let call = self
            .client
            .get_item()
            .table_name(&self.control)
            .key("pk", s(PLACE))
            .key("sk", s("#"));
        let got = self.get("GetItem walk", call).await?;
        got.as_ref().map(WalkPlace::read).transpose()
    }

    /// Notes that the walk goes on at `next`, or has ended there without one.
    /// `None` if it is not where `seen` says: somebody else walks.
    pub async fn move_walk(
        &self,
        seen: &WalkPlace,
        next: Option<Row>,
    ) -> Result<Option<WalkPlace>, StoreError> {
        let Some(mut next) = next else {
            let call = self
                .client
                .delete_item()
                .table_name(&self.control)
                .key("pk", s(PLACE))
                .key("sk", s("#"))
                .condition_expression("attribute_exists(pk) AND rev = :seen")
                .expression_attribute_values(":seen", n(seen.revision));
            let ended = self.delete("DeleteItem walk", call).await?;
            return Ok(ended.then(|| seen.clone()));
        };
        let mut key = |name: &str| next.remove(name).ok_or(StoreError::Unreadable("cursor"));
        let call = self
            .client
            .update_item()
            .table_name(&self.control)
            .key("pk", s(PLACE))
            .key("sk", s("#"))
            .update_expression("SET cp = :pk, cs = :sk, rev = :next")
            .condition_expression("attribute_exists(pk) AND rev = :seen")
            .expression_attribute_values(":pk", key("pk")?)
            .expression_attribute_values(":sk", key("sk")?)
            .expression_attribute_values(":seen", n(seen.revision))
            .expression_attribute_values(":next", n(seen.revision.saturating_add(1)))
            .return_values(ReturnValue::AllNew);
        let moved = self.update_seen("UpdateItem walk", call).await?;
        moved.ok().as_ref().map(WalkPlace::read).transpose()
    }
}
