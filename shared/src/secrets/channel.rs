//! The secrets of a channel as they are kept: those in force, and those of a
//! change under way.
//!
//! Invariant: the channel's row decides which are in force. A set of secrets
//! carries the revision of the row that it belongs to; before a row changes its
//! secrets lie here as the next ones, and they take the place of the others only
//! afterwards. So whoever dies in between leaves settings and secrets that
//! belong together.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{SecretError, Secrets, Version};
use crate::channel::CallbackMode;
use crate::message::ChannelId;

/// What the names of channels' secrets begin with.
const CHANNEL: &str = "ch/";

/// What a channel keeps secret, and what its callback needs beside it, so that
/// one read is enough there. Version 1.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSecrets {
    /// Which check the callback applies.
    pub mode: CallbackMode,
    /// WeChat's id of the account.
    pub app_id: String,
    /// The account's original id.
    pub original_id: String,
    /// The callback's token.
    pub token: String,
    /// The key of envelopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aes_key: Option<String>,
    /// The key of envelopes before the last change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_aes_key: Option<String>,
    /// The app secret, for token calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_secret: Option<String>,
    /// Whether the channel's settings hold passive replies: a callback need not look
    /// there for them otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replies: bool,
    /// Whether the callback takes calls from WeChat's own addresses alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_wechat_addresses: bool,
    /// The secrets of a webhook desk, the signing one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub desk: Vec<String>,
}

impl fmt::Debug for ChannelSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelSecrets(…)")
    }
}

/// The secrets of a channel and the revisions of its row that they belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The revision of the current ones; absent, they belong to every revision.
    revision: Option<u64>,
    current: Arc<ChannelSecrets>,
    /// Those of a change that may have come true.
    next: Option<(u64, Arc<ChannelSecrets>)>,
}

/// As it is written: what was written before changes had revisions is read too.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    current: ChannelSecrets,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<Next>,
}

#[derive(Serialize, Deserialize)]
struct Next {
    revision: u64,
    #[serde(flatten)]
    secrets: ChannelSecrets,
}

impl Kept {
    /// The secrets of a row of this revision, which is in force.
    #[must_use]
    pub fn settled(revision: u64, secrets: ChannelSecrets) -> Self {
        Self {
            revision: Some(revision),
            current: Arc::new(secrets),
            next: None,
        }
    }

    /// The secrets in force of a row of this revision, and those of the revision
    /// that is to follow it.
    #[must_use]
    pub fn proposed(revision: u64, current: ChannelSecrets, next: ChannelSecrets) -> Self {
        Self {
            next: Some((revision.saturating_add(1), Arc::new(next))),
            ..Self::settled(revision, current)
        }
    }

    /// Those that a callback checks with first.
    #[must_use]
    pub fn current(&self) -> &Arc<ChannelSecrets> {
        &self.current
    }

    /// Those of a change that was not finished: they may be in force.
    #[must_use]
    pub fn next(&self) -> Option<&Arc<ChannelSecrets>> {
        self.next.as_ref().map(|(_, secrets)| secrets)
    }

    /// The latest revision that any of them belongs to.
    #[must_use]
    pub fn latest(&self) -> u64 {
        let next = self.next.as_ref().map(|(revision, _)| *revision);
        next.or(self.revision).unwrap_or(0)
    }

    /// Those that belong to a row of this revision.
    #[must_use]
    pub fn of(&self, revision: u64) -> Option<&Arc<ChannelSecrets>> {
        match &self.next {
            Some((next, secrets)) if *next == revision => Some(secrets),
            // The row was not changed yet, or the change was called off.
            Some(_) if self.revision.is_none_or(|own| own <= revision) => Some(&self.current),
            None if self.revision.is_none_or(|own| own == revision) => Some(&self.current),
            _ => None,
        }
    }

    fn read(json: &str) -> Result<Self, SecretError> {
        let stored: Stored =
            serde_json::from_str(json).map_err(|_| SecretError::Unreadable("channel"))?;
        Ok(Self {
            revision: stored.revision,
            current: Arc::new(stored.current),
            next: stored
                .next
                .map(|next| (next.revision, Arc::new(next.secrets))),
        })
    }

    fn write(&self) -> Result<String, SecretError> {
        let stored = Stored {
            current: (*self.current).clone(),
            revision: self.revision,
            next: self.next.as_ref().map(|(revision, secrets)| Next {
                revision: *revision,
                secrets: (**secrets).clone(),
            }),
        };
        serde_json::to_string(&stored).map_err(|_| SecretError::Unreadable("channel"))
    }
}

impl Secrets {
    /// The current secrets of a channel, if it has any.
    pub async fn channel(
        &self,
        channel: &ChannelId,
    ) -> Result<Option<ChannelSecrets>, SecretError> {
        let kept = self.kept(channel).await?;
        Ok(kept.map(|(_, kept)| (*kept.current).clone()))
    }

    /// Everything that is kept of a channel, and its version.
    pub async fn kept(&self, channel: &ChannelId) -> Result<Option<(Version, Kept)>, SecretError> {
        let read = self.versioned(&channel_name(channel)).await?;
        read.map(|(version, json)| Ok((version, Kept::read(&json)?)))
            .transpose()
    }

    /// Writes what is kept of a channel, if it is still of the version that was
    /// read. Says whether it was.
    pub async fn keep(
        &self,
        channel: &ChannelId,
        read: Option<&Version>,
        kept: &Kept,
    ) -> Result<bool, SecretError> {
        self.replace(&channel_name(channel), read, &kept.write()?)
            .await
    }

    /// Writes the secrets of a channel over whatever is kept, for every revision
    /// of its row.
    pub async fn put_channel(
        &self,
        channel: &ChannelId,
        secrets: &ChannelSecrets,
    ) -> Result<(), SecretError> {
        let kept = Kept {
            revision: None,
            current: Arc::new(secrets.clone()),
            next: None,
        };
        self.put(&channel_name(channel), &kept.write()?).await
    }

    /// Removes the secrets of a channel at once.
    pub async fn remove_channel(&self, channel: &ChannelId) -> Result<(), SecretError> {
        self.remove(&channel_name(channel)).await
    }
}

/// The name of a channel's secret, below the prefix.
#[must_use]
pub fn channel_name(channel: &ChannelId) -> String {
    format!("{CHANNEL}{channel}")
}

/// The channel whose secret has this name, if it is one's.
#[must_use]
pub fn named_channel(name: &str) -> Option<ChannelId> {
    ChannelId::parse(name.strip_prefix(CHANNEL)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(token: &str) -> ChannelSecrets {
        ChannelSecrets {
            only_wechat_addresses: false,
            replies: false,
            mode: CallbackMode::Plain,
            app_id: "wx1".to_owned(),
            original_id: "gh_1".to_owned(),
            token: token.to_owned(),
            aes_key: None,
            previous_aes_key: None,
            app_secret: None,
            desk: Vec::new(),
        }
    }

    fn tokens(kept: &Kept) -> Vec<&str> {
        let token = |revision| kept.of(revision).map_or("-", |s| s.token.as_str());
        (4..=8).map(token).collect()
    }

    #[test]
    fn secrets_belong_to_the_row_of_their_revision() {
        let settled = Kept::settled(5, secrets("five"));
        assert_eq!(tokens(&settled), ["-", "five", "-", "-", "-"]);
        // Before the row changes, when it has, and when that was called off.
        let proposed = Kept::proposed(5, secrets("five"), secrets("six"));
        assert_eq!(tokens(&proposed), ["-", "five", "six", "five", "five"]);
        assert_eq!((settled.latest(), proposed.latest()), (5, 6));
    }

    #[test]
    fn every_stored_form_is_read() {
        let plain = r#"{"mode":"plain","app_id":"wx1","original_id":"gh_1","token":"old"}"#;
        let old = Kept::read(plain).unwrap();
        assert_eq!(tokens(&old), ["old"; 5]);
        let rest = r#","revision":5,"next":{"revision":6,"mode":"plain","app_id":"wx1","original_id":"gh_1","token":"six"}}"#;
        let revised = plain.replace("old", "five").replace('}', rest);
        let revised = Kept::read(&revised).unwrap();
        let expected = Kept::proposed(5, secrets("five"), secrets("six"));
        assert_eq!(revised, expected);
        for kept in [old, revised] {
            assert_eq!(Kept::read(&kept.write().unwrap()).unwrap(), kept);
        }
    }
}
