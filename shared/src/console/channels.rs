//! Channels: connected, changed, removed.
//!
//! Invariant: the row in `control` decides, the secret follows. Whoever created
//! or changed the row writes the secret after it, so that nobody overwrites the
//! secret of a channel that is another's. A crash between the two is healed by
//! the same call once more.

use http::StatusCode;
use serde::Serialize;

use super::problem::{Answered, Problem, Refusal, json};
use super::settings::{self, Settings};
use super::{Call, accepted};
use crate::bridge::Bridge;
use crate::channel::{CallbackMode, Channel, DeskSettings, TokenCall};
use crate::journal::SHARDS;
use crate::message::ChannelId;
use crate::secrets::ChannelSecrets;
use crate::store::control::Created;

/// How often a change is tried anew because another came first.
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
    desk: ShownDesk<'a>,
    callback_url: String,
    desk_url: Option<String>,
    revision: u64,
}

#[derive(Serialize)]
struct ShownCallback {
    mode: CallbackMode,
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
            token_set: secrets.is_some_and(|secrets| !secrets.token.is_empty()),
            encoding_aes_key_set: secrets.is_some_and(|secrets| secrets.aes_key.is_some()),
            previous_aes_key_set: secrets.is_some_and(|secrets| secrets.previous_aes_key.is_some()),
        },
        app_secret_set: secrets.is_some_and(|secrets| secrets.app_secret.is_some()),
        api_base: &channel.api_base,
        token_call: channel.token_call,
        part_pause_ms: channel.part_pause_ms,
        retention_days: channel.retention_days,
        desk: ShownDesk {
            kind: channel.desk.kind(),
            url: webhook,
            secrets_set: webhook.map(|_| secrets.map_or(0, |secrets| secrets.desk.len())),
            secrets: made.map(|made| [made]),
        },
        callback_url: format!("{outside}/wechat/{}", channel.id),
        desk_url: webhook.map(|_| format!("{outside}/desk/{}", channel.id)),
        revision: channel.revision,
    }
}

/// The channels that are there, those being deleted left out.
pub(super) async fn all(bridge: &Bridge) -> Result<Vec<std::sync::Arc<Channel>>, Refusal> {
    let mut all = Vec::new();
    for id in bridge.store.channel_ids().await? {
        let channel = bridge.channel(&id).await?;
        all.extend(channel.filter(|channel| !channel.deleted));
    }
    Ok(all)
}

/// The channels that a list is about: the one that is named, or all.
pub(super) async fn asked(call: &Call<'_>) -> Result<Vec<ChannelId>, Refusal> {
    let Some(name) = call.query("channel") else {
        let all = all(call.bridge).await?;
        return Ok(all.iter().map(|channel| channel.id.clone()).collect());
    };
    let id = ChannelId::parse(name).ok_or_else(Problem::missing)?;
    let channel = call.bridge.channel(&id).await?;
    match channel.filter(|channel| !channel.deleted) {
        Some(_) => Ok(vec![id]),
        None => Err(Problem::missing().into()),
    }
}

/// `GET /api/channels`.
pub(super) async fn list(call: &Call<'_>) -> Answered {
    #[derive(Serialize)]
    struct List<'a> {
        channels: Vec<Shown<'a>>,
    }
    let all = all(call.bridge).await?;
    let mut channels = Vec::new();
    for channel in &all {
        let secrets = call.bridge.channel_secrets(&channel.id).await?;
        channels.push(show(call, channel, secrets.as_deref(), None));
    }
    json(StatusCode::OK, &List { channels })
}

/// `GET /api/channels/{id}`: read anew, not from memory.
pub(super) async fn get(call: &Call<'_>, id: &ChannelId) -> Answered {
    let channel = call.bridge.store.channel(id).await?;
    let channel = channel.filter(|channel| !channel.deleted);
    let channel = channel.ok_or_else(Problem::missing)?;
    let secrets = call.bridge.secrets.channel(id).await?;
    json(
        StatusCode::OK,
        &show(call, &channel, secrets.as_ref(), None),
    )
}

/// `PUT /api/channels/{id}`.
pub(super) async fn put(call: &Call<'_>, id: &ChannelId) -> Answered {
    let bridge = call.bridge;
    let _one_at_a_time = call.console.changing.lock().await;
    for _ in 0..ROUNDS {
        let known = bridge.store.channel(id).await?;
        if known.as_ref().is_some_and(|known| known.deleted) {
            return Err(being_deleted());
        }
        // What lies under a name that no channel has is nobody's.
        let stored = match known {
            Some(_) => bridge.secrets.channel(id).await?,
            None => None,
        };
        let fields = call.fields()?;
        let allowed = bridge.http.allowed();
        let mut new = settings::read(fields, id, stored.as_ref(), allowed, bridge.chance.bytes())?;
        let created = known.is_none();
        let written = match &known {
            None => create(bridge, &new.channel).await?,
            Some(known) => change(bridge, known, &mut new).await?,
        };
        if !written {
            continue;
        }
        let kept = bridge.secrets.put_channel(id, &new.secrets).await;
        bridge.forget(id);
        bridge.changed();
        kept?;
        tracing::info!(channel = %id, created, "a channel was set");
        let status = if created {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        let shown = show(call, &new.channel, Some(&new.secrets), new.made.as_deref());
        return json(status, &shown);
    }
    Err(busy())
}

/// Says `false` if another was first with this id.
async fn create(bridge: &Bridge, channel: &Channel) -> Result<bool, Refusal> {
    match bridge.store.create_channel(channel).await? {
        Created::New => Ok(true),
        Created::IdTaken => Ok(false),
        Created::AccountTaken => Err(Problem::conflict(
            "account_taken",
            "此公众号（AppID 或原始 ID）已接入另一个渠道。",
            "This account is connected already, by its AppID or its original id.",
        )
        .into()),
    }
}

/// Says `false` if another change came first.
async fn change(bridge: &Bridge, known: &Channel, new: &mut Settings) -> Result<bool, Refusal> {
    let channel = &mut new.channel;
    if known.app_id != channel.app_id || known.original_id != channel.original_id {
        return Err(Problem::conflict(
            "account_fixed",
            "AppID 和原始 ID 不可更改：请新建渠道。",
            "AppID and original id never change: connect another channel.",
        )
        .into());
    }
    channel.resumed = if known.suspended && !channel.suspended {
        Some(bridge.now())
    } else {
        known.resumed
    };
    channel.revision = known.revision.saturating_add(1);
    Ok(bridge.store.update_channel(channel).await?)
}

/// `DELETE /api/channels/{id}`: what is left goes with the next sweep.
pub(super) async fn delete(call: &Call<'_>, id: &ChannelId) -> Answered {
    let bridge = call.bridge;
    let force = call.query("force") == Some("true");
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
    Err(busy())
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

fn being_deleted() -> Refusal {
    Problem::conflict(
        "being_deleted",
        "该渠道正在删除：请稍后重试。",
        "A channel of this id is being deleted: try again in a few minutes.",
    )
    .into()
}

fn busy() -> Refusal {
    Problem::conflict(
        "changed_meanwhile",
        "该渠道同时被他人修改：请重试。",
        "Somebody else is changing this channel: try again.",
    )
    .into()
}
