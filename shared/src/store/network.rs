//! The SDK's client over the network: AWS's own `DynamoDB`, or another engine
//! that speaks its protocol. What it says about TLS, tries and patience holds
//! for the secrets' client too.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials, Region, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use aws_smithy_types::retry::RetryConfig;

use crate::config::Aws;

/// How long one attempt may take. A write is answered in milliseconds, so a
/// connection that says nothing for so long is dead.
pub(crate) const ATTEMPT: Duration = Duration::from_millis(700);
/// How long all attempts may take: below what a push's sender waits.
const OPERATION: Duration = Duration::from_millis(2500);
/// How often an operation is attempted.
const ATTEMPTS: u32 = 3;

/// HTTPS on rustls with ring, for every service of AWS.
///
/// The SDK's own client reads the trusted certificates when a service's client
/// is made, and parses them once for that and again for its first call: that is
/// four times for two services. Here they are parsed once a process, before the
/// first event, while Lambda lends more processor than the function has later.
///
/// A connection has no time limit of its own: that of an attempt is shorter.
#[derive(Clone, Debug)]
pub struct Https(SharedHttpClient);

impl Https {
    /// Reads the trusted certificates. Made once a process; it belongs to the
    /// runtime that first sends something through it.
    #[must_use]
    pub fn new() -> Self {
        let tls = Provider::Rustls(CryptoMode::Ring);
        let connector = SharedHttpConnector::new(Connector::builder().tls_provider(tls).build());
        Self(http_client_fn(move |_, _| connector.clone()))
    }

    /// As the SDK takes it.
    pub(crate) fn client(&self) -> SharedHttpClient {
        self.0.clone()
    }
}

impl Default for Https {
    fn default() -> Self {
        Self::new()
    }
}

/// How long somebody waits for an answer from afar.
const FAIR_ATTEMPT: Duration = Duration::from_secs(4);
/// How often.
const FAIR_ATTEMPTS: u32 = 2;
/// How long somebody who moves everything waits: as long as far networks and
/// throttled tables need.
const PATIENT_ATTEMPT: Duration = Duration::from_secs(20);
/// How often such a one attempts an operation.
const PATIENT_ATTEMPTS: u32 = 10;

/// How patient a client is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// Somebody waits for the answer.
    Short,
    /// Somebody waits who is far away and wants to know whether there is an answer.
    Fair,
    /// Nobody waits, and everything must get through.
    Long,
}

/// A client of `DynamoDB`. Built once a process.
#[must_use]
pub fn client(aws: &Aws, https: &Https) -> Client {
    with_patience(aws, https, Patience::Short)
}

/// A client of `DynamoDB` for whoever looks at it from afar.
#[must_use]
pub fn fair_client(aws: &Aws, https: &Https) -> Client {
    with_patience(aws, https, Patience::Fair)
}

/// A client of `DynamoDB` for whoever moves everything, over whatever network.
#[must_use]
pub fn patient_client(aws: &Aws, https: &Https) -> Client {
    with_patience(aws, https, Patience::Long)
}

fn with_patience(aws: &Aws, https: &Https, patience: Patience) -> Client {
    let mut config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(aws.region.clone()))
        .credentials_provider(credentials(aws))
        .retry_config(patience.retries())
        .timeout_config(patience.timeouts())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(https.client());
    if let Some(endpoint) = &aws.dynamodb_endpoint {
        config = config.endpoint_url(endpoint);
    }
    Client::from_conf(config.build())
}

/// The credentials as they were given; Lambda starts anew before they expire.
pub(crate) fn credentials(aws: &Aws) -> Credentials {
    Credentials::new(
        aws.access_key.clone(),
        aws.secret_key.clone(),
        aws.session_token.clone(),
        None,
        "settings",
    )
}

impl Patience {
    pub(crate) fn retries(self) -> RetryConfig {
        RetryConfig::standard().with_max_attempts(match self {
            Self::Short => ATTEMPTS,
            Self::Fair => FAIR_ATTEMPTS,
            Self::Long => PATIENT_ATTEMPTS,
        })
    }

    pub(crate) fn timeouts(self) -> TimeoutConfig {
        match self {
            Self::Short => TimeoutConfig::builder()
                .operation_attempt_timeout(ATTEMPT)
                .operation_timeout(OPERATION)
                .build(),
            Self::Fair => TimeoutConfig::builder()
                .operation_attempt_timeout(FAIR_ATTEMPT)
                .build(),
            Self::Long => TimeoutConfig::builder()
                .operation_attempt_timeout(PATIENT_ATTEMPT)
                .build(),
        }
    }
}
