//! The erasure of one customer, write by write.

use std::time::Duration;

use magpie::conversation::{Conversation, EraseCause, Leaving, Tombstone};
use magpie::journal::ConversationKey;
use magpie::media::Place;
use magpie::store::{Departed, Found, Opened, Stage};

use crate::made::{after, ann, at, conversation, line, message, session, shop, snippet};
use crate::tables::Tables;

async fn known(tables: &Tables, at: &ConversationKey) -> Option<Conversation> {
    let known = tables.conversation(at).await.unwrap();
    known.map(|(conversation, _)| conversation)
}

fn leaving(cause: EraseCause, since: i64, days: u64) -> Leaving {
    Leaving {
        cause,
        since: after(since),
        due: after(since).plus(Duration::from_hours(24 * days)),
    }
}

/// Begins the erasure of a conversation as it was read.
async fn begin(tables: &Tables, at: &ConversationKey, read: &Conversation, now: i64) -> bool {
    let own = ConversationKey::of_channel(&shop());
    let notice = message(now, "notice", "notice");
    let departed = Departed {
        conversation: read,
        files: &Place::folder(&read.customer),
        notice: (&own, &notice),
        now: after(now),
    };
    let stone = match tables.erasure(at).await.unwrap() {
        Some(Stage::Begun(stone)) => Some(stone),
        _ => None,
    };
    let begun = tables.begin_erasure(at, departed, stone.as_ref());
    begun.await.unwrap()
}

/// Deletes all that is to go; says how many rows.
async fn sweep(tables: &Tables, at: &ConversationKey, stone: &Tombstone) -> usize {
    let (mut rows, mut behind) = (0, None::<String>);
    loop {
        let swept = tables.sweep_erased(at, stone, behind.as_deref()).await;
        let swept = swept.unwrap();
        assert!(!swept.undone);
        rows += swept.rows;
        behind = swept.next;
        if behind.is_none() {
            return rows;
        }
    }
}

async fn talk(tables: &Tables) -> ConversationKey {
    let at = at("oAnn");
    let new = conversation(1, "oAnn");
    tables.begin(&at, &new).await.unwrap();
    tables.link(&at, &new, after(0)).await.unwrap();
    at
}

#[tokio::test]
async fn it_begins_as_it_was_read_or_not_at_all() {
    let tables = Tables::new().await;
    let at = talk(&tables).await;
    let read = known(&tables, &at).await.unwrap();
    let said = message(1, "1", "hi");
    tables.put_entry(&at, &said, None).await.unwrap();
    let (shop, ann, one) = (shop(), ann(), session("one", 1));
    let open = tables.open_session(&at, (&shop, &ann), &said.key, &one, after(1));
    assert_eq!(open.await.unwrap(), Opened::Open);
    assert!(
        !begin(&tables, &at, &read, 2).await,
        "a session was opened since"
    );
    assert!(
        tables.find(&ann).await.unwrap().is_some(),
        "nothing was done"
    );
    let own = ConversationKey::of_channel(&shop);
    assert!(tables.keys(own.as_str()).await.is_empty(), "nobody is told");
    let read = known(&tables, &at).await.unwrap();
    tables.told(&at, "one").await.unwrap();
    assert!(
        !begin(&tables, &at, &read, 2).await,
        "the desk knows of it now"
    );
    let read = known(&tables, &at).await.unwrap();
    assert!(begin(&tables, &at, &read, 2).await);
    assert!(!begin(&tables, &at, &read, 3).await, "once");
    assert_eq!(tables.find(&ann).await.unwrap(), None);
    assert_eq!(known(&tables, &at).await, None);
    assert_eq!(tables.keys(own.as_str()).await.len(), 1);
    for (index, partition) in [("board", "shop-a#open#"), ("board", "shop-a#closed#")] {
        for shard in 0..4 {
            let listed = tables.listed(index, &format!("{partition}{shard}")).await;
            assert_eq!(listed, [""; 0]);
        }
    }
    assert_eq!(tables.listed("due", "erase#shop-a").await, ["J"]);
    let row = tables.row(at.as_str(), "J").await.unwrap();
    let mut names: Vec<_> = row.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["ch", "dp", "du", "er", "fd", "pk", "sk", "v"]);
}

#[tokio::test]
async fn what_came_before_goes_and_what_came_afterwards_stays() {
    let tables = Tables::new().await;
    let at = talk(&tables).await;
    let ann = ann();
    for number in 0..60 {
        let said = message(number, &number.to_string(), "hi");
        tables.put_entry(&at, &said, None).await.unwrap();
    }
    let old = line(30, "msg_1").for_customer(&ann);
    tables
        .put_answer(&at, std::slice::from_ref(&old), 9)
        .await
        .unwrap();
    let end = message(61, "end", "").for_customer(&ann);
    assert!(tables.put_end(&at, &end, "call", 9).await.unwrap());
    let read = known(&tables, &at).await.unwrap();
    assert!(begin(&tables, &at, &read, 100).await);
    // Whoever comes from now on is somebody else; who had come is not.
    let mut late = conversation(2, "oAnn");
    late.active = after(99);
    assert_eq!(tables.begin(&at, &late).await.unwrap(), Found::Erased);
    let look = tables.look(&at, |_| false).await.unwrap();
    assert_eq!((look.entries.len(), look.conversation), (0, None));
    let mut new = conversation(3, "oAnn");
    new.active = after(101);
    let again = message(101, "101", "again");
    tables.put_entry(&at, &again, None).await.unwrap();
    assert_eq!(tables.begin(&at, &new).await.unwrap(), Found::New);
    let look = tables.look(&at, |_| false).await.unwrap();
    assert_eq!(look.entries.keys().collect::<Vec<_>>(), [&again.key]);
    assert!(!look.keeps(&old) && look.keeps(&again));
    // Nothing of theirs is written in the name of who was.
    let words = snippet("hi", 1);
    let whose = (&shop(), &ann);
    let touch = tables.touch(&at, whose, None, &words, after(102)).await;
    assert!(!touch.unwrap());
    let open = session("old", 1);
    let open = tables
        .open_session(&at, whose, &again.key, &open, after(102))
        .await;
    assert_eq!(open.unwrap(), Opened::Needless);

    let Some(Stage::Begun(stone)) = tables.erasure(&at).await.unwrap() else {
        unreachable!("it has begun, and somebody is there");
    };
    assert_eq!(stone.files.len(), 1);
    // What was put for who has come since is theirs, however soon.
    let theirs = line(102, "msg_2").for_customer(&new.customer);
    let put = tables.put_answer(&at, std::slice::from_ref(&theirs), 9);
    put.await.unwrap();
    let swept = sweep(&tables, &at, &stone).await;
    assert_eq!(swept, 63, "sixty messages, an answer, an end and its call");
    let left = [again.key.as_str(), "J", theirs.key.as_str()];
    assert_eq!(tables.keys(at.as_str()).await, left);
    tables.end_erasure(&at, &stone).await.unwrap();
    assert_eq!(tables.erasure(&at).await.unwrap(), None);
    assert_eq!(known(&tables, &at).await.unwrap().customer, new.customer);
    assert_eq!(tables.listed("due", "erase#shop-a").await, [""; 0]);
}

#[tokio::test]
async fn a_second_erasure_remembers_the_files_of_the_first() {
    let tables = Tables::new().await;
    let at = talk(&tables).await;
    let read = known(&tables, &at).await.unwrap();
    assert!(begin(&tables, &at, &read, 1).await);
    let mut new = conversation(2, "oAnn");
    new.active = after(2);
    assert_eq!(tables.begin(&at, &new).await.unwrap(), Found::New);
    let left = leaving(EraseCause::Unfollowed, 3, 1);
    assert!(tables.note_erasure(&at, &new, left).await.unwrap());
    let due = tables.due_erasures(&shop(), after(2), 9).await.unwrap();
    assert_eq!(due, std::slice::from_ref(&at), "it is due for the first");
    let read = known(&tables, &at).await.unwrap();
    assert!(begin(&tables, &at, &read, 4).await);
    let Some(Stage::Begun(stone)) = tables.erasure(&at).await.unwrap() else {
        unreachable!("it has begun");
    };
    assert_eq!((stone.since, stone.files.len()), (after(4), 2));
    tables
        .postpone_erasure(&at, &stone, after(900))
        .await
        .unwrap();
    let due = async |now| tables.due_erasures(&shop(), after(now), 9).await.unwrap();
    assert_eq!((due(899).await.len(), due(900).await.len()), (0, 1));
    tables.end_erasure(&at, &stone).await.unwrap();
    assert!(tables.keys(at.as_str()).await.is_empty());
}

#[tokio::test]
async fn the_sooner_one_counts_and_a_withdrawn_consent_stays() {
    let (later, sooner) = (15, 9);
    for (one, other, due, left) in [
        // Whatever comes first, and is due first: a consent is never called off by who is back.
        (
            (EraseCause::Unfollowed, later),
            (EraseCause::Consent, sooner),
            sooner,
            true,
        ),
        (
            (EraseCause::Unfollowed, sooner),
            (EraseCause::Consent, later),
            sooner,
            true,
        ),
        (
            (EraseCause::Consent, later),
            (EraseCause::Unfollowed, sooner),
            later,
            true,
        ),
        (
            (EraseCause::Consent, sooner),
            (EraseCause::Unfollowed, later),
            sooner,
            true,
        ),
        (
            (EraseCause::Unfollowed, later),
            (EraseCause::Unfollowed, sooner),
            sooner,
            false,
        ),
    ] {
        let tables = Tables::new().await;
        let at = talk(&tables).await;
        let read = known(&tables, &at).await.unwrap();
        let note = async |(cause, days)| {
            let noted = tables.note_erasure(&at, &read, leaving(cause, 1, days));
            noted.await.unwrap()
        };
        assert!(note(one).await);
        note(other).await;
        assert!(!note(one).await && !note(other).await, "repeats");
        let noted = known(&tables, &at).await.unwrap().leaving.unwrap();
        let day = leaving(EraseCause::Consent, 1, due).due;
        assert_eq!(noted.due, day);
        assert_eq!(noted.cause == EraseCause::Consent, left);
        let early = tables.due_erasures(&shop(), after(1), 9).await.unwrap();
        assert!(early.is_empty());
        assert_eq!(tables.due_erasures(&shop(), day, 9).await.unwrap().len(), 1);
        let wrong = leaving(EraseCause::Desk, 1, due);
        assert!(!tables.call_off_erasure(&at, &ann(), wrong).await.unwrap());
        assert!(tables.call_off_erasure(&at, &ann(), noted).await.unwrap());
        assert!(!tables.call_off_erasure(&at, &ann(), noted).await.unwrap());
        assert_eq!(tables.listed("due", "erase#shop-a").await, [""; 0]);
    }
}

#[tokio::test]
async fn who_has_come_meanwhile_and_leaves_keeps_their_time_of_grace() {
    let tables = Tables::new().await;
    let at = talk(&tables).await;
    let read = known(&tables, &at).await.unwrap();
    assert!(begin(&tables, &at, &read, 1).await);
    let mut new = conversation(2, "oAnn");
    new.active = after(2);
    tables.begin(&at, &new).await.unwrap();
    let left = leaving(EraseCause::Unfollowed, 3, 1);
    assert!(tables.note_erasure(&at, &new, left).await.unwrap());
    let Some(Stage::Begun(stone)) = tables.erasure(&at).await.unwrap() else {
        unreachable!("it has begun");
    };
    tables.end_erasure(&at, &stone).await.unwrap();
    let stage = tables.erasure(&at).await.unwrap();
    assert!(matches!(stage, Some(Stage::Noted(_, noted)) if noted == left));
    let due = async |now| tables.due_erasures(&shop(), now, 9).await.unwrap().len();
    assert_eq!(due(after(3)).await, 0);
    assert_eq!(due(left.due).await, 1);
}
