//! What becomes of the journal's entries: claimed, given back, ended, and made
//! to wait again.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};

use super::entries::{dead_partition, state_word, write};
use super::row::{Row, n, s};
use super::{Store, StoreError};
use crate::journal::{Claim, ConversationKey, Entry, EntryKey, State};
use crate::moment::Moment;
use crate::reason::Reason;

/// How an entry is marked delivered.
const DELIVERED: &str = "SET st = :d, #ttl = :ttl REMOVE cb, cu, r";

/// Who may end or release an outbound entry.
#[derive(Clone, Copy, Debug)]
pub enum Holder<'a> {
    /// Nobody holds it: it is pending.
    Nobody,
    /// The run with this nonce holds it.
    Run(&'a str),
}

impl<'a> Holder<'a> {
    /// Who holds an entry as it was read.
    #[must_use]
    pub fn of(entry: &'a Entry) -> Self {
        match (&entry.claim, entry.state) {
            (Some(claim), State::Sending) => Self::Run(&claim.by),
            _ => Self::Nobody,
        }
    }

    fn condition(self) -> &'static str {
        match self {
            Self::Nobody => "attribute_exists(pk) AND st = :held",
            Self::Run(_) => "attribute_exists(pk) AND st = :held AND cb = :by",
        }
    }

    fn state(self) -> State {
        match self {
            Self::Nobody => State::Pending,
            Self::Run(_) => State::Sending,
        }
    }
}

/// How an entry dies.
#[derive(Clone, Copy, Debug)]
pub struct Death<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// Who may end it.
    pub holder: Holder<'a>,
    /// Why.
    pub reason: Reason,
    /// When.
    pub now: Moment,
    /// When the row may be deleted, in seconds since 1970.
    pub expires: i64,
}

impl Death<'_> {
    fn expression(&self) -> String {
        let forget = if self.reason == Reason::Uncertain {
            ""
        } else {
            ", win"
        };
        format!("SET st = :x, r = :r, dp = :dp, du = :du, #ttl = :ttl REMOVE cb, cu{forget}")
    }

    fn values(&self) -> Row {
        let channel = &self.entry.origin.channel;
        let mut values = Row::from([
            (":x".to_owned(), s("x")),
            (":r".to_owned(), s(self.reason.code())),
            (":dp".to_owned(), s(dead_partition(channel))),
            (":du".to_owned(), n(self.now.millis())),
            (":held".to_owned(), s(state_word(self.holder.state()))),
            (":ttl".to_owned(), n(self.expires)),
        ]);
        if let Holder::Run(by) = self.holder {
            values.insert(":by".to_owned(), s(by));
        }
        values
    }
}

impl Store {
    /// Claims an outbound entry for this run and this window; a notice uses none. Says
    /// whether it is ours; claiming it twice is harmless.
    pub async fn claim(
        &self,
        at: &ConversationKey,
        key: &EntryKey,
        claim: &Claim,
        window: Option<&EntryKey>,
    ) -> Result<bool, StoreError> {
        let set = window.map_or("", |_| ", win = :win");
        let mut call = self
            .amend(at, key.as_str())
            .update_expression(format!("SET st = :s, cb = :by, cu = :until{set} REMOVE r"))
            .condition_expression("attribute_exists(pk) AND (st = :p OR (st = :s AND cb = :by))")
            .expression_attribute_values(":s", s("s"))
            .expression_attribute_values(":p", s("p"))
            .expression_attribute_values(":by", s(&claim.by))
            .expression_attribute_values(":until", n(claim.until.millis()));
        if let Some(window) = window {
            call = call.expression_attribute_values(":win", s(window.as_str()));
        }
        self.update("UpdateItem claim", call).await
    }

    /// Marks an entry delivered. Says whether it was still the holder's.
    pub async fn delivered(
        &self,
        at: &ConversationKey,
        key: &EntryKey,
        holder: Holder<'_>,
        expires: i64,
    ) -> Result<bool, StoreError> {
        let mut call = self
            .amend(at, key.as_str())
            .update_expression(DELIVERED)
            .condition_expression(holder.condition())
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":d", s("d"))
            .expression_attribute_values(":held", s(state_word(holder.state())))
            .expression_attribute_values(":ttl", n(expires));
        if let Holder::Run(by) = holder {
            call = call.expression_attribute_values(":by", s(by));
        }
        self.update("UpdateItem delivered", call).await
    }

    /// The same of a pending entry as a part of a transaction.
    pub(super) fn as_delivered(
        &self,
        at: &ConversationKey,
        key: &EntryKey,
        expires: i64,
    ) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.messages)
            .key("pk", s(at.as_str()))
            .key("sk", s(key.as_str()))
            .update_expression(DELIVERED)
            .condition_expression(Holder::Nobody.condition())
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":d", s("d"))
            .expression_attribute_values(":held", s(state_word(State::Pending)))
            .expression_attribute_values(":ttl", n(expires))
            .build()
            .map_err(|_| StoreError::Unreadable("sk"))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Marks an entry dead and lists it among the dead. An uncertain one keeps
    /// its window: it may have used it. Says whether it was still the holder's.
    pub async fn bury(&self, at: &ConversationKey, death: &Death<'_>) -> Result<bool, StoreError> {
        let call = self
            .amend(at, death.entry.key.as_str())
            .update_expression(death.expression())
            .condition_expression(death.holder.condition())
            .expression_attribute_names("#ttl", "ttl")
            .set_expression_attribute_values(Some(death.values()));
        self.update("UpdateItem bury", call).await
    }

    /// Marks an entry dead as [`Self::bury`] does, and journals the receipt that
    /// tells of it: both or neither, so that nobody is told of a death that did
    /// not come.
    pub async fn bury_and_tell(
        &self,
        at: &ConversationKey,
        death: &Death<'_>,
        receipt: &Entry,
    ) -> Result<bool, StoreError> {
        let update = Update::builder()
            .table_name(&self.messages)
            .key("pk", s(at.as_str()))
            .key("sk", s(death.entry.key.as_str()))
            .update_expression(death.expression())
            .condition_expression(death.holder.condition())
            .expression_attribute_names("#ttl", "ttl")
            .set_expression_attribute_values(Some(death.values()))
            .build()
            .map_err(|_| StoreError::Unreadable("sk"))?;
        let items = vec![
            TransactWriteItem::builder().update(update).build(),
            self.any_row(write(at, receipt)?)?,
        ];
        let done = self.transact("TransactWriteItems bury", items).await?;
        Ok(done.is_ok())
    }

    /// Gives an entry back that this run had claimed: it waits again. If
    /// WeChat said that its window is used up, that is noted.
    pub async fn release(
        &self,
        at: &ConversationKey,
        key: &EntryKey,
        by: &str,
        reason: Reason,
        exhausted: Option<&EntryKey>,
    ) -> Result<bool, StoreError> {
        let set = if exhausted.is_some() {
            ", xw = :xw"
        } else {
            ""
        };
        let mut call = self
            .amend(at, key.as_str())
            .update_expression(format!("SET st = :p, r = :r{set} REMOVE cb, cu, win"))
            .condition_expression(Holder::Run(by).condition())
            .expression_attribute_values(":p", s("p"))
            .expression_attribute_values(":r", s(reason.code()))
            .expression_attribute_values(":held", s("s"))
            .expression_attribute_values(":by", s(by));
        if let Some(window) = exhausted {
            call = call.expression_attribute_values(":xw", s(window.as_str()));
        }
        self.update("UpdateItem release", call).await
    }

    /// Makes dead entries wait again, all or none, with a clock that starts
    /// now. An uncertain one keeps its window until it is claimed anew. Says
    /// whether all of them were dead.
    pub async fn redrive(
        &self,
        at: &ConversationKey,
        keys: &[EntryKey],
        now: Moment,
    ) -> Result<bool, StoreError> {
        let mut items = Vec::new();
        for key in keys {
            let update = Update::builder()
                .table_name(&self.messages)
                .key("pk", s(at.as_str()))
                .key("sk", s(key.as_str()))
                .update_expression("SET st = :p, ra = :now REMOVE #ttl, dp, du, r, xw, ss, ml")
                .condition_expression(
                    "attribute_exists(pk) AND (st = :x OR (st = :p AND ra = :now))",
                )
                .expression_attribute_names("#ttl", "ttl")
                .expression_attribute_values(":x", s("x"))
                .expression_attribute_values(":p", s("p"))
                .expression_attribute_values(":now", n(now.millis()))
                .build()
                .map_err(|_| StoreError::Unreadable("sk"))?;
            items.push(TransactWriteItem::builder().update(update).build());
        }
        let done = self.transact("TransactWriteItems redrive", items).await?;
        Ok(done.is_ok())
    }
}
