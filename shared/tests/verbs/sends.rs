//! How an answer goes to WeChat: what is tried again, and how often.

use std::time::Duration;

use magpie::bridge::sweep;
use magpie::channel::{CallbackMode, Channel};
use magpie::journal::{Lane, State};
use magpie::moment::Moment;
use magpie::reason::Reason;
use serde_json::Value;

use crate::shop::{Shop, at, channel, webhook_desk};

/// A customer has written and nothing was answered yet.
async fn with_ann(pause: u32) -> (Shop, String) {
    let shop = Shop::open(crate::store().await, webhook_desk(), CallbackMode::Plain).await;
    let slow = Channel {
        part_pause_ms: pause,
        revision: 2,
        ..channel(webhook_desk(), CallbackMode::Plain)
    };
    assert!(shop.bridge.store.update_channel(&slow).await.unwrap());
    assert_eq!(shop.say("oAnn", 1, "你好").await.status(), 200);
    shop.deliver().await;
    shop.told();
    let customer = shop.customer("oAnn").await;
    (shop, customer)
}

async fn answer(shop: &Shop, customer: &str, id: &str, text: &str) {
    assert_eq!(shop.answer(id, customer, text).await.status(), 202);
    shop.deliver().await;
}

/// What the desk was told of its messages.
fn receipts(shop: &Shop) -> Vec<String> {
    let told = shop.told();
    let told = told.iter().filter(|call| call["type"] == "message.status");
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    told.map(|call| {
        let id = word(&call["message"]["id"]);
        format!(
            "{id} {} {}",
            word(&call["state"]),
            word(&call["reason"]["code"])
        )
    })
    .collect()
}

async fn minutes(shop: &Shop, minutes: u32) {
    for _ in 0..minutes {
        tokio::time::advance(Duration::from_mins(1)).await;
        let ends = shop.bridge.now().plus(Duration::from_secs(50));
        sweep::sweep(&shop.bridge, ends).await.unwrap();
        shop.deliver().await;
    }
}

#[tokio::test(start_paused = true)]
async fn wechats_system_error_is_tried_twice_more_and_no_further() {
    let (shop, ann) = with_ann(0).await;
    shop.wechat_answers(&[-1, -1]);
    answer(&shop, &ann, "one", "hello").await;
    assert_eq!(shop.sends().len(), 3);
    assert_eq!(receipts(&shop), ["one delivered -"]);
    shop.wechat_answers(&[-1; 9]);
    answer(&shop, &ann, "two", "hello").await;
    minutes(&shop, 90).await;
    assert_eq!(shop.sends().len(), 3, "WeChat may have taken each of them");
    assert_eq!(receipts(&shop), ["two failed wechat_busy"]);
}

#[tokio::test(start_paused = true)]
async fn a_send_is_repeated_once_with_another_token() {
    for code in [40001, 40014, 42001, 41001] {
        let (shop, ann) = with_ann(0).await;
        shop.wechat_answers(&[code]);
        answer(&shop, &ann, "one", "hello").await;
        assert_eq!(shop.sends().len(), 2, "{code}");
        assert_eq!(receipts(&shop), ["one delivered -"], "{code}");
        shop.wechat_answers(&[code, code]);
        tokio::time::advance(Duration::from_secs(31)).await;
        answer(&shop, &ann, "two", "hello").await;
        assert_eq!(shop.sends().len(), 2, "{code}");
        assert_eq!(receipts(&shop), [""; 0], "{code}: it waits");
        minutes(&shop, 2).await;
        assert_eq!(receipts(&shop), ["two delivered -"], "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn parts_go_one_after_another_with_the_channels_pause() {
    let (shop, ann) = with_ann(700).await;
    answer(&shop, &ann, "long", &"长".repeat(1_500)).await;
    let sends = shop.sends();
    let pauses: Vec<_> = sends
        .windows(2)
        .map(|pair| pair[1].since(pair[0]))
        .collect();
    assert_eq!(pauses.len(), 2);
    let pause = Duration::from_millis(700);
    assert!(pauses.iter().all(|between| *between >= pause), "{pauses:?}");
    assert_eq!(receipts(&shop), ["long delivered -"]);
}

#[tokio::test(start_paused = true)]
async fn the_days_quota_is_waited_for_until_the_day_is_over() {
    let (shop, ann) = with_ann(0).await;
    shop.wechat_answers(&[45009]);
    answer(&shop, &ann, "one", "hello").await;
    let out = at("oAnn");
    let parked = shop.bridge.store.look(&out, |_| true).await.unwrap().parked;
    let parked = &parked[&Lane::Out];
    assert_eq!(parked.reason, Reason::QuotaUsedUp);
    let midnight: Moment = shop.bridge.now().next_beijing_day();
    assert!(parked.due >= midnight, "{} {midnight}", parked.due);
    let rest = midnight.since(shop.bridge.now());
    tokio::time::advance(rest + Duration::from_mins(3)).await;
    minutes(&shop, 1).await;
    assert_eq!(receipts(&shop), ["one delivered -"]);
}

/// An answer that a desk gave long ago and could not bring before.
async fn old_answer(shop: &Shop, customer: &str, id: &str, age: Duration) {
    let body = serde_json::json!({
        "type": "message", "time": shop.bridge.now().minus(age).to_string(),
        "conversation": customer, "message": { "kind": "text", "text": id },
    });
    assert_eq!(shop.call(id, &body).await.status(), 202);
    shop.deliver().await;
}

#[tokio::test(start_paused = true)]
async fn answers_that_come_late_count_as_all_do() {
    let (shop, ann) = with_ann(0).await;
    for id in 1..=5 {
        answer(&shop, &ann, &format!("a{id}"), "hello").await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(shop.say("oAnn", 2, "在吗？").await.status(), 200);
    shop.deliver().await;
    assert_eq!(shop.sends().len(), 5);
    for id in 1..=3 {
        let age = Duration::from_mins(10);
        old_answer(&shop, &ann, &format!("old{id}"), age).await;
    }
    for id in 1..=4 {
        tokio::time::advance(Duration::from_secs(1)).await;
        answer(&shop, &ann, &format!("new{id}"), "hello").await;
    }
    assert_eq!(shop.sends().len(), 5, "WeChat would refuse the sixth");
    let words = receipts(&shop);
    assert_eq!(
        words[words.len() - 2..],
        ["new3 held window_full", "new4 held window_full"]
    );
    // The next window takes the two that wait, and three more.
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(shop.say("oAnn", 3, "?").await.status(), 200);
    shop.deliver().await;
    assert_eq!(shop.sends().len(), 2);
    for id in 1..=6 {
        tokio::time::advance(Duration::from_secs(1)).await;
        answer(&shop, &ann, &format!("later{id}"), "hello").await;
    }
    assert_eq!(shop.sends().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn each_answer_that_has_to_wait_is_told_as_held() {
    let (shop, ann) = with_ann(0).await;
    for id in 1..=5 {
        answer(&shop, &ann, &format!("m{id}"), "hello").await;
    }
    assert_eq!(receipts(&shop).len(), 5);
    // Both are there before anybody looks.
    for id in ["m6", "m7"] {
        assert_eq!(shop.answer(id, &ann, "hello").await.status(), 202);
        tokio::time::advance(Duration::from_millis(5)).await;
    }
    shop.deliver().await;
    let held = ["m6 held window_full", "m7 held window_full"];
    assert_eq!(receipts(&shop), held);
    // One more joins them; nobody hears twice of those that waited.
    tokio::time::advance(Duration::from_mins(2)).await;
    answer(&shop, &ann, "m8", "hello").await;
    assert_eq!(receipts(&shop), ["m8 held window_full"]);
    minutes(&shop, 3).await;
    assert_eq!(receipts(&shop), [""; 0]);
    assert_eq!(shop.say("oAnn", 2, "在吗？").await.status(), 200);
    shop.deliver().await;
    assert_eq!(
        receipts(&shop),
        ["m6 delivered -", "m7 delivered -", "m8 delivered -"]
    );
    let journal = shop.journal(&at("oAnn"), Lane::Out).await;
    assert!(journal.iter().all(|entry| entry.state == State::Delivered));
    assert_eq!(journal.len(), 8);
}
