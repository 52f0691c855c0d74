//! What was seen of a channel, and what a desk called for.

use magpie::channel::{Refusals, Seen};
use magpie::journal::Class;
use magpie::store::control::Created;

use crate::made::{TTL, after, at, channel, conversation, message, of_class, shop};
use crate::tables::Tables;

fn refused(code: &'static str, count: u64, seconds: i64) -> Seen {
    let last = after(seconds);
    Seen {
        refused: [(code, Refusals { count, last })].into(),
        ..Seen::default()
    }
}

#[tokio::test]
async fn notes_of_a_channel_add_up_and_go_with_it() {
    let tables = Tables::new().await;
    let shop = shop();
    assert!(
        !tables
            .note_seen(&shop, &refused("stale", 1, 1))
            .await
            .unwrap()
    );
    assert_eq!(tables.seen(&shop).await.unwrap(), Seen::default());

    let new = channel(shop.as_str(), "0123456789ab");
    assert_eq!(tables.create_channel(&new).await.unwrap(), Created::New);
    assert_eq!(tables.seen(&shop).await.unwrap(), Seen::default());
    let mut first = refused("wrong_signature", 3, 5);
    first.push = Some(after(4));
    for note in [
        first,
        refused("stale", 1, 6),
        refused("wrong_signature", 2, 9),
        Seen::default(),
    ] {
        assert!(tables.note_seen(&shop, &note).await.unwrap());
    }
    let mut expected = refused("wrong_signature", 5, 9);
    expected.add(&refused("stale", 1, 6));
    expected.push = Some(after(4));
    assert_eq!(tables.seen(&shop).await.unwrap(), expected);

    tables.forget_channel(&shop).await.unwrap();
    assert!(
        !tables
            .note_seen(&shop, &refused("stale", 1, 10))
            .await
            .unwrap()
    );
    assert_eq!(tables.seen(&shop).await.unwrap(), Seen::default());
}

#[tokio::test]
async fn a_call_ends_one_session_however_often_it_comes() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let (one, two) = (
        of_class(1, Class::SessionEnd, "session one"),
        of_class(9, Class::SessionEnd, "session two"),
    );
    let end = async |end, call| tables.put_end(&at, end, call, TTL).await.unwrap();
    assert!(end(&one, "call 1").await);
    assert!(!end(&one, "call 1").await);
    assert!(!end(&two, "call 1").await, "the same call, another session");
    assert_eq!(tables.entry(&at, &two.key).await.unwrap(), None);
    // Another call for the first session is noted too: it ends no later one.
    assert!(end(&one, "call 2").await);
    assert!(!end(&two, "call 2").await);
    assert!(end(&two, "call 3").await);
    assert!(tables.entry(&at, &two.key).await.unwrap().is_some());
}

#[tokio::test]
async fn the_lowest_late_send_counts_until_its_windows_have_shut() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let key = |seconds| message(seconds, "1", "x").key;
    // Nothing comes back of an erased customer.
    tables
        .note_late_send(&at, &key(5), after(1), after(100))
        .await
        .unwrap();
    assert!(tables.keys(at.as_str()).await.is_empty());
    tables.begin(&at, &conversation(1, "oAnn")).await.unwrap();
    for (seconds, now, until, lowest, kept) in [
        (5, 1, 100, 5, 100),
        (9, 2, 110, 5, 110),
        (3, 3, 120, 3, 120),
        (7, 121, 200, 7, 200),
    ] {
        tables
            .note_late_send(&at, &key(seconds), after(now), after(until))
            .await
            .unwrap();
        let known = tables.conversation(&at).await.unwrap().unwrap().0;
        let late = known.late_sends.unwrap();
        assert_eq!(
            (late.lowest, late.until),
            (key(lowest), after(kept)),
            "{seconds}"
        );
    }
}
