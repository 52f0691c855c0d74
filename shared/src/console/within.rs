//! What a program in this process may do as a caller of the API does: the same
//! checks, the same writes.

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::problem::Refusal;
use super::{channels, fallback};
use crate::bridge::{Bridge, Broken};
use crate::channel::{Channel, DeskSettings};
use crate::message::ChannelId;
use crate::secrets::ChannelSecrets;

/// Why a channel was not set.
#[derive(Debug, thiserror::Error)]
pub enum NotSet {
    /// The settings are wrong, or the channel is in no state for them; the words
    /// hold no value of a field.
    #[error("the channel cannot be set: {0}")]
    Refused(String),
    /// The store or the secrets failed.
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl From<Refusal> for NotSet {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Problem(problem) => Self::Refused(problem.words().to_owned()),
            Refusal::Broken(broken) => Self::Broken(broken),
        }
    }
}

/// Creates or changes a channel as `PUT /api/channels/{id}` does with this body.
/// Answers with the secrets that it has then.
pub async fn set_channel(
    bridge: &Bridge,
    id: &ChannelId,
    body: Map<String, Value>,
) -> Result<ChannelSecrets, NotSet> {
    let set = channels::set(bridge, id, &Fields::of(body)).await?;
    Ok(set.settings.secrets)
}

/// The body that leaves a channel as it is, without its secrets.
#[must_use]
pub fn body_of(channel: &Channel) -> Map<String, Value> {
    let desk = match &channel.desk {
        DeskSettings::Inbox => json!({ "kind": "inbox" }),
        DeskSettings::Webhook { url } => json!({ "kind": "webhook", "url": url }),
    };
    let fields = [
        ("name", json!(channel.name)),
        ("app_id", json!(channel.app_id)),
        ("original_id", json!(channel.original_id)),
        ("suspended", json!(channel.suspended)),
        ("callback", json!({ "mode": channel.mode })),
        ("api_base", json!(channel.api_base)),
        ("token_call", json!(channel.token_call)),
        ("part_pause_ms", json!(channel.part_pause_ms)),
        ("retention_days", json!(channel.retention_days)),
        ("erase_after_days", json!(channel.erase_after_days)),
        ("time_zone", json!(channel.time_zone)),
        ("agent_name", json!(channel.agent_name)),
        ("kf_account", json!(channel.kf_account)),
        ("replies", json!(channel.replies)),
        (
            "fallback",
            json!(channel.fallback.as_ref().map(fallback::Shown::from)),
        ),
        ("desk", desk),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
