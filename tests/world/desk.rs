//! Somebody's contact centre that speaks Standard Webhooks with the bridge: it
//! checks every signature and knows a repeat by its id.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use magpie::desk::webhook;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::schema::{closed, faults};
use super::{Customer, Shop, WINDOW, World, time};
use crate::harness::markers::Markers;
use crate::harness::{now_ms, random};

/// What a desk may be told.
const NEWS: &str = include_str!("../../examples/webhook/schemas/to-desk.json");

/// A desk. Clones are the same one.
#[derive(Clone)]
pub(crate) struct DeskServer {
    url: String,
    secret: String,
    office: Arc<Mutex<Office>>,
    _server: Arc<JoinSet<()>>,
}

#[derive(Default)]
struct Office {
    unread: VecDeque<Value>,
    known: BTreeSet<String>,
    unsigned: usize,
    refused: usize,
    down: bool,
}

impl DeskServer {
    pub(super) async fn start(markers: &Markers) -> DeskServer {
        let secret = STANDARD.encode(markers.secret("desk secret", 33));
        markers.watch("desk secret", &secret);
        let secret = format!("whsec_{secret}");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let office = Arc::<Mutex<Office>>::default();
        let state = (Arc::clone(&office), webhook::secret(&secret).unwrap());
        let router = Router::new().route("/hook", post(hear)).with_state(state);
        let mut server = JoinSet::new();
        server.spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        DeskServer {
            url,
            secret,
            office,
            _server: Arc::new(server),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    /// From now on every call is answered with 500.
    pub(crate) fn goes_down(&self) {
        self.office.lock().unwrap().down = true;
    }

    /// From now on calls are answered as they should be.
    pub(crate) fn comes_back(&self) {
        self.office.lock().unwrap().down = false;
    }

    /// How many calls were answered with 500.
    pub(crate) fn refused(&self) -> usize {
        self.office.lock().unwrap().refused
    }

    /// Waits until more than so many calls were answered with 500.
    pub(crate) async fn refuses_more_than(&self, world: &World, before: usize) {
        let what = format!("the desk refuses more than {before} calls");
        let more = async || (self.refused() > before).then_some(());
        world.until(&what, more).await;
    }

    pub(super) fn unread(&self) -> Vec<Value> {
        self.office.lock().unwrap().unread.iter().cloned().collect()
    }

    pub(super) fn unsigned(&self) -> usize {
        self.office.lock().unwrap().unsigned
    }

    /// The next news, which is of this type.
    pub(crate) async fn hears(&self, world: &World, kind: &str) -> Value {
        let news = self.hears_something(world, kind).await;
        assert_eq!(news["type"], kind, "{}", news["type"]);
        news
    }

    /// The next news, whatever it is. `what` is expected.
    pub(crate) async fn hears_something(&self, world: &World, what: &str) -> Value {
        let what = format!("the desk hears {what}");
        let heard = async || self.office.lock().unwrap().unread.pop_front();
        let news = world.until(&what, heard).await;
        let schema = closed(serde_json::from_str(NEWS).unwrap());
        assert_eq!(faults(&schema, &schema, &news), [""; 0], "{}", news["type"]);
        news
    }

    /// The next news: what became of the message of this id.
    pub(crate) async fn hears_status(&self, world: &World, id: &str, state: &str) -> Value {
        let news = self.hears(world, "message.status").await;
        assert_eq!(news["message"]["id"], id);
        assert_eq!(news["state"], state, "{news}");
        news
    }

    /// An agent answers as often as WeChat lets answers out for one message; the customer
    /// sees each of them.
    pub(crate) async fn uses_up_the_window(
        &self,
        shop: &Shop<'_>,
        customer: &Customer<'_>,
        conversation: &str,
    ) {
        for _ in 0..WINDOW {
            let reply = shop.world.markers().text();
            let id = self.says(shop, conversation, &reply).await;
            customer.sees(&reply).await;
            self.hears_status(shop.world, &id, "delivered").await;
        }
    }

    /// The next news: a session, and the customer's words that began it. Says the
    /// conversation.
    pub(crate) async fn hears_a_beginning(&self, world: &World, text: &str) -> String {
        self.hears(world, "session.opened").await;
        let news = self.hears_message(world, text).await;
        news["conversation"].as_str().unwrap().to_owned()
    }

    /// The next news: the customer's words.
    pub(crate) async fn hears_message(&self, world: &World, text: &str) -> Value {
        let news = self.hears(world, "message.created").await;
        assert_eq!(news["message"]["kind"], "text");
        assert_eq!(news["message"]["text"], text);
        news
    }

    /// An agent answers. The id of the answer comes back.
    pub(crate) async fn says(&self, shop: &Shop<'_>, conversation: &str, text: &str) -> String {
        let id = format!("msg_{:016x}", random());
        let body = json!({
            "type": "message",
            "time": time(),
            "conversation": conversation,
            "message": { "kind": "text", "text": text },
            "agent": { "name": "Li Lei" },
        });
        let status = self.calls(shop, &id, &body, self.secret()).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        id
    }

    /// A call of the bridge, signed with this secret.
    pub(crate) async fn calls(
        &self,
        shop: &Shop<'_>,
        id: &str,
        body: &Value,
        secret: &str,
    ) -> StatusCode {
        let now = (now_ms() / 1000).to_string();
        let body = body.to_string();
        let secret = webhook::secret(secret).unwrap();
        let signature = webhook::sign(&secret, id, &now, body.as_bytes());
        let call = shop
            .world
            .http
            .post(shop.world.at(&format!("/desk/{}", shop.id)))
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", now)
            .header(
                "webhook-signature",
                format!("v1,{}", STANDARD.encode(signature)),
            )
            .body(body);
        call.send().await.unwrap().status()
    }
}

async fn hear(
    State((office, secret)): State<(Arc<Mutex<Office>>, Vec<u8>)>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let ours = STANDARD.encode(webhook::sign(&secret, &id, &timestamp, &body));
    let fresh = timestamp
        .parse::<u64>()
        .is_ok_and(|sent| sent.abs_diff(now_ms() / 1000) < 300);
    let mut office = office.lock().unwrap();
    if !fresh || header("webhook-signature") != format!("v1,{ours}") {
        office.unsigned += 1;
        return StatusCode::UNAUTHORIZED;
    }
    if office.down {
        office.refused += 1;
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    if office.known.insert(id) {
        office
            .unread
            .push_back(serde_json::from_slice(&body).unwrap());
    }
    StatusCode::NO_CONTENT
}
