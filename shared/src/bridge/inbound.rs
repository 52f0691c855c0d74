//! `POST /wechat/{channel}`: a push is opened, read and journalled.
//!
//! Invariant: one write and no read of the tables on the way to the answer (and
//! once a minute a note of what was seen), and nothing after it. What is
//! authentic is journalled, readable or not; what is not journalled is answered
//! 5xx, so that WeChat tries again.

use std::time::Duration;

use http::StatusCode;
use tracing::{error, warn};

use super::seen::Sight;
use super::{Bridge, Broken, Response, plain, refused};
use crate::journal::{Class, ConversationKey, Entry, EntryKey, Origin, State};
use crate::message::{Body, ChannelId};
use crate::moment::Moment;
use crate::secrets::ChannelSecrets;
use crate::store::Put;
use crate::wechat::callback::{self, Query, Rejected, Verified};
use crate::wechat::crypto::AesKey;
use crate::wechat::push::{self, Place, Push};

/// WeChat waits five seconds; a push that is not journalled by then is better
/// refused, since it comes again.
const PATIENCE: Duration = Duration::from_secs(4);

/// Takes a push.
pub async fn inbound(bridge: &Bridge, channel: &str, query: &str, body: &[u8]) -> Response {
    let taken = tokio::time::timeout(PATIENCE, take(bridge, channel, query, body)).await;
    match taken {
        Ok(Ok((response, sight))) => {
            if let Some((id, sight)) = sight {
                bridge.saw(&id, sight).await;
            }
            response
        }
        Ok(Err(broken)) => {
            error!(error = %broken, "a push could not be journalled");
            refused(503)
        }
        Err(_) => {
            error!("a push could not be journalled in time");
            refused(503)
        }
    }
}

/// What the callback's checks need of a channel's secrets.
pub(super) fn settings(secrets: &ChannelSecrets) -> Result<callback::Settings, Broken> {
    let keys = [&secrets.aes_key, &secrets.previous_aes_key]
        .into_iter()
        .flatten()
        .map(|text| AesKey::parse(text).map_err(|_| Broken::Damaged("an AES key")))
        .collect::<Result<_, _>>()?;
    Ok(callback::Settings {
        mode: secrets.mode,
        token: secrets.token.clone(),
        keys,
        app_id: secrets.app_id.clone(),
        original_id: secrets.original_id.clone(),
    })
}

async fn take(
    bridge: &Bridge,
    channel: &str,
    query: &str,
    body: &[u8],
) -> Result<(Response, Option<(ChannelId, Sight)>), Broken> {
    let Some(id) = ChannelId::parse(channel) else {
        return Ok((refused(404), None));
    };
    let now = bridge.now();
    let check = |secrets: &ChannelSecrets| open(secrets, query, body, now);
    let Some(opened) = bridge.check_call(&id, check).await? else {
        return Ok((refused(404), None));
    };
    Ok(match opened {
        Ok((verified, push)) => {
            journal(bridge, &id, &verified, push, now).await?;
            (plain(StatusCode::OK, "success"), Some((id, Sight::Push)))
        }
        Err(rejected) => {
            warn!(channel = %id, code = rejected.code(), "refused a push");
            let refused = refused(rejected.status());
            (refused, Some((id, Sight::Refused(rejected))))
        }
    })
}

/// Opens a push and reads it, if it can be read.
fn open(
    secrets: &ChannelSecrets,
    query: &str,
    body: &[u8],
    now: Moment,
) -> Result<Result<(Verified, Option<Push>), Rejected>, Broken> {
    let settings = settings(secrets)?;
    let opened = Query::parse(query)
        .and_then(|query| callback::open(&settings, &query, body, now.seconds()))
        .and_then(|verified| match push::parse(verified.xml()) {
            Ok(push) => {
                callback::addressed_to_us(&settings, &push)?;
                Ok((verified, Some(push)))
            }
            Err(_) => Ok((verified, None)),
        });
    Ok(opened)
}

/// Writes the one row of a push and rings the bell for it.
async fn journal(
    bridge: &Bridge,
    channel: &ChannelId,
    verified: &Verified,
    push: Option<Push>,
    now: Moment,
) -> Result<(), Broken> {
    // The same on every repeat, and near enough where a push has no time.
    let signed = u64::try_from(verified.timestamp()).unwrap_or(0);
    let own = ConversationKey::of_channel(channel);
    let ended = |body: Body, identity: &[u8], time: u64, origin: Origin| {
        let key = EntryKey::hashed(time, Class::Event, identity);
        let mut entry = Entry::pending(key, now, body, origin);
        entry.state = State::Delivered;
        entry
    };
    let nobody = Origin {
        channel: channel.clone(),
        open_id: None,
    };
    let expires = super::expires(None, now.plus(OWN_JOURNAL));
    let Some(push) = push else {
        warn!(channel = %channel, "an authentic push cannot be read: journalled as it came");
        let bytes = verified.xml().to_vec();
        let entry = ended(
            Body::Unknown {
                bytes: bytes.clone(),
            },
            &bytes,
            signed,
            nobody,
        );
        bridge.store.put_entry(&own, &entry, Some(expires)).await?;
        return Ok(());
    };
    let place = push.place();
    let time = push.create_time.unwrap_or(signed);
    let identity = push::identity(&push);
    let customer = push.from.clone().filter(|_| place != Place::Account);
    let Some(open_id) = customer else {
        let origin = Origin {
            channel: channel.clone(),
            open_id: push.from,
        };
        let entry = ended(push.body, &identity, time, origin);
        bridge.store.put_entry(&own, &entry, Some(expires)).await?;
        return Ok(());
    };
    let at = bridge.place(channel, &open_id).await?;
    let key = match (place, &push.msg_id) {
        (Place::Message, Some(id)) => EntryKey::message(time, id),
        (Place::Message, None) => EntryKey::hashed(time, Class::Message, &identity),
        (Place::Unfollow, _) => EntryKey::hashed(time, Class::Unfollow, &identity),
        (Place::Event | Place::Location | Place::Account, _) => {
            EntryKey::hashed(time, Class::Event, &identity)
        }
    };
    let origin = Origin {
        channel: channel.clone(),
        open_id: Some(open_id),
    };
    let entry = Entry::pending(key, now, push.body, origin);
    if place == Place::Location {
        bridge.store.put_location(&at, &entry).await?;
        return Ok(());
    }
    match bridge.store.put_entry(&at, &entry, None).await? {
        // A repeat rings too: the bell of the first may have been lost with
        // its process.
        Put::Stored | Put::Repeat => bridge.ring(&at, &entry.key),
    }
    Ok(())
}

/// How much longer than the shortest retention a channel's own journal is kept:
/// its settings are not read here.
const OWN_JOURNAL: Duration = Duration::from_hours(27 * 24);
