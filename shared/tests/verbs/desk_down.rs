//! A desk that is down, and what it is told when it is there again.

use std::time::Duration;

use magpie::bridge::{breaker, sweep};
use magpie::channel::{CallbackMode, Channel, DeskSettings};
use magpie::journal::Lane;
use serde_json::Value;

use crate::shop::{Shop, at, channel, channel_id, webhook_desk};

async fn shop() -> Shop {
    Shop::open(crate::store().await, webhook_desk(), CallbackMode::Plain).await
}

async fn sweep(shop: &Shop) {
    let ends = shop.bridge.now().plus(Duration::from_secs(50));
    sweep::sweep(&shop.bridge, ends).await.unwrap();
}

/// Customers write until the breaker opens.
async fn down(shop: &Shop) {
    shop.desk_answers(503);
    for id in 0..24 {
        let who = format!("o{id}");
        assert_eq!(shop.say(&who, id, &who).await.status(), 200);
        shop.deliver().await;
    }
    assert!(
        shop.bridge
            .store
            .breaker(&channel_id())
            .await
            .unwrap()
            .is_some()
    );
    shop.told();
}

fn words(told: &[Value]) -> Vec<&str> {
    let text = |call: &'_ Value| call["message"]["text"].as_str().is_some();
    let told = told.iter().filter(|call| text(call));
    told.map(|call| call["message"]["text"].as_str().unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_desk_that_is_down_is_probed_by_every_sweep_and_drained_when_it_is_back() {
    let shop = shop().await;
    down(&shop).await;
    // A sweep comes every minute, a little after the probe before it began.
    for _ in 0..3 {
        tokio::time::advance(breaker::PROBE + Duration::from_millis(9_990)).await;
        sweep(&shop).await;
        let asked = shop.told().len();
        assert!((1..=3).contains(&asked), "one lane asks, {asked} calls");
    }
    shop.desk_answers(200);
    tokio::time::advance(Duration::from_mins(1)).await;
    sweep(&shop).await;
    let told = shop.told();
    assert!(words(&told).contains(&"o0"));
    assert!(
        shop.bridge
            .store
            .breaker(&channel_id())
            .await
            .unwrap()
            .is_none()
    );
    // Lanes that have failed themselves wait for their own time, at most a
    // quarter of an hour.
    for _ in 0..20 {
        tokio::time::advance(Duration::from_mins(1)).await;
        sweep(&shop).await;
    }
    for id in 0..24 {
        let look = shop
            .bridge
            .store
            .look(&at(&format!("o{id}")), |_| true)
            .await;
        assert!(!look.unwrap().parked.contains_key(&Lane::In), "o{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_desk_does_not_inherit_the_breaker() {
    let shop = shop().await;
    down(&shop).await;
    let known = shop
        .bridge
        .store
        .channel(&channel_id())
        .await
        .unwrap()
        .unwrap();
    let changed = Channel {
        revision: known.revision + 1,
        ..channel(DeskSettings::Inbox, CallbackMode::Plain)
    };
    assert!(shop.bridge.store.update_channel(&changed).await.unwrap());
    // As long as a process believes what it has read.
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(shop.say("oNew", 100, "hello").await.status(), 200);
    shop.deliver().await;
    let journal = shop.journal(&at("oNew"), Lane::In).await;
    assert!(journal.iter().all(|entry| entry.state.ended()));
    for _ in 0..20 {
        sweep(&shop).await;
        tokio::time::advance(Duration::from_mins(1)).await;
    }
    assert!(
        shop.bridge
            .store
            .breaker(&channel_id())
            .await
            .unwrap()
            .is_none()
    );
    let look = shop.bridge.store.look(&at("o0"), |_| true).await.unwrap();
    assert!(!look.parked.contains_key(&Lane::In));
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_a_delivered_answer_is_not_told_as_held() {
    let shop = shop().await;
    assert_eq!(shop.say("oAnn", 1, "hello").await.status(), 200);
    shop.deliver().await;
    let customer = shop.customer("oAnn").await;
    let time = shop.bridge.now();
    let answer = async |id: &str| {
        let body = serde_json::json!({
            "type": "message", "time": time.to_string(), "conversation": customer,
            "message": { "kind": "text", "text": id },
        });
        assert_eq!(shop.call(id, &body).await.status(), 202);
        shop.deliver().await;
    };
    for id in 1..=6 {
        answer(&format!("msg_{id}")).await;
    }
    let states = |told: &[Value]| -> Vec<String> {
        let told = told.iter().filter(|call| call["type"] == "message.status");
        told.map(|call| format!("{} {}", call["message"]["id"], call["state"]))
            .collect()
    };
    let told = states(&shop.told());
    assert_eq!(told.last().unwrap(), r#""msg_6" "held""#);
    // What was delivered stays delivered; what waits is told under one id.
    answer("msg_1").await;
    assert_eq!(states(&shop.told()), [""; 0]);
    answer("msg_6").await;
    let again = shop.sent_to("desk.example");
    let ids: std::collections::BTreeSet<_> = again
        .iter()
        .map(|call| call.headers.get("webhook-id").unwrap().clone())
        .map(|id| id.to_str().unwrap().to_owned())
        .collect();
    assert!(ids.len() <= 1, "{ids:?}");
}
