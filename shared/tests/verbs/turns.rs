//! A parked lane and who takes it up.

use std::time::Duration;

use magpie::bridge::{Ring, deliver, sweep};
use magpie::channel::CallbackMode;
use magpie::journal::{Entry, EntryKey, Lane, Origin};
use magpie::message::{Body, OpenId};
use magpie::store::Taken;
use serde_json::Value;

use crate::shop::{Shop, at, channel_id, webhook_desk};

async fn sweep(shop: &Shop) {
    let ends = shop.bridge.now().plus(Duration::from_secs(50));
    sweep::sweep(&shop.bridge, ends).await.unwrap();
}

fn words(told: &[Value]) -> Vec<&str> {
    let told = told.iter().filter(|call| call["type"] == "message.created");
    told.map(|call| call["message"]["text"].as_str().unwrap())
        .collect()
}

/// Journals words of this second without a bell.
async fn journal(shop: &Shop, seconds: i64, id: u64, text: &str) -> EntryKey {
    let key = EntryKey::message(u64::try_from(seconds).unwrap(), &id.to_string());
    let origin = Origin {
        channel: channel_id(),
        open_id: Some(OpenId::new("oAnn")),
    };
    let entry = Entry::pending(key.clone(), shop.bridge.now(), Body::text(text), origin);
    let put = shop.bridge.store.put_entry(&at("oAnn"), &entry, None).await;
    put.unwrap();
    key
}

async fn bell(shop: &Shop, key: &EntryKey) {
    let ring = Ring {
        at: at("oAnn"),
        key: key.clone(),
    };
    let ends = shop.bridge.now().plus(Duration::from_secs(30));
    let failed = deliver::deliver(&shop.bridge, &[ring], ends).await;
    assert_eq!(failed, [0; 0]);
}

/// Ann has written for a while, and her desk does not answer: ten messages wait.
async fn waiting() -> (Shop, i64) {
    let shop = Shop::open(crate::store().await, webhook_desk(), CallbackMode::Plain).await;
    shop.desk_answers(503);
    let first = shop.now();
    for number in 0..10 {
        let words = format!("{number}");
        assert_eq!(shop.say("oAnn", number + 1, &words).await.status(), 200);
        shop.deliver().await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    shop.told();
    (shop, first)
}

async fn parked_from(shop: &Shop) -> EntryKey {
    let look = shop.bridge.store.look(&at("oAnn"), |_| true).await.unwrap();
    look.parked[&Lane::In].from.clone()
}

#[tokio::test(start_paused = true)]
async fn a_late_and_older_push_is_not_forgotten_while_somebody_else_has_the_lane() {
    let (shop, first) = waiting().await;
    let (at, store) = (at("oAnn"), &shop.bridge.store);
    tokio::time::advance(Duration::from_mins(20)).await;
    // Another worker takes the lane; then the bell of an older push is answered.
    let now = shop.bridge.now();
    let taken = store.take(
        &at,
        Lane::In,
        "other",
        now,
        now.plus(Duration::from_secs(30)),
    );
    let Taken::Ours(theirs) = taken.await.unwrap() else {
        panic!("it was due");
    };
    let late = journal(&shop, first - 60, 99, "late").await;
    bell(&shop, &late).await;
    assert_eq!(parked_from(&shop).await, late);
    // The other one does not put it down behind the late one.
    let put_down = store.unpark(&at, Lane::In, "other", theirs.revision).await;
    assert!(!put_down.unwrap());
    shop.desk_answers(200);
    tokio::time::advance(Duration::from_mins(1)).await;
    sweep(&shop).await;
    shop.deliver().await;
    let told = shop.told();
    assert_eq!(words(&told)[..3], ["late", "0", "1"]);
    assert_eq!(words(&told).len(), 11);
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_is_due_is_worked_on_from_the_earliest_that_rang() {
    let (shop, first) = waiting().await;
    tokio::time::advance(Duration::from_mins(20)).await;
    let late = journal(&shop, first - 60, 99, "late").await;
    // The desk is still away: the lane is put down with the late one first.
    bell(&shop, &late).await;
    assert_eq!(parked_from(&shop).await, late);
    shop.told();
    shop.desk_answers(200);
    tokio::time::advance(Duration::from_mins(20)).await;
    sweep(&shop).await;
    shop.deliver().await;
    assert_eq!(words(&shop.told())[..2], ["late", "0"]);
}

#[tokio::test(start_paused = true)]
async fn a_bell_of_a_parked_lane_does_not_read_the_whole_of_it() {
    let (shop, _) = waiting().await;
    let cost = async || {
        let before = shop.bridge.store.spent();
        let id = u64::try_from(shop.now()).unwrap();
        assert_eq!(shop.say("oAnn", id, "more").await.status(), 200);
        shop.deliver().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        (shop.bridge.store.spent() - before).read
    };
    let first = cost().await;
    for _ in 0..200 {
        cost().await;
    }
    let last = cost().await;
    assert!(last <= first + 1.0, "{first} units, then {last}");
}
