//! `GET /wechat/{channel}`: WeChat's handshake.

use std::fmt;
use std::net::IpAddr;

use http::StatusCode;
use tracing::warn;

use super::opened::settings;
use super::seen::Sight;
use super::{Bridge, Broken, Response, plain, refused};
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::secrets::ChannelSecrets;
use crate::wechat::callback::{self, Query, Rejected};
use crate::wechat::crypto;

/// What the nonce of a handshake begins with that is not WeChat's. WeChat's are
/// numbers.
const OURS: &str = "magpie-doctor-";

/// A handshake as WeChat makes it, by who wants to know how it would be answered.
/// Such a one counts for nothing: nobody is told that WeChat was here.
pub struct Probe {
    /// The query.
    pub query: String,
    /// What the answer has to be.
    pub echo: String,
}

/// Its query is signed.
impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe(…)")
    }
}

impl Probe {
    /// Signs one with a callback's token. `nonce` is none that was used before.
    #[must_use]
    pub fn signed(token: &str, now: Moment, nonce: &str) -> Self {
        let (timestamp, nonce) = (now.seconds().to_string(), format!("{OURS}{nonce}"));
        let signature = crypto::signature(&[token, &timestamp, &nonce]);
        let echo = nonce.clone();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("signature", &signature)
            .append_pair("timestamp", &timestamp)
            .append_pair("nonce", &nonce)
            .append_pair("echostr", &echo)
            .finish();
        Self { query, echo }
    }
}

/// Answers the handshake: the `echostr` as it came, or 403. `caller` is whose address is
/// known to be the caller's, if one is.
pub async fn verify(
    bridge: &Bridge,
    channel: &str,
    caller: Option<IpAddr>,
    query: &str,
) -> Response {
    match answer(bridge, channel, caller, query).await {
        Ok(response) => response,
        Err(broken) => {
            tracing::error!(error = %broken, "a handshake could not be checked");
            refused(503)
        }
    }
}

async fn answer(
    bridge: &Bridge,
    channel: &str,
    caller: Option<IpAddr>,
    query: &str,
) -> Result<Response, Broken> {
    let Some(id) = ChannelId::parse(channel) else {
        return Ok(refused(404));
    };
    if !bridge.lets_in(&id, caller).await? {
        return Ok(refuse(bridge, &id, Rejected::ForeignAddress).await);
    }
    let check = |secrets: &ChannelSecrets| {
        let settings = settings(secrets)?;
        Ok(Query::parse(query).and_then(|query| {
            let ours = query.nonce().is_some_and(|nonce| nonce.starts_with(OURS));
            callback::verify(&settings, &query, bridge.now().seconds()).map(|echo| (echo, ours))
        }))
    };
    let Some(checked) = bridge.check_call(&id, check).await? else {
        return Ok(refused(404));
    };
    Ok(match checked {
        Ok((echo, ours)) => {
            if !ours {
                bridge.saw(&id, Sight::Handshake).await;
            }
            plain(StatusCode::OK, echo)
        }
        Err(rejected) => refuse(bridge, &id, rejected).await,
    })
}

async fn refuse(bridge: &Bridge, id: &ChannelId, rejected: Rejected) -> Response {
    warn!(channel = %id, code = rejected.code(), "refused a handshake");
    bridge.saw(id, Sight::Refused(rejected)).await;
    refused(status(rejected))
}

/// A handshake is right or it is not: what is malformed is not.
fn status(rejected: Rejected) -> u16 {
    match rejected.status() {
        400 => 403,
        other => other,
    }
}
