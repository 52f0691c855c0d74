//! The listener of the bell: works on lanes as they ring, so many at once.
//!
//! Invariant: a lane is worked on by one task at a time, and a ring that comes
//! meanwhile makes it be looked at again afterwards. What is not begun when
//! the process ends is found by the walk of the next one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use magpie::bridge::{Bridge, Ring, deliver};
use magpie::journal::{ConversationKey, EntryKey, Lane};
use magpie::lane::WIDTH;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tracing::error;

use crate::stop::Stop;

/// How long a run may last for certain.
const RUN: Duration = Duration::from_secs(15);
/// When a lane that could not even be parked is looked at again.
const AGAIN: Duration = Duration::from_secs(1);

/// One lane of one conversation.
type Place = (ConversationKey, Lane);

/// Listens until the end is asked for, and finishes what is begun.
pub(crate) async fn listen(bridge: Arc<Bridge>, mut rings: UnboundedReceiver<Ring>, stop: Stop) {
    let mut board = Board::default();
    let mut runs = JoinSet::new();
    let mut again = tokio::time::interval(AGAIN);
    again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        while runs.len() < WIDTH
            && let Some((place, rings)) = board.next()
        {
            runs.spawn(work(Arc::clone(&bridge), place, rings));
        }
        tokio::select! {
            () = stop.asked() => break,
            ring = rings.recv() => match ring {
                Some(ring) => board.rung(ring),
                None => break,
            },
            Some(done) = runs.join_next() => match done {
                Ok((place, failed)) => board.done(place, failed),
                Err(error) => error!(%error, "a run was lost"),
            },
            _ = again.tick(), if !board.failed.is_empty() => board.again(),
        }
    }
    while runs.join_next().await.is_some() {}
}

/// Works on one lane; answers with the bells that must ring again.
async fn work(bridge: Arc<Bridge>, place: Place, rings: Vec<Ring>) -> (Place, Vec<Ring>) {
    let ends = bridge.now().plus(RUN);
    let run = AssertUnwindSafe(deliver::deliver(&bridge, &rings, ends)).catch_unwind();
    let Ok(failed) = run.await else {
        // Ringing at once would only repeat it; the hourly walk rings again.
        error!(conversation = %place.0, "the work on a lane broke off");
        return (place, Vec::new());
    };
    let failed = failed
        .into_iter()
        .filter_map(|position| rings.get(position).cloned())
        .collect();
    (place, failed)
}

/// Which lanes rang, which are being worked on, and what failed.
#[derive(Debug, Default)]
struct Board {
    /// Lanes of messages that nobody works on yet, in the order of their first
    /// bells.
    messages: VecDeque<Place>,
    /// The same of answers. The two take turns: a crowd that writes keeps no agent
    /// from being heard.
    answers: VecDeque<Place>,
    /// Whether the last lane that was given out was one of answers.
    answered: bool,
    /// What rang of every lane since it was last looked at.
    rung: BTreeMap<Place, BTreeSet<EntryKey>>,
    busy: BTreeSet<Place>,
    failed: Vec<Ring>,
}

impl Board {
    fn line(&mut self, lane: Lane) -> &mut VecDeque<Place> {
        match lane {
            Lane::In => &mut self.messages,
            Lane::Out => &mut self.answers,
        }
    }

    fn rung(&mut self, ring: Ring) {
        let place = (ring.at, ring.key.lane());
        let keys = self.rung.entry(place.clone()).or_default();
        let waits = !keys.is_empty() || self.busy.contains(&place);
        keys.insert(ring.key);
        if !waits {
            self.line(place.1).push_back(place);
        }
    }

    fn next(&mut self) -> Option<(Place, Vec<Ring>)> {
        let [first, then] = if self.answered {
            [&mut self.messages, &mut self.answers]
        } else {
            [&mut self.answers, &mut self.messages]
        };
        let place = first.pop_front().or_else(|| then.pop_front())?;
        self.answered = place.1 == Lane::Out;
        let keys = self.rung.remove(&place).unwrap_or_default();
        let rings = keys
            .into_iter()
            .map(|key| Ring {
                at: place.0.clone(),
                key,
            })
            .collect();
        self.busy.insert(place.clone());
        Some((place, rings))
    }

    fn done(&mut self, place: Place, failed: Vec<Ring>) {
        self.busy.remove(&place);
        self.failed.extend(failed);
        if self.rung.contains_key(&place) {
            self.line(place.1).push_back(place);
        }
    }

    fn again(&mut self) {
        for ring in std::mem::take(&mut self.failed) {
            self.rung(ring);
        }
    }
}

#[cfg(test)]
mod tests {
    use magpie::message::{ChannelId, MessageId};
    use magpie::moment::Moment;

    use super::*;

    fn ring(channel: &str, id: u64) -> Ring {
        Ring {
            at: ConversationKey::of_channel(&ChannelId::parse(channel).unwrap()),
            key: EntryKey::message(1, &id.to_string()),
        }
    }

    #[test]
    fn answers_and_messages_take_turns() {
        let mut board = Board::default();
        let answer = |channel: &str| Ring {
            key: EntryKey::outbound(
                Moment::from_seconds(1),
                &MessageId::parse("answer").unwrap(),
                1,
            ),
            ..ring(channel, 1)
        };
        let crowd = ["one", "two", "three"];
        for channel in crowd {
            board.rung(ring(channel, 1));
        }
        board.rung(answer("two"));
        board.rung(answer("four"));
        let mut order = Vec::new();
        while let Some((place, _)) = board.next() {
            order.push(place.1);
        }
        assert_eq!(order, [Lane::Out, Lane::In, Lane::Out, Lane::In, Lane::In]);
    }

    #[test]
    fn a_lane_is_worked_on_once_at_a_time_and_again_after_a_ring() {
        let mut board = Board::default();
        for id in [2, 1, 2] {
            board.rung(ring("one", id));
        }
        board.rung(ring("two", 7));
        let (one, rings) = board.next().unwrap();
        assert_eq!(
            rings,
            [ring("one", 1), ring("one", 2)],
            "rings are gathered"
        );
        board.rung(ring("one", 3));
        let (two, rings) = board.next().unwrap();
        assert_eq!(rings, [ring("two", 7)], "another lane goes on");
        assert!(board.next().is_none(), "the first one is busy");
        board.done(one.clone(), Vec::new());
        assert_eq!(board.next().unwrap().1, [ring("one", 3)]);
        board.done(two, vec![ring("two", 7)]);
        board.done(one, Vec::new());
        assert!(board.next().is_none(), "what failed waits a while");
        board.again();
        assert_eq!(board.next().unwrap().1, [ring("two", 7)]);
        assert!(board.next().is_none());
        assert!(board.failed.is_empty());
    }
}
