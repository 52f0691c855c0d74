//! Two channels over the simulated WeChat, one with our inbox for a desk and one with
//! somebody else's: what agents do there, and what they see.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, Request};
use magpie::bridge::deliver::deliver;
use magpie::bridge::inbound::inbound;
use magpie::bridge::outbound::outbound;
use magpie::bridge::sweep::sweep;
use magpie::bridge::{Bell, Bridge, Files, Ring};
use magpie::channel::{AgentName, CallbackMode, Channel, DeskSettings, TIME_ZONE, TokenCall};
use magpie::clock::{Chance, Clock};
use magpie::console::{self, AdminKey, Console};
use magpie::desk::webhook;
use magpie::http::{Allowed, Answer, Http, Outgoing, Peers};
use magpie::message::ChannelId;
use magpie::moment::Moment;
use magpie::reply::Replies;
use magpie::secrets::{SecretFile, Secrets};
use magpie::storage::{Folder, Storage};
use magpie::store::Store;
use magpie::store::embedded::Engine;
use magpie_local::simulator::{
    AccountSettings, Act, ApiPath, Call, End, Mishap, Mode, Trouble, WeChat,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use url::Url;

/// The channel whose desk is the inbox, and the one whose desk is called.
pub(crate) const CHANNELS: [&str; 2] = ["inbox", "desk"];
/// Half a minute after a minute of the clock; it is four in the afternoon in Beijing.
pub(crate) const START: Moment = Moment::from_millis(1_800_000_030_000);
const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const APP_SECRET: &str = "0123456789abcdef0123456789abcdef";
const KEY: &str = "the admin key of the codes";
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

pub(crate) struct House {
    pub(crate) bridge: Bridge,
    wechat: Arc<Mutex<WeChat>>,
    letters: Arc<Mutex<Vec<Value>>>,
    console: Console,
    bells: Mutex<mpsc::UnboundedReceiver<Ring>>,
    /// The open ids and the customer ids of the two customers.
    open_ids: [String; 2],
    customers: [String; 2],
}

/// What an agent sees of their answer: a state and a code, and the words for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    pub(crate) words: String,
}

fn app_id(channel: &str) -> String {
    let number = CHANNELS.iter().position(|known| *known == channel).unwrap();
    format!("wx000000000000000{number}")
}

fn original_id(channel: &str) -> String {
    format!("gh_{channel}")
}

fn desk_secret() -> String {
    webhook::new_secret([7; 32])
}

/// Everything beyond our own door.
fn peers(wechat: &Arc<Mutex<WeChat>>, letters: &Arc<Mutex<Vec<Value>>>, clock: Clock) -> Peers {
    let (wechat, letters) = (Arc::clone(wechat), Arc::clone(letters));
    Arc::new(move |request: Outgoing| {
        let (status, body) = match request.url.host_str() {
            Some("desk.test") => {
                let letter = serde_json::from_slice(&request.body).unwrap();
                letters.lock().unwrap().push(letter);
                (200, b"ok".to_vec())
            }
            Some("files.test") => (200, PICTURE.to_vec()),
            _ => meet(&mut wechat.lock().unwrap(), clock.now(), &request),
        };
        let headers = HeaderMap::new();
        async move {
            Ok(Answer {
                status,
                headers,
                body,
            })
        }
        .boxed()
    })
}

fn meet(wechat: &mut WeChat, now: Moment, request: &Outgoing) -> (u16, Vec<u8>) {
    let kind = request.headers.get("content-type");
    let call = Call {
        method: request.method.as_str(),
        path: request.url.path(),
        query: request.url.query().unwrap_or_default(),
        content_type: kind.map_or("", |value| value.to_str().unwrap()),
        body: &request.body,
        caller: "198.51.100.7",
    };
    match wechat.meet(now.millis(), &call).end {
        End::Answer(answer) => (answer.status, answer.body),
        End::Close | End::Hold => panic!("nothing but codes was ordered"),
    }
}

/// Connects a channel: its row, its secrets, and its account at WeChat.
async fn connect(store: &Store, secrets: &Secrets, wechat: &Mutex<WeChat>, id: &str) -> String {
    let desk = if id == "inbox" {
        DeskSettings::Inbox
    } else {
        let url = "http://desk.test/hook".to_owned();
        DeskSettings::Webhook { url }
    };
    let channel = Channel {
        id: ChannelId::parse(id).unwrap(),
        name: id.to_owned(),
        app_id: app_id(id),
        original_id: original_id(id),
        mode: CallbackMode::Secure,
        suspended: false,
        resumed: None,
        only_wechat_addresses: false,
        replies: Replies::default(),
        deleted: false,
        api_base: "http://wechat.test".to_owned(),
        token_call: TokenCall::Stable,
        part_pause_ms: 0,
        retention_days: 30,
        erase_after_days: 15,
        fallback: None,
        time_zone: TIME_ZONE.to_owned(),
        agent_name: AgentName::None,
        kf_account: None,
        desk,
        revision: 1,
    };
    store.create_channel(&channel).await.unwrap();
    let own = json!({
        "mode": "secure", "aes_key": AES_KEY, "app_id": app_id(id),
        "original_id": original_id(id), "token": "callbacktoken", "app_secret": APP_SECRET,
        "desk": [desk_secret()], "replies": false,
    });
    let kept = secrets.put(&format!("ch/{id}"), &own.to_string()).await;
    kept.unwrap();
    let mut wechat = wechat.lock().unwrap();
    let account = AccountSettings {
        app_id: app_id(id),
        original_id: original_id(id),
        secret: APP_SECRET.into(),
        token: "callbacktoken".into(),
        aes_key: AES_KEY.into(),
        mode: Mode::Secure,
        callback_url: format!("http://bridge.test/wechat/{id}"),
        name: id.to_owned(),
    };
    wechat.add_account(account).unwrap();
    wechat.add_follower(&app_id(id), "Ann").unwrap()
}

impl House {
    /// Both channels are connected and both customers have written. `name` is the test's.
    pub(crate) async fn open(name: &str) -> Self {
        let clock = Clock::starting_at(START);
        let wechat = Arc::new(Mutex::new(WeChat::new("codes")));
        let letters = Arc::<Mutex<Vec<Value>>>::default();
        let store = Store::new(Engine::in_memory().unwrap().client(), "messages", "control");
        store.create_tables(false).await.unwrap();
        let secrets = Secrets::File(SecretFile::in_memory());
        secrets
            .put("pepper", &STANDARD.encode([3; 32]))
            .await
            .unwrap();
        let mut open_ids = [String::new(), String::new()];
        for (open_id, id) in open_ids.iter_mut().zip(CHANNELS) {
            *open_id = connect(&store, &secrets, &wechat, id).await;
        }
        let allowed = "http://wechat.test,http://desk.test,http://files.test";
        let http = Http::in_process(
            peers(&wechat, &letters, clock),
            Allowed::parse(allowed).unwrap(),
        );
        let (bell, bells) = mpsc::unbounded_channel();
        let chance = Chance::seeded(1);
        let bridge = Bridge::new(store, secrets, http, clock, chance, Bell::Process(bell));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("codes-{name}"));
        let mut house = Self {
            bridge: bridge.with_files(Files {
                storage: Storage::Folder(Folder::open(&folder).unwrap()),
                base: Some(Url::parse("https://bridge.test").unwrap()),
                scanner: None,
            }),
            wechat,
            letters,
            console: Console::new(AdminKey::Given(KEY.to_owned()), None),
            bells: Mutex::new(bells),
            open_ids,
            customers: [String::new(), String::new()],
        };
        for channel in CHANNELS {
            house.writes(channel).await;
        }
        let list = house
            .get("/api/conversations?channel=inbox&state=all")
            .await;
        let told = house.letters.lock().unwrap()[0]["conversation"].clone();
        let listed = &list["conversations"][0]["customer_id"];
        house.customers = [listed, &told].map(|id| id.as_str().unwrap().to_owned());
        house
    }

    fn now(&self) -> Moment {
        self.bridge.now()
    }

    /// The customer of a channel writes.
    pub(crate) async fn writes(&self, channel: &str) {
        let number = CHANNELS.iter().position(|known| *known == channel).unwrap();
        let text = "在吗？".to_owned();
        let acted = {
            let mut wechat = self.wechat.lock().unwrap();
            let open_id = &self.open_ids[number];
            wechat.act(
                self.now().millis(),
                &app_id(channel),
                open_id,
                &Act::Say { text },
            )
        };
        let push = acted.unwrap();
        let answer = inbound(&self.bridge, channel, None, &push.query, &push.body).await;
        assert_eq!(answer.status(), 200);
        self.settle().await;
    }

    /// Answers bells until none rings.
    async fn settle(&self) {
        loop {
            let rings: Vec<_> = {
                let mut bells = self.bells.lock().unwrap();
                std::iter::from_fn(|| bells.try_recv().ok()).collect()
            };
            if rings.is_empty() {
                return;
            }
            let ends = self.now().plus(Duration::from_secs(30));
            assert_eq!(deliver(&self.bridge, &rings, ends).await, [0; 0]);
        }
    }

    /// So much time passes at once, and the sweep comes by.
    pub(crate) async fn pass(&self, span: Duration) {
        tokio::time::advance(span).await;
        let ends = self.now().plus(Duration::from_secs(50));
        sweep(&self.bridge, ends).await.unwrap();
        self.settle().await;
    }

    /// From now on, WeChat answers this path with this code: to so many calls, or to all.
    pub(crate) fn order(&self, call: ApiPath, code: i64, times: Option<u32>) {
        let mishap = Mishap {
            times,
            ..Mishap::always(call, Trouble::Code(code))
        };
        self.wechat.lock().unwrap().order(mishap).unwrap();
    }

    /// WeChat answers as ever again.
    pub(crate) fn call_off(&self) {
        self.wechat.lock().unwrap().call_off_all();
    }

    /// The codes with which WeChat has answered a channel's calls of this path.
    pub(crate) fn answers(&self, channel: &str, call: ApiPath) -> Vec<i64> {
        let wechat = self.wechat.lock().unwrap();
        let ours = app_id(channel);
        let calls = wechat.log().filter(|seen| {
            let path = seen.call.split_once(' ').unwrap().1;
            seen.app_id.as_deref() == Some(&ours) && path == call.as_str()
        });
        calls.map(|seen| seen.errcode).collect()
    }

    /// An agent of the channel sends something.
    pub(crate) async fn sends(&self, channel: &str, id: &str, message: &Value) {
        let time = self.now().to_string();
        if channel == "inbox" {
            let mut body = message.clone();
            body["id"] = json!(id);
            body["time"] = json!(time);
            let path = format!("/api/conversations/{}/messages", self.customers[0]);
            let (status, told) = self.api("POST", &path, Some(&body)).await;
            assert_eq!(status, 202, "{told}");
        } else {
            let body = json!({ "type": "message", "time": time,
                "conversation": self.customers[1], "message": message });
            self.desk_calls(id, &body).await;
        }
        self.settle().await;
    }

    /// An agent of the channel types.
    pub(crate) async fn types(&self, channel: &str, on: bool) {
        if channel == "inbox" {
            let path = format!("/api/conversations/{}/typing", self.customers[0]);
            let (status, _) = self.api("POST", &path, Some(&json!({ "on": on }))).await;
            assert_eq!(status, 202);
        } else {
            let body = json!({ "type": "typing", "time": self.now().to_string(),
                "conversation": self.customers[1], "on": on });
            self.desk_calls(&format!("typing-{on}"), &body).await;
        }
        self.settle().await;
    }

    async fn desk_calls(&self, id: &str, body: &Value) {
        let body = body.to_string();
        let timestamp = self.now().seconds().to_string();
        let key = webhook::secret(&desk_secret()).unwrap();
        let signature = webhook::sign(&key, id, &timestamp, body.as_bytes());
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", id.parse().unwrap());
        headers.insert("webhook-timestamp", timestamp.parse().unwrap());
        let signature = format!("v1,{}", STANDARD.encode(signature));
        headers.insert("webhook-signature", signature.parse().unwrap());
        let answer = outbound(&self.bridge, "desk", &headers, body.as_bytes()).await;
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// A call of the API: its status and its answer.
    pub(crate) async fn api(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {KEY}"))
            .header("content-type", "application/json")
            .body(body.map_or_else(Bytes::new, |body| body.to_string().into()))
            .unwrap();
        let answer = console::answer(&self.bridge, &self.console, request).await;
        let text = std::str::from_utf8(answer.body()).unwrap();
        self.hides_people(text);
        let told = serde_json::from_str(text).unwrap_or_default();
        (answer.status().as_u16(), told)
    }

    async fn get(&self, path: &str) -> Value {
        let (status, told) = self.api("GET", path, None).await;
        assert_eq!(status, 200, "{told}");
        told
    }

    /// What is told to people and desks names no open id.
    fn hides_people(&self, text: &str) {
        for open_id in &self.open_ids {
            assert!(!text.contains(open_id.as_str()), "an open id is told");
        }
    }

    /// What the agent sees of the answer with this id. At a desk that is the last letter
    /// about it; `None` while there is none.
    pub(crate) async fn sees(&self, channel: &str, id: &str) -> Option<Seen> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        if channel == "inbox" {
            let path = format!("/api/conversations/{}", self.customers[0]);
            let talk = self.get(&path).await;
            let messages = talk["messages"].as_array().unwrap();
            let ours = messages.iter().find(|one| one["message_id"] == id).unwrap();
            let reason = &ours["reason"];
            let words = [&reason["zh"], &reason["en"]].map(|one| text(one).unwrap_or_default());
            return Some(Seen {
                state: text(&ours["state"]).unwrap(),
                reason: text(&reason["code"]),
                words: words.join(" ").trim().to_owned(),
            });
        }
        let letters = self.letters.lock().unwrap();
        for letter in letters.iter() {
            self.hides_people(&letter.to_string());
        }
        let about = |letter: &&Value| {
            letter["type"] == "message.status" && letter["message"]["id"].as_str() == Some(id)
        };
        let last = letters.iter().rfind(about)?;
        Some(Seen {
            state: text(&last["state"]).unwrap(),
            reason: text(&last["reason"]["code"]),
            words: text(&last["reason"]["text"]).unwrap_or_default(),
        })
    }
}
