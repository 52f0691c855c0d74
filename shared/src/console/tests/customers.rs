//! The erasure of one customer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use http::StatusCode;
use serde_json::json;

use super::House;
use crate::channel::DeskSettings;
use crate::journal::{ConversationKey, Lane};
use crate::message::CustomerId;
use crate::reason::Reason;
use crate::store::embedded::{Engine, Fate};
use crate::store::{Park, Store};

/// The write that goes wrong, counted from now on; none is far away.
type Nth = Arc<AtomicUsize>;
const NONE: usize = usize::MAX;

/// A house whose store meets with `fate` at one write.
async fn house(fate: Fate) -> (House, Nth) {
    let mut house = House::new().await;
    let nth = Arc::new(AtomicUsize::new(NONE));
    let left = Arc::clone(&nth);
    let engine = Engine::in_memory().unwrap().meddled(Arc::new(move |op, _| {
        let writes = !matches!(op, "Query" | "GetItem" | "Scan" | "CreateTable");
        let counts = writes && left.load(Ordering::SeqCst) != NONE;
        let hit = counts && left.fetch_sub(1, Ordering::SeqCst) == 0;
        async move { if hit { fate } else { Fate::Answered } }.boxed()
    }));
    house.stage.bridge.store = Store::new(engine.client(), "messages", "control");
    let store = &house.stage.bridge.store;
    store.create_tables(false).await.unwrap();
    house.stage.connect("demo", DeskSettings::Inbox).await;
    (house, nth)
}

/// Somebody with many rows of every kind, and how the inbox knows them.
async fn somebody(house: &mut House) -> (ConversationKey, CustomerId) {
    let channel = house.stage.connect("other", DeskSettings::Inbox).await;
    for number in 0..60 {
        let words = format!("message {number}");
        house.stage.says(&channel.id, "openid-1", &words).await;
    }
    house.stage.settle().await;
    let at = house.stage.place(&channel.id, "openid-1").await;
    let bridge = &house.stage.bridge;
    let (conversation, _) = bridge.store.conversation(&at).await.unwrap().unwrap();
    let said = json!({
        "id": "answer-1",
        "time": bridge.now().to_string(),
        "kind": "text",
        "text": "an answer that waits",
    });
    let path = format!(
        "/api/conversations/{}/messages",
        conversation.customer.expose()
    );
    let reply = house.program("POST", &path, Some(&said)).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.text);
    let (entries, _) = bridge
        .store
        .history(&at, Lane::Out, None, 10, bridge.now())
        .await
        .unwrap();
    let park = Park {
        channel: &channel.id,
        due: bridge.now(),
        attempts: 1,
        from: &entries[0].key,
        reason: Reason::Internal,
        by: "run",
    };
    assert!(bridge.store.park(&at, Lane::Out, &park).await.unwrap());
    (at, conversation.customer)
}

fn path(customer: &CustomerId) -> String {
    format!("/api/customers/{}", customer.expose())
}

async fn assert_gone(house: &House, at: &ConversationKey, customer: &CustomerId) {
    let bridge = &house.stage.bridge;
    assert_eq!(bridge.store.erase(at).await.unwrap(), 0);
    assert_eq!(bridge.store.find(customer).await.unwrap(), None);
    let reply = house.program("DELETE", &path(customer), None).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_customer_is_left_and_everything_of_others() {
    let (mut house, _) = house(Fate::Answered).await;
    let (at, customer) = somebody(&mut house).await;
    let channel = crate::message::ChannelId::parse("other").unwrap();
    house.stage.says(&channel, "openid-2", "I stay").await;
    house.stage.settle().await;
    let reply = house.program("DELETE", &path(&customer), None).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    let answer = reply.json();
    assert_eq!(answer["finished"], true);
    let places: Vec<_> = answer["remains"].as_array().unwrap().iter().collect();
    assert_eq!((&places[0]["place"], places.len()), (&json!("backups"), 2));
    assert_gone(&house, &at, &customer).await;
    let others = house
        .get("/api/conversations?channel=other&state=all")
        .await;
    let others = others["conversations"].as_array().unwrap();
    assert_eq!(others.len(), 1);
    assert_ne!(others[0]["customer_id"], customer.expose());
    // Who writes again is a new one.
    house.stage.says(&channel, "openid-1", "hello again").await;
    house.stage.settle().await;
    let bridge = &house.stage.bridge;
    let (again, _) = bridge.store.conversation(&at).await.unwrap().unwrap();
    assert_ne!(again.customer, customer);
    // The old one cannot touch the new one.
    let reply = house.program("DELETE", &path(&customer), None).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert!(bridge.store.conversation(&at).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn an_erasure_that_is_interrupted_at_any_write_goes_on() {
    for fate in [Fate::Throttled, Fate::AnswerLost] {
        for number in 0.. {
            let (mut house, nth) = house(fate).await;
            let (at, customer) = somebody(&mut house).await;
            nth.store(number, Ordering::SeqCst);
            let reply = house.program("DELETE", &path(&customer), None).await;
            let hit = nth.swap(NONE, Ordering::SeqCst) > number;
            if hit && reply.status != StatusCode::OK {
                assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{number}");
                let again = house.program("DELETE", &path(&customer), None).await;
                let done = [StatusCode::OK, StatusCode::NOT_FOUND];
                assert!(done.contains(&again.status), "{number}: {}", again.text);
            }
            assert_gone(&house, &at, &customer).await;
            if !hit {
                assert!(number > 4, "the writes of an erasure: {number}");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_goes_on_with_the_same_call() {
    let mut house = House::new().await;
    let engine = Engine::in_memory().unwrap().meddled(Arc::new(move |op, _| {
        let erases = op == "BatchWriteItem";
        async move {
            if erases {
                tokio::time::advance(Duration::from_secs(15)).await;
            }
            Fate::Answered
        }
        .boxed()
    }));
    house.stage.bridge.store = Store::new(engine.client(), "messages", "control");
    let store = &house.stage.bridge.store;
    store.create_tables(false).await.unwrap();
    let (at, customer) = somebody(&mut house).await;
    let reply = house.program("DELETE", &path(&customer), None).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.text);
    assert_eq!(reply.json()["finished"], false);
    let mut calls = 1;
    while house.program("DELETE", &path(&customer), None).await.status == StatusCode::ACCEPTED {
        calls += 1;
        assert!(calls < 10);
    }
    assert_gone(&house, &at, &customer).await;
}
