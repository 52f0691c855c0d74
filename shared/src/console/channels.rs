//! Channels: connected, changed, removed.
//!
//! Invariant: what is shown holds no secret, only whether there is one.

use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;

use super::change::{self, Set};
use super::cursor::{self, List};
use super::fields::Fields;
use super::problem::{Answered, Problem, Refusal, json};
use super::seen::ShownSeen;
use super::settings::{self, Settings};
use super::{Call, accepted, fallback, wrong};
use crate::bridge::{Bridge, Broken};
use crate::channel::{AgentName, CallbackMode, Channel, DeskSettings, Seen, TokenCall};
use crate::journal::SHARDS;
use crate::message::ChannelId;
use crate::reply::Replies;
use crate::secrets::{ChannelSecrets, SecretError};

/// How often a deletion is tried anew because a change came first.
const ROUNDS: usize = 5;

/// A channel as it is shown: no secret, only whether there is one.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    name: &'a str,
    app_id: &'a str,
    original_id: &'a str,
    suspended: bool,
    callback: ShownCallback,
    app_secret_set: bool,
    api_base: &'a str,
    token_call: TokenCall,
    part_pause_ms: u32,
    retention_days: u32,
    erase_after_days: u32,
    time_zone: &'a str,
    fallback: Option<fallback::Shown<'a>>,
    agent_name: AgentName,
    kf_account: Option<&'a str>,
    replies: &'a Replies,
    desk: ShownDesk<'a>,
    callback_url: String,
    desk_url: Option<String>,
    seen: ShownSeen,
    revision: u64,
}

#[derive(Serialize)]
struct ShownCallback {
    mode: CallbackMode,
    only_wechat_addresses: bool,
    token_set: bool,
    encoding_aes_key_set: bool,
    previous_aes_key_set: bool,
}

#[derive(Serialize)]
struct ShownDesk<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secrets_set: Option<usize>,
    /// Secrets that we made, in the answer to the call that made them.
    #[serde(skip_serializing_if = "Option::is_none")]
    secrets: Option<[&'a str; 1]>,
}

fn show<'a>(
    call: &Call<'_>,
    channel: &'a Channel,
    secrets: Option<&ChannelSecrets>,
    made: Option<&'a str>,
    seen: &Seen,
) -> Shown<'a> {
    let outside = call.outside();
    let webhook = match &channel.desk {
        DeskSettings::Inbox => None,
        DeskSettings::Webhook { url } => Some(url.as_str()),
    };
    Shown {
        id: channel.id.as_str(),
        name: &channel.name,
        app_id: &channel.app_id,
        original_id: &channel.original_id,
        suspended: channel.suspended,
        callback: ShownCallback {
            mode: channel.mode,
            only_wechat_addresses: channel.only_wechat_addresses,
            token_set: secrets.is_some_and(|secrets| !secrets.token.is_empty()),
            encoding_aes_key_set: secrets.is_some_and(|secrets| secrets.aes_key.is_some()),
            previous_aes_key_set: secrets.is_some_and(|secrets| secrets.previous_aes_key.is_some()),
        },
        app_secret_set: secrets.is_some_and(|secrets| secrets.app_secret.is_some()),
        api_base: &channel.api_base,
        token_call: channel.token_call,
        part_pause_ms: channel.part_pause_ms,
        retention_days: channel.retention_days,
        erase_after_days: channel.erase_after_days,
        time_zone: &channel.time_zone,
        agent_name: channel.agent_name,
        kf_account: channel.kf_account.as_deref(),
        replies: &channel.replies,
        fallback: channel.fallback.as_ref().map(fallback::Shown::from),
        desk: ShownDesk {
            kind: channel.desk.kind(),
            url: webhook,
            secrets_set: webhook.map(|_| secrets.map_or(0, |secrets| secrets.desk.len())),
            secrets: made.map(|made| [made]),
        },
        callback_url: format!("{outside}/wechat/{}", channel.id),
        desk_url: webhook.map(|_| format!("{outside}/desk/{}", channel.id)),
        seen: seen.into(),
        revision: channel.revision,
    }
}

/// The channel of this id, unless it is being deleted; a problem if there is none.
pub(super) async fn there(bridge: &Bridge, id: &ChannelId) -> Result<Arc<Channel>, Refusal> {
    let channel = bridge.channel(id).await?;
    let channel = channel.filter(|channel| !channel.deleted);
    channel.ok_or_else(|| Problem::missing().into())
}

/// The channels that a list is about: the one that is named, or all.
pub(super) async fn asked(call: &Call<'_>) -> Result<Vec<ChannelId>, Refusal> {
    let Some(name) = call.query("channel") else {
        let all = call.bridge.living_channels().await?;
        return Ok(all.iter().map(|channel| channel.id.clone()).collect());
    };
    let id = ChannelId::parse(name).ok_or_else(Problem::missing)?;
    there(call.bridge, &id).await?;
    Ok(vec![id])
}

/// `GET /api/channels`: by id.
pub(super) async fn list(call: &Call<'_>) -> Answered {
    #[derive(Serialize)]
    struct Listed<'a> {
        channels: Vec<Shown<'a>>,
        cursor: Option<String>,
    }
    let limit = call.limit()?;
    let behind = match call.place(List::Channels)? {
        Some(text) => Some(ChannelId::parse(&text).ok_or_else(cursor::bad)?),
        None => None,
    };
    let mut all = call.bridge.living_channels().await?;
    all.sort_by(|one, other| one.id.cmp(&other.id));
    all.retain(|channel| behind.as_ref().is_none_or(|behind| channel.id > *behind));
    let more = all.len() > limit;
    all.truncate(limit);
    let mut channels = Vec::new();
    for channel in &all {
        let secrets = readable(call.bridge.secrets_of(channel).await)?;
        let seen = call.bridge.seen(&channel.id).await?;
        channels.push(show(call, channel, secrets.as_deref(), None, &seen));
    }
    let end = all.last().filter(|_| more);
    let list = Listed {
        channels,
        cursor: end.map(|channel| List::Channels.cursor(channel.id.as_str())),
    };
    json(StatusCode::OK, &list)
}

/// What is kept secret of a channel, or nothing if nobody can read it: that must hide
/// neither the channel nor the others. Its check says what is wrong.
fn readable<T>(read: Result<Option<T>, Broken>) -> Result<Option<T>, Broken> {
    match read {
        Err(Broken::Secret(SecretError::Unreadable(_))) => Ok(None),
        read => read,
    }
}

/// `GET /api/channels/{id}`: read anew, not from memory.
pub(super) async fn get(call: &Call<'_>, id: &ChannelId) -> Answered {
    let channel = call.bridge.store.channel(id).await?;
    let channel = channel.filter(|channel| !channel.deleted);
    let channel = channel.ok_or_else(Problem::missing)?;
    let kept = readable(call.bridge.secrets.kept(id).await.map_err(Broken::from))?;
    let secrets = kept
        .as_ref()
        .and_then(|(_, kept)| kept.of(channel.revision));
    let secrets = secrets.map(|secrets| &**secrets);
    let seen = call.bridge.seen(id).await?;
    json(StatusCode::OK, &show(call, &channel, secrets, None, &seen))
}

/// `PUT /api/channels/{id}`.
pub(super) async fn put(call: &Call<'_>, id: &ChannelId) -> Answered {
    let _one_at_a_time = call.console.changing.lock().await;
    let mut fields = call.fields()?;
    fields.or("retention_days", call.console.retention_days);
    let set = set(call.bridge, id, &fields).await?;
    let status = if set.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let Settings {
        channel,
        secrets,
        made,
    } = &set.settings;
    let seen = call.bridge.seen(id).await?;
    let shown = show(call, channel, Some(secrets), made.as_deref(), &seen);
    json(status, &shown)
}

/// Creates or changes a channel by the fields of a body.
pub(super) async fn set(bridge: &Bridge, id: &ChannelId, fields: &Fields) -> Result<Set, Refusal> {
    let allowed = bridge.http.allowed();
    let random = bridge.chance.bytes();
    let read = |stored: Option<&ChannelSecrets>| {
        settings::read(fields.clone(), id, stored, allowed, random)
    };
    let set = change::set(bridge, id, read).await?;
    tracing::info!(channel = %id, created = set.created, "a channel was set");
    Ok(set)
}

/// `DELETE /api/channels/{id}`: what is left goes with the next sweep.
pub(super) async fn delete(call: &Call<'_>, id: &ChannelId) -> Answered {
    let bridge = call.bridge;
    let force = match call.query("force") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(wrong("force", "应为 true 或 false", "it is true or false")),
    };
    let _one_at_a_time = call.console.changing.lock().await;
    for _ in 0..ROUNDS {
        let known = bridge.store.channel(id).await?;
        let known = known.ok_or_else(Problem::missing)?;
        if !known.deleted {
            if !force && has_open_sessions(bridge, id).await? {
                return Err(Problem::conflict(
                    "sessions_open",
                    "仍有进行中的会话：请先结束会话，或使用 ?force=true。",
                    "Sessions are open: end them first, or say ?force=true.",
                )
                .into());
            }
            let retired = Channel {
                deleted: true,
                revision: known.revision.saturating_add(1),
                ..known
            };
            if !bridge.store.retire_channel(&retired, bridge.now()).await? {
                continue;
            }
        }
        bridge.forget(id);
        bridge.secrets.remove_channel(id).await?;
        bridge.forget(id);
        bridge.changed();
        tracing::info!(channel = %id, "a channel is being deleted");
        return accepted();
    }
    Err(change::busy())
}

async fn has_open_sessions(bridge: &Bridge, id: &ChannelId) -> Result<bool, Refusal> {
    for shard in 0..SHARDS {
        let page = bridge.store.board(id, true, shard, None, None, 1).await?;
        if !page.rows.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
