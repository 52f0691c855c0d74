//! The files of customers' messages, where they lie in a bucket: whoever has a link of ours is
//! sent on to it. On one machine the listener gives them out itself.

use http::header::LOCATION;
use http::{Method, StatusCode};

use super::Call;
use super::problem::{Problem, Refusal};
use crate::bridge::{Response, plain};
use crate::storage::Found;

/// Answers a call for a file: its path below `/media/`, and its query as it was sent.
pub(super) async fn answer(call: &Call<'_>, path: &str, query: &str) -> Result<Response, Refusal> {
    if ![Method::GET, Method::HEAD].contains(call.method) {
        return Err(Problem::method("GET, HEAD").into());
    }
    let opened = call.bridge.open_file(call.method, path, query).await?;
    let Some(Found::Elsewhere(url)) = opened.map(|opened| opened.found) else {
        return Err(Problem::missing().into());
    };
    let mut response = plain(StatusCode::FOUND, "");
    let address = url.as_str().parse().map_err(|_| Problem::missing())?;
    response.headers_mut().insert(LOCATION, address);
    Ok(response)
}
