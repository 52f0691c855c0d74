//! The demo: a simulated account, a channel that is connected to it, and three
//! people who follow it.
//!
//! Invariant: every start finds the account and its people again, as they were
//! made at the first one; what the operator changed of the channel since then
//! stays changed.

use magpie::bridge::Bridge;
use magpie::channel::CallbackMode;
use magpie::clock::{Chance, Clock};
use magpie::console::within::{NotSet, body_of, set_channel};
use magpie::message::ChannelId;
use magpie::notice::Way;
use magpie::secrets::{ChannelSecrets, SecretError};
use magpie::store::StoreError;
use magpie_local::simulator::{
    AccountSettings, BadSettings, Connection, Courier, Mode, Refused, Simulator, Template, WeChat,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tracing::{info, warn};
use url::Url;

use crate::text::{hex, letters};

/// The channel's id.
const CHANNEL: &str = "demo";
/// What channel and account are called.
const NAME: &str = "Demo 演示";
/// Who follows the account.
const FOLLOWERS: [&str; 3] = ["小明 Ming", "阿丽 Li", "Chen"];
/// The name under which the account's secrets are kept.
pub(crate) const SECRET: &str = "demo-simulator";

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// The store failed.
    #[error("the demo channel cannot be kept")]
    Store(#[from] StoreError),
    /// The secrets failed.
    #[error("the demo's secrets cannot be kept")]
    Secret(#[from] SecretError),
    /// The console does not take the channel.
    #[error(transparent)]
    Channel(#[from] NotSet),
    /// What was kept of the demo is not what we keep.
    #[error("the demo's secrets cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// The account cannot be simulated.
    #[error("the demo's account cannot be simulated")]
    Settings(#[from] BadSettings),
    /// The people cannot be simulated.
    #[error("the demo's followers cannot be simulated")]
    Followers(#[from] Refused),
    /// The simulated `WeChat` has no way out.
    #[error("the simulated WeChat cannot call anybody")]
    Client(#[from] reqwest::Error),
}

/// What is kept of the simulated account from start to start.
#[derive(Serialize, Deserialize)]
struct Kept {
    seed: String,
    app_id: String,
    original_id: String,
    app_secret: String,
    token: String,
    aes_key: String,
}

impl Kept {
    fn new(chance: &Chance) -> Self {
        Self {
            seed: hex(&chance.bytes::<16>()),
            app_id: format!("wx{}", hex(&chance.bytes::<8>())),
            original_id: format!("gh_{}", hex(&chance.bytes::<6>())),
            app_secret: hex(&chance.bytes::<16>()),
            token: letters(&chance.bytes::<24>()),
            aes_key: letters(&chance.bytes::<43>()),
        }
    }

    /// The settings of the channel, as the console takes them.
    fn body(&self, api: &Url) -> Map<String, Value> {
        let fields = [
            ("name", json!(NAME)),
            ("app_id", json!(self.app_id)),
            ("original_id", json!(self.original_id)),
            ("api_base", json!(base(api))),
            ("app_secret", json!(self.app_secret)),
            (
                "callback",
                json!({ "mode": "secure", "token": self.token, "encoding_aes_key": self.aes_key }),
            ),
            ("desk", json!({ "kind": "inbox" })),
        ];
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn secrets(&self) -> ChannelSecrets {
        ChannelSecrets {
            only_wechat_addresses: false,
            replies: false,
            mode: CallbackMode::Secure,
            app_id: self.app_id.clone(),
            original_id: self.original_id.clone(),
            token: self.token.clone(),
            aes_key: Some(self.aes_key.clone()),
            previous_aes_key: None,
            app_secret: Some(self.app_secret.clone()),
            desk: Vec::new(),
        }
    }
}

/// An origin as channels have it, without a slash at its end.
fn base(api: &Url) -> String {
    api.as_str().trim_end_matches('/').to_owned()
}

/// The simulated `WeChat` of the demo.
pub(crate) struct Demo {
    /// The handle on it.
    pub(crate) simulator: Simulator,
    /// What delivers its pushes.
    pub(crate) courier: Courier,
    app_id: String,
}

impl Demo {
    /// Makes the account, or finds it again, and connects the channel to it.
    /// `here` is where Magpie listens, `api` where the simulated `WeChat` does.
    pub(crate) async fn open(bridge: &Bridge, here: &Url, api: &Url) -> Result<Self, DemoError> {
        let kept = keep(bridge).await?;
        let secrets = connect(bridge, &kept, api).await?;
        let mut wechat = WeChat::new(&kept.seed);
        wechat.set_address(&base(api));
        wechat.add_account(AccountSettings {
            app_id: kept.app_id.clone(),
            original_id: kept.original_id,
            secret: secrets.app_secret.unwrap_or(kept.app_secret),
            token: secrets.token,
            aes_key: secrets.aes_key.unwrap_or(kept.aes_key),
            mode: match secrets.mode {
                CallbackMode::Plain => Mode::Plain,
                CallbackMode::Compatible => Mode::Compatible,
                CallbackMode::Secure => Mode::Secure,
            },
            callback_url: format!("{}/wechat/{CHANNEL}", base(here)),
            name: NAME.to_owned(),
        })?;
        for name in FOLLOWERS {
            wechat.add_follower(&kept.app_id, name)?;
        }
        for template in templates() {
            wechat.add_template(&kept.app_id, template)?;
        }
        let (simulator, courier) = Simulator::new(wechat, || Clock::System.now().millis())?;
        Ok(Self {
            simulator,
            courier,
            app_id: kept.app_id,
        })
    }

    /// The account's handshake with the channel, as `WeChat`'s console does it.
    pub(crate) async fn shake_hands(simulator: Simulator, app_id: String) {
        if let Ok(Connection::Connected) = simulator.connect(&app_id).await {
            info!("the simulated WeChat is connected");
        } else {
            warn!("the simulated WeChat could not connect; its page can try again");
        }
    }

    /// The account's app id.
    pub(crate) fn app_id(&self) -> &str {
        &self.app_id
    }
}

/// What the account may send at any time.
fn templates() -> [Template; 2] {
    [
        Template {
            way: Way::Template,
            id: "demo-template-reply".to_owned(),
            title: "客服回复提醒".to_owned(),
            content: "回复内容：{{thing1.DATA}}\n回复人员：{{thing2.DATA}}\n回复时间：{{time3.DATA}}"
                .to_owned(),
            example: "回复内容：您的订单已寄出\n回复人员：小王\n回复时间：2026年10月1日 15:01"
                .to_owned(),
        },
        Template {
            way: Way::Subscribe,
            id: "demo-subscribe-order".to_owned(),
            title: "订单进度通知".to_owned(),
            content: "订单编号：{{character_string1.DATA}}\n进度：{{phrase2.DATA}}\n备注：{{thing3.DATA}}"
                .to_owned(),
            example: "订单编号：SF1001\n进度：配送中\n备注：预计今天送达".to_owned(),
        },
    ]
}

async fn keep(bridge: &Bridge) -> Result<Kept, DemoError> {
    let fresh = serde_json::to_string(&Kept::new(&bridge.chance)).map_err(DemoError::Unreadable)?;
    let kept = bridge.secrets.ensure(SECRET, &fresh).await?;
    serde_json::from_str(&kept).map_err(DemoError::Unreadable)
}

/// Creates the channel if there is none, and points it to where the simulated
/// `WeChat` listens this time. Answers with the channel's secrets.
async fn connect(bridge: &Bridge, kept: &Kept, api: &Url) -> Result<ChannelSecrets, DemoError> {
    let Some(id) = ChannelId::parse(CHANNEL) else {
        return Ok(kept.secrets());
    };
    let secrets = bridge.secrets.channel(&id).await?;
    let body = match (bridge.store.channel(&id).await?, secrets) {
        // It is on its way out: the next start makes a new one.
        (Some(channel), _) if channel.deleted => return Ok(kept.secrets()),
        (Some(channel), Some(secrets)) if channel.api_base == base(api) => return Ok(secrets),
        (Some(channel), Some(_)) => {
            let mut body = body_of(&channel);
            body.insert("api_base".to_owned(), json!(base(api)));
            body
        }
        (None, _) => kept.body(api),
        // Its creation broke off.
        (Some(channel), None) => {
            let mut body = body_of(&channel);
            let fresh = kept.body(api).into_iter();
            body.extend(fresh.filter(|(name, _)| name != "name" && name != "desk"));
            body
        }
    };
    match set_channel(bridge, &id, body).await {
        Ok(secrets) => Ok(secrets),
        Err(refused @ NotSet::Refused(_)) => {
            warn!(error = %refused, "the demo channel stays as it is");
            let secrets = bridge.secrets.channel(&id).await?;
            Ok(secrets.unwrap_or_else(|| kept.secrets()))
        }
        Err(broken) => Err(broken.into()),
    }
}

#[cfg(test)]
mod tests {
    use magpie::bridge::Bell;
    use magpie::http::{Allowed, Http};
    use magpie::secrets::{SecretFile, Secrets};
    use magpie::store::Store;
    use magpie::store::embedded::Engine;

    use super::*;

    #[tokio::test]
    async fn every_start_finds_the_same_account() {
        let engine = Engine::in_memory().unwrap();
        let bridge = Bridge::new(
            Store::new(engine.client(), "messages", "control"),
            Secrets::File(SecretFile::in_memory()),
            Http::network(Allowed::parse("http://127.0.0.1").unwrap()),
            Clock::System,
            Chance::seeded(7),
            Bell::Stream,
        );
        bridge.store.create_tables(false).await.unwrap();
        let id = ChannelId::parse(CHANNEL).unwrap();
        let here = Url::parse("http://127.0.0.1:1").unwrap();
        let mut seen = Vec::new();
        let mut names = (NAME, 30);
        for port in [2, 2, 3] {
            let api = Url::parse(&format!("http://127.0.0.1:{port}")).unwrap();
            let demo = Demo::open(&bridge, &here, &api).await.unwrap();
            seen.push(demo.simulator.with(|wechat| {
                let people = wechat.accounts().iter().flat_map(|a| &a.customers);
                let people: Vec<_> = people.map(|c| (c.open_id.clone(), c.following)).collect();
                let settings = wechat.accounts().first().unwrap().settings.clone();
                (
                    people,
                    settings.app_id,
                    settings.token,
                    settings.callback_url,
                )
            }));
            let channel = bridge.store.channel(&id).await.unwrap().unwrap();
            assert_eq!(channel.api_base, format!("http://127.0.0.1:{port}"));
            assert_eq!((channel.name.as_str(), channel.retention_days), names);
            if port == 2 && names.0 == NAME {
                // What the operator changed stays changed.
                names = ("Mine", 7);
                let mut body = body_of(&channel);
                body.insert("name".to_owned(), json!(names.0));
                body.insert("retention_days".to_owned(), json!(names.1));
                set_channel(&bridge, &id, body).await.unwrap();
            }
        }
        assert_eq!(seen.first().unwrap().0.len(), FOLLOWERS.len());
        assert_eq!(seen.first().unwrap().3, "http://127.0.0.1:1/wechat/demo");
        seen.dedup();
        assert_eq!(seen.len(), 1);
    }
}
