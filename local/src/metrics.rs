//! `GET /metrics`: how every channel fares, in the form that Prometheus reads
//! (`OpenMetrics` text), on a listener of its own that is off by default.
//!
//! Invariant: no label names a person: only channels, and codes of ours.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use magpie::bridge::Bridge;
use magpie::bridge::status::status;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::hosts::Hosts;
use crate::routes::{guarded, say};

/// The upper bounds of the time that a push may take, in seconds. WeChat gives
/// up after five.
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 4.0, 5.0];

/// How long pushes took to be answered.
#[derive(Clone, Debug)]
pub(crate) struct Timings(Histogram);

impl Default for Timings {
    fn default() -> Self {
        Self(Histogram::new(BOUNDS))
    }
}

impl Timings {
    /// Notes one.
    pub(crate) fn note(&self, took: std::time::Duration) {
        self.0.observe(took.as_secs_f64());
    }
}

/// What is scraped.
#[derive(Clone)]
struct Scraped {
    bridge: Arc<Bridge>,
    timings: Timings,
}

/// Everything that listens on the address for metrics.
pub(crate) fn router(bridge: Arc<Bridge>, timings: Timings, hosts: Hosts) -> Router {
    let router = Router::new()
        .route("/metrics", get(scrape))
        .with_state(Scraped { bridge, timings });
    guarded(router, hosts)
}

async fn scrape(State(scraped): State<Scraped>) -> Response {
    match text(&scraped).await {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            let kind = HeaderValue::from_static(kind);
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        Err(error) => {
            tracing::error!(%error, "metrics could not be gathered");
            say(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer")
        }
    }
}

type Labels = Vec<(&'static str, String)>;

/// The gauges of one scrape.
#[derive(Default)]
struct Gauges {
    suspended: Family<Labels, Gauge>,
    desk_down: Family<Labels, Gauge>,
    token: Family<Labels, Gauge>,
    parked: Family<Labels, Gauge>,
    pending: Family<Labels, Gauge>,
    oldest: Family<Labels, Gauge>,
    dead: Family<Labels, Gauge>,
}

async fn text(scraped: &Scraped) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let bridge = &scraped.bridge;
    let gauges = Gauges::default();
    let now = bridge.now();
    for one in status(bridge).await? {
        let channel = vec![("channel", one.channel.to_string())];
        let set = |family: &Family<Labels, Gauge>, value: u64| {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            family.get_or_create(&channel).set(value);
        };
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        set(&gauges.suspended, one.suspended.into());
        set(&gauges.desk_down, one.desk_down.into());
        let life = one.token_ends.map(|ends| ends.since(now).as_secs());
        set(&gauges.token, life.unwrap_or(0));
        set(&gauges.pending, count(one.pending));
        let age = one.oldest.map(|oldest| now.since(oldest).as_secs());
        set(&gauges.oldest, age.unwrap_or(0));
        set(&gauges.dead, count(one.dead));
        for (reason, lanes) in &one.parked {
            let mut labels = channel.clone();
            labels.push(("reason", reason.code().to_owned()));
            let lanes = i64::try_from(*lanes).unwrap_or(i64::MAX);
            gauges.parked.get_or_create(&labels).set(lanes);
        }
    }
    let mut registry = Registry::with_prefix("magpie");
    gauges.register(&mut registry);
    register_counts(&mut registry, bridge);
    registry.register_with_unit(
        "callback_duration",
        "How long WeChat's pushes took to be answered",
        Unit::Seconds,
        scraped.timings.0.clone(),
    );
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

impl Gauges {
    fn register(self, registry: &mut Registry) {
        for (name, help, family) in [
            (
                "channel_suspended",
                "Whether a channel is suspended",
                self.suspended,
            ),
            (
                "desk_down",
                "Whether a channel's desk is known to be down",
                self.desk_down,
            ),
            (
                "parked_lanes",
                "Lanes that wait, by the reason",
                self.parked,
            ),
            (
                "pending_entries",
                "Entries that wait in parked lanes",
                self.pending,
            ),
            (
                "dead_entries",
                "Entries that did not arrive and are kept",
                self.dead,
            ),
        ] {
            registry.register(name, help, family);
        }
        for (name, help, family) in [
            (
                "token_life",
                "How long a channel's token lasts; 0 without one",
                self.token,
            ),
            (
                "oldest_pending",
                "How long the oldest entry has waited; 0 without one",
                self.oldest,
            ),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, family);
        }
    }
}

/// What this process has seen since it began.
fn register_counts(registry: &mut Registry, bridge: &Bridge) {
    let handshakes = Family::<Labels, Counter>::default();
    let pushes = Family::<Labels, Counter>::default();
    let sends = Family::<Labels, Counter>::default();
    let refused = Family::<Labels, Counter>::default();
    for (channel, counts) in bridge.sights() {
        let labels = vec![("channel", channel.to_string())];
        for (word, count) in counts {
            let family = match word {
                "handshake" => &handshakes,
                "push" => &pushes,
                "send" => &sends,
                code => {
                    let mut labels = labels.clone();
                    labels.push(("code", code.to_owned()));
                    refused.get_or_create(&labels).inc_by(count);
                    continue;
                }
            };
            family.get_or_create(&labels).inc_by(count);
        }
    }
    for (name, help, family) in [
        (
            "handshakes",
            "Handshakes of WeChat's that were right",
            handshakes,
        ),
        (
            "pushes",
            "Pushes that were journalled, repeats included",
            pushes,
        ),
        ("sends", "Parts of answers that WeChat took", sends),
        (
            "refused_calls",
            "Calls to the callback that were refused, by the reason",
            refused,
        ),
    ] {
        registry.register(name, help, family);
    }
}
