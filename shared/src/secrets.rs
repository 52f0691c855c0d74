//! Secrets: those of channels, the pepper, the admin key. In AWS they lie in
//! Secrets Manager, on one machine in a file of mode 0600.
//!
//! Invariant: a secret is written whole and never logged. The API:
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/>

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Region, StalledStreamProtectionConfig};
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use serde::{Deserialize, Serialize};

use crate::channel::CallbackMode;
use crate::config::Aws;
use crate::message::ChannelId;
use crate::store::network;

/// Where secrets lie.
pub enum Secrets {
    /// In AWS Secrets Manager, under a prefix.
    Manager {
        /// The client.
        client: Client,
        /// What their names begin with, such as `magpie/prod/`.
        prefix: String,
    },
    /// In a file of this machine.
    File(SecretFile),
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

/// A client of Secrets Manager. Built once a process.
#[must_use]
pub fn client(aws: &Aws) -> Client {
    let mut config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(aws.region.clone()))
        .credentials_provider(network::credentials(aws))
        .retry_config(network::retries())
        .timeout_config(network::patience())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(network::https());
    if let Some(endpoint) = &aws.secrets_endpoint {
        config = config.endpoint_url(endpoint);
    }
    Client::from_conf(config.build())
}

/// Why a secret cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not answer or refused.
    #[error("the secret store did not carry out {operation}")]
    Unavailable {
        /// The operation.
        operation: &'static str,
        /// What the SDK said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file cannot be written or read.
    #[error("the secrets' file cannot be used")]
    File(#[source] std::io::Error),
    /// The secret is not what we wrote.
    #[error("the secret {0} cannot be read")]
    Unreadable(&'static str),
}

/// Secrets in a file of mode 0600, or in memory alone for tests.
pub struct SecretFile {
    path: Option<PathBuf>,
    held: Mutex<BTreeMap<String, String>>,
}

impl SecretFile {
    /// Opens a file that may not exist yet.
    pub fn open(path: &Path) -> Result<Self, SecretError> {
        let held = match std::fs::read(path) {
            Ok(json) => {
                serde_json::from_slice(&json).map_err(|_| SecretError::Unreadable("file"))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(SecretError::File(error)),
        };
        Ok(Self {
            path: Some(path.to_owned()),
            held: Mutex::new(held),
        })
    }

    /// Secrets that end with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            path: None,
            held: Mutex::new(BTreeMap::new()),
        }
    }

    /// Takes these secrets in place of those that it holds, without writing
    /// them anywhere: for tests that start many processes over one world.
    #[cfg(feature = "embedded")]
    pub fn fill(&self, secrets: BTreeMap<String, String>) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = secrets;
    }

    /// Changes the secrets and writes them all anew beside the old file, which
    /// is replaced only when the new one is on the disk.
    fn change(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<(), SecretError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = held.clone();
        change(&mut next);
        if let Some(path) = &self.path {
            let json =
                serde_json::to_vec_pretty(&next).map_err(|_| SecretError::Unreadable("file"))?;
            write_private(path, &json).map_err(SecretError::File)?;
        }
        *held = next;
        Ok(())
    }
}

/// Writes a file that only its owner may read, whole or not at all.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    // What lies there has a mode of its own, or leads elsewhere.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

impl Secrets {
    /// The secret of this name, if there is one.
    pub async fn get(&self, name: &str) -> Result<Option<String>, SecretError> {
        match self {
            Self::File(file) => {
                let held = file.held.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(held.get(name).cloned())
            }
            Self::Manager { client, prefix } => {
                let got = client
                    .get_secret_value()
                    .secret_id(format!("{prefix}{name}"))
                    // Without it some engines answer with an older version.
                    .version_stage("AWSCURRENT")
                    .send()
                    .await;
                match got {
                    Ok(got) => Ok(got.secret_string),
                    Err(error) if is_gone(&error) => Ok(None),
                    Err(error) => Err(unavailable("GetSecretValue")(error)),
                }
            }
        }
    }

    /// Writes a secret.
    pub async fn put(&self, name: &str, text: &str) -> Result<(), SecretError> {
        match self {
            Self::File(file) => file.change(|held| {
                held.insert(name.to_owned(), text.to_owned());
            }),
            Self::Manager { client, prefix } => {
                let id = format!("{prefix}{name}");
                let put = || client.put_secret_value().secret_id(&id).secret_string(text);
                match put().send().await {
                    Ok(_) => return Ok(()),
                    Err(error) if error.code() == Some("ResourceNotFoundException") => {}
                    Err(error) => return Err(unavailable("PutSecretValue")(error)),
                }
                let created = client.create_secret().name(&id).secret_string(text).send();
                match created.await {
                    Ok(_) => return Ok(()),
                    // Another process was first: the later one counts.
                    Err(error) if error.code() == Some("ResourceExistsException") => {}
                    Err(error) => return Err(unavailable("CreateSecret")(error)),
                }
                let put = put().send().await;
                put.map(|_| ()).map_err(unavailable("PutSecretValue"))
            }
        }
    }

    /// Writes a secret if there is none of this name; answers with the one
    /// that is there then.
    pub async fn ensure(&self, name: &str, text: &str) -> Result<String, SecretError> {
        if let Some(there) = self.get(name).await? {
            return Ok(there);
        }
        match self {
            Self::File(file) => file.change(|held| {
                held.entry(name.to_owned())
                    .or_insert_with(|| text.to_owned());
            })?,
            Self::Manager { client, prefix } => {
                let created = client
                    .create_secret()
                    .name(format!("{prefix}{name}"))
                    .secret_string(text)
                    .send()
                    .await;
                match created {
                    Ok(_) => {}
                    // Another process was first: its secret is the one.
                    Err(error) if error.code() == Some("ResourceExistsException") => {}
                    Err(error) => return Err(unavailable("CreateSecret")(error)),
                }
            }
        }
        self.get(name)
            .await?
            .ok_or(SecretError::Unreadable("new secret"))
    }

    /// Removes a secret at once.
    pub async fn remove(&self, name: &str) -> Result<(), SecretError> {
        match self {
            Self::File(file) => file.change(|held| {
                held.remove(name);
            }),
            Self::Manager { client, prefix } => {
                let deleted = client
                    .delete_secret()
                    .secret_id(format!("{prefix}{name}"))
                    .force_delete_without_recovery(true)
                    .send()
                    .await;
                match deleted {
                    Ok(_) => Ok(()),
                    Err(error) if is_gone(&error) => Ok(()),
                    Err(error) => Err(unavailable("DeleteSecret")(error)),
                }
            }
        }
    }

    /// The secrets of a channel, if it has any.
    pub async fn channel(
        &self,
        channel: &ChannelId,
    ) -> Result<Option<ChannelSecrets>, SecretError> {
        self.get(&channel_name(channel))
            .await?
            .map(|json| serde_json::from_str(&json).map_err(|_| SecretError::Unreadable("channel")))
            .transpose()
    }

    /// Writes the secrets of a channel.
    pub async fn put_channel(
        &self,
        channel: &ChannelId,
        secrets: &ChannelSecrets,
    ) -> Result<(), SecretError> {
        let json =
            serde_json::to_string(secrets).map_err(|_| SecretError::Unreadable("channel"))?;
        self.put(&channel_name(channel), &json).await
    }

    /// Removes the secrets of a channel at once.
    pub async fn remove_channel(&self, channel: &ChannelId) -> Result<(), SecretError> {
        self.remove(&channel_name(channel)).await
    }
}

/// The name of a channel's secret, below the prefix.
#[must_use]
pub fn channel_name(channel: &ChannelId) -> String {
    format!("ch/{channel}")
}

/// Whether Secrets Manager says that there is no such secret: it is unknown,
/// or on its way to be deleted.
fn is_gone<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    matches!(
        error.code(),
        Some("ResourceNotFoundException" | "InvalidRequestException")
    )
}

fn unavailable<E>(operation: &'static str) -> impl Fn(SdkError<E>) -> SecretError
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |error| SecretError::Unavailable {
        operation,
        source: Box::new(error),
    }
}

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
    /// The secrets of a webhook desk, the signing one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub desk: Vec<String>,
}

impl fmt::Debug for ChannelSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelSecrets(…)")
    }
}
