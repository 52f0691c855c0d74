//! `GET /api/channels/{id}/events`: what WeChat told of the account itself, and whom was erased.
//!
//! Invariant: of people it concerns nothing is shown but what they did: no open id, and of
//! what nobody documents the name alone.

use http::StatusCode;
use serde::Serialize;

use super::cursor::{self, List, entry_key, veil};
use super::problem::{Answered, json};
use super::{Call, channels};
use crate::conversation::EraseCause;
use crate::journal::{Class, ConversationKey, Entry, Lane};
use crate::lines;
use crate::message::{Body, ChannelId, Data};
use crate::standing::Standing;

/// One event as it is shown.
#[derive(Serialize)]
struct Shown {
    id: String,
    /// WeChat's name for it; null where the push could not be read.
    name: Option<String>,
    text: String,
    text_zh: String,
    text_en: String,
    data: Option<Data>,
    /// Whom was erased, if it says that.
    erased: Option<ShownErased>,
    /// What it means for the account's standing, if it is an alarm.
    alarm: Option<&'static str>,
    time: String,
}

#[derive(Serialize)]
struct ShownErased {
    customer_id: String,
    cause: EraseCause,
}

/// Newest first.
pub(super) async fn list(call: &Call<'_>, id: &ChannelId) -> Answered {
    #[derive(Serialize)]
    struct Listed {
        events: Vec<Shown>,
        cursor: Option<String>,
    }
    let limit = call.limit()?;
    let list = List::Events(id);
    let before = match call.place(list)? {
        Some(text) => Some(
            entry_key(&text)
                .filter(|key| key.lane() == Lane::In)
                .ok_or_else(cursor::bad)?,
        ),
        None => None,
    };
    channels::there(call.bridge, id).await?;
    let (store, at) = (&call.bridge.store, ConversationKey::of_channel(id));
    let most = i32::try_from(limit).unwrap_or(100);
    let now = call.bridge.now();
    let (mut entries, mut more) = store
        .history(&at, Lane::In, before.as_ref(), most, now)
        .await?;
    if entries.len() > limit {
        entries.truncate(limit);
        more = true;
    }
    let place = entries.last().map(|entry| entry.key.as_str());
    let cursor = place.map(|place| list.cursor(place)).filter(|_| more);
    let events = entries.iter().filter(|entry| is_event(entry));
    let listed = Listed {
        events: events.map(|entry| show(call, entry)).collect(),
        cursor,
    };
    json(StatusCode::OK, &listed)
}

/// Receipts for desks whose conversation is none of ours lie there too.
fn is_event(entry: &Entry) -> bool {
    entry.key.class() == Some(Class::Event) || matches!(entry.body, Body::Erased(_))
}

fn show(call: &Call<'_>, entry: &Entry) -> Shown {
    let erased = match &entry.body {
        Body::Erased(erased) => Some(erased),
        _ => None,
    };
    let line = erased.map_or_else(|| lines::line(&entry.body), lines::record);
    let name = match &entry.body {
        Body::Event { name, .. } => Some(name.clone()),
        _ => None,
    };
    Shown {
        id: veil(entry.key.as_str()),
        name,
        text: call.lang.pick(&line.zh, &line.en).clone(),
        text_zh: line.zh,
        text_en: line.en,
        data: entry.body.data(),
        erased: erased.map(|erased| ShownErased {
            customer_id: erased.customer.expose().to_owned(),
            cause: erased.cause,
        }),
        alarm: Standing::of(entry).and_then(|standing| Some(standing.alarm?.code())),
        time: entry.key.said().to_string(),
    }
}
