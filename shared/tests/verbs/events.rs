//! Which events a desk hears of.

use magpie::channel::CallbackMode;
use magpie::journal::Lane;
use serde_json::Value;

use crate::shop::{Shop, at, event_push, webhook_desk};

const KEY: &str = "<EventKey>menu-1</EventKey>";

async fn push(shop: &Shop, name: &str, rest: &str) {
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    let event = event_push("oAnn", shop.now(), name, rest);
    assert_eq!(shop.push(&event).await.status(), 200, "{name}");
    shop.deliver().await;
}

fn types(told: &[Value]) -> Vec<&str> {
    told.iter()
        .map(|call| call["type"].as_str().unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_desk_hears_of_events_in_a_session_and_of_no_views_and_places() {
    let shop = Shop::open(crate::store().await, webhook_desk(), CallbackMode::Plain).await;
    let place = "<Latitude>23.1</Latitude><Longitude>113.3</Longitude><Precision>9</Precision>";
    // Before the customer has written no session is open.
    for (name, rest) in [
        ("subscribe", ""),
        ("CLICK", KEY),
        ("VIEW", KEY),
        ("LOCATION", place),
    ] {
        push(&shop, name, rest).await;
    }
    assert_eq!(types(&shop.told()), [""; 0]);
    let journal = shop.journal(&at("oAnn"), Lane::In).await;
    assert_eq!(journal.len(), 3, "a place is no entry");
    assert!(journal.iter().all(|entry| entry.state.ended()));

    assert_eq!(shop.say("oAnn", 1, "你好").await.status(), 200);
    shop.deliver().await;
    assert_eq!(types(&shop.told()), ["session.opened", "message.created"]);
    for (name, rest) in [("VIEW", KEY), ("LOCATION", place), ("CLICK", KEY)] {
        push(&shop, name, rest).await;
    }
    let told = shop.told();
    assert_eq!(types(&told), ["event.created"]);
    let session = told[0]["session"].clone();
    assert!(
        session.is_string() && told[0]["event"].is_object(),
        "{}",
        told[0]
    );
    push(&shop, "unsubscribe", "").await;
    let told = shop.told();
    assert_eq!(types(&told), ["event.created", "session.ended"]);
    assert!(told.iter().all(|call| call["session"] == session));
    push(&shop, "CLICK", KEY).await;
    assert_eq!(types(&shop.told()), [""; 0]);
}
