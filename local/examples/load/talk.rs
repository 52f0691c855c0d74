//! Conversations at our inbox beside the load: a customer says something, an
//! agent's page shows it, the agent answers, and the phone shows the answer.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use magpie::clock::Clock;
use magpie_local::simulator::{Act, Connection, Simulator, Stage, WeChat, router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::Url;

use crate::account::Account;
use crate::page::Page;
use crate::words::{line, words};
use crate::{Flags, Outcome, instant};

/// How long a step may take before what it waits for counts as lost.
const PATIENCE: Duration = Duration::from_mins(2);

/// What came of one conversation, or of all.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) to_inbox: Vec<Duration>,
    pub(crate) to_phone: Vec<Duration>,
    /// What did not come in [`PATIENCE`].
    pub(crate) lost: usize,
    /// What was shown twice.
    pub(crate) doubled: usize,
    /// What came before or after its turn.
    pub(crate) misordered: usize,
}

impl Heard {
    pub(crate) fn add(&mut self, other: Self) {
        self.to_inbox.extend(other.to_inbox);
        self.to_phone.extend(other.to_phone);
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.misordered += other.misordered;
    }
}

/// The simulated WeChat of those who talk.
pub(crate) struct Talks {
    simulator: Simulator,
    account: Account,
    /// Where WeChat's API is.
    pub(crate) api: String,
}

impl Talks {
    /// Lets a WeChat listen.
    pub(crate) async fn listen(servers: &mut JoinSet<io::Result<()>>) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let host = listener.local_addr()?.to_string();
        let now = || Clock::System.now().millis();
        let (simulator, _) = Simulator::new(WeChat::new("talks"), now)?;
        let api = format!("http://{host}");
        let routes: Router = router(simulator.clone(), vec![host]);
        servers.spawn(axum::serve(listener, routes).into_future());
        let account = Account::new("talks", 2);
        Ok(Self {
            simulator,
            account,
            api,
        })
    }

    /// Connects the channel whose desk is our inbox.
    pub(crate) async fn connect(&self, base: &Url, admin: &str) -> Outcome<()> {
        let settings = self.account.settings(base)?;
        self.simulator.with(|wechat| wechat.add_account(settings))?;
        let desk = json!({ "kind": "inbox" });
        self.account
            .connect(base, admin, desk, Some(&self.api))
            .await?;
        match self.simulator.connect(&self.account.app_id).await? {
            Connection::Connected => Ok(()),
            other => Err(format!("WeChat's handshake failed: {other:?}").into()),
        }
    }

    /// One customer and one agent talk until then, each when the other was heard.
    pub(crate) async fn talk(
        self: Arc<Self>,
        flags: Flags,
        number: u32,
        base: Url,
        admin: String,
        ends: Instant,
    ) -> Outcome<Heard> {
        let app_id = &self.account.app_id;
        let name = format!("talk {number}");
        let person = self
            .simulator
            .with(|wechat| wechat.add_follower(app_id, &name))?;
        let mut page = Page::open(&base, &admin, self.account.channel).await?;
        let mut heard = Heard::default();
        for round in 1.. {
            if instant() >= ends {
                break;
            }
            let said = words(&format!("{name} says {round}"), round, flags.bytes);
            let answered = words(&format!("{name} hears {round}"), round, flags.bytes);
            let act = Act::Say { text: said.clone() };
            let begun = instant();
            let both = async {
                tokio::join!(
                    self.simulator.act(app_id, &person, &act),
                    page.shows(line(&said)),
                )
            };
            let Ok((state, shown)) = timeout(PATIENCE, both).await else {
                heard.lost += 1;
                break;
            };
            heard.to_inbox.push(begun.elapsed());
            heard.doubled += shown? - 1;
            if state?.stage != Stage::Taken {
                return Err("a push was shown that was not acknowledged".into());
            }
            let begun = instant();
            let both = async {
                let id = format!("{number}-{round}");
                tokio::join!(
                    page.answer(&id, &answered),
                    self.phone_shows(&person, &answered)
                )
            };
            let Ok((taken, (times, is_last))) = timeout(PATIENCE, both).await else {
                heard.lost += 1;
                break;
            };
            taken?;
            heard.to_phone.push(begun.elapsed());
            heard.doubled += times.saturating_sub(1);
            heard.misordered += usize::from(!is_last);
        }
        Ok(heard)
    }

    /// Waits until a phone shows this. Says how often, and whether nothing came
    /// after it.
    async fn phone_shows(&self, person: &str, text: &str) -> (usize, bool) {
        let shown = self.simulator.until(|wechat| {
            let customer = wechat.customer(&self.account.app_id, person)?;
            let times = customer.received().filter(|words| *words == text).count();
            let is_last = customer.received().last() == Some(text);
            (times > 0).then_some((times, is_last))
        });
        shown.await.unwrap_or_default()
    }
}
