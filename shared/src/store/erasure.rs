//! The erasure of one customer: noted, begun, and carried out until nothing is left.
//!
//! Invariant: it begins by one transaction, after which the conversation has no customer
//! and nothing of one, nobody finds the customer, and what tells the desk is journalled.
//! A customer who writes from then on is another one: what came later is never deleted.
//! Rows that somebody puts who had read before are found by a second pass.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem, Update};

use super::conversations::{read_begun, tombstone};
use super::erase::delete;
use super::row::{Read, Row, n, s};
use super::{Store, StoreError};
use crate::conversation::{Conversation, EraseCause, Leaving, Tombstone};
use crate::journal::{ConversationKey, Entry};
use crate::media::Place;
use crate::message::{ChannelId, CustomerId};
use crate::moment::Moment;

/// How many rows one pass reads at a time: one call deletes as many.
const BATCH: i32 = 25;
/// What a conversation's row keeps of nobody.
const FORGOTTEN: &str =
    "cid, oid, lk, ses, so, tol, ls, rd, act, lm, bp, bt, wl, wu, nk, na, ec, ea, ed";

/// How far the erasure of a customer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It comes when its time of grace is over.
    Noted(Box<Conversation>, Leaving),
    /// It has begun.
    Begun(Tombstone),
}

/// What a customer's erasure begins with.
#[derive(Clone, Copy, Debug)]
pub struct Departed<'a> {
    /// The conversation as it was read.
    pub conversation: &'a Conversation,
    /// The name of the folder of the customer's files.
    pub files: &'a str,
    /// What tells of it, in the channel's own journal.
    pub notice: (&'a ConversationKey, &'a Entry),
    /// When it is.
    pub now: Moment,
}

/// What one step of a pass did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// How many rows it deleted.
    pub rows: usize,
    /// Whether it left some that it was to delete.
    pub undone: bool,
    /// Behind which key the next step begins; `None` at the end.
    pub next: Option<String>,
}

/// The partition of the index `due` that lists the erasures of a channel. It is its own, so
/// that they wait neither for a desk nor for the end of a suspension.
pub(super) fn leaving_partition(channel: &ChannelId) -> String {
    format!("erase#{channel}")
}

impl Store {
    /// Notes that a customer is to be erased when this time of grace is over, unless they
    /// are to be erased sooner, or as soon for a reason that cannot be called off.
    pub async fn note_erasure(
        &self,
        at: &ConversationKey,
        conversation: &Conversation,
        leaving: Leaving,
    ) -> Result<bool, StoreError> {
        let note = |set: &str, when: &str| {
            self.amend(at, "J")
                .update_expression(format!("SET ec = :ec, ea = :ea{set}"))
                .condition_expression(format!("cid = :cid AND {when}"))
                .expression_attribute_values(":cid", s(conversation.customer.expose()))
                .expression_attribute_values(":ec", s(leaving.cause.word()))
                .expression_attribute_values(":ea", n(leaving.since.millis()))
        };
        // A consent that was withdrawn is not called off: nothing but another takes its place.
        let consent = EraseCause::Consent.word();
        let sooner = "(attribute_not_exists(ed) OR ed > :ed)";
        let sooner = match leaving.cause {
            EraseCause::Consent => sooner.to_owned(),
            _ => format!("(attribute_not_exists(ec) OR ec <> :consent) AND {sooner}"),
        };
        for (set, stands) in [
            (", ed = :ed, dp = :dp, du = :ed", "attribute_not_exists(er)"),
            // While another customer's is being carried out, the row is due for that.
            (", ed = :ed", "attribute_exists(er)"),
            (", ed = :ed, dp = :dp, du = :ed", "attribute_not_exists(er)"),
        ] {
            let mut call = note(set, &format!("{stands} AND {sooner}"))
                .expression_attribute_values(":ed", n(leaving.due.millis()));
            if leaving.cause != EraseCause::Consent {
                call = call.expression_attribute_values(":consent", s(consent));
            }
            if set.contains(":dp") {
                let partition = leaving_partition(&conversation.channel);
                call = call.expression_attribute_values(":dp", s(partition));
            }
            if self.update("UpdateItem erasure", call).await? {
                return Ok(true);
            }
        }
        if leaving.cause != EraseCause::Consent {
            return Ok(false);
        }
        // It is due sooner for a reason that can be called off: this one cannot.
        let call = note("", "attribute_exists(ed) AND ec <> :ec");
        self.update("UpdateItem erasure", call).await
    }

    /// Notes that a customer is not to be erased after all, who came back after `leaving`
    /// was noted.
    pub async fn call_off_erasure(
        &self,
        at: &ConversationKey,
        customer: &CustomerId,
        leaving: Leaving,
    ) -> Result<bool, StoreError> {
        let forget = |remove: &str, while_: &str| {
            self.amend(at, "J")
                .update_expression(format!("REMOVE ec, ea, ed{remove}"))
                .condition_expression(format!("cid = :cid AND {while_} AND ec = :ec AND ea = :ea"))
                .expression_attribute_values(":cid", s(customer.expose()))
                .expression_attribute_values(":ec", s(leaving.cause.word()))
                .expression_attribute_values(":ea", n(leaving.since.millis()))
        };
        let alone = forget(", dp, du", "attribute_not_exists(er)");
        Ok(self.update("UpdateItem erasure off", alone).await?
            || self
                .update("UpdateItem erasure off", forget("", "attribute_exists(er)"))
                .await?)
    }

    /// Begins the erasure of a customer. Says `false` if the conversation is not any more as
    /// it was read: its session, or the customer.
    pub async fn begin_erasure(
        &self,
        at: &ConversationKey,
        departed: Departed<'_>,
        stone: Option<&Tombstone>,
    ) -> Result<bool, StoreError> {
        let Departed {
            conversation,
            files,
            now,
            ..
        } = departed;
        let folders = stone
            .map(|stone| stone.files.as_slice())
            .unwrap_or_default();
        let folders: Vec<_> = folders.iter().map(String::as_str).chain([files]).collect();
        let mut condition = "cid = :cid".to_owned();
        let mut values = Row::from([
            (":cid".to_owned(), s(conversation.customer.expose())),
            (":er".to_owned(), n(now.millis())),
            (":fd".to_owned(), s(folders.join(","))),
            (
                ":dp".to_owned(),
                s(leaving_partition(&conversation.channel)),
            ),
        ]);
        match &conversation.session {
            Some(session) => {
                condition.push_str(" AND ses = :ses");
                values.insert(":ses".to_owned(), s(&session.id));
                // Whether the desk knows of it decides what it is told.
                condition.push_str(if session.told {
                    " AND tol = :true"
                } else {
                    " AND attribute_not_exists(tol)"
                });
                if session.told {
                    values.insert(":true".to_owned(), AttributeValue::Bool(true));
                }
            }
            None => condition.push_str(" AND attribute_not_exists(ses)"),
        }
        match conversation.leaving {
            Some(leaving) => {
                condition.push_str(" AND ea = :ea");
                values.insert(":ea".to_owned(), n(leaving.since.millis()));
            }
            None => condition.push_str(" AND attribute_not_exists(ed)"),
        }
        match stone {
            Some(stone) => {
                condition.push_str(" AND er = :old");
                values.insert(":old".to_owned(), n(stone.since.millis()));
            }
            None => condition.push_str(" AND attribute_not_exists(er)"),
        }
        let forget = Update::builder()
            .table_name(&self.messages)
            .key("pk", s(at.as_str()))
            .key("sk", s("J"))
            .update_expression(format!(
                "SET er = :er, fd = :fd, dp = :dp, du = :er REMOVE {FORGOTTEN}"
            ))
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .build()
            .map_err(|_| StoreError::Unreadable("J"))?;
        let unlink = Delete::builder()
            .table_name(&self.messages)
            .key("pk", s(format!("X#{}", conversation.customer.expose())))
            .key("sk", s("#"))
            .build()
            .map_err(|_| StoreError::Unreadable("X"))?;
        let (own, notice) = departed.notice;
        let items = vec![
            TransactWriteItem::builder().update(forget).build(),
            TransactWriteItem::builder().delete(unlink).build(),
            self.any_row(super::entries::write(own, notice)?)?,
        ];
        let done = self.transact("TransactWriteItems erasure", items).await?;
        Ok(done.is_ok())
    }

    /// How far the erasure in a conversation is; `None` if there is none. Strongly
    /// consistent.
    pub async fn erasure(&self, at: &ConversationKey) -> Result<Option<Stage>, StoreError> {
        let Some(row) = self.own_row(at).await? else {
            return Ok(None);
        };
        let begun = read_begun(&row)?;
        if let Some(stone) = tombstone(&row) {
            return Ok(Some(Stage::Begun(stone)));
        }
        Ok(begun.and_then(|begun| {
            let leaving = begun.leaving?;
            Some(Stage::Noted(Box::new(begun), leaving))
        }))
    }

    /// Deletes some rows of a conversation that are nobody's any more, from behind a key on.
    pub async fn sweep_erased(
        &self,
        at: &ConversationKey,
        stone: &Tombstone,
        behind: Option<&str>,
    ) -> Result<Swept, StoreError> {
        let start = behind
            .map(|sk| Row::from([("pk".to_owned(), s(at.as_str())), ("sk".to_owned(), s(sk))]));
        let call = self
            .client
            .query()
            .table_name(&self.messages)
            .key_condition_expression("pk = :pk")
            .projection_expression("pk, sk, cid, #at")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":pk", s(at.as_str()))
            .consistent_read(true)
            .limit(BATCH)
            .set_exclusive_start_key(start);
        let (page, next) = self.query("Query erased", call).await?;
        let rows = page.items.unwrap_or_default().into_iter();
        let gone = rows.filter(|row| is_gone(row, stone));
        let requests = gone
            .map(|mut row| {
                row.retain(|name, _| name == "pk" || name == "sk");
                delete(row)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let asked = requests.len();
        let rows = match asked {
            0 => 0,
            _ => self.delete_rows(requests).await?,
        };
        Ok(Swept {
            rows,
            undone: rows < asked,
            next: next.and_then(|row| row.text("sk").map(str::to_owned)),
        })
    }

    /// Makes an erasure due again, for another pass.
    pub async fn postpone_erasure(
        &self,
        at: &ConversationKey,
        stone: &Tombstone,
        due: Moment,
    ) -> Result<(), StoreError> {
        let call = self
            .amend(at, "J")
            .update_expression("SET du = :du")
            .condition_expression("attribute_exists(pk) AND er = :er")
            .expression_attribute_values(":er", n(stone.since.millis()))
            .expression_attribute_values(":du", n(due.millis()));
        self.update("UpdateItem erasure again", call).await?;
        Ok(())
    }

    /// Ends an erasure that has left nothing: the conversation's row goes, or remains to who
    /// has written since.
    pub async fn end_erasure(
        &self,
        at: &ConversationKey,
        stone: &Tombstone,
    ) -> Result<(), StoreError> {
        let call = self
            .client
            .delete_item()
            .table_name(&self.messages)
            .key("pk", s(at.as_str()))
            .key("sk", s("J"))
            .condition_expression("er = :er AND attribute_not_exists(cid)")
            .expression_attribute_values(":er", n(stone.since.millis()));
        if self.delete("DeleteItem erased", call).await? {
            return Ok(());
        }
        // Who has written since may be leaving already.
        for (change, leaves) in [
            ("REMOVE er, fd, dp, du", "attribute_not_exists(ed)"),
            ("SET du = ed REMOVE er, fd", "attribute_exists(ed)"),
        ] {
            let call = self
                .amend(at, "J")
                .update_expression(change)
                .condition_expression(format!("er = :er AND attribute_exists(cid) AND {leaves}"))
                .expression_attribute_values(":er", n(stone.since.millis()));
            if self.update("UpdateItem erased", call).await? {
                break;
            }
        }
        Ok(())
    }

    /// The conversations of a channel in which an erasure is due, earliest first. Reads an
    /// index, so what was just written may be missing.
    pub async fn due_erasures(
        &self,
        channel: &ChannelId,
        now: Moment,
        most: i32,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        let call = self
            .client
            .query()
            .table_name(&self.messages)
            .index_name("due")
            .key_condition_expression("dp = :dp AND du <= :now")
            .projection_expression("pk")
            .expression_attribute_values(":dp", s(leaving_partition(channel)))
            .expression_attribute_values(":now", n(now.millis()))
            .limit(most);
        let (page, _) = self.query("Query erasures", call).await?;
        let rows = page.items().iter();
        let found = rows.filter_map(|row| row.text("pk").and_then(ConversationKey::parse));
        Ok(found.collect())
    }
}

/// Whether a row is of a customer who was erased. Lanes and timers are nobody's: whoever takes
/// them up finds nothing, and removes them.
fn is_gone(row: &Row, stone: &Tombstone) -> bool {
    match (row.text("sk"), row.text("cid")) {
        (Some(sk), _) if sk == "J" || sk.starts_with("J#") => false,
        (_, Some(of)) => stone.files.contains(&Place::folder(&CustomerId::new(of))),
        // An entry or a place of a customer, or what an earlier version put beside one.
        _ => row.moment("at").is_ok_and(|at| at <= stone.since) || row.get("at").is_none(),
    }
}
