//! A shop with one connected account: its bridge, and around it in this
//! process a WeChat that pushes and takes everything, and a desk that listens.

#![allow(dead_code, reason = "every target uses its own part of the shop")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue};
use magpie::bridge::{Bell, Bridge, Ring, deliver, inbound, outbound};
use magpie::channel::{CallbackMode, Channel, DeskSettings, TIME_ZONE, TokenCall};
use magpie::clock::{Chance, Clock};
use magpie::desk::webhook;
use magpie::http::{Allowed, Answer, Http, Outgoing};
use magpie::journal::{ConversationKey, Entry, Lane, Pepper};
use magpie::message::{ChannelId, OpenId};
use magpie::moment::Moment;
use magpie::secrets::{ChannelSecrets, SecretFile, Secrets};
use magpie::store::Store;
use magpie::wechat::crypto::{self, AesKey};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// When everything begins.
pub(crate) const START: Moment = Moment::from_seconds(1_795_000_000);
pub(crate) const CHANNEL: &str = "shop-a";
pub(crate) const APP_ID: &str = "wx1234567890abcdef";
pub(crate) const ORIGINAL_ID: &str = "gh_shop_a";
pub(crate) const TOKEN: &str = "callbackToken1";
pub(crate) const KEY: &str = "iawKrZv6sIOEzwGmyvuPySGuVt1M3fITDV+n3iJ9VG8";
/// The base64 of 24 bytes.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PEPPER: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

pub(crate) type Response = http::Response<Bytes>;

pub(crate) struct Shop {
    pub(crate) bridge: Bridge,
    bells: Mutex<mpsc::UnboundedReceiver<Ring>>,
    sent: Arc<Mutex<Vec<Outgoing>>>,
    /// What the desk answers with.
    desk: Arc<AtomicU16>,
    /// What WeChat answers sends with, in this order; then that all is well.
    codes: Arc<Mutex<VecDeque<i64>>>,
    /// When WeChat was asked to send something.
    sends: Arc<Mutex<Vec<Moment>>>,
    /// What WeChat and others give out, by media id or address.
    files: Files,
    /// What WeChat was brought, as what: the first has the id `up1`.
    brought: Arc<Mutex<Brought>>,
    seen_brought: AtomicUsize,
}

/// Takes what is brought to WeChat, if it is a form with one file in it.
fn take(request: &Outgoing) -> Option<(String, Vec<u8>)> {
    let role = request
        .url
        .query_pairs()
        .find(|(name, _)| name == "type")?
        .1;
    let kind = request.headers.get("content-type")?.to_str().ok()?;
    let boundary = kind.strip_prefix("multipart/form-data; boundary=")?;
    let length = request.headers.get("content-length")?.to_str().ok()?;
    assert_eq!(length.parse(), Ok(request.body.len()));
    let begins =
        format!("--{boundary}\r\ncontent-disposition: form-data; name=\"media\"; filename=\"file.");
    let rest = request.body.strip_prefix(begins.as_bytes())?;
    let rest = rest.strip_suffix(format!("\r\n--{boundary}--\r\n").as_bytes())?;
    let head = rest.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some((role.into_owned(), rest.get(head + 4..)?.to_vec()))
}

/// Files as WeChat was brought them: as what, and their bytes.
type Brought = Vec<(String, Vec<u8>)>;

type Files = Arc<Mutex<BTreeMap<String, Answer>>>;

/// What stands at an address, or under the media id that it names.
fn given_out(files: &Files, request: &Outgoing) -> Option<Answer> {
    let mut pairs = request.url.query_pairs();
    let id = pairs.find(|(name, _)| name == "media_id");
    let name = id.map_or_else(|| request.url.to_string(), |(_, id)| id.into_owned());
    files.lock().unwrap().get(&name).cloned()
}

pub(crate) fn channel_id() -> ChannelId {
    ChannelId::parse(CHANNEL).unwrap()
}

pub(crate) fn webhook_desk() -> DeskSettings {
    DeskSettings::Webhook {
        url: "https://desk.example/hook".to_owned(),
    }
}

pub(crate) fn channel(desk: DeskSettings, mode: CallbackMode) -> Channel {
    Channel {
        id: channel_id(),
        name: "一号店".to_owned(),
        app_id: APP_ID.to_owned(),
        original_id: ORIGINAL_ID.to_owned(),
        mode,
        suspended: false,
        resumed: None,
        only_wechat_addresses: false,
        replies: magpie::reply::Replies::default(),
        deleted: false,
        api_base: "https://api.weixin.qq.com".to_owned(),
        token_call: TokenCall::Stable,
        part_pause_ms: 0,
        retention_days: 30,
        erase_after_days: 15,
        time_zone: TIME_ZONE.to_owned(),
        fallback: None,
        agent_name: magpie::channel::AgentName::None,
        kf_account: None,
        desk,
        revision: 1,
    }
}

pub(crate) fn secrets(mode: CallbackMode) -> ChannelSecrets {
    ChannelSecrets {
        only_wechat_addresses: false,
        replies: false,
        mode,
        app_id: APP_ID.to_owned(),
        original_id: ORIGINAL_ID.to_owned(),
        token: TOKEN.to_owned(),
        aes_key: Some(KEY.to_owned()),
        previous_aes_key: None,
        app_secret: Some("0123456789abcdef0123456789abcdef".to_owned()),
        desk: vec![SECRET.to_owned()],
    }
}

/// Where the conversation of this customer lies.
pub(crate) fn at(open_id: &str) -> ConversationKey {
    let pepper = Pepper::new(&[7; 32]).unwrap();
    ConversationKey::of(&pepper, &channel_id(), &OpenId::new(open_id))
}

/// What WeChat and the desk answer: all is well.
fn well(request: &Outgoing) -> Answer {
    let body = match request.url.path() {
        "/cgi-bin/stable_token" => json!({ "access_token": "t".repeat(136), "expires_in": 7200 }),
        _ => json!({ "errcode": 0, "errmsg": "ok" }),
    };
    Answer {
        status: 200,
        headers: HeaderMap::new(),
        body: body.to_string().into_bytes(),
    }
}

impl Shop {
    /// Opens the shop over an empty store.
    pub(crate) async fn open(store: Store, desk: DeskSettings, mode: CallbackMode) -> Self {
        let sent = Arc::<Mutex<Vec<Outgoing>>>::default();
        let desk_status = Arc::new(AtomicU16::new(200));
        let (notes, status) = (Arc::clone(&sent), Arc::clone(&desk_status));
        let codes = Arc::<Mutex<VecDeque<i64>>>::default();
        let sends = Arc::<Mutex<Vec<Moment>>>::default();
        let (refusals, times) = (Arc::clone(&codes), Arc::clone(&sends));
        let files = Files::default();
        let shelf = Arc::clone(&files);
        let brought = Arc::<Mutex<Vec<_>>>::default();
        let taken = Arc::clone(&brought);
        let clock = Clock::starting_at(START);
        let peers = move |request: Outgoing| {
            let mut answer = well(&request);
            if request.url.path() == "/cgi-bin/media/get" {
                answer.body = json!({ "errcode": 40007, "errmsg": "invalid media_id" })
                    .to_string()
                    .into_bytes();
            }
            if request.url.path() == "/cgi-bin/media/upload" {
                let mut taken = taken.lock().unwrap();
                taken.extend(take(&request));
                let id = format!("up{}", taken.len());
                answer.body = json!({ "media_id": id }).to_string().into_bytes();
            }
            if let Some(file) = given_out(&shelf, &request) {
                answer = file;
            }
            if request.url.host_str() == Some("desk.example") {
                answer.status = status.load(Ordering::Relaxed);
            }
            if request.url.path().starts_with("/cgi-bin/message/") {
                times.lock().unwrap().push(clock.now());
                if let Some(code) = refusals.lock().unwrap().pop_front() {
                    answer.body = json!({ "errcode": code }).to_string().into_bytes();
                }
            }
            notes.lock().unwrap().push(request);
            async { Ok(answer) }.boxed()
        };
        let (bell, bells) = mpsc::unbounded_channel();
        let held = Secrets::File(SecretFile::in_memory());
        held.put("pepper", PEPPER).await.unwrap();
        held.put_channel(&channel_id(), &secrets(mode))
            .await
            .unwrap();
        store.create_channel(&channel(desk, mode)).await.unwrap();
        let bridge = Bridge::new(
            store,
            held,
            Http::in_process(Arc::new(peers), Allowed::default()),
            clock,
            Chance::seeded(1),
            Bell::Process(bell),
        );
        Self {
            bridge,
            bells: Mutex::new(bells),
            sent,
            desk: desk_status,
            codes,
            sends,
            files,
            brought,
            seen_brought: AtomicUsize::new(0),
        }
    }

    /// What WeChat was brought since the last time, as what.
    pub(crate) fn brought(&self) -> Brought {
        let brought = self.brought.lock().unwrap();
        let known = self.seen_brought.swap(brought.len(), Ordering::Relaxed);
        brought.get(known..).unwrap_or_default().to_vec()
    }

    /// What WeChat answers the next sends with.
    pub(crate) fn wechat_answers(&self, codes: &[i64]) {
        self.codes.lock().unwrap().extend(codes);
    }

    /// What is answered from now on to who asks for this media id or address.
    pub(crate) fn gives(&self, name: &str, status: u16, body: impl Into<Vec<u8>>) {
        let answer = Answer {
            status,
            headers: HeaderMap::new(),
            body: body.into(),
        };
        self.files.lock().unwrap().insert(name.to_owned(), answer);
    }

    /// When WeChat was asked to send something, since the last time.
    pub(crate) fn sends(&self) -> Vec<Moment> {
        std::mem::take(&mut self.sends.lock().unwrap())
    }

    /// What the desk answers with from now on.
    pub(crate) fn desk_answers(&self, status: u16) {
        self.desk.store(status, Ordering::Relaxed);
    }

    /// Seconds since 1970, now.
    pub(crate) fn now(&self) -> i64 {
        self.bridge.now().seconds()
    }

    /// WeChat pushes this document, in plain mode.
    pub(crate) async fn push(&self, xml: &str) -> Response {
        let query = plain(TOKEN, self.now());
        inbound::inbound(&self.bridge, CHANNEL, None, &query, xml.as_bytes()).await
    }

    /// A customer says something; `id` is WeChat's.
    pub(crate) async fn say(&self, open_id: &str, id: u64, text: &str) -> Response {
        self.push(&text_push(open_id, self.now(), id, text)).await
    }

    /// The bells that have rung since the last time.
    pub(crate) fn rings(&self) -> Vec<Ring> {
        let mut bells = self.bells.lock().unwrap();
        std::iter::from_fn(|| bells.try_recv().ok()).collect()
    }

    /// Works on all lanes that ring, until none does.
    pub(crate) async fn deliver(&self) {
        loop {
            let rings = self.rings();
            if rings.is_empty() {
                return;
            }
            let ends = self.bridge.now().plus(std::time::Duration::from_secs(30));
            let failed = deliver::deliver(&self.bridge, &rings, ends).await;
            assert_eq!(failed, [0; 0]);
        }
    }

    /// What has gone out to hosts of this name since the last time.
    pub(crate) fn sent_to(&self, host: &str) -> Vec<Outgoing> {
        let mut sent = self.sent.lock().unwrap();
        sent.extract_if(.., |request| request.url.host_str() == Some(host))
            .collect()
    }

    /// What the desk was told since the last time.
    pub(crate) fn told(&self) -> Vec<Value> {
        let sent = self.sent_to("desk.example");
        sent.iter()
            .map(|request| serde_json::from_slice(&request.body).unwrap())
            .collect()
    }

    /// The desk calls, signed.
    pub(crate) async fn call(&self, id: &str, body: &Value) -> Response {
        let body = body.to_string();
        let headers = signed(SECRET, id, self.now(), body.as_bytes());
        outbound::outbound(&self.bridge, CHANNEL, &headers, body.as_bytes()).await
    }

    /// An agent says something to a customer.
    pub(crate) async fn answer(&self, id: &str, conversation: &str, text: &str) -> Response {
        let body = json!({
            "type": "message",
            "time": self.bridge.now().to_string(),
            "conversation": conversation,
            "message": { "kind": "text", "text": text },
            "agent": { "name": "小王" },
        });
        self.call(id, &body).await
    }

    /// What is journalled in a lane, earliest first.
    pub(crate) async fn journal(&self, at: &ConversationKey, lane: Lane) -> Vec<Entry> {
        let far = Moment::from_seconds(0);
        let read = self.bridge.store.history(at, lane, None, 100, far).await;
        let mut entries = read.unwrap().0;
        entries.reverse();
        entries
    }

    /// The customer id of a customer whose conversation has begun.
    pub(crate) async fn customer(&self, open_id: &str) -> String {
        let known = self.bridge.store.conversation(&at(open_id)).await.unwrap();
        known.unwrap().0.customer.expose().to_owned()
    }
}

/// The query of a push or a handshake that is signed in plain mode.
pub(crate) fn plain(token: &str, seconds: i64) -> String {
    let timestamp = seconds.to_string();
    let signature = crypto::signature(&[token, &timestamp, "1234"]);
    format!("signature={signature}&timestamp={timestamp}&nonce=1234")
}

/// The query and the body of a push in secure mode.
pub(crate) fn secure(
    token: &str,
    key: &str,
    app_id: &str,
    seconds: i64,
    xml: &str,
) -> (String, String) {
    let key = AesKey::parse(key).unwrap();
    let envelope = crypto::encrypt(&key, [3; 16], xml.as_bytes(), app_id);
    let timestamp = seconds.to_string();
    let signature = crypto::signature(&[token, &timestamp, "1234", &envelope]);
    (
        format!("msg_signature={signature}&timestamp={timestamp}&nonce=1234"),
        format!("<xml><ToUserName>{ORIGINAL_ID}</ToUserName><Encrypt>{envelope}</Encrypt></xml>"),
    )
}

/// A customer's words as WeChat pushes them.
pub(crate) fn text_push(open_id: &str, seconds: i64, id: u64, text: &str) -> String {
    let rest = format!("<MsgType>text</MsgType><Content>{text}</Content><MsgId>{id}</MsgId>");
    document(open_id, seconds, &rest)
}

/// An event as WeChat pushes it.
pub(crate) fn event_push(open_id: &str, seconds: i64, name: &str, rest: &str) -> String {
    let rest = format!("<MsgType>event</MsgType><Event>{name}</Event>{rest}");
    document(open_id, seconds, &rest)
}

fn document(open_id: &str, seconds: i64, rest: &str) -> String {
    format!(
        "<xml><ToUserName>{ORIGINAL_ID}</ToUserName><FromUserName>{open_id}</FromUserName>\
         <CreateTime>{seconds}</CreateTime>{rest}</xml>"
    )
}

/// The headers of a desk's call.
pub(crate) fn signed(secret: &str, id: &str, seconds: i64, body: &[u8]) -> HeaderMap {
    use base64::Engine as _;
    let secret = webhook::secret(secret).unwrap();
    let timestamp = seconds.to_string();
    let signature = webhook::sign(&secret, id, &timestamp, body);
    let signature = base64::engine::general_purpose::STANDARD.encode(signature);
    let value = |text: &str| HeaderValue::from_str(text).unwrap();
    HeaderMap::from_iter([
        (http::HeaderName::from_static("webhook-id"), value(id)),
        (
            http::HeaderName::from_static("webhook-timestamp"),
            value(&timestamp),
        ),
        (
            http::HeaderName::from_static("webhook-signature"),
            value(&format!("v1,{signature}")),
        ),
    ])
}
