//! Access tokens: one for a channel, shared by every process through the
//! store. Every wish for one goes through [`Bridge::refresh`].
//!
//! Invariant: of many who want a new token at once, one asks WeChat; a forced
//! one is asked for at most every 30 seconds and 20 times a day, as WeChat
//! rations it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::{error, info};

use super::token_source::TokenSource;
use super::{Bridge, Broken};
use crate::channel::Channel;
use crate::delivery::Failure;
use crate::invoke::NoAnswer;
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::reason::Reason;
use crate::store::{Lease, StoredToken};
use crate::wechat::api::{Api, Fingerprint, Granted, NoToken, Token, token_of_server};

/// How long a process uses what it read of a token.
const BELIEVED: Duration = Duration::from_mins(1);
/// How long the one who asks may take.
const LEASE: Duration = Duration::from_secs(15);
/// How long others wait for the one who asks.
const WAIT: Duration = Duration::from_secs(6);
/// How often they look.
const LOOK: Duration = Duration::from_millis(250);
/// How long a process does not ask again after it got no token: many lanes of a
/// channel fail at once then, instead of each asking, or waiting, for itself.
const VAIN: Duration = Duration::from_secs(10);
/// How long a forced token rules out the next.
const FORCED_APART: Duration = Duration::from_secs(30);
/// How often a token may be forced in a day.
const FORCED_A_DAY: u32 = 20;

/// The name of the secret that opens the operator's server of tokens.
const SERVER_KEY: &str = "token-server";

/// What this process knows of tokens.
#[derive(Debug, Default)]
pub(super) struct TokenCache {
    tokens: Mutex<BTreeMap<ChannelId, Known>>,
    /// Until when there is no sense in asking again, by channel.
    vain: Mutex<BTreeMap<ChannelId, Moment>>,
}

#[derive(Debug)]
struct Known {
    token: Token,
    read: Moment,
    expires: Moment,
}

impl TokenCache {
    fn get(&self, id: &ChannelId, now: Moment) -> Option<Token> {
        let all = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(id)?;
        let young = known.read <= now && now.since(known.read) < BELIEVED;
        (young && now < known.expires).then(|| known.token.clone())
    }

    fn put(&self, id: &ChannelId, token: &Token, read: Moment, expires: Moment) {
        let mut all = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let known = Known {
            token: token.clone(),
            read,
            expires,
        };
        all.insert(id.clone(), known);
    }

    /// Whether this process has just learnt that there is no token.
    fn is_vain(&self, id: &ChannelId, now: Moment) -> bool {
        let all = self.vain.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(id)
            .is_some_and(|until| now < *until && until.since(now) <= VAIN)
    }

    fn note_vain(&self, id: &ChannelId, now: Moment) {
        let mut all = self.vain.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(id.clone(), now.plus(VAIN));
    }

    /// Forgets a token that turned out not to be good.
    fn drop_token(&self, id: &ChannelId) {
        let mut all = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(id);
    }

    pub(super) fn forget(&self, id: &ChannelId) {
        self.drop_token(id);
        let mut vain = self.vain.lock().unwrap_or_else(PoisonError::into_inner);
        vain.remove(id);
    }
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum Tokenless {
    /// WeChat gave none.
    #[error(transparent)]
    WeChat(#[from] NoToken),
    /// The store or the secrets failed.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The channel has no app secret.
    #[error("the channel has no app secret")]
    NoSecret,
    /// Another process asks and has not answered in time.
    #[error("another process is asking for a token")]
    Busy,
    /// There was none a moment ago.
    #[error("there was no token a moment ago")]
    JustTried,
    /// The function that may ask has not answered. Its own log says why.
    #[error("the function that asks for tokens has not answered")]
    Elsewhere(#[source] Option<NoAnswer>),
    /// A forced token is needed and not to be had yet.
    #[error("the ration of forced tokens is used up for now")]
    Rationed,
}

impl Tokenless {
    /// What it means for an answer on its way.
    pub(super) fn failure() -> Failure {
        Failure::after(Duration::ZERO, Reason::NoToken)
    }

    /// Logs it where it is handled, with what an operator needs.
    pub(crate) fn log(&self, channel: &ChannelId) {
        match self {
            Self::WeChat(NoToken::Refused {
                code: code @ 40164,
                address: Some(address),
            }) => error!(
                %channel, code, %address,
                "WeChat gives no token to this address: add it to the account's IP allow-list"
            ),
            Self::WeChat(NoToken::Refused { code, .. }) => {
                error!(%channel, code, "WeChat refuses a token");
            }
            // It was logged when it was tried.
            Self::JustTried => {}
            // If Lambda refused the call, nobody else knows why.
            Self::Elsewhere(Some(none)) => error!(%channel, error = %none, "there is no token"),
            other => error!(%channel, error = %other, "there is no token"),
        }
    }
}

fn usable(stored: &StoredToken, failed: Option<&Fingerprint>, now: Moment) -> Option<Token> {
    let token = Token::new(stored.token.clone()?);
    let another = failed.is_none_or(|failed| token.fingerprint() != *failed);
    (now < stored.expires && another).then_some(token)
}

impl Bridge {
    /// A token of the channel: a known one, the stored one, or a new one.
    pub async fn token(&self, channel: &Channel) -> Result<Token, Tokenless> {
        let now = self.now();
        if let Some(token) = self.tokens.get(&channel.id, now) {
            return Ok(token);
        }
        let stored = self.store.token(&channel.id).await.map_err(Broken::from)?;
        if let Some(token) = self.stored_token(channel, &stored, None) {
            return Ok(token);
        }
        self.refresh(channel, None).await
    }

    /// Another token than `failed`: the stored one if it is another, else one
    /// from WeChat without force, else a forced one.
    pub async fn refresh(
        &self,
        channel: &Channel,
        failed: Option<&Token>,
    ) -> Result<Token, Tokenless> {
        let failed = failed.map(Token::fingerprint);
        self.refresh_from(channel, failed.as_ref()).await
    }

    /// Another token than the one with this fingerprint.
    pub(super) async fn refresh_from(
        &self,
        channel: &Channel,
        failed: Option<&Fingerprint>,
    ) -> Result<Token, Tokenless> {
        self.tokens.drop_token(&channel.id);
        let stored = self.store.token(&channel.id).await.map_err(Broken::from)?;
        if let Some(token) = self.stored_token(channel, &stored, failed) {
            return Ok(token);
        }
        if self.tokens.is_vain(&channel.id, self.now()) {
            return Err(Tokenless::JustTried);
        }
        let asked = match self.token_source.function() {
            Some(function) => self.ask_elsewhere(function, channel, failed).await,
            None => self.ask_or_wait(channel, failed, &stored).await,
        };
        if asked.is_err() {
            self.tokens.note_vain(&channel.id, self.now());
        }
        asked
    }

    pub(super) async fn ask_or_wait(
        &self,
        channel: &Channel,
        failed: Option<&Fingerprint>,
        seen: &StoredToken,
    ) -> Result<Token, Tokenless> {
        let by = self.chance.nonce();
        let now = self.now();
        let until = now.plus(LEASE);
        let lease = self
            .store
            .lease_token(&channel.id, &by, seen.asked, now, until)
            .await;
        match lease.map_err(Broken::from)? {
            Lease::Ours(fence, stored) => self.ask(channel, failed, &by, fence, &stored).await,
            Lease::Theirs(stored) => match usable(&stored, failed, now) {
                Some(token) => Ok(token),
                None => self.wait(channel, failed, now.plus(WAIT)).await,
            },
        }
    }

    /// Waits for the one who asks.
    async fn wait(
        &self,
        channel: &Channel,
        failed: Option<&Fingerprint>,
        until: Moment,
    ) -> Result<Token, Tokenless> {
        while self.now() < until {
            self.clock.pause(LOOK).await;
            let stored = self.store.token(&channel.id).await.map_err(Broken::from)?;
            if let Some(token) = self.stored_token(channel, &stored, failed) {
                return Ok(token);
            }
        }
        Err(Tokenless::Busy)
    }

    /// The stored token, if it can be used.
    pub(super) fn stored_token(
        &self,
        channel: &Channel,
        stored: &StoredToken,
        failed: Option<&Fingerprint>,
    ) -> Option<Token> {
        let now = self.now();
        let token = usable(stored, failed, now)?;
        self.tokens.put(&channel.id, &token, now, stored.expires);
        Some(token)
    }

    /// Whether WeChat would give a token now, whatever is stored. The stable
    /// call changes nothing: it gives what there is. The classic one makes a
    /// new token, which is stored.
    pub(crate) async fn try_token(&self, channel: &Channel) -> Result<(), Tokenless> {
        if let Some(function) = self.token_source.function() {
            return self.try_elsewhere(function, channel).await;
        }
        if self.token_source.always_makes_another(channel) {
            let stored = self.store.token(&channel.id).await.map_err(Broken::from)?;
            self.ask_or_wait(channel, None, &stored).await?;
        } else {
            self.mint(channel, false).await?;
        }
        Ok(())
    }

    /// Asks for a token: WeChat, or the operator's server of tokens.
    async fn mint(&self, channel: &Channel, force: bool) -> Result<Granted, Tokenless> {
        if let TokenSource::Server(server) = &self.token_source {
            let key = self.secrets.get(SERVER_KEY).await.map_err(Broken::from)?;
            let (http, app_id) = (&self.http, &channel.app_id);
            return Ok(token_of_server(http, server, key.as_deref(), app_id, force).await?);
        }
        let secrets = self.secrets_of(channel).await?;
        let secret = secrets.and_then(|secrets| secrets.app_secret.clone());
        let secret = secret.ok_or(Tokenless::NoSecret)?;
        let api = Api {
            http: &self.http,
            base: &channel.api_base,
        };
        let call = channel.token_call;
        Ok(api.token(call, &channel.app_id, &secret, force).await?)
    }

    /// Asks WeChat under a lease, and stores what it gave; if it gave nothing,
    /// the lease ends for the next who asks.
    async fn ask(
        &self,
        channel: &Channel,
        failed: Option<&Fingerprint>,
        by: &str,
        fence: u64,
        stored: &StoredToken,
    ) -> Result<Token, Tokenless> {
        let asked = self.ask_wechat(channel, failed, by, fence, stored).await;
        if asked.is_err() {
            let ended = self.store.end_lease(&channel.id, by, fence).await;
            ended.map_err(Broken::from)?;
        }
        asked
    }

    async fn ask_wechat(
        &self,
        channel: &Channel,
        failed: Option<&Fingerprint>,
        by: &str,
        fence: u64,
        stored: &StoredToken,
    ) -> Result<Token, Tokenless> {
        let mut next = stored.clone();
        let mut granted = self.mint(channel, false).await?;
        let same = failed.is_some_and(|failed| granted.token.fingerprint() == *failed);
        if same && !self.token_source.always_makes_another(channel) {
            let now = self.now();
            let today = stored
                .forced
                .filter(|last| last.beijing_day() == now.beijing_day());
            let count = if today.is_some() {
                stored.forced_count
            } else {
                0
            };
            let apart = stored
                .forced
                .is_none_or(|last| now.since(last) >= FORCED_APART);
            if !apart || count >= FORCED_A_DAY {
                return Err(Tokenless::Rationed);
            }
            next.forced = Some(now);
            next.forced_count = count + 1;
            // Before the call: one whose answer is lost counts too.
            let noted = self.store.note_forced(&channel.id, by, fence, &next).await;
            if !noted.map_err(Broken::from)? {
                return Err(Tokenless::Busy);
            }
            granted = self.mint(channel, true).await?;
        }
        let Granted { token, life } = granted;
        let now = self.now();
        if next.token.as_deref() != Some(token.expose()) {
            next.got = now;
            next.token = Some(token.expose().to_owned());
            info!(channel = %channel.id, life_seconds = life.as_secs(), "a new token");
        }
        next.expires = now.plus(life);
        next.asked = Some(now);
        let kept = self.store.store_token(&channel.id, by, fence, &next).await;
        if kept.map_err(Broken::from)? {
            self.tokens.put(&channel.id, &token, now, next.expires);
        }
        // Who lost the lease has a good token all the same; it is not shared.
        Ok(token)
    }
}
