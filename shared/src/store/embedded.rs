//! The engine in this process: an HTTP client for the SDK that answers from a
//! database without a socket. One machine runs on it, and so do tests, which
//! may meddle with every call.
//!
//! Conditions of its use on a file: one process a file (the caller holds a
//! lock), no table stream, expired rows swept by the caller.
//!
//! Invariant: what is answered is on the disk. The engine itself only writes
//! its log; `group` brings the log to the disk, once for all calls that wait
//! for it, and answers them then.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

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

use super::group::{self, Answer, Calls};

/// What a test does to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is carried out and answered.
    Answered,
    /// It is refused before it is carried out, as by throttling.
    Throttled,
    /// It is refused before it is carried out: somebody else's transaction holds
    /// its row.
    Conflict,
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
    calls: Option<Calls>,
    meddler: Option<Meddler>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
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
    /// Its log cannot be opened.
    #[error("the store's log cannot be opened")]
    Log(#[source] io::Error),
    /// A thread cannot be started.
    #[error("the store's threads cannot be started")]
    Thread(#[source] io::Error),
}

impl Engine {
    /// Opens or creates a file. Calls are carried out one after the other, in
    /// the order in which they come, by a thread of the engine's own.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        Self::open_with(path, |log| move || log.sync_data())
    }

    /// Opens a file whose log, a second handle to it, is brought to the disk by
    /// what `sync` makes of it.
    fn open_with<S>(path: &Path, sync: impl FnOnce(File) -> S) -> Result<Self, EngineError>
    where
        S: FnMut() -> io::Result<()> + Send + 'static,
    {
        let path = path.to_str().ok_or(EngineError::Path)?;
        let db = Database::new(path).map_err(EngineError::Open)?;
        // The engine's only way to `PRAGMA synchronous = NORMAL`: it writes its
        // log and brings it to the disk before it reuses it. The rest of what
        // this sets are SQLite's defaults. <https://www.sqlite.org/wal.html>
        db.disable_bulk_loading().map_err(EngineError::Open)?;
        // SQLite locks the file and its index, never the log: opening that a
        // second time takes no lock away.
        let log = File::open(format!("{path}-wal")).map_err(EngineError::Log)?;
        let worker = db.clone();
        let carry_out = move |operation: &str, body: &[u8]| answer(&worker, operation, body);
        let calls = group::start(carry_out, sync(log)).map_err(EngineError::Thread)?;
        Ok(Self {
            db,
            calls: Some(calls),
            meddler: None,
        })
    }

    /// Opens a file on which nobody works, a copy or a stopped machine's: it
    /// answers on the calling thread, and the file is closed with the last
    /// client.
    pub fn at_rest(path: &Path) -> Result<Self, EngineError> {
        let path = path.to_str().ok_or(EngineError::Path)?;
        Ok(Self {
            db: Database::new(path).map_err(EngineError::Open)?,
            calls: None,
            meddler: None,
        })
    }

    /// Waits until the engine cannot go on, such as after its disk has failed:
    /// every call is refused from then on.
    pub async fn failed(&self) {
        match &self.calls {
            Some(calls) => calls.failed().await,
            None => std::future::pending().await,
        }
    }

    /// An engine in memory that answers on the calling thread.
    pub fn in_memory() -> Result<Self, EngineError> {
        Ok(Self {
            db: Database::memory().map_err(EngineError::Open)?,
            calls: None,
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
            Fate::Conflict => return respond(400, conflict(&operation, &body)),
            Fate::DiesBefore => return std::future::pending().await,
            Fate::Answered | Fate::AnswerLost | Fate::DiesAfter => {}
        }
        let Answer { status, json, .. } = match &self.calls {
            None => answer(&self.db, &operation, &body),
            Some(calls) => calls.call(operation, body).await.ok_or_else(gone)?,
        };
        match fate {
            Fate::AnswerLost => Err(ConnectorError::timeout("the answer was lost".into())),
            Fate::DiesAfter => std::future::pending().await,
            _ => respond(status, json),
        }
    }
}

/// What `DynamoDB` answers when another transaction holds a row.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling>
fn conflict(operation: &str, body: &[u8]) -> String {
    let space = "com.amazonaws.dynamodb.v20120810";
    if operation != "TransactWriteItems" {
        return format!(
            r#"{{"__type":"{space}#TransactionConflictException","message":"in conflict"}}"#
        );
    }
    let request: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let items = request.get("TransactItems");
    let items = items.and_then(|items| items.as_array()).map_or(1, Vec::len);
    let mut reasons = vec![serde_json::json!({"Code": "None"}); items];
    if let Some(last) = reasons.last_mut() {
        *last = serde_json::json!({"Code": "TransactionConflict", "Message": "in conflict"});
    }
    serde_json::json!({
        "__type": format!("{space}#TransactionCanceledException"),
        "message": "cancelled",
        "CancellationReasons": reasons,
    })
    .to_string()
}

fn gone() -> ConnectorError {
    ConnectorError::io("the store cannot go on".into())
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
fn answer(db: &Database, operation: &str, body: &[u8]) -> Answer {
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
    let (writes, result) = match operation {
        "PutItem" => (true, call!(put_item)),
        "GetItem" => (false, call!(get_item)),
        "UpdateItem" => (true, call!(update_item)),
        "DeleteItem" => (true, call!(delete_item)),
        "Query" => (false, call!(query)),
        "Scan" => (false, call!(scan)),
        "TransactWriteItems" => (true, call!(transact_write_items)),
        "BatchWriteItem" => (true, call!(batch_write_item)),
        "CreateTable" => (true, call!(create_table)),
        "DescribeTable" => (false, call!(describe_table)),
        "UpdateTimeToLive" => (true, call!(update_time_to_live)),
        "DescribeTimeToLive" => (false, call!(describe_time_to_live)),
        _ => (
            false,
            Err(DynoxideError::ValidationException(
                "an operation that this engine does not answer".to_owned(),
            )),
        ),
    };
    match result {
        Ok(json) => Answer {
            status: 200,
            json,
            wrote: writes,
        },
        Err(error) => Answer {
            status: error.status_code(),
            json: error.to_json(),
            wrote: false,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;
    use crate::clock::Chance;
    use crate::store::Store;

    /// A folder that is gone with its owner.
    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    async fn put(client: &Client, number: usize) {
        let call = client.put_item().table_name("messages");
        let call = call.item("pk", AttributeValue::S(format!("row {number}")));
        call.item("sk", AttributeValue::S("#".into()))
            .send()
            .await
            .unwrap();
    }

    /// What was deleted is not in the file any more, nor in a copy of it: `.cargo/config.toml` has
    /// the engine built to write over it.
    #[tokio::test]
    async fn what_was_deleted_is_not_in_the_file() {
        let name = format!("magpie-deleted-{}", Chance::System.nonce());
        let folder = Folder(std::env::temp_dir().join(name));
        std::fs::create_dir(&folder.0).unwrap();
        let path = folder.0.join("store.db");
        let marker = "A-MARKER-OF-SOMEBODY".repeat(400);
        let holds = || {
            let files = std::fs::read_dir(&folder.0).unwrap();
            files.into_iter().any(|file| {
                let bytes = std::fs::read(file.unwrap().path()).unwrap();
                bytes.windows(8).any(|bytes| bytes == b"A-MARKER")
            })
        };
        let at_rest = || Engine::at_rest(&path).unwrap();
        let engine = at_rest();
        let client = engine.client();
        let store = Store::new(client.clone(), "messages", "control");
        store.create_tables(false).await.unwrap();
        let row = |sk: &str| {
            let client = client.put_item().table_name("messages");
            client
                .item("pk", AttributeValue::S("row".into()))
                .item("sk", AttributeValue::S(sk.into()))
                .item("b", AttributeValue::S(marker.clone()))
        };
        for sk in ["1", "2", "3"] {
            row(sk).send().await.unwrap();
        }
        assert!(holds());
        for sk in ["1", "2", "3"] {
            let call = client.delete_item().table_name("messages");
            let call = call.key("pk", AttributeValue::S("row".into()));
            call.key("sk", AttributeValue::S(sk.into()))
                .send()
                .await
                .unwrap();
        }
        drop((client, store, engine));
        // The last who has it open folds the log in.
        drop(at_rest());
        assert!(!holds());
    }

    /// At every sync the disk's content is copied, the log no further than it
    /// went before: what a power cut would leave right after. Every row that
    /// was answered by then is in it.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_power_cut_takes_nothing_that_was_answered() {
        let name = format!("magpie-power-{}", Chance::System.nonce());
        let folder = Folder(std::env::temp_dir().join(name));
        std::fs::create_dir(&folder.0).unwrap();
        let path = folder.0.join("store.db");
        let syncs = Arc::new(AtomicUsize::new(0));
        let engine = Engine::open_with(&path, |log| {
            let (syncs, path) = (Arc::clone(&syncs), path.clone());
            move || {
                let length = usize::try_from(log.metadata()?.len()).unwrap();
                let number = syncs.load(Ordering::SeqCst) + 1;
                let copy = path.with_file_name(format!("cut-{number}.db"));
                std::fs::copy(&path, &copy)?;
                let mut synced = std::fs::read(path.with_file_name("store.db-wal"))?;
                synced.truncate(length);
                std::fs::write(copy.with_file_name(format!("cut-{number}.db-wal")), synced)?;
                syncs.store(number, Ordering::SeqCst);
                Ok(())
            }
        })
        .unwrap();
        let client = engine.client();
        let store = Store::new(client.clone(), "messages", "control");
        store.create_tables(false).await.unwrap();
        let writing = (0..8).map(|writer| {
            let (client, syncs) = (client.clone(), Arc::clone(&syncs));
            async move {
                let mut answered = Vec::new();
                for number in (writer..160).step_by(8) {
                    put(&client, number).await;
                    answered.push((number, syncs.load(Ordering::SeqCst)));
                }
                answered
            }
        });
        let answered = futures_util::future::join_all(writing).await.concat();
        let last = syncs.load(Ordering::SeqCst);
        assert!(last < 160, "{last} syncs for 160 writes of eight at once");
        for (number, cut) in answered {
            let copy = folder.0.join(format!("cut-{cut}.db"));
            let left = Database::new(copy.to_str().unwrap()).unwrap();
            let pk = serde_json::json!({ "S": format!("row {number}") });
            let key = serde_json::json!({ "pk": pk, "sk": { "S": "#" } });
            let get = serde_json::json!({ "TableName": "messages", "Key": key });
            let got = answer(&left, "GetItem", get.to_string().as_bytes());
            assert!(
                got.json.contains("Item"),
                "row {number} after sync {cut}: {}",
                got.json
            );
        }
    }
}
