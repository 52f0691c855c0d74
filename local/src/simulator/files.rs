//! Files on the simulator's listener: what a phone uploads, what lies at the
//! addresses that pushes and answers give, and uploads of the API.
//!
//! Invariant: no body is read further than to where it is too large.

use axum::Router;
use axum::body::{self, Body};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use serde::Deserialize;
use serde_json::json;

use super::act::Refused;
use super::delivery::Simulator;
use super::door;
use super::media::MediaKind;
use super::path::ApiPath;
use super::refusal::{Refusal, ours};
use super::upload::LONGEST_FORM;

/// The longest name of a file, in bytes.
const LONGEST_NAME: usize = 255;

/// The calls, by their paths.
pub(super) fn routes() -> Router<Simulator> {
    let form = any(door::api).layer(DefaultBodyLimit::max(LONGEST_FORM));
    Router::new()
        .route("/sim/media", post(upload))
        .route("/media/{key}", get(open))
        .route(ApiPath::MediaUpload.as_str(), form)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upload {
    account: String,
    customer: String,
    kind: MediaKind,
    name: String,
}

/// Takes a file of a phone as it is, for an act that sends it.
async fn upload(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Query(upload): Query<Upload>,
    body: Body,
) -> Result<Response, Refusal> {
    ours(&headers, "application/octet-stream")?;
    if upload.name.len() > LONGEST_NAME {
        return Err(Refused::TooLong.into());
    }
    let most = upload.kind.most_sent();
    let bytes = body::to_bytes(body, most).await;
    let bytes = bytes.map_err(|_| Refused::TooLarge)?;
    let now_ms = simulator.now_ms();
    let (account, customer, name) = (&upload.account, &upload.customer, &upload.name);
    let media_id = simulator
        .with(|wechat| wechat.put_media(now_ms, account, customer, upload.kind, name, bytes))?;
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((kind, json!({"media_id": media_id}).to_string()).into_response())
}

/// What lies at an address: whoever has the address needs no token.
async fn open(State(simulator): State<Simulator>, Path(key): Path<String>) -> Response {
    let now_ms = simulator.now_ms();
    let found = simulator.look(|wechat| {
        let media = wechat.opened_by(now_ms, &key)?;
        Some((media.content_type, media.bytes.clone()))
    });
    match found {
        Some((content_type, bytes)) => {
            let kind = [(header::CONTENT_TYPE, content_type)];
            (kind, bytes).into_response()
        }
        None => (StatusCode::NOT_FOUND, "404 page not found").into_response(),
    }
}
