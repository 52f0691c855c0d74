//! The engine in this process: an HTTP client for the SDK that answers from a
//! database without a socket. One machine runs on it, and so do tests, which
//! may meddle with every call.
//!
//! Conditions of its use on a file: one process a file (the caller holds a
//! lock), no table stream, expired rows swept by the caller.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, StalledStreamProtectionConfig};
use aws_smithy_runtime_api::client::auth::AuthSchemeId;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use dynoxide::{Database, DynoxideError};
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

/// What a test does to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is carried out and answered.
    Answered,
    /// It is refused before it is carried out, as by throttling.
    Throttled,
    /// It is carried out and its answer is lost.
    AnswerLost,
    /// The caller dies before it is carried out: no answer ever comes.
    DiesBefore,
    /// The caller dies after it was carried out: no answer ever comes.
    DiesAfter,
}

/// Decides the fate of a call by its operation and its request in JSON.
pub type Meddler = Arc<dyn Fn(&str, &[u8]) -> BoxFuture<'static, Fate> + Send + Sync>;

/// The engine and how it is reached.
#[derive(Clone)]
pub struct Engine {
    db: Database,
    desk: Option<mpsc::Sender<Job>>,
    meddler: Option<Meddler>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// A call on its way to the engine's thread, and where its answer goes.
struct Job {
    operation: String,
    body: Vec<u8>,
    answer: oneshot::Sender<(u16, String)>,
}

/// Why the engine cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The file cannot be opened.
    #[error("the store's file cannot be opened")]
    Open(#[source] DynoxideError),
    /// The path is no text.
    #[error("the store's path is not valid UTF-8")]
    Path,
    /// The thread cannot be started.
    #[error("the store's thread cannot be started")]
    Thread(#[source] std::io::Error),
}

impl Engine {
    /// Opens or creates a file. Calls go to a thread of the engine's own, in
    /// the order in which they come: it holds one lock and waits for the disk.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        let path = path.to_str().ok_or(EngineError::Path)?;
        let db = Database::new(path).map_err(EngineError::Open)?;
        let (desk, jobs) = mpsc::channel::<Job>();
        let worker = db.clone();
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                for job in jobs {
                    // Whoever asked may have gone; the work is done all the same.
                    let _ = job.answer.send(answer(&worker, &job.operation, &job.body));
                }
            })
            .map_err(EngineError::Thread)?;
        Ok(Self {
            db,
            desk: Some(desk),
            meddler: None,
        })
    }

    /// An engine in memory that answers on the calling thread.
    pub fn in_memory() -> Result<Self, EngineError> {
        Ok(Self {
            db: Database::memory().map_err(EngineError::Open)?,
            desk: None,
            meddler: None,
        })
    }

    /// The same engine, met through a test's meddler.
    #[must_use]
    pub fn meddled(&self, meddler: Meddler) -> Self {
        Self {
            meddler: Some(meddler),
            ..self.clone()
        }
    }

    /// The database itself, for what the protocol does not have.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.db
    }

    /// Deletes rows that have expired. Says how many.
    pub fn sweep_expired(&self) -> Result<usize, EngineError> {
        self.db.sweep_ttl().map_err(EngineError::Open)
    }

    /// The SDK's client over this engine. The engine is never throttled and
    /// never away, so nothing is tried twice.
    #[must_use]
    pub fn client(&self) -> Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("local"))
            // Nobody is there who would check a signature.
            .allow_no_auth()
            .auth_scheme_preference([AuthSchemeId::new("noAuth")])
            .endpoint_url("http://engine.invalid")
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(self.clone())
            .build();
        Client::from_conf(config)
    }
}

impl HttpClient for Engine {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Engine {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let engine = self.clone();
        HttpConnectorFuture::new(async move { engine.carry_out(request).await })
    }
}

impl Engine {
    async fn carry_out(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let operation = request
            .headers()
            .get("x-amz-target")
            .and_then(|target| target.rsplit('.').next())
            .unwrap_or_default()
            .to_owned();
        let body = request.body().bytes().unwrap_or(b"{}").to_vec();
        let fate = match &self.meddler {
            Some(meddler) => meddler(&operation, &body).await,
            None => Fate::Answered,
        };
        match fate {
            Fate::Throttled => {
                let refusal = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow down"}"#;
                return respond(400, refusal.to_owned());
            }
            Fate::DiesBefore => return std::future::pending().await,
            Fate::Answered | Fate::AnswerLost | Fate::DiesAfter => {}
        }
        let (status, json) = match &self.desk {
            None => answer(&self.db, &operation, &body),
            Some(desk) => {
                let (answer, answered) = oneshot::channel();
                let job = Job {
                    operation,
                    body,
                    answer,
                };
                desk.send(job).map_err(|_| gone())?;
                answered.await.map_err(|_| gone())?
            }
        };
        match fate {
            Fate::AnswerLost => Err(ConnectorError::timeout("the answer was lost".into())),
            Fate::DiesAfter => std::future::pending().await,
            _ => respond(status, json),
        }
    }
}

fn gone() -> ConnectorError {
    ConnectorError::io("the store's thread is gone".into())
}

fn respond(status: u16, json: String) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(status)
        .map_err(|error| ConnectorError::other(Box::new(error), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(json));
    response
        .headers_mut()
        .insert("content-type", "application/x-amz-json-1.0");
    Ok(response)
}

/// Carries out one call of `DynamoDB`'s protocol: the operations that we use.
fn answer(db: &Database, operation: &str, body: &[u8]) -> (u16, String) {
    macro_rules! call {
        ($method:ident) => {
            match serde_json::from_slice(body) {
                Ok(request) => db.$method(request).and_then(|response| {
                    serde_json::to_string(&response).map_err(|_| {
                        DynoxideError::InternalServerError("unwritable answer".to_owned())
                    })
                }),
                Err(_) => Err(DynoxideError::ValidationException(
                    "the request cannot be read".to_owned(),
                )),
            }
        };
    }
    let result = match operation {
        "PutItem" => call!(put_item),
        "GetItem" => call!(get_item),
        "UpdateItem" => call!(update_item),
        "DeleteItem" => call!(delete_item),
        "Query" => call!(query),
        "Scan" => call!(scan),
        "TransactWriteItems" => call!(transact_write_items),
        "BatchWriteItem" => call!(batch_write_item),
        "CreateTable" => call!(create_table),
        "DescribeTable" => call!(describe_table),
        "UpdateTimeToLive" => call!(update_time_to_live),
        _ => Err(DynoxideError::ValidationException(
            "an operation that this engine does not answer".to_owned(),
        )),
    };
    match result {
        Ok(json) => (200, json),
        Err(error) => (error.status_code(), error.to_json()),
    }
}
