//! How a channel is created or changed: settings in `control`, secrets in
//! another store, so that no transaction holds both.
//!
//! Invariant: the row's revision says which secrets are in force. A change lays
//! its secrets beside those in force, changes the row on the condition that it
//! is still the one that was read, and only then gives its secrets their place.
//! Each of the three writes is conditional. Whoever dies between two of them
//! leaves the old settings or the new ones with the secrets that belong to them,
//! and the same call once more ends what was begun. Whoever finds a change of
//! somebody else half done waits a little, then calls it off by another
//! revision of the row.

use std::time::Duration;

use super::problem::{Problem, Refusal};
use super::settings::Settings;
use crate::bridge::Bridge;
use crate::channel::Channel;
use crate::message::ChannelId;
use crate::secrets::{ChannelSecrets, Kept, Version};
use crate::store::control::Created;

/// How often a change is tried anew because another came first.
const ROUNDS: usize = 6;
/// How long another may take to end what was begun.
const PATIENCE: Duration = Duration::from_millis(500);

/// A channel that was set.
pub(super) struct Set {
    pub(super) settings: Settings,
    /// Whether it is a new one.
    pub(super) created: bool,
}

/// Creates or changes a channel. `read` makes the settings from the secrets in
/// force, the same as often as it is asked.
pub(super) async fn set(
    bridge: &Bridge,
    id: &ChannelId,
    read: impl Fn(Option<&ChannelSecrets>) -> Result<Settings, Refusal>,
) -> Result<Set, Refusal> {
    let mut waited = None;
    let mut made = None;
    for _ in 0..ROUNDS {
        let round = match bridge.store.channel(id).await? {
            None => create(bridge, id, read(None)?).await?,
            Some(known) if known.deleted => {
                // What a creation wrote while somebody deleted it.
                bridge.secrets.remove_channel(id).await?;
                return Err(being_deleted());
            }
            Some(known) => change(bridge, &known, &mut waited, &mut made, &read).await?,
        };
        bridge.forget(id);
        if let Some(mut set) = round {
            // A secret that we made is shown though the first try was lost.
            let secrets = &set.settings.secrets.desk;
            made = made.filter(|made| secrets.as_slice() == std::slice::from_ref(made));
            set.settings.made = set.settings.made.or(made);
            bridge.changed();
            return Ok(set);
        }
    }
    Err(busy())
}

/// `None` if another was first with this id, or has written its secrets.
async fn create(
    bridge: &Bridge,
    id: &ChannelId,
    settings: Settings,
) -> Result<Option<Set>, Refusal> {
    match bridge.store.create_channel(&settings.channel).await? {
        Created::New => {}
        Created::IdTaken => return Ok(None),
        Created::AccountTaken => {
            return Err(Problem::conflict(
                "account_taken",
                "此公众号（AppID 或原始 ID）已接入另一个渠道。",
                "This account is connected already, by its AppID or its original id.",
            )
            .into());
        }
    }
    // The row first: no secret lies where no channel is.
    let kept = Kept::settled(settings.channel.revision, settings.secrets.clone());
    let kept = bridge.secrets.keep(id, None, &kept).await?;
    Ok(kept.then_some(Set {
        settings,
        created: true,
    }))
}

/// `None` if another change came first, or is under way.
async fn change(
    bridge: &Bridge,
    known: &Channel,
    waited: &mut Option<Version>,
    made: &mut Option<String>,
    read: impl Fn(Option<&ChannelSecrets>) -> Result<Settings, Refusal>,
) -> Result<Option<Set>, Refusal> {
    let id = &known.id;
    let kept = bridge.secrets.kept(id).await?;
    if let Some((version, kept)) = &kept
        && kept.latest() > known.revision
    {
        if waited.as_ref() == Some(version) {
            call_off(bridge, known, kept).await?;
        } else {
            *waited = Some(version.clone());
            bridge.clock.pause(PATIENCE).await;
        }
        return Ok(None);
    }
    let stored = kept.as_ref().and_then(|(_, kept)| kept.of(known.revision));
    let mut settings = read(stored.map(|stored| &**stored))?;
    if let Some(fresh) = &settings.made {
        *made = Some(fresh.clone());
    }
    follow(bridge, known, &mut settings.channel)?;
    let done = match (&kept, stored) {
        (Some((version, _)), Some(stored)) => {
            let stored = (**stored).clone();
            exchange(bridge, known, version, stored, &settings).await?
        }
        // There are no secrets that anything could be mixed with.
        (kept, _) => {
            let version = kept.as_ref().map(|(version, _)| version);
            let kept = Kept::settled(settings.channel.revision, settings.secrets.clone());
            bridge.store.update_channel(&settings.channel).await?
                && bridge.secrets.keep(id, version, &kept).await?
        }
    };
    Ok(done.then_some(Set {
        settings,
        created: false,
    }))
}

/// Changes row and secrets. Says `false` if another change came first.
async fn exchange(
    bridge: &Bridge,
    known: &Channel,
    version: &Version,
    stored: ChannelSecrets,
    settings: &Settings,
) -> Result<bool, Refusal> {
    let id = &known.id;
    let secrets = settings.secrets.clone();
    // The row decides: whoever checks with these looks there while the change is under way.
    let current = ChannelSecrets {
        replies: stored.replies || secrets.replies,
        ..stored
    };
    let proposed = Kept::proposed(known.revision, current, secrets.clone());
    if !bridge.secrets.keep(id, Some(version), &proposed).await?
        || !bridge.store.update_channel(&settings.channel).await?
    {
        return Ok(false);
    }
    // Whoever has changed it since has given them their place.
    if let Some((version, kept)) = bridge.secrets.kept(id).await?
        && kept == proposed
    {
        let settled = Kept::settled(settings.channel.revision, secrets);
        bridge.secrets.keep(id, Some(&version), &settled).await?;
    }
    Ok(true)
}

/// Makes it too late for a change that was begun and is not done.
async fn call_off(bridge: &Bridge, known: &Channel, kept: &Kept) -> Result<(), Refusal> {
    let passed = Channel {
        revision: kept.latest().saturating_add(1),
        ..known.clone()
    };
    // If the change has come true after all, the next look shows it.
    bridge.store.move_channel(&passed, known.revision).await?;
    Ok(())
}

/// Takes over from the row what is not the operator's to say.
fn follow(bridge: &Bridge, known: &Channel, channel: &mut Channel) -> Result<(), Refusal> {
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
    Ok(())
}

fn being_deleted() -> Refusal {
    Problem::conflict(
        "being_deleted",
        "该渠道正在删除：请稍后重试。",
        "A channel of this id is being deleted: try again in a few minutes.",
    )
    .into()
}

/// Others change the channel all the time.
pub(super) fn busy() -> Refusal {
    Problem::conflict(
        "changed_meanwhile",
        "该渠道同时被他人修改：请刷新后重试。",
        "Somebody else is changing this channel: reload it and try again.",
    )
    .into()
}
