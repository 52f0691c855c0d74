//! The journal's entries: put and read.

use std::collections::BTreeMap;
use std::time::Duration;

use super::row::{Read, Row, b, n, s};
use super::{Store, StoreError, attachments, body};
use crate::conversation::{Conversation, Tombstone};
use crate::journal::{
    Answer, Claim, Class, ConversationKey, Entry, EntryKey, Lane, Origin, SHARDS, State,
};
use crate::lane::Parked;
use crate::media::Attachment;
use crate::message::{Body, ChannelId, CustomerId, MessageId, OpenId};
use crate::moment::Moment;
use crate::reason::Reason;
use crate::rich::Manner;

/// How many rows are read first of a lane whose order counts: a late entry among
/// them is seen though its bell is still on its way.
const ORDER: i32 = 8;
/// How many rows are read first where only windows count: the conversation, its
/// timer and three entries, which with a kilobyte each cost one unit.
const WINDOWS: i32 = 5;
/// How many outbound rows are read first: with a kilobyte each they cost one
/// unit.
const OUTGOING: i32 = 4;
/// How many rows a look reads at a time at the most. Each page is twice the one
/// before it, so that a long backlog is read in few calls.
const LAST_PAGE: i32 = 128;
/// How long a location report is kept unless another comes: nothing ends it, and
/// the customer may never write.
const LOCATION_KEPT: Duration = Duration::from_hours(30 * 24);

/// What became of a conditional put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The row is new.
    Stored,
    /// The row was there: this is a repeat.
    Repeat,
}

/// What one look at a conversation showed: the conversation, its parked lanes
/// and its newest inbound entries.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// The conversation, if it has begun.
    pub conversation: Option<Conversation>,
    /// What is left where a customer was erased.
    pub erased: Option<Tombstone>,
    /// Its lanes that are parked.
    pub parked: BTreeMap<Lane, Parked>,
    /// When the open session's timer is due, if it runs.
    pub timer: Option<Moment>,
    /// Its newest inbound entries by key.
    pub entries: BTreeMap<EntryKey, Entry>,
}

impl Look {
    /// Whether an entry is one of the customer whose conversation this is. What is left
    /// of one who was erased is nobody's: it is on its way out.
    #[must_use]
    pub fn keeps(&self, entry: &Entry) -> bool {
        match (&entry.customer, &self.conversation) {
            (Some(of), Some(known)) => *of == known.customer,
            (Some(_), None) => false,
            (None, _) => {
                let erased = self.erased.as_ref();
                erased.is_none_or(|stone| entry.at > stone.since)
            }
        }
    }

    /// Whether an entry that has ended was seen: what waits below one is found
    /// by its own bell or by the walk.
    #[must_use]
    pub fn meets_an_ended_entry(&self) -> bool {
        self.entries.values().any(|entry| entry.state.ended())
    }
}

pub(super) fn state_word(state: State) -> &'static str {
    match state {
        State::Pending => "p",
        State::Sending => "s",
        State::Delivered => "d",
        State::Dead => "x",
    }
}

pub(super) fn write(at: &ConversationKey, entry: &Entry) -> Result<Row, StoreError> {
    let mut row = Row::from([
        ("pk".to_owned(), s(at.as_str())),
        ("sk".to_owned(), s(entry.key.as_str())),
        ("v".to_owned(), n(1)),
        ("st".to_owned(), s(state_word(entry.state))),
        ("at".to_owned(), n(entry.at.millis())),
        ("b".to_owned(), b(body::pack(&entry.body)?)),
        ("ch".to_owned(), s(entry.origin.channel.as_str())),
    ]);
    if let Some(open_id) = &entry.origin.open_id {
        row.insert("oid".to_owned(), s(open_id.expose()));
    }
    if let Some(customer) = &entry.customer {
        row.insert("cid".to_owned(), s(customer.expose()));
    }
    if let Some(answer) = &entry.answer {
        row.insert("id".to_owned(), s(answer.message.as_str()));
        row.insert("n".to_owned(), n(answer.parts));
        if answer.manner != Manner::default() {
            let manner = serde_json::to_string(&answer.manner);
            let manner = manner.map_err(|_| StoreError::Unreadable("mn"))?;
            row.insert("mn".to_owned(), s(manner));
        }
        if let Some(digest) = &answer.digest {
            row.insert("h".to_owned(), s(digest));
        }
    }
    if let Some(reason) = entry.reason {
        row.insert("r".to_owned(), s(reason.code()));
    }
    if let Some(attachment) = &entry.attachment {
        row.insert("md".to_owned(), s(attachments::write(attachment)?));
    }
    if let Some(replied) = &entry.reply {
        row.insert("rp".to_owned(), b(body::pack_reply(replied)?));
    }
    Ok(row)
}

/// Reads an entry's row.
pub(super) fn read(row: &Row) -> Result<Entry, StoreError> {
    let key = EntryKey::parse(row.need("sk")?).ok_or(StoreError::Unreadable("sk"))?;
    let state = match row.need("st")? {
        "p" => State::Pending,
        "s" => State::Sending,
        "d" => State::Delivered,
        "x" => State::Dead,
        _ => return Err(StoreError::Unreadable("st")),
    };
    let claim = match (row.text("cb"), row.number("cu")) {
        (Some(by), Some(until)) => Some(Claim {
            by: by.to_owned(),
            until: Moment::from_millis(until),
        }),
        _ => None,
    };
    let answer = match (row.text("id").and_then(MessageId::parse), row.number("n")) {
        (Some(message), Some(parts)) => Some(Answer {
            message,
            parts,
            // One that cannot be read is of a newer version: it is said in the account's name.
            manner: row
                .text("mn")
                .and_then(|json| serde_json::from_str(json).ok())
                .unwrap_or_default(),
            digest: row.text("h").map(str::to_owned),
        }),
        _ => None,
    };
    Ok(Entry {
        key,
        state,
        at: row.moment("at")?,
        redriven: row.number("ra").map(Moment::from_millis),
        // A body that cannot be read, such as one of a newer version, must not
        // hold up its conversation for ever.
        body: row
            .bytes("b")
            .and_then(body::unpack)
            .unwrap_or_else(|_| Body::Unknown { bytes: Vec::new() }),
        origin: Origin {
            channel: channel(row)?,
            open_id: row.text("oid").map(OpenId::new),
        },
        customer: row.text("cid").map(CustomerId::new),
        answer,
        reason: row.text("r").and_then(Reason::parse),
        claim,
        window: row.text("win").and_then(EntryKey::parse),
        exhausted: row.text("xw").and_then(EntryKey::parse),
        reply: row.bytes("rp").and_then(body::unpack_reply).ok(),
        session: row.text("ss").map(str::to_owned),
        // What a newer version wrote must not be fetched again and again.
        attachment: row.text("md").map(|json| {
            serde_json::from_str(json).unwrap_or(Attachment::Missing(Reason::Internal))
        }),
        lacking: row.number("ml").map(Moment::from_millis),
    })
}

pub(super) fn channel(row: &Row) -> Result<ChannelId, StoreError> {
    ChannelId::parse(row.need("ch")?).ok_or(StoreError::Unreadable("ch"))
}

impl Store {
    /// Journals an entry that waits, or that ends as it comes if `expires` is
    /// given (seconds since 1970).
    pub async fn put_entry(
        &self,
        at: &ConversationKey,
        entry: &Entry,
        expires: Option<i64>,
    ) -> Result<Put, StoreError> {
        let mut row = write(at, entry)?;
        if let Some(expires) = expires {
            row.insert("ttl".to_owned(), n(expires));
        }
        Ok(match self.put_new("PutItem entry", row).await? {
            Ok(()) => Put::Stored,
            Err(_) => Put::Repeat,
        })
    }

    /// Overwrites the customer's last location report, unless a later one is
    /// there. It is no entry: nobody is told.
    pub async fn put_location(
        &self,
        at: &ConversationKey,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        let mut row = write(at, entry)?;
        row.insert("sk".to_owned(), s("L"));
        row.insert("of".to_owned(), s(entry.key.as_str()));
        let expires = entry.at.plus(LOCATION_KEPT).seconds();
        row.insert("ttl".to_owned(), n(expires));
        let call = self
            .client
            .put_item()
            .table_name(&self.messages)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(pk) OR #of <= :of")
            .expression_attribute_names("#of", "of")
            .expression_attribute_values(":of", s(entry.key.as_str()));
        self.put("PutItem location", call).await?;
        Ok(())
    }

    /// Forgets the customer's last location report.
    pub async fn forget_location(&self, at: &ConversationKey) -> Result<(), StoreError> {
        let call = self
            .client
            .delete_item()
            .table_name(&self.messages)
            .key("pk", s(at.as_str()))
            .key("sk", s("L"));
        self.delete("DeleteItem location", call).await?;
        Ok(())
    }

    /// Reads the conversation and its newest inbound entries, newest first, a
    /// page at a time until `enough` says so. Strongly consistent.
    pub async fn look(
        &self,
        at: &ConversationKey,
        enough: impl Fn(&Look) -> bool,
    ) -> Result<Look, StoreError> {
        self.look_down(at, ORDER, enough).await
    }

    /// The same for somebody who wants to know no more than what its windows
    /// are: shorter pages.
    pub async fn look_for_windows(
        &self,
        at: &ConversationKey,
        enough: impl Fn(&Look) -> bool,
    ) -> Result<Look, StoreError> {
        self.look_down(at, WINDOWS, enough).await
    }

    async fn look_down(
        &self,
        at: &ConversationKey,
        first: i32,
        enough: impl Fn(&Look) -> bool,
    ) -> Result<Look, StoreError> {
        let mut look = Look::default();
        let (mut start, mut most) = (None, first);
        loop {
            let (rows, next) = self.newest(at, "I#", "J~", start, most).await?;
            for row in rows {
                match row.need("sk")? {
                    // Behind the entries in the order of keys, so that it is read before them.
                    "J" => {
                        look.conversation = super::conversations::read_begun(&row)?;
                        look.erased = super::conversations::tombstone(&row);
                    }
                    "J#session" => look.timer = Some(row.moment("du")?),
                    sk => {
                        if let Some(lane) = Lane::of_row(sk) {
                            look.parked.insert(lane, super::lanes::read(&row)?);
                        } else {
                            let entry = read(&row)?;
                            if look.keeps(&entry) {
                                look.entries.insert(entry.key.clone(), entry);
                            }
                        }
                    }
                }
            }
            if next.is_none() || enough(&look) {
                return Ok(look);
            }
            (start, most) = (next, LAST_PAGE.min(2 * most));
        }
    }

    /// Reads the newest outbound entries, newest first, a page at a time until
    /// `enough` says so. Strongly consistent.
    pub async fn outgoing(
        &self,
        at: &ConversationKey,
        enough: impl Fn(&BTreeMap<EntryKey, Entry>) -> bool,
    ) -> Result<BTreeMap<EntryKey, Entry>, StoreError> {
        let mut entries = BTreeMap::new();
        let (mut start, mut most) = (None, OUTGOING);
        loop {
            let (rows, next) = self.newest(at, "O#", "O~", start, most).await?;
            for row in rows {
                let entry = read(&row)?;
                entries.insert(entry.key.clone(), entry);
            }
            if next.is_none() || enough(&entries) {
                return Ok(entries);
            }
            (start, most) = (next, LAST_PAGE.min(2 * most));
        }
    }

    async fn newest(
        &self,
        at: &ConversationKey,
        low: &str,
        high: &str,
        start: Option<Row>,
        most: i32,
    ) -> Result<(Vec<Row>, Option<Row>), StoreError> {
        let call = self
            .client
            .query()
            .table_name(&self.messages)
            .key_condition_expression("pk = :pk AND sk BETWEEN :low AND :high")
            .expression_attribute_values(":pk", s(at.as_str()))
            .expression_attribute_values(":low", s(low))
            .expression_attribute_values(":high", s(high))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(most)
            .set_exclusive_start_key(start);
        let (page, next) = self.query("Query newest", call).await?;
        Ok((page.items.unwrap_or_default(), next))
    }

    /// Reads what waits in a lane from an entry on, earliest first, at most
    /// about `most`; the flag says whether that was all. Strongly consistent.
    pub async fn waiting_from(
        &self,
        at: &ConversationKey,
        lane: Lane,
        from: &EntryKey,
        most: usize,
    ) -> Result<(BTreeMap<EntryKey, Entry>, bool), StoreError> {
        let mut entries = BTreeMap::new();
        let mut start = None;
        // Whatever a damaged row says, a lane's worker sees that lane alone.
        let low = from.as_str().max(lane.prefix());
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.messages)
                .key_condition_expression("pk = :pk AND sk BETWEEN :low AND :high")
                .filter_expression("st = :p OR st = :s")
                .expression_attribute_values(":pk", s(at.as_str()))
                .expression_attribute_values(":low", s(low))
                .expression_attribute_values(":high", s(format!("{}~", lane.prefix())))
                .expression_attribute_values(":p", s("p"))
                .expression_attribute_values(":s", s("s"))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let (page, next) = self.query("Query waiting", call).await?;
            for row in page.items.unwrap_or_default() {
                let entry = read(&row)?;
                entries.insert(entry.key.clone(), entry);
            }
            start = next;
            if start.is_none() {
                return Ok((entries, true));
            }
            if entries.len() >= most {
                return Ok((entries, false));
            }
        }
    }

    /// Whether a customer's message is journalled after `key`. Strongly consistent.
    pub async fn has_later_message(
        &self,
        at: &ConversationKey,
        key: &EntryKey,
    ) -> Result<bool, StoreError> {
        let mut start = None;
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.messages)
                .key_condition_expression("pk = :pk AND sk BETWEEN :low AND :high")
                .projection_expression("sk")
                .expression_attribute_values(":pk", s(at.as_str()))
                .expression_attribute_values(":low", s(key.as_str()))
                .expression_attribute_values(":high", s("I~"))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let (page, next) = self.query("Query later", call).await?;
            let found = page.items().iter().any(|row| {
                let class = row
                    .text("sk")
                    .and_then(EntryKey::parse)
                    .and_then(|key| key.class());
                class == Some(Class::Message)
            });
            start = next;
            if found || start.is_none() {
                return Ok(found);
            }
        }
    }

    /// Reads one entry. Strongly consistent.
    pub async fn entry(
        &self,
        at: &ConversationKey,
        key: &EntryKey,
    ) -> Result<Option<Entry>, StoreError> {
        let call = self
            .client
            .get_item()
            .table_name(&self.messages)
            .key("pk", s(at.as_str()))
            .key("sk", s(key.as_str()))
            .consistent_read(true);
        let got = self.get("GetItem entry", call).await?;
        got.as_ref().map(read).transpose()
    }
}

/// The partition of the index `due` that lists a channel's dead entries.
pub(super) fn dead_partition(channel: &ChannelId) -> String {
    format!("dead#{channel}")
}

/// The partition of the index `due` that lists a channel's parked lanes and
/// timers.
pub(super) fn due_partition(channel: &ChannelId, shard: u8) -> String {
    format!("{channel}#{}", shard % SHARDS)
}
