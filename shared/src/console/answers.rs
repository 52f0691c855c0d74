//! What agents do in a conversation here: they answer, read and end it.

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

use super::conversations::{Known, find};
use super::cursor::{entry_key, unveil};
use super::messages::{Message, show};
use super::problem::{Answered, Problem, Refusal, empty, json};
use super::{Call, accepted, draft};
use crate::bridge::outbound::Journalled;
use crate::bridge::snippet;
use crate::channel::DeskSettings;
use crate::journal::Lane;
use crate::message::{CustomerId, MessageId};
use crate::moment::Moment;
use crate::reason::Reason;
use crate::store::Snippet;

/// WeChat shows that an agent types to customers who did something so short a time ago.
const INTERACTION: Duration = Duration::from_secs(30);
/// How far ahead of ours a caller's clock may be.
const AHEAD: Duration = Duration::from_mins(5);

/// `POST /api/conversations/{customer_id}/messages`.
pub(super) async fn say(call: &Call<'_>, customer: &CustomerId) -> Answered {
    #[derive(Serialize)]
    struct Accepted {
        entries: Vec<Message>,
    }
    let bridge = call.bridge;
    let mut fields = call.fields()?;
    let id = fields.parsed(
        "id",
        MessageId::parse,
        "应为 1 到 128 个可见 ASCII 字符",
        "it is 1 to 128 printable ASCII characters",
    );
    let now = bridge.now();
    let time = fields.parsed(
        "time",
        |text| Moment::parse(text).filter(|time| time.since(now) <= AHEAD),
        "应为 RFC 3339 时间，且不超前 5 分钟",
        "it is RFC 3339 and not more than five minutes ahead",
    );
    let written = draft::read(&mut fields)?;
    fields.done()?;
    let (Some(id), Some(time)) = (id, time) else {
        return Err(Problem::fields(Vec::new()).into());
    };
    let known = find(bridge, customer).await?;
    of_the_inbox(&known)?;
    let customer = &known.conversation.customer;
    let saying = written.said(call, customer, &known.channel).await?;
    let said = bridge
        .say((&known.at, customer), &known.channel, &id, time, saying)
        .await?
        .map_err(|reason| match reason {
            Reason::IdUsed => Problem::conflict(reason.code(), reason.zh(), reason.en()),
            reason => Problem::unsendable(reason),
        })?;
    let entries = as_journalled(call, &known, &said).await?;
    if let Some(first) = said.entries.first() {
        let last = Snippet {
            outbound: true,
            kind: first.body.kind(),
            text: snippet(&first.body),
            time,
        };
        bridge
            .store
            .touch(
                &known.at,
                (&known.channel.id, customer),
                None,
                &last,
                bridge.now(),
            )
            .await?;
        bridge.changed();
    }
    json(StatusCode::ACCEPTED, &Accepted { entries })
}

/// Whether the conversation is one that agents have here.
pub(super) fn of_the_inbox(known: &Known) -> Result<(), Refusal> {
    if known.channel.desk == DeskSettings::Inbox {
        return Ok(());
    }
    Err(Problem::conflict(
        "other_desk",
        "此渠道的客户由其他客服系统接待，不能在这里回复。",
        "The customers of this channel are served at another desk.",
    )
    .into())
}

/// The entries of an answer as they are in the journal: a repeat finds those of
/// the first time, which may have gone on since.
async fn as_journalled(
    call: &Call<'_>,
    known: &Known,
    said: &Journalled,
) -> Result<Vec<Message>, Refusal> {
    if said.new {
        let own = said.entries.iter();
        return Ok(own.map(|entry| show(call.lang, entry, None)).collect());
    }
    let mut entries = Vec::new();
    let (mut number, mut parts) = (1, 1);
    while let Some(ours) = said.entries.first().filter(|_| number <= parts) {
        let key = ours.key.with_part(number);
        // It may have been erased since.
        let stored = call.bridge.store.entry(&known.at, &key).await?;
        let stored = stored.ok_or_else(Problem::missing)?;
        // It may have been split otherwise than it would be now.
        parts = stored.answer.as_ref().map_or(1, |answer| answer.parts);
        entries.push(show(call.lang, &stored, None));
        number += 1;
    }
    Ok(entries)
}

/// `POST /api/conversations/{customer_id}/typing`.
pub(super) async fn typing(call: &Call<'_>, customer: &CustomerId) -> Answered {
    let mut fields = call.fields()?;
    let on = fields.flag("on");
    fields.done()?;
    let known = find(call.bridge, customer).await?;
    of_the_inbox(&known)?;
    // WeChat refuses it for who did nothing of late, and counts the call.
    let idle = call.bridge.now().since(known.conversation.active);
    if on && idle > INTERACTION {
        return accepted();
    }
    call.bridge.typing(&known.channel, &known.at, on).await?;
    accepted()
}

/// `POST /api/conversations/{customer_id}/read`.
pub(super) async fn read(call: &Call<'_>, customer: &CustomerId) -> Answered {
    let bridge = call.bridge;
    let mut fields = call.fields()?;
    let up_to = fields.parsed(
        "up_to",
        |text| {
            let key = entry_key(&unveil(text)?)?;
            (key.lane() == Lane::In).then_some(key)
        },
        "应为客户消息的 id",
        "it is the id of a message of the customer",
    );
    fields.done()?;
    let Some(up_to) = up_to else {
        return Err(Problem::fields(Vec::new()).into());
    };
    let known = find(bridge, customer).await?;
    // Nobody has read what has not come.
    if bridge.store.entry(&known.at, &up_to).await?.is_none() {
        return Err(Problem::missing().into());
    }
    if bridge.store.read_up_to(&known.at, up_to.as_str()).await? {
        bridge.store.stir(&known.at, bridge.now()).await?;
        bridge.changed();
    }
    Ok(empty())
}

/// `POST /api/conversations/{customer_id}/end`.
pub(super) async fn end(call: &Call<'_>, customer: &CustomerId) -> Answered {
    call.fields()?.done()?;
    let known = find(call.bridge, customer).await?;
    let now = call.bridge.now();
    call.bridge
        .end_session((&known.at, customer), &known.channel, now, None)
        .await?;
    accepted()
}
