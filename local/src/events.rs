//! `GET /api/events`: tells a page that something changed that it may show.
//! What it is, the page asks for.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::routes::House;

/// How often a page is told at the most.
const PACE: Duration = Duration::from_millis(100);
/// How long nothing is said before a comment shows that we are still here.
const SILENCE: Duration = Duration::from_secs(15);

/// Streams changes to a page of somebody who is signed in. The first one comes
/// at once: what changed before the page listened is not missed.
pub(crate) async fn stream(State(house): State<House>, headers: HeaderMap) -> Response {
    if let Err(refused) = house.console.admit_reader(&house.bridge, &headers).await {
        return refused.map(Body::from);
    }
    let mut changes = house.bridge.changes();
    changes.mark_changed();
    let changes = stream::unfold((changes, false), |(mut changes, told)| async move {
        if told {
            tokio::time::sleep(PACE).await;
        }
        changes.changed().await.ok()?;
        let event = Event::default().event("change").data("{}");
        Some((Ok::<_, Infallible>(event), (changes, true)))
    });
    let stop = house.stop.clone();
    let changes = changes.take_until(async move { stop.asked().await });
    let mut response = Sse::new(changes)
        .keep_alive(KeepAlive::new().interval(SILENCE))
        .into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A reverse proxy that gathers answers would keep changes to itself.
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}
