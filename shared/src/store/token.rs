//! The access token of a channel, shared by every process, and the lease of
//! the one that asks WeChat for the next.
//!
//! Invariant: a lease has a fence. Whoever lost the lease cannot overwrite what
//! its successor stored.

use std::fmt;

use aws_sdk_dynamodb::types::ReturnValue;

use super::row::{Read, Row, n, s};
use super::{Store, StoreError};
use crate::message::ChannelId;
use crate::moment::Moment;

/// A token as it is stored.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StoredToken {
    /// The token; absent before the first.
    pub token: Option<String>,
    /// When WeChat gave it.
    pub got: Moment,
    /// When it ends.
    pub expires: Moment,
    /// When it was last forced.
    pub forced: Option<Moment>,
    /// How often it was forced on the day of `forced`.
    pub forced_count: u32,
    /// When somebody last asked WeChat.
    pub asked: Option<Moment>,
}

/// Shows the times alone.
impl fmt::Debug for StoredToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredToken")
            .field("got", &self.got)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// What became of an attempt to become the one who asks.
#[derive(Clone, Debug)]
pub enum Lease {
    /// We ask, under this fence; this is what was stored before.
    Ours(u64, StoredToken),
    /// Another asks, or has just asked: this is what is stored.
    Theirs(StoredToken),
}

fn read(row: &Row) -> StoredToken {
    let moment = |name| row.number(name).map(Moment::from_millis);
    StoredToken {
        token: row.text("tok").map(str::to_owned),
        got: moment("got").unwrap_or_default(),
        expires: moment("exp").unwrap_or_default(),
        forced: moment("fa"),
        forced_count: row.number("fn").unwrap_or(0),
        asked: moment("ask"),
    }
}

impl Store {
    /// The stored token. Strongly consistent.
    pub async fn token(&self, channel: &ChannelId) -> Result<StoredToken, StoreError> {
        let call = self.row_of_control(channel, "TOK").consistent_read(true);
        let got = self.get("GetItem token", call).await?;
        Ok(got.as_ref().map(read).unwrap_or_default())
    }

    /// Becomes the one who asks WeChat, unless another is, or has asked since
    /// `seen_asked` (what the caller saw stored). The lease ends at `until`.
    pub async fn lease_token(
        &self,
        channel: &ChannelId,
        by: &str,
        seen_asked: Option<Moment>,
        now: Moment,
        until: Moment,
    ) -> Result<Lease, StoreError> {
        let unasked = if seen_asked.is_some() {
            "ask = :seen"
        } else {
            "attribute_not_exists(ask)"
        };
        let mut call = self
            .amend_control(channel, "TOK")
            .update_expression("SET lo = :by, lu = :until, f = if_not_exists(f, :zero) + :one")
            .condition_expression(format!(
                "{unasked} AND (attribute_not_exists(lu) OR lu < :now OR lo = :by)"
            ))
            .expression_attribute_values(":by", s(by))
            .expression_attribute_values(":until", n(until.millis()))
            .expression_attribute_values(":now", n(now.millis()))
            .expression_attribute_values(":zero", n(0))
            .expression_attribute_values(":one", n(1))
            .return_values(ReturnValue::AllNew);
        if let Some(seen) = seen_asked {
            call = call.expression_attribute_values(":seen", n(seen.millis()));
        }
        match self.update_seen("UpdateItem lease", call).await? {
            Ok(row) => {
                let fence = row.number("f").ok_or(StoreError::Unreadable("f"))?;
                Ok(Lease::Ours(fence, read(&row)))
            }
            Err(row) => Ok(Lease::Theirs(read(&row))),
        }
    }

    /// Stores what WeChat gave and ends the lease, if the fence is still ours.
    pub async fn store_token(
        &self,
        channel: &ChannelId,
        by: &str,
        fence: u64,
        token: &StoredToken,
    ) -> Result<bool, StoreError> {
        let mut set = "SET got = :got, #exp = :exp, ask = :ask, fn = :fn".to_owned();
        let mut call = self
            .amend_control(channel, "TOK")
            .condition_expression(
                "attribute_exists(pk) AND f = :fence AND (lo = :by OR attribute_not_exists(lo))",
            )
            .expression_attribute_names("#exp", "exp")
            .expression_attribute_values(":got", n(token.got.millis()))
            .expression_attribute_values(":exp", n(token.expires.millis()))
            .expression_attribute_values(":ask", n(token.asked.unwrap_or(token.got).millis()))
            .expression_attribute_values(":fn", n(token.forced_count))
            .expression_attribute_values(":fence", n(fence))
            .expression_attribute_values(":by", s(by));
        if let Some(text) = &token.token {
            set.push_str(", tok = :tok");
            call = call.expression_attribute_values(":tok", s(text));
        }
        if let Some(forced) = token.forced {
            set.push_str(", fa = :fa");
            call = call.expression_attribute_values(":fa", n(forced.millis()));
        }
        let call = call.update_expression(format!("{set} REMOVE lo, lu"));
        self.update("UpdateItem token", call).await
    }

    /// Notes that a token is about to be forced, if the fence is still ours.
    pub async fn note_forced(
        &self,
        channel: &ChannelId,
        by: &str,
        fence: u64,
        token: &StoredToken,
    ) -> Result<bool, StoreError> {
        let forced = token.forced.unwrap_or_default();
        let call = self
            .amend_control(channel, "TOK")
            .update_expression("SET fa = :fa, fn = :fn")
            .condition_expression("attribute_exists(pk) AND f = :fence AND lo = :by")
            .expression_attribute_values(":fa", n(forced.millis()))
            .expression_attribute_values(":fn", n(token.forced_count))
            .expression_attribute_values(":fence", n(fence))
            .expression_attribute_values(":by", s(by));
        self.update("UpdateItem forced", call).await
    }

    /// Ends a lease under which WeChat gave nothing, if it is still ours.
    pub async fn end_lease(
        &self,
        channel: &ChannelId,
        by: &str,
        fence: u64,
    ) -> Result<(), StoreError> {
        let call = self
            .amend_control(channel, "TOK")
            .update_expression("REMOVE lo, lu")
            .condition_expression("attribute_exists(pk) AND f = :fence AND lo = :by")
            .expression_attribute_values(":fence", n(fence))
            .expression_attribute_values(":by", s(by));
        self.update("UpdateItem lease end", call).await?;
        Ok(())
    }
}
