//! Group commit in front of the embedded engine: many calls, one sync.
//!
//! One thread carries calls out; a second one brings what they wrote to the disk
//! and gives their answers. While the disk is at work the first goes on, so that
//! the next sync serves all that came meanwhile: the slower the disk, the larger
//! the group.
//!
//! Calls that put a row are nearly all somebody's who writes, and as many as
//! write at once; the others are work on what was put, by a few workers. So the
//! two take turns, or a crowd that writes would keep what it wrote from the desk.
//!
//! Invariant: an answer is given only after everything that it may tell of is
//! on the disk, its own write and every one before it. So answers, those of
//! reads too, are given in the order in which calls were carried out.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::{oneshot, watch};
use tracing::error;

/// What the engine says to a call.
#[derive(Debug)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// The body.
    pub(super) json: String,
    /// Whether something was written that is perhaps not on the disk.
    pub(super) wrote: bool,
}

/// A call on its way to the engine, and where its answer goes.
struct Call {
    operation: String,
    body: Vec<u8>,
    reply: oneshot::Sender<Answer>,
}

/// A call that is carried out and whose answer waits for the disk.
struct Done {
    answer: Answer,
    reply: oneshot::Sender<Answer>,
}

/// The way to the engine.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    queue: Sender<Call>,
    failed: watch::Receiver<bool>,
}

impl Calls {
    /// Has a call carried out. `None` when the engine cannot go on: then the
    /// call may have taken effect.
    pub(super) async fn call(&self, operation: String, body: Vec<u8>) -> Option<Answer> {
        let (reply, answered) = oneshot::channel();
        let call = Call {
            operation,
            body,
            reply,
        };
        self.queue.send(call).ok()?;
        answered.await.ok()
    }

    /// Waits until the engine cannot go on.
    pub(super) async fn failed(&self) {
        // A thread that is gone says no more.
        let _ = self.failed.clone().wait_for(|failed| *failed).await;
    }
}

/// Starts the two threads over what carries a call out and what brings the
/// written to the disk. They end with the last of the [`Calls`].
pub(super) fn start(
    carry_out: impl FnMut(&str, &[u8]) -> Answer + Send + 'static,
    sync: impl FnMut() -> io::Result<()> + Send + 'static,
) -> io::Result<Calls> {
    let (queue, calls) = channel();
    let (finished, waiting) = channel();
    let (fails, failed) = watch::channel(false);
    let broken = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&broken);
    thread("store", move || {
        carry_out_all(&calls, &finished, &seen, carry_out);
    })?;
    thread("store-sync", move || {
        answer_all(&waiting, sync);
        // Nothing is carried out that could not be answered.
        broken.store(true, Ordering::Relaxed);
        fails.send_replace(true);
    })?;
    Ok(Calls { queue, failed })
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let name = name.to_owned();
    std::thread::Builder::new().name(name).spawn(work)?;
    Ok(())
}

/// Calls that wait to be carried out.
#[derive(Default)]
struct Queue {
    puts: VecDeque<Call>,
    others: VecDeque<Call>,
    /// Whether the last one was a put.
    put: bool,
}

impl Queue {
    fn push(&mut self, call: Call) {
        if call.operation == "PutItem" {
            self.puts.push_back(call);
        } else {
            self.others.push_back(call);
        }
    }

    fn pop(&mut self) -> Option<Call> {
        self.put = self.others.is_empty() || (!self.put && !self.puts.is_empty());
        let turn = if self.put {
            &mut self.puts
        } else {
            &mut self.others
        };
        turn.pop_front()
    }

    /// The next call; waits for one if there is none. `None` when nobody calls
    /// any more.
    fn next(&mut self, calls: &Receiver<Call>) -> Option<Call> {
        for call in calls.try_iter() {
            self.push(call);
        }
        self.pop().or_else(|| calls.recv().ok())
    }
}

fn carry_out_all(
    calls: &Receiver<Call>,
    finished: &Sender<Done>,
    broken: &AtomicBool,
    mut carry_out: impl FnMut(&str, &[u8]) -> Answer,
) {
    let mut queue = Queue::default();
    while let Some(call) = queue.next(calls) {
        if broken.load(Ordering::Relaxed) {
            return;
        }
        // Whoever asked may have gone; the work is done all the same.
        let answer = carry_out(&call.operation, &call.body);
        let reply = call.reply;
        if finished.send(Done { answer, reply }).is_err() {
            return;
        }
    }
}

/// Answers until nobody calls any more or the disk fails. After a failed sync
/// a later one says nothing of what was written before it, so nothing is
/// answered any more: the next start finds what is really there.
/// <https://www.usenix.org/conference/atc20/presentation/rebello>
fn answer_all(waiting: &Receiver<Done>, mut sync: impl FnMut() -> io::Result<()>) {
    while let Ok(first) = waiting.recv() {
        let group: Vec<Done> = std::iter::once(first).chain(waiting.try_iter()).collect();
        if group.iter().any(|done| done.answer.wrote)
            && let Err(error) = sync()
        {
            error!(%error, "the store's disk has failed: nothing is answered any more");
            return;
        }
        for Done { answer, reply } in group {
            let _ = reply.send(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(operation: &str) -> Answer {
        Answer {
            status: 200,
            json: operation.to_owned(),
            wrote: operation == "write",
        }
    }

    /// A disk that says when it begins, and ends as it is told.
    struct Disk {
        begun: Receiver<()>,
        ends: Sender<io::Result<()>>,
    }

    fn disk() -> (Disk, impl FnMut() -> io::Result<()> + Send) {
        let (begins, begun) = channel();
        let (ends, end) = channel();
        let sync = move || {
            begins.send(()).unwrap();
            end.recv().unwrap()
        };
        (Disk { begun, ends }, sync)
    }

    /// Calls whose carrying out is told.
    fn machine() -> (Disk, Calls, Receiver<String>) {
        let (disk, sync) = disk();
        let (tells, told) = channel();
        let carry_out = move |operation: &str, body: &[u8]| {
            tells.send(String::from_utf8_lossy(body).into()).unwrap();
            answer(operation)
        };
        (disk, start(carry_out, sync).unwrap(), told)
    }

    fn send(calls: &Calls, operation: &str, name: &str) -> tokio::task::JoinHandle<Option<Answer>> {
        let (calls, operation) = (calls.clone(), operation.to_owned());
        let body = name.as_bytes().to_vec();
        #[expect(clippy::disallowed_methods, reason = "the test waits for each")]
        tokio::spawn(async move { calls.call(operation, body).await })
    }

    #[tokio::test]
    async fn one_sync_serves_all_that_came_while_the_disk_was_at_work() {
        let (disk, calls, told) = machine();
        let first = send(&calls, "write", "first");
        tokio::task::yield_now().await;
        disk.begun.recv().unwrap();
        let others: Vec<_> = (0..32)
            .map(|number| {
                let operation = if number % 2 == 0 { "write" } else { "read" };
                send(&calls, operation, "other")
            })
            .collect();
        tokio::task::yield_now().await;
        // All are carried out, and none is answered: the disk has not ended.
        for _ in 0..33 {
            told.recv().unwrap();
        }
        tokio::task::yield_now().await;
        assert!(!first.is_finished() && others.iter().all(|other| !other.is_finished()));
        disk.ends.send(Ok(())).unwrap();
        assert_eq!(first.await.unwrap().unwrap().json, "write");
        disk.begun.recv().unwrap();
        tokio::task::yield_now().await;
        assert!(others.iter().all(|other| !other.is_finished()));
        // The last one may just have missed the second sync.
        for _ in 0..2 {
            disk.ends.send(Ok(())).unwrap();
        }
        for other in others {
            assert!(other.await.unwrap().is_some());
        }
        let more = disk.begun.try_iter().count();
        assert!(more <= 1, "{} syncs for 33 calls", 2 + more);
        // What only reads waits for no disk.
        assert!(send(&calls, "read", "alone").await.unwrap().is_some());
    }

    #[test]
    fn puts_and_the_work_on_what_was_put_take_turns() {
        let (sender, calls) = channel();
        let mut queue = Queue::default();
        for operation in ["PutItem"; 3].into_iter().chain(["Query"; 5]) {
            let (reply, _) = oneshot::channel();
            let (operation, body) = (operation.to_owned(), Vec::new());
            sender
                .send(Call {
                    operation,
                    body,
                    reply,
                })
                .unwrap();
        }
        drop(sender);
        let order = std::iter::from_fn(|| queue.next(&calls));
        let order: Vec<_> = order.map(|call| call.operation.as_bytes()[0]).collect();
        assert_eq!(order, *b"PQPQPQQQ");
    }

    #[tokio::test]
    async fn after_a_failed_sync_nothing_is_answered_any_more() {
        let (disk, calls, _told) = machine();
        let write = send(&calls, "write", "lost");
        tokio::task::yield_now().await;
        disk.begun.recv().unwrap();
        disk.ends.send(Err(io::Error::other("worn out"))).unwrap();
        assert!(write.await.unwrap().is_none());
        calls.failed().await;
        assert!(send(&calls, "read", "later").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_thread_that_breaks_off_is_a_failure() {
        let carry_out = |_: &str, _: &[u8]| -> Answer { panic!("a defect of the engine") };
        let calls = start(carry_out, || Ok(())).unwrap();
        assert!(send(&calls, "write", "any").await.unwrap().is_none());
        calls.failed().await;
    }
}
