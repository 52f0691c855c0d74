//! The world of a scenario: a bridge, a WeChat with customers, desks with
//! agents. Scenarios speak to it in these words only, so that they do not know
//! in which form the bridge runs: every form is a [`Bridge`], and the root of a
//! test target names its own as `crate::Form`.
//!
//! Nothing here sleeps: whoever expects something lets the world turn until it
//! is there.

#![allow(dead_code, reason = "every target uses its own words of the world")]

pub(crate) mod desk;
pub(crate) mod example;
#[path = "../schema.rs"]
mod schema;

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use magpie::moment::Moment;
use magpie_local::simulator::{
    AccountSettings, Act, Attachment, Callback, Choice, Connection, Content, MediaKind, Mode,
    Shown, Simulator, Stage, Template, WeChat, router,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::Form;
use crate::harness::markers::Markers;
use crate::harness::{now_ms, random};
use desk::DeskServer;

/// How many answers WeChat lets out for one message.
pub(crate) const WINDOW: usize = 5;
/// How often the world turns before an expectation has failed.
const TURNS: usize = 500;
/// The pause between two turns: the programs need time too.
const PAUSE: Duration = Duration::from_millis(20);

/// A bridge in one of its forms, begun with nothing in its store.
pub(crate) trait Bridge: Sized {
    /// Starts every part of it.
    async fn start() -> Self;

    /// Where callers find it, without a slash at the end. It stays the same.
    fn origin(&self) -> &str;

    /// What opens its API.
    fn admin_key(&self) -> &str;

    /// What none of its processes may print.
    fn markers(&self) -> &Markers;

    /// Does what was rung for, if nobody does it otherwise.
    async fn turn(&self);

    /// Time passes for what waits, and the sweeper comes by.
    async fn later(&self);

    /// Finishes what was begun, ends every process, and searches what they
    /// printed. Says what is left in the journal that is not done.
    async fn end(self) -> Vec<String>;
}

/// Everything.
pub(crate) struct World {
    bridge: Form,
    pub(crate) wechat: Simulator,
    wechat_origin: String,
    pub(crate) http: reqwest::Client,
    shops: Mutex<Vec<String>>,
    phones: Mutex<Vec<Phone>>,
    desks: Mutex<Vec<DeskServer>>,
    _server: JoinSet<()>,
}

/// What somebody has seen on their phone.
#[derive(Clone)]
struct Phone {
    app_id: String,
    open_id: String,
    seen: std::sync::Arc<AtomicUsize>,
}

/// A connected account.
pub(crate) struct Shop<'w> {
    world: &'w World,
    pub(crate) id: String,
    pub(crate) app_id: String,
}

/// Somebody who follows a shop.
pub(crate) struct Customer<'w> {
    world: &'w World,
    phone: Phone,
}

/// A customer as the inbox knows them.
pub(crate) struct Conversation<'w> {
    world: &'w World,
    pub(crate) id: String,
}

impl World {
    /// Starts a bridge and a WeChat that has no accounts yet.
    pub(crate) async fn start() -> World {
        World::around(Form::start().await).await
    }

    /// Puts a WeChat that has no accounts yet beside a bridge.
    pub(crate) async fn around(bridge: Form) -> World {
        let seed = format!("{:016x}", random());
        let (wechat, _courier) = Simulator::new(WeChat::new(&seed), now).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        wechat.with(|wechat| wechat.set_address(&format!("http://{host}")));
        let service = router(wechat.clone(), vec![host.clone()])
            .into_make_service_with_connect_info::<SocketAddr>();
        let mut server = JoinSet::new();
        server.spawn(async move {
            axum::serve(listener, service).await.unwrap();
        });
        #[expect(clippy::disallowed_methods, reason = "a caller from outside")]
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        World {
            bridge,
            wechat,
            wechat_origin: format!("http://{host}"),
            http,
            shops: Mutex::default(),
            phones: Mutex::default(),
            desks: Mutex::default(),
            _server: server,
        }
    }

    /// The bridge, in the form that it has.
    pub(crate) fn bridge(&self) -> &Form {
        &self.bridge
    }

    /// What must not be printed.
    pub(crate) fn markers(&self) -> &Markers {
        self.bridge.markers()
    }

    /// Where WeChat is, and the pages of its phones.
    pub(crate) fn wechat_origin(&self) -> &str {
        &self.wechat_origin
    }

    /// How often WeChat was asked for a token.
    pub(crate) fn token_calls(&self) -> usize {
        self.wechat.with(|wechat| {
            let calls = wechat.log();
            calls.filter(|seen| seen.call.ends_with("token")).count()
        })
    }

    /// The address of a page or call of the bridge.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.bridge.origin())
    }

    /// Connects an account to the inbox.
    pub(crate) async fn shop_with_inbox(&self, mode: Mode) -> Shop<'_> {
        self.shop(mode, json!({ "kind": "inbox" })).await
    }

    /// Connects an account to a server of somebody else.
    pub(crate) async fn shop_with_desk(&self, mode: Mode) -> (Shop<'_>, DeskServer) {
        let (desk, settings) = self.desk().await;
        (self.shop(mode, settings).await, desk)
    }

    /// The same for an account that says something in the answers to pushes.
    pub(crate) async fn shop_that_replies(
        &self,
        mode: Mode,
        replies: Value,
    ) -> (Shop<'_>, DeskServer) {
        let (desk, settings) = self.desk().await;
        let shop = self.shop_set(World::shop_id(), mode, settings, replies);
        (shop.await, desk)
    }

    /// A desk of somebody else's and its settings.
    async fn desk(&self) -> (DeskServer, Value) {
        let desk = DeskServer::start(self.markers()).await;
        let settings = json!({ "kind": "webhook", "url": desk.url(), "secrets": [desk.secret()] });
        self.desks.lock().unwrap().push(desk.clone());
        (desk, settings)
    }

    async fn shop(&self, mode: Mode, desk: Value) -> Shop<'_> {
        self.shop_as(World::shop_id(), mode, desk).await
    }

    fn shop_id() -> String {
        format!("shop-{:08x}", random() >> 32)
    }

    pub(crate) async fn shop_as(&self, id: String, mode: Mode, desk: Value) -> Shop<'_> {
        self.shop_set(id, mode, desk, Value::Null).await
    }

    async fn shop_set(&self, id: String, mode: Mode, desk: Value, replies: Value) -> Shop<'_> {
        let account = AccountSettings {
            app_id: format!("wx{:016x}", random()),
            original_id: format!("gh_{:012x}", random() >> 16),
            secret: self.markers().secret("app secret", 32),
            token: self.markers().secret("callback token", 24),
            aes_key: self.markers().secret("AES key", 43),
            mode,
            callback_url: self.at(&format!("/wechat/{id}")),
            name: "Shop A".to_owned(),
        };
        let settings = json!({
            "name": account.name,
            "app_id": account.app_id,
            "original_id": account.original_id,
            "callback": {
                "mode": mode,
                "token": account.token,
                "encoding_aes_key": account.aes_key,
            },
            "app_secret": account.secret,
            "api_base": self.wechat_origin,
            "part_pause_ms": 0,
            "replies": replies,
            "desk": desk,
        });
        let path = format!("/api/channels/{id}");
        let (status, answer) = self.api(Method::PUT, &path, Some(settings)).await;
        assert!(status.is_success(), "{status} {answer}");
        let callback = answer["callback_url"].as_str().unwrap();
        assert!(callback.ends_with(&format!("/wechat/{id}")), "{callback}");
        let app_id = account.app_id.clone();
        self.wechat
            .with(|wechat| wechat.add_account(account))
            .unwrap();
        let connection = self.wechat.connect(&app_id).await.unwrap();
        assert_eq!(connection, Connection::Connected);
        self.shops.lock().unwrap().push(id.clone());
        Shop {
            world: self,
            id,
            app_id,
        }
    }

    /// A call of the API with the admin key.
    pub(crate) async fn api(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut call = self.http.request(method, self.at(path)).header(
            "authorization",
            format!("Bearer {}", self.bridge.admin_key()),
        );
        if let Some(body) = body {
            call = call
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let answer = call.send().await.unwrap();
        let status = answer.status();
        let bytes = answer.bytes().await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// What lies behind a link to a file of ours, wherever its origin leads people: the status,
    /// the media type and the bytes.
    pub(crate) async fn fetches(&self, link: &str) -> (StatusCode, String, Vec<u8>) {
        let (_, rest) = link.split_once("/media/").unwrap();
        let call = self.http.get(self.at(&format!("/media/{rest}")));
        let answer = call.send().await.unwrap();
        let kind = answer.headers().get("content-type");
        let kind = kind.map_or("", |kind| kind.to_str().unwrap()).to_owned();
        (
            answer.status(),
            kind,
            answer.bytes().await.unwrap().to_vec(),
        )
    }

    /// What the outside is told of a file at a link of ours without fetching it, and what with
    /// it: the status and, by name, what a browser goes by.
    pub(crate) async fn looks_at(&self, method: Method, link: &str) -> (StatusCode, [String; 3]) {
        let (_, rest) = link.split_once("/media/").unwrap();
        let at = self.at(&format!("/media/{rest}"));
        let answer = self.http.request(method, at).send().await.unwrap();
        let told = ["content-type", "content-disposition", "content-length"];
        let told = told.map(|name| {
            let value = answer.headers().get(name);
            value.map_or("", |value| value.to_str().unwrap()).to_owned()
        });
        (answer.status(), told)
    }

    /// No shop is looked after any more: they were deleted.
    pub(crate) fn forget_shops(&self) {
        self.shops.lock().unwrap().clear();
    }

    /// Time passes for what waits, and the sweeper comes by.
    pub(crate) async fn later(&self) {
        self.bridge.later().await;
    }

    /// Waits until nothing that was said is on its way any more: it is where it
    /// belongs, or it is held.
    async fn rests(&self) {
        let shops = self.shops.lock().unwrap().clone();
        let rests = self.until("everything that was said has arrived", async || {
            for shop in &shops {
                for id in self.customers(shop, "all").await {
                    let history = Conversation { world: self, id }.history().await;
                    let moving = |state: &str| state == "pending" || state == "sending";
                    if history.iter().any(|(_, _, state)| moving(state)) {
                        return None;
                    }
                }
            }
            Some(())
        });
        rests.await;
    }

    /// Waits until so many lanes are parked, and nothing is dead.
    pub(crate) async fn parks(&self, lanes: usize) {
        let what = format!("{lanes} lanes are parked and nothing is dead");
        let parked = self.until(&what, async || {
            let (status, now) = self.api(Method::GET, "/api/status", None).await;
            assert_eq!(status, StatusCode::OK);
            let total = &now["total"];
            (total["parked_lanes"] == lanes && total["dead"] == 0).then_some(())
        });
        parked.await;
    }

    /// The ids of a shop's customers in conversations of this state.
    async fn customers(&self, shop: &str, state: &str) -> Vec<String> {
        let path = format!("/api/conversations?channel={shop}&state={state}");
        let (status, answer) = self.api(Method::GET, &path, None).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let all = answer["conversations"].as_array().unwrap().iter();
        all.map(|one| one["customer_id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Lets the world turn until it has what is expected.
    pub(crate) async fn until<T>(&self, what: &str, has: impl AsyncFn() -> Option<T>) -> T {
        let mut pause = tokio::time::interval(PAUSE);
        for _ in 0..TURNS {
            pause.tick().await;
            self.bridge.turn().await;
            if let Some(found) = has().await {
                return found;
            }
        }
        panic!("it never came to this: {what}");
    }

    /// The end of a scenario: nothing is under way, nobody has anything left
    /// unread, and nothing was printed that must not be.
    pub(crate) async fn close(self) {
        self.rests().await;
        self.parks(0).await;
        self.wechat.with(|wechat| {
            for account in wechat.accounts() {
                for token in wechat.tokens(&account.settings.app_id) {
                    self.markers().watch("access token", token);
                }
            }
        });
        let unfinished = self.bridge.end().await;
        assert_eq!(unfinished, Vec::<String>::new(), "in the journal");
        for phone in self.phones.lock().unwrap().iter() {
            let unread = phone.all(&self.wechat).split_off(phone.seen());
            assert_eq!(unread, Vec::<String>::new(), "unread on a phone");
        }
        for desk in self.desks.lock().unwrap().iter() {
            assert_eq!(desk.unread(), Vec::<Value>::new(), "unread at a desk");
            let unsigned = desk.unsigned();
            assert_eq!(unsigned, 0, "calls of a desk without a right signature");
        }
    }
}

impl Shop<'_> {
    /// From now on WeChat gives tokens to these addresses alone; none: to all.
    pub(crate) fn allows_only(&self, addresses: &[&str]) {
        let addresses = addresses.iter().map(|&address| address.to_owned());
        let done = self
            .world
            .wechat
            .with(|wechat| wechat.allow_addresses(&self.app_id, addresses.collect()));
        done.unwrap();
    }

    /// Somebody who has followed the account for long.
    pub(crate) fn customer(&self, name: &str) -> Customer<'_> {
        let world = self.world;
        let added = world
            .wechat
            .with(|wechat| wechat.add_follower(&self.app_id, name));
        let open_id = added.unwrap();
        world.markers().watch("open id", &open_id);
        let phone = Phone {
            app_id: self.app_id.clone(),
            open_id,
            seen: std::sync::Arc::default(),
        };
        world.phones.lock().unwrap().push(phone.clone());
        Customer { world, phone }
    }

    /// From now on its agents work there.
    async fn gets_desk(&self, desk: Value) {
        let mut settings = self.settings().await;
        settings["desk"] = desk;
        self.puts(settings).await;
    }

    fn path(&self) -> String {
        format!("/api/channels/{}", self.id)
    }

    /// Its settings as an operator would put them again, with the inbox.
    pub(crate) async fn settings(&self) -> Value {
        let (_, shown) = self.world.api(Method::GET, &self.path(), None).await;
        let mut settings = json!({
            "callback": { "mode": shown["callback"]["mode"] },
            "part_pause_ms": 0,
            "desk": { "kind": "inbox" },
        });
        for name in ["name", "app_id", "original_id", "api_base"] {
            settings[name] = shown[name].clone();
        }
        settings
    }

    /// An operator puts these settings.
    pub(crate) async fn puts(&self, settings: Value) {
        let path = self.path();
        let (status, answer) = self.world.api(Method::PUT, &path, Some(settings)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }

    /// The account may send notices by this template.
    pub(crate) fn has_template(&self, template: Template) {
        let done = self
            .world
            .wechat
            .with(|wechat| wechat.add_template(&self.app_id, template));
        done.unwrap();
    }

    /// The only conversation, whether a session is open in it or not.
    pub(crate) async fn anybody(&self) -> Conversation<'_> {
        let world = self.world;
        let listed = world.until("the inbox lists a conversation", async || {
            let mut all = world.customers(&self.id, "all").await;
            assert!(all.len() <= 1, "{all:?}");
            all.pop()
        });
        let id = listed.await;
        Conversation { world, id }
    }

    /// The only conversation, once the inbox shows it.
    pub(crate) async fn conversation(&self) -> Conversation<'_> {
        let world = self.world;
        let listed = world.until("the inbox lists a conversation", async || {
            let mut all = world.customers(&self.id, "open").await;
            assert!(all.len() <= 1, "{all:?}");
            all.pop()
        });
        let id = listed.await;
        Conversation { world, id }
    }
}

impl Customer<'_> {
    /// They send a file that their phone holds.
    pub(crate) async fn sends(&self, kind: MediaKind, name: &str, bytes: &[u8]) {
        let Phone {
            app_id, open_id, ..
        } = &self.phone;
        let put = self
            .world
            .wechat
            .with(|wechat| wechat.put_media(now(), app_id, open_id, kind, name, bytes.to_vec()));
        let media_id = put.unwrap();
        self.does(&match kind {
            MediaKind::Image => Act::Image { media_id },
            MediaKind::Video => Act::Video { media_id },
            MediaKind::Voice | MediaKind::Thumb => Act::Voice {
                media_id,
                recognition: None,
            },
        })
        .await;
    }

    /// Writes; WeChat gets its `success`.
    pub(crate) async fn says(&self, text: &str) {
        let text = text.to_owned();
        let Phone {
            app_id, open_id, ..
        } = &self.phone;
        let wechat = &self.world.wechat;
        let state = wechat.act(app_id, open_id, &Act::Say { text }).await;
        let state = state.unwrap();
        assert_eq!(
            (state.stage, state.attempts),
            (Stage::Taken, 1),
            "{state:?}"
        );
    }

    /// Does something else; WeChat gets its `success`.
    pub(crate) async fn does(&self, act: &Act) {
        let Phone {
            app_id, open_id, ..
        } = &self.phone;
        let state = self.world.wechat.act(app_id, open_id, act).await.unwrap();
        assert_eq!(state.stage, Stage::Taken, "{state:?}");
    }

    /// Writes; the push is the caller's to deliver.
    pub(crate) fn writes(&self, text: &str) -> Callback {
        let text = text.to_owned();
        let Phone {
            app_id, open_id, ..
        } = &self.phone;
        let act = Act::Say { text };
        let wechat = &self.world.wechat;
        let push = wechat.with(|wechat| wechat.act(now(), app_id, open_id, &act));
        push.unwrap()
    }

    /// Taps a choice of the last question on the phone.
    pub(crate) async fn chooses(&self, text: &str) {
        let choices = self.phone.choices(&self.world.wechat);
        let choice = choices.into_iter().find(|choice| choice.text == text);
        let Choice { id, text } = choice.unwrap();
        self.does(&Act::Choose { id, text }).await;
    }

    /// The next message of the shop on the phone.
    pub(crate) async fn sees(&self, text: &str) {
        assert_eq!(self.sees_next().await, text);
    }

    /// The same, whatever it is.
    pub(crate) async fn sees_next(&self) -> String {
        let next = self.world.until("a message on the phone", async || {
            let all = self.phone.all(&self.world.wechat);
            all.get(self.phone.seen()).cloned()
        });
        let next = next.await;
        self.phone.seen.fetch_add(1, Ordering::Relaxed);
        next
    }

    /// The bytes of the last picture, recording or film on the phone, which it asks WeChat for.
    pub(crate) async fn opens_the_last_file(&self) -> Vec<u8> {
        let shown = self.phone.last_file(&self.world.wechat).unwrap();
        let at = format!("{}{}", self.world.wechat_origin, shown.path);
        let answer = self.world.http.get(at).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.bytes().await.unwrap().to_vec()
    }

    /// Nothing new is on the phone when all that can be done is done.
    pub(crate) async fn sees_nothing(&self) {
        self.world.rests().await;
        let all = self.phone.all(&self.world.wechat);
        assert_eq!(all.len(), self.phone.seen(), "{all:?}");
    }
}

impl Customer<'_> {
    /// Nothing new is on the phone at this moment.
    pub(crate) fn sees_nothing_yet(&self) {
        let all = self.phone.all(&self.world.wechat);
        assert_eq!(all.len(), self.phone.seen(), "{all:?}");
    }
}

impl Phone {
    fn all(&self, wechat: &Simulator) -> Vec<String> {
        wechat.with(|wechat| {
            let customer = wechat.customer(&self.app_id, &self.open_id).unwrap();
            customer.received().map(str::to_owned).collect()
        })
    }

    fn last_file(&self, wechat: &Simulator) -> Option<Shown> {
        wechat.with(|wechat| {
            let customer = wechat.customer(&self.app_id, &self.open_id).unwrap();
            let shown = customer.bubbles.iter().rev();
            let mut files = shown.filter_map(|bubble| match &bubble.content {
                Content::Theirs {
                    attachment:
                        Some(
                            Attachment::Image { media }
                            | Attachment::Voice { media }
                            | Attachment::Video { media, .. },
                        ),
                    ..
                } => Some(media.clone()),
                _ => None,
            });
            files.next()
        })
    }

    fn choices(&self, wechat: &Simulator) -> Vec<Choice> {
        wechat.with(|wechat| {
            let customer = wechat.customer(&self.app_id, &self.open_id).unwrap();
            let asked = customer
                .bubbles
                .iter()
                .rev()
                .find_map(|shown| match &shown.content {
                    Content::Theirs { choices, .. } if !choices.is_empty() => Some(choices.clone()),
                    _ => None,
                });
            asked.unwrap_or_default()
        })
    }

    fn seen(&self) -> usize {
        self.seen.load(Ordering::Relaxed)
    }
}

impl Conversation<'_> {
    /// What was said so far: direction, text and state of each.
    pub(crate) async fn history(&self) -> Vec<(String, String, String)> {
        let path = format!("/api/conversations/{}", self.id);
        let (status, answer) = self.world.api(Method::GET, &path, None).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let text = |message: &Value, name: &str| message[name].as_str().unwrap().to_owned();
        let messages = answer["messages"].as_array().unwrap().iter();
        messages
            .map(|message| {
                let word = |name| text(message, name);
                (word("direction"), word("text"), word("state"))
            })
            .collect()
    }

    /// The inbox shows this line.
    pub(crate) async fn shows(&self, direction: &str, text: &str, state: &str) {
        let line = (direction.to_owned(), text.to_owned(), state.to_owned());
        let what = format!("the inbox shows an {direction} line that is {state}");
        let shown = self.world.until(&what, async || {
            self.history().await.contains(&line).then_some(())
        });
        shown.await;
    }

    /// The id of the customer's first message.
    pub(crate) async fn first(&self) -> String {
        let path = format!("/api/conversations/{}", self.id);
        let (_, answer) = self.world.api(Method::GET, &path, None).await;
        let mut messages = answer["messages"].as_array().unwrap().iter();
        let first = messages.find(|message| message["direction"] == "in");
        first.unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// An agent answers. The id and the time come back, for a repeat.
    pub(crate) async fn answers(&self, text: &str) -> Value {
        let answer = message(text);
        let (status, said) = self.post("messages", answer.clone()).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{said}");
        answer
    }

    /// An agent answers as often as WeChat lets answers out for one message, and
    /// once more. That one is held, and comes back.
    pub(crate) async fn uses_up_the_window(&self, customer: &Customer<'_>) -> String {
        for _ in 0..WINDOW {
            let reply = self.world.markers().text();
            self.answers(&reply).await;
            customer.sees(&reply).await;
        }
        let sixth = self.world.markers().text();
        self.answers(&sixth).await;
        self.shows("out", &sixth, "held").await;
        sixth
    }

    /// An agent brings a file that they are going to send; its name comes back.
    pub(crate) async fn brings(&self, name: &str, bytes: &[u8]) -> String {
        let (file, status) = self.offers(name, bytes.len(), bytes).await;
        assert!(status.is_success(), "{status}");
        file
    }

    /// An agent says how long a file is and brings these bytes.
    pub(crate) async fn offers(
        &self,
        name: &str,
        size: usize,
        bytes: &[u8],
    ) -> (String, StatusCode) {
        let file = serde_json::json!({ "name": name, "size": size });
        let (status, begun) = self.post("files", file).await;
        assert_eq!(status, StatusCode::CREATED, "{begun}");
        let upload = &begun["upload"];
        let mut put = self.world.http.put(upload["url"].as_str().unwrap());
        for (name, value) in upload["headers"].as_object().unwrap() {
            put = put.header(name, value.as_str().unwrap());
        }
        let put = put.body(bytes.to_vec()).send().await.unwrap();
        let file = begun["file"].as_str().unwrap().to_owned();
        (file, put.status())
    }

    /// Where it is in the API.
    pub(crate) fn path(&self) -> String {
        format!("/api/conversations/{}", self.id)
    }

    /// A call about this conversation.
    pub(crate) async fn post(&self, call: &str, body: Value) -> (StatusCode, Value) {
        let path = format!("/api/conversations/{}/{call}", self.id);
        self.world.api(Method::POST, &path, Some(body)).await
    }
}

/// A text of an agent as the API takes it.
pub(crate) fn message(text: &str) -> Value {
    let id = format!("m-{:016x}", random());
    json!({ "id": id, "time": time(), "kind": "text", "text": text })
}

/// The time as bodies carry it, later on every call.
pub(crate) fn time() -> String {
    static LAST: Mutex<i64> = Mutex::new(0);
    let mut last = LAST.lock().unwrap();
    *last = now().max(*last + 1);
    Moment::from_millis(*last).to_string()
}

fn now() -> i64 {
    now_ms().try_into().unwrap()
}
