//! What was said and acknowledged, for the checks; and what happened, counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::driver::Task;
use crate::near::{KEY, World};

/// What happened, over all seeds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) pushes: u64,
    pub(crate) answers: u64,
    /// Answers that went out by the reply to a push.
    pub(crate) rode: u64,
    /// Notices that asked a customer back.
    pub(crate) called: u64,
    pub(crate) delivered: u64,
    pub(crate) dead: u64,
    pub(crate) redriven: u64,
    pub(crate) shown_again: u64,
    pub(crate) deaths: u64,
    pub(crate) broken_off: u64,
    pub(crate) answers_lost: u64,
    pub(crate) store_answers_lost: u64,
    pub(crate) throttled: u64,
    pub(crate) conflicts: u64,
    pub(crate) bells_lost: u64,
    pub(crate) deleted: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, other: &Self) {
        self.pushes += other.pushes;
        self.answers += other.answers;
        self.rode += other.rode;
        self.called += other.called;
        self.delivered += other.delivered;
        self.dead += other.dead;
        self.redriven += other.redriven;
        self.shown_again += other.shown_again;
        self.deaths += other.deaths;
        self.broken_off += other.broken_off;
        self.answers_lost += other.answers_lost;
        self.store_answers_lost += other.store_answers_lost;
        self.throttled += other.throttled;
        self.conflicts += other.conflicts;
        self.bells_lost += other.bells_lost;
        self.deleted += other.deleted;
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

/// A person's wish that a dead entry be tried once more.
#[derive(Clone, Debug)]
pub(crate) struct Redriven {
    /// The conversation and the key of the entry.
    pub(crate) entry: (String, String),
    /// When it was asked for, by the world's counter.
    pub(crate) asked: u64,
    /// Whether it was dead because nobody knew whether it had arrived.
    pub(crate) uncertain: bool,
    /// Whether we were told that it is tried.
    pub(crate) acknowledged: bool,
    /// Whether everything worked by then.
    pub(crate) calm: bool,
}

/// Everything that was said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) pushes: Vec<Acknowledged>,
    pub(crate) answers: Vec<Acknowledged>,
    /// Agents' messages to conversations that are none of their channel's.
    pub(crate) foreign: Vec<Acknowledged>,
    pub(crate) redriven: Vec<Redriven>,
    /// Up to where agents have read, by customer id.
    pub(crate) read: BTreeMap<String, String>,
    /// The channel that was deleted.
    pub(crate) deleted: Option<&'static str>,
    /// Answers to calls that make no sense.
    pub(crate) wrongs: Vec<String>,
}

/// What everybody in a story has in common.
pub(crate) struct Told {
    pub(crate) world: Arc<World>,
    pub(crate) tasks: mpsc::UnboundedSender<Task>,
    pub(crate) said: Mutex<Said>,
}

impl Told {
    /// Notes what was acknowledged just now.
    pub(crate) fn acknowledge(&self, channel: &'static str, text: &str, who: &str) -> Acknowledged {
        Acknowledged {
            channel,
            text: text.to_owned(),
            at: self.world.tick(),
            who: who.to_owned(),
        }
    }

    /// Whether this channel is being deleted.
    pub(crate) fn is_deleted(&self, channel: &str) -> bool {
        self.said.lock().unwrap().deleted == Some(channel)
    }

    /// A call of the console's API by somebody with the key: the status and
    /// the answer, if one came.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Option<(u16, Value)> {
        let (answer, answered) = oneshot::channel();
        let task = Task::Console(request(method, path, body), answer);
        self.tasks.send(task).unwrap();
        let span = std::time::Duration::from_secs(20);
        let answered = tokio::time::timeout(span, answered).await;
        answered.ok()?.ok()
    }

    /// Notes an answer that makes no sense; says whether the call succeeded.
    pub(crate) fn went_well(&self, call: &str, status: Option<u16>, channel: &str) -> bool {
        match status {
            Some(200..=299) => true,
            // Nobody answered, or somebody said that it did not work.
            None | Some(500 | 503) => false,
            Some(404) if self.is_deleted(channel) => false,
            Some(other) => {
                let mut said = self.said.lock().unwrap();
                said.wrongs.push(format!("{call} was answered {other}"));
                false
            }
        }
    }
}

/// A call of the console's API.
pub(crate) fn request(method: &str, path: &str, body: Option<&Value>) -> http::Request<Bytes> {
    http::Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .body(body.map_or_else(Bytes::new, |body| body.to_string().into()))
        .unwrap()
}
