//! Every minute: the access tokens of all channels, and once a day the addresses from which
//! WeChat calls, of channels that take calls from those alone.
//!
//! Invariant: of the tokens that still live the one that ends first is looked after
//! first, and those that have ended, whose channel may have no WeChat that answers,
//! come behind them; nothing is begun that the run has no time for.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tracing::{error, warn};

use super::token::Tokenless;
use super::{Bridge, Broken, callers};
use crate::channel::Channel;
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::store::StoredToken;

/// How many channels are looked after at once.
const AT_ONCE: usize = 8;
/// How long one of them may take: the lease, the call for a token, and the store's
/// calls around it. One that is broken off has perhaps ended the token that there was.
const TURN: Duration = Duration::from_secs(15);

/// What a look at a channel has found.
enum Look {
    /// It cannot speak and is not meant to: deleted, suspended, or without an app secret.
    Silent,
    /// It can speak so long.
    Speaks(Duration),
    /// Another token is due.
    Due(Box<Channel>, StoredToken),
    /// There was no time for it.
    Late,
}

/// Looks after the tokens of all channels: from 85 % of a token's life on,
/// WeChat is asked again until it gives another. Says how long each channel can
/// speak, as far as that is known: one without an app secret never could and is left
/// out. What the time until `ends` is too short for waits for the next run.
pub async fn token_refresh(
    bridge: &Bridge,
    ends: Moment,
) -> Result<BTreeMap<ChannelId, Duration>, Broken> {
    let late = || bridge.now().plus(TURN) > ends;
    let ids = bridge.store.channel_ids().await?;
    let mut lives = BTreeMap::new();
    let (mut living, mut ended) = (Vec::new(), Vec::new());
    let mut waiting = 0_usize;
    let mut looked = stream::iter(ids.clone())
        .map(|id| async move {
            let look = if late() {
                Look::Late
            } else {
                read(bridge, &id).await
            };
            (id, look)
        })
        .buffer_unordered(AT_ONCE);
    while let Some((id, look)) = looked.next().await {
        match look {
            Look::Silent => {}
            Look::Speaks(left) => lives.extend([(id, left)]),
            Look::Late => waiting += 1,
            Look::Due(channel, stored) => {
                let left = left(&stored, bridge.now());
                // Of one that never had a token nothing is known yet.
                lives.extend(stored.token.is_some().then_some((id, left)));
                let queue = if left.is_zero() {
                    &mut ended
                } else {
                    &mut living
                };
                queue.push((channel, stored));
            }
        }
    }
    living.sort_by_key(|(_, stored)| stored.expires);
    ended.sort_by(|(one, _), (other, _)| one.id.cmp(&other.id));
    // Others begin in another minute: there may be more than one run has time for.
    let minute = usize::try_from(bridge.now().seconds() / 60).unwrap_or(0);
    let begin = minute.checked_rem(ended.len()).unwrap_or(0);
    ended.rotate_left(begin);
    let mut asked = stream::iter(living.into_iter().chain(ended))
        .map(|(channel, stored)| async move {
            let look = if late() {
                Look::Late
            } else {
                ask(bridge, &channel, &stored).await
            };
            (channel.id, look)
        })
        .buffer_unordered(AT_ONCE);
    while let Some((id, look)) = asked.next().await {
        match look {
            Look::Silent => drop(lives.remove(&id)),
            Look::Speaks(left) => lives.extend([(id, left)]),
            Look::Late | Look::Due(..) => waiting += 1,
        }
    }
    if waiting > 0 {
        warn!(
            channels = waiting,
            "tokens wait for the next run: there is no time left"
        );
    }
    callers::look_after(bridge, &ids, TURN, ends).await;
    Ok(lives)
}

/// Reads how a channel fares. What cannot be read counts as if it could not speak:
/// it must not keep the others from it, and somebody must look.
async fn read(bridge: &Bridge, id: &ChannelId) -> Look {
    let look = async {
        let channel = bridge.store.channel(id).await?;
        // Whoever comes behind needs not read it again.
        if let Some(channel) = &channel {
            bridge.remember(channel);
        }
        let speaks = channel.filter(|channel| !channel.deleted && !channel.suspended);
        let Some(channel) = speaks else {
            return Ok(Look::Silent);
        };
        let stored = bridge.store.token(id).await?;
        let now = bridge.now();
        Ok(if stored.token.is_none() || is_old(&stored, now) {
            Look::Due(Box::new(channel), stored)
        } else {
            Look::Speaks(left(&stored, now))
        })
    };
    look.await
        .unwrap_or_else(|broken: Broken| unread(id, &broken))
}

/// Asks for a channel's token.
async fn ask(bridge: &Bridge, channel: &Channel, stored: &StoredToken) -> Look {
    match bridge.ask_or_wait(channel, None, stored).await {
        Ok(_) | Err(Tokenless::Busy) => {}
        Err(Tokenless::NoSecret) => return Look::Silent,
        Err(none) => none.log(&channel.id),
    }
    match bridge.store.token(&channel.id).await {
        Ok(stored) => Look::Speaks(left(&stored, bridge.now())),
        Err(failed) => unread(&channel.id, &failed.into()),
    }
}

fn unread(id: &ChannelId, broken: &Broken) -> Look {
    error!(channel = %id, error = %broken, "a token could not be looked after");
    Look::Speaks(Duration::ZERO)
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
