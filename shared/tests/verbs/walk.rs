//! What is found though its bell was lost, and what goes on when a channel or
//! its desk is there again.

use std::time::Duration;

use magpie::bridge::{sweep, walk};
use magpie::channel::{CallbackMode, Channel};
use magpie::journal::Lane;
use magpie::reason::Reason;

use crate::shop::{Shop, at, channel, webhook_desk};

async fn shop() -> Shop {
    Shop::open(crate::store().await, webhook_desk(), CallbackMode::Plain).await
}

/// The words that the desk was told since the last time.
fn words(shop: &Shop) -> Vec<String> {
    let mut words: Vec<String> = shop
        .told()
        .iter()
        .filter_map(|call| call["message"]["text"].as_str().map(str::to_owned))
        .collect();
    words.sort();
    words
}

#[tokio::test(start_paused = true)]
async fn a_walk_finds_what_no_bell_tells_in_as_many_invocations_as_it_takes() {
    let shop = shop().await;
    assert_eq!(shop.say("oAnn", 1, "hello").await.status(), 200);
    assert_eq!(shop.say("oBob", 2, "hi").await.status(), 200);
    // The bells are lost with their process.
    shop.rings();
    let ends = |seconds| shop.bridge.now().plus(Duration::from_secs(seconds));

    walk::begin(&shop.bridge).await.unwrap();
    walk::go_on(&shop.bridge, ends(60)).await.unwrap();
    assert_eq!(words(&shop), [""; 0], "a bell may still be on its way");

    tokio::time::advance(walk::OLD).await;
    walk::go_on(&shop.bridge, ends(60)).await.unwrap();
    assert_eq!(words(&shop), [""; 0], "no walk is under way");
    walk::begin(&shop.bridge).await.unwrap();
    walk::go_on(&shop.bridge, ends(5)).await.unwrap();
    assert_eq!(words(&shop), [""; 0], "there was no time");
    walk::begin(&shop.bridge).await.unwrap();
    walk::go_on(&shop.bridge, ends(60)).await.unwrap();
    assert_eq!(words(&shop), ["hello", "hi"]);
    assert_eq!(shop.bridge.store.walk_place().await.unwrap(), None);
}

#[tokio::test]
async fn of_two_invocations_that_walk_one_goes_on() {
    let shop = shop().await;
    let store = &shop.bridge.store;
    assert!(store.begin_walk(shop.bridge.now()).await.unwrap());
    assert!(!store.begin_walk(shop.bridge.now()).await.unwrap());
    let place = store.walk_place().await.unwrap().unwrap();
    assert_eq!(place.cursor, None);
    let next = std::collections::HashMap::from(["pk", "sk"].map(|name| {
        let value = aws_sdk_dynamodb::types::AttributeValue::S(name.to_owned());
        (name.to_owned(), value)
    }));
    let moved = store.move_walk(&place, Some(next.clone())).await.unwrap();
    let moved = moved.unwrap();
    assert_eq!(moved.cursor, Some(next.clone()));
    assert_eq!(store.walk_place().await.unwrap(), Some(moved.clone()));
    assert_eq!(store.move_walk(&place, Some(next)).await.unwrap(), None);
    assert_eq!(store.move_walk(&place, None).await.unwrap(), None);
    assert!(store.move_walk(&moved, None).await.unwrap().is_some());
    assert_eq!(store.walk_place().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn what_waited_for_a_suspended_channel_goes_with_the_first_sweep_afterwards() {
    let shop = shop().await;
    let sweep = async || {
        let ends = shop.bridge.now().plus(Duration::from_secs(50));
        sweep::sweep(&shop.bridge, ends).await.unwrap();
    };
    let suspend = async |suspended: bool| {
        let known = shop.bridge.store.channel(&crate::shop::channel_id()).await;
        let known = known.unwrap().unwrap();
        let resumed = (!suspended).then(|| shop.bridge.now());
        let channel = Channel {
            suspended,
            resumed,
            revision: known.revision + 1,
            ..channel(webhook_desk(), CallbackMode::Plain)
        };
        assert!(shop.bridge.store.update_channel(&channel).await.unwrap());
        // As long as a process believes what it has read.
        tokio::time::advance(Duration::from_secs(61)).await;
    };
    suspend(true).await;
    for id in 1..4 {
        assert_eq!(shop.say("oAnn", id, &id.to_string()).await.status(), 200);
        shop.deliver().await;
        sweep().await;
    }
    let look = shop.bridge.store.look(&at("oAnn"), |_| true).await.unwrap();
    let parked = &look.parked[&Lane::In];
    assert_eq!((parked.reason, parked.attempts), (Reason::Suspended, 0));
    assert_eq!(words(&shop), [""; 0]);
    suspend(false).await;
    sweep().await;
    assert_eq!(words(&shop), ["1", "2", "3"]);
}
