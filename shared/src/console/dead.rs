//! Dead entries: what did not arrive and will not by itself, and a person's
//! second try.

use http::StatusCode;
use serde::Serialize;

use super::cursor::{self, List, veil};
use super::messages::Why;
use super::problem::{Answered, Problem, Refusal, json};
use super::{Call, channels};
use crate::journal::{ConversationKey, Entry, EntryKey, Lane, State};
use crate::message::{ChannelId, Kind};
use crate::moment::Moment;
use crate::reason::Reason;
use crate::store::{DeadEntry, DeadPlace, Park};

/// How often a lane is parked or raised anew because others were there too.
const ROUNDS: usize = 8;
/// How many entries one call redrives at the most, about.
const AT_ONCE: usize = 100;
/// How many dead entries one call looks at, about.
const READ_AT_ONCE: usize = 1_000;
/// How many it reads at a time.
const PAGE: i32 = 100;

#[derive(Serialize)]
struct Shown {
    id: String,
    channel: String,
    customer_id: Option<String>,
    direction: &'static str,
    kind: Kind,
    reason: Option<Why>,
    time: String,
}

/// Where a page of dead entries ends: in which channel, and behind which of its
/// entries if it has shown any.
struct Place {
    channel: ChannelId,
    behind: Option<DeadPlace>,
}

impl Place {
    fn text(&self) -> String {
        let behind = self.behind.as_ref().map(DeadPlace::to_string);
        format!("{}|{}", self.channel, behind.unwrap_or_default())
    }

    fn parse(text: &str) -> Option<Self> {
        let (channel, behind) = text.split_once('|')?;
        let behind = match behind {
            "" => None,
            behind => {
                let place = DeadPlace::parse(behind)?;
                cursor::conversation_key(place.at.as_str())?;
                cursor::entry_key(place.key.as_str())?;
                Some(place)
            }
        };
        let channel = ChannelId::parse(channel)?;
        Some(Self { channel, behind })
    }
}

/// `GET /api/dead`: the channels one after another, latest first in each.
pub(super) async fn list(call: &Call<'_>) -> Answered {
    #[derive(Serialize)]
    struct Listed {
        dead: Vec<Shown>,
        cursor: Option<String>,
    }
    let limit = call.limit()?;
    let mut from = match call.place(List::Dead)? {
        Some(text) => Some(Place::parse(&text).ok_or_else(cursor::bad)?),
        None => None,
    };
    let mut channels = channels::asked(call).await?;
    // The cursor of another channel's list is none of this one's.
    if let (Some(from), Some(_), [only]) = (&from, call.query("channel"), channels.as_slice())
        && from.channel != *only
    {
        return Err(cursor::bad());
    }
    channels.sort();
    let mut dead = Vec::new();
    let mut next = None;
    for channel in channels {
        if from.as_ref().is_some_and(|from| channel < from.channel) {
            continue;
        }
        // The channel of the cursor may have been deleted since.
        let behind = from.take().filter(|from| from.channel == channel);
        let mut behind = behind.and_then(|from| from.behind);
        loop {
            let room = limit.saturating_sub(dead.len());
            if room == 0 {
                next = Some(Place {
                    channel: channel.clone(),
                    behind,
                });
                break;
            }
            let most = i32::try_from(room).unwrap_or(100);
            let store = &call.bridge.store;
            let page = store.dead(&channel, most, behind.as_ref()).await?;
            for row in page.rows {
                dead.extend(show(call, row).await?);
            }
            behind = page.next;
            if behind.is_none() {
                break;
            }
        }
        if next.is_some() {
            break;
        }
    }
    let list = Listed {
        dead,
        cursor: next.map(|next| List::Dead.cursor(&next.text())),
    };
    json(StatusCode::OK, &list)
}

/// Shows a dead entry; `None` if it has been redriven since the index was read.
async fn show(
    call: &Call<'_>,
    DeadEntry { at, entry }: DeadEntry,
) -> Result<Option<Shown>, Refusal> {
    if entry.state != State::Dead {
        return Ok(None);
    }
    let conversation = call.bridge.store.conversation(&at).await?;
    Ok(Some(Shown {
        id: veil(&format!("{at}|{}", entry.key)),
        channel: entry.origin.channel.to_string(),
        customer_id: conversation.map(|(known, _)| known.customer.expose().to_owned()),
        direction: match entry.key.lane() {
            Lane::In => "in",
            Lane::Out => "out",
        },
        kind: entry.body.kind(),
        reason: entry.reason.map(Why::from),
        time: entry.key.said().to_string(),
    }))
}

/// `POST /api/dead/redrive`: everything of a channel that died of one reason,
/// the earliest first, as much as one call may take on.
pub(super) async fn redrive_all(call: &Call<'_>) -> Answered {
    #[derive(Serialize)]
    struct Redriven {
        redriven: usize,
        /// Where to go on; null if that was all.
        cursor: Option<String>,
    }
    let mut fields = call.fields()?;
    let channel = fields.parsed(
        "channel",
        ChannelId::parse,
        "应为渠道 ID",
        "it is a channel's id",
    );
    let reason = fields.parsed(
        "reason",
        Reason::parse,
        "应为原因代码",
        "it is the code of a reason",
    );
    let cursor = fields.maybe_text("cursor");
    fields.done()?;
    let (Some(channel), Some(reason)) = (channel, reason) else {
        return Err(Problem::missing().into());
    };
    let place = cursor.map(|cursor| List::Dead.place(&cursor)).transpose()?;
    let from = match place.map(|text| Place::parse(&text).ok_or_else(cursor::bad)) {
        Some(from) => Some(from?).filter(|from| from.channel == channel),
        None => None,
    };
    channels::there(call.bridge, &channel).await?;
    let mut found = Vec::new();
    let (mut behind, mut read) = (from.and_then(|from| from.behind), 0);
    loop {
        let page = call
            .bridge
            .store
            .dead(&channel, PAGE, behind.as_ref())
            .await?;
        read += page.rows.len();
        found.extend(
            page.rows
                .into_iter()
                .filter(|dead| dead.entry.reason == Some(reason)),
        );
        behind = page.next;
        if behind.is_none() || found.len() >= AT_ONCE || read >= READ_AT_ONCE {
            break;
        }
    }
    let place = |behind| Place {
        channel: channel.clone(),
        behind: Some(behind),
    };
    let cursor = behind.map(|behind| List::Dead.cursor(&place(behind).text()));
    // The list has the latest first: what was said first goes first.
    found.sort_by(|one, other| (&one.at, &one.entry.key).cmp(&(&other.at, &other.entry.key)));
    let mut redriven = 0;
    for dead in found {
        match again(call, &dead.at, &dead.entry).await {
            Ok(count) => redriven += count,
            // Redriven by somebody else meanwhile, or with the part before it.
            Err(Refusal::Problem(_)) => {}
            Err(broken) => return Err(broken),
        }
    }
    json(StatusCode::ACCEPTED, &Redriven { redriven, cursor })
}

/// `POST /api/dead/{id}/redrive`: once more, outside the order.
pub(super) async fn redrive(call: &Call<'_>, id: &str) -> Answered {
    #[derive(Serialize)]
    struct Redriven {
        redriven: usize,
    }
    let bridge = call.bridge;
    let place = id
        .split_once('|')
        .and_then(|(at, key)| Some((cursor::conversation_key(at)?, cursor::entry_key(key)?)));
    let (at, key) = place.ok_or_else(Problem::missing)?;
    let entry = bridge.store.entry(&at, &key).await?;
    let entry = entry.ok_or_else(Problem::missing)?;
    if entry.state != State::Dead {
        return Err(not_dead());
    }
    let redriven = again(call, &at, &entry).await?;
    json(StatusCode::ACCEPTED, &Redriven { redriven })
}

/// Makes an entry wait again, with what belongs to it; says how many did.
async fn again(call: &Call<'_>, at: &ConversationKey, entry: &Entry) -> Result<usize, Refusal> {
    let bridge = call.bridge;
    let keys = together(call, at, entry).await?;
    let now = bridge.now();
    if !bridge.store.redrive(at, &keys, now).await? {
        return Err(not_dead());
    }
    let channel = &entry.origin.channel;
    tracing::info!(%channel, entries = keys.len(), "dead entries are tried once more");
    wake(call, at, channel, &entry.key, now).await?;
    bridge.ring(at, &entry.key);
    Ok(keys.len())
}

/// What is redriven with an entry: the dead parts of the same answer behind it.
async fn together(
    call: &Call<'_>,
    at: &ConversationKey,
    entry: &Entry,
) -> Result<Vec<EntryKey>, Refusal> {
    let store = &call.bridge.store;
    let mut keys = vec![entry.key.clone()];
    let Some(answer) = &entry.answer else {
        return Ok(keys);
    };
    let part = entry.key.part();
    if part > 1 {
        let before = store.entry(at, &entry.key.with_part(part - 1)).await?;
        if before.is_none_or(|before| before.state != State::Delivered) {
            return Err(Problem::conflict(
                "earlier_part_failed",
                "前一部分未送达：请从第一个未送达的部分开始重发。",
                "An earlier part did not arrive: begin with the first that did not.",
            )
            .into());
        }
    }
    for later in part.saturating_add(1)..=answer.parts {
        let key = entry.key.with_part(later);
        let dead = store.entry(at, &key).await?;
        if dead.is_some_and(|entry| entry.state == State::Dead) {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// Makes the lane due now, parked before or not. Should this fail, the walk
/// finds what waits.
async fn wake(
    call: &Call<'_>,
    at: &ConversationKey,
    channel: &ChannelId,
    key: &EntryKey,
    now: Moment,
) -> Result<(), Refusal> {
    let store = &call.bridge.store;
    let nonce = call.bridge.chance.nonce();
    let park = Park {
        channel,
        due: now,
        attempts: 0,
        from: key,
        reason: Reason::OutOfTime,
        by: &nonce,
    };
    for _ in 0..ROUNDS {
        if store.park(at, key.lane(), &park).await?
            || store.raise(at, key.lane(), Some(key), Some(now)).await?
        {
            return Ok(());
        }
    }
    Ok(())
}

fn not_dead() -> Refusal {
    Problem::conflict(
        "not_dead",
        "该消息已不在失败列表中：请刷新。",
        "This entry is not dead any more: reload.",
    )
    .into()
}
