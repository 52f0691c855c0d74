//! A brand's own server of tokens, as WeChat advises to have one: it alone asks
//! WeChat, and gives what it has to whoever has its key.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use magpie_local::simulator::{Call, Simulator};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::harness::now_ms;
use crate::world::World;

const KEY: &str = "key of the server of tokens";

#[derive(Default)]
struct Office {
    wechat: Mutex<Option<Simulator>>,
    asked: AtomicUsize,
}

/// A running server; it stops when it is dropped.
pub(crate) struct TokenServer {
    url: String,
    office: Arc<Office>,
    _server: JoinSet<()>,
}

impl TokenServer {
    pub(crate) async fn start() -> TokenServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/tokens", listener.local_addr().unwrap());
        let office = Arc::<Office>::default();
        let router = Router::new()
            .route("/tokens", post(give))
            .with_state(Arc::clone(&office));
        let mut server = JoinSet::new();
        server.spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        TokenServer {
            url,
            office,
            _server: server,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.office.asked.load(Ordering::Relaxed)
    }

    /// From now on it asks this world's WeChat, and its key is this world's secret.
    pub(crate) fn gives_those_of(&self, world: &World) {
        *self.office.wechat.lock().unwrap() = Some(world.wechat.clone());
        world.markers().watch("key", KEY);
        world.bridge().cloud().put_secret("token-server", KEY);
    }
}

async fn give(
    State(office): State<Arc<Office>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    office.asked.fetch_add(1, Ordering::Relaxed);
    let key = headers
        .get("authorization")
        .map(http::HeaderValue::as_bytes);
    if key != Some(format!("Bearer {KEY}").as_bytes()) {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let asked: Value = serde_json::from_slice(&body).unwrap();
    let wechat = office.wechat.lock().unwrap().clone().unwrap();
    let app_id = asked["app_id"].as_str().unwrap();
    let answer = wechat.with(|wechat| {
        let accounts = wechat.accounts();
        let own = accounts.iter().find(|own| own.settings.app_id == app_id);
        let ask = json!({
            "grant_type": "client_credential",
            "appid": app_id,
            "secret": own.unwrap().settings.secret,
            "force_refresh": asked["force"],
        })
        .to_string();
        let call = Call {
            method: "POST",
            path: "/cgi-bin/stable_token",
            query: "",
            content_type: "application/json",
            body: ask.as_bytes(),
            caller: "127.0.0.1",
        };
        wechat.call(now_ms().try_into().unwrap(), &call)
    });
    let answer = String::from_utf8(answer.body).unwrap();
    (StatusCode::OK, answer)
}
