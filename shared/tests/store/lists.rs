//! The board, the dead, the history and the walk.

use std::collections::BTreeMap;

use magpie::journal::{ConversationKey, Entry, EntryKey, Lane};
use magpie::message::Body;
use magpie::reason::Reason;
use magpie::store::{DeadPlace, Holder, Waiting};

use crate::made::{
    after, answer, at, claim, conversation, death, entry, line, message, park, session, shop,
    snippet,
};
use crate::tables::Tables;

/// Customers whose conversations share the first partition of an index.
fn together(count: usize) -> Vec<ConversationKey> {
    (0..)
        .map(|number| at(&format!("o{number}")))
        .filter(|at| at.shard() == 0)
        .take(count)
        .collect()
}

/// The places on the board of all conversations, page by page.
async fn pages(tables: &Tables, open: bool, most: i32) -> Vec<Vec<ConversationKey>> {
    let mut pages = Vec::new();
    let mut before: Option<String> = None;
    loop {
        let page = tables
            .board(&shop(), open, 0, before.as_deref(), None, most)
            .await
            .unwrap();
        pages.push(page.rows.into_iter().map(|row| row.0).collect());
        before = page.next;
        if before.is_none() {
            return pages;
        }
        assert!(pages.len() < 50, "the list has an end");
    }
}

#[tokio::test]
async fn the_board_lists_by_last_activity_on_two_sides() {
    let tables = Tables::new().await;
    let all = together(7);
    for (number, at) in all.iter().enumerate() {
        let number = u8::try_from(number).unwrap();
        tables
            .begin(at, &conversation(number, "oAnn"))
            .await
            .unwrap();
        let customer = conversation(number, "oAnn").customer;
        let opened = session("s", i64::from(number));
        let now = after(i64::from(number));
        let said = message(i64::from(number), "1", "你好");
        tables.put_entry(at, &said, None).await.unwrap();
        tables
            .open_session(at, (&shop(), &customer), &said.key, &opened, now)
            .await
            .unwrap();
    }
    let board = async |open| pages(&tables, open, 100).await.concat();
    let mut expected = all.clone();
    expected.reverse();
    assert_eq!(board(true).await, expected);
    assert!(board(false).await.is_empty());
    // The first says something, the second is stirred, the third ends.
    let snippet = snippet("你好", 20);
    let first = conversation(0, "oAnn").customer;
    tables
        .touch(&all[0], (&shop(), &first), Some("s"), &snippet, after(20))
        .await
        .unwrap();
    tables.stir(&all[1], after(21)).await.unwrap();
    tables
        .close_session(&all[2], &shop(), "s", after(22))
        .await
        .unwrap();
    let expected: Vec<_> = [1, 0, 6, 5, 4, 3]
        .map(|number: usize| all[number].clone())
        .into();
    assert_eq!(board(true).await, expected);
    assert_eq!(board(false).await, all[2..3]);
    let page = tables.board(&shop(), true, 0, None, None, 2).await.unwrap();
    let (at, _, known, shown) = &page.rows[1];
    assert_eq!((at, shown.as_ref()), (&all[0], Some(&snippet)));
    let (full, _) = tables.conversation(at).await.unwrap().unwrap();
    assert_eq!(*known, full, "the index carries all that a list needs");
}

#[tokio::test]
async fn the_board_is_whole_by_pages_of_every_size() {
    let tables = Tables::new().await;
    let all = together(5);
    for (number, at) in all.iter().enumerate() {
        let number = u8::try_from(number).unwrap();
        tables
            .begin(at, &conversation(number, "oAnn"))
            .await
            .unwrap();
        tables.stir(at, after(i64::from(number))).await.unwrap();
    }
    let mut expected = all;
    expected.reverse();
    for most in 1..=6 {
        let pages = pages(&tables, false, most).await;
        let most = usize::try_from(most).unwrap();
        assert!(pages.iter().all(|page| page.len() <= most), "{most}");
        assert_eq!(pages.concat(), expected, "{most}");
    }
    let since = tables
        .board(&shop(), false, 0, None, Some(after(3)), 9)
        .await
        .unwrap();
    let since: Vec<_> = since.rows.into_iter().map(|row| row.0).collect();
    assert_eq!(since, expected[..2], "what is not before that moment");
}

#[tokio::test]
async fn the_dead_are_listed_latest_first_and_by_pages() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let mut expected = Vec::new();
    for number in 0..5 {
        let entry = line(number, &format!("msg_{number}"));
        tables.put_entry(&at, &entry, None).await.unwrap();
        let death = death(&entry, Reason::Blocked, 100 - number);
        let buried = tables.bury(&at, &death);
        assert!(buried.await.unwrap());
        expected.push(entry.key);
    }
    for most in [1, 2, 5, 9] {
        let mut found = Vec::new();
        let mut behind: Option<DeadPlace> = None;
        loop {
            let page = tables.dead(&shop(), most, behind.as_ref()).await.unwrap();
            assert!(page.rows.len() <= usize::try_from(most).unwrap());
            found.extend(page.rows.into_iter().map(|dead| dead.entry.key));
            let Some(next) = page.next else { break };
            assert_eq!(DeadPlace::parse(&next.to_string()), Some(next.clone()));
            behind = Some(next);
        }
        assert_eq!(found, expected, "{most}");
    }
    // Whatever place is asked for, it is one of this channel's list.
    let other = magpie::message::ChannelId::parse("shop-other").unwrap();
    let place = tables.dead(&shop(), 1, None).await.unwrap().next;
    let elsewhere = tables.dead(&other, 9, place.as_ref()).await.unwrap();
    assert!(elsewhere.rows.is_empty());
    assert!(
        tables
            .redrive(&at, &expected[1..2], after(200))
            .await
            .unwrap()
    );
    assert_eq!(tables.dead(&shop(), 9, None).await.unwrap().rows.len(), 4);
}

#[tokio::test]
async fn history_goes_back_a_lane_at_a_time() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    tables.begin(&at, &conversation(1, "oAnn")).await.unwrap();
    let (mut said, mut answered) = (Vec::new(), Vec::new());
    for number in 0..7 {
        said.push(message(number, &number.to_string(), "你好"));
        answered.push(line(number, &format!("msg_{number}")));
    }
    for entry in said.iter().chain(&answered) {
        tables.put_entry(&at, entry, None).await.unwrap();
    }
    let keys = |entries: &[Entry]| {
        entries
            .iter()
            .rev()
            .map(|entry| entry.key.clone())
            .collect::<Vec<_>>()
    };
    for (lane, all) in [(Lane::In, &said), (Lane::Out, &answered)] {
        let history = async |before: Option<&EntryKey>, most| {
            let read = tables.history(&at, lane, before, most, after(100)).await;
            let (entries, more) = read.unwrap();
            (
                entries
                    .into_iter()
                    .map(|entry| entry.key)
                    .collect::<Vec<_>>(),
                more,
            )
        };
        assert_eq!(history(None, 50).await, (keys(all), false));
        let (newest, more) = history(None, 2).await;
        assert!(more && newest.len() >= 2);
        assert_eq!(newest, keys(all)[..newest.len()]);
        assert_eq!(
            history(Some(&all[3].key), 2).await,
            (keys(&all[1..3]), true)
        );
        assert_eq!(
            history(Some(&all[3].key), 50).await,
            (keys(&all[..3]), false)
        );
        assert_eq!(history(Some(&all[0].key), 2).await, (Vec::new(), false));
    }
}

#[tokio::test]
async fn history_leaves_out_what_has_expired() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    for number in 0..12 {
        let entry = message(number, &number.to_string(), "你好");
        tables.put_entry(&at, &entry, None).await.unwrap();
        // All but the first and the last have expired at 60.
        let expires = if number % 11 == 0 { 60 } else { 59 };
        let expires = after(expires).seconds();
        tables
            .delivered(&at, &entry.key, Holder::Nobody, expires)
            .await
            .unwrap();
    }
    let seconds = async |before: Option<&EntryKey>, most| {
        let read = tables.history(&at, Lane::In, before, most, after(60)).await;
        let (entries, more) = read.unwrap();
        let second = |entry: Entry| entry.key.seconds().unwrap() - after(0).seconds();
        (entries.into_iter().map(second).collect::<Vec<_>>(), more)
    };
    assert_eq!(seconds(None, 50).await, (vec![11, 0], false));
    let last = message(11, "11", "").key;
    assert_eq!(
        seconds(Some(&last), 3).await,
        (vec![0], false),
        "a page is not empty before the end"
    );
}

#[tokio::test]
async fn the_walk_finds_whatever_waits() {
    let tables = Tables::new().await;
    let (ann, bob, own) = (at("oAnn"), at("oBob"), ConversationKey::of_channel(&shop()));
    let (shop, window) = (shop(), message(0, "0", "").key);
    tables.begin(&ann, &conversation(1, "oAnn")).await.unwrap();
    let ended = message(1, "1", "");
    let receipt = message(4, "4", "");
    for (at, entry) in [
        (&ann, &ended),
        (&ann, &message(2, "2", "")),
        (&own, &receipt),
    ] {
        tables.put_entry(at, entry, None).await.unwrap();
    }
    tables
        .delivered(&ann, &ended.key, Holder::Nobody, 9_000_000_000)
        .await
        .unwrap();
    let parts = answer(3, "msg_1", 2);
    tables
        .put_answer(&bob, &parts, 4_000_000_000)
        .await
        .unwrap();
    tables
        .claim(&bob, &parts[0].key, &claim("run", 9), Some(&window))
        .await
        .unwrap();
    let dead = line(5, "msg_2");
    tables.put_entry(&bob, &dead, None).await.unwrap();
    tables
        .bury(&bob, &death(&dead, Reason::Blocked, 6))
        .await
        .unwrap();
    tables
        .redrive(&bob, std::slice::from_ref(&dead.key), after(500))
        .await
        .unwrap();
    let park = park("run", &shop, &window, 9, Reason::Internal);
    tables.park(&ann, Lane::In, &park).await.unwrap();
    tables
        .put_location(&ann, &message(1, "1", ""))
        .await
        .unwrap();

    let found = walk(&tables).await;
    let waiting = |at: &ConversationKey, key: &EntryKey, since| Waiting {
        at: at.clone(),
        key: key.clone(),
        since: after(since),
    };
    let mut expected = vec![
        waiting(&ann, &message(2, "2", "").key, 2),
        waiting(&bob, &parts[0].key, 3),
        waiting(&bob, &parts[1].key, 3),
        waiting(&bob, &dead.key, 500),
        waiting(&own, &receipt.key, 4),
    ];
    expected.sort_by_key(|waiting| (waiting.at.clone(), waiting.key.clone()));
    assert_eq!(found, expected);
}

async fn walk(tables: &Tables) -> Vec<Waiting> {
    let mut found = BTreeMap::new();
    let mut cursor = None;
    loop {
        let (waiting, next) = tables.walk(cursor).await.unwrap();
        for waiting in waiting {
            found.insert((waiting.at.clone(), waiting.key.clone()), waiting);
        }
        cursor = next;
        if cursor.is_none() {
            return found.into_values().collect();
        }
    }
}

#[tokio::test]
async fn the_walk_goes_over_pages() {
    let tables = Tables::new().await;
    let mut state = 7_u32;
    for number in 0..40 {
        let bytes = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        });
        let body = Body::Unknown {
            bytes: bytes.take(40_000).collect(),
        };
        let entry = entry(EntryKey::message(1, "1"), 1, body);
        tables
            .put_entry(&at(&format!("o{number}")), &entry, None)
            .await
            .unwrap();
    }
    let (_, next) = tables.walk(None).await.unwrap();
    assert!(next.is_some(), "one page does not hold them");
    assert_eq!(walk(&tables).await.len(), 40);
}

#[tokio::test]
async fn unread_messages_and_parked_lanes_are_counted() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    for number in 0..5 {
        let entry = message(number, "1", "你好");
        tables.put_entry(&at, &entry, None).await.unwrap();
        let event = crate::made::of_class(number, magpie::journal::Class::Event, "e");
        tables.put_entry(&at, &event, None).await.unwrap();
    }
    let unread = async |after: Option<&EntryKey>, most| {
        let after = after.map(EntryKey::as_str);
        tables.unread(&at, after, most).await.unwrap()
    };
    assert_eq!(unread(None, 100).await, 5);
    assert_eq!(unread(None, 3).await, 3);
    assert_eq!(unread(Some(&message(2, "1", "").key), 100).await, 2);
    assert_eq!(unread(Some(&message(9, "1", "").key), 100).await, 0);
    let (shop, from) = (shop(), message(0, "1", "").key);
    let park = park("run", &shop, &from, 900, Reason::Internal);
    for at in together(3) {
        tables.park(&at, Lane::In, &park).await.unwrap();
    }
    tables.set_timer(&at, &shop, after(900)).await.unwrap();
    let parked = tables.parked(&shop, 100).await.unwrap();
    assert_eq!(parked.len(), 3, "due or not; a timer is no lane");
    assert!(parked.iter().all(|lane| lane.from.as_ref() == Some(&from)));
}
