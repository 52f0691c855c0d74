//! Which call goes to which verb.
//!
//! Invariant: nothing is answered under a foreign host name, and no body is
//! read further than to where it is too long, nor waited for longer than
//! [`PATIENCE`]. A query reaches its verb as it came, undecoded.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{any, get, post};
use axum::{Extension, Router};
use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode, Uri, header};
use magpie::bridge::{Bridge, Taken, inbound, outbound, plain, verify};
use magpie::console::{self, Console};
use magpie::http::Trouble;
use magpie::message::ChannelId;
use magpie::storage::Found;
use tokio::time::Instant;
use tower::ServiceExt as _;
use tower_http::services::ServeFile;
use tracing::error;

use crate::caller::Front;
use crate::events;
use crate::hosts::Hosts;
use crate::metrics::Timings;
use crate::server::Seats;
use crate::stop::Stop;

/// The longest body of a call, in bytes; the verbs refuse what is longer.
const BODY_MAX: usize = 64 * 1024;
/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is said of a file that is not there.
const NO_FILE: &str = "there is no such file, or its link has expired";
/// What is said of an address to which no file can be brought.
const NO_DOOR: &str = "no file can be brought here, or not any more";
/// What is said of a file that is another one than was said.
const NOT_THIS: &str = "the file is not as long as was said, or not of its format";
/// How long a file may take to arrive: ten megabytes over a slow line.
const BRINGING: Duration = Duration::from_mins(2);
/// How long the store may take to show that it is well.
const WELL: Duration = Duration::from_secs(1);

/// What answers calls.
#[derive(Clone)]
pub(crate) struct House {
    /// The verbs.
    pub(crate) bridge: Arc<Bridge>,
    /// The pages and the API.
    pub(crate) console: Arc<Console>,
    /// When streams end.
    pub(crate) stop: Stop,
    /// How long pushes took.
    pub(crate) timings: Timings,
    /// By what callers are known.
    pub(crate) front: Front,
}

/// Everything that listens on Magpie's own address.
pub(crate) fn router(house: House, hosts: Hosts) -> Router {
    let router = Router::new()
        .route("/", get(|| async { Redirect::temporary("/console/") }))
        .route("/healthz", get(health))
        .route("/wechat/{channel}", get(handshake).post(push))
        .route("/desk/{channel}", post(desk))
        .route("/media/{*path}", get(media).put(bring))
        .route("/api/events", get(events::stream).fallback(pages))
        .route("/api", any(pages))
        .route("/api/", any(pages))
        .route("/api/{*rest}", any(pages))
        .route("/console", any(pages))
        .route("/console/", any(pages))
        .route("/console/{*rest}", any(pages))
        .with_state(house);
    guarded(router, hosts)
}

/// The same, under these host names and no other.
pub(crate) fn guarded(router: Router, hosts: Hosts) -> Router {
    router.layer(middleware::from_fn_with_state(Arc::new(hosts), guard))
}

async fn guard(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    // Two names would be read differently by different readers.
    let mut hosts_named = request.headers().get_all(header::HOST).iter();
    let named = hosts_named.next().filter(|_| hosts_named.next().is_none());
    let named = named.and_then(|host| host.to_str().ok());
    // A call may name its host in its first line too.
    let addressed = request.uri().authority();
    let known = named.is_some_and(|host| hosts.let_in(host))
        && addressed.is_none_or(|host| hosts.let_in(host.as_str()));
    if known {
        next.run(request).await
    } else {
        say(
            StatusCode::MISDIRECTED_REQUEST,
            "unknown host name: MAGPIE_PUBLIC_URL tells Magpie its own",
        )
    }
}

async fn health(State(house): State<House>) -> Response {
    let Some(any) = ChannelId::parse("healthz") else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    match tokio::time::timeout(WELL, house.bridge.store.channel(&any)).await {
        Ok(Ok(_)) => say(StatusCode::OK, "ok"),
        _ => say(
            StatusCode::SERVICE_UNAVAILABLE,
            "the store does not answer in time",
        ),
    }
}

async fn handshake(
    State(house): State<House>,
    Path(channel): Path<String>,
    Extension(ConnectInfo(peer)): Extension<ConnectInfo<SocketAddr>>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let query = uri.query().unwrap_or_default();
    let caller = house.front.caller(peer, &headers);
    verify::verify(&house.bridge, &channel, caller, query)
        .await
        .map(Body::from)
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long something took is no time that decides anything"
)]
async fn push(
    State(house): State<House>,
    Path(channel): Path<String>,
    Extension(seats): Extension<Seats>,
    Extension(ConnectInfo(peer)): Extension<ConnectInfo<SocketAddr>>,
    headers: HeaderMap,
    uri: Uri,
    body: Body,
) -> Response {
    let begun = Instant::now();
    let query = uri.query().unwrap_or_default();
    let caller = house.front.caller(peer, &headers);
    let response = match read(body, &seats).await {
        Ok(body) => inbound::inbound(&house.bridge, &channel, caller, query, &body)
            .await
            .map(Body::from),
        Err(status) => unread(status),
    };
    house.timings.note(begun.elapsed());
    response
}

async fn desk(
    State(house): State<House>,
    Path(channel): Path<String>,
    Extension(seats): Extension<Seats>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match read(body, &seats).await {
        Ok(body) => outbound::outbound(&house.bridge, &channel, &headers, &body)
            .await
            .map(Body::from),
        Err(status) => unread(status),
    }
}

/// A file by its link. A browser shows a picture and plays a film, and never runs anything.
async fn media(State(house): State<House>, Path(path): Path<String>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let opened = house.bridge.open_file(request.method(), &path, query).await;
    let opened = match opened {
        Ok(Some(found)) => found,
        Ok(None) => return say(StatusCode::NOT_FOUND, NO_FILE),
        Err(broken) => {
            error!(error = %broken, "a file could not be looked for");
            return unread(StatusCode::INTERNAL_SERVER_ERROR);
        }
    };
    let file = match opened.found {
        Found::File(file) => file,
        Found::Elsewhere(url) => return Redirect::temporary(url.as_str()).into_response(),
    };
    // It never fails: what cannot be read is an answer, too.
    let Ok(mut response) = ServeFile::new(file).oneshot(request).await;
    let status = response.status();
    if !status.is_success() && status != StatusCode::NOT_MODIFIED {
        // Its message is there and it is not: it was restored without its files.
        return say(status, NO_FILE);
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, opened.format.mime()),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; sandbox",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "private, max-age=3600"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    // It is plain letters, whatever the file is called.
    if let Ok(disposition) = header::HeaderValue::from_str(&opened.disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    // The time of a file's change is when it is forgotten.
    headers.remove(header::LAST_MODIFIED);
    response.map(Body::new)
}

/// A file that is brought to the address of [`magpie::media::door`].
async fn bring(
    State(house): State<House>,
    Path(path): Path<String>,
    Extension(seats): Extension<Seats>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let query = head.uri.query().unwrap_or_default();
    let pieces = body
        .into_data_stream()
        .map(|piece| piece.map_err(|_| Trouble::Lost(None)));
    let taking = house.bridge.take_file(&path, query, pieces);
    match tokio::time::timeout(seats.patience(BRINGING), taking).await {
        Ok(Ok(Taken::Kept)) => StatusCode::NO_CONTENT.into_response(),
        Ok(Ok(Taken::NoDoor)) => say(StatusCode::NOT_FOUND, NO_DOOR),
        Ok(Ok(Taken::NotThis)) => say(StatusCode::UNPROCESSABLE_ENTITY, NOT_THIS),
        Ok(Err(broken)) => {
            error!(error = %broken, "a file could not be taken");
            unread(StatusCode::INTERNAL_SERVER_ERROR)
        }
        Err(_) => unread(StatusCode::REQUEST_TIMEOUT),
    }
}

fn unread(status: StatusCode) -> Response {
    say(status, status.canonical_reason().unwrap_or_default())
}

async fn pages(
    State(house): State<House>,
    Extension(seats): Extension<Seats>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let answer = match read(body, &seats).await {
        Ok(body) => {
            let request = Request::from_parts(head, body);
            console::answer(&house.bridge, &house.console, request).await
        }
        Err(status) => console::unread(&head.headers, status),
    };
    answer.map(Body::from)
}

/// Reads a body up to one byte more than is taken, so that whoever takes it
/// sees that it is too long. A body that does not come has a status.
async fn read(body: Body, seats: &Seats) -> Result<Bytes, StatusCode> {
    let reading = async {
        let mut read = Vec::new();
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| StatusCode::BAD_REQUEST)?;
            let room = BODY_MAX + 1 - read.len();
            read.extend(piece.into_iter().take(room));
            if read.len() > BODY_MAX {
                break;
            }
        }
        Ok(Bytes::from(read))
    };
    tokio::time::timeout(seats.patience(PATIENCE), reading)
        .await
        .unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}

/// An answer in plain words.
pub(crate) fn say(status: StatusCode, text: &'static str) -> Response {
    plain(status, text).map(Body::from)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_is_read_in_time_and_no_further_than_it_must_be() {
        for (size, expected) in [(0, 0), (BODY_MAX, BODY_MAX), (BODY_MAX * 3, BODY_MAX + 1)] {
            let read = read(Body::from(vec![b'x'; size]), &Seats::new(9)).await;
            let read = read.unwrap();
            assert_eq!(read.len(), expected);
        }
        let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"x"))]);
        let stuck = Body::from_stream(first.chain(stream::pending()));
        let stuck = read(stuck, &Seats::new(9)).await;
        assert_eq!(stuck.unwrap_err(), StatusCode::REQUEST_TIMEOUT);
        let torn = stream::iter([Err::<Bytes, _>(std::io::Error::other("torn"))]);
        let torn = read(Body::from_stream(torn), &Seats::new(9)).await;
        assert_eq!(torn.unwrap_err(), StatusCode::BAD_REQUEST);
    }
}
