//! The conversation row.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use magpie::conversation::Conversation;
use magpie::journal::{ConversationKey, EntryKey};
use magpie::store::{Found, Holder, Opened, Settled};

use crate::made::{after, ann, at, conversation, message, session, shop, snippet};
use crate::tables::Tables;

async fn begun(tables: &Tables) -> ConversationKey {
    let at = at("oAnn");
    tables.begin(&at, &conversation(1, "oAnn")).await.unwrap();
    at
}

/// A message that waits.
async fn waiting(tables: &Tables, at: &ConversationKey) -> EntryKey {
    let said = message(1, "1", "你好");
    tables.put_entry(at, &said, None).await.unwrap();
    said.key
}

async fn known(tables: &Tables, at: &ConversationKey) -> Conversation {
    tables.conversation(at).await.unwrap().unwrap().0
}

#[tokio::test]
async fn five_first_messages_at_once_make_one_customer() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let each: Vec<_> = (1..=5).map(|number| conversation(number, "oAnn")).collect();
    let found = join_all(each.iter().map(|new| tables.begin(&at, new))).await;
    let mut customers = BTreeSet::new();
    let mut new = 0;
    for (found, own) in found.into_iter().zip(&each) {
        match found.unwrap() {
            Found::New => {
                new += 1;
                customers.insert(own.customer.clone());
            }
            Found::Theirs(theirs) => {
                customers.insert(theirs.customer);
            }
            Found::Erased => unreachable!("nobody was erased"),
        }
    }
    assert_eq!((new, customers.len()), (1, 1));
    assert!(customers.contains(&known(&tables, &at).await.customer));
}

#[tokio::test]
async fn a_customer_is_found_by_their_id_once_that_is_linked() {
    let tables = Tables::new().await;
    let at = begun(&tables).await;
    let new = conversation(1, "oAnn");
    let customer = new.customer.clone();
    assert_eq!(tables.find(&customer).await.unwrap(), None);
    assert!(!known(&tables, &at).await.linked);
    for _ in 0..2 {
        tables.link(&at, &new, after(1)).await.unwrap();
        assert_eq!(
            tables.find(&customer).await.unwrap(),
            Some((at.clone(), shop()))
        );
        assert!(known(&tables, &at).await.linked);
    }
    assert_eq!(
        tables
            .find(&conversation(2, "oAnn").customer)
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn one_session_is_open_at_a_time_and_none_opens_twice() {
    let tables = Tables::new().await;
    let at = begun(&tables).await;
    let (one, two) = (session("one", 1), session("two", 2));
    let message = waiting(&tables, &at).await;
    let open = async |new, now| {
        let opened = tables
            .open_session(&at, (&shop(), &ann()), &message, new, after(now))
            .await;
        opened.unwrap()
    };
    assert_eq!(open(&one, 1).await, Opened::Open);
    assert_eq!(open(&one, 2).await, Opened::Open, "a lost answer");
    assert_eq!(open(&two, 3).await, Opened::Another(one.clone()));
    assert_eq!(known(&tables, &at).await.session, Some(one.clone()));
    let close = async |id: &str| {
        tables
            .close_session(&at, &shop(), id, after(4))
            .await
            .unwrap()
    };
    assert!(!close("two").await);
    assert!(close("one").await);
    assert!(!close("one").await);
    assert_eq!(known(&tables, &at).await.session, None);
    assert_eq!(open(&one, 5).await, Opened::Ended, "it was open once");
    assert_eq!(open(&two, 6).await, Opened::Open);
    assert_eq!(known(&tables, &at).await.session, Some(two));
}

#[tokio::test]
async fn a_message_that_has_arrived_opens_no_session() {
    let tables = Tables::new().await;
    let at = begun(&tables).await;
    let arrived = waiting(&tables, &at).await;
    let told = tables.delivered(&at, &arrived, Holder::Nobody, 1).await;
    assert!(told.unwrap());
    let open = async |message| {
        let one = session("one", 1);
        let opened = tables
            .open_session(&at, (&shop(), &ann()), message, &one, after(1))
            .await;
        opened.unwrap()
    };
    assert_eq!(open(&arrived).await, Opened::Needless);
    let erased = message(2, "2", "在吗？").key;
    assert_eq!(open(&erased).await, Opened::Needless);
    assert_eq!(known(&tables, &at).await.session, None);
}

#[tokio::test]
async fn a_message_whose_session_is_settled_is_told_in_no_other() {
    let tables = Tables::new().await;
    let (at, shop, ann) = (begun(&tables).await, shop(), ann());
    let (one, two) = (session("one", 1), session("two", 2));
    let said = waiting(&tables, &at).await;
    let settle = async |session| {
        let settled = tables.settle_session(&at, &said, session).await;
        settled.unwrap()
    };
    let open = async |new| {
        let opened = tables.open_session(&at, (&shop, &ann), &said, new, after(3));
        opened.await.unwrap()
    };
    assert_eq!(settle("one").await, Settled::Closed, "it never opened");
    assert_eq!(open(&one).await, Opened::Open);
    assert_eq!(settle("two").await, Settled::Closed);
    let told = Settled::In("one".to_owned());
    assert_eq!(settle("one").await, told);
    assert_eq!(settle("one").await, told, "a lost answer");
    let entry = tables.entry(&at, &said).await.unwrap().unwrap();
    assert_eq!(entry.session.as_deref(), Some("one"));

    let closed = tables.close_session(&at, &shop, "one", after(4));
    assert!(closed.await.unwrap());
    assert_eq!(open(&two).await, Opened::Settled("one".to_owned()));
    assert_eq!(known(&tables, &at).await.session, None);
    let other = message(2, "2", "在吗？");
    tables.put_entry(&at, &other, None).await.unwrap();
    let opened = tables.open_session(&at, (&shop, &ann), &other.key, &two, after(5));
    assert_eq!(opened.await.unwrap(), Opened::Open);
    assert_eq!(settle("two").await, told, "it stays");
    let delivered = tables.delivered(&at, &said, Holder::Nobody, 1).await;
    assert!(delivered.unwrap());
    assert_eq!(settle("two").await, Settled::Needless);
}

#[tokio::test]
async fn of_two_who_open_a_session_at_once_both_mean_the_same_one() {
    let tables = Tables::new().await;
    let at = begun(&tables).await;
    let sessions: Vec<_> = (0..8).map(|n| session(&format!("s{n}"), n)).collect();
    let (shop, ann, message) = (shop(), ann(), waiting(&tables, &at).await);
    let opened = join_all(
        sessions
            .iter()
            .map(|new| tables.open_session(&at, (&shop, &ann), &message, new, after(9))),
    );
    let opened: Vec<_> = opened.await.into_iter().map(Result::unwrap).collect();
    let open = known(&tables, &at).await.session.unwrap();
    for (opened, own) in opened.into_iter().zip(sessions) {
        let expected = if own == open {
            Opened::Open
        } else {
            Opened::Another(open.clone())
        };
        assert_eq!(opened, expected);
    }
}

#[tokio::test]
async fn the_desk_is_told_of_the_open_session_only() {
    let tables = Tables::new().await;
    let at = begun(&tables).await;
    let told = async || {
        known(&tables, &at)
            .await
            .session
            .is_some_and(|open| open.told)
    };
    tables.told(&at, "one").await.unwrap();
    let message = waiting(&tables, &at).await;
    tables
        .open_session(
            &at,
            (&shop(), &ann()),
            &message,
            &session("one", 1),
            after(1),
        )
        .await
        .unwrap();
    assert!(!told().await);
    tables.told(&at, "two").await.unwrap();
    assert!(!told().await);
    tables.told(&at, "one").await.unwrap();
    assert!(told().await);
    tables
        .close_session(&at, &shop(), "one", after(2))
        .await
        .unwrap();
    tables
        .open_session(
            &at,
            (&shop(), &ann()),
            &message,
            &session("two", 3),
            after(3),
        )
        .await
        .unwrap();
    assert!(!told().await, "of the next it was not");
}

#[tokio::test]
async fn a_message_shows_in_its_session_and_brings_it_up() {
    let tables = Tables::new().await;
    let at = begun(&tables).await;
    let (first, second) = (snippet("你好", 1), snippet("在吗？", 2));
    let shop = shop();
    let touch = async |session, snippet, now| {
        let touched = tables
            .touch(&at, (&shop, &ann()), session, snippet, after(now))
            .await;
        touched.unwrap()
    };
    assert!(!touch(Some("one"), &first, 1).await, "no session is open");
    assert_eq!(tables.conversation(&at).await.unwrap().unwrap().1, None);
    let message = waiting(&tables, &at).await;
    tables
        .open_session(&at, (&shop, &ann()), &message, &session("one", 1), after(1))
        .await
        .unwrap();
    assert!(!touch(Some("two"), &first, 2).await);
    assert!(touch(Some("one"), &first, 2).await);
    let (known, shown) = tables.conversation(&at).await.unwrap().unwrap();
    assert_eq!((known.active, shown), (after(2), Some(first.clone())));
    tables
        .close_session(&at, &shop, "one", after(3))
        .await
        .unwrap();
    assert!(touch(None, &second, 4).await, "outside of a session, too");
    let (known, shown) = tables.conversation(&at).await.unwrap().unwrap();
    assert_eq!((known.active, shown), (after(4), Some(second.clone())));
    let closed = format!("shop-a#closed#{}", at.shard());
    assert_eq!(tables.attributes(&at, "J", &["bp"]).await, [closed]);
}

#[tokio::test]
async fn what_was_read_never_goes_back() {
    let tables = Tables::new().await;
    let at = begun(&tables).await;
    for (key, expected) in [
        ("I#2", "I#2"),
        ("I#1", "I#2"),
        ("I#2", "I#2"),
        ("I#3", "I#3"),
    ] {
        tables.read_up_to(&at, key).await.unwrap();
        assert_eq!(
            known(&tables, &at).await.read_up_to.as_deref(),
            Some(expected)
        );
    }
}
