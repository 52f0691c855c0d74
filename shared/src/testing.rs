//! A bridge for tests: the real store over the engine in memory, peers in this
//! process, a clock and random numbers that repeat.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use http::HeaderMap;
use tokio::sync::mpsc;

use crate::bridge::{Bell, Bridge, Ring, deliver};
use crate::channel::{CallbackMode, Channel, DeskSettings, TIME_ZONE, TokenCall};
use crate::clock::{Chance, Clock};
use crate::http::{Allowed, Answer, Http, Outgoing, Peers};
use crate::journal::{ConversationKey, Entry, EntryKey, Origin};
use crate::message::{Body, ChannelId, OpenId};
use crate::moment::Moment;
use crate::secrets::{ChannelSecrets, SecretFile, Secrets};
use crate::store::Store;
use crate::store::embedded::Engine;

/// When tests begin.
pub(crate) const START: Moment = Moment::from_millis(1_795_335_330_120);

/// A `WeChat` and a desk that answer as they are told, and remember.
#[derive(Clone, Default)]
pub(crate) struct Outside {
    /// What sends and token calls are answered with, in this order; then 0.
    pub(crate) codes: Arc<Mutex<VecDeque<i64>>>,
    /// What calls that are not about a token are answered with instead of `ok`.
    pub(crate) bodies: Arc<Mutex<VecDeque<String>>>,
    /// The tokens that are given, in this order; then always the same one.
    pub(crate) tokens: Arc<Mutex<VecDeque<String>>>,
    /// What the desk answers; 200 by default.
    pub(crate) desk: Arc<Mutex<Option<u16>>>,
    /// Everything that came.
    pub(crate) calls: Arc<Mutex<Vec<Outgoing>>>,
}

impl Outside {
    fn peers(&self) -> Peers {
        let outside = self.clone();
        Arc::new(move |request| {
            let answer = outside.answer(request);
            async move { Ok(answer) }.boxed()
        })
    }

    fn answer(&self, request: Outgoing) -> Answer {
        let path = request.url.path();
        let wechat = path.starts_with("/cgi-bin/") || path.starts_with("/wxaapi/");
        let token = request.url.path().ends_with("token");
        self.calls.lock().unwrap().push(request);
        let code = if wechat {
            self.codes.lock().unwrap().pop_front().unwrap_or(0)
        } else {
            0
        };
        let body = match (code, token) {
            (0, true) => {
                let next = self.tokens.lock().unwrap().pop_front();
                let next = next.unwrap_or_else(|| "TOKEN-MARKER".to_owned());
                format!(r#"{{"access_token":"{next}","expires_in":7200}}"#)
            }
            (0, false) if wechat && !self.bodies.lock().unwrap().is_empty() => {
                self.bodies.lock().unwrap().pop_front().unwrap()
            }
            (40164, _) => {
                r#"{"errcode":40164,"errmsg":"invalid ip 198.51.100.7 ipv6 ::ffff:198.51.100.7, not in whitelist"}"#
                    .to_owned()
            }
            (code, _) => format!(r#"{{"errcode":{code},"errmsg":"as told"}}"#),
        };
        let desk = self.desk.lock().unwrap().unwrap_or(200);
        Answer {
            status: if wechat { 200 } else { desk },
            headers: HeaderMap::new(),
            body: body.into_bytes(),
        }
    }
}

/// A bridge whose bells ring here.
pub(crate) struct Stage {
    pub(crate) bridge: Bridge,
    pub(crate) outside: Outside,
    pub(crate) bells: mpsc::UnboundedReceiver<Ring>,
}

impl Stage {
    /// Builds everything in memory.
    pub(crate) async fn new() -> Self {
        let outside = Outside::default();
        let store = Store::new(Engine::in_memory().unwrap().client(), "messages", "control");
        store.create_tables(false).await.unwrap();
        let (bell, bells) = mpsc::unbounded_channel();
        let allowed = Allowed::parse("http://127.0.0.1:9").unwrap();
        let bridge = Bridge::new(
            store,
            Secrets::File(SecretFile::in_memory()),
            Http::in_process(outside.peers(), allowed),
            Clock::starting_at(START),
            Chance::seeded(1),
            Bell::Process(bell),
        );
        Self {
            bridge,
            outside,
            bells,
        }
    }

    /// Connects a channel with a desk.
    pub(crate) async fn connect(&self, id: &str, desk: DeskSettings) -> Channel {
        let channel = Channel {
            id: ChannelId::parse(id).unwrap(),
            name: id.to_owned(),
            app_id: format!("wxapp{}", id.replace('-', "0")),
            original_id: format!("gh_{}", id.replace('-', "0")),
            mode: CallbackMode::Plain,
            suspended: false,
            resumed: None,
            only_wechat_addresses: false,
            replies: crate::reply::Replies::default(),
            deleted: false,
            api_base: "https://api.weixin.qq.com".to_owned(),
            token_call: TokenCall::Stable,
            part_pause_ms: 0,
            retention_days: 30,
            erase_after_days: 15,
            time_zone: TIME_ZONE.to_owned(),
            fallback: None,
            agent_name: crate::channel::AgentName::None,
            kf_account: None,
            desk,
            revision: 1,
        };
        self.bridge.store.create_channel(&channel).await.unwrap();
        let secrets = ChannelSecrets {
            only_wechat_addresses: false,
            replies: false,
            mode: channel.mode,
            app_id: channel.app_id.clone(),
            original_id: channel.original_id.clone(),
            token: "callbacktoken".to_owned(),
            aes_key: None,
            previous_aes_key: None,
            app_secret: Some("app-secret-marker".to_owned()),
            desk: vec!["whsec_c2VjcmV0LW1hcmtlci1zZWNyZXQ=".to_owned()],
        };
        let kept = self.bridge.secrets.put_channel(&channel.id, &secrets);
        kept.await.unwrap();
        self.bridge.forget(&channel.id);
        channel
    }

    /// A customer says something now; it is journalled and its bell rung.
    pub(crate) async fn says(&self, channel: &ChannelId, open_id: &str, text: &str) -> Entry {
        self.pushes(channel, open_id, Body::text(text)).await
    }

    /// A customer taps the choice of this id.
    pub(crate) async fn taps(&self, channel: &ChannelId, open_id: &str, choice: &str, text: &str) {
        let body = Body::Text {
            text: text.to_owned(),
            choice: Some(choice.to_owned()),
            fields: crate::message::Fields::new(),
        };
        self.pushes(channel, open_id, body).await;
    }

    async fn pushes(&self, channel: &ChannelId, open_id: &str, body: Body) -> Entry {
        let now = self.bridge.now();
        let id = u64::from_be_bytes(self.bridge.chance.bytes());
        let seconds = u64::try_from(now.seconds()).unwrap();
        let key = EntryKey::message(seconds, &id.to_string());
        let origin = Origin {
            channel: channel.clone(),
            open_id: Some(OpenId::new(open_id)),
        };
        let entry = Entry::pending(key, now, body, origin);
        let at = self.place(channel, open_id).await;
        self.bridge
            .store
            .put_entry(&at, &entry, None)
            .await
            .unwrap();
        self.bridge.ring(&at, &entry.key);
        entry
    }

    /// Where a customer's conversation lies.
    pub(crate) async fn place(&self, channel: &ChannelId, open_id: &str) -> ConversationKey {
        let open_id = OpenId::new(open_id);
        ConversationKey::of(self.bridge.pepper().await.unwrap(), channel, &open_id)
    }

    /// Lets workers answer bells until none rings.
    pub(crate) async fn settle(&mut self) {
        while let Ok(first) = self.bells.try_recv() {
            let mut rings = vec![first];
            while let Ok(ring) = self.bells.try_recv() {
                rings.push(ring);
            }
            let ends = self.bridge.now().plus(Duration::from_mins(1));
            let failed = deliver::deliver(&self.bridge, &rings, ends).await;
            assert!(failed.is_empty());
        }
    }
}
