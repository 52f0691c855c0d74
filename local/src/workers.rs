//! What runs beside the calls: the listener of the bell, and timers where AWS
//! has schedules.

use std::sync::Arc;
use std::time::Duration;

use magpie::bridge::{Bridge, Ring, sweep, token_refresh, walk};
use magpie::store::embedded::Engine;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};
use tracing::error;

use crate::lanes;
use crate::stop::Stop;

/// How often lanes and timers are looked for that are due, and tokens that grow
/// old.
const SWEEP: Duration = Duration::from_mins(1);
/// How long one sweep may last: the next one follows it.
const SWEEP_ENDS: Duration = Duration::from_secs(50);
/// How often everything that waits is rung for.
const WALK: Duration = Duration::from_hours(1);
/// How often rows that have expired are deleted.
const EXPIRED: Duration = Duration::from_mins(10);

/// Starts them all.
pub(crate) fn start(
    tasks: &mut JoinSet<&'static str>,
    bridge: &Arc<Bridge>,
    (ring, rings): (UnboundedSender<Ring>, UnboundedReceiver<Ring>),
    engine: Option<Engine>,
    stop: &Stop,
) {
    let listening = lanes::listen(Arc::clone(bridge), rings, stop.clone());
    tasks.spawn(async {
        listening.await;
        "the listener of the bell"
    });
    tasks.spawn(sweeping(Arc::clone(bridge), Ticks::every(SWEEP, stop)));
    tasks.spawn(refreshing(Arc::clone(bridge), Ticks::every(SWEEP, stop)));
    tasks.spawn(expiring(Arc::clone(bridge), Ticks::every(WALK, stop)));
    tasks.spawn(walking(Arc::clone(bridge), ring, Ticks::every(WALK, stop)));
    if let Some(engine) = engine {
        tasks.spawn(watching(engine.clone(), stop.clone()));
        tasks.spawn(deleting(engine, Ticks::every(EXPIRED, stop)));
    }
}

/// A beat that begins at once and ends with the process.
struct Ticks {
    interval: Interval,
    stop: Stop,
}

impl Ticks {
    fn every(period: Duration, stop: &Stop) -> Self {
        let mut interval = tokio::time::interval(period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            interval,
            stop: stop.clone(),
        }
    }

    /// Waits for the next one; says whether there is one.
    async fn next(&mut self) -> bool {
        tokio::select! {
            biased;
            () = self.stop.asked() => false,
            _ = self.interval.tick() => true,
        }
    }
}

async fn sweeping(bridge: Arc<Bridge>, mut ticks: Ticks) -> &'static str {
    while ticks.next().await {
        if let Err(broken) = sweep::sweep(&bridge, bridge.now().plus(SWEEP_ENDS)).await {
            error!(error = %broken, "what is due could not be looked for");
        }
    }
    "the sweep"
}

async fn refreshing(bridge: Arc<Bridge>, mut ticks: Ticks) -> &'static str {
    while ticks.next().await {
        let ends = bridge.now().plus(SWEEP_ENDS);
        if let Err(broken) = token_refresh::token_refresh(&bridge, ends).await {
            error!(error = %broken, "the tokens could not be looked after");
        }
    }
    "the refreshing of tokens"
}

async fn expiring(bridge: Arc<Bridge>, mut ticks: Ticks) -> &'static str {
    while ticks.next().await {
        if let Err(broken) = bridge.expire_files().await {
            error!(error = %broken, "files whose time is over could not be forgotten");
        }
    }
    "the forgetting of files"
}

/// Rings for what waits: at the start for everything, since the bells of the
/// last process were lost with it.
async fn walking(
    bridge: Arc<Bridge>,
    ring: UnboundedSender<Ring>,
    mut ticks: Ticks,
) -> &'static str {
    let mut older = Duration::ZERO;
    while ticks.next().await {
        let walked = walk::walk(&bridge, older, |found| {
            // A listener that is gone is a process that ends.
            let _ = ring.send(found);
        });
        match walked.await {
            Ok(_) => older = walk::OLD,
            Err(broken) => {
                error!(error = %broken, "what waits could not be looked for");
                // Nothing else finds what the last process left behind.
                ticks.interval.reset_after(SWEEP);
            }
        }
    }
    "the walk"
}

/// Ends with the process, or before it when the store cannot go on: the next
/// start finds what is really on the disk.
async fn watching(engine: Engine, stop: Stop) -> &'static str {
    tokio::select! {
        () = stop.asked() => {}
        () = engine.failed() => {}
    }
    "the store"
}

async fn deleting(engine: Engine, mut ticks: Ticks) -> &'static str {
    while ticks.next().await {
        let engine = engine.clone();
        let swept = tokio::task::spawn_blocking(move || engine.sweep_expired()).await;
        match swept {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => error!(%error, "expired rows could not be deleted"),
            Err(error) => error!(%error, "the deletion of expired rows broke off"),
        }
    }
    "the deletion of expired rows"
}
