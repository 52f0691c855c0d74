//! `GET /api/status`: what waits, what is dead, and whether each channel can
//! speak, by channel and in total.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use http::StatusCode;
use serde::Serialize;

use super::problem::{Answered, json};
use super::{Call, channels, messages};
use crate::bridge::{Bridge, Broken};
use crate::channel::Channel;
use crate::moment::Moment;
use crate::reason::Reason;
use crate::store::ParkedLane;

/// Lanes and dead entries are counted up to this.
const MOST: usize = 10_000;
/// In how many parked lanes of a channel the waiting entries are counted.
const COUNTED: usize = 500;
/// How many lanes are counted at once.
const WIDTH: usize = 8;

#[derive(Default, Serialize)]
struct Counts {
    parked_lanes: usize,
    parked_by_reason: BTreeMap<&'static str, usize>,
    /// Waiting entries of parked lanes; a lower bound beyond 500 lanes.
    pending: usize,
    oldest_pending: Option<String>,
    dead: usize,
}

#[derive(Serialize)]
struct ChannelStatus {
    channel: String,
    suspended: bool,
    desk_down: bool,
    token: Option<TokenLife>,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Serialize)]
struct TokenLife {
    expires: String,
}

/// Answers the call.
pub(super) async fn status(call: &Call<'_>) -> Answered {
    #[derive(Serialize)]
    struct Status {
        time: String,
        total: Counts,
        channels: Vec<ChannelStatus>,
    }
    let mut all = Vec::new();
    let mut total = Counts::default();
    for channel in channels::all(call.bridge).await? {
        let one = one(call.bridge, &channel).await?;
        total.add(&one.counts);
        all.push(one);
    }
    let status = Status {
        time: call.bridge.now().to_string(),
        total,
        channels: all,
    };
    json(StatusCode::OK, &status)
}

impl Counts {
    fn add(&mut self, one: &Self) {
        self.parked_lanes += one.parked_lanes;
        for (reason, count) in &one.parked_by_reason {
            *self.parked_by_reason.entry(reason).or_default() += count;
        }
        self.pending += one.pending;
        self.dead += one.dead;
        // All are written alike, so the earlier sorts first.
        self.oldest_pending = [self.oldest_pending.take(), one.oldest_pending.clone()]
            .into_iter()
            .flatten()
            .min();
    }
}

async fn one(bridge: &Bridge, channel: &Channel) -> Result<ChannelStatus, Broken> {
    let store = &bridge.store;
    let now = bridge.now();
    let lanes = store.parked(&channel.id, MOST).await?;
    let mut counts = Counts {
        parked_lanes: lanes.len(),
        pending: pending(bridge, &lanes).await?,
        oldest_pending: oldest(&lanes).map(|oldest| oldest.to_string()),
        dead: store
            .count_dead(&channel.id, now.minus(channel.retention()), MOST)
            .await?,
        ..Counts::default()
    };
    for lane in &lanes {
        let reason = lane.reason.unwrap_or(Reason::Internal).code();
        *counts.parked_by_reason.entry(reason).or_default() += 1;
    }
    let token = store.token(&channel.id).await?;
    let alive = token.token.is_some() && now < token.expires;
    Ok(ChannelStatus {
        channel: channel.id.to_string(),
        suspended: channel.suspended,
        desk_down: store.breaker(&channel.id).await?.is_some(),
        token: alive.then(|| TokenLife {
            expires: token.expires.to_string(),
        }),
        counts,
    })
}

fn oldest(lanes: &[ParkedLane]) -> Option<Moment> {
    let from = lanes.iter().filter_map(|lane| lane.from.as_ref());
    from.map(messages::time).min()
}

async fn pending(bridge: &Bridge, lanes: &[ParkedLane]) -> Result<usize, Broken> {
    let counts: Vec<_> =
        lanes
            .iter()
            .take(COUNTED)
            .filter_map(|lane| Some((lane.at.clone(), lane.from.clone()?)))
            .map(|(at, from)| async move {
                Ok::<_, Broken>(bridge.store.count_waiting(&at, &from).await?)
            })
            .collect();
    let counts: Vec<usize> = stream::iter(counts).buffered(WIDTH).try_collect().await?;
    Ok(counts.into_iter().sum())
}
