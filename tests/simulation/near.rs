//! Our side: processes that share the store, each of which may die at every
//! call to the store and to the network, before it takes effect or after.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use magpie::bridge::{Bell, Bridge, Ring};
use magpie::clock::{Chance, Clock};
use magpie::http::{Allowed, Answer, Http, Outgoing, Trouble};
use magpie::moment::Moment;
use magpie::secrets::{SecretFile, Secrets};
use magpie::store::Store;
use magpie::store::embedded::{Engine, Fate, Meddler};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::draw::Draw;
use crate::far::{CHANNELS, Far, app_id, desk_of};
use crate::story::Totals;

/// The conversation and the far side's name of a customer, as far as the
/// store's calls tell them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pk_of_open_id: BTreeMap<String, String>,
    open_id_of_customer: BTreeMap<String, String>,
}

/// When something was first tried and when it was taken, on one counter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tried {
    /// When the lane was last read before the first attempt.
    pub(crate) looked: u64,
    /// When the far side first took it.
    pub(crate) taken: Option<u64>,
}

/// What all processes and the checks share.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) far: Arc<Far>,
    pub(crate) secrets: Mutex<BTreeMap<String, String>>,
    pub(crate) clock: Clock,
    pub(crate) faults: AtomicBool,
    /// Desks and WeChat that are down, by host.
    pub(crate) down: Mutex<BTreeMap<String, bool>>,
    pub(crate) totals: Mutex<Totals>,
    pub(crate) calls: Mutex<Vec<String>>,
    pub(crate) order: AtomicU64,
    pub(crate) tried: Mutex<BTreeMap<String, Tried>>,
    names: Mutex<Names>,
    looked: Mutex<BTreeMap<(Option<tokio::task::Id>, String), u64>>,
    draw: Draw,
    deaths: mpsc::UnboundedSender<u64>,
    bells: mpsc::UnboundedSender<Ring>,
}

/// A process: a bridge and the work that it has begun.
pub(crate) struct Process {
    pub(crate) number: u64,
    pub(crate) bridge: Arc<Bridge>,
    pub(crate) work: JoinSet<()>,
}

impl World {
    pub(crate) fn new(
        seed: u64,
        deaths: mpsc::UnboundedSender<u64>,
        bells: mpsc::UnboundedSender<Ring>,
    ) -> Arc<Self> {
        Arc::new(Self {
            engine: Engine::in_memory().unwrap(),
            far: Arc::new(Far::new(seed)),
            secrets: Mutex::new(BTreeMap::new()),
            clock: Clock::starting_at(Moment::from_millis(1_800_000_000_000)),
            faults: AtomicBool::new(false),
            down: Mutex::new(BTreeMap::new()),
            totals: Mutex::new(Totals::default()),
            calls: Mutex::new(Vec::new()),
            order: AtomicU64::new(0),
            tried: Mutex::new(BTreeMap::new()),
            names: Mutex::new(Names::default()),
            looked: Mutex::new(BTreeMap::new()),
            draw: Draw::new(seed, 1),
            deaths,
            bells,
        })
    }

    /// The next number of the counter.
    pub(crate) fn tick(&self) -> u64 {
        self.order.fetch_add(1, Ordering::Relaxed)
    }

    fn note(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }

    fn faulty(&self) -> bool {
        self.faults.load(Ordering::Relaxed)
    }

    fn dies(&self, process: u64) {
        // Tests of the store's own tools have no process.
        let _ = self.deaths.send(process);
    }

    /// Starts a process: new caches, the old tables and secrets.
    pub(crate) fn process(self: &Arc<Self>, number: u64, seed: u64) -> Process {
        let engine = self.engine.meddled(self.meddler(number));
        let store = Store::new(engine.client(), "messages", "control");
        let http = Http::in_process(
            self.peers(number),
            Allowed::parse("http://wechat.test,http://smart.test,http://dumb.test").unwrap(),
        );
        let bridge = Bridge::new(
            store,
            Secrets::File(self.secret_file()),
            http,
            self.clock,
            Chance::seeded(seed ^ (number << 32)),
            Bell::Process(self.bells.clone()),
        );
        Process {
            number,
            bridge: Arc::new(bridge),
            work: JoinSet::new(),
        }
    }

    /// The secrets do not change while a story is told: every process has its
    /// own copy.
    fn secret_file(&self) -> SecretFile {
        let file = SecretFile::in_memory();
        file.fill(self.secrets.lock().unwrap().clone());
        file
    }

    /// Meddles with the store's calls of one process.
    fn meddler(self: &Arc<Self>, process: u64) -> Meddler {
        let world = Arc::clone(self);
        Arc::new(move |operation, body| {
            let world = Arc::clone(&world);
            let json: serde_json::Value = serde_json::from_slice(body).unwrap();
            let operation = operation.to_owned();
            Box::pin(async move { world.meddle(process, &operation, &json).await })
        })
    }

    async fn meddle(&self, process: u64, operation: &str, json: &serde_json::Value) -> Fate {
        let text = |at: &str| {
            json.pointer(at)
                .and_then(|v| v.as_str())
                .unwrap_or_default()
        };
        let from = ["/Key", "/Item"]
            .into_iter()
            .find(|at| json.pointer(at).is_some());
        let from = from.unwrap_or_default();
        let (mut pk, sk) = (text(&format!("{from}/pk/S")), text(&format!("{from}/sk/S")));
        if pk.is_empty() {
            pk = text("/ExpressionAttributeValues/:pk/S");
        }
        tokio::time::sleep(self.draw.span(Duration::from_millis(20))).await;
        let now = self.clock.now().millis() % 100_000_000;
        self.note(format!("{now} {process} {operation} {pk} {sk}"));
        self.learn(operation, json, pk);
        if !self.faulty() {
            return Fate::Answered;
        }
        let fate = match self.draw.below(1000) {
            0..4 => Fate::Throttled,
            4..8 => Fate::AnswerLost,
            8..10 => Fate::DiesBefore,
            10..12 => Fate::DiesAfter,
            _ => Fate::Answered,
        };
        if fate != Fate::Answered {
            self.note(format!("{now} {process} ... {fate:?}"));
        }
        let mut totals = self.totals.lock().unwrap();
        match fate {
            Fate::Throttled => totals.throttled += 1,
            Fate::AnswerLost => totals.store_answers_lost += 1,
            // It stays alive for what is under way in this very instant.
            Fate::DiesBefore | Fate::DiesAfter => self.dies(process),
            Fate::Answered => {}
        }
        fate
    }

    /// Learns who is who, and when a lane was read.
    fn learn(&self, operation: &str, json: &serde_json::Value, pk: &str) {
        let text = |at: &str| json.pointer(at).and_then(|v| v.as_str()).map(str::to_owned);
        if operation == "PutItem"
            && let Some(open_id) = text("/Item/oid/S")
        {
            let mut names = self.names.lock().unwrap();
            names.pk_of_open_id.insert(open_id.clone(), pk.to_owned());
        }
        // Another's customer id may have won: what was put counts only then,
        // and both stand for the same conversation.
        if operation == "PutItem"
            && let (Some(customer), Some(open_id)) = (text("/Item/cid/S"), text("/Item/oid/S"))
        {
            self.names
                .lock()
                .unwrap()
                .open_id_of_customer
                .insert(customer, open_id);
        }
        if operation == "Query" {
            let now = self.tick();
            self.looked
                .lock()
                .unwrap()
                .insert((tokio::task::try_id(), pk.to_owned()), now);
        }
    }

    /// Rings a bell once more.
    pub(crate) fn ring_again(&self, ring: Ring) {
        // The listener is gone only when the story is over.
        let _ = self.bells.send(ring);
    }

    /// The channel of a conversation.
    pub(crate) fn channel_of(&self, pk: &str) -> Option<&'static str> {
        let names = self.names.lock().unwrap();
        let open_id = names
            .pk_of_open_id
            .iter()
            .find(|(_, place)| *place == pk)?
            .0
            .clone();
        let wechat = self.far.wechat.lock().unwrap();
        CHANNELS
            .into_iter()
            .find(|channel| wechat.customer(&app_id(channel), &open_id).is_some())
    }

    /// The open id of a customer that a desk knows.
    pub(crate) fn open_id(&self, customer: &str) -> Option<String> {
        self.names
            .lock()
            .unwrap()
            .open_id_of_customer
            .get(customer)
            .cloned()
    }

    /// The conversation of an open id.
    pub(crate) fn place(&self, open_id: &str) -> Option<String> {
        self.names
            .lock()
            .unwrap()
            .pk_of_open_id
            .get(open_id)
            .cloned()
    }

    /// Carries the requests of one process to the far sides.
    fn peers(self: &Arc<Self>, process: u64) -> magpie::http::Peers {
        let world = Arc::clone(self);
        Arc::new(
            move |request| -> BoxFuture<'static, Result<Answer, Trouble>> {
                let world = Arc::clone(&world);
                Box::pin(async move { world.carry(process, request).await })
            },
        )
    }

    /// What a request says, for the order: the text of a message.
    fn said(request: &Outgoing) -> Option<(String, String)> {
        let body: serde_json::Value = serde_json::from_slice(&request.body).ok()?;
        let text = |at: &str| body.pointer(at).and_then(|v| v.as_str()).map(str::to_owned);
        if let Some(to) = text("/touser") {
            return Some((to, text("/text/content")?));
        }
        Some((text("/conversation")?, text("/message/text")?))
    }

    async fn carry(&self, process: u64, request: Outgoing) -> Result<Answer, Trouble> {
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let said = Self::said(&request);
        if let Some((whom, text)) = &said {
            let open_id = self.open_id(whom).unwrap_or_else(|| whom.clone());
            let pk = self.place(&open_id).unwrap_or_default();
            let looked = self
                .looked
                .lock()
                .unwrap()
                .get(&(tokio::task::try_id(), pk))
                .copied();
            let looked = looked.unwrap_or_else(|| panic!("a send without a look"));
            let tried = Tried {
                looked,
                taken: None,
            };
            self.tried
                .lock()
                .unwrap()
                .entry(text.clone())
                .or_insert(tried);
        }
        tokio::time::sleep(self.draw.span(Duration::from_millis(80))).await;
        let now = self.clock.now().millis() % 100_000_000;
        self.note(format!(
            "{now} {process} {host}{} {}",
            request.url.path(),
            said.as_ref().map_or("", |(_, text)| text)
        ));
        let down = self
            .down
            .lock()
            .unwrap()
            .get(&host)
            .copied()
            .unwrap_or(false);
        if down {
            return match self.draw.below(3) {
                0 => Err(Trouble::NotSent(None)),
                1 => Ok(status(503)),
                _ => std::future::pending().await,
            };
        }
        let draw = if self.faulty() {
            self.draw.below(1000)
        } else {
            999
        };
        match draw {
            0..15 => return Err(Trouble::NotSent(None)),
            15..30 => return Ok(status(500)),
            30..40 => return std::future::pending().await,
            40..44 => {
                self.dies(process);
                return std::future::pending().await;
            }
            44..50 if desk_of(&host).is_some() => return Ok(status(429)),
            44..50 => self.far.wechat.lock().unwrap().answer_next_with(-1),
            50..52 if desk_of(&host).is_none() => {
                let codes = [45009, 45011, 45047, 40001, 42001];
                let code = codes[self.draw.below(codes.len() as u64) as usize];
                self.far.wechat.lock().unwrap().answer_next_with(code);
            }
            _ => {}
        }
        let answer = self.far.answer(self.clock.now().millis(), &request);
        if let Some((_, text)) = said
            && taken(&host, &answer)
        {
            let now = self.tick();
            let mut all = self.tried.lock().unwrap();
            let tried = all.get_mut(&text).unwrap();
            tried.taken.get_or_insert(now);
        }
        match draw {
            60..75 => {
                self.totals.lock().unwrap().answers_lost += 1;
                std::future::pending().await
            }
            75..80 => {
                self.totals.lock().unwrap().answers_lost += 1;
                Err(Trouble::Lost(None))
            }
            80..84 => {
                self.dies(process);
                std::future::pending().await
            }
            _ => {
                tokio::time::sleep(self.draw.span(Duration::from_millis(80))).await;
                Ok(answer)
            }
        }
    }
}

fn taken(host: &str, answer: &Answer) -> bool {
    if desk_of(host).is_some() {
        return answer.status == 200;
    }
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    body.get("errcode").and_then(serde_json::Value::as_i64) == Some(0)
}

fn status(status: u16) -> Answer {
    Answer {
        status,
        headers: http::HeaderMap::new(),
        body: Vec::new(),
    }
}
