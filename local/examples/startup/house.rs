//! Our own hands on the tables: a bridge in this process, which prepares what
//! the functions find and looks at what they leave.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use magpie::bridge::{Bell, Bridge, Ring, deliver, inbound, outbound};
use magpie::channel::{CallbackMode, Channel, DeskSettings, TIME_ZONE, TokenCall};
use magpie::clock::{Chance, Clock};
use magpie::config::Aws;
use magpie::http::{Allowed, Answer, Http, Outgoing};
use magpie::journal::{ConversationKey, Lane, Pepper};
use magpie::message::{ChannelId, OpenId};
use magpie::moment::Moment;
use magpie::secrets::{SecretFile, Secrets};
use magpie::store::Store;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::Outcome;
use crate::events::{self, Kind};
use crate::far::{CONTROL, Far, PREFIX};
use crate::harness::REGION;
use crate::harness::rows::MESSAGES;

pub(crate) const CHANNEL: &str = "demo";
pub(crate) const TOKEN: &str = "sampletoken";
pub(crate) const ADMIN_KEY: &str = "sample-admin-key";
pub(crate) const DESK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PEPPER: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// The bridge in this process and what it has rung.
pub(crate) struct House {
    bridge: Bridge,
    bells: Mutex<mpsc::UnboundedReceiver<Ring>>,
    count: AtomicU64,
}

impl House {
    pub(crate) async fn open(far: &Far) -> Outcome<Self> {
        let aws = Aws {
            region: REGION.to_owned(),
            access_key: "house".to_owned(),
            secret_key: "house".to_owned(),
            session_token: None,
            dynamodb_endpoint: Some(far.engine.endpoint().to_owned()),
            secrets_endpoint: None,
            lambda_endpoint: None,
        };
        let client = magpie::store::client(&aws, &magpie::store::Https::new());
        let store = Store::new(client, MESSAGES, CONTROL);
        store.create_tables(true).await?;
        let channel = channel(far)?;
        store.create_channel(&channel).await?;
        let secret = json!({
            "mode": "plain",
            "app_id": channel.app_id,
            "original_id": channel.original_id,
            "token": TOKEN,
            "app_secret": "0123456789abcdef0123456789abcdef",
            "desk": [DESK_SECRET],
        });
        let held = Secrets::File(SecretFile::in_memory());
        let secret = secret.to_string();
        for (name, value) in [
            ("ch/demo", secret.as_str()),
            ("pepper", PEPPER),
            ("admin", ADMIN_KEY),
        ] {
            held.put(name, value).await?;
            far.secrets.put(&format!("{PREFIX}{name}"), value);
        }
        let (bell, bells) = mpsc::unbounded_channel();
        let bridge = Bridge::new(
            store,
            held,
            Http::in_process(
                Arc::new(|request| well(&request).boxed()),
                Allowed::default(),
            ),
            Clock::System,
            Chance::System,
            Bell::Process(bell),
        );
        Ok(Self {
            bridge,
            bells: Mutex::new(bells),
            count: AtomicU64::new(23_300_000_000_000_000),
        })
    }

    /// A number that was not given before.
    pub(crate) fn number(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn now(&self) -> Moment {
        self.bridge.now()
    }

    /// An event for a function, and what to look for afterwards: a part of the
    /// key of the newest entry in a lane.
    pub(crate) async fn prepare(&self, kind: Kind) -> Outcome<(Value, Option<(Lane, String)>)> {
        let (sample, now) = (kind.sample()?, self.now());
        let event = match kind {
            Kind::Bare | Kind::Sweep | Kind::TokenRefresh => sample,
            Kind::Console => events::call(sample)?,
            Kind::Verify => events::signed(sample, now, "&echostr=5837397576500011341")?,
            Kind::Inbound => {
                let id = self.number();
                let xml = events::words(now, customer(kind), id)?;
                let left = (Lane::In, id.to_string());
                return Ok((events::push(sample, now, &xml)?, Some(left)));
            }
            Kind::Outbound => {
                let known = self.conversation(kind).await?;
                let id = format!("msg_{}", self.number());
                let body = events::answer(self.now(), &known);
                return Ok((
                    events::desk(sample, now, &id, &body)?,
                    Some((Lane::Out, id)),
                ));
            }
            Kind::ToDesk => {
                let ring = self.says(kind).await?;
                events::bell(sample, ring.at.as_str(), ring.key.as_str())?
            }
            Kind::ToWechat => {
                let ring = self.answers(kind).await?;
                events::bell(sample, ring.at.as_str(), ring.key.as_str())?
            }
        };
        Ok((event, None))
    }

    /// The key of the newest entry in a lane of this kind's conversation.
    pub(crate) async fn newest(&self, kind: Kind, lane: Lane) -> Outcome<Option<String>> {
        let (at, far) = (at(kind)?, Moment::from_seconds(0));
        let read = self.bridge.store.history(&at, lane, None, 1, far).await?;
        Ok(read.0.first().map(|entry| entry.key.as_str().to_owned()))
    }

    /// A customer says something; nobody is told yet.
    async fn says(&self, kind: Kind) -> Outcome<Ring> {
        let now = self.now();
        let xml = events::words(now, customer(kind), self.number())?;
        let event = events::push(json!({ "rawQueryString": "", "body": "" }), now, &xml)?;
        let query = event.get("rawQueryString").and_then(Value::as_str);
        let query = query.unwrap_or_default();
        let taken = inbound::inbound(&self.bridge, CHANNEL, None, query, xml.as_bytes()).await;
        expect(taken.status(), StatusCode::OK)?;
        self.bell()
    }

    /// The customer of a conversation that has begun, and in which everything
    /// was told.
    async fn conversation(&self, kind: Kind) -> Outcome<String> {
        let ring = self.says(kind).await?;
        let ends = self.now().plus(Duration::from_secs(20));
        let failed = deliver::deliver(&self.bridge, &[ring], ends).await;
        if !failed.is_empty() {
            return Err("a message could not be delivered".into());
        }
        let known = self.bridge.store.conversation(&at(kind)?).await?;
        let known = known.ok_or("the conversation has not begun")?;
        Ok(known.0.customer.expose().to_owned())
    }

    /// An agent answers; nothing is sent yet. The window is a new one each time.
    async fn answers(&self, kind: Kind) -> Outcome<Ring> {
        let customer = self.conversation(kind).await?;
        let (id, now) = (format!("msg_{}", self.number()), self.now());
        let body = events::answer(now, &customer);
        let mut headers = HeaderMap::new();
        for (name, value) in events::desk_headers(now, &id, &body)? {
            headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value)?);
        }
        let taken = outbound::outbound(&self.bridge, CHANNEL, &headers, body.as_bytes()).await;
        expect(taken.status(), StatusCode::ACCEPTED)?;
        self.bell()
    }

    fn bell(&self) -> Outcome<Ring> {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = std::iter::from_fn(|| bells.try_recv().ok()).last();
        Ok(ring.ok_or("no bell has rung")?)
    }
}

fn expect(status: StatusCode, expected: StatusCode) -> Outcome<()> {
    if status == expected {
        return Ok(());
    }
    Err(format!("{status} instead of {expected}").into())
}

/// Who writes, so that no function works in another's conversation.
fn customer(kind: Kind) -> &'static str {
    match kind {
        Kind::Outbound => "oWhoIsAnswered",
        Kind::ToDesk => "oWhoIsHeard",
        Kind::ToWechat => "oWhoIsSentTo",
        _ => "oWhoWrites",
    }
}

fn at(kind: Kind) -> Outcome<ConversationKey> {
    let pepper = Pepper::new(&[7; 32]).ok_or("the pepper is none")?;
    let channel = ChannelId::parse(CHANNEL).ok_or("the channel is none")?;
    Ok(ConversationKey::of(
        &pepper,
        &channel,
        &OpenId::new(customer(kind)),
    ))
}

fn channel(far: &Far) -> Outcome<Channel> {
    Ok(Channel {
        id: ChannelId::parse(CHANNEL).ok_or("the channel is none")?,
        name: "Demo".to_owned(),
        app_id: "wx0123456789abcdef".to_owned(),
        original_id: "gh_0123456789ab".to_owned(),
        mode: CallbackMode::Plain,
        suspended: false,
        resumed: None,
        only_wechat_addresses: false,
        replies: magpie::reply::Replies::default(),
        deleted: false,
        api_base: far.outside.clone(),
        token_call: TokenCall::Stable,
        part_pause_ms: 0,
        retention_days: 30,
        erase_after_days: 15,
        time_zone: TIME_ZONE.to_owned(),
        fallback: None,
        agent_name: magpie::channel::AgentName::None,
        kf_account: None,
        desk: DeskSettings::Webhook {
            url: format!("{}/hook", far.outside),
        },
        revision: 1,
    })
}

/// The desk, when it is this process that tells it.
fn well(_: &Outgoing) -> std::future::Ready<Result<Answer, magpie::http::Trouble>> {
    std::future::ready(Ok(Answer {
        status: 204,
        headers: HeaderMap::new(),
        body: Vec::new(),
    }))
}
