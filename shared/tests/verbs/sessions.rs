//! In which session a message is told when that is about to end.

use std::time::Duration;

use magpie::bridge::sweep;
use magpie::channel::CallbackMode;
use magpie::journal::{Lane, State};
use serde_json::{Value, json};

use crate::shop::{Shop, at, channel_id, webhook_desk};

fn of_type<'a>(told: &'a [Value], kind: &str) -> Vec<&'a Value> {
    told.iter().filter(|call| call["type"] == kind).collect()
}

#[tokio::test(start_paused = true)]
async fn whoever_repeats_a_message_says_the_session_that_it_was_told_in() {
    let shop = Shop::open(crate::store().await, webhook_desk(), CallbackMode::Plain).await;
    assert_eq!(shop.say("oAnn", 1, "你好").await.status(), 200);
    shop.deliver().await;
    let opened = shop.told();
    let session = opened[0]["session"].as_str().unwrap().to_owned();
    let ann = shop.customer("oAnn").await;

    // In one second she writes once more and her agent ends the session; the desk goes down.
    tokio::time::advance(Duration::from_mins(5)).await;
    let end = json!({
        "type": "session.end", "time": shop.bridge.now().to_string(), "conversation": ann,
    });
    assert_eq!(shop.call("end", &end).await.status(), 202);
    assert_eq!(shop.say("oAnn", 2, "在吗？").await.status(), 200);
    shop.desk_answers(503);
    shop.deliver().await;
    let told = shop.told();
    let said = of_type(&told, "message.created");
    assert!(!said.is_empty() && said.iter().all(|call| call["session"] == session.as_str()));
    let id = &said[0]["message"]["id"];

    // Another worker, who looked before she wrote, brings the end to its end.
    let now = shop.bridge.now();
    let (store, place, channel) = (&shop.bridge.store, at("oAnn"), channel_id());
    let closed = store.close_session(&place, &channel, &session, now);
    assert!(closed.await.unwrap());

    shop.desk_answers(200);
    tokio::time::advance(Duration::from_mins(30)).await;
    let ends = shop.bridge.now().plus(Duration::from_secs(50));
    sweep::sweep(&shop.bridge, ends).await.unwrap();
    shop.deliver().await;
    let told = shop.told();
    let said = of_type(&told, "message.created");
    assert_eq!(said.len(), 1);
    assert_eq!(
        (&said[0]["session"], &said[0]["message"]["id"]),
        (&json!(session), id)
    );
    assert!(of_type(&told, "session.opened").is_empty());
    let journal = shop.journal(&place, Lane::In).await;
    assert!(journal.iter().all(|entry| entry.state == State::Delivered));

    // The next one is told in a session of its own.
    assert_eq!(shop.say("oAnn", 3, "有人吗？").await.status(), 200);
    shop.deliver().await;
    let told = shop.told();
    assert_eq!(of_type(&told, "session.opened").len(), 1);
    assert_ne!(
        of_type(&told, "message.created")[0]["session"],
        session.as_str()
    );
}
