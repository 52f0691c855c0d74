//! What becomes of a deleted channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use http::StatusCode;

use super::House;
use crate::bridge::sweep::sweep;
use crate::channel::{Channel, DeskSettings};
use crate::journal::{Class, Entry, EntryKey, Lane, Origin};
use crate::message::{Body, OpenId};
use crate::reason::Reason;
use crate::store::embedded::{Engine, Fate};
use crate::store::{Park, Store};

const MINUTE: Duration = Duration::from_mins(1);

async fn shop(house: &mut House, customers: usize) -> Channel {
    let channel = house.stage.connect("demo", DeskSettings::Inbox).await;
    for number in 0..customers {
        let who = format!("openid-{number}");
        house.stage.says(&channel.id, &who, "hello").await;
    }
    house.stage.settle().await;
    channel
}

async fn delete(house: &House) {
    let reply = house
        .program("DELETE", "/api/channels/demo?force=true", None)
        .await;
    assert_eq!(reply.status, StatusCode::ACCEPTED);
}

async fn swept(house: &House) -> bool {
    let bridge = &house.stage.bridge;
    sweep(bridge, bridge.now().plus(MINUTE)).await.unwrap();
    bridge.store.channel_ids().await.unwrap().is_empty()
}

#[tokio::test(start_paused = true)]
async fn everything_goes_begun_or_not_and_the_row_goes_last() {
    let mut house = House::new().await;
    let channel = shop(&mut house, 3).await;
    let bridge = &house.stage.bridge;
    // A lane that is parked, and an entry that died, of people with whom no
    // conversation was begun.
    let parked = house.stage.says(&channel.id, "openid-8", "parked").await;
    let at_parked = house.stage.place(&channel.id, "openid-8").await;
    let park = Park {
        channel: &channel.id,
        due: bridge.now(),
        attempts: 1,
        from: &parked.key,
        reason: Reason::Internal,
        by: "run",
    };
    let lane = Lane::In;
    assert!(bridge.store.park(&at_parked, lane, &park).await.unwrap());
    delete(&house).await;
    assert!(!swept(&house).await, "others may still believe in it");
    let mut places = vec![at_parked];
    for number in 0..3 {
        let who = format!("openid-{number}");
        places.push(house.stage.place(&channel.id, &who).await);
    }
    let bridge = &house.stage.bridge;
    for at in &places {
        assert_eq!(bridge.store.erase(at).await.unwrap(), 0, "{at}");
    }
    // A worker that believed in it began a conversation.
    let seconds = u64::try_from(bridge.now().seconds()).unwrap();
    let other = house.stage.place(&channel.id, "openid-9").await;
    let origin = Origin {
        channel: channel.id.clone(),
        open_id: Some(OpenId::new("openid-9")),
    };
    let key = EntryKey::hashed(seconds, Class::Event, b"late");
    let entry = Entry::pending(key, bridge.now(), Body::text("late"), origin);
    let customer = crate::conversation::customer_id([7; 16]);
    let new = crate::conversation::Conversation {
        channel: channel.id.clone(),
        customer: customer.clone(),
        open_id: OpenId::new("openid-9"),
        linked: false,
        session: None,
        read_up_to: None,
        last_session: None,
        late_sends: None,
        leaving: None,
        called: None,
        active: bridge.now(),
    };
    bridge.store.begin(&other, &new).await.unwrap();
    bridge.store.link(&other, &new, new.active).await.unwrap();
    bridge.store.put_entry(&other, &entry, None).await.unwrap();

    tokio::time::advance(MINUTE).await;
    assert!(!swept(&house).await);
    let store = &house.stage.bridge.store;
    assert_eq!(store.erase(&other).await.unwrap(), 0);
    assert_eq!(store.find(&customer).await.unwrap(), None);
    let body = serde_json::json!({});
    let reply = house
        .program("PUT", "/api/channels/demo", Some(&body))
        .await;
    assert_eq!(reply.json()["code"], "being_deleted");
    tokio::time::advance(MINUTE).await;
    assert!(swept(&house).await);
}

#[tokio::test(start_paused = true)]
async fn a_purge_stops_in_time_and_goes_on_in_the_next_sweep() {
    let mut house = House::new().await;
    let batches = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&batches);
    let engine = Engine::in_memory().unwrap().meddled(Arc::new(move |op, _| {
        let erases = op == "BatchWriteItem";
        let counted = Arc::clone(&counted);
        async move {
            if erases {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::time::advance(Duration::from_secs(1)).await;
            }
            Fate::Answered
        }
        .boxed()
    }));
    house.stage.bridge.store = Store::new(engine.client(), "messages", "control");
    let store = &house.stage.bridge.store;
    store.create_tables(false).await.unwrap();
    shop(&mut house, 30).await;
    delete(&house).await;
    let mut sweeps = 0;
    while !swept(&house).await {
        let done = batches.swap(0, Ordering::Relaxed);
        assert!(done <= 15, "{done} seconds of other channels' time");
        sweeps += 1;
        assert!(sweeps < 10);
        tokio::time::advance(MINUTE).await;
    }
    assert!(sweeps >= 2, "{sweeps}");
}
