//! Parked lanes and timers.

use futures_util::future::join_all;
use magpie::journal::{ConversationKey, EntryKey, Lane};
use magpie::lane::Parked;
use magpie::reason::Reason;
use magpie::store::{Due, Park, Taken};

use crate::made::{after, at, message, park, shop};
use crate::tables::Tables;

fn key(seconds: i64) -> EntryKey {
    message(seconds, "1", "").key
}

/// Parks the inbound lane of Ann, due after 60 seconds, by the run "one".
async fn parked(tables: &Tables) -> ConversationKey {
    let (at, shop) = (at("oAnn"), shop());
    let key = key(10);
    let park = park("one", &shop, &key, 60, Reason::DeskUnreachable);
    assert!(tables.park(&at, Lane::In, &park).await.unwrap());
    at
}

async fn row(tables: &Tables, at: &ConversationKey) -> Parked {
    let look = tables.look(at, |_| true).await.unwrap();
    look.parked[&Lane::In].clone()
}

#[tokio::test]
async fn a_lane_is_parked_once() {
    let tables = Tables::new().await;
    let at = parked(&tables).await;
    let expected = Parked {
        due: after(60),
        by: None,
        attempts: 1,
        revision: 1,
        from: key(10),
        reason: Reason::DeskUnreachable,
        nonce: "one".to_owned(),
    };
    assert_eq!(row(&tables, &at).await, expected);
    let (shop, later) = (shop(), key(20));
    let theirs = park("two", &shop, &later, 90, Reason::Internal);
    assert!(!tables.park(&at, Lane::In, &theirs).await.unwrap());
    assert_eq!(row(&tables, &at).await, expected);
    let first = key(10);
    let again = park("one", &shop, &first, 60, Reason::DeskUnreachable);
    assert!(
        tables.park(&at, Lane::In, &again).await.unwrap(),
        "a lost answer"
    );
    assert_eq!(row(&tables, &at).await, expected);
    tables.raise(&at, Lane::In, None, None).await.unwrap();
    let late = tables.park(&at, Lane::In, &again).await.unwrap();
    assert!(!late, "somebody has raised it meanwhile");
    assert!(
        tables.park(&at, Lane::Out, &theirs).await.unwrap(),
        "the other lane is free"
    );
}

#[tokio::test]
async fn of_many_who_park_at_once_one_does() {
    let tables = Tables::new().await;
    let (at, shop, key) = (at("oAnn"), shop(), key(10));
    let runs: Vec<_> = (0..16).map(|n| format!("run-{n}")).collect();
    let parks: Vec<_> = runs
        .iter()
        .map(|by| park(by, &shop, &key, 60, Reason::Internal))
        .collect();
    let parked = join_all(parks.iter().map(|park| tables.park(&at, Lane::In, park))).await;
    assert_eq!(
        parked
            .into_iter()
            .filter(|parked| *parked.as_ref().unwrap())
            .count(),
        1
    );
    let raised = join_all((0..16).map(|_| tables.raise(&at, Lane::In, None, None))).await;
    assert!(raised.into_iter().all(Result::unwrap));
    assert_eq!(row(&tables, &at).await.revision, 17);
}

#[tokio::test]
async fn raising_lowers_where_a_lane_begins_and_never_lifts_it() {
    let tables = Tables::new().await;
    let at = parked(&tables).await;
    for (from, due, begins, is_due) in [
        (Some(20), None, 10, 60),
        (None, None, 10, 60),
        (Some(10), None, 10, 60),
        (Some(5), None, 5, 60),
        (Some(8), Some(30), 5, 30),
        (Some(2), Some(70), 2, 70),
    ] {
        let before = row(&tables, &at).await;
        let from = from.map(key);
        let raised = tables
            .raise(&at, Lane::In, from.as_ref(), due.map(after))
            .await;
        assert!(raised.unwrap());
        let now = row(&tables, &at).await;
        assert_eq!(now.revision, before.revision + 1);
        assert_eq!((now.from, now.due), (key(begins), after(is_due)));
    }
    assert!(
        !tables.raise(&at, Lane::Out, None, None).await.unwrap(),
        "it is not parked"
    );
}

#[tokio::test]
async fn a_lane_is_taken_when_it_is_due_and_by_one_run() {
    let tables = Tables::new().await;
    let at = parked(&tables).await;
    let take = async |by: &str, now, until| {
        let taken = tables
            .take(&at, Lane::In, by, after(now), after(until))
            .await;
        taken.unwrap()
    };
    assert_eq!(take("two", 59, 90).await, Taken::NotNow);
    let Taken::Ours(ours) = take("two", 60, 90).await else {
        panic!("it is due");
    };
    assert_eq!((ours.due, ours.by.as_deref()), (after(90), Some("two")));
    assert_eq!((ours.revision, ours.from), (1, key(10)));
    assert!(
        matches!(take("two", 61, 91).await, Taken::Ours(_)),
        "a lost answer"
    );
    assert_eq!(take("three", 62, 92).await, Taken::NotNow);
    assert!(
        matches!(take("three", 91, 121).await, Taken::Ours(_)),
        "its turn is over"
    );
    let free = tables
        .take(&at, Lane::Out, "two", after(60), after(90))
        .await;
    assert_eq!(free.unwrap(), Taken::Free);
}

#[tokio::test]
async fn of_many_who_take_a_lane_at_once_one_has_it() {
    let tables = Tables::new().await;
    let at = parked(&tables).await;
    let runs: Vec<_> = (0..16).map(|n| format!("run-{n}")).collect();
    let taken = runs
        .iter()
        .map(|by| tables.take(&at, Lane::In, by, after(60), after(90)));
    let taken = join_all(taken).await;
    let ours = |taken: &Result<Taken, _>| matches!(taken, Ok(Taken::Ours(_)));
    assert_eq!(taken.iter().filter(|taken| ours(taken)).count(), 1);
    assert!(taken.iter().all(Result::is_ok));
}

async fn again(tables: &Tables, at: &ConversationKey, by: &str, seen: u64) -> bool {
    let (shop, key) = (shop(), key(12));
    let park = Park {
        attempts: 3,
        ..park(by, &shop, &key, 200, Reason::GaveUp)
    };
    tables.park_again(at, Lane::In, seen, &park).await.unwrap()
}

#[tokio::test]
async fn a_taken_lane_is_parked_again_only_as_it_was_seen() {
    let tables = Tables::new().await;
    let at = parked(&tables).await;
    assert!(!again(&tables, &at, "two", 1).await, "it has not taken it");
    tables
        .take(&at, Lane::In, "two", after(60), after(90))
        .await
        .unwrap();
    assert!(!again(&tables, &at, "one", 1).await, "another has it");
    tables.raise(&at, Lane::In, None, None).await.unwrap();
    assert!(
        !again(&tables, &at, "two", 1).await,
        "something new came in"
    );
    assert!(again(&tables, &at, "two", 2).await);
    assert!(again(&tables, &at, "two", 2).await, "a lost answer");
    let expected = Parked {
        due: after(200),
        by: None,
        attempts: 3,
        revision: 2,
        from: key(12),
        reason: Reason::GaveUp,
        nonce: "two".to_owned(),
    };
    assert_eq!(row(&tables, &at).await, expected);
}

#[tokio::test]
async fn a_taken_lane_is_unparked_only_as_it_was_seen() {
    let tables = Tables::new().await;
    let at = parked(&tables).await;
    let unpark = async |by: &str, seen| tables.unpark(&at, Lane::In, by, seen).await.unwrap();
    assert!(!unpark("one", 1).await, "it has not taken it");
    tables
        .take(&at, Lane::In, "two", after(60), after(90))
        .await
        .unwrap();
    assert!(!unpark("one", 1).await, "another has it");
    tables.raise(&at, Lane::In, None, None).await.unwrap();
    assert!(!unpark("two", 1).await, "something new came in");
    assert!(unpark("two", 2).await);
    assert!(unpark("two", 2).await, "a lost answer");
    assert!(tables.keys(at.as_str()).await.is_empty());
}

/// The keys of the rows that are due in Ann's partition.
async fn due(tables: &Tables, now: i64, down: bool) -> Vec<(&'static str, i64)> {
    let shard = at("oAnn").shard();
    let due = tables
        .due(&shop(), shard, after(now), down, 100)
        .await
        .unwrap();
    due.into_iter()
        .map(|due| match due {
            Due::Lane { lane, due, .. } => (lane.row(), due),
            Due::Session { due, .. } => ("J#session", due),
        })
        .map(|(row, due)| (row, due.seconds() - after(0).seconds()))
        .collect()
}

#[tokio::test]
async fn what_is_parked_is_listed_when_it_is_due_and_only_then() {
    let tables = Tables::new().await;
    let at = parked(&tables).await;
    let (shop, key) = (shop(), key(10));
    let out = park("one", &shop, &key, 50, Reason::WindowFull);
    tables.park(&at, Lane::Out, &out).await.unwrap();
    tables.set_timer(&at, &shop, after(70)).await.unwrap();
    let none: [(&str, i64); 0] = [];
    assert_eq!(due(&tables, 49, false).await, none);
    assert_eq!(due(&tables, 50, false).await, [("J#out", 50)]);
    let all = [("J#out", 50), ("J#in", 60), ("J#session", 70)];
    assert_eq!(due(&tables, 70, false).await, all, "earliest first");
    let without_desk = [("J#out", 50), ("J#session", 70)];
    assert_eq!(due(&tables, 70, true).await, without_desk);
    let first = tables
        .due(&shop, at.shard(), after(70), false, 1)
        .await
        .unwrap();
    let expected = Due::Lane {
        at: at.clone(),
        lane: Lane::Out,
        due: after(50),
        reason: Some(Reason::WindowFull),
        from: Some(key),
    };
    assert_eq!(first, [expected]);
    let elsewhere = (at.shard() + 1) % 4;
    assert!(
        tables
            .due(&shop, elsewhere, after(70), false, 9)
            .await
            .unwrap()
            .is_empty()
    );

    tables
        .take(&at, Lane::Out, "two", after(70), after(100))
        .await
        .unwrap();
    assert_eq!(due(&tables, 99, false).await, all[1..], "a run has it");
    assert!(tables.unpark(&at, Lane::Out, "two", 1).await.unwrap());
    tables.stop_timer(&at, after(70)).await.unwrap();
    assert_eq!(due(&tables, 999, false).await, all[1..2]);
}

#[tokio::test]
async fn lanes_of_a_desk_that_is_down_hide_nothing() {
    let tables = Tables::new().await;
    let (shop, key) = (shop(), key(10));
    let park = park("one", &shop, &key, 0, Reason::DeskUnreachable);
    let (mut shard, mut timers) = ([0; 4], [0; 4]);
    for number in 0..40 {
        let at = at(&format!("o{number}"));
        tables.park(&at, Lane::In, &park).await.unwrap();
        shard[usize::from(at.shard())] += 1;
        if number % 10 == 0 {
            tables.set_timer(&at, &shop, after(5)).await.unwrap();
            timers[usize::from(at.shard())] += 1;
        }
    }
    for number in 0..4 {
        let at = usize::from(number);
        let due = async |down| {
            tables
                .due(&shop, number, after(9), down, 100)
                .await
                .unwrap()
                .len()
        };
        assert_eq!(due(true).await, timers[at]);
        assert_eq!(due(false).await, shard[at] + timers[at]);
    }
}

#[tokio::test]
async fn a_held_lane_is_woken_and_whoever_has_it_is_told() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let (shop, key) = (shop(), key(10));
    let out = async || {
        let look = tables.look(&at, |_| true).await.unwrap();
        let out = look
            .parked
            .get(&Lane::Out)
            .map(|row| (row.due, row.revision));
        out.map(|(due, revision)| (due.seconds() - after(0).seconds(), revision))
    };
    tables.wake_held(&at, after(20)).await.unwrap();
    assert_eq!(out().await, None, "it is not parked");
    let held = park("one", &shop, &key, 60, Reason::WindowFull);
    tables.park(&at, Lane::Out, &held).await.unwrap();
    tables.wake_held(&at, after(20)).await.unwrap();
    assert_eq!(out().await, Some((20, 2)));
    tables
        .take(&at, Lane::Out, "two", after(20), after(50))
        .await
        .unwrap();
    tables.wake_held(&at, after(21)).await.unwrap();
    assert_eq!(out().await, Some((50, 3)), "its turn is left alone");
    let other = park("two", &shop, &key, 300, Reason::WechatBusy);
    assert!(tables.park_again(&at, Lane::Out, 3, &other).await.unwrap());
    tables.wake_held(&at, after(22)).await.unwrap();
    assert_eq!(out().await, Some((300, 4)), "it waits for something else");
}

#[tokio::test]
async fn a_timer_is_moved_only_from_where_it_was_seen() {
    let tables = Tables::new().await;
    let (at, shop) = (at("oAnn"), shop());
    let timer = async || tables.look(&at, |_| true).await.unwrap().timer;
    assert!(!tables.move_timer(&at, after(10), after(20)).await.unwrap());
    assert_eq!(timer().await, None);
    tables.set_timer(&at, &shop, after(10)).await.unwrap();
    tables.set_timer(&at, &shop, after(15)).await.unwrap();
    assert!(!tables.move_timer(&at, after(10), after(20)).await.unwrap());
    assert!(tables.move_timer(&at, after(15), after(20)).await.unwrap());
    assert_eq!(timer().await, Some(after(20)));
    assert_eq!(due(&tables, 20, false).await, [("J#session", 20)]);
    tables.stop_timer(&at, after(15)).await.unwrap();
    assert_eq!(timer().await, Some(after(20)), "it was set anew");
    tables.stop_timer(&at, after(20)).await.unwrap();
    tables.stop_timer(&at, after(20)).await.unwrap();
    assert_eq!(timer().await, None);
}
