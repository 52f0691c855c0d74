//! The stored token, its lease and its fence.

use futures_util::future::join_all;
use magpie::store::{Lease, StoredToken};

use crate::made::{after, shop};
use crate::tables::Tables;

fn token(text: &str, got: i64) -> StoredToken {
    StoredToken {
        token: Some(text.to_owned()),
        got: after(got),
        expires: after(got + 7200),
        forced: Some(after(got)),
        forced_count: 3,
        asked: Some(after(got)),
    }
}

/// Asks for the lease; says under which fence it was had.
async fn lease(tables: &Tables, by: &str, seen: Option<i64>, now: i64) -> Option<u64> {
    let seen = seen.map(after);
    let lease = tables
        .lease_token(&shop(), by, seen, after(now), after(now + 15))
        .await;
    match lease.unwrap() {
        Lease::Ours(fence, _) => Some(fence),
        Lease::Theirs(_) => None,
    }
}

#[tokio::test]
async fn of_many_who_want_the_lease_one_has_it() {
    let tables = Tables::new().await;
    assert_eq!(tables.token(&shop()).await.unwrap(), StoredToken::default());
    let runs: Vec<_> = (0..32).map(|n| format!("run-{n}")).collect();
    let leases = join_all(runs.iter().map(|by| lease(&tables, by, None, 0))).await;
    assert_eq!(leases.into_iter().flatten().collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn a_lease_ends_with_its_time_or_with_its_token() {
    let tables = Tables::new().await;
    assert_eq!(lease(&tables, "one", None, 0).await, Some(1));
    assert_eq!(
        lease(&tables, "one", None, 1).await,
        Some(2),
        "a lost answer"
    );
    assert_eq!(lease(&tables, "two", None, 16).await, None);
    assert_eq!(lease(&tables, "two", None, 17).await, Some(3));
    let new = token("t1", 18);
    assert!(tables.store_token(&shop(), "two", 3, &new).await.unwrap());
    assert!(
        tables.store_token(&shop(), "two", 3, &new).await.unwrap(),
        "a lost answer"
    );
    assert_eq!(tables.token(&shop()).await.unwrap(), new);
    // Who saw nothing asked is told what is there now.
    let late = tables
        .lease_token(&shop(), "three", None, after(19), after(34))
        .await;
    let Lease::Theirs(stored) = late.unwrap() else {
        panic!("somebody has asked since");
    };
    assert_eq!(stored, new);
    assert_eq!(lease(&tables, "three", Some(17), 20).await, None);
    assert_eq!(lease(&tables, "three", Some(18), 21).await, Some(4));
}

#[tokio::test]
async fn who_lost_the_lease_cannot_overwrite_what_its_successor_stored() {
    let tables = Tables::new().await;
    assert_eq!(lease(&tables, "slow", None, 0).await, Some(1));
    assert_eq!(lease(&tables, "next", None, 20).await, Some(2));
    let store = async |by: &str, fence, text: &str, got| {
        let token = token(text, got);
        let stored = tables.store_token(&shop(), by, fence, &token).await;
        stored.unwrap()
    };
    assert!(!store("slow", 1, "old", 21).await, "while the other asks");
    assert!(store("next", 2, "new", 22).await);
    assert!(!store("slow", 1, "old", 23).await, "after it");
    assert_eq!(tables.token(&shop()).await.unwrap(), token("new", 22));
}

#[tokio::test]
async fn a_token_is_stored_only_under_a_lease() {
    let tables = Tables::new().await;
    let stored = tables.store_token(&shop(), "one", 0, &token("t", 1)).await;
    assert!(!stored.unwrap());
    assert_eq!(tables.token(&shop()).await.unwrap(), StoredToken::default());
}

#[tokio::test]
async fn what_is_not_given_stays_as_it_was() {
    let tables = Tables::new().await;
    let fence = lease(&tables, "one", None, 0).await.unwrap();
    tables
        .store_token(&shop(), "one", fence, &token("t1", 1))
        .await
        .unwrap();
    let fence = lease(&tables, "one", Some(1), 2).await.unwrap();
    let next = StoredToken {
        asked: Some(after(9)),
        ..token("t1", 1)
    };
    tables
        .store_token(&shop(), "one", fence, &next)
        .await
        .unwrap();
    let stored = tables.token(&shop()).await.unwrap();
    assert_eq!(stored, next);
    let words = format!("{stored:?}");
    assert!(!words.contains("t1"), "{words}");
}
