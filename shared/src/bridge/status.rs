//! How a channel fares: what waits and why, what is dead, whether it can speak.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::{Bridge, Broken};
use crate::channel::Channel;
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::reason::Reason;
use crate::standing::Standing;
use crate::store::ParkedLane;

/// Lanes and dead entries are counted up to this.
const MOST: usize = 10_000;
/// In how many parked lanes of a channel the waiting entries are counted.
const COUNTED: usize = 500;
/// How many lanes are counted at once.
const WIDTH: usize = 8;

/// How a channel fares.
#[derive(Clone, Debug)]
pub struct ChannelStatus {
    /// The channel.
    pub channel: ChannelId,
    /// Whether it is suspended.
    pub suspended: bool,
    /// Whether its desk is known to be down.
    pub desk_down: bool,
    /// When its token ends, if it has one.
    pub token_ends: Option<Moment>,
    /// How many lanes are parked, by the reason, up to 10,000.
    pub parked: BTreeMap<Reason, usize>,
    /// How many entries wait in parked lanes: a lower bound beyond 500 lanes.
    pub pending: usize,
    /// Since when the first of them waits.
    pub oldest: Option<Moment>,
    /// Since when the first waits that should not have to: for something else than
    /// the window, in a channel that is not suspended.
    pub overdue: Option<Moment>,
    /// How many dead entries are kept, up to 10,000.
    pub dead: usize,
    /// What is wrong with the account's standing, as WeChat said last.
    pub alarms: Vec<Standing>,
}

/// How every channel fares, those being deleted left out. Reads indexes, so what
/// was just written may be missing.
pub async fn status(bridge: &Bridge) -> Result<Vec<ChannelStatus>, Broken> {
    let mut all = Vec::new();
    for channel in bridge.living_channels().await? {
        all.push(one(bridge, &channel).await?);
    }
    Ok(all)
}

async fn one(bridge: &Bridge, channel: &Channel) -> Result<ChannelStatus, Broken> {
    let store = &bridge.store;
    let now = bridge.now();
    let lanes = store.parked(&channel.id, MOST).await?;
    let mut parked = BTreeMap::new();
    for lane in &lanes {
        *parked
            .entry(lane.reason.unwrap_or(Reason::Internal))
            .or_default() += 1;
    }
    let token = store.token(&channel.id).await?;
    let alive = token.token.is_some() && now < token.expires;
    let waiting = waiting(bridge, &lanes).await?;
    Ok(ChannelStatus {
        channel: channel.id.clone(),
        suspended: channel.suspended,
        desk_down: store.breaker(&channel.id).await?.is_some(),
        token_ends: alive.then_some(token.expires),
        parked,
        pending: waiting.count,
        oldest: waiting.oldest,
        overdue: waiting.overdue.filter(|_| !channel.suspended),
        dead: store
            .count_dead(&channel.id, now.minus(channel.retention()), MOST)
            .await?,
        alarms: store.seen(&channel.id).await?.alarms,
    })
}

/// What waits in parked lanes.
#[derive(Default)]
struct Waiting {
    count: usize,
    oldest: Option<Moment>,
    overdue: Option<Moment>,
}

async fn waiting(bridge: &Bridge, lanes: &[ParkedLane]) -> Result<Waiting, Broken> {
    let counts: Vec<_> = lanes
        .iter()
        .take(COUNTED)
        .filter_map(|lane| Some((lane.at.clone(), lane.from.clone()?, lane.reason)))
        .map(|(at, from, reason)| async move {
            let (count, since) = bridge.store.count_waiting(&at, &from).await?;
            Ok::<_, Broken>((count, since, reason))
        })
        .collect();
    let counts = stream::iter(counts).buffered(WIDTH);
    counts
        .try_fold(Waiting::default(), async |all, (count, since, reason)| {
            let overdue = since.filter(|_| !reason.is_some_and(Reason::holds));
            Ok(Waiting {
                count: all.count + count,
                oldest: since.into_iter().chain(all.oldest).min(),
                overdue: overdue.into_iter().chain(all.overdue).min(),
            })
        })
        .await
}
