//! One seed's story: who says what when, which process hears of it, and what
//! goes wrong meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use http::HeaderMap;
use magpie::bridge::{
    Ring, deliver::deliver, inbound::inbound, outbound::outbound, sweep::sweep,
    token::token_refresh, walk::walk,
};
use magpie::channel::{CallbackMode, Channel, DeskSettings, TokenCall};
use magpie::desk::webhook;
use magpie::journal::ConversationKey;
use magpie::message::ChannelId;
use magpie::moment::Moment;
use magpie::store::Store;
use magpie_local::simulator::Act;
use tokio::sync::{mpsc, oneshot};

use crate::draw::Draw;
use crate::far::{CHANNELS, DUMB, app_id, original_id};
use crate::near::{Process, World};

/// How many processes work on one store.
const PROCESSES: usize = 3;
/// How many customers a channel has.
const CUSTOMERS: usize = 3;
/// How long things go wrong.
const TROUBLE: Duration = Duration::from_mins(20);
/// How long the bridge gets afterwards.
const CALM: Duration = Duration::from_hours(49);

/// What happened, over all seeds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) pushes: u64,
    pub(crate) answers: u64,
    pub(crate) delivered: u64,
    pub(crate) dead: u64,
    pub(crate) shown_again: u64,
    pub(crate) deaths: u64,
    pub(crate) answers_lost: u64,
    pub(crate) store_answers_lost: u64,
    pub(crate) throttled: u64,
    pub(crate) bells_lost: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, other: &Self) {
        self.pushes += other.pushes;
        self.answers += other.answers;
        self.deaths += other.deaths;
        self.answers_lost += other.answers_lost;
        self.store_answers_lost += other.store_answers_lost;
        self.throttled += other.throttled;
        self.bells_lost += other.bells_lost;
        self.dead += other.dead;
        self.delivered += other.delivered;
        self.shown_again += other.shown_again;
    }
}

/// Something that was acknowledged, and when by the world's counter.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) channel: &'static str,
    pub(crate) text: String,
    pub(crate) at: u64,
    /// The open id of a customer's message; the id of an agent's.
    pub(crate) who: String,
}

/// A story that has come to its end, for the checks.
pub(crate) struct Ended {
    pub(crate) world: Arc<World>,
    pub(crate) pushes: Vec<Acknowledged>,
    pub(crate) answers: Vec<Acknowledged>,
    pub(crate) customers: BTreeMap<&'static str, Vec<String>>,
    pub(crate) totals: Totals,
    pub(crate) calls: Vec<String>,
}

/// What the driver is asked to do.
enum Task {
    /// Let a process take this push, and say whether it did.
    Push(&'static str, String, Vec<u8>, oneshot::Sender<bool>),
    /// Let a process take this call of a desk, and say whether it did.
    Call(&'static str, HeaderMap, Vec<u8>, oneshot::Sender<bool>),
    /// A bell that has travelled long enough.
    Bell(Ring),
    /// A sweep.
    Sweep,
    /// A look after the tokens.
    Tokens,
    /// A walk over everything.
    Walk(oneshot::Sender<usize>),
}

pub(crate) fn secret() -> String {
    webhook::new_secret([7; 32])
}

fn channel(id: &str) -> Channel {
    Channel {
        id: ChannelId::parse(id).unwrap(),
        name: id.to_owned(),
        app_id: app_id(id),
        original_id: original_id(id),
        mode: CallbackMode::Plain,
        suspended: false,
        resumed: None,
        deleted: false,
        api_base: "http://wechat.test".into(),
        token_call: TokenCall::Stable,
        part_pause_ms: 300,
        retention_days: 30,
        desk: DeskSettings::Webhook {
            url: format!("http://{id}.test/hook"),
        },
        revision: 1,
    }
}

/// Tells the story of a seed.
pub(crate) async fn play(seed: u64) -> Ended {
    let (deaths, mut died) = mpsc::unbounded_channel();
    let (bells, mut rung) = mpsc::unbounded_channel();
    let (tasks, mut asked) = mpsc::unbounded_channel();
    let world = World::new(seed, deaths, bells);
    let store = Store::new(world.engine.client(), "messages", "control");
    store.create_tables(false).await.unwrap();
    let mut customers = BTreeMap::new();
    for id in CHANNELS {
        store.create_channel(&channel(id)).await.unwrap();
        let secrets = serde_json::json!({
            "mode": "plain", "app_id": app_id(id), "original_id": original_id(id),
            "token": "callbacktoken", "app_secret": "0123456789abcdef0123456789abcdef",
            "desk": [secret()],
        });
        world
            .secrets
            .lock()
            .unwrap()
            .insert(format!("ch/{id}"), secrets.to_string());
        let mut wechat = world.far.wechat.lock().unwrap();
        let open_ids: Vec<_> = (0..CUSTOMERS)
            .map(|n| {
                wechat
                    .add_follower(&app_id(id), &format!("customer {n}"))
                    .unwrap()
            })
            .collect();
        customers.insert(id, open_ids);
    }
    let pepper = base64::engine::general_purpose::STANDARD.encode([3; 32]);
    world
        .secrets
        .lock()
        .unwrap()
        .insert("pepper".into(), pepper);
    world.faults.store(true, Ordering::Relaxed);

    let told = Arc::new(Told {
        world: Arc::clone(&world),
        tasks: tasks.clone(),
        pushes: Mutex::new(Vec::new()),
        answers: Mutex::new(Vec::new()),
    });
    let script = script(&told, &store, customers.clone(), seed);
    let draw = Draw::new(seed, 2);
    let mut driver = Driver {
        world: Arc::clone(&world),
        seed,
        processes: Vec::new(),
        started: 0,
        draw: Draw::new(seed, 3),
        busy: BTreeSet::new(),
        done: mpsc::unbounded_channel(),
        again: BTreeMap::new(),
    };
    for _ in 0..PROCESSES {
        driver.start();
    }
    tokio::pin!(script);
    let mut travelling = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(process) = died.recv() => driver.kill(process),
            Some(key) = driver.done.1.recv() => driver.finished(&key),
            Some(task) = asked.recv() => driver.carry_out(task),
            Some(bell) = rung.recv() => {
                let faulty = world.faults.load(Ordering::Relaxed);
                if faulty && draw.often(30) {
                    world.totals.lock().unwrap().bells_lost += 1;
                    continue;
                }
                for _ in 0..=u64::from(faulty && draw.often(150)) {
                    let most = if faulty && draw.often(100) { 30_000 } else { 500 };
                    let delay = draw.span(Duration::from_millis(most));
                    let (tasks, bell) = (tasks.clone(), bell.clone());
                    travelling.spawn(async move {
                        tokio::time::sleep(delay).await;
                        tasks.send(Task::Bell(bell)).unwrap();
                    });
                }
            }
            () = &mut script => break,
        }
    }
    let totals = world.totals.lock().unwrap().clone();
    let calls = world.calls.lock().unwrap().clone();
    Ended {
        world,
        pushes: told.pushes.lock().unwrap().clone(),
        answers: told.answers.lock().unwrap().clone(),
        customers,
        totals,
        calls,
    }
}

/// Hands work to processes, and replaces those that die.
struct Driver {
    world: Arc<World>,
    seed: u64,
    processes: Vec<Process>,
    started: u64,
    draw: Draw,
    /// Lanes of the desk that does not know repeats, while a bell of theirs is
    /// being answered: as a stream's shard and the one-machine listener do it,
    /// the next bell of such a lane waits.
    busy: BTreeSet<(ConversationKey, bool)>,
    again: BTreeMap<(ConversationKey, bool), Vec<Ring>>,
    done: (mpsc::UnboundedSender<Lane>, mpsc::UnboundedReceiver<Lane>),
}

type Lane = (ConversationKey, bool);

/// Gives a lane back when its work ends, however it ends.
struct Lease(Option<Lane>, mpsc::UnboundedSender<Lane>);

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(lane) = self.0.take() {
            let _ = self.1.send(lane);
        }
    }
}

impl Driver {
    fn start(&mut self) {
        self.started += 1;
        let process = self.world.process(self.started, self.seed);
        self.processes.push(process);
    }

    /// The process and everything that it has begun are gone.
    fn kill(&mut self, number: u64) {
        let Some(at) = self.processes.iter().position(|p| p.number == number) else {
            return;
        };
        self.world.totals.lock().unwrap().deaths += 1;
        self.processes.remove(at).work.abort_all();
        self.start();
    }

    fn finished(&mut self, lane: &Lane) {
        self.busy.remove(lane);
        if let Some(rings) = self.again.remove(lane) {
            for ring in rings {
                self.carry_out(Task::Bell(ring));
            }
        }
    }

    fn carry_out(&mut self, task: Task) {
        let at = self.draw.below(self.processes.len() as u64) as usize;
        let process = &mut self.processes[at];
        let bridge = Arc::clone(&process.bridge);
        match task {
            Task::Push(channel, query, body, taken) => {
                process.work.spawn(async move {
                    let answer = inbound(&bridge, channel, &query, &body).await;
                    let _ = taken.send(answer.status() == 200);
                });
            }
            Task::Call(channel, headers, body, taken) => {
                process.work.spawn(async move {
                    let answer = outbound(&bridge, channel, &headers, &body).await;
                    let _ = taken.send(answer.status().is_success());
                });
            }
            Task::Bell(ring) => {
                let lane = (ring.at.clone(), ring.key.as_str().starts_with("I#"));
                if !self.busy.insert(lane.clone()) && self.serial(&ring) {
                    self.again.entry(lane).or_default().push(ring);
                    return;
                }
                let lease = Lease(Some(lane), self.done.0.clone());
                let world = Arc::clone(&self.world);
                let process = &mut self.processes[at];
                process.work.spawn(async move {
                    let ends = bridge.now().plus(Duration::from_secs(15));
                    let failed = deliver(&bridge, std::slice::from_ref(&ring), ends).await;
                    drop(lease);
                    if !failed.is_empty() {
                        world.ring_again(ring);
                    }
                });
            }
            Task::Sweep => {
                process.work.spawn(async move {
                    let ends = bridge.now().plus(Duration::from_secs(50));
                    let _ = sweep(&bridge, ends).await;
                });
            }
            Task::Tokens => {
                process.work.spawn(async move {
                    let _ = token_refresh(&bridge).await;
                });
            }
            Task::Walk(found) => {
                let world = Arc::clone(&self.world);
                process.work.spawn(async move {
                    let walked = walk(&bridge, magpie::bridge::walk::OLD, |ring| {
                        world.ring_again(ring);
                    })
                    .await;
                    let _ = found.send(walked.unwrap_or(1));
                });
            }
        }
    }

    fn serial(&self, ring: &Ring) -> bool {
        self.world.channel_of(ring.at.as_str()) == Some(DUMB)
    }
}

/// What was said and acknowledged.
struct Told {
    world: Arc<World>,
    tasks: mpsc::UnboundedSender<Task>,
    pushes: Mutex<Vec<Acknowledged>>,
    answers: Mutex<Vec<Acknowledged>>,
}

/// Everything that happens, in its time.
async fn script(
    told: &Arc<Told>,
    store: &Store,
    customers: BTreeMap<&'static str, Vec<String>>,
    seed: u64,
) {
    let mut actors = tokio::task::JoinSet::new();
    for (c, (&channel, open_ids)) in customers.iter().enumerate() {
        for (n, open_id) in open_ids.iter().enumerate() {
            let stream = 100 + (c * 10 + n) as u64;
            let customer = customer(
                Arc::clone(told),
                channel,
                open_id.clone(),
                Draw::new(seed, stream),
            );
            actors.spawn(customer);
        }
        actors.spawn(agents(
            Arc::clone(told),
            channel,
            Draw::new(seed, 200 + c as u64),
        ));
        let draw = Draw::new(seed, 300 + c as u64);
        actors.spawn(weather(Arc::clone(told), format!("{channel}.test"), draw));
    }
    actors.spawn(weather(
        Arc::clone(told),
        "wechat.test".to_owned(),
        Draw::new(seed, 400),
    ));
    let mut timers = tokio::task::JoinSet::new();
    let tasks = told.tasks.clone();
    timers.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_mins(1)).await;
            tasks.send(Task::Sweep).unwrap();
            tasks.send(Task::Tokens).unwrap();
        }
    });
    let suspensions = suspensions(store, Draw::new(seed, 500));
    tokio::join!(suspensions, async {
        while let Some(done) = actors.join_next().await {
            done.unwrap();
        }
    });
    timers.shutdown().await;
    told.world.faults.store(false, Ordering::Relaxed);
    told.world.down.lock().unwrap().clear();
    calm(told, store).await;
}

/// A customer: says things, sometimes twice, sometimes late, and taps.
async fn customer(told: Arc<Told>, channel: &'static str, open_id: String, draw: Draw) {
    let name = open_id.get(..8).unwrap_or_default().to_owned();
    let mut deliveries = tokio::task::JoinSet::new();
    for n in 0..(2 + draw.below(6)) {
        tokio::time::sleep(draw.span(TROUBLE / 7)).await;
        let text = format!("{channel} {name} {n}");
        let act = match draw.below(12) {
            0 => Act::Click { key: "menu".into() },
            1 => Act::Unfollow,
            2 => Act::Follow,
            _ => Act::Say { text: text.clone() },
        };
        let now = told.world.clock.now().millis();
        let acted =
            told.world
                .far
                .wechat
                .lock()
                .unwrap()
                .act(now, &app_id(channel), &open_id, &act);
        // Who does not follow cannot do this.
        let Ok(callback) = acted else { continue };
        let says = matches!(act, Act::Say { .. }).then_some(text);
        let told = Arc::clone(&told);
        let late = draw.span(Duration::from_secs(if draw.often(100) { 60 } else { 2 }));
        let twice = draw.often(200).then(|| draw.span(Duration::from_secs(20)));
        let open_id = open_id.clone();
        deliveries.spawn(async move {
            tokio::time::sleep(late).await;
            let times = if twice.is_some() { 2 } else { 1 };
            for time in 0..times {
                if time == 1 {
                    tokio::time::sleep(twice.unwrap_or_default()).await;
                }
                // The first and three more, as WeChat does it.
                for _ in 0..4 {
                    let (taken, answered) = oneshot::channel();
                    let task = Task::Push(
                        channel,
                        callback.query.clone(),
                        callback.body.clone(),
                        taken,
                    );
                    told.tasks.send(task).unwrap();
                    let answered = tokio::time::timeout(Duration::from_secs(5), answered).await;
                    if matches!(answered, Ok(Ok(true))) {
                        if let (Some(text), 0) = (&says, time) {
                            let at = told.world.tick();
                            told.world.totals.lock().unwrap().pushes += 1;
                            told.pushes.lock().unwrap().push(Acknowledged {
                                channel,
                                text: text.clone(),
                                at,
                                who: open_id.clone(),
                            });
                        }
                        break;
                    }
                }
            }
        });
    }
    while let Some(done) = deliveries.join_next().await {
        done.unwrap();
    }
}

/// The agents of a channel: answer whoever wrote, repeat themselves when they
/// are not heard, end sessions.
async fn agents(told: Arc<Told>, channel: &'static str, draw: Draw) {
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..(4 + draw.below(10)) {
        tokio::time::sleep(draw.span(TROUBLE / 10)).await;
        let known = told.world.far.desks.lock().unwrap()[channel]
            .conversations
            .clone();
        if known.is_empty() {
            continue;
        }
        let conversation = known[draw.below(known.len() as u64) as usize].clone();
        let time = told.world.clock.now();
        let id = format!("{channel}-{n}");
        let says = !draw.often(120);
        let text = if draw.often(150) {
            (0..100 + draw.below(250)).fold(String::new(), |said, line| {
                said + &format!("{id} 第{line}句。")
            })
        } else {
            format!("{id} answer")
        };
        let body = if says {
            serde_json::json!({"type": "message", "time": time.to_string(), "conversation": conversation,
                "message": {"kind": "text", "text": text}, "agent": {"name": "Wang"}})
        } else {
            serde_json::json!({"type": "session.end", "time": time.to_string(), "conversation": conversation})
        };
        let twice = draw.often(150);
        let delay = draw.span(Duration::from_secs(5));
        let told = Arc::clone(&told);
        calls.spawn(async move {
            let body = body.to_string().into_bytes();
            let mut taken_before = false;
            // A desk repeats with another timestamp until it is heard.
            for round in 0..(if twice { 2 } else { 1 }) {
                for _ in 0..6 {
                    let headers = signed(&id, told.world.clock.now(), &body);
                    let (taken, answered) = oneshot::channel();
                    told.tasks
                        .send(Task::Call(channel, headers, body.clone(), taken))
                        .unwrap();
                    let answered = tokio::time::timeout(Duration::from_secs(10), answered).await;
                    if matches!(answered, Ok(Ok(true))) {
                        if says && !taken_before {
                            let at = told.world.tick();
                            told.world.totals.lock().unwrap().answers += 1;
                            told.answers.lock().unwrap().push(Acknowledged {
                                channel,
                                text: text.clone(),
                                at,
                                who: id.clone(),
                            });
                        }
                        taken_before = true;
                        break;
                    }
                    tokio::time::sleep(delay).await;
                }
                if round == 0 {
                    tokio::time::sleep(delay * 7).await;
                }
            }
        });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
}

fn signed(id: &str, now: Moment, body: &[u8]) -> HeaderMap {
    let timestamp = now.seconds().to_string();
    let key = webhook::secret(&secret()).unwrap();
    let signature = webhook::sign(&key, id, &timestamp, body);
    let signature = base64::engine::general_purpose::STANDARD.encode(signature);
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", id.parse().unwrap());
    headers.insert("webhook-timestamp", timestamp.parse().unwrap());
    headers.insert(
        "webhook-signature",
        format!("v1,{signature}").parse().unwrap(),
    );
    headers
}

/// Takes a far side down for a while, in some stories.
async fn weather(told: Arc<Told>, host: String, draw: Draw) {
    if !draw.often(300) {
        return;
    }
    tokio::time::sleep(draw.span(TROUBLE / 2)).await;
    told.world.down.lock().unwrap().insert(host.clone(), true);
    tokio::time::sleep(draw.span(TROUBLE / 2)).await;
    told.world.down.lock().unwrap().insert(host, false);
}

/// Suspends a channel for a while, in some stories.
async fn suspensions(store: &Store, draw: Draw) {
    if !draw.often(250) {
        return;
    }
    let id = CHANNELS[draw.below(2) as usize];
    let mut channel = channel(id);
    tokio::time::sleep(draw.span(TROUBLE / 2)).await;
    channel.suspended = true;
    channel.revision += 1;
    assert!(store.update_channel(&channel).await.unwrap());
    tokio::time::sleep(draw.span(TROUBLE / 2)).await;
    channel.suspended = false;
    channel.revision += 1;
    assert!(store.update_channel(&channel).await.unwrap());
}

/// Nothing goes wrong any more: sweeps come as things fall due, walks hourly at
/// first, for 49 hours.
async fn calm(told: &Arc<Told>, store: &Store) {
    let clock = told.world.clock;
    let end = clock.now().plus(CALM);
    // Claims and leases of the dead run out, caches forget.
    tokio::time::sleep(Duration::from_mins(11)).await;
    let mut walks = 0;
    while clock.now() < end {
        if walks < 3 {
            walks += 1;
            let (found, walked) = oneshot::channel();
            told.tasks.send(Task::Walk(found)).unwrap();
            let _ = walked.await;
            tokio::time::sleep(Duration::from_secs(40)).await;
        }
        told.tasks.send(Task::Sweep).unwrap();
        tokio::time::sleep(Duration::from_mins(1)).await;
        let now = clock.now();
        let mut next = now.plus(Duration::from_hours(8));
        for channel in CHANNELS {
            for shard in 0..magpie::journal::SHARDS {
                let id = ChannelId::parse(channel).unwrap();
                for due in store.due(&id, shard, Moment::MAX, false, 10).await.unwrap() {
                    let (magpie::store::Due::Lane { due, .. }
                    | magpie::store::Due::Session { due, .. }) = due;
                    next = next.min(due);
                }
            }
        }
        tokio::time::sleep(next.min(end).since(now)).await;
    }
}
