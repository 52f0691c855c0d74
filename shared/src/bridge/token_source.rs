//! Who asks for tokens. WeChat checks the caller's address on these calls alone:
//! where only one function has the address that is allowed, the others ask it.
//!
//! Invariant: a token passes between functions through the store alone; what they
//! say to each other names a channel and a fingerprint.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use tracing::error;
use url::Url;

use super::token::Tokenless;
use super::{Bridge, Broken};
use crate::channel::{Channel, TokenCall};
use crate::invoke::Function;
use crate::message::ChannelId;
use crate::wechat::api::{Fingerprint, NoToken, Token};

/// Who asks for tokens.
#[derive(Debug, Default)]
pub enum TokenSource {
    /// This process asks WeChat.
    #[default]
    WeChat,
    /// This process asks a server of the operator's.
    Server(Url),
    /// Another function asks, and stores what it got.
    Function(Function),
}

impl TokenSource {
    /// Whether asking ends the token that there is: WeChat's classic call does.
    pub(super) fn always_makes_another(&self, channel: &Channel) -> bool {
        matches!(self, Self::WeChat) && channel.token_call == TokenCall::Classic
    }

    pub(super) fn function(&self) -> Option<&Function> {
        match self {
            Self::Function(function) => Some(function),
            Self::WeChat | Self::Server(_) => None,
        }
    }
}

/// A wish for a token, from a process that does not ask for itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct Wish {
    channel: String,
    /// The token that failed: another one is wanted.
    #[serde(default)]
    failed: Option<Fingerprint>,
    /// Only whether there would be one.
    #[serde(default)]
    check: bool,
}

/// What came of a wish. A token that was granted lies in the store.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// There is one.
    Granted,
    /// WeChat refused it with this code.
    Refused {
        /// WeChat's code.
        code: i64,
        /// Our address as WeChat saw it.
        address: Option<IpAddr>,
    },
    /// WeChat gave no answer.
    Silent,
    /// The channel has no app secret, or is gone.
    NoSecret,
    /// Another process asks.
    Busy,
    /// There was none a moment ago.
    JustTried,
    /// The ration of forced tokens is used up.
    Rationed,
    /// Something of ours failed.
    Failed,
}

impl From<Result<(), Tokenless>> for Told {
    fn from(asked: Result<(), Tokenless>) -> Self {
        match asked {
            Ok(()) => Self::Granted,
            Err(Tokenless::WeChat(NoToken::Refused { code, address })) => {
                Self::Refused { code, address }
            }
            Err(Tokenless::WeChat(NoToken::Silent(_))) => Self::Silent,
            Err(Tokenless::NoSecret) => Self::NoSecret,
            Err(Tokenless::Busy) => Self::Busy,
            Err(Tokenless::JustTried) => Self::JustTried,
            Err(Tokenless::Rationed) => Self::Rationed,
            Err(Tokenless::Broken(_) | Tokenless::Elsewhere(_)) => Self::Failed,
        }
    }
}

impl From<Told> for Result<(), Tokenless> {
    fn from(told: Told) -> Self {
        Err(match told {
            Told::Granted => return Ok(()),
            Told::Refused { code, address } => NoToken::Refused { code, address }.into(),
            Told::Silent => NoToken::Silent(None).into(),
            Told::NoSecret => Tokenless::NoSecret,
            Told::Busy => Tokenless::Busy,
            Told::JustTried => Tokenless::JustTried,
            Told::Rationed => Tokenless::Rationed,
            Told::Failed => Tokenless::Elsewhere(None),
        })
    }
}

/// Carries out another process's wish for a token.
pub async fn grant(bridge: &Bridge, wish: &Wish) -> Told {
    let asked = granted(bridge, wish).await;
    if let Err(Tokenless::Broken(broken)) = &asked {
        error!(error = %broken, "a wish for a token could not be carried out");
    }
    asked.into()
}

async fn granted(bridge: &Bridge, wish: &Wish) -> Result<(), Tokenless> {
    let id = ChannelId::parse(&wish.channel).ok_or(Tokenless::NoSecret)?;
    if wish.check {
        bridge.forget(&id);
    }
    // What was set just now, in whatever process, is what counts.
    let channel = bridge.store.channel(&id).await.map_err(Broken::from)?;
    let alive = channel.filter(|channel| !channel.deleted);
    let channel = alive.ok_or(Tokenless::NoSecret)?;
    if wish.check {
        return bridge.try_token(&channel).await;
    }
    let failed = wish.failed.as_ref();
    bridge.refresh_from(&channel, failed).await.map(|_| ())
}

impl Bridge {
    /// Lets another function ask for a token, and reads it from the store.
    pub(super) async fn ask_elsewhere(
        &self,
        function: &Function,
        channel: &Channel,
        failed: Option<&Fingerprint>,
    ) -> Result<Token, Tokenless> {
        self.wish(function, channel, failed, false).await?;
        let stored = self.store.token(&channel.id).await.map_err(Broken::from)?;
        // One that failed again before we have read it is another wish.
        self.stored_token(channel, &stored, failed)
            .ok_or(Tokenless::Busy)
    }

    /// Lets another function see whether there would be a token.
    pub(super) async fn try_elsewhere(
        &self,
        function: &Function,
        channel: &Channel,
    ) -> Result<(), Tokenless> {
        self.wish(function, channel, None, true).await
    }

    async fn wish(
        &self,
        function: &Function,
        channel: &Channel,
        failed: Option<&Fingerprint>,
        check: bool,
    ) -> Result<(), Tokenless> {
        #[derive(Serialize)]
        struct Event {
            token: Wish,
        }
        let token = Wish {
            channel: channel.id.to_string(),
            failed: failed.cloned(),
            check,
        };
        let told: Told = function
            .ask(&Event { token })
            .await
            .map_err(|none| Tokenless::Elsewhere(Some(none)))?;
        told.into()
    }
}
