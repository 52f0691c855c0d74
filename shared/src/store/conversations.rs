//! The conversation row, changed attribute by attribute.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::row::{Read, Row, n, s};
use super::{Store, StoreError};
use crate::conversation::{
    Called, Conversation, EraseCause, LateSends, Leaving, Session, Tombstone,
};
use crate::journal::{ConversationKey, EntryKey};
use crate::message::{ChannelId, CustomerId, Kind, OpenId};
use crate::moment::Moment;

/// The customer id of a conversation that may have begun elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// We began it.
    New,
    /// Another run was first: this is the conversation.
    Theirs(Box<Conversation>),
    /// The customer was erased after what was to begin it had come.
    Erased,
}

/// What the list of conversations shows of the last message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snippet {
    /// Whether an agent said it.
    #[serde(rename = "o", default)]
    pub outbound: bool,
    /// Its kind.
    #[serde(rename = "k")]
    pub kind: Kind,
    /// Its first words.
    #[serde(rename = "t")]
    pub text: String,
    /// When it was said.
    #[serde(rename = "a")]
    pub time: Moment,
}

/// Reads a conversation's row.
pub(super) fn read(row: &Row) -> Result<Conversation, StoreError> {
    let session = match (row.text("ses"), row.number("so")) {
        (Some(id), Some(opened)) => Some(Session {
            id: id.to_owned(),
            opened: Moment::from_millis(opened),
            told: row.flag("tol"),
        }),
        _ => None,
    };
    Ok(Conversation {
        channel: super::entries::channel(row)?,
        customer: CustomerId::new(row.need("cid")?),
        open_id: OpenId::new(row.need("oid")?),
        linked: row.flag("lk"),
        session,
        last_session: row.text("ls").map(str::to_owned),
        read_up_to: row.text("rd").map(str::to_owned),
        active: row.moment("act")?,
        late_sends: match (row.text("wl").and_then(EntryKey::parse), row.number("wu")) {
            (Some(lowest), Some(until)) => Some(LateSends {
                lowest,
                until: Moment::from_millis(until),
            }),
            _ => None,
        },
        called: match (row.text("nk").and_then(EntryKey::parse), row.number("na")) {
            (Some(key), Some(at)) => Some(Called {
                key,
                at: Moment::from_millis(at),
            }),
            _ => None,
        },
        leaving: leaving(row),
    })
}

fn leaving(row: &Row) -> Option<Leaving> {
    Some(Leaving {
        cause: row.text("ec").and_then(EraseCause::parse)?,
        since: row.moment("ea").ok()?,
        due: row.moment("ed").ok()?,
    })
}

/// Reads a conversation's row if there is a customer in it: where one was erased, there
/// is none until somebody writes again.
pub(super) fn read_begun(row: &Row) -> Result<Option<Conversation>, StoreError> {
    row.text("cid").map(|_| read(row)).transpose()
}

/// Reads what a conversation's row says of a customer who was erased.
pub(super) fn tombstone(row: &Row) -> Option<Tombstone> {
    Some(Tombstone {
        since: row.moment("er").ok()?,
        files: row
            .text("fd")
            .map(|names| names.split(',').map(str::to_owned).collect())
            .unwrap_or_default(),
    })
}

/// Reads what the list shows of a conversation's last message.
pub(super) fn snippet(row: &Row) -> Option<Snippet> {
    serde_json::from_str(row.text("lm")?).ok()
}

/// The partition of the index `board` that lists a channel's conversations.
pub(super) fn board_partition(channel: &ChannelId, open: bool, shard: u8) -> String {
    let side = if open { "open" } else { "closed" };
    format!("{channel}#{side}#{shard}")
}

/// The place of a conversation in `board`: by last activity, made unique.
pub(super) fn board_place(at: &ConversationKey, active: Moment) -> String {
    format!("{:013}#{}", active.millis().max(0), at.as_str())
}

impl Store {
    /// Begins a conversation, unless another run has, or the customer was erased since
    /// `new` was `active`: who was erased begins anew by what comes afterwards alone.
    pub async fn begin(
        &self,
        at: &ConversationKey,
        new: &Conversation,
    ) -> Result<Found, StoreError> {
        let call = self
            .amend(at, "J")
            .update_expression(
                "SET v = :v, ch = :ch, cid = :cid, oid = :oid, act = :act, bp = :bp, bt = :bt",
            )
            // The one change that may make a row.
            .condition_expression(
                "attribute_not_exists(cid) AND (attribute_not_exists(er) OR er < :act)",
            )
            .expression_attribute_values(":v", n(1))
            .expression_attribute_values(":ch", s(new.channel.as_str()))
            .expression_attribute_values(":cid", s(new.customer.expose()))
            .expression_attribute_values(":oid", s(new.open_id.expose()))
            .expression_attribute_values(":act", n(new.active.millis()))
            .expression_attribute_values(":bp", s(board_partition(&new.channel, false, at.shard())))
            .expression_attribute_values(":bt", s(board_place(at, new.active)));
        Ok(
            match self.update_seen("UpdateItem conversation", call).await? {
                Ok(_) => Found::New,
                Err(row) => match read_begun(&row)? {
                    _ if tombstone(&row).is_some_and(|stone| stone.since >= new.active) => {
                        Found::Erased
                    }
                    Some(theirs) => Found::Theirs(Box::new(theirs)),
                    None => Found::Erased,
                },
            },
        )
    }

    /// Writes the way back from the customer id, then notes that it is there
    /// and brings the conversation up the list, which shows it from then on. If
    /// the conversation was erased meanwhile the way back goes too.
    pub async fn link(
        &self,
        at: &ConversationKey,
        begun: &Conversation,
        now: Moment,
    ) -> Result<(), StoreError> {
        let Conversation {
            customer, channel, ..
        } = begun;
        let call = self
            .client
            .put_item()
            .table_name(&self.messages)
            .item("pk", s(format!("X#{}", customer.expose())))
            .item("sk", s("#"))
            .item("u", s(at.as_str()))
            .item("ch", s(channel.as_str()));
        self.put("PutItem link", call).await?;
        let call = self
            .amend(at, "J")
            .update_expression("SET lk = :true, act = :now, bt = :bt")
            .condition_expression("cid = :cid")
            .expression_attribute_values(":cid", s(customer.expose()))
            .expression_attribute_values(":now", n(now.millis()))
            .expression_attribute_values(":bt", s(board_place(at, now)))
            .expression_attribute_values(":true", AttributeValue::Bool(true));
        if !self.update("UpdateItem link", call).await? {
            self.unlink(customer.expose()).await?;
        }
        Ok(())
    }

    /// Removes the way back from a customer id.
    pub(super) async fn unlink(&self, customer: &str) -> Result<(), StoreError> {
        let call = self
            .client
            .delete_item()
            .table_name(&self.messages)
            .key("pk", s(format!("X#{customer}")))
            .key("sk", s("#"));
        self.delete("DeleteItem link", call).await?;
        Ok(())
    }

    /// Finds a customer's conversation and its channel. Asks again with a
    /// strong read before it says that there is none.
    pub async fn find(
        &self,
        customer: &CustomerId,
    ) -> Result<Option<(ConversationKey, ChannelId)>, StoreError> {
        for strong in [false, true] {
            let call = self
                .client
                .get_item()
                .table_name(&self.messages)
                .key("pk", s(format!("X#{}", customer.expose())))
                .key("sk", s("#"))
                .consistent_read(strong);
            let got = self.get("GetItem link", call).await?;
            if let Some(row) = got {
                let at =
                    ConversationKey::parse(row.need("u")?).ok_or(StoreError::Unreadable("u"))?;
                return Ok(Some((at, super::entries::channel(&row)?)));
            }
        }
        Ok(None)
    }

    /// Reads a conversation. Strongly consistent.
    pub async fn conversation(
        &self,
        at: &ConversationKey,
    ) -> Result<Option<(Conversation, Option<Snippet>)>, StoreError> {
        let Some(row) = self.own_row(at).await? else {
            return Ok(None);
        };
        let begun = read_begun(&row)?;
        Ok(begun.map(|begun| (begun, snippet(&row))))
    }

    /// The conversation's own row. Strongly consistent.
    pub(super) async fn own_row(&self, at: &ConversationKey) -> Result<Option<Row>, StoreError> {
        let call = self
            .client
            .get_item()
            .table_name(&self.messages)
            .key("pk", s(at.as_str()))
            .key("sk", s("J"))
            .consistent_read(true);
        self.get("GetItem conversation", call).await
    }

    /// Brings a customer's conversation to the top of the list with its last message. If
    /// `session` is given, only while that session is open; says whether it was.
    pub async fn touch(
        &self,
        at: &ConversationKey,
        (channel, customer): (&ChannelId, &CustomerId),
        session: Option<&str>,
        snippet: &Snippet,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let last = serde_json::to_string(snippet).map_err(|_| StoreError::Unreadable("lm"))?;
        let mut call = self
            .amend(at, "J")
            .expression_attribute_values(":now", n(now.millis()))
            .expression_attribute_values(":lm", s(last))
            .expression_attribute_values(":cid", s(customer.expose()))
            .expression_attribute_values(":bt", s(board_place(at, now)));
        if let Some(session) = session {
            call = call
                .update_expression("SET act = :now, lm = :lm, bt = :bt, bp = :bp")
                .condition_expression("cid = :cid AND ses = :ses")
                .expression_attribute_values(":bp", s(board_partition(channel, true, at.shard())))
                .expression_attribute_values(":ses", s(session));
        } else {
            call = call
                .update_expression("SET act = :now, lm = :lm, bt = :bt")
                .condition_expression("cid = :cid");
        }
        self.update("UpdateItem touch", call).await
    }

    /// Moves a conversation up the list without another last message: the state
    /// of an answer changed.
    pub async fn stir(&self, at: &ConversationKey, now: Moment) -> Result<(), StoreError> {
        let call = self
            .amend(at, "J")
            .update_expression("SET act = :now, bt = :bt")
            .condition_expression("attribute_exists(cid)")
            .expression_attribute_values(":now", n(now.millis()))
            .expression_attribute_values(":bt", s(board_place(at, now)));
        self.update("UpdateItem stir", call).await?;
        Ok(())
    }

    /// Notes that an answer is about to be sent after later ones that have used
    /// an older window. The lowest of them counts until all windows have shut
    /// that were open when one was noted.
    pub async fn note_late_send(
        &self,
        at: &ConversationKey,
        key: &EntryKey,
        now: Moment,
        until: Moment,
    ) -> Result<(), StoreError> {
        let lowest = self
            .amend(at, "J")
            .update_expression("SET wl = :key, wu = :until")
            .condition_expression(
                "attribute_exists(cid) AND (attribute_not_exists(wl) OR wl > :key OR wu < :now)",
            )
            .expression_attribute_values(":key", s(key.as_str()))
            .expression_attribute_values(":until", n(until.millis()))
            .expression_attribute_values(":now", n(now.millis()));
        if !self.update("UpdateItem late send", lowest).await? {
            let longer = self
                .amend(at, "J")
                .update_expression("SET wu = :until")
                .condition_expression("attribute_exists(cid) AND wu < :until")
                .expression_attribute_values(":until", n(until.millis()));
            self.update("UpdateItem late send", longer).await?;
        }
        Ok(())
    }

    /// Notes what agents have read; never backwards. Says whether that is news.
    pub async fn read_up_to(&self, at: &ConversationKey, key: &str) -> Result<bool, StoreError> {
        let call = self
            .amend(at, "J")
            .update_expression("SET rd = :key")
            .condition_expression(
                "attribute_exists(cid) AND (attribute_not_exists(rd) OR rd < :key)",
            )
            .expression_attribute_values(":key", s(key));
        self.update("UpdateItem read", call).await
    }
}
