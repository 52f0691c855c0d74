//! Is a channel right on both sides? WeChat is asked for a token and the desk for
//! a greeting, and what is kept of the channel is looked at. For the API's check
//! and for `magpie doctor`.
//!
//! Invariant: a finding says in both languages what to do, and quotes no secret.

mod callers;
mod desk;
mod secret;
mod token;

use std::net::IpAddr;

use futures_util::future::join;
use serde::{Deserialize, Serialize};

use super::{Bridge, Broken};
use crate::channel::Channel;

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at.
    pub name: String,
    /// Whether it is right.
    pub ok: bool,
    /// What was found, in a word: `ok`, or what is wrong.
    pub code: String,
    /// What was found and what to do, in Chinese.
    pub zh: String,
    /// The same in English.
    pub en: String,
    /// WeChat's code, or the desk's HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<i64>,
    /// The address to allow-list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
}

impl Finding {
    /// A finding; with the code `ok` all is right.
    #[must_use]
    pub fn new(name: &str, (code, zh, en): Words<'_>) -> Self {
        Self {
            name: name.to_owned(),
            ok: code == OK,
            code: code.to_owned(),
            zh: zh.to_owned(),
            en: en.to_owned(),
            answer: None,
            address: None,
        }
    }
}

/// The code of what is right.
pub const OK: &str = "ok";

/// A finding's code, and what it says in Chinese and in English.
pub type Words<'a> = (&'a str, &'a str, &'a str);

/// Looks at a channel: its token, its desk and its secrets, and WeChat's addresses where it
/// takes calls from those alone. What was set just now, in
/// whatever process, is what is looked at if the bridge has forgotten the channel and
/// read it anew.
pub async fn check(
    bridge: &Bridge,
    channel: &Channel,
    whose: Whose,
) -> Result<Vec<Finding>, Broken> {
    let secret = secret::look(bridge, channel).await?;
    if secret.code == secret::DAMAGED {
        // Both need what cannot be read.
        let needs = |name: &str| Finding {
            name: name.to_owned(),
            ..secret.clone()
        };
        return Ok(vec![needs("token"), needs("desk"), secret]);
    }
    let token = async {
        match whose {
            Whose::Ours => token::look(bridge, channel).await,
            Whose::Others => token::look_harmlessly(bridge, channel).await,
        }
    };
    let (token, desk) = join(token, desk::look(bridge, channel)).await;
    let mut found = vec![token?, desk?, secret];
    if channel.only_wechat_addresses && whose == Whose::Ours {
        found.push(callers::look(bridge, channel).await?);
    }
    Ok(found)
}

/// Whose the channels are that this process looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// This process works on them.
    Ours,
    /// Another may: what is theirs is not touched.
    Others,
}

/// Looks at what hides open ids, without making it. `None` if there is none: it is
/// made with the first push.
pub async fn check_pepper(bridge: &Bridge) -> Result<Option<Finding>, Broken> {
    secret::look_at_pepper(bridge).await
}

/// Looks at what is kept of a channel alone, which asks nobody outside.
pub async fn check_secret(bridge: &Bridge, channel: &Channel) -> Result<Finding, Broken> {
    secret::look(bridge, channel).await
}
