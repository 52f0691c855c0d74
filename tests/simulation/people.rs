//! Customers, and agents at desks that are not ours.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use http::HeaderMap;
use magpie::desk::webhook;
use magpie::moment::Moment;
use magpie_local::simulator::{Act, Callback};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::draw::Draw;
use crate::driver::Task;
use crate::far::app_id;
use crate::ledger::Told;
use crate::scans::SCENE;
use crate::story::{GREETING, TROUBLE, secret};

/// A customer id that is nobody's.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// A customer: says things, sometimes twice, sometimes late, and taps.
pub(crate) async fn customer(told: Arc<Told>, channel: &'static str, open_id: String, draw: Draw) {
    let name = open_id.get(..8).unwrap_or_default().to_owned();
    let mut deliveries = JoinSet::new();
    for n in 0..(2 + draw.below(4)) {
        // Some write line after line, and their pushes overtake one another.
        let pause = if draw.often(300) {
            Duration::from_millis(1500)
        } else {
            TROUBLE / 7
        };
        tokio::time::sleep(draw.span(pause)).await;
        let text = format!("{channel} {name} {n}");
        let act = match draw.below(12) {
            0 => Act::Click { key: "menu".into() },
            1 => Act::Unfollow,
            2 => Act::Follow,
            3 => Act::Scan {
                scene: SCENE.into(),
            },
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
        let late = match draw.below(100) {
            0..10 => Duration::from_mins(1),
            _ => Duration::from_secs(2),
        };
        let late = draw.span(late);
        let twice = draw.often(200).then(|| draw.span(Duration::from_secs(20)));
        let push = Push {
            channel,
            callback,
            says,
            open_id: open_id.clone(),
        };
        deliveries.spawn(push.deliver(Arc::clone(&told), late, twice));
    }
    while let Some(done) = deliveries.join_next().await {
        done.unwrap();
    }
}

/// A push on its way.
struct Push {
    channel: &'static str,
    callback: Callback,
    says: Option<String>,
    open_id: String,
}

impl Push {
    /// Brings it, after a while, and perhaps once more, however it went.
    async fn deliver(self, told: Arc<Told>, late: Duration, twice: Option<Duration>) {
        tokio::time::sleep(late).await;
        let mut taken = self.attempts(&told).await;
        if let Some(pause) = twice {
            tokio::time::sleep(pause).await;
            taken |= self.attempts(&told).await;
        }
        if let (true, None) = (taken, &self.says) {
            told.world.totals.lock().unwrap().pushes += 1;
        }
    }

    /// The first attempt and three more, as WeChat does it.
    async fn attempts(&self, told: &Told) -> bool {
        let begun = told.world.clock.now();
        for _ in 0..4 {
            let looked = told.world.tick();
            let (taken, answered) = oneshot::channel();
            let callback = &self.callback;
            let task = Task::Push(
                self.channel,
                callback.query.clone(),
                callback.body.clone(),
                taken,
            );
            told.tasks.send(task).unwrap();
            let answered = tokio::time::timeout(Duration::from_secs(5), answered).await;
            let Ok(Ok((200, body))) = answered else {
                continue;
            };
            self.hear(told, &body, looked, begun);
            if let Some(text) = &self.says {
                let push = told.acknowledge(self.channel, text, &self.open_id);
                let mut said = told.said.lock().unwrap();
                if said.pushes.iter().all(|known| known.text != *text) {
                    told.world.totals.lock().unwrap().pushes += 1;
                    said.pushes.push(push);
                }
            }
            return true;
        }
        told.world.unanswered(&self.open_id);
        false
    }

    /// Shows the customer what WeChat was answered, which is the same however often it
    /// asks.
    fn hear(&self, told: &Told, body: &[u8], looked: u64, begun: Moment) {
        let world = &told.world;
        let now = world.clock.now();
        let said = match world.far.hears(now.millis(), &self.callback, body) {
            Ok(said) => said,
            Err(wrong) => {
                told.said.lock().unwrap().wrongs.push(wrong);
                return;
            }
        };
        let Some(text) = said.filter(|text| !text.starts_with(GREETING)) else {
            return;
        };
        // What was sent meanwhile waited a second.
        let late = now.since(begun) > Duration::from_secs(1);
        world.rode(&text, looked, late);
    }
}

/// The agents of a channel: answer whoever wrote, repeat themselves when they
/// are not heard, end sessions.
pub(crate) async fn agents(told: Arc<Told>, channel: &'static str, draw: Draw) {
    let mut calls = JoinSet::new();
    // Some have much to say to one customer: more than a window lets through.
    let eager = draw.often(400);
    let (least, pause) = if eager {
        (12, TROUBLE / 15)
    } else {
        (4, TROUBLE / 10)
    };
    for n in 0..(least + draw.below(10)) {
        tokio::time::sleep(draw.span(pause)).await;
        let known = told.world.far.desks.lock().unwrap()[channel]
            .conversations
            .clone();
        if known.is_empty() {
            continue;
        }
        let foreign = draw.often(30);
        let conversation = if foreign {
            NOBODY
        } else if eager {
            &known[0]
        } else {
            &known[draw.below(known.len() as u64) as usize]
        };
        let time = told.world.clock.now().to_string();
        let id = format!("{channel}-{n}");
        let text = words(&draw, &id);
        let says = foreign || !draw.often(120);
        let body = if says {
            json!({"type": "message", "time": time, "conversation": conversation,
                "message": {"kind": "text", "text": text}, "agent": {"name": "Wang"}})
        } else {
            json!({"type": "session.end", "time": time, "conversation": conversation})
        };
        let call = Call {
            channel,
            id,
            body: body.to_string().into_bytes(),
            says: says.then_some(text),
            foreign,
        };
        let rounds = if draw.often(150) { 2 } else { 1 };
        let pause = Duration::from_secs(1) + draw.span(Duration::from_secs(5));
        calls.spawn(call.make(Arc::clone(&told), rounds, pause));
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
}

/// An answer: short, or so long that it has parts.
pub(crate) fn words(draw: &Draw, id: &str) -> String {
    if draw.often(150) {
        (0..100 + draw.below(250)).fold(String::new(), |said, line| {
            said + &format!("{id} 第{line}句。")
        })
    } else {
        format!("{id} answer")
    }
}

/// A desk's call.
struct Call {
    channel: &'static str,
    id: String,
    body: Vec<u8>,
    says: Option<String>,
    foreign: bool,
}

impl Call {
    /// A desk repeats with another timestamp until it is heard; sometimes it
    /// does so although it was.
    async fn make(self, told: Arc<Told>, rounds: u64, pause: Duration) {
        let mut taken_before = false;
        for _ in 0..rounds {
            for _ in 0..6 {
                let taken = self.attempt(&told).await;
                if taken && !taken_before {
                    self.acknowledged(&told);
                }
                taken_before |= taken;
                if taken {
                    break;
                }
                tokio::time::sleep(pause).await;
            }
            tokio::time::sleep(pause * 7).await;
        }
    }

    async fn attempt(&self, told: &Told) -> bool {
        let headers = signed(&self.id, told.world.clock.now(), &self.body);
        let (taken, answered) = oneshot::channel();
        let task = Task::Call(self.channel, headers, self.body.clone(), taken);
        told.tasks.send(task).unwrap();
        let answered = tokio::time::timeout(Duration::from_secs(10), answered).await;
        matches!(answered, Ok(Ok(true)))
    }

    fn acknowledged(&self, told: &Told) {
        let Some(text) = &self.says else { return };
        let answer = told.acknowledge(self.channel, text, &self.id);
        told.world.totals.lock().unwrap().answers += 1;
        let mut said = told.said.lock().unwrap();
        if self.foreign {
            said.foreign.push(answer);
        } else {
            said.answers.push(answer);
        }
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
