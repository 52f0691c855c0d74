//! `GET /api/parked`: lanes that wait, the one that is looked at next first.

use http::StatusCode;
use serde::Serialize;

use super::cursor::{self, List};
use super::messages::Why;
use super::problem::{Answered, Refusal, json};
use super::{Call, channels};
use crate::journal::Lane;
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::reason::Reason;
use crate::store::ParkedLane;

/// How many lanes of a channel are looked at.
const MOST: usize = 10_000;

#[derive(Serialize)]
struct Shown {
    channel: String,
    customer_id: Option<String>,
    direction: &'static str,
    reason: Why,
    /// When it is looked at again; null if that is as soon as there is time, or
    /// as its channel or desk is there again.
    next_try: Option<String>,
    /// Since when the first of them waits.
    since: Option<String>,
    /// How many entries wait.
    waiting: usize,
}

/// Where a page ends: behind this lane.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    due: Moment,
    at: String,
    lane: Lane,
}

impl Place {
    fn of(lane: &ParkedLane) -> Self {
        Self {
            due: lane.due,
            at: lane.at.as_str().to_owned(),
            lane: lane.lane,
        }
    }

    fn text(&self) -> String {
        format!("{}|{}|{}", self.due.millis(), self.lane.row(), self.at)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut pieces = text.splitn(3, '|');
        Some(Self {
            due: cursor::moment(pieces.next()?)?,
            lane: Lane::of_row(pieces.next()?)?,
            at: cursor::conversation_key(pieces.next()?)?
                .as_str()
                .to_owned(),
        })
    }
}

/// Answers the call.
pub(super) async fn list(call: &Call<'_>) -> Answered {
    #[derive(Serialize)]
    struct Listed {
        parked: Vec<Shown>,
        cursor: Option<String>,
    }
    let limit = call.limit()?;
    let behind = match call.place(List::Parked)? {
        Some(text) => Some(Place::parse(&text).ok_or_else(cursor::bad)?),
        None => None,
    };
    let mut all = Vec::new();
    for channel in channels::asked(call).await? {
        let lanes = call.bridge.store.parked(&channel, MOST).await?;
        all.extend(
            lanes
                .into_iter()
                .map(|lane| (Place::of(&lane), channel.clone(), lane)),
        );
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all.retain(|(place, ..)| behind.as_ref().is_none_or(|behind| place > behind));
    let more = all.len() > limit;
    all.truncate(limit);
    let end = all.last().filter(|_| more);
    let cursor = end.map(|(place, ..)| List::Parked.cursor(&place.text()));
    let mut parked = Vec::new();
    for (_, channel, lane) in &all {
        parked.push(show(call, channel, lane).await?);
    }
    json(StatusCode::OK, &Listed { parked, cursor })
}

async fn show(call: &Call<'_>, channel: &ChannelId, lane: &ParkedLane) -> Result<Shown, Refusal> {
    let store = &call.bridge.store;
    let known = store.conversation(&lane.at).await?;
    let (waiting, since) = match &lane.from {
        Some(from) => store.count_waiting(&lane.at, from).await?,
        None => (0, None),
    };
    Ok(Shown {
        channel: channel.to_string(),
        customer_id: known.map(|(known, _)| known.customer.expose().to_owned()),
        direction: match lane.lane {
            Lane::In => "in",
            Lane::Out => "out",
        },
        reason: lane.reason.unwrap_or(Reason::Internal).into(),
        next_try: (lane.due > call.bridge.now()).then(|| lane.due.to_string()),
        since: since.map(|since| since.to_string()),
        waiting,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::ConversationKey;

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is() {
        let at = ConversationKey::of_channel(&ChannelId::parse("demo").unwrap());
        for lane in [Lane::In, Lane::Out] {
            let place = Place {
                due: Moment::from_seconds(1_795_335_330),
                at: at.as_str().to_owned(),
                lane,
            };
            assert_eq!(Place::parse(&place.text()), Some(place));
        }
        for wrong in ["", "1|J#in", "x|J#in|A#demo", "1|J|A#demo", "1|J#in|demo"] {
            assert_eq!(Place::parse(wrong), None, "{wrong}");
        }
    }
}
