//! `GET /api/channels/{id}/token`: the account's access token, for servers of the
//! owner's that call WeChat themselves. An account has one token: whoever asks WeChat
//! for another ends the one that we use.
//!
//! Invariant: it is given for a key of its own alone. The admin key does not open it,
//! nor does a cookie, so that it never reaches a browser; each time is in the log.

use http::{HeaderMap, StatusCode};
use serde::Serialize;
use tracing::{info, warn};

use super::problem::{Answered, Problem, Refusal, json};
use super::session::bearer;
use super::ticket::same;
use super::{Call, KEY_MIN, channels};
use crate::bridge::token::Tokenless;
use crate::bridge::{Bridge, Broken};
use crate::message::ChannelId;

/// The name of the secret that holds the key.
const KEY: &str = "token-key";

/// Where the key is for which servers are given tokens.
pub enum TokenKey {
    /// The operator gave it.
    Given(String),
    /// It is the secret `token-key`, if there is one.
    Stored,
}

/// Answers the call.
pub(super) async fn give(call: &Call<'_>, id: &ChannelId) -> Answered {
    /// As WeChat gives it, so that who asked there can ask here.
    #[derive(Serialize)]
    struct Given<'a> {
        access_token: &'a str,
        /// In seconds. Not to be believed for longer than a minute: it may be replaced.
        expires_in: u64,
    }
    let bridge = call.bridge;
    admit(bridge, call.console.token_key.as_ref(), call.headers).await?;
    let channel = channels::there(bridge, id).await?;
    let token = match bridge.token(&channel).await {
        Ok(token) => token,
        Err(Tokenless::Broken(broken)) => return Err(broken.into()),
        Err(none) => {
            none.log(id);
            let (zh, en) = (
                "没有接口凭证：渠道检查会说明原因。",
                "There is no token: the channel's check says why.",
            );
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return Err(Problem::new(status, "no_token", zh, en).into());
        }
    };
    let stored = bridge.store.token(id).await?;
    info!(channel = %id, "a server of the owner's was given the token");
    let given = Given {
        access_token: token.expose(),
        expires_in: stored.expires.since(bridge.now()).as_secs(),
    };
    json(StatusCode::OK, &given)
}

/// Lets who has the key pass.
async fn admit(
    bridge: &Bridge,
    key: Option<&TokenKey>,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    let key = match key {
        Some(TokenKey::Given(key)) => Some(key.clone()),
        Some(TokenKey::Stored) => bridge.secrets.get(KEY).await.map_err(Broken::from)?,
        None => None,
    };
    let key = key.filter(|key| key.len() >= KEY_MIN);
    let theirs = bearer(headers);
    if let (Some(key), Some(theirs)) = (key, theirs)
        && same(&key, theirs)
    {
        return Ok(());
    }
    if theirs.is_some() {
        warn!("refused a wrong key for tokens");
    }
    let (zh, en) = (
        "需要凭证密钥（不是管理密钥）：Authorization: Bearer。",
        "It needs the key for tokens, which is not the admin key: Authorization: Bearer.",
    );
    Err(Problem::new(StatusCode::UNAUTHORIZED, "signed_out", zh, en).into())
}
