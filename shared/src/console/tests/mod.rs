//! The console as its callers meet it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop where it stands"
)]

mod account;
mod account_events;
mod channels;
mod cursors;
mod customers;
mod dead;
mod described;
mod doors;
mod notices;
mod pages;
mod parked;
mod people;
mod purge;
mod races;
mod replies;
#[path = "../../../../tests/schema.rs"]
mod schema;
mod seen;
mod talks;
mod token;
mod tour;
mod uploads;
mod within;

use std::collections::BTreeSet;
use std::sync::Mutex;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use url::Url;

use super::{AdminKey, Console, answer};
use crate::bridge::Files;
use crate::storage::{Folder, Storage};
use crate::testing::Stage;

const KEY: &str = "an admin key that nobody guesses";

/// Everything of the console on a stage.
struct House {
    stage: Stage,
    console: Console,
    /// The answers of the API so far, by the document's words.
    given: Mutex<BTreeSet<described::Given>>,
    /// Where files lie.
    root: TempDir,
}

/// What came back.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
}

impl House {
    async fn new() -> Self {
        let public = Url::parse("https://desk.example/").unwrap();
        let root = TempDir::new().unwrap();
        let stage = Stage::new().await;
        let bridge = stage.bridge.with_files(Files {
            storage: Storage::Folder(Folder::open(&root.path().join("media")).unwrap()),
            base: Some(public.clone()),
            scanner: None,
        });
        Self {
            stage: Stage { bridge, ..stage },
            console: Console::new(AdminKey::Given(KEY.to_owned()), Some(public)),
            given: Mutex::default(),
            root,
        }
    }

    /// A call with these headers and this body.
    async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(json) => {
                request = request.header("content-type", "application/json");
                Bytes::from(json.to_string())
            }
            None => Bytes::new(),
        };
        self.send(request.body(body).unwrap()).await
    }

    async fn send(&self, request: Request<Bytes>) -> Reply {
        // Servers move it between threads.
        fn send<F: Future + Send>(future: F) -> F {
            future
        }
        let asked = described::Asked::of(&request);
        let response = send(answer(&self.stage.bridge, &self.console, request)).await;
        let (parts, body) = response.into_parts();
        assert!(parts.headers.contains_key("cache-control"));
        assert_eq!(parts.headers["x-content-type-options"], "nosniff");
        assert_eq!(parts.headers["referrer-policy"], "no-referrer");
        let reply = Reply {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        };
        let given = described::hold(&asked, &reply);
        self.given.lock().unwrap().extend(given);
        reply
    }

    /// A program's call, in English.
    async fn program(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let bearer = format!("Bearer {KEY}");
        self.call(method, path, &[("authorization", &bearer)], body)
            .await
    }

    async fn get(&self, path: &str) -> Value {
        let reply = self.program("GET", path, None).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.text);
        for marker in ["TOKEN-MARKER", "app-secret-marker", "whsec_", "openid"] {
            assert!(!reply.text.contains(marker), "{marker} in {path}");
        }
        reply.json()
    }

    /// All pages of a list; the path has its limit.
    async fn pages(&self, path: &str) -> Vec<Value> {
        let mut pages = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}&cursor={cursor}")).await;
            let next = page["cursor"].as_str().map(str::to_owned);
            pages.push(page);
            match next {
                Some(next) => cursor = next,
                None => return pages,
            }
        }
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        self.program("POST", path, Some(body)).await
    }
}
