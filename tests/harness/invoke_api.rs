//! Lambda's API on loopback: functions are invoked by calls that wait for their answer,
//! and whoever asks is told how the stream's mapping fares.
//!
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>,
//! <https://docs.aws.amazon.com/lambda/latest/api/API_ListEventSourceMappings.html>

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::recorder::record;
use super::runtime_api::Function;

/// The deployed functions, once they are.
type Deployed = Arc<Mutex<Vec<Function>>>;
/// The state and the last result of the stream's mapping, if there is one.
type Mapping = Arc<Mutex<Option<(&'static str, &'static str)>>>;

/// A running API; it stops when it is dropped.
pub(crate) struct InvokeApi {
    endpoint: String,
    deployed: Deployed,
    mapping: Mapping,
    _server: JoinSet<()>,
}

impl InvokeApi {
    /// Starts it without functions.
    pub(crate) async fn start() -> std::io::Result<InvokeApi> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let deployed = Deployed::default();
        let mapping = Mapping::new(Mutex::new(Some(("Enabled", "OK"))));
        let mappings = get(mappings).with_state(Arc::clone(&mapping));
        let router = Router::new()
            .route("/2015-03-31/functions/{name}/invocations", post(invoke))
            .with_state(Arc::clone(&deployed))
            .route("/2015-03-31/event-source-mappings", mappings);
        let mut server = JoinSet::new();
        server.spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Ok(InvokeApi {
            endpoint,
            deployed,
            mapping,
            _server: server,
        })
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// From now on the stream's mapping has this state and last result, or there is none.
    pub(crate) fn maps(&self, mapping: Option<(&'static str, &'static str)>) {
        *self.mapping.lock().unwrap() = mapping;
    }

    pub(crate) fn deploy(&self, function: &Function) {
        self.deployed.lock().unwrap().push(function.clone());
    }
}

fn signed(headers: &HeaderMap) -> bool {
    let authorization = headers.get("authorization");
    authorization
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 ") && value.contains("/lambda/"))
}

async fn mappings(
    State(mapping): State<Mapping>,
    headers: HeaderMap,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    if !signed(&headers) {
        return refused(StatusCode::FORBIDDEN, "MissingAuthenticationTokenException");
    }
    let stream = asked.get("EventSourceArn");
    let Some(stream) = stream.filter(|arn| arn.contains(":dynamodb:")) else {
        return refused(StatusCode::BAD_REQUEST, "InvalidParameterValueException");
    };
    let mapping = *mapping.lock().unwrap();
    let mappings: Vec<_> = mapping
        .map(|(state, result)| {
            json!({
                "UUID": "bells",
                "State": state,
                "LastProcessingResult": result,
                "EventSourceArn": stream,
            })
        })
        .into_iter()
        .collect();
    let body = json!({ "EventSourceMappings": mappings });
    body.to_string().into_response()
}

async fn invoke(
    State(deployed): State<Deployed>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !signed(&headers) {
        return refused(StatusCode::FORBIDDEN, "MissingAuthenticationTokenException");
    }
    let kind = headers.get("x-amz-invocation-type");
    if kind.is_some_and(|kind| kind != "RequestResponse") {
        return refused(StatusCode::BAD_REQUEST, "InvalidParameterValueException");
    }
    let call = json!({ "operation": "Invoke", "function": name });
    record("lambda", &headers, &call);
    let Ok(event) = serde_json::from_slice(&body) else {
        return refused(StatusCode::BAD_REQUEST, "InvalidRequestContentException");
    };
    let found = {
        let all = deployed.lock().unwrap();
        all.iter().find(|function| function.name() == name).cloned()
    };
    let Some(function) = found else {
        return refused(StatusCode::NOT_FOUND, "ResourceNotFoundException");
    };
    match function.invoke(event).await {
        Ok(answer) => said(&answer, None),
        Err(error) => {
            let answer = json!({ "errorMessage": error.to_string(), "errorType": "Failed" });
            said(&answer, Some("Unhandled"))
        }
    }
}

fn said(answer: &Value, error: Option<&str>) -> Response {
    let mut response = answer.to_string().into_response();
    let headers = response.headers_mut();
    headers.insert("x-amz-executed-version", "$LATEST".parse().unwrap());
    if let Some(error) = error {
        headers.insert("x-amz-function-error", error.parse().unwrap());
    }
    response
}

fn refused(status: StatusCode, kind: &str) -> Response {
    let body = json!({ "Type": "User", "Message": "refused" }).to_string();
    let mut response = (status, body).into_response();
    let kind = kind.parse().unwrap();
    response.headers_mut().insert("x-amzn-errortype", kind);
    response
}
