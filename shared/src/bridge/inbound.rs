//! `POST /wechat/{channel}`: a push is opened, read and journalled.
//!
//! Invariant: one write and no read of the tables on the way to the answer (and
//! once a minute a note of what was seen), and nothing after it; only where a channel
//! has replies (`replies.rs`) is read what they depend on, and where it takes calls from
//! WeChat's addresses alone those, once a minute (`callers.rs`). A second write is of what
//! WeChat tells of the account's own standing (`standing.rs`), a few times a year. What is
//! authentic is journalled, readable or not; what is not journalled is answered
//! 5xx, so that WeChat tries again.

use std::net::IpAddr;
use std::time::Duration;

use http::StatusCode;
use tracing::{error, warn};

use super::opened::{Kind, Letterhead, Row, open};
use super::seen::Sight;
use super::{Bridge, Broken, Response, plain, refused, replies};
use crate::journal::Entry;
use crate::message::ChannelId;
use crate::reply::Replied;
use crate::secrets::ChannelSecrets;
use crate::standing::Standing;
use crate::store::{Pushed, Put};
use crate::tally::Deed;
use crate::wechat::callback::Rejected;

/// WeChat waits five seconds; a push that is not journalled by then is better
/// refused, since it comes again.
const PATIENCE: Duration = Duration::from_secs(4);

/// Takes a push. `caller` is whose address is known to be the caller's, if one is.
pub async fn inbound(
    bridge: &Bridge,
    channel: &str,
    caller: Option<IpAddr>,
    query: &str,
    body: &[u8],
) -> Response {
    let taken = take(bridge, channel, caller, query, body);
    let taken = tokio::time::timeout(PATIENCE, taken).await;
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

async fn take(
    bridge: &Bridge,
    channel: &str,
    caller: Option<IpAddr>,
    query: &str,
    body: &[u8],
) -> Result<(Response, Option<(ChannelId, Sight)>), Broken> {
    let Some(id) = ChannelId::parse(channel) else {
        return Ok((refused(404), None));
    };
    if !bridge.lets_in(&id, caller).await? {
        return Ok(refuse(id, Rejected::ForeignAddress));
    }
    let now = bridge.now();
    let check = |secrets: &ChannelSecrets| open(secrets, query, body, now);
    let Some(opened) = bridge.check_call(&id, check).await? else {
        return Ok((refused(404), None));
    };
    Ok(match opened {
        Ok(mut opened) => {
            if !opened.is_readable() {
                warn!(channel = %id, "an authentic push cannot be read: journalled as it came");
            }
            // A repeat is answered as the first attempt was, whatever is set by now.
            let head = opened.take_letterhead();
            let looks_for = head.as_ref().filter(|_| opened.may_reply());
            let row = opened.row(&id, bridge.pepper().await?, now);
            let replied = journal(bridge, row, looks_for).await?;
            let response = match head.zip(replied) {
                Some((head, replied)) => replies::say(bridge, &head, &replied),
                None => plain(StatusCode::OK, "success"),
            };
            (response, Some((id, Sight::Push)))
        }
        Err(rejected) => refuse(id, rejected),
    })
}

fn refuse(id: ChannelId, rejected: Rejected) -> (Response, Option<(ChannelId, Sight)>) {
    warn!(channel = %id, code = rejected.code(), "refused a push");
    let refused = refused(rejected.status());
    (refused, Some((id, Sight::Refused(rejected))))
}

/// Notes what WeChat tells of the account's own standing, which happens a few times a year.
/// A repeat does it too: whoever journalled the first may have died before.
async fn stands(bridge: &Bridge, entry: &Entry) -> Result<(), Broken> {
    let Some(standing) = Standing::of(entry) else {
        return Ok(());
    };
    let channel = &entry.origin.channel;
    let news = bridge.store.note_standing(channel, &standing).await?;
    if let Some(alarm) = standing.alarm.filter(|_| news) {
        warn!(%channel, code = alarm.code(), "the account needs its operator at WeChat");
    }
    Ok(())
}

/// Writes the row of a push and rings its bell. Says what the push is answered with, which
/// is chosen here if it may be one that this `head` is for.
async fn journal(
    bridge: &Bridge,
    mut row: Row,
    head: Option<&Letterhead>,
) -> Result<Option<Replied>, Broken> {
    match row.kind {
        Kind::Location => {
            bridge.store.put_location(&row.at, &row.entry).await?;
            Ok(None)
        }
        Kind::Account { expires } => {
            let put = bridge.store.put_entry(&row.at, &row.entry, Some(expires));
            let deed = match put.await? {
                Put::Stored => Deed::Pushed,
                Put::Repeat => Deed::Repeated,
            };
            bridge.tally.note(&row.at, &row.entry.key, deed);
            stands(bridge, &row.entry).await?;
            Ok(None)
        }
        // A repeat rings too: the bell of the first may have been lost with its
        // process.
        Kind::Lane => {
            let pushed = match head {
                Some(head) => {
                    let sealed = head.seal.key.is_some();
                    bridge.push_with_reply(&mut row, sealed).await?
                }
                None => bridge.store.put_push(&row.at, &row.entry).await?,
            };
            let (deed, replied) = match pushed {
                Pushed::Repeat(replied) => (Deed::Repeated, replied),
                Pushed::Stored => (Deed::Pushed, row.entry.reply),
            };
            bridge.tally.note(&row.at, &row.entry.key, deed);
            bridge.ring(&row.at, &row.entry.key);
            Ok(replied)
        }
    }
}
