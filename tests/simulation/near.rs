//! Our side: processes that share the store, each of which may die at every
//! call to the store and to the network, before it takes effect or after; or
//! one of its runs alone breaks off there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use magpie::bridge::{Bell, Bridge, Ring};
use magpie::clock::{Chance, Clock};
use magpie::console::{AdminKey, Console};
use magpie::http::{Allowed, Http, Outgoing};
use magpie::moment::Moment;
use magpie::secrets::{SecretFile, Secrets};
use magpie::store::Store;
use magpie::store::embedded::{Engine, Fate, Meddler};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::draw::Draw;
use crate::far::{CHANNELS, Far, app_id};
use crate::ledger::Totals;
use crate::network::Weather;

/// The admin key.
pub(crate) const KEY: &str = "the admin key of the simulation";

/// The conversation and the far side's name of a customer, as far as the
/// store's calls tell them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pk_of_open_id: BTreeMap<String, String>,
    open_id_of_customer: BTreeMap<String, String>,
}

/// When something was tried and when it was taken, on one counter.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    /// When the lane was last read before the first attempt.
    pub(crate) looked: u64,
    /// The attempts.
    pub(crate) tries: Vec<u64>,
    /// When the far side took it.
    pub(crate) taken: Vec<u64>,
    /// Whether the far side took it when nobody waited any more.
    pub(crate) late: bool,
}

/// What comes to a sudden end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Death {
    /// A process and everything that it has begun.
    Process(u64),
    /// One run in a process.
    Run(u64, tokio::task::Id),
}

/// What the world tells its driver.
pub(crate) struct Wires {
    pub(crate) deaths: mpsc::UnboundedSender<Death>,
    pub(crate) bells: mpsc::UnboundedSender<Ring>,
    /// Requests that arrive when nobody waits for their answers any more.
    pub(crate) late: mpsc::UnboundedSender<Outgoing>,
}

/// What all processes and the checks share.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) far: Arc<Far>,
    pub(crate) secrets: Mutex<BTreeMap<String, String>>,
    pub(crate) clock: Clock,
    pub(crate) faults: AtomicBool,
    /// Far sides with which something is wrong, by host.
    pub(crate) weather: Mutex<BTreeMap<String, Weather>>,
    pub(crate) totals: Mutex<Totals>,
    pub(crate) calls: Mutex<Vec<String>>,
    pub(crate) order: AtomicU64,
    pub(crate) tried: Mutex<BTreeMap<String, Tried>>,
    /// When a desk was told that a session opened, by conversation: where that fails, the
    /// message that opened it is not told.
    pub(crate) openings: Mutex<BTreeMap<String, Vec<u64>>>,
    /// The customers of whom WeChat gave a push up: a reply to it is lost.
    pub(crate) given_up: Mutex<BTreeSet<String>>,
    /// What may have made a desk be told twice, by conversation.
    pub(crate) excuses: Mutex<BTreeMap<String, u64>>,
    /// The last words that went to the top of a conversation of the inbox.
    pub(crate) touched: Mutex<BTreeMap<String, String>>,
    names: Mutex<Names>,
    looked: Mutex<BTreeMap<(Option<tokio::task::Id>, String), u64>>,
    pub(crate) draw: Draw,
    pub(crate) wires: Wires,
}

/// A process: a bridge and the work that it has begun.
pub(crate) struct Process {
    pub(crate) number: u64,
    pub(crate) bridge: Arc<Bridge>,
    pub(crate) console: Arc<Console>,
    pub(crate) work: JoinSet<()>,
    pub(crate) runs: Vec<AbortHandle>,
}

impl Process {
    /// Begins a run.
    pub(crate) fn begin(&mut self, run: impl Future<Output = ()> + Send + 'static) {
        self.runs.retain(|run| !run.is_finished());
        let run = self.work.spawn(run);
        self.runs.push(run);
    }
}

impl World {
    pub(crate) fn new(seed: u64, wires: Wires) -> Arc<Self> {
        Arc::new(Self {
            engine: Engine::in_memory().unwrap(),
            far: Arc::new(Far::new(seed)),
            secrets: Mutex::new(BTreeMap::new()),
            clock: Clock::starting_at(Moment::from_millis(1_800_000_000_000)),
            faults: AtomicBool::new(false),
            weather: Mutex::new(BTreeMap::new()),
            totals: Mutex::new(Totals::default()),
            calls: Mutex::new(Vec::new()),
            order: AtomicU64::new(0),
            tried: Mutex::new(BTreeMap::new()),
            openings: Mutex::new(BTreeMap::new()),
            given_up: Mutex::new(BTreeSet::new()),
            excuses: Mutex::new(BTreeMap::new()),
            touched: Mutex::new(BTreeMap::new()),
            names: Mutex::new(Names::default()),
            looked: Mutex::new(BTreeMap::new()),
            draw: Draw::new(seed, 1),
            wires,
        })
    }

    /// The next number of the counter.
    pub(crate) fn tick(&self) -> u64 {
        self.order.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn note(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }

    pub(crate) fn faulty(&self) -> bool {
        self.faults.load(Ordering::Relaxed)
    }

    /// The process dies, or this run of it alone. It stays alive for what is
    /// under way in this very instant.
    pub(crate) fn dies(&self, process: u64) {
        let alone = self.draw.often(300).then(tokio::task::try_id).flatten();
        let death = alone.map_or(Death::Process(process), |run| Death::Run(process, run));
        // The driver is gone only when the story is over.
        let _ = self.wires.deaths.send(death);
    }

    pub(crate) fn excuse(&self, pk: &str) {
        let mut excuses = self.excuses.lock().unwrap();
        *excuses.entry(pk.to_owned()).or_default() += 1;
    }

    /// A run is lost: every lane that it has looked at may be worked on twice.
    pub(crate) fn excuse_run(&self, run: tokio::task::Id) {
        let looked = self.looked.lock().unwrap();
        for (_, pk) in looked.keys().filter(|(of, _)| *of == Some(run)) {
            self.excuse(pk);
        }
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
            Bell::Process(self.wires.bells.clone()),
        );
        Process {
            number,
            bridge: Arc::new(bridge),
            console: Arc::new(Console::new(AdminKey::Given(KEY.to_owned()), None)),
            work: JoinSet::new(),
            runs: Vec::new(),
        }
    }

    /// Every process has its own copy of the secrets.
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
        let slow = self.faulty() && self.draw.often(4);
        let most = if slow { 2_400 } else { 20 };
        tokio::time::sleep(self.draw.span(Duration::from_millis(most))).await;
        let now = self.clock.now().millis() % 100_000_000;
        self.note(format!("{now} {process} {operation} {pk} {sk}"));
        self.learn(operation, json, pk);
        let fate = match self.draw.below(1000) {
            _ if !self.faulty() => Fate::Answered,
            0..4 => Fate::Throttled,
            4..8 => Fate::AnswerLost,
            8..10 => Fate::DiesBefore,
            10..12 => Fate::DiesAfter,
            // Reads meet no transaction.
            12..17 if !matches!(operation, "Query" | "GetItem" | "Scan" | "BatchWriteItem") => {
                Fate::Conflict
            }
            _ => Fate::Answered,
        };
        if fate != Fate::Answered {
            self.note(format!("{now} {process} ... {fate:?}"));
        }
        if !matches!(fate, Fate::Throttled | Fate::Conflict | Fate::DiesBefore) {
            self.learn_touch(json, pk);
        }
        match fate {
            Fate::Throttled => self.totals.lock().unwrap().throttled += 1,
            Fate::AnswerLost => self.totals.lock().unwrap().store_answers_lost += 1,
            Fate::DiesBefore | Fate::DiesAfter => self.dies(process),
            // It is sent again by itself.
            Fate::Conflict => self.totals.lock().unwrap().conflicts += 1,
            Fate::Answered => {}
        }
        if matches!(fate, Fate::Throttled | Fate::AnswerLost) {
            self.excuse(pk);
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
        let value = |name: &str| text(&format!("/ExpressionAttributeValues/:{name}/S"));
        if operation == "UpdateItem"
            && let (Some(customer), Some(open_id)) = (value("cid"), value("oid"))
        {
            self.names
                .lock()
                .unwrap()
                .open_id_of_customer
                .insert(customer, open_id);
        }
        // Whether a later message is there shows none of what waits.
        if operation == "Query" && json.get("ProjectionExpression").is_none() {
            let now = self.tick();
            self.looked
                .lock()
                .unwrap()
                .insert((tokio::task::try_id(), pk.to_owned()), now);
        }
    }

    /// Learns what the inbox shows: there is no network between it and us.
    fn learn_touch(&self, json: &serde_json::Value, pk: &str) {
        let last = json.pointer("/ExpressionAttributeValues/:lm/S");
        let Some(last) = last.and_then(|last| last.as_str()) else {
            return;
        };
        self.touched
            .lock()
            .unwrap()
            .insert(pk.to_owned(), last.to_owned());
        let last: serde_json::Value = serde_json::from_str(last).unwrap();
        if last["o"] == true {
            return;
        }
        let text = last["t"].as_str().unwrap_or_default();
        self.try_now(text, pk);
        self.take_now(text, false);
    }

    /// Notes an attempt.
    pub(crate) fn try_now(&self, text: &str, pk: &str) {
        let looked = (tokio::task::try_id(), pk.to_owned());
        let looked = self.looked.lock().unwrap().get(&looked).copied();
        let looked = looked.unwrap_or_else(|| panic!("a send without a look"));
        let now = self.tick();
        let mut all = self.tried.lock().unwrap();
        let tried = all.entry(text.to_owned()).or_insert_with(|| Tried {
            looked,
            tries: Vec::new(),
            taken: Vec::new(),
            late: false,
        });
        tried.tries.push(now);
    }

    /// Notes that a desk is told of a session of this conversation.
    pub(crate) fn opens_now(&self, pk: String) {
        let now = self.tick();
        let mut all = self.openings.lock().unwrap();
        all.entry(pk).or_default().push(now);
    }

    /// Notes that the far side has it.
    pub(crate) fn take_now(&self, text: &str, late: bool) {
        let now = self.tick();
        let mut all = self.tried.lock().unwrap();
        if let Some(tried) = all.get_mut(text) {
            tried.taken.push(now);
            tried.late |= late;
        }
    }

    /// Notes that an answer reached its customer by the reply to a push, which was asked
    /// for when `looked` was the counter.
    pub(crate) fn rode(&self, text: &str, looked: u64, late: bool) {
        let now = self.tick();
        self.totals.lock().unwrap().rode += 1;
        let tried = Tried {
            looked,
            tries: vec![now],
            taken: Vec::new(),
            late: false,
        };
        let mut all = self.tried.lock().unwrap();
        let tried = all.entry(text.to_owned()).or_insert(tried);
        tried.taken.push(now);
        tried.late |= late;
    }

    /// Notes that WeChat gave a push of this customer up.
    pub(crate) fn unanswered(&self, open_id: &str) {
        self.given_up.lock().unwrap().insert(open_id.to_owned());
    }

    /// Rings a bell once more.
    pub(crate) fn ring_again(&self, ring: Ring) {
        // The listener is gone only when the story is over.
        let _ = self.wires.bells.send(ring);
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

    /// The open id behind a customer id.
    pub(crate) fn open_id(&self, customer: &str) -> Option<String> {
        let names = self.names.lock().unwrap();
        names.open_id_of_customer.get(customer).cloned()
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
}
