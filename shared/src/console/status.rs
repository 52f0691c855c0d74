//! `GET /api/status`: what waits, what is dead, and whether each channel can
//! speak, by channel and in total.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Serialize;

use super::Call;
use super::problem::{Answered, json};
use super::seen::ShownAlarm;
use crate::bridge::status::{self, ChannelStatus};

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
struct Shown {
    channel: String,
    suspended: bool,
    desk_down: bool,
    token: Option<TokenLife>,
    alarms: Vec<ShownAlarm>,
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
        channels: Vec<Shown>,
    }
    let all = status::status(call.bridge).await?;
    let channels: Vec<Shown> = all.iter().map(Shown::from).collect();
    let mut total = Counts::default();
    for channel in &channels {
        total.add(&channel.counts);
    }
    let status = Status {
        time: call.bridge.now().to_string(),
        total,
        channels,
    };
    json(StatusCode::OK, &status)
}

impl From<&ChannelStatus> for Shown {
    fn from(one: &ChannelStatus) -> Self {
        let parked = one.parked.iter();
        Self {
            channel: one.channel.to_string(),
            suspended: one.suspended,
            desk_down: one.desk_down,
            token: one.token_ends.map(|ends| TokenLife {
                expires: ends.to_string(),
            }),
            alarms: one.alarms.iter().filter_map(ShownAlarm::of).collect(),
            counts: Counts {
                parked_lanes: one.parked.values().sum(),
                parked_by_reason: parked.map(|(reason, n)| (reason.code(), *n)).collect(),
                pending: one.pending,
                oldest_pending: one.oldest.map(|oldest| oldest.to_string()),
                dead: one.dead,
            },
        }
    }
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
