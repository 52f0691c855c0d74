//! The page and what it loads: one template, one script, one style sheet, all
//! in the binary.

use std::fmt::Write as _;
use std::sync::LazyLock;

use askama::Template;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use sha2::{Digest as _, Sha256};

use super::Call;
use super::lang::Lang;
use super::problem::{Answered, Problem};
use crate::bridge::Response;
use crate::store::StoreError;

const SCRIPT: &str = include_str!("assets/console.js");
const STYLE: &str = include_str!("assets/console.css");

/// What the page may load: our own script and style, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; form-action 'none'; base-uri 'none'; \
    frame-ancestors 'none'";

/// Changes whenever the script or the style does: addresses carry it, so that
/// browsers may keep what they have.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::new()
        .chain_update(SCRIPT)
        .chain_update(STYLE)
        .finalize();
    digest.iter().take(6).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
});

#[derive(Template)]
#[template(path = "inbox.html")]
struct Inbox<'a> {
    lang: &'a str,
    title: &'a str,
    asset_version: &'a str,
}

/// Answers everything under `/console`.
pub(super) fn answer(call: &Call<'_>) -> Answered {
    let kind = match call.path {
        "/console" => None,
        "/console/" => Some("text/html; charset=utf-8"),
        "/console/console.js" => Some("text/javascript; charset=utf-8"),
        "/console/console.css" => Some("text/css; charset=utf-8"),
        _ => return Err(Problem::missing().into()),
    };
    if call.method != Method::GET {
        return Err(Problem::method("GET").into());
    }
    let Some(kind) = kind else {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        let page = HeaderValue::from_static("/console/");
        response.headers_mut().insert(LOCATION, page);
        return Ok(response);
    };
    let body = match call.path {
        "/console/console.js" => Bytes::from_static(SCRIPT.as_bytes()),
        "/console/console.css" => Bytes::from_static(STYLE.as_bytes()),
        _ => page(call.lang)?,
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // An address of another version may be a page's that is older than we are.
    if call.path != "/console/" && call.query("v") == Some(VERSION.as_str()) {
        let long = HeaderValue::from_static("public, max-age=31536000, immutable");
        headers.insert(CACHE_CONTROL, long);
    }
    Ok(response)
}

fn page(lang: Lang) -> Result<Bytes, StoreError> {
    let page = Inbox {
        lang: lang.pick("zh-CN", "en"),
        title: "Magpie",
        asset_version: &VERSION,
    };
    let html = page.render().map_err(|_| StoreError::Unreadable("page"))?;
    Ok(Bytes::from(html))
}
