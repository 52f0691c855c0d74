//! Entries are put, and looks show them.

use futures_util::future::join_all;
use magpie::journal::{Class, Entry, EntryKey, Lane, State};
use magpie::message::{Body, EndCause, Fields, Kind, MessageId, Outcome, Receipt, SessionEnd};
use magpie::reason::Reason;
use magpie::store::{Holder, Look, Put, Said};

use crate::made::{
    TTL, after, answer, at, claim, conversation, entry, line, message, of_class, park, shop,
};
use crate::tables::Tables;

#[tokio::test]
async fn a_repeat_finds_its_own_row() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let first = message(1, "7", "你好");
    assert_eq!(
        tables.put_entry(&at, &first, None).await.unwrap(),
        Put::Stored
    );
    let mut repeat = message(1, "7", "something else");
    repeat.at = after(60);
    assert_eq!(
        tables.put_entry(&at, &repeat, None).await.unwrap(),
        Put::Repeat
    );
    assert_eq!(
        tables.entry(&at, &first.key).await.unwrap(),
        Some(first.clone())
    );
    assert_eq!(tables.keys(at.as_str()).await, [first.key.as_str()]);
}

#[tokio::test]
async fn every_body_comes_back_as_it_went() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let fields = Fields::from([("EventKey".to_owned(), "菜单".to_owned())]);
    let bodies = [
        Body::text(""),
        Body::text("很长的一句话。".repeat(800)),
        Body::Text {
            text: "满意".to_owned(),
            choice: Some("101".to_owned()),
            fields: Fields::from([("MsgDataId".to_owned(), "2247".to_owned())]),
        },
        Body::Other {
            kind: Kind::Image,
            name: "image".to_owned(),
            fields: fields.clone(),
        },
        Body::Event {
            name: "CLICK".to_owned(),
            fields,
        },
        Body::Unknown {
            bytes: (0..64 * 1024_u32).map(|n| n.to_be_bytes()[3]).collect(),
        },
        Body::Receipt(Receipt {
            message: MessageId::parse("msg_1").unwrap(),
            outcome: Outcome::Failed(Reason::Uncertain),
            conversation: Some("?".to_owned()),
        }),
        Body::SessionEnd(SessionEnd {
            session: "s".to_owned(),
            cause: EndCause::Silence,
        }),
    ];
    for (number, body) in bodies.into_iter().enumerate() {
        let entry = entry(EntryKey::message(1, &number.to_string()), 1, body);
        tables.put_entry(&at, &entry, None).await.unwrap();
        assert_eq!(tables.entry(&at, &entry.key).await.unwrap(), Some(entry));
    }
    let parts = answer(1, "msg_1", 2);
    tables.put_answer(&at, &parts, 4_000_000_000).await.unwrap();
    for part in parts {
        assert_eq!(tables.entry(&at, &part.key).await.unwrap(), Some(part));
    }
}

#[tokio::test]
async fn an_entry_that_ends_as_it_comes_may_expire() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let mut ended = of_class(1, Class::Event, "job");
    ended.state = State::Delivered;
    tables.put_entry(&at, &ended, Some(TTL)).await.unwrap();
    let sk = ended.key.as_str();
    assert_eq!(
        tables.attributes(&at, sk, &["st", "ttl"]).await,
        ["d", &TTL.to_string()]
    );
    let waits = message(2, "1", "你好");
    tables.put_entry(&at, &waits, None).await.unwrap();
    assert_eq!(
        tables
            .attributes(&at, waits.key.as_str(), &["st", "ttl"])
            .await,
        ["p", "-"]
    );
}

#[tokio::test]
async fn an_answer_is_put_whole_or_not_at_all() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let parts = answer(1, "msg_1", 3);
    tables.put_entry(&at, &parts[1], None).await.unwrap();
    assert_eq!(
        tables.put_answer(&at, &parts, 4_000_000_000).await.unwrap(),
        Said::Repeat
    );
    assert_eq!(tables.keys(at.as_str()).await, [parts[1].key.as_str()]);
    for count in [1, 2, 5] {
        let parts = answer(2, &format!("msg_of_{count}"), count);
        assert_eq!(
            tables.put_answer(&at, &parts, 4_000_000_000).await.unwrap(),
            Said::Stored
        );
        assert_eq!(
            tables.put_answer(&at, &parts, 4_000_000_000).await.unwrap(),
            Said::Repeat
        );
        for part in parts {
            assert_eq!(tables.entry(&at, &part.key).await.unwrap(), Some(part));
        }
    }
}

#[tokio::test]
async fn other_words_under_the_same_key_are_told_apart_and_change_nothing() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let say = async |parts: &[Entry]| tables.put_answer(&at, parts, 4_000_000_000).await.unwrap();
    let with = |mut parts: Vec<Entry>, number: usize, words: &str| {
        parts[number].body = Body::text(words);
        parts
    };
    for count in [1, 3] {
        let first = answer(1, &format!("msg_{count}"), count);
        assert_eq!(say(&first).await, Said::Stored);
        let id = &format!("msg_{count}");
        for other in [
            with(answer(1, id, count), 0, "other words"),
            with(answer(1, id, count), usize::from(count) - 1, "other words"),
            // The same words at first, and then more or fewer.
            answer(1, id, count + 1),
            answer(1, id, 2),
        ] {
            assert_eq!(say(&other).await, Said::OtherWords, "{count}");
        }
        assert_eq!(say(&first).await, Said::Repeat);
        for part in first {
            assert_eq!(tables.entry(&at, &part.key).await.unwrap(), Some(part));
        }
    }
    assert_eq!(tables.keys(at.as_str()).await.len(), 4);
}

#[tokio::test]
async fn of_many_repeats_at_once_one_is_stored() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let one = message(1, "1", "你好");
    let puts = join_all((0..16).map(|_| tables.put_entry(&at, &one, None))).await;
    let stored = |put: &Result<Put, _>| matches!(put, Ok(Put::Stored));
    assert_eq!(puts.iter().filter(|put| stored(put)).count(), 1);
    assert!(puts.iter().all(Result::is_ok));
    let parts = answer(2, "msg_1", 3);
    // A transaction may also be refused because another is under way; then the
    // desk repeats it.
    let puts = join_all((0..16).map(|_| tables.put_answer(&at, &parts, 4_000_000_000))).await;
    let stored = |put: &Result<Said, _>| matches!(put, Ok(Said::Stored));
    assert_eq!(puts.iter().filter(|put| stored(put)).count(), 1);
    assert_eq!(tables.keys(at.as_str()).await.len(), 4);
}

#[tokio::test]
async fn the_latest_location_stays() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let report = |seconds, words| {
        let mut entry = of_class(seconds, Class::Event, "location");
        entry.body = Body::text(words);
        entry
    };
    for (seconds, words, size) in [(5, "a", 1), (9, "bb", 2), (7, "ccc", 2), (9, "dddd", 4)] {
        tables
            .put_location(&at, &report(seconds, words))
            .await
            .unwrap();
        let row = tables.row(at.as_str(), "L").await.unwrap();
        let body = row["b"].as_b().unwrap().as_ref().len();
        assert_eq!(body, r#"-{"t":{"t":""}}"#.len() + size, "{words}");
    }
    assert_eq!(tables.keys(at.as_str()).await, ["L"], "it is no entry");
    // It ends by itself, a month after the last report.
    let month = after(9).seconds() + 30 * 24 * 3600;
    let ttl = tables.attributes(&at, "L", &["ttl"]).await;
    assert_eq!(ttl, [month.to_string()]);
}

/// Puts so many messages, the first of which have ended.
async fn messages(tables: &Tables, count: i64, ended: i64) -> Vec<Entry> {
    let at = at("oAnn");
    let mut all = Vec::new();
    for number in 0..count {
        let entry = message(number, &number.to_string(), "你好");
        tables.put_entry(&at, &entry, None).await.unwrap();
        if number < ended {
            let done = tables.delivered(&at, &entry.key, Holder::Nobody, TTL).await;
            assert!(done.unwrap());
        }
        all.push(entry);
    }
    all
}

#[tokio::test]
async fn one_look_shows_the_conversation_and_its_newest_entries() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    assert!(
        tables
            .look(&at, |_| true)
            .await
            .unwrap()
            .conversation
            .is_none()
    );
    let all = messages(&tables, 20, 15).await;
    tables.begin(&at, &conversation(1, "oAnn")).await.unwrap();
    let (shop, from) = (shop(), &all[15].key);
    for lane in [Lane::In, Lane::Out] {
        let park = park("run", &shop, from, 60, Reason::DeskUnreachable);
        tables.park(&at, lane, &park).await.unwrap();
    }
    tables.set_timer(&at, &shop, after(100)).await.unwrap();
    tables
        .put_location(&at, &of_class(30, Class::Event, "location"))
        .await
        .unwrap();
    tables
        .put_answer(&at, &answer(30, "msg_1", 1), 4_000_000_000)
        .await
        .unwrap();

    let before = tables.spent();
    let look = tables.look(&at, Look::meets_an_ended_entry).await.unwrap();
    let spent = tables.spent() - before;
    assert_eq!(look.conversation, Some(conversation(1, "oAnn")));
    assert_eq!(
        look.parked.keys().copied().collect::<Vec<_>>(),
        [Lane::In, Lane::Out]
    );
    assert_eq!(look.parked[&Lane::In].from, *from);
    assert_eq!(look.timer, Some(after(100)));
    // Pages of eight and sixteen: four rows are no entries, and five entries wait.
    let keys: Vec<_> = look.entries.keys().cloned().collect();
    let newest: Vec<_> = all.iter().map(|entry| entry.key.clone()).collect();
    assert_eq!(keys, newest);
    assert!(look.entries[&all[14].key].state.ended());
    assert_eq!(look.entries[&all[15].key], all[15]);
    assert!(spent.read <= 2.0 && spent.write == 0.0, "{spent:?}");
}

#[tokio::test]
async fn a_look_ends_with_its_first_page_or_with_the_last() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    messages(&tables, 20, 0).await;
    let look = async |enough: fn(&Look) -> bool| {
        let before = tables.spent();
        let look = tables.look(&at, enough).await.unwrap();
        (look.entries.len(), (tables.spent() - before).read)
    };
    let (entries, read) = look(|_| true).await;
    assert_eq!(entries, 8);
    assert!(read <= 1.0, "{read}");
    let few = tables.look_for_windows(&at, |_| true).await.unwrap();
    assert_eq!(few.entries.len(), 5);
    let (entries, read) = look(Look::meets_an_ended_entry).await;
    assert_eq!(entries, 20, "nothing has ended");
    assert!(read <= 3.0, "{read}");
}

#[tokio::test]
async fn outgoing_entries_are_read_by_the_page_newest_first() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    messages(&tables, 3, 3).await;
    let mut all = Vec::new();
    for number in 0..20 {
        let parts = answer(number, &format!("msg_{number}"), 1);
        tables.put_answer(&at, &parts, 4_000_000_000).await.unwrap();
        all.extend(parts);
    }
    let newest = tables.outgoing(&at, |_| true).await.unwrap();
    let keys = |from: usize| {
        all[from..]
            .iter()
            .map(|entry| entry.key.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(newest.keys().cloned().collect::<Vec<_>>(), keys(16));
    let twelve = tables
        .outgoing(&at, |entries| entries.len() > 4)
        .await
        .unwrap();
    assert_eq!(twelve.into_keys().collect::<Vec<_>>(), keys(8));
    let whole = tables.outgoing(&at, |_| false).await.unwrap();
    assert_eq!(whole.into_keys().collect::<Vec<_>>(), keys(0));
}

#[tokio::test]
async fn what_waits_is_read_from_an_entry_on() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let all = messages(&tables, 6, 2).await;
    let lines = answer(0, "msg_1", 3);
    tables.put_answer(&at, &lines, 4_000_000_000).await.unwrap();
    let claimed = tables
        .claim(&at, &lines[0].key, &claim("run", 9), Some(&all[5].key))
        .await;
    assert!(claimed.unwrap());
    let waiting = async |from: &EntryKey| {
        let (entries, complete) = tables
            .waiting_from(&at, from.lane(), from, 64)
            .await
            .unwrap();
        assert!(complete);
        entries.into_keys().collect::<Vec<_>>()
    };
    let keys = |entries: &[Entry]| {
        entries
            .iter()
            .map(|entry| entry.key.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(waiting(&all[0].key).await, keys(&all[2..]));
    assert_eq!(waiting(&all[3].key).await, keys(&all[3..]));
    assert_eq!(
        waiting(&lines[0].key).await,
        keys(&lines),
        "a claimed one waits too"
    );
    assert!(waiting(&message(50, "1", "").key).await.is_empty());
}

#[tokio::test]
async fn much_that_waits_is_read_in_slices() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    // Bytes that do not shrink, so that a page of a megabyte does not hold all.
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    for number in 0..40 {
        let bytes = (0..40_000).map(|_| noise()).collect();
        let key = EntryKey::message(1, &number.to_string());
        let entry = entry(key, 1, Body::Unknown { bytes });
        tables.put_entry(&at, &entry, None).await.unwrap();
    }
    let from = EntryKey::message(1, "0");
    let (some, complete) = tables.waiting_from(&at, Lane::In, &from, 1).await.unwrap();
    assert!(!complete && some.len() < 40, "{}", some.len());
    let (all, complete) = tables
        .waiting_from(&at, Lane::In, &from, 1000)
        .await
        .unwrap();
    assert!(complete && all.len() == 40, "{}", all.len());
}

#[tokio::test]
async fn only_a_message_counts_as_a_later_message() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let end = of_class(5, Class::SessionEnd, "s");
    let later = async || tables.has_later_message(&at, &end.key).await.unwrap();
    assert!(!later().await);
    for entry in [
        message(4, "1", "before"),
        message(5, "2", "in the same second, which sorts before"),
        end.clone(),
        of_class(6, Class::Event, "e"),
        of_class(6, Class::Receipt, "r"),
        of_class(6, Class::Unfollow, "u"),
        line(6, "msg_1"),
    ] {
        tables.put_entry(&at, &entry, None).await.unwrap();
        assert!(!later().await, "{}", entry.key);
    }
    tables
        .put_entry(&at, &message(6, "3", "after"), None)
        .await
        .unwrap();
    assert!(later().await);
}
