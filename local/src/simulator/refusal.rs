//! A page's call that has no effect, and why.
//!
//! Invariant: a call that another origin's page could send is refused before
//! its body is looked at.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::act::Refused;
use super::mishap::BadMishap;

/// Why a page's call has no effect.
pub(super) enum Refusal {
    /// It may come from another origin.
    Foreign,
    /// Its body is not right; these words say how.
    Wrong(String),
    /// WeChat does not do that.
    Refused(Refused),
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<BadMishap> for Refusal {
    fn from(bad: BadMishap) -> Self {
        Self::Wrong(bad.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, words) = match self {
            Self::Foreign => (
                StatusCode::FORBIDDEN,
                "x-magpie-phone: 1 and the content type of the call are needed".to_owned(),
            ),
            Self::Wrong(words) => (StatusCode::BAD_REQUEST, words),
            Self::Refused(refused @ (Refused::UnknownAccount | Refused::UnknownCustomer)) => {
                (StatusCode::NOT_FOUND, refused.to_string())
            }
            Self::Refused(refused @ Refused::TooLarge) => {
                (StatusCode::PAYLOAD_TOO_LARGE, refused.to_string())
            }
            Self::Refused(refused) => (StatusCode::CONFLICT, refused.to_string()),
        };
        let kind = [(header::CONTENT_TYPE, "application/json")];
        (status, kind, json!({"error": words}).to_string()).into_response()
    }
}

/// The body of a page's call.
pub(super) fn parse<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Refusal> {
    ours(headers, "application/json")?;
    serde_json::from_slice(body).map_err(|error| Refusal::Wrong(error.to_string()))
}

/// Whether a call comes from the page itself, with a body of this content type.
pub(super) fn ours(headers: &HeaderMap, content_type: &str) -> Result<(), Refusal> {
    let is = |name: &str, expected: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|value| value.trim().eq_ignore_ascii_case(expected))
    };
    if is("x-magpie-phone", "1") && is("content-type", content_type) {
        Ok(())
    } else {
        Err(Refusal::Foreign)
    }
}
