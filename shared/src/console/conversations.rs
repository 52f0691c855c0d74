//! Conversations as people and programs see them: a list by last activity, and
//! one with its messages.

use futures_util::future::ready;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use http::StatusCode;
use serde::Serialize;

use super::board::{self, Row};
use super::cursor::{self, List};
use super::lang::Lang;
use super::messages::{self, Message};
use super::problem::{Answered, Problem, Refusal, json};
use super::{Call, channels, wrong};
use crate::bridge::{Bridge, Broken, Glance, snippet};
use crate::channel::{Channel, DeskSettings};
use crate::conversation::{Conversation, EraseCause};
use crate::journal::{Class, ConversationKey, EntryKey, Lane};
use crate::lane::Parked;
use crate::lines;
use crate::message::{CustomerId, Kind};
use crate::store::{Look, Snippet};

/// Unread messages are counted up to this: pages show "99+".
const UNREAD_MOST: usize = 99;
/// How many conversations of a list are looked at at once.
const WIDTH: usize = 8;

/// A conversation.
#[derive(Serialize)]
pub(super) struct Talk {
    customer_id: String,
    channel: String,
    state: &'static str,
    unread: usize,
    active: String,
    last_message: Option<LastMessage>,
    window: Option<ShownWindow>,
    leaving: Option<ShownLeaving>,
}

/// The erasure that is to come.
#[derive(Serialize)]
struct ShownLeaving {
    cause: EraseCause,
    due: String,
}

#[derive(Serialize)]
struct LastMessage {
    direction: &'static str,
    kind: Kind,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_zh: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_en: Option<String>,
    time: String,
}

#[derive(Serialize)]
struct ShownWindow {
    until: String,
    left: u8,
}

/// A conversation that somebody named, looked at now.
pub(super) struct Known {
    pub(super) at: ConversationKey,
    pub(super) channel: std::sync::Arc<Channel>,
    pub(super) conversation: Conversation,
    pub(super) last: Option<Snippet>,
}

/// Finds the conversation of a customer; a problem if there is none.
pub(super) async fn find(bridge: &Bridge, customer: &CustomerId) -> Result<Known, Refusal> {
    let missing = || Refusal::from(Problem::missing());
    let (at, channel) = bridge.store.find(customer).await?.ok_or_else(missing)?;
    let channel = channels::there(bridge, &channel).await?;
    let read = bridge.store.conversation(&at).await?;
    // After an erasure the way may outlive the conversation, or lead to a new one.
    match read {
        Some((conversation, last)) if conversation.customer == *customer => Ok(Known {
            at,
            channel,
            conversation,
            last,
        }),
        _ => Err(missing()),
    }
}

/// The lane of answers, if it is parked.
pub(super) fn parked(look: &Look) -> Option<&Parked> {
    look.parked.get(&Lane::Out)
}

/// Describes a conversation after a look at it.
pub(super) async fn describe(
    bridge: &Bridge,
    lang: Lang,
    at: &ConversationKey,
    listed: (&Conversation, Option<&Snippet>),
    glance: &Glance,
) -> Result<Talk, Broken> {
    let (listed, last) = listed;
    // The look is newer than what an index says.
    let conversation = glance.look.conversation.as_ref().unwrap_or(listed);
    Ok(Talk {
        customer_id: conversation.customer.expose().to_owned(),
        channel: conversation.channel.to_string(),
        state: if conversation.session.is_some() {
            "open"
        } else {
            "closed"
        },
        unread: unread(bridge, at, conversation, &glance.look).await?,
        active: conversation.active.to_string(),
        last_message: last_message(lang, &glance.look, last),
        window: glance.window.as_ref().map(|window| ShownWindow {
            until: window.until.to_string(),
            left: window.left,
        }),
        leaving: conversation.leaving.map(|leaving| ShownLeaving {
            cause: leaving.cause,
            due: leaving.due.to_string(),
        }),
    })
}

/// How many messages came since agents last read. Only our own inbox knows
/// what agents read.
async fn unread(
    bridge: &Bridge,
    at: &ConversationKey,
    conversation: &Conversation,
    look: &Look,
) -> Result<usize, Broken> {
    let channel = bridge.channel(&conversation.channel).await?;
    if !channel.is_some_and(|channel| channel.desk == DeskSettings::Inbox) {
        return Ok(0);
    }
    let after = conversation.read_up_to.as_deref();
    let seen = look.entries.keys().next().map(EntryKey::as_str);
    if let (Some(after), Some(seen)) = (after, seen)
        && seen <= after
    {
        let count = look
            .entries
            .keys()
            .filter(|key| key.as_str() > after && key.class() == Some(Class::Message))
            .count();
        return Ok(count.min(UNREAD_MOST));
    }
    Ok(bridge.store.unread(at, after, UNREAD_MOST).await?)
}

/// The last message: as the board has it, or the newest of the customer's
/// where another desk keeps no board.
fn last_message(lang: Lang, look: &Look, last: Option<&Snippet>) -> Option<LastMessage> {
    let newest = look
        .entries
        .values()
        .rev()
        .find(|entry| entry.key.class() == Some(Class::Message));
    let last = match (last, newest) {
        (Some(last), _) => last.clone(),
        (None, Some(entry)) => Snippet {
            outbound: false,
            kind: entry.body.kind(),
            text: snippet(&entry.body),
            time: entry.at,
        },
        (None, None) => return None,
    };
    let line = look
        .entries
        .values()
        .rev()
        .find(|entry| !last.outbound && last.kind != Kind::Text && entry.at == last.time)
        .map(|entry| lines::line(&entry.body));
    Some(LastMessage {
        direction: if last.outbound { "out" } else { "in" },
        kind: last.kind,
        text: line
            .as_ref()
            .map_or(last.text, |line| lang.pick(&line.zh, &line.en).clone()),
        text_zh: line.as_ref().map(|line| line.zh.clone()),
        text_en: line.map(|line| line.en),
        time: last.time.to_string(),
    })
}

/// Describes rows of the board, in their order. One that has just begun and
/// cannot be found by its customer id yet is left out: it is listed as soon as
/// it can.
pub(super) async fn describe_all(
    bridge: &Bridge,
    lang: Lang,
    rows: Vec<Row>,
) -> Result<Vec<Talk>, Broken> {
    let looks: Vec<_> = rows
        .into_iter()
        .map(|row| async move {
            let glance = bridge.glance(&row.at).await?;
            let known = glance.look.conversation.as_ref();
            if !known.unwrap_or(&row.conversation).linked {
                return Ok(None);
            }
            let listed = (&row.conversation, row.last.as_ref());
            let talk = describe(bridge, lang, &row.at, listed, &glance).await?;
            Ok::<_, Broken>(Some(talk))
        })
        .collect();
    stream::iter(looks)
        .buffered(WIDTH)
        .try_filter_map(|talk| ready(Ok(talk)))
        .try_collect()
        .await
}

/// `GET /api/conversations`.
pub(super) async fn list(call: &Call<'_>) -> Answered {
    #[derive(Serialize)]
    struct Listed {
        conversations: Vec<Talk>,
        cursor: Option<String>,
    }
    let with_closed = match call.query("state") {
        Some("open") => false,
        None | Some("all") => true,
        Some(_) => return Err(wrong("state", "应为 open 或 all", "it is open or all")),
    };
    let limit = call.limit()?;
    let before = call.place(List::Conversations)?;
    if before
        .as_deref()
        .is_some_and(|place| !cursor::is_board_place(place))
    {
        return Err(cursor::bad());
    }
    let channels = channels::asked(call).await?;
    let (rows, next) = board::newest(
        call.bridge,
        &channels,
        with_closed,
        before.as_deref(),
        limit,
    )
    .await?;
    let list = Listed {
        conversations: describe_all(call.bridge, call.lang, rows).await?,
        cursor: next.map(|place| List::Conversations.cursor(&place)),
    };
    json(StatusCode::OK, &list)
}

/// `GET /api/conversations/{customer_id}`.
pub(super) async fn get(call: &Call<'_>, customer: &CustomerId) -> Answered {
    #[derive(Serialize)]
    struct One {
        #[serde(flatten)]
        talk: Talk,
        messages: Vec<Message>,
        cursor: Option<String>,
    }
    let limit = call.limit()?;
    let known = find(call.bridge, customer).await?;
    let list = List::Messages(&known.at);
    let before = match call.place(list)? {
        Some(text) => messages::Before::parse(&text).ok_or_else(cursor::bad)?,
        None => messages::Before::default(),
    };
    let glance = call.bridge.glance(&known.at).await?;
    let (page, next) = messages::page(call, &known.at, before, limit, &glance.look).await?;
    let listed = (&known.conversation, known.last.as_ref());
    let talk = describe(call.bridge, call.lang, &known.at, listed, &glance).await?;
    let one = One {
        talk,
        messages: page,
        cursor: next.map(|next| list.cursor(&next.text())),
    };
    json(StatusCode::OK, &one)
}
