//! The addresses from which WeChat calls a channel's callback: a row of the table of control.
//!
//! Invariant: a list is never taken away, only replaced by another; and of those who find it
//! old one asks.

use super::row::{Read, Row, n, s};
use super::{Store, StoreError};
use crate::message::ChannelId;
use crate::moment::Moment;

/// The row's sort key.
pub(super) const CALLERS: &str = "IPS";

/// A list as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCallers {
    /// Addresses and ranges.
    pub list: Vec<String>,
    /// When WeChat gave it.
    pub got: Moment,
}

fn read(row: &Row) -> Result<Option<KeptCallers>, StoreError> {
    // Somebody has asked, and has no answer yet.
    let Some(list) = row.text("ips") else {
        return Ok(None);
    };
    Ok(Some(KeptCallers {
        list: serde_json::from_str(list).map_err(|_| StoreError::Unreadable("ips"))?,
        got: row.moment("got")?,
    }))
}

impl Store {
    /// The list of a channel, if there is one. It may lag behind.
    pub async fn callers(&self, channel: &ChannelId) -> Result<Option<KeptCallers>, StoreError> {
        let call = self.row_of_control(channel, CALLERS);
        let row = self.get("GetItem callers", call).await?;
        row.as_ref().map_or(Ok(None), read)
    }

    /// Becomes the one who asks WeChat for a list, unless somebody has asked since `since`.
    pub async fn ask_for_callers(
        &self,
        channel: &ChannelId,
        now: Moment,
        since: Moment,
    ) -> Result<bool, StoreError> {
        let call = self
            .amend_control(channel, CALLERS)
            .update_expression("SET ask = :now")
            .condition_expression("attribute_not_exists(ask) OR ask < :since")
            .expression_attribute_values(":now", n(now.millis()))
            .expression_attribute_values(":since", n(since.millis()));
        self.update("UpdateItem callers asked", call).await
    }

    /// Keeps the list that WeChat gave to who asked at `asked`, unless another has asked since.
    pub async fn keep_callers(
        &self,
        channel: &ChannelId,
        asked: Moment,
        kept: &KeptCallers,
    ) -> Result<bool, StoreError> {
        let list = serde_json::to_string(&kept.list).map_err(|_| StoreError::Unreadable("ips"))?;
        let call = self
            .amend_control(channel, CALLERS)
            .update_expression("SET ips = :ips, got = :got")
            .condition_expression("attribute_exists(pk) AND ask = :ask")
            .expression_attribute_values(":ips", s(list))
            .expression_attribute_values(":got", n(kept.got.millis()))
            .expression_attribute_values(":ask", n(asked.millis()));
        self.update("UpdateItem callers", call).await
    }
}
