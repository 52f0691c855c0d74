//! Secrets: those of channels, the pepper, the admin key. In AWS they lie in
//! Secrets Manager, on one machine in a file of mode 0600.
//!
//! Invariant: a secret is written whole and never logged; whoever changes one
//! that others change too says which version he has read. The API:
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/>

mod channel;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Region, StalledStreamProtectionConfig};
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};

use crate::config::Aws;
use crate::store::Https;
use crate::store::network::{self, Patience};
pub use channel::{ChannelSecrets, Kept, channel_name, named_channel};

/// The name of the secret that hides open ids.
pub const PEPPER: &str = "pepper";
/// The name of the secret that opens the console and the API.
pub const ADMIN_KEY: &str = "admin";
/// The label of a version that may become the current one.
const PROPOSED: &str = "MAGPIEPROPOSED";
/// The label of the version that counts.
const CURRENT: &str = "AWSCURRENT";

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

/// The version of a secret that was read. Opaque; it may hold the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Version(String);

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Version(…)")
    }
}

/// A client of Secrets Manager. Built once a process.
#[must_use]
pub fn client(aws: &Aws, https: &Https) -> Client {
    with_patience(aws, https, Patience::Short)
}

/// A client of Secrets Manager for whoever looks at it from afar.
#[must_use]
pub fn fair_client(aws: &Aws, https: &Https) -> Client {
    with_patience(aws, https, Patience::Fair)
}

/// A client of Secrets Manager for whoever moves everything.
#[must_use]
pub fn patient_client(aws: &Aws, https: &Https) -> Client {
    with_patience(aws, https, Patience::Long)
}

fn with_patience(aws: &Aws, https: &Https, patience: Patience) -> Client {
    let mut config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(aws.region.clone()))
        .credentials_provider(network::credentials(aws))
        .retry_config(patience.retries())
        .timeout_config(patience.timeouts())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(https.client());
    if let Some(endpoint) = &aws.secrets_endpoint {
        config = config.endpoint_url(endpoint);
    }
    Client::from_conf(config.build())
}

/// Why a secret cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not answer or refused.
    #[error("the secret store did not carry out {operation}: {code}")]
    Unavailable {
        /// The operation.
        operation: &'static str,
        /// Its code, or what kept it from answering.
        code: String,
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

    /// All of them by their names.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, String> {
        let held = self.held.lock();
        held.unwrap_or_else(PoisonError::into_inner).clone()
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

    /// Changes the secrets, if `change` says so, and writes them all anew beside
    /// the old file, which is replaced only when the new one is on the disk.
    fn change(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, String>) -> bool,
    ) -> Result<bool, SecretError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = held.clone();
        if !change(&mut next) {
            return Ok(false);
        }
        if let Some(path) = &self.path {
            let json =
                serde_json::to_vec_pretty(&next).map_err(|_| SecretError::Unreadable("file"))?;
            write_private(path, &json).map_err(SecretError::File)?;
        }
        *held = next;
        Ok(true)
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
        Ok(self.versioned(name).await?.map(|(_, text)| text))
    }

    /// The secret of this name and its version, if there is one.
    pub async fn versioned(&self, name: &str) -> Result<Option<(Version, String)>, SecretError> {
        match self {
            Self::File(file) => {
                let text = {
                    let held = file.held.lock();
                    held.unwrap_or_else(PoisonError::into_inner)
                        .get(name)
                        .cloned()
                };
                // As over a network: others come in between.
                #[cfg(test)]
                tokio::task::yield_now().await;
                Ok(text.map(|text| (Version(text.clone()), text)))
            }
            Self::Manager { client, prefix } => {
                let got = client
                    .get_secret_value()
                    .secret_id(format!("{prefix}{name}"))
                    // Without it some engines answer with an older version.
                    .version_stage(CURRENT)
                    .send()
                    .await;
                match got {
                    Ok(got) => Ok(got.version_id.map(Version).zip(got.secret_string)),
                    Err(error) if is_gone(&error) => Ok(None),
                    Err(error) => Err(unavailable("GetSecretValue")(error)),
                }
            }
        }
    }

    /// Writes a secret.
    pub async fn put(&self, name: &str, text: &str) -> Result<(), SecretError> {
        match self {
            Self::File(file) => {
                file.change(|held| {
                    held.insert(name.to_owned(), text.to_owned());
                    true
                })?;
                Ok(())
            }
            Self::Manager { client, prefix } => {
                let id = format!("{prefix}{name}");
                let put = || client.put_secret_value().secret_id(&id).secret_string(text);
                match put().send().await {
                    Ok(_) => return Ok(()),
                    Err(error) if error.code() == Some("ResourceNotFoundException") => {}
                    Err(error) => return Err(unavailable("PutSecretValue")(error)),
                }
                if create(client, &id, text).await? {
                    return Ok(());
                }
                // Another process was first: the later one counts.
                let put = put().send().await;
                put.map(|_| ()).map_err(unavailable("PutSecretValue"))
            }
        }
    }

    /// Writes a secret if it still is of the version that was read; if none was,
    /// if there still is none. Says whether it was.
    pub async fn replace(
        &self,
        name: &str,
        read: Option<&Version>,
        text: &str,
    ) -> Result<bool, SecretError> {
        match self {
            Self::File(file) => file.change(|held| {
                let unchanged = held.get(name) == read.map(|Version(text)| text);
                if unchanged {
                    held.insert(name.to_owned(), text.to_owned());
                }
                unchanged
            }),
            Self::Manager { client, prefix } => {
                let id = format!("{prefix}{name}");
                match read {
                    Some(Version(current)) => replace(client, &id, current, text).await,
                    None => create(client, &id, text).await,
                }
            }
        }
    }

    /// Writes a secret if there is none of this name; answers with the one
    /// that is there then.
    pub async fn ensure(&self, name: &str, text: &str) -> Result<String, SecretError> {
        if let Some(there) = self.get(name).await? {
            return Ok(there);
        }
        // If another process was first, its secret is the one.
        self.replace(name, None, text).await?;
        self.get(name)
            .await?
            .ok_or(SecretError::Unreadable("new secret"))
    }

    /// Removes a secret at once.
    pub async fn remove(&self, name: &str) -> Result<(), SecretError> {
        match self {
            Self::File(file) => {
                file.change(|held| held.remove(name).is_some())?;
                Ok(())
            }
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
}

/// Creates a secret. Says `false` if there is one.
async fn create(client: &Client, id: &str, text: &str) -> Result<bool, SecretError> {
    let created = client.create_secret().name(id).secret_string(text).send();
    match created.await {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("ResourceExistsException") => Ok(false),
        Err(error) => Err(unavailable("CreateSecret")(error)),
    }
}

/// Writes a version beside the current one, then moves the label over, which
/// Secrets Manager does only from the version that is said to have it.
async fn replace(
    client: &Client,
    id: &str,
    current: &str,
    text: &str,
) -> Result<bool, SecretError> {
    let put = client
        .put_secret_value()
        .secret_id(id)
        .secret_string(text)
        .version_stages(PROPOSED)
        .send()
        .await;
    let put = match put {
        Ok(put) => put,
        Err(error) if is_gone(&error) => return Ok(false),
        Err(error) => return Err(unavailable("PutSecretValue")(error)),
    };
    let moved = client
        .update_secret_version_stage()
        .secret_id(id)
        .version_stage(CURRENT)
        .remove_from_version_id(current)
        .set_move_to_version_id(put.version_id)
        .send()
        .await;
    match moved {
        Ok(_) => Ok(true),
        // Another version has the label, or the secret is gone.
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) if error.code() == Some("InvalidParameterException") => Ok(false),
        Err(error) => Err(unavailable("UpdateSecretVersionStage")(error)),
    }
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
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    move |error| SecretError::Unavailable {
        operation,
        code: crate::store::code(&error),
        source: Box::new(error),
    }
}
