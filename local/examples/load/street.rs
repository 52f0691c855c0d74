//! The customers: they write through the simulated WeChat, and every push goes
//! over real HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use magpie::clock::Clock;
use magpie::http::{Http, Outgoing};
use magpie_local::simulator::{Act, Callback, WeChat};
use serde_json::json;
use url::Url;

use crate::account::Account;
use crate::words::words;
use crate::{Flags, Outcome, instant, lock};

/// How long WeChat waits for an answer, and how often it tries.
const PUSH: Duration = Duration::from_secs(5);
const ATTEMPTS: usize = 4;

/// A push that was acknowledged.
#[derive(Clone)]
pub(crate) struct Push {
    pub(crate) begun: Instant,
    pub(crate) acknowledged: Duration,
}

/// The customers, and what became of their messages.
pub(crate) struct Street {
    flags: Flags,
    account: Account,
    http: Http,
    wechat: Mutex<(WeChat, u64)>,
    people: Vec<String>,
    pub(crate) taken: Mutex<BTreeMap<u64, Push>>,
    pub(crate) repeated: AtomicU64,
    pub(crate) tried_again: AtomicU64,
    pub(crate) given_up: AtomicUsize,
}

impl Street {
    /// Connects the channel whose desk is a webhook, and lets people follow it.
    pub(crate) async fn new(
        flags: &Flags,
        base: &Url,
        admin: &str,
        desk: &str,
        secret: &str,
    ) -> Outcome<Self> {
        let account = Account::new("load", 1);
        let mut wechat = WeChat::new("load");
        wechat.add_account(account.settings(base)?)?;
        let most = flags.ladder.iter().copied().max();
        let people = (0..most.unwrap_or(flags.customers))
            .map(|customer| wechat.add_follower(&account.app_id, &customer.to_string()))
            .collect::<Result<_, _>>()?;
        let url = format!("{desk}/hook");
        let desk = json!({ "kind": "webhook", "url": url, "secrets": [secret] });
        account.connect(base, admin, desk, None).await?;
        Ok(Self {
            flags: flags.clone(),
            account,
            http: Http::network(crate::ours()?),
            wechat: Mutex::new((wechat, 0)),
            people,
            taken: Mutex::default(),
            repeated: AtomicU64::new(0),
            tried_again: AtomicU64::new(0),
            given_up: AtomicUsize::new(0),
        })
    }

    /// How many messages were said so far; they are numbered from 1.
    pub(crate) fn said(&self) -> u64 {
        lock(&self.wechat).1
    }

    /// One customer writes one message after the other, each when the last was
    /// acknowledged, and with a rate not before its time. What is late counts
    /// from its time on. `of` is how many write.
    pub(crate) async fn write(
        self: Arc<Self>,
        customer: u32,
        of: u32,
        begins: Instant,
        ends: Instant,
    ) -> Outcome<()> {
        let mut round = 0;
        loop {
            let mut begun = instant();
            if let Some(rate) = self.flags.rate {
                let turn = round * of + customer;
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
        let text = words(
            &format!("{customer} says {number}"),
            number,
            self.flags.bytes,
        );
        let now = Clock::System.now().millis();
        let push = wechat
            .0
            .act(now, &self.account.app_id, person, &Act::Say { text })?;
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
