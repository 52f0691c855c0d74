//! It stands in front of an engine and passes every call on. Where
//! `MAGPIE_TEST_CALLS` names a folder, each call of a function leaves a line there:
//! what the policies of the template are held against. The key id in a call's
//! signature says whose it is: each function has its own. And a test may come in
//! between two calls.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use magpie::http::{Allowed, Http};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What the key id of a function begins with.
const KEY_ID: &str = "ASIAHARNESS";

/// The key id of a function. DynamoDB Local takes letters and digits alone.
pub(super) fn key_id(function: &str) -> String {
    format!("{KEY_ID}{}", function.to_uppercase().replace('-', "0"))
}

/// Where calls are written, if they are.
pub(crate) fn folder() -> Option<PathBuf> {
    magpie::config::variable("MAGPIE_TEST_CALLS").map(PathBuf::from)
}

/// The function whose key signed a call.
pub(crate) fn caller(headers: &HeaderMap) -> Option<String> {
    let signature = headers.get("authorization")?.to_str().ok()?;
    let (_, rest) = signature.split_once("Credential=")?;
    let (key, _) = rest.split_once('/')?;
    // The harness itself has no name behind it.
    let name = key.strip_prefix(KEY_ID)?.to_lowercase().replace('0', "-");
    (!name.is_empty()).then_some(name)
}

/// Writes one call of one function.
pub(crate) fn record(service: &str, headers: &HeaderMap, call: &Value) {
    let (Some(folder), Some(function)) = (folder(), caller(headers)) else {
        return;
    };
    let line = json!({ "function": function, "service": service, "call": call });
    let path = folder.join(format!("{}.jsonl", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.create(true).append(true).open(path).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// What happens when a call of this operation with this input comes by, before it is
/// passed on.
type Meanwhile = Box<dyn FnMut(&str, &Value) + Send>;

struct Behind {
    service: &'static str,
    engine: String,
    client: reqwest::Client,
    meanwhile: Mutex<Option<Meanwhile>>,
    unplugged: AtomicBool,
}

/// A recorder in front of an engine; it stops when it is dropped.
pub(crate) struct Recorder {
    endpoint: String,
    behind: Arc<Behind>,
    _server: JoinSet<()>,
}

impl Recorder {
    /// Stands in front of `engine`.
    pub(crate) async fn before(service: &'static str, engine: &str) -> std::io::Result<Recorder> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        // Making one installs the crypto provider, which every client needs.
        Http::network(Allowed::default()).ready().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a client of the harness")]
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let behind = Arc::new(Behind {
            service,
            engine: engine.to_owned(),
            client,
            meanwhile: Mutex::default(),
            unplugged: AtomicBool::new(false),
        });
        let state = Arc::clone(&behind);
        let router = Router::new().fallback(pass).with_state(state);
        let mut server = JoinSet::new();
        server.spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Ok(Recorder {
            endpoint,
            behind,
            _server: server,
        })
    }

    /// From now on nobody answers behind it.
    pub(crate) fn unplug(&self) {
        self.behind.unplugged.store(true, Ordering::Relaxed);
    }

    /// From now on this happens whenever a call comes by.
    pub(crate) fn meanwhile(&self, happens: impl FnMut(&str, &Value) + Send + 'static) {
        *self.behind.meanwhile.lock().unwrap() = Some(Box::new(happens));
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

async fn pass(State(behind): State<Arc<Behind>>, headers: HeaderMap, body: Bytes) -> Response {
    if behind.unplugged.load(Ordering::Relaxed) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let target = headers.get("x-amz-target");
    let target = target.and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.rsplit('.').next());
    if let Some(operation) = operation {
        let input: Value = serde_json::from_slice(&body).unwrap_or_default();
        if let Some(happens) = behind.meanwhile.lock().unwrap().as_mut() {
            happens(operation, &input);
        }
        let call = json!({ "operation": operation, "input": input });
        record(behind.service, &headers, &call);
    }
    let mut passed = headers;
    passed.remove("host");
    let sent = behind
        .client
        .post(&behind.engine)
        .headers(passed)
        .body(body);
    let Ok(answer) = sent.send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.bytes().await.unwrap();
    let mut response = (status, body).into_response();
    for (name, value) in &headers {
        if name != "content-length" && name != "transfer-encoding" {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}
