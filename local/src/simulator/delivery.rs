//! Brings pushes to the account's server over HTTP, as WeChat does.
//!
//! Invariant: at most four attempts, all with the same query and the same
//! bytes, five seconds each in all; what fails at once is tried again at once.
//! The lock is held for decisions only, never while the network is waited for.
//! <https://developers.weixin.qq.com/doc/service/guide/product/message/Receiving_standard_messages.html>

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};

use super::account::{Connection, Mode};
use super::act::{Act, Refused};
use super::customer::{PushState, Stage};
use super::push::Callback;
use super::reply::Reply;
use super::wechat::WeChat;

/// How long an account's server may take for one answer, to its last byte.
const DEADLINE: Duration = Duration::from_secs(5);
/// The first attempt and three retries.
const ATTEMPTS: u32 = 4;
/// An answer that is longer is none that WeChat takes.
const LONGEST_ANSWER: usize = 65_536;

/// A handle on the simulated WeChat; clones share it.
#[derive(Clone)]
pub struct Simulator {
    core: Core,
    jobs: mpsc::UnboundedSender<Callback>,
}

/// Delivers what the page's customers do. It is to be run beside the page.
pub struct Courier {
    core: Core,
    jobs: mpsc::UnboundedReceiver<Callback>,
}

#[derive(Clone)]
struct Core {
    wechat: Arc<Mutex<WeChat>>,
    client: reqwest::Client,
    now: fn() -> i64,
    changes: Arc<watch::Sender<Change>>,
}

/// What a page that watches is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) count: u64,
    pub(crate) closed: bool,
}

impl Simulator {
    /// Puts a shell around a WeChat; `now` gives the time in milliseconds. It
    /// fails only when no HTTP client can be made.
    pub fn new(wechat: WeChat, now: fn() -> i64) -> Result<(Self, Courier), reqwest::Error> {
        let core = Core {
            wechat: Arc::new(Mutex::new(wechat)),
            client: client()?,
            now,
            changes: Arc::new(watch::Sender::new(Change::default())),
        };
        let (sender, receiver) = mpsc::unbounded_channel();
        let courier = Courier {
            core: core.clone(),
            jobs: receiver,
        };
        Ok((Self { core, jobs: sender }, courier))
    }

    /// The time as the simulator sees it, in milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        (self.core.now)()
    }

    /// Looks at WeChat's state, or changes it; pages that watch are told.
    pub fn with<T>(&self, change: impl FnOnce(&mut WeChat) -> T) -> T {
        self.core.with(change)
    }

    /// Waits until `look` finds something, which is looked for whenever WeChat's
    /// state changes. `None` when the simulator is closed.
    pub async fn until<T>(&self, mut look: impl FnMut(&WeChat) -> Option<T>) -> Option<T> {
        let mut changes = self.changes();
        loop {
            let found = self.look(&mut look);
            if found.is_some() {
                return found;
            }
            changes.changed().await.ok()?;
            if changes.borrow().closed {
                return None;
            }
        }
    }

    /// Looks at WeChat's state; nobody is told.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&WeChat) -> T) -> T {
        look(
            &self
                .core
                .wechat
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    pub(crate) fn changes(&self) -> watch::Receiver<Change> {
        self.core.changes.subscribe()
    }

    /// A customer does something; this returns when the push is taken or given
    /// up, and tells which.
    pub async fn act(&self, app_id: &str, open_id: &str, act: &Act) -> Result<PushState, Refused> {
        let callback = self.begin(app_id, open_id, act)?;
        Ok(self.core.deliver(&callback).await)
    }

    /// A customer does something; the [`Courier`] delivers the push.
    pub fn post(&self, app_id: &str, open_id: &str, act: &Act) -> Result<(), Refused> {
        let callback = self.begin(app_id, open_id, act)?;
        // Without a courier the push stays on its way; nothing else would be true.
        let _ = self.jobs.send(callback);
        Ok(())
    }

    /// The [`Courier`] delivers what `WeChat` itself has to tell.
    pub(crate) fn push(&self, callbacks: Vec<Callback>) {
        for callback in callbacks {
            let _ = self.jobs.send(callback);
        }
    }

    /// Checks the account's callback address with a GET, as WeChat's console
    /// does when it is saved. Pushes wait for a check that held.
    pub async fn connect(&self, app_id: &str) -> Result<Connection, Refused> {
        self.core.connect(app_id).await
    }

    /// Changes how an account's pushes are protected. Like WeChat's console it
    /// checks the callback address first and keeps the old mode if that fails.
    pub async fn change_mode(&self, app_id: &str, mode: Mode) -> Result<Connection, Refused> {
        let connection = self.core.connect(app_id).await?;
        if connection == Connection::Connected {
            self.with(|wechat| wechat.set_mode(app_id, mode))?;
        }
        Ok(connection)
    }

    /// Ends the courier and the streams of the pages, so that a server that
    /// waits for its connections can stop.
    pub fn close(&self) {
        self.core.changes.send_modify(|change| change.closed = true);
    }

    fn begin(&self, app_id: &str, open_id: &str, act: &Act) -> Result<Callback, Refused> {
        let now_ms = self.now_ms();
        self.with(|wechat| wechat.act(now_ms, app_id, open_id, act))
    }
}

impl Courier {
    /// Delivers until [`Simulator::close`]. Pushes overtake each other, as
    /// WeChat's do.
    pub async fn run(mut self) {
        let mut changes = self.core.changes.subscribe();
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = closed(&mut changes) => return,
                job = self.jobs.recv() => match job {
                    Some(callback) => {
                        let core = self.core.clone();
                        under_way.push(async move { core.deliver(&callback).await });
                    }
                    None => break,
                },
                Some(_) = under_way.next() => {}
            }
        }
        while under_way.next().await.is_some() {}
    }
}

impl Core {
    fn with<T>(&self, change: impl FnOnce(&mut WeChat) -> T) -> T {
        let told = change(&mut self.wechat.lock().unwrap_or_else(PoisonError::into_inner));
        self.changes.send_modify(|change| change.count += 1);
        told
    }

    async fn connect(&self, app_id: &str) -> Result<Connection, Refused> {
        let now_ms = (self.now)();
        let handshake = self.with(|wechat| wechat.handshake(now_ms, app_id))?;
        let answer = exchange(self.client.get(&handshake.url)).await;
        self.with(|wechat| {
            let answer = match &answer {
                Ok((status, body)) => Some((*status, body.as_slice())),
                Err(_) => None,
            };
            wechat.conclude(&handshake, answer);
            let account = wechat.account(app_id).ok_or(Refused::UnknownAccount)?;
            let connection = account.connection.clone();
            let ended_ms = Some((self.now)());
            wechat
                .sights
                .conclude(handshake.sight, &connection, ended_ms);
            Ok(connection)
        })
    }

    async fn deliver(&self, callback: &Callback) -> PushState {
        let began_ms = (self.now)();
        let mut state = PushState {
            serial: callback.serial,
            stage: Stage::Sending,
            status: None,
            attempts: 0,
            took_ms: 0,
        };
        let mut reply = Reply::Taken;
        if self.connected(&callback.app_id).await {
            while state.stage == Stage::Sending {
                state.attempts += 1;
                let answer = exchange(self.post(callback)).await;
                state.status = answer.as_ref().ok().map(|(status, _)| *status);
                let judged = answer.ok().and_then(|(status, body)| {
                    let wechat = self.wechat.lock().unwrap_or_else(PoisonError::into_inner);
                    wechat.judge(callback, status, &body).ok()
                });
                if let Some(valid) = judged {
                    reply = valid;
                    state.stage = Stage::Taken;
                } else if state.attempts == ATTEMPTS {
                    state.stage = Stage::Failed;
                }
                state.took_ms = (self.now)() - began_ms;
                let (now_ms, state) = ((self.now)(), state.clone());
                self.with(|wechat| wechat.settle(now_ms, callback, state, &reply));
            }
        } else {
            state.stage = Stage::NotConnected;
            let now_ms = (self.now)();
            self.with(|wechat| wechat.settle(now_ms, callback, state.clone(), &reply));
        }
        state
    }

    /// Whether pushes go to this account's server at all; a check that was
    /// never made, or failed, is made now.
    async fn connected(&self, app_id: &str) -> bool {
        let known = self
            .wechat
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .account(app_id)
            .is_some_and(|account| account.connection == Connection::Connected);
        known || self.connect(app_id).await == Ok(Connection::Connected)
    }

    fn post(&self, callback: &Callback) -> reqwest::RequestBuilder {
        self.client
            .post(format!("{}?{}", callback.url, callback.query))
            .header("content-type", "text/xml")
            .header("user-agent", "Mozilla/4.0")
            .body(callback.body.clone())
    }
}

/// WeChat's own client, which is not Magpie's: it follows no redirects.
pub(super) fn client() -> Result<reqwest::Client, reqwest::Error> {
    // A second install in one process changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[expect(clippy::disallowed_methods, reason = "the owner of WeChat's client")]
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .build()
}

/// Waits until the simulator is closed, or gone.
pub(super) async fn closed(changes: &mut watch::Receiver<Change>) {
    let _ = changes.wait_for(|change| change.closed).await.is_ok();
}

/// No answer: the server is away, too slow or too long-winded.
struct NoAnswer;

async fn exchange(request: reqwest::RequestBuilder) -> Result<(u16, Vec<u8>), NoAnswer> {
    let exchange = async {
        let mut response = request.send().await.map_err(|_| NoAnswer)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| NoAnswer)? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_ANSWER {
                return Err(NoAnswer);
            }
        }
        Ok((response.status().as_u16(), body))
    };
    tokio::time::timeout(DEADLINE, exchange)
        .await
        .unwrap_or(Err(NoAnswer))
}
