//! WeChat's API on the listener: whatever is no page.
//!
//! Invariant: what was decided about a call is carried out here and nowhere
//! else; neither a delay nor an outage keeps the simulator from stopping.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;

use super::call::Call;
use super::delivery::{self, Simulator};
use super::treatment::End;

/// How long a connection is held silently. Nobody who waits for an answer has
/// more patience, and what is held costs a connection.
const HOLD: Duration = Duration::from_mins(1);

/// Meets a call.
pub(super) async fn api(
    State(simulator): State<Simulator>,
    caller: Option<Extension<ConnectInfo<SocketAddr>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let caller = caller.map_or_else(
        || "127.0.0.1".to_owned(),
        // A listener of both families gives addresses of the old one in the new form.
        |Extension(ConnectInfo(address))| address.ip().to_canonical().to_string(),
    );
    let call = Call {
        method: method.as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        content_type: headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default(),
        body: &body,
        caller: &caller,
    };
    let now_ms = simulator.now_ms();
    let (treatment, results) = simulator.with(|wechat| {
        let treatment = wechat.meet(now_ms, &call);
        (treatment, wechat.results(now_ms))
    });
    simulator.push(results);
    if !treatment.delay.is_zero() {
        wait(&simulator, treatment.delay).await;
    }
    let answer = match treatment.end {
        End::Answer(answer) => answer,
        End::Close => return nothing(),
        End::Hold => {
            wait(&simulator, HOLD).await;
            return nothing();
        }
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = [(header::CONTENT_TYPE, answer.content_type)];
    let mut response = (status, kind, answer.body).into_response();
    let disposition = answer.disposition.map(HeaderValue::try_from);
    if let Some(Ok(disposition)) = disposition {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

async fn wait(simulator: &Simulator, span: Duration) {
    let mut changes = simulator.changes();
    tokio::select! {
        () = tokio::time::sleep(span) => {}
        () = delivery::closed(&mut changes) => {}
    }
}

/// Closes the connection without an answer. The head of an answer leaves with
/// the first bytes of its body, and here these are an error.
fn nothing() -> Response {
    let end = stream::iter([Err::<Bytes, _>(io::Error::from(
        io::ErrorKind::ConnectionAborted,
    ))]);
    Body::from_stream(end).into_response()
}
