//! The messages of a conversation: both lanes merged by time.

use std::time::Duration;

use serde::Serialize;
use url::Url;

use super::Call;
use super::conversations::parked;
use super::cursor::{entry_key, veil};
use super::lang::Lang;
use crate::bridge::Broken;
use crate::faces;
use crate::journal::{Class, ConversationKey, Entry, EntryKey, Lane, State};
use crate::lane::{Parked, is_call};
use crate::lines::{self, Line};
use crate::media::Shown;
use crate::message::{Body, Data, Kind};
use crate::moment::Moment;
use crate::reason::Reason;
use crate::reply::Reply;
use crate::store::Look;

/// One entry as it is shown.
#[derive(Serialize)]
pub(super) struct Message {
    id: String,
    direction: &'static str,
    kind: Kind,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_zh: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_en: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<Shown<Why>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    automatic: bool,
    time: String,
    state: &'static str,
    reason: Option<Why>,
    #[serde(rename = "message_id", skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<u8>,
}

/// A reason in both languages.
#[derive(Serialize)]
pub(super) struct Why {
    code: &'static str,
    zh: &'static str,
    en: &'static str,
}

impl From<Reason> for Why {
    fn from(reason: Reason) -> Self {
        Self {
            code: reason.code(),
            zh: reason.zh(),
            en: reason.en(),
        }
    }
}

/// When an entry was said, as it is shown. WeChat tells whole seconds; within one
/// what we took later was said later, or a customer's thanks would stand above
/// the answer that they are for.
fn said(entry: &Entry) -> Moment {
    let said = entry.key.said();
    match entry.key.lane() {
        Lane::In => entry.at.clamp(said, said.plus(Duration::from_millis(999))),
        Lane::Out => said,
    }
}

/// Shows an entry. `parked` is the lane of answers, if it is parked: what
/// waits there waits for the same reason.
pub(super) fn show(lang: Lang, entry: &Entry, parked: Option<&Parked>) -> Message {
    let outbound = entry.key.lane() == Lane::Out;
    let waits = outbound && entry.state == State::Pending;
    let parked = parked.filter(|_| waits).map(|parked| parked.reason);
    let state = match parked {
        Some(reason) if reason.holds() => "held",
        _ => entry.state.word(),
    };
    let told = parked.filter(|why| !matches!(why, Reason::InFlight | Reason::OutOfTime));
    let line = match &entry.body {
        Body::Text { .. } => None,
        other => Some(whole(other)),
    };
    let text = match (&line, &entry.body) {
        (Some(line), _) => lang.pick(&line.zh, &line.en).clone(),
        (None, Body::Text { text, .. }) if outbound => text.clone(),
        (None, Body::Text { text, .. }) => faces::shown(text).into_owned(),
        (None, _) => String::new(),
    };
    Message {
        id: veil(entry.key.as_str()),
        direction: if outbound { "out" } else { "in" },
        kind: entry.body.kind(),
        text,
        text_zh: line.as_ref().map(|line| line.zh.clone()),
        text_en: line.map(|line| line.en),
        data: entry.body.data(),
        media: None,
        automatic: is_call(entry),
        time: said(entry).to_string(),
        state,
        reason: told.or(entry.reason).map(Why::from),
        answer: entry.answer.as_ref().map(|a| a.message.as_str().to_owned()),
        part: outbound.then(|| entry.key.part()),
        parts: entry.answer.as_ref().map(|answer| answer.parts),
    }
}

/// The line of a message with where more is to be seen.
fn whole(body: &Body) -> Line {
    let line = lines::line(body);
    match lines::link(body) {
        Some(more) => Line {
            zh: format!("{} {more}", line.zh),
            en: format!("{} {more}", line.en),
        },
        None => line,
    }
}

/// Shows what was said in the answer to a push: a message of ours right behind it. One
/// that was an agent's answer is shown as that.
pub(super) fn show_reply(lang: Lang, entry: &Entry) -> Option<Message> {
    let replied = entry.reply.as_ref()?;
    if replied.answer.is_some() {
        return None;
    }
    let text = matches!(replied.reply, Reply::Text { .. });
    let line = replied.reply.line();
    Some(Message {
        id: veil(&format!("{} reply", entry.key)),
        direction: "out",
        kind: replied.reply.kind(),
        text: lang.pick(&line.zh, &line.en).clone(),
        text_zh: (!text).then_some(line.zh),
        text_en: (!text).then_some(line.en),
        data: None,
        media: None,
        automatic: true,
        time: said(entry).to_string(),
        state: "delivered",
        reason: None,
        answer: None,
        part: None,
        parts: None,
    })
}

/// Where a page of messages ends: what is older of each lane comes next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Before {
    inbound: Option<EntryKey>,
    outbound: Option<EntryKey>,
}

impl Before {
    /// As text, for a cursor.
    pub(super) fn text(&self) -> String {
        let text = |key: &Option<EntryKey>| key.as_ref().map_or("", EntryKey::as_str).to_owned();
        format!("{}|{}", text(&self.inbound), text(&self.outbound))
    }

    /// Reads what [`Self::text`] wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (inbound, outbound) = text.split_once('|')?;
        let key = |text: &str, lane| match text {
            "" => Some(None),
            text => entry_key(text).filter(|key| key.lane() == lane).map(Some),
        };
        Some(Self {
            inbound: key(inbound, Lane::In)?,
            outbound: key(outbound, Lane::Out)?,
        })
    }
}

/// The newest entries before a place and the replies that they got, oldest first, and where the next page
/// begins, if there is one.
pub(super) async fn page(
    call: &Call<'_>,
    at: &ConversationKey,
    before: Before,
    limit: usize,
    look: &Look,
) -> Result<(Vec<Message>, Option<Before>), Broken> {
    let parked = parked(look);
    let newest = |lane, before| history(call, (at, look), lane, before, limit);
    let inbound = newest(Lane::In, before.inbound.as_ref()).await?;
    let outbound = newest(Lane::Out, before.outbound.as_ref()).await?;
    let base = Url::parse(&call.outside()).ok();
    let mut inbound = inbound.into_iter().peekable();
    let mut outbound = outbound.into_iter().peekable();
    let mut next = before;
    let mut messages = Vec::new();
    let mut entries = 0;
    while entries < limit {
        let later = match (inbound.peek(), outbound.peek()) {
            (Some(one), Some(other)) => said(one) > said(other),
            (one, _) => one.is_some(),
        };
        let entry = if later {
            inbound.next()
        } else {
            outbound.next()
        };
        let Some(entry) = entry else { break };
        // It was said behind the push.
        messages.extend(show_reply(call.lang, &entry));
        let attachment = entry.attachment.as_ref();
        let told = call.bridge.told_now(attachment, base.as_ref()).await?;
        let media = told.map(|told| told.shown(Why::from));
        let shown = show(call.lang, &entry, parked);
        let data = match call.bridge.asked(at, &entry.body).await? {
            Some(asked) => entry.body.data_answering(Some(&asked)),
            None => shown.data,
        };
        messages.push(Message {
            data,
            media,
            ..shown
        });
        entries += 1;
        match entry.key.lane() {
            Lane::In => next.inbound = Some(entry.key),
            Lane::Out => next.outbound = Some(entry.key),
        }
    }
    messages.reverse();
    let more = inbound.peek().is_some() || outbound.peek().is_some();
    Ok((messages, more.then_some(next)))
}

/// The newest shown entries of a lane, newest first: one more than `limit`, if
/// there are so many.
async fn history(
    call: &Call<'_>,
    (at, look): (&ConversationKey, &Look),
    lane: Lane,
    before: Option<&EntryKey>,
    limit: usize,
) -> Result<Vec<Entry>, Broken> {
    let now = call.bridge.now();
    let most = i32::try_from(limit).unwrap_or(100).saturating_add(1);
    let mut before = before.cloned();
    let mut shown = Vec::new();
    loop {
        let (entries, more) = call
            .bridge
            .store
            .history(at, lane, before.as_ref(), most, now)
            .await?;
        // Where a whole page has expired, what is older has expired too.
        let last = entries.last().map(|entry| entry.key.clone());
        shown.extend(
            entries
                .into_iter()
                .filter(|entry| entry.key.class() != Some(Class::Receipt) && look.keeps(entry)),
        );
        if shown.len() > limit || !more || last.is_none() {
            return Ok(shown);
        }
        before = last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Origin;
    use crate::message::{ChannelId, MessageId};

    fn entry(key: EntryKey, at: i64) -> Entry {
        let origin = Origin {
            channel: ChannelId::parse("shop-a").unwrap(),
            open_id: None,
        };
        Entry::pending(key, Moment::from_millis(at), Body::text("hi"), origin)
    }

    #[test]
    fn within_a_second_later_is_what_came_later() {
        let check = |at: i64, expected: i64| {
            let heard = entry(EntryKey::message(5, "7"), at);
            assert_eq!(said(&heard).millis(), expected);
        };
        check(5_600, 5_600);
        check(9_000, 5_999);
        check(4_000, 5_000);
        let answer = EntryKey::outbound(
            Moment::from_millis(5_300),
            &MessageId::parse("a").unwrap(),
            1,
        );
        assert_eq!(said(&entry(answer, 9_000)).millis(), 5_300);
    }
}
