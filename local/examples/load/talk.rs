//! Conversations at our inbox beside the load: a customer says something, an
//! agent's page shows it, the agent answers, and the phone shows the answer.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use magpie::clock::Clock;
use magpie_local::simulator::{Act, Connection, Customer, Simulator, Stage, WeChat, router};
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

/// One conversation.
pub(crate) struct Talk {
    person: String,
    page: Page,
    said: Vec<String>,
    answered: Vec<String>,
    to_inbox: Vec<Duration>,
    to_phone: Vec<Duration>,
}

/// What came of all conversations.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) to_inbox: Vec<Duration>,
    pub(crate) to_phone: Vec<Duration>,
    pub(crate) sent: usize,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) misordered: usize,
}

impl Heard {
    /// Holds what is shown at the end against what was said.
    fn compare(&mut self, said: &[String], shown: &[String]) {
        let places: HashMap<&str, usize> = (0..)
            .zip(said)
            .map(|(at, text)| (text.as_str(), at))
            .collect();
        let mut seen = HashSet::new();
        let mut newest = 0;
        for text in shown {
            let Some(at) = places.get(text.as_str()).filter(|at| seen.insert(**at)) else {
                self.doubled += 1;
                continue;
            };
            self.misordered += usize::from(*at < newest);
            newest = newest.max(*at);
        }
        self.sent += said.len();
        self.lost += said.len() - seen.len();
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
    ) -> Outcome<Talk> {
        let app_id = &self.account.app_id;
        let name = format!("talk {number}");
        let person = self
            .simulator
            .with(|wechat| wechat.add_follower(app_id, &name))?;
        let mut talk = Talk {
            person,
            page: Page::open(&base, &admin, self.account.channel).await?,
            said: Vec::new(),
            answered: Vec::new(),
            to_inbox: Vec::new(),
            to_phone: Vec::new(),
        };
        for round in 1.. {
            if instant() >= ends {
                break;
            }
            let text = words(&format!("{name} says {round}"), round, flags.bytes);
            let answer = words(&format!("{name} hears {round}"), round, flags.bytes);
            let step = async {
                self.says(&mut talk, text).await?;
                self.hears(&mut talk, answer).await
            };
            // What did not come in time is missing at the end.
            match timeout(PATIENCE, step).await {
                Ok(done) => done?,
                Err(_) => break,
            }
        }
        Ok(talk)
    }

    async fn says(&self, talk: &mut Talk, text: String) -> Outcome<()> {
        let act = Act::Say { text: text.clone() };
        talk.said.push(text.clone());
        let begun = instant();
        let (state, shown) = tokio::join!(
            self.simulator.act(&self.account.app_id, &talk.person, &act),
            talk.page.shows(line(&text)),
        );
        shown?;
        talk.to_inbox.push(begun.elapsed());
        match state?.stage {
            Stage::Taken => Ok(()),
            _ => Err("a push was shown that was not acknowledged".into()),
        }
    }

    async fn hears(&self, talk: &mut Talk, answer: String) -> Outcome<()> {
        let id = format!("answer-{}", talk.answered.len());
        talk.answered.push(answer.clone());
        let begun = instant();
        let phone = self.simulator.until(|wechat| {
            let customer = wechat.customer(&self.account.app_id, &talk.person)?;
            let shown = customer.received().any(|text| text == answer);
            shown.then_some(())
        });
        let (taken, _) = tokio::join!(talk.page.answer(&id, &answer), phone);
        taken?;
        talk.to_phone.push(begun.elapsed());
        Ok(())
    }

    /// Holds what the pages and the phones show at the end against what was said.
    pub(crate) async fn review(&self, talks: Vec<Talk>) -> Outcome<Heard> {
        let mut heard = Heard::default();
        for talk in talks {
            heard.compare(&talk.said, &talk.page.heard().await?);
            let shown: Vec<String> = self.simulator.with(|wechat| {
                let customer = wechat.customer(&self.account.app_id, &talk.person);
                let shown = customer.into_iter().flat_map(Customer::received);
                shown.map(str::to_owned).collect()
            });
            heard.compare(&talk.answered, &shown);
            heard.to_inbox.extend(talk.to_inbox);
            heard.to_phone.extend(talk.to_phone);
        }
        Ok(heard)
    }
}
