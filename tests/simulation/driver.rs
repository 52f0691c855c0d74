//! Hands work to processes, and replaces those that die.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use magpie::bridge::{
    Ring, deliver::deliver, inbound::inbound, outbound::outbound, sweep::sweep,
    token_refresh::token_refresh, walk::walk,
};
use magpie::console;
use magpie::journal::ConversationKey;
use magpie::message::ChannelId;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::draw::Draw;
use crate::far::DUMB;
use crate::near::{Death, Process, World};

/// How many processes work on one store.
const PROCESSES: usize = 3;

/// What the driver is asked to do.
pub(crate) enum Task {
    /// Let a process take this push, and say what it answers.
    Push(&'static str, String, Vec<u8>, oneshot::Sender<(u16, Bytes)>),
    /// Let a process take this call of a desk, and say whether it did.
    Call(&'static str, HeaderMap, Vec<u8>, oneshot::Sender<bool>),
    /// Let a process answer this call of the console.
    Console(http::Request<Bytes>, oneshot::Sender<(u16, Value)>),
    /// The secrets of this channel are gone.
    Forget(&'static str),
    /// A bell that has travelled long enough.
    Bell(Ring),
    /// A sweep.
    Sweep,
    /// A look after the tokens.
    Tokens,
    /// A walk over everything.
    Walk(oneshot::Sender<usize>),
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

pub(crate) struct Driver {
    world: Arc<World>,
    seed: u64,
    processes: Vec<Process>,
    started: u64,
    draw: Draw,
    /// Lanes of the desk that does not know repeats, while a bell of theirs is
    /// being answered: as a stream's shard and the one-machine listener do it,
    /// the next bell of such a lane waits.
    busy: BTreeSet<Lane>,
    again: BTreeMap<Lane, Vec<Ring>>,
    pub(crate) done: (mpsc::UnboundedSender<Lane>, mpsc::UnboundedReceiver<Lane>),
}

impl Driver {
    /// Starts the processes.
    pub(crate) fn new(world: &Arc<World>, seed: u64) -> Self {
        let mut driver = Self {
            world: Arc::clone(world),
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
        driver
    }

    fn start(&mut self) {
        self.started += 1;
        let process = self.world.process(self.started, self.seed);
        self.processes.push(process);
    }

    /// The process and everything that it has begun are gone; or one of its
    /// runs, as where a panic is caught.
    pub(crate) fn kill(&mut self, death: Death) {
        let (Death::Process(number) | Death::Run(number, _)) = death;
        let Some(at) = self.processes.iter().position(|p| p.number == number) else {
            return;
        };
        match death {
            Death::Process(_) => {
                self.world.totals.lock().unwrap().deaths += 1;
                let mut process = self.processes.remove(at);
                for run in process.runs.iter().filter(|run| !run.is_finished()) {
                    self.world.excuse_run(run.id());
                }
                process.work.abort_all();
                self.start();
            }
            Death::Run(_, id) => {
                self.world.totals.lock().unwrap().broken_off += 1;
                self.world.excuse_run(id);
                let mut runs = self.processes[at].runs.iter();
                if let Some(run) = runs.find(|run| run.id() == id) {
                    run.abort();
                }
            }
        }
    }

    /// Looks after the runs that have ended: none may have panicked.
    pub(crate) fn reap(&mut self) {
        for process in &mut self.processes {
            while let Some(ended) = process.work.try_join_next() {
                if let Err(error) = ended {
                    assert!(!error.is_panic(), "a run panicked");
                }
            }
        }
    }

    pub(crate) fn finished(&mut self, lane: &Lane) {
        self.busy.remove(lane);
        if let Some(rings) = self.again.remove(lane) {
            for ring in rings {
                self.carry_out(Task::Bell(ring));
            }
        }
    }

    pub(crate) fn carry_out(&mut self, task: Task) {
        let at = self.draw.below(self.processes.len() as u64) as usize;
        let process = &mut self.processes[at];
        let bridge = Arc::clone(&process.bridge);
        match task {
            Task::Push(channel, query, body, taken) => process.begin(async move {
                let answer = inbound(&bridge, channel, None, &query, &body).await;
                let _ = taken.send((answer.status().as_u16(), answer.into_body()));
            }),
            Task::Call(channel, headers, body, taken) => process.begin(async move {
                let answer = outbound(&bridge, channel, &headers, &body).await;
                let _ = taken.send(answer.status().is_success());
            }),
            Task::Console(request, answered) => {
                let console = Arc::clone(&process.console);
                process.begin(async move {
                    let answer = console::answer(&bridge, &console, request).await;
                    let body = serde_json::from_slice(answer.body()).unwrap_or_default();
                    let _ = answered.send((answer.status().as_u16(), body));
                });
            }
            Task::Forget(channel) => self.forget(channel),
            Task::Bell(ring) => self.ring(at, ring),
            Task::Sweep => process.begin(async move {
                let ends = bridge.now().plus(Duration::from_secs(50));
                let _ = sweep(&bridge, ends).await;
            }),
            Task::Tokens => process.begin(async move {
                let ends = bridge.now().plus(Duration::from_secs(50));
                let _ = token_refresh(&bridge, ends).await;
            }),
            Task::Walk(found) => {
                let world = Arc::clone(&self.world);
                process.begin(async move {
                    let walked = walk(&bridge, magpie::bridge::walk::OLD, |ring| {
                        world.ring_again(ring);
                    });
                    let _ = found.send(walked.await.unwrap_or(1));
                });
            }
        }
    }

    fn ring(&mut self, at: usize, ring: Ring) {
        let lane = (ring.at.clone(), ring.key.as_str().starts_with("I#"));
        let serial = self.world.channel_of(ring.at.as_str()) == Some(DUMB);
        if !self.busy.insert(lane.clone()) && serial {
            self.again.entry(lane).or_default().push(ring);
            return;
        }
        let lease = Lease(Some(lane), self.done.0.clone());
        let world = Arc::clone(&self.world);
        let process = &mut self.processes[at];
        let bridge = Arc::clone(&process.bridge);
        process.begin(async move {
            let ends = bridge.now().plus(Duration::from_secs(15));
            let failed = deliver(&bridge, std::slice::from_ref(&ring), ends).await;
            drop(lease);
            if !failed.is_empty() {
                world.ring_again(ring);
            }
        });
    }

    /// Every process has a copy of the secrets; what one removed is gone for all.
    fn forget(&mut self, channel: &str) {
        let id = ChannelId::parse(channel).unwrap();
        let name = magpie::secrets::channel_name(&id);
        self.world.secrets.lock().unwrap().remove(&name);
        for process in &mut self.processes {
            let (bridge, id) = (Arc::clone(&process.bridge), id.clone());
            process.begin(async move {
                let _ = bridge.secrets.remove_channel(&id).await;
            });
        }
    }
}
