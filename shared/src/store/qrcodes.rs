//! The QR codes of a channel: rows of the table of control, beside the channel's own.
//!
//! Invariant: a scan is counted in the transaction that marks its entry delivered, so
//! that each is counted once, however often its push or its bell comes. How many codes
//! there are is counted in the transactions that put and remove them.

use aws_sdk_dynamodb::types::{Delete, Put, ReturnValue, TransactWriteItem, Update};

use super::call::refused;
use super::control::channel_pk;
use super::row::{Read, Row, n, s};
use super::{Store, StoreError};
use crate::journal::{ConversationKey, EntryKey};
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::qrcode::{QRCODES, Qrcode, Scene};

/// What stands before a scene in a row's key.
const PREFIX: &str = "QR#";
/// The row that says how many codes a channel has.
const COUNT: &str = "QR";
/// How many rows of a deleted channel are removed at a time.
const BATCH: i32 = 25;

/// What became of a code that was to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is there, with the scans so far.
    Kept(Box<Qrcode>),
    /// There is one of this scene that is still good.
    Taken,
    /// The channel has as many as it may have.
    Full,
}

/// Some codes of a list, by their scenes.
#[derive(Clone, Debug, Default)]
pub struct QrcodePage {
    /// The codes.
    pub codes: Vec<Qrcode>,
    /// The last of them, if there may be more.
    pub next: Option<Scene>,
}

fn sort_key(scene: &Scene) -> String {
    format!("{PREFIX}{scene}")
}

fn key(channel: &ChannelId, scene: &Scene) -> Row {
    Row::from([
        ("pk".to_owned(), s(channel_pk(channel))),
        ("sk".to_owned(), s(sort_key(scene))),
    ])
}

fn read(row: &Row) -> Result<Qrcode, StoreError> {
    let scene = row.need("sk")?.strip_prefix(PREFIX).and_then(Scene::parse);
    Ok(Qrcode {
        scene: scene.ok_or(StoreError::Unreadable("sk"))?,
        name: row.need("n")?.to_owned(),
        ticket: row.need("tk")?.to_owned(),
        url: row.need("u")?.to_owned(),
        expires: row.number("ex").map(Moment::from_millis),
        created: row.moment("cr")?,
        scans: row.number("sc").unwrap_or(0),
    })
}

fn write(channel: &ChannelId, code: &Qrcode) -> Row {
    let mut row = key(channel, &code.scene);
    row.insert("n".to_owned(), s(&code.name));
    row.insert("tk".to_owned(), s(&code.ticket));
    row.insert("u".to_owned(), s(&code.url));
    row.insert("cr".to_owned(), n(code.created.millis()));
    row.insert("sc".to_owned(), n(code.scans));
    if let Some(expires) = code.expires {
        row.insert("ex".to_owned(), n(expires.millis()));
    }
    row
}

impl Store {
    /// A code. Strongly consistent.
    pub async fn qrcode(
        &self,
        channel: &ChannelId,
        scene: &Scene,
    ) -> Result<Option<Qrcode>, StoreError> {
        let call = self
            .client
            .get_item()
            .table_name(&self.control)
            .set_key(Some(key(channel, scene)))
            .consistent_read(true);
        let row = self.get("GetItem qrcode", call).await?;
        row.as_ref().map(read).transpose()
    }

    /// How many codes a channel has.
    pub async fn qrcode_count(&self, channel: &ChannelId) -> Result<u32, StoreError> {
        let call = self.row_of_control(channel, COUNT).consistent_read(true);
        let row = self.get("GetItem qrcodes", call).await?;
        Ok(row.and_then(|row| row.number("c")).unwrap_or(0))
    }

    /// Keeps the first code of a scene.
    pub async fn keep_qrcode(
        &self,
        channel: &ChannelId,
        code: &Qrcode,
    ) -> Result<Kept, StoreError> {
        let put = Put::builder()
            .table_name(&self.control)
            .set_item(Some(write(channel, code)))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(|_| StoreError::Unreadable("sk"))?;
        let count = self.count_qrcodes(channel, 1)?;
        let items = vec![TransactWriteItem::builder().put(put).build(), count];
        let done = self.transact("TransactWriteItems qrcode", items).await?;
        Ok(match done {
            Ok(()) => Kept::Kept(Box::new(code.clone())),
            Err(reasons) if reasons.first().is_some_and(refused) => Kept::Taken,
            Err(_) => Kept::Full,
        })
    }

    /// Another code in place of one that is over: its scans go on being counted.
    pub async fn renew_qrcode(
        &self,
        channel: &ChannelId,
        code: &Qrcode,
        now: Moment,
    ) -> Result<Kept, StoreError> {
        let forget = if code.expires.is_none() {
            " REMOVE ex"
        } else {
            ""
        };
        let set = if code.expires.is_some() {
            ", ex = :ex"
        } else {
            ""
        };
        let mut call = self
            .amend_control(channel, &sort_key(&code.scene))
            .update_expression(format!("SET n = :n, tk = :tk, u = :u{set}{forget}"))
            .condition_expression("attribute_exists(pk) AND ex <= :now")
            .expression_attribute_values(":n", s(&code.name))
            .expression_attribute_values(":tk", s(&code.ticket))
            .expression_attribute_values(":u", s(&code.url))
            .expression_attribute_values(":now", n(now.millis()))
            .return_values(ReturnValue::AllNew);
        if let Some(expires) = code.expires {
            call = call.expression_attribute_values(":ex", n(expires.millis()));
        }
        Ok(match self.update_seen("UpdateItem qrcode", call).await? {
            Ok(row) => Kept::Kept(Box::new(read(&row)?)),
            Err(_) => Kept::Taken,
        })
    }

    /// Forgets a code. Says whether there was one.
    pub async fn forget_qrcode(
        &self,
        channel: &ChannelId,
        scene: &Scene,
    ) -> Result<bool, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.control)
            .set_key(Some(key(channel, scene)))
            .condition_expression("attribute_exists(pk)")
            .build()
            .map_err(|_| StoreError::Unreadable("sk"))?;
        let count = self.count_qrcodes(channel, -1)?;
        let items = vec![TransactWriteItem::builder().delete(delete).build(), count];
        let done = self.transact("TransactWriteItems no qrcode", items).await?;
        Ok(done.is_ok())
    }

    /// One code more, if there is room, or one less.
    fn count_qrcodes(&self, channel: &ChannelId, by: i32) -> Result<TransactWriteItem, StoreError> {
        let mut update = Update::builder()
            .table_name(&self.control)
            .key("pk", s(channel_pk(channel)))
            .key("sk", s(COUNT))
            .update_expression("ADD c :by")
            .expression_attribute_values(":by", n(by));
        if by > 0 {
            update = update
                .condition_expression("attribute_not_exists(c) OR c < :most")
                .expression_attribute_values(":most", n(QRCODES));
        }
        let update = update.build().map_err(|_| StoreError::Unreadable("sk"))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// The codes of a channel by their scenes, those behind `behind`.
    pub async fn qrcodes(
        &self,
        channel: &ChannelId,
        behind: Option<&Scene>,
        most: i32,
    ) -> Result<QrcodePage, StoreError> {
        let call = self
            .client
            .query()
            .table_name(&self.control)
            .key_condition_expression("pk = :pk AND begins_with(sk, :qr)")
            .expression_attribute_values(":pk", s(channel_pk(channel)))
            .expression_attribute_values(":qr", s(PREFIX))
            .set_exclusive_start_key(behind.map(|scene| key(channel, scene)))
            .limit(most);
        let (page, next) = self.query("Query qrcodes", call).await?;
        let rows = page.items.unwrap_or_default();
        let codes = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = next.and(codes.last().map(|code| code.scene.clone()));
        Ok(QrcodePage { codes, next })
    }

    /// Removes some codes of a deleted channel. Says whether none is left.
    pub async fn forget_some_qrcodes(&self, channel: &ChannelId) -> Result<bool, StoreError> {
        let page = self.qrcodes(channel, None, BATCH).await?;
        for code in &page.codes {
            let call = self
                .client
                .delete_item()
                .table_name(&self.control)
                .set_key(Some(key(channel, &code.scene)));
            self.delete("DeleteItem qrcode", call).await?;
        }
        if page.next.is_some() {
            return Ok(false);
        }
        let call = self
            .client
            .delete_item()
            .table_name(&self.control)
            .key("pk", s(channel_pk(channel)))
            .key("sk", s(COUNT));
        self.delete("DeleteItem qrcodes", call).await?;
        Ok(true)
    }

    /// Marks an entry that tells of a scan delivered, and counts the scan where the code is
    /// one of ours: both or neither. Says whether the entry was still pending.
    pub async fn delivered_scan(
        &self,
        at: &ConversationKey,
        entry: &EntryKey,
        expires: i64,
        channel: &ChannelId,
        scene: &Scene,
    ) -> Result<bool, StoreError> {
        let count = Update::builder()
            .table_name(&self.control)
            .set_key(Some(key(channel, scene)))
            .update_expression("ADD sc :one")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":one", n(1))
            .build()
            .map_err(|_| StoreError::Unreadable("sk"))?;
        let count = TransactWriteItem::builder().update(count).build();
        let items = vec![self.as_delivered(at, entry, expires)?, count];
        match self.transact("TransactWriteItems scan", items).await? {
            Ok(()) => Ok(true),
            Err(reasons) if reasons.first().is_some_and(refused) => Ok(false),
            // It is nobody's code: WeChat's own console made it, or it was forgotten.
            Err(_) => {
                let nobody = super::Holder::Nobody;
                self.delivered(at, entry, nobody, expires).await
            }
        }
    }
}
