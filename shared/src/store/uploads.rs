//! What WeChat has of ours and what it does not take: rows of the table of control, beside
//! their channel's, that end by themselves.

use aws_sdk_dynamodb::types::AttributeValue;

use super::control::channel_pk;
use super::row::{Read, Row, n, s};
use super::{Store, StoreError};
use crate::message::ChannelId;
use crate::moment::Moment;

/// What a file is known by: as what it was brought, and the digest of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload(String);

impl Upload {
    /// A file of this digest, brought to WeChat as this.
    #[must_use]
    pub fn of(role: &str, digest: &[u8; 32]) -> Self {
        use base64::Engine as _;
        let digest = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest);
        Self(format!("MID#{role}#{digest}"))
    }
}

/// What the keys of rows begin with that say that an account takes no messages of a kind.
const NOT: &str = "NOT#";

fn kind_key(word: &str) -> String {
    format!("{NOT}{word}")
}

impl Store {
    /// The id under which WeChat still has a file.
    pub async fn uploaded(
        &self,
        channel: &ChannelId,
        upload: &Upload,
        now: Moment,
    ) -> Result<Option<String>, StoreError> {
        let row = self.lasting(channel, &upload.0, now).await?;
        Ok(row.and_then(|row| row.text("id").map(str::to_owned)))
    }

    /// Notes under which id WeChat has a file, and until when.
    pub async fn note_uploaded(
        &self,
        channel: &ChannelId,
        upload: &Upload,
        id: &str,
        until: Moment,
    ) -> Result<(), StoreError> {
        self.note_lasting(channel, &upload.0, until, Some(("id", s(id))))
            .await
    }

    /// Whether WeChat has refused messages of this kind for this account of late.
    pub async fn refuses_kind(
        &self,
        channel: &ChannelId,
        word: &str,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let row = self.lasting(channel, &kind_key(word), now).await?;
        Ok(row.is_some())
    }

    /// Notes that WeChat refuses messages of this kind for this account. It is believed
    /// until then.
    pub async fn note_refused_kind(
        &self,
        channel: &ChannelId,
        word: &str,
        until: Moment,
    ) -> Result<(), StoreError> {
        self.note_lasting(channel, &kind_key(word), until, None)
            .await
    }

    /// The kinds of messages that WeChat has refused for this account of late, by its words
    /// for them, and until when that is believed.
    pub async fn refused_kinds(
        &self,
        channel: &ChannelId,
        now: Moment,
    ) -> Result<Vec<(String, Moment)>, StoreError> {
        let rows = self.rows_of_kinds(channel).await?;
        let mut kinds = Vec::new();
        for row in &rows {
            let (sk, until) = (row.need("sk")?, row.moment("un")?);
            if now < until {
                kinds.push((sk.trim_start_matches(NOT).to_owned(), until));
            }
        }
        Ok(kinds)
    }

    /// Forgets them all: WeChat is asked again.
    pub async fn forget_refused_kinds(&self, channel: &ChannelId) -> Result<(), StoreError> {
        for row in self.rows_of_kinds(channel).await? {
            let call = self
                .client
                .delete_item()
                .table_name(&self.control)
                .key("pk", s(channel_pk(channel)))
                .key("sk", s(row.need("sk")?));
            self.delete("DeleteItem kind", call).await?;
        }
        Ok(())
    }

    /// There are no more than WeChat has kinds of messages: one page.
    async fn rows_of_kinds(&self, channel: &ChannelId) -> Result<Vec<Row>, StoreError> {
        let call = self
            .client
            .query()
            .table_name(&self.control)
            .key_condition_expression("pk = :pk AND begins_with(sk, :not)")
            .expression_attribute_values(":pk", s(channel_pk(channel)))
            .expression_attribute_values(":not", s(NOT));
        let (page, _) = self.query("Query kinds", call).await?;
        Ok(page.items.unwrap_or_default())
    }

    async fn lasting(
        &self,
        channel: &ChannelId,
        sk: &str,
        now: Moment,
    ) -> Result<Option<Row>, StoreError> {
        let call = self.row_of_control(channel, sk);
        let row = self.get("GetItem lasting", call).await?;
        Ok(row.filter(|row| row.moment("un").is_ok_and(|until| now < until)))
    }

    async fn note_lasting(
        &self,
        channel: &ChannelId,
        sk: &str,
        until: Moment,
        more: Option<(&str, AttributeValue)>,
    ) -> Result<(), StoreError> {
        let mut call = self
            .client
            .put_item()
            .table_name(&self.control)
            .item("pk", s(channel_pk(channel)))
            .item("sk", s(sk))
            .item("un", n(until.millis()))
            .item("ttl", n(until.seconds()));
        if let Some((name, value)) = more {
            call = call.item(name, value);
        }
        self.put("PutItem lasting", call).await?;
        Ok(())
    }
}
