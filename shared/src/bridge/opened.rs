//! What a push comes to, without IO: it is opened and read, and the row that is
//! to be written is made.
//!
//! Invariant: what is authentic has a row, readable or not; a repeat has the
//! same one.

use std::time::Duration;

use super::Broken;
use crate::event::Event;
use crate::journal::{Class, ConversationKey, Entry, EntryKey, Origin, Pepper, State};
use crate::message::{Body, ChannelId, OpenId};
use crate::moment::Moment;
use crate::secrets::ChannelSecrets;
use crate::wechat::callback::{self, Query, Rejected, Verified};
use crate::wechat::crypto::AesKey;
use crate::wechat::document::is_json;
use crate::wechat::push::{self, Place, Push};
use crate::wechat::reply::Seal;

/// How much longer than the shortest retention a channel's own journal is kept:
/// its settings are not read here.
const OWN_JOURNAL: Duration = Duration::from_hours(27 * 24);

/// An authentic push, read if it can be.
#[derive(Debug)]
pub struct Opened {
    verified: Verified,
    push: Option<Push>,
    letterhead: Option<Letterhead>,
    replies: bool,
}

/// From whom and how a reply to a push is sent.
#[derive(Debug)]
pub struct Letterhead {
    /// The customer.
    pub to: OpenId,
    /// The account's original id.
    pub from: String,
    /// How the answer is protected.
    pub seal: Seal,
}

/// The one row of a push.
#[derive(Debug)]
pub struct Row {
    /// Where it lies.
    pub at: ConversationKey,
    /// What it holds.
    pub entry: Entry,
    /// What becomes of it.
    pub kind: Kind,
}

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is an entry of a lane, whose bell rings.
    Lane,
    /// It takes the place of the conversation's last known location.
    Location,
    /// It is kept in the channel's own journal, and forwarded to nobody.
    Account {
        /// Until when, in seconds since 1970.
        expires: i64,
    },
}

/// What the callback's checks need of a channel's secrets.
pub(super) fn settings(secrets: &ChannelSecrets) -> Result<callback::Settings<'_>, Broken> {
    let keys = [&secrets.aes_key, &secrets.previous_aes_key]
        .into_iter()
        .flatten()
        .map(|text| AesKey::parse(text).map_err(|_| Broken::Damaged("an AES key")))
        .collect::<Result<_, _>>()?;
    Ok(callback::Settings {
        mode: secrets.mode,
        token: &secrets.token,
        keys,
        app_id: &secrets.app_id,
        original_id: &secrets.original_id,
    })
}

/// Opens a push and reads it, if it can be read. `query` is as it was sent,
/// without the question mark. It fails when a key of the channel is damaged; that a
/// push is not to be taken is an answer.
pub fn open(
    secrets: &ChannelSecrets,
    query: &str,
    body: &[u8],
    now: Moment,
) -> Result<Result<Opened, Rejected>, Broken> {
    let settings = settings(secrets)?;
    let opened = Query::parse(query)
        .and_then(|query| callback::open(&settings, &query, body, now.seconds()))
        .and_then(|verified| match push::parse(verified.document()) {
            Ok(push) => {
                callback::addressed_to_us(&settings, &push)?;
                Ok((verified, Some(push)))
            }
            Err(_) => Ok((verified, None)),
        });
    Ok(opened.map(|(verified, push)| Opened {
        letterhead: letterhead(secrets, &verified, push.as_ref()),
        replies: secrets.replies,
        verified,
        push,
    }))
}

/// What a reply to a push needs. `None` where there can be none: it is no customer's, or it
/// came in JSON, in which no reply is documented.
fn letterhead(
    secrets: &ChannelSecrets,
    verified: &Verified,
    push: Option<&Push>,
) -> Option<Letterhead> {
    let push = push.filter(|push| push.place() != Place::Consent)?;
    let to = customer(push).filter(|_| !is_json(verified.document()))?;
    Some(Letterhead {
        to,
        from: secrets.original_id.clone(),
        seal: Seal {
            token: secrets.token.clone(),
            app_id: secrets.app_id.clone(),
            key: verified.key().cloned(),
        },
    })
}

/// The customer in whose conversation a push belongs, if it belongs in one.
fn customer(push: &Push) -> Option<OpenId> {
    match push.place() {
        Place::Account => None,
        // Its sender is somebody of WeChat's.
        Place::Consent => match push.body.event() {
            Some(Event::Consent { open_id, .. }) => open_id,
            _ => None,
        },
        Place::Message | Place::Event | Place::Unfollow | Place::Location => push.from.clone(),
    }
}

impl Opened {
    /// Whether the document could be read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.push.is_some()
    }

    /// Whether a reply is to be looked for: as far as is known here, the channel has some.
    #[must_use]
    pub fn may_reply(&self) -> bool {
        self.replies
    }

    /// Takes out what a reply to this push needs, if it may have one.
    pub fn take_letterhead(&mut self) -> Option<Letterhead> {
        self.letterhead.take()
    }

    /// Makes the row, which is journalled at `now`.
    #[must_use]
    pub fn row(self, channel: &ChannelId, pepper: &Pepper, now: Moment) -> Row {
        let customer = self.push.as_ref().and_then(customer);
        // The same on every repeat, and near enough where a push has no time.
        let signed = u64::try_from(self.verified.timestamp()).unwrap_or(0);
        let Some(push) = self.push else {
            let bytes = self.verified.document().to_vec();
            let key = EntryKey::hashed(signed, Class::Event, &bytes);
            return own(channel, key, now, Body::Unknown { bytes });
        };
        let time = push.create_time.unwrap_or(signed);
        let place = push.place();
        let Some(open_id) = customer else {
            let key = EntryKey::hashed(time, Class::Event, &push::identity(&push));
            return own(channel, key, now, push.body);
        };
        let class = match place {
            Place::Message => Class::Message,
            Place::Unfollow => Class::Unfollow,
            Place::Event | Place::Location | Place::Consent | Place::Account => Class::Event,
        };
        let key = match &push.msg_id {
            Some(id) if place == Place::Message => EntryKey::message(time, id),
            _ => EntryKey::hashed(time, class, &push::identity(&push)),
        };
        let origin = Origin {
            channel: channel.clone(),
            open_id: Some(open_id.clone()),
        };
        Row {
            at: ConversationKey::of(pepper, channel, &open_id),
            entry: Entry::pending(key, now, push.body, origin),
            kind: match place {
                Place::Location => Kind::Location,
                _ => Kind::Lane,
            },
        }
    }
}

/// A row of the channel's own journal, which is nobody's.
fn own(channel: &ChannelId, key: EntryKey, now: Moment, body: Body) -> Row {
    let origin = Origin::ours(channel);
    let mut entry = Entry::pending(key, now, body, origin);
    entry.state = State::Delivered;
    Row {
        at: ConversationKey::of_channel(channel),
        entry,
        kind: Kind::Account {
            expires: super::expires(None, now.plus(OWN_JOURNAL)),
        },
    }
}
