//! The webhook desk: it knows a repeat by its id, counts, and is slow or away
//! when its script says so.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use magpie::desk::webhook;
use tokio::sync::watch;

use crate::instant;
use crate::street::Push;
use crate::words::line;

/// The desk, its script, and what it was told.
pub(crate) struct Desk {
    pub(crate) key: Vec<u8>,
    pub(crate) told: watch::Sender<Told>,
    /// How long it takes over each call.
    pub(crate) latency: Duration,
    /// When it is away.
    pub(crate) outages: Vec<Outage>,
    /// When the script begins.
    pub(crate) begun: OnceLock<Instant>,
}

/// Two seconds of the run: from the one to the other a desk answers 503.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage(u64, u64);

impl FromStr for Outage {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds = text.split_once('-');
        let seconds = seconds.and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
        match seconds {
            Some((from, to)) if from < to => Ok(Self(from, to)),
            _ => Err("two seconds of the run, such as 20-35"),
        }
    }
}

impl Desk {
    /// Whether it is away now.
    fn is_away(&self) -> bool {
        let since = self
            .begun
            .get()
            .map_or(0, |begun| begun.elapsed().as_secs());
        let outages = &mut self.outages.iter();
        outages.any(|Outage(from, to)| (*from..*to).contains(&since))
    }
}

/// Every message has a number; the numbers of one customer rise as its `MsgId`s do.
#[derive(Default)]
pub(crate) struct Told {
    ids: HashMap<String, u64>,
    pub(crate) first: HashMap<u64, Instant>,
    newest: HashMap<u32, u64>,
    /// The same id again, which a desk is to know.
    pub(crate) known: usize,
    /// The same message under another id.
    pub(crate) doubled: usize,
    pub(crate) misordered: usize,
    /// Calls that found nobody.
    pub(crate) refused: usize,
}

impl Told {
    pub(crate) fn has_all(&self, taken: &BTreeMap<u64, Push>) -> bool {
        self.first.len() >= taken.len() && taken.keys().all(|key| self.first.contains_key(key))
    }

    fn hear(&mut self, id: String, customer: u32, number: u64) {
        if self.ids.insert(id, number).is_some() {
            self.known += 1;
        } else if let Entry::Vacant(first) = self.first.entry(number) {
            first.insert(instant());
            let newest = self.newest.entry(customer).or_default();
            self.misordered += usize::from(number < *newest);
            *newest = number.max(*newest);
        } else {
            self.doubled += 1;
        }
    }
}

pub(crate) async fn hear(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    tokio::time::sleep(desk.latency).await;
    if desk.is_away() {
        desk.told.send_modify(|told| told.refused += 1);
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let id = header("webhook-id").unwrap_or_default();
    let timestamp = header("webhook-timestamp").unwrap_or_default();
    let signature = STANDARD.encode(webhook::sign(&desk.key, id, timestamp, &body));
    if header("webhook-signature") != Some(format!("v1,{signature}").as_str()) {
        return StatusCode::UNAUTHORIZED;
    }
    let call: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = call.pointer("/message/text").and_then(|text| text.as_str());
    if let Some((customer, number)) = text.and_then(|text| line(text).split_once(" says "))
        && let (Ok(customer), Ok(number)) = (customer.parse(), number.parse())
    {
        let id = id.to_owned();
        desk.told
            .send_modify(|told| told.hear(id, customer, number));
    }
    StatusCode::NO_CONTENT
}
