//! The simulated WeChat on a listener of its own: WeChat's API under its real
//! paths, and phones at `/` with calls of their own under `/sim/`.
//!
//! Invariant: nobody but a page of this very listener can act as a customer. A
//! foreign host name is refused (DNS rebinding), and every change needs a
//! content type and a header of ours, which another origin's page cannot send.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::json;

use super::account::Mode;
use super::act::{Act, Refused};
use super::delivery::Simulator;
use super::refusal::{Refusal, parse};
use super::view::View;
use super::{controls, door, files};

const BODY_LIMIT: usize = 65_536;
/// A page is told of changes at most this often.
const PACE: Duration = Duration::from_millis(80);
const LONGEST_NAME: usize = 60;

const SECURITY: [(header::HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         img-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Everything that listens on the simulator's address. `hosts` are the values
/// of the `Host` header that are let in, such as `127.0.0.1:8081`. For the list
/// of addresses that may ask for tokens to work, serve it with connect info.
pub fn router(simulator: Simulator, hosts: Vec<String>) -> Router {
    Router::new()
        .route("/", get(html))
        .route("/phone.css", get(css))
        .route("/words.js", get(words))
        .route("/phone.js", get(phone))
        .route("/media.js", get(pictures))
        .route("/notices.js", get(notices))
        .route("/menu.js", get(menu))
        .route("/controls.js", get(levers))
        .route("/sights.js", get(panel))
        .route("/phone.svg", get(icon))
        .route("/sim/state", get(state))
        .route("/sim/events", get(events))
        .route("/sim/act", post(act))
        .route("/sim/customers", post(add_customer))
        .route("/sim/read", post(read))
        .route("/sim/mode", post(change_mode))
        .route("/sim/handshake", post(handshake))
        .merge(controls::routes())
        .merge(files::routes())
        .fallback(door::api)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(
            Arc::<[String]>::from(hosts),
            guard,
        ))
        .with_state(simulator)
}

async fn guard(State(hosts): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    // Two names would be read differently by different readers.
    let mut named = request.headers().get_all(header::HOST).iter();
    let named = named.next().filter(|_| named.next().is_none());
    let named = named.and_then(|host| host.to_str().ok());
    let ours = |host: &str| hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host));
    // A call may name its host in its first line too.
    let addressed = request.uri().authority();
    let known = named.is_some_and(ours) && addressed.is_none_or(|host| ours(host.as_str()));
    if !known {
        return (StatusCode::FORBIDDEN, "unknown host name").into_response();
    }
    let mut response = next.run(request).await;
    for (name, value) in SECURITY {
        response
            .headers_mut()
            .insert(name, header::HeaderValue::from_static(value));
    }
    response
}

async fn html() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (kind, include_str!("page/phone.html"))
}

async fn css() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (kind, include_str!("page/phone.css"))
}

fn script(text: &'static str) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    (kind, text)
}

async fn words() -> impl IntoResponse {
    script(include_str!("page/words.js"))
}

async fn phone() -> impl IntoResponse {
    script(include_str!("page/phone.js"))
}

async fn pictures() -> impl IntoResponse {
    script(include_str!("page/media.js"))
}

async fn notices() -> impl IntoResponse {
    script(include_str!("page/notices.js"))
}

async fn menu() -> impl IntoResponse {
    script(include_str!("page/menu.js"))
}

async fn levers() -> impl IntoResponse {
    script(include_str!("page/controls.js"))
}

async fn panel() -> impl IntoResponse {
    script(include_str!("page/sights.js"))
}

async fn icon() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "image/svg+xml")];
    (kind, include_str!("page/phone.svg"))
}

async fn state(State(simulator): State<Simulator>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, draw(&simulator))
}

/// The whole state, now and after every change.
async fn events(
    State(simulator): State<Simulator>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut changes = simulator.changes();
    changes.mark_changed();
    let first = Duration::ZERO;
    let stream = stream::unfold(
        (simulator, changes, first),
        |(simulator, mut changes, pause)| async move {
            tokio::time::sleep(pause).await;
            changes.changed().await.ok()?;
            if changes.borrow_and_update().closed {
                return None;
            }
            let event = Event::default().data(draw(&simulator));
            Some((Ok(event), (simulator, changes, PACE)))
        },
    );
    Sse::new(stream).keep_alive(KeepAlive::default())
}

fn draw(simulator: &Simulator) -> String {
    let now_ms = simulator.now_ms();
    simulator
        .look(|wechat| serde_json::to_string(&View::new(wechat, now_ms)))
        .unwrap_or_default()
}

#[derive(Deserialize)]
struct ActBody {
    account: String,
    customer: String,
    #[serde(flatten)]
    act: Act,
}

async fn act(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let body: ActBody = parse(&headers, &body)?;
    simulator.post(&body.account, &body.customer, &body.act)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct CustomerBody {
    account: String,
    name: String,
}

async fn add_customer(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body: CustomerBody = parse(&headers, &body)?;
    let name = body.name.trim();
    if name.is_empty() {
        return Err(Refused::Empty.into());
    }
    if name.len() > LONGEST_NAME {
        return Err(Refused::TooLong.into());
    }
    let open_id = simulator.with(|wechat| wechat.add_customer(&body.account, name))?;
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((kind, json!({"customer": open_id}).to_string()).into_response())
}

#[derive(Deserialize)]
struct ReadBody {
    account: String,
    customer: String,
}

async fn read(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let body: ReadBody = parse(&headers, &body)?;
    simulator.with(|wechat| wechat.read(&body.account, &body.customer))?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct ModeBody {
    account: String,
    mode: Mode,
}

async fn change_mode(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body: ModeBody = parse(&headers, &body)?;
    let connection = simulator.change_mode(&body.account, body.mode).await?;
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((kind, json!(connection).to_string()).into_response())
}

#[derive(Deserialize)]
struct AccountBody {
    account: String,
}

async fn handshake(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body: AccountBody = parse(&headers, &body)?;
    let connection = simulator.connect(&body.account).await?;
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((kind, json!(connection).to_string()).into_response())
}
