//! Every minute: the access tokens of all channels.
//!
//! Invariant: whose token ends first is looked after first, nothing is begun that
//! the run has no time for, and every run says how long each channel can speak.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tracing::{error, warn};

use super::token::Tokenless;
use super::{Bridge, Broken};
use crate::channel::Channel;
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::store::StoredToken;

/// How many channels are looked after at once.
const AT_ONCE: usize = 8;
/// How long one of them may take: the call for a token, and the store's around it.
/// One that is broken off has perhaps ended the token that there was.
const TURN: Duration = Duration::from_secs(12);

/// What is known of a channel's token.
enum Life {
    /// So much is left of it; it is young, or has been asked for just now.
    Settled(Option<Duration>),
    /// Another one is due.
    Due(Box<Channel>, StoredToken),
}

/// Looks after the tokens of all channels: from 85 % of a token's life on,
/// WeChat is asked again until it gives another. Says how long each channel can
/// speak; one without an app secret never could and is left out. What the time
/// until `ends` is too short for waits for the next run.
pub async fn token_refresh(
    bridge: &Bridge,
    ends: Moment,
) -> Result<BTreeMap<ChannelId, Duration>, Broken> {
    let ids = bridge.store.channel_ids().await?;
    let mut lives = BTreeMap::new();
    let mut due = Vec::new();
    let mut read = stream::iter(ids)
        .map(|id| async move { (read(bridge, &id).await, id) })
        .buffer_unordered(AT_ONCE);
    while let Some((life, id)) = read.next().await {
        match life {
            Life::Settled(left) => lives.extend(left.map(|left| (id, left))),
            Life::Due(channel, stored) => {
                lives.insert(id, left(&stored, bridge.now()));
                due.push((channel, stored));
            }
        }
    }
    due.sort_by_key(|(_, stored)| stored.expires);
    let mut waiting = 0_usize;
    let mut asked = stream::iter(due)
        .map(|(channel, stored)| async move {
            let in_time = bridge.now().plus(TURN) <= ends;
            let asked = if in_time {
                Some(ask(bridge, &channel, &stored).await)
            } else {
                None
            };
            (channel.id, asked)
        })
        .buffer_unordered(AT_ONCE);
    while let Some((id, asked)) = asked.next().await {
        match asked {
            Some(Some(left)) => lives.extend([(id, left)]),
            Some(None) => drop(lives.remove(&id)),
            None => waiting += 1,
        }
    }
    if waiting > 0 {
        warn!(
            channels = waiting,
            "tokens wait for the next run: there is no time left"
        );
    }
    Ok(lives)
}

/// Reads how a channel fares. What cannot be read counts as if it could not speak:
/// it must not keep the others from it, and somebody must look.
async fn read(bridge: &Bridge, id: &ChannelId) -> Life {
    let read = async {
        let channel = bridge.store.channel(id).await?;
        let speaks = channel.filter(|channel| !channel.deleted && !channel.suspended);
        let Some(channel) = speaks else {
            return Ok(Life::Settled(None));
        };
        let stored = bridge.store.token(id).await?;
        let now = bridge.now();
        Ok(if stored.token.is_none() || is_old(&stored, now) {
            Life::Due(Box::new(channel), stored)
        } else {
            Life::Settled(Some(left(&stored, now)))
        })
    };
    read.await.unwrap_or_else(|broken: Broken| {
        error!(channel = %id, error = %broken, "a token could not be looked after");
        Life::Settled(Some(Duration::ZERO))
    })
}

/// Asks for a channel's token. Says how long it can speak then; `None` if it has no
/// app secret.
async fn ask(bridge: &Bridge, channel: &Channel, stored: &StoredToken) -> Option<Duration> {
    match bridge.ask_or_wait(channel, None, stored).await {
        Ok(_) | Err(Tokenless::Busy) => {}
        Err(Tokenless::NoSecret) => return None,
        Err(none) => none.log(&channel.id),
    }
    match bridge.store.token(&channel.id).await {
        Ok(stored) => Some(left(&stored, bridge.now())),
        Err(error) => {
            error!(channel = %channel.id, %error, "a token could not be looked after");
            Some(Duration::ZERO)
        }
    }
}

/// How long a stored token is good for.
fn left(stored: &StoredToken, now: Moment) -> Duration {
    match stored.token {
        Some(_) => stored.expires.since(now),
        None => Duration::ZERO,
    }
}

/// Whether 85 % of a token's life are over.
fn is_old(stored: &StoredToken, now: Moment) -> bool {
    let life = stored.expires.since(stored.got);
    now >= stored.got.plus(life * 85 / 100)
}
