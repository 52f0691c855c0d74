//! `GET /wechat/{channel}`: WeChat's handshake.

use http::StatusCode;
use tracing::warn;

use super::opened::settings;
use super::seen::Sight;
use super::{Bridge, Broken, Response, plain, refused};
use crate::message::ChannelId;
use crate::secrets::ChannelSecrets;
use crate::wechat::callback::{self, Query, Rejected};

/// Answers the handshake: the `echostr` as it came, or 403.
pub async fn verify(bridge: &Bridge, channel: &str, query: &str) -> Response {
    match answer(bridge, channel, query).await {
        Ok(response) => response,
        Err(broken) => {
            tracing::error!(error = %broken, "a handshake could not be checked");
            refused(503)
        }
    }
}

async fn answer(bridge: &Bridge, channel: &str, query: &str) -> Result<Response, Broken> {
    let Some(id) = ChannelId::parse(channel) else {
        return Ok(refused(404));
    };
    let check = |secrets: &ChannelSecrets| {
        let settings = settings(secrets)?;
        Ok(Query::parse(query)
            .and_then(|query| callback::verify(&settings, &query, bridge.now().seconds())))
    };
    let Some(checked) = bridge.check_call(&id, check).await? else {
        return Ok(refused(404));
    };
    Ok(match checked {
        Ok(echo) => {
            bridge.saw(&id, Sight::Handshake).await;
            plain(StatusCode::OK, echo)
        }
        Err(rejected) => {
            warn!(channel = %id, code = rejected.code(), "refused a handshake");
            bridge.saw(&id, Sight::Refused(rejected)).await;
            refused(status(rejected))
        }
    })
}

/// A handshake is right or it is not: what is malformed is not.
fn status(rejected: Rejected) -> u16 {
    match rejected.status() {
        400 => 403,
        other => other,
    }
}
