//! A function of the same deployment, called and waited for; and whether one
//! listens to a stream.
//!
//! Invariant: it is called once. What it does it must bear to be asked for again.
//! The API: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>

use std::fmt;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::config::{BehaviorVersion, Region, StalledStreamProtectionConfig};
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_types::retry::RetryConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::Aws;
use crate::store::{Https, network};

/// How long a call may take: a token may have to wait for another process that
/// asks for it, and a cold start comes on top.
const PATIENCE: Duration = Duration::from_secs(8);

/// Why a function has not answered.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Lambda has not carried out the call.
    #[error("Lambda did not call the function: {code}")]
    Unavailable {
        /// Lambda's code, or what kept it from answering.
        code: String,
        /// What the SDK said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The function failed. Its own log says why.
    #[error("the function failed")]
    Failed,
    /// What it was asked or what it said is not what we write.
    #[error("the function's question or answer cannot be read")]
    Unreadable(#[source] serde_json::Error),
}

/// A function.
#[derive(Clone)]
pub struct Function {
    client: Client,
    name: String,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({})", self.name)
    }
}

impl Function {
    /// The function of this name or ARN.
    #[must_use]
    pub fn new(aws: &Aws, https: &Https, name: String) -> Self {
        Self {
            client: client(aws, https),
            name,
        }
    }

    /// Asks the function and waits for what it says.
    pub async fn ask<Q, A>(&self, question: &Q) -> Result<A, NoAnswer>
    where
        Q: Serialize,
        A: DeserializeOwned,
    {
        let question = serde_json::to_vec(question).map_err(NoAnswer::Unreadable)?;
        let call = self.client.invoke().function_name(&self.name);
        let answer = call.payload(Blob::new(question)).send().await;
        let answer = answer.map_err(unavailable)?;
        if answer.function_error.is_some() {
            return Err(NoAnswer::Failed);
        }
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        serde_json::from_slice(&payload).map_err(NoAnswer::Unreadable)
    }
}

fn unavailable<E>(error: SdkError<E>) -> NoAnswer
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    NoAnswer::Unavailable {
        code: crate::store::code(&error),
        source: Box::new(error),
    }
}

fn client(aws: &Aws, https: &Https) -> Client {
    let patience = TimeoutConfig::builder()
        .operation_timeout(PATIENCE)
        .connect_timeout(network::ATTEMPT)
        .build();
    let mut config = aws_sdk_lambda::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(aws.region.clone()))
        .credentials_provider(network::credentials(aws))
        .retry_config(RetryConfig::disabled())
        .timeout_config(patience)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(https.client());
    if let Some(endpoint) = &aws.lambda_endpoint {
        config = config.endpoint_url(endpoint);
    }
    Client::from_conf(config.build())
}

/// Whether a function listens to a stream; the better first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listening {
    /// One does.
    Yes,
    /// One would, and Lambda has a problem with the stream or with the function.
    Troubled,
    /// One would, and its mapping is off or has failed.
    Off,
    /// None does.
    No,
}

/// Asks Lambda whether a function listens to a stream.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_ListEventSourceMappings.html>
pub async fn listening(aws: &Aws, https: &Https, stream: &str) -> Result<Listening, NoAnswer> {
    let call = client(aws, https).list_event_source_mappings();
    let listed = call.event_source_arn(stream).send().await;
    let listed = listed.map_err(unavailable)?;
    let mappings = listed.event_source_mappings().iter();
    let states =
        mappings.map(
            |mapping| match (mapping.state(), mapping.last_processing_result()) {
                // Such as a role that may not read the stream.
                (Some("Enabled"), Some(result)) if result.starts_with("PROBLEM") => {
                    Listening::Troubled
                }
                (Some("Enabled" | "Enabling" | "Creating" | "Updating"), _) => Listening::Yes,
                _ => Listening::Off,
            },
        );
    Ok(states.min().unwrap_or(Listening::No))
}
