//! The control table: channels and what belongs to them. It has no stream, so
//! that a token never reaches a stream's image.

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};

use super::call::refused;
use super::callers::CALLERS;
use super::row::{Read, Row, n, s};
use super::seen::SEEN;
use super::{Store, StoreError};
use crate::channel::Channel;
use crate::message::ChannelId;
use crate::moment::Moment;

/// What became of an attempt to create a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is there.
    New,
    /// Its id is taken.
    IdTaken,
    /// The account is connected already, by its app id or its original id.
    AccountTaken,
}

pub(super) fn channel_pk(channel: &ChannelId) -> String {
    format!("CH#{channel}")
}

fn config_row(channel: &Channel) -> Result<Row, StoreError> {
    let json = serde_json::to_string(channel).map_err(|_| StoreError::Unreadable("c"))?;
    Ok(Row::from([
        ("pk".to_owned(), s(channel_pk(&channel.id))),
        ("sk".to_owned(), s("CFG")),
        ("v".to_owned(), n(1)),
        ("rev".to_owned(), n(channel.revision)),
        ("c".to_owned(), s(json)),
    ]))
}

fn read_config(row: &Row) -> Result<Channel, StoreError> {
    serde_json::from_str(row.need("c")?).map_err(|_| StoreError::Unreadable("c"))
}

impl Store {
    /// Creates a channel and takes its app id and original id for it, in one
    /// transaction: an account cannot be connected twice.
    pub async fn create_channel(&self, channel: &Channel) -> Result<Created, StoreError> {
        let unique = |pk: String, sk: String, mut row: Row| {
            row.insert("pk".to_owned(), s(pk));
            row.insert("sk".to_owned(), s(sk));
            row.insert("ch".to_owned(), s(channel.id.as_str()));
            row
        };
        let id = channel.id.as_str().to_owned();
        let rows = [
            config_row(channel)?,
            unique("CHANNELS".to_owned(), id, Row::new()),
            unique(
                format!("APP#{}", channel.app_id),
                "#".to_owned(),
                Row::new(),
            ),
            unique(
                format!("GH#{}", channel.original_id),
                "#".to_owned(),
                Row::new(),
            ),
            unique(channel_pk(&channel.id), SEEN.to_owned(), Row::new()),
        ];
        let mut items = Vec::new();
        for row in rows {
            let put = Put::builder()
                .table_name(&self.control)
                .set_item(Some(row))
                .condition_expression("attribute_not_exists(pk)")
                .build()
                .map_err(|_| StoreError::Unreadable("c"))?;
            items.push(TransactWriteItem::builder().put(put).build());
        }
        let done = self.transact("TransactWriteItems channel", items).await?;
        Ok(match done {
            Ok(()) => Created::New,
            // The first two are the channel's own rows.
            Err(reasons) if reasons.iter().take(2).any(refused) => Created::IdTaken,
            Err(_) => Created::AccountTaken,
        })
    }

    /// Changes a channel, if it is still as `channel.revision - 1` left it.
    pub async fn update_channel(&self, channel: &Channel) -> Result<bool, StoreError> {
        let before = channel.revision.saturating_sub(1);
        self.move_channel(channel, before).await
    }

    /// Gives a channel another revision, and its settings, if it is still of
    /// the revision `from`: whoever has begun a change of that is too late.
    pub async fn move_channel(&self, channel: &Channel, from: u64) -> Result<bool, StoreError> {
        let call = self
            .client
            .put_item()
            .table_name(&self.control)
            .set_item(Some(config_row(channel)?))
            .condition_expression("attribute_exists(pk) AND rev = :rev")
            .expression_attribute_values(":rev", n(from));
        self.put("PutItem channel", call).await
    }

    /// Marks a channel deleted, as of now, and lets its account go.
    pub async fn retire_channel(&self, channel: &Channel, now: Moment) -> Result<bool, StoreError> {
        let mut row = config_row(channel)?;
        row.insert("del".to_owned(), n(now.millis()));
        let put = Put::builder()
            .table_name(&self.control)
            .set_item(Some(row))
            .condition_expression("attribute_exists(pk) AND rev = :rev")
            .expression_attribute_values(":rev", n(channel.revision.saturating_sub(1)))
            .build()
            .map_err(|_| StoreError::Unreadable("c"))?;
        let mut items = vec![TransactWriteItem::builder().put(put).build()];
        for pk in [
            format!("APP#{}", channel.app_id),
            format!("GH#{}", channel.original_id),
        ] {
            let delete = Delete::builder()
                .table_name(&self.control)
                .key("pk", s(pk))
                .key("sk", s("#"))
                .condition_expression("attribute_not_exists(pk) OR ch = :ch")
                .expression_attribute_values(":ch", s(channel.id.as_str()))
                .build()
                .map_err(|_| StoreError::Unreadable("c"))?;
            items.push(TransactWriteItem::builder().delete(delete).build());
        }
        let done = self.transact("TransactWriteItems retire", items).await?;
        Ok(done.is_ok())
    }

    /// Removes the last rows of a deleted channel.
    pub async fn forget_channel(&self, channel: &ChannelId) -> Result<(), StoreError> {
        for (pk, sk) in [
            (channel_pk(channel), "TOK"),
            (channel_pk(channel), "BRK"),
            (channel_pk(channel), SEEN),
            (channel_pk(channel), CALLERS),
            ("CHANNELS".to_owned(), channel.as_str()),
            (channel_pk(channel), "CFG"),
        ] {
            let call = self
                .client
                .delete_item()
                .table_name(&self.control)
                .key("pk", s(pk))
                .key("sk", s(sk));
            self.delete("DeleteItem channel", call).await?;
        }
        Ok(())
    }

    /// Reads a channel. Strongly consistent.
    pub async fn channel(&self, id: &ChannelId) -> Result<Option<Channel>, StoreError> {
        let row = self.config(id).await?;
        row.as_ref().map(read_config).transpose()
    }

    /// When a channel was marked deleted, if it is and if that was noted.
    pub async fn retired(&self, id: &ChannelId) -> Result<Option<Moment>, StoreError> {
        let row = self.config(id).await?;
        Ok(row.and_then(|row| row.number("del").map(Moment::from_millis)))
    }

    async fn config(&self, id: &ChannelId) -> Result<Option<Row>, StoreError> {
        let call = self.row_of_control(id, "CFG").consistent_read(true);
        self.get("GetItem channel", call).await
    }

    /// The ids of all channels, those being deleted included.
    pub async fn channel_ids(&self) -> Result<Vec<ChannelId>, StoreError> {
        let mut ids = Vec::new();
        let mut start = None;
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.control)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", s("CHANNELS"))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let (page, next) = self.query("Query channels", call).await?;
            for row in page.items.unwrap_or_default() {
                ids.extend(ChannelId::parse(row.need("sk")?));
            }
            start = next;
            if start.is_none() {
                return Ok(ids);
            }
        }
    }

    /// When the breaker of a channel's desk opened and when it was last probed;
    /// `None` while it is closed.
    pub async fn breaker(&self, channel: &ChannelId) -> Result<Option<Moment>, StoreError> {
        let call = self.row_of_control(channel, "BRK");
        let got = self.get("GetItem breaker", call).await?;
        got.map(|row| row.moment("pr")).transpose()
    }

    /// Opens the breaker, or notes a probe.
    pub async fn open_breaker(&self, channel: &ChannelId, now: Moment) -> Result<(), StoreError> {
        let call = self
            .client
            .put_item()
            .table_name(&self.control)
            .item("pk", s(channel_pk(channel)))
            .item("sk", s("BRK"))
            .item("pr", n(now.millis()));
        self.put("PutItem breaker", call).await?;
        Ok(())
    }

    /// Takes the minute's probe of an open breaker: one worker gets it.
    pub async fn take_probe(
        &self,
        channel: &ChannelId,
        seen: Moment,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let call = self
            .amend_control(channel, "BRK")
            .update_expression("SET pr = :now")
            .condition_expression("attribute_exists(pk) AND pr = :seen")
            .expression_attribute_values(":now", n(now.millis()))
            .expression_attribute_values(":seen", n(seen.millis()));
        self.update("UpdateItem probe", call).await
    }

    /// Closes the breaker.
    pub async fn close_breaker(&self, channel: &ChannelId) -> Result<(), StoreError> {
        let call = self
            .client
            .delete_item()
            .table_name(&self.control)
            .key("pk", s(channel_pk(channel)))
            .key("sk", s("BRK"));
        self.delete("DeleteItem breaker", call).await?;
        Ok(())
    }
}
