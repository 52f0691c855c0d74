//! `POST /wechat/{channel}`: a push is opened, read and journalled.
//!
//! Invariant: one write and no read of the tables on the way to the answer (and
//! once a minute a note of what was seen), and nothing after it. What is
//! authentic is journalled, readable or not; what is not journalled is answered
//! 5xx, so that WeChat tries again.

use std::time::Duration;

use http::StatusCode;
use tracing::{error, warn};

use super::opened::{Kind, Row, open};
use super::seen::Sight;
use super::{Bridge, Broken, Response, plain, refused};
use crate::message::ChannelId;
use crate::secrets::ChannelSecrets;
use crate::store::Put;
use crate::tally::Deed;

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
        Ok(opened) => {
            if !opened.is_readable() {
                warn!(channel = %id, "an authentic push cannot be read: journalled as it came");
            }
            journal(bridge, opened.row(&id, bridge.pepper().await?, now)).await?;
            (plain(StatusCode::OK, "success"), Some((id, Sight::Push)))
        }
        Err(rejected) => {
            warn!(channel = %id, code = rejected.code(), "refused a push");
            let refused = refused(rejected.status());
            (refused, Some((id, Sight::Refused(rejected))))
        }
    })
}

/// Writes the row of a push and rings its bell.
async fn journal(bridge: &Bridge, row: Row) -> Result<(), Broken> {
    let Row { at, entry, kind } = row;
    match kind {
        Kind::Location => bridge.store.put_location(&at, &entry).await?,
        Kind::Account { expires } => {
            let put = bridge.store.put_entry(&at, &entry, Some(expires)).await?;
            bridge.tally.note(&at, &entry.key, deed(put));
        }
        // A repeat rings too: the bell of the first may have been lost with its
        // process.
        Kind::Lane => {
            let put = bridge.store.put_entry(&at, &entry, None).await?;
            bridge.tally.note(&at, &entry.key, deed(put));
            bridge.ring(&at, &entry.key);
        }
    }
    Ok(())
}

fn deed(put: Put) -> Deed {
    match put {
        Put::Stored => Deed::Pushed,
        Put::Repeat => Deed::Repeated,
    }
}
