//! The customers: they write through the simulated WeChat, and every push goes
//! over real HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::http::Method;
use magpie::clock::Clock;
use magpie::http::{Allowed, Http, Outgoing};
use magpie_local::simulator::{AccountSettings, Act, Callback, Mode, WeChat};
use url::Url;

use crate::{Flags, Outcome, instant, lock};

/// How long WeChat waits for an answer, and how often it tries.
const PUSH: Duration = Duration::from_secs(5);
const ATTEMPTS: usize = 4;
const APP_ID: &str = "wx0123456789abcdef";
const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

/// A push that was acknowledged.
#[derive(Clone)]
pub(crate) struct Push {
    pub(crate) begun: Instant,
    pub(crate) acknowledged: Duration,
}

/// The customers, and what became of their messages.
pub(crate) struct Street {
    flags: Flags,
    base: Url,
    http: Http,
    wechat: Mutex<(WeChat, u64)>,
    people: Vec<String>,
    pub(crate) taken: Mutex<BTreeMap<u64, Push>>,
    pub(crate) repeated: AtomicU64,
    pub(crate) tried_again: AtomicU64,
    pub(crate) given_up: AtomicU64,
}

impl Street {
    pub(crate) fn new(flags: &Flags, base: Url) -> Outcome<Self> {
        let mut wechat = WeChat::new("load");
        wechat.add_account(AccountSettings {
            app_id: APP_ID.to_owned(),
            original_id: "gh_0123456789ab".to_owned(),
            secret: "0123456789abcdef0123456789abcdef".to_owned(),
            token: "tokenOfTheCallback".to_owned(),
            aes_key: AES_KEY.to_owned(),
            mode: Mode::Secure,
            callback_url: base.join("/wechat/load")?.into(),
            name: "Load".to_owned(),
        })?;
        let people = (0..flags.customers)
            .map(|customer| wechat.add_follower(APP_ID, &customer.to_string()))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            flags: flags.clone(),
            base,
            http: Http::network(Allowed::parse("http://127.0.0.1").map_err(|_| "no origin")?)?,
            wechat: Mutex::new((wechat, 0)),
            people,
            taken: Mutex::default(),
            repeated: AtomicU64::new(0),
            tried_again: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
        })
    }

    /// Connects the channel as an operator's program does.
    pub(crate) async fn connect(&self, desk: &str, secret: &str, admin: &str) -> Outcome<()> {
        let channel = serde_json::json!({
            "name": "Load", "app_id": APP_ID, "original_id": "gh_0123456789ab",
            "callback": {
                "mode": "secure", "token": "tokenOfTheCallback", "encoding_aes_key": AES_KEY,
            },
            "desk": { "kind": "webhook", "url": format!("{desk}/hook"), "secrets": [secret] },
        });
        let url = self.base.join("/api/channels/load")?;
        let mut call = Outgoing::json(url, channel.to_string().into_bytes(), PUSH)
            .with("authorization", &format!("Bearer {admin}"));
        call.method = Method::PUT;
        let answer = self.http.send(call).await?;
        if !(200..300).contains(&answer.status) {
            let said = String::from_utf8_lossy(&answer.body);
            return Err(format!("the channel was not taken: {} {said}", answer.status).into());
        }
        Ok(())
    }

    /// One customer writes one message after the other, each when the last was
    /// acknowledged, and with a rate not before its time. What is late counts
    /// from its time on.
    pub(crate) async fn write(
        self: Arc<Self>,
        customer: u32,
        begins: Instant,
        ends: Instant,
    ) -> Outcome<()> {
        let mut round = 0;
        loop {
            let mut begun = instant();
            if let Some(rate) = self.flags.rate {
                let turn = round * self.flags.customers + customer;
                begun = begins + Duration::from_secs(1) * turn / rate.max(1);
                tokio::time::sleep_until(begun.into()).await;
            }
            round += 1;
            if begun.max(instant()) >= ends {
                return Ok(());
            }
            let (number, push) = self.say(customer)?;
            let url = format!("{}?{}", push.url, push.query);
            let call = Outgoing::json(Url::parse(&url)?, push.body, PUSH);
            let twice = number * self.flags.duplicates % 100 < self.flags.duplicates;
            let count = u64::from(twice);
            let nth = self.repeated.fetch_add(count, Ordering::Relaxed);
            // A repeat comes beside the first or after it.
            let acknowledged = if twice && nth.is_multiple_of(2) {
                tokio::join!(self.send(&call, begun), self.send(&call, begun)).0
            } else {
                self.send(&call, begun).await
            };
            if twice && !nth.is_multiple_of(2) {
                self.send(&call, begun).await;
            }
            if let Some(acknowledged) = acknowledged {
                let push = Push {
                    begun,
                    acknowledged,
                };
                lock(&self.taken).insert(number, push);
            } else {
                self.given_up.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn say(&self, customer: u32) -> Outcome<(u64, Callback)> {
        let person = usize::try_from(customer)?;
        let person = self.people.get(person).ok_or("nobody")?;
        let mut wechat = lock(&self.wechat);
        wechat.1 += 1;
        let number = wechat.1;
        let text = format!("{customer} says {number}");
        let now = Clock::System.now().millis();
        let push = wechat.0.act(now, APP_ID, person, &Act::Say { text })?;
        Ok((number, push))
    }

    /// Sends a push until it is acknowledged, as often as WeChat does. Says how
    /// long that took.
    async fn send(&self, call: &Outgoing, begun: Instant) -> Option<Duration> {
        for attempt in 0..ATTEMPTS {
            let again = u64::from(attempt > 0);
            self.tried_again.fetch_add(again, Ordering::Relaxed);
            let answer = self.http.send(call.clone()).await;
            if answer.is_ok_and(|answer| answer.status == 200 && answer.body == b"success") {
                return Some(begun.elapsed());
            }
        }
        None
    }
}
