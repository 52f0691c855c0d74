//! What becomes of entries: claimed, given back, ended, and made to wait again.

use futures_util::future::join_all;
use magpie::journal::{Class, Entry, State};
use magpie::reason::Reason;
use magpie::store::{Death, Holder};

use crate::made::{TTL, after, answer, at, claim, death, line, message, of_class};
use crate::tables::Tables;

#[tokio::test]
async fn a_claim_is_accepted_again_from_its_own_run_only() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let (line, window) = (line(1, "msg_1"), message(0, "1", "").key);
    tables.put_entry(&at, &line, None).await.unwrap();
    let claim = async |by: &str, until| {
        let claim = claim(by, until);
        tables
            .claim(&at, &line.key, &claim, Some(&window))
            .await
            .unwrap()
    };
    assert!(claim("one", 20).await);
    assert!(!claim("two", 20).await);
    assert!(claim("one", 30).await);
    let held = tables.entry(&at, &line.key).await.unwrap().unwrap();
    assert_eq!(held.state, State::Sending);
    assert_eq!(held.claim.unwrap().until, after(30));
    assert_eq!(held.window, Some(window.clone()));
    let done = tables
        .delivered(&at, &line.key, Holder::Run("one"), TTL)
        .await;
    assert!(done.unwrap());
    assert!(!claim("one", 40).await, "it has ended");
}

#[tokio::test]
async fn of_many_claims_at_once_one_holds() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let (line, window) = (line(1, "msg_1"), message(0, "1", "").key);
    tables.put_entry(&at, &line, None).await.unwrap();
    let claims: Vec<_> = (0..16).map(|n| claim(&format!("run-{n}"), 20)).collect();
    let held = join_all(
        claims
            .iter()
            .map(|claim| tables.claim(&at, &line.key, claim, Some(&window))),
    );
    let held = held
        .await
        .into_iter()
        .filter(|held| *held.as_ref().unwrap())
        .count();
    assert_eq!(held, 1);
}

/// An entry that waits, and one that the run "one" has claimed.
async fn two(tables: &Tables) -> (Entry, Entry) {
    let at = at("oAnn");
    let (waits, held) = (line(1, "msg_waits"), line(2, "msg_held"));
    for entry in [&waits, &held] {
        tables.put_entry(&at, entry, None).await.unwrap();
    }
    let window = message(0, "1", "").key;
    tables
        .claim(&at, &held.key, &claim("one", 20), Some(&window))
        .await
        .unwrap();
    (waits, held)
}

#[tokio::test]
async fn only_its_holder_marks_an_entry_delivered() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let (waits, held) = two(&tables).await;
    for (entry, holder, marks) in [
        (&waits, Holder::Run("one"), false),
        (&waits, Holder::Nobody, true),
        (&waits, Holder::Nobody, false),
        (&held, Holder::Nobody, false),
        (&held, Holder::Run("two"), false),
        (&held, Holder::Run("one"), true),
        (&held, Holder::Run("one"), false),
    ] {
        let marked = tables
            .delivered(&at, &entry.key, holder, TTL)
            .await
            .unwrap();
        assert_eq!(marked, marks, "{} {holder:?}", entry.key);
    }
    let names = ["st", "ttl", "cb", "cu", "win"];
    let win = message(0, "1", "").key.to_string();
    let ttl = TTL.to_string();
    assert_eq!(
        tables.attributes(&at, held.key.as_str(), &names).await,
        ["d", &ttl, "-", "-", &win]
    );
}

#[tokio::test]
async fn only_its_holder_buries_an_entry_and_the_dead_are_listed() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let (waits, held) = two(&tables).await;
    for (entry, holder, buries) in [
        (&waits, Holder::Run("one"), false),
        (&waits, Holder::Nobody, true),
        (&waits, Holder::Nobody, false),
        (&held, Holder::Nobody, false),
        (&held, Holder::Run("two"), false),
        (&held, Holder::Run("one"), true),
        (&held, Holder::Run("one"), false),
    ] {
        let death = Death {
            holder,
            ..death(entry, Reason::Blocked, 9)
        };
        let buried = tables.bury(&at, &death).await;
        assert_eq!(buried.unwrap(), buries, "{} {holder:?}", entry.key);
    }
    let names = ["st", "r", "ttl", "cb", "cu", "win"];
    let found = tables.attributes(&at, held.key.as_str(), &names).await;
    assert_eq!(found, ["x", "blocked", &TTL.to_string(), "-", "-", "-"]);
    let mut dead = tables.listed("due", "dead#shop-a").await;
    dead.sort();
    assert_eq!(dead, [waits.key.as_str(), held.key.as_str()]);
}

#[tokio::test]
async fn an_end_and_its_receipt_are_journalled_both_or_neither() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let (_, held) = two(&tables).await;
    let receipt = of_class(5, Class::Receipt, "receipt");
    let bury = async |by| {
        let death = Death {
            holder: Holder::Run(by),
            ..death(&held, Reason::Blocked, 9)
        };
        tables.bury_and_tell(&at, &death, &receipt).await.unwrap()
    };
    let state = async || {
        let there = tables.entry(&at, &receipt.key).await.unwrap();
        there.map(|receipt| receipt.state)
    };
    assert!(!bury("two").await);
    assert_eq!(state().await, None);
    assert!(bury("one").await);
    assert_eq!(state().await, Some(State::Pending));
    // A repeat does not make it wait again once it was told.
    let told = tables.delivered(&at, &receipt.key, Holder::Nobody, TTL);
    assert!(told.await.unwrap());
    assert!(!bury("one").await);
    assert_eq!(state().await, Some(State::Delivered));
    let names = ["st", "r", "ttl", "cb", "cu", "win"];
    let found = tables.attributes(&at, held.key.as_str(), &names).await;
    assert_eq!(found, ["x", "blocked", &TTL.to_string(), "-", "-", "-"]);
}

#[tokio::test]
async fn an_uncertain_end_keeps_its_window() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let (_, held) = two(&tables).await;
    let death = Death {
        holder: Holder::Run("one"),
        ..death(&held, Reason::Uncertain, 9)
    };
    let buried = tables.bury(&at, &death);
    assert!(buried.await.unwrap());
    let dead = tables.entry(&at, &held.key).await.unwrap().unwrap();
    assert_eq!(
        (dead.state, dead.reason),
        (State::Dead, Some(Reason::Uncertain))
    );
    assert_eq!(dead.window, Some(message(0, "1", "").key));
    assert_eq!(dead.claim, None);
}

#[tokio::test]
async fn only_its_holder_gives_an_entry_back() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let (waits, held) = two(&tables).await;
    let window = message(0, "1", "").key;
    for (entry, by, exhausted, gives) in [
        (&waits, "one", None, false),
        (&held, "two", None, false),
        (&held, "one", Some(&window), true),
        (&held, "one", None, false),
    ] {
        let given = tables
            .release(&at, &entry.key, by, Reason::WindowFull, exhausted)
            .await;
        assert_eq!(given.unwrap(), gives, "{} {by}", entry.key);
    }
    let names = ["st", "r", "xw", "cb", "cu", "win", "ttl"];
    let found = tables.attributes(&at, held.key.as_str(), &names).await;
    assert_eq!(
        found,
        ["p", "window_full", window.as_str(), "-", "-", "-", "-"]
    );
    let again = tables
        .claim(&at, &held.key, &claim("two", 30), Some(&window))
        .await
        .unwrap();
    assert!(again, "another run may have it now");
    assert_eq!(
        tables.attributes(&at, held.key.as_str(), &["r"]).await,
        ["-"]
    );
}

#[tokio::test]
async fn the_dead_wait_again_all_or_none() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let parts = answer(1, "msg_1", 3);
    tables.put_answer(&at, &parts, 4_000_000_000).await.unwrap();
    let keys: Vec<_> = parts.iter().map(|part| part.key.clone()).collect();
    let bury = async |part: &Entry| {
        let reason = Reason::Uncertain;
        let buried = tables.bury(&at, &death(part, reason, 9)).await;
        assert!(buried.unwrap());
    };
    bury(&parts[0]).await;
    bury(&parts[1]).await;
    assert!(
        !tables.redrive(&at, &keys, after(20)).await.unwrap(),
        "one is not dead"
    );
    assert_eq!(tables.listed("due", "dead#shop-a").await.len(), 2);
    bury(&parts[2]).await;
    assert!(tables.redrive(&at, &keys, after(20)).await.unwrap());
    assert!(
        tables.redrive(&at, &keys, after(20)).await.unwrap(),
        "a lost answer"
    );
    assert!(
        !tables.redrive(&at, &keys, after(21)).await.unwrap(),
        "somebody else"
    );
    for part in &parts {
        let again = tables.entry(&at, &part.key).await.unwrap().unwrap();
        let expected = Entry {
            redriven: Some(after(20)),
            ..part.clone()
        };
        assert_eq!(again, expected);
        assert_eq!(
            tables
                .attributes(&at, part.key.as_str(), &["ttl", "dp", "du"])
                .await,
            ["-"; 3]
        );
    }
    assert!(
        tables.listed("due", "dead#shop-a").await.is_empty(),
        "the index is sparse"
    );
}
