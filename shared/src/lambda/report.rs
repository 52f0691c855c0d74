//! What an invocation tells of itself: the figures that alarms and the dashboard
//! of `template.yaml` read.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::bridge::status::ChannelStatus;
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::tally::Done;
use crate::telemetry::figures::{Figures, Unit};

/// A number as JSON has it.
fn number(count: usize) -> Value {
    u64::try_from(count).unwrap_or(u64::MAX).into()
}

/// How a call of WeChat's or of a desk was answered. `took` is told of pushes
/// alone: WeChat gives up after five seconds.
pub(super) fn call(status: u16, took: Option<Duration>) -> Figures {
    let mut figures = Figures::default();
    match status {
        500.. => figures.add("FailedAcknowledgements", Unit::Count, 1),
        400.. => figures.add("Refused", Unit::Count, 1),
        _ => {}
    }
    if let Some(took) = took {
        // To a hundredth: more is noise that is paid by the byte.
        let millis = (took.as_secs_f64() * 100_000.0).round() / 100.0;
        figures.add("AcknowledgeMillis", Unit::Milliseconds, millis);
    }
    figures
}

/// How all channels fare, and which of them need looking at.
pub(super) fn status(all: &[ChannelStatus], now: Moment) -> Figures {
    let mut figures = Figures::default();
    let sum = |count: fn(&ChannelStatus) -> usize| number(all.iter().map(count).sum());
    let parked = |one: &ChannelStatus| one.parked.values().sum();
    let overdue = all.iter().filter_map(|one| one.overdue).min();
    let age = |since: Option<Moment>| since.map_or(0, |since| now.since(since).as_secs());
    figures.add("OldestPendingSeconds", Unit::Seconds, age(overdue));
    figures.add("Pending", Unit::Count, sum(|one| one.pending));
    figures.add("ParkedLanes", Unit::Count, sum(parked));
    figures.add("Dead", Unit::Count, sum(|one| one.dead));
    figures.add("DesksDown", Unit::Count, sum(|one| one.desk_down.into()));
    let troubled = all.iter().filter(|one| one.pending > 0 || one.dead > 0);
    let channels: Map<String, Value> = troubled
        .map(|one| {
            let fares = json!({
                "pending": one.pending,
                "dead": one.dead,
                "overdue_seconds": age(one.overdue),
                "desk_down": one.desk_down,
            });
            (one.channel.to_string(), fares)
        })
        .collect();
    if !channels.is_empty() {
        figures.beside("channels", channels);
    }
    figures
}

/// How long channels can speak: the shortest, and whose it is.
pub(super) fn tokens(lives: &BTreeMap<ChannelId, Duration>) -> Figures {
    let mut figures = Figures::default();
    if let Some((channel, left)) = lives.iter().min_by_key(|(_, left)| **left) {
        figures.add("TokenLifeSeconds", Unit::Seconds, left.as_secs());
        figures.beside("channel", channel.as_str());
    }
    figures
}

/// Adds what was done with which entries.
pub(super) fn add_done(figures: &mut Figures, done: Done) {
    for (name, count) in done.counts {
        figures.add(name, Unit::Count, count);
    }
    let entries: Map<String, Value> = done
        .entries
        .into_iter()
        .map(|(trace, words)| (trace.to_string(), words.into()))
        .collect();
    if !entries.is_empty() {
        figures.beside("entries", entries);
    }
}
