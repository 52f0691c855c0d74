//! `POST /desk/{channel}`.

use std::time::Duration;

use magpie::bridge::outbound::outbound;
use magpie::channel::{CallbackMode, DeskSettings};
use magpie::conversation::{Conversation, customer_id};
use magpie::journal::{Class, ConversationKey, Lane, State};
use magpie::message::{Body, EndCause, OpenId, SessionEnd};
use serde_json::{Value, json};

use crate::shop::{
    CHANNEL, SECRET, Shop, at, channel_id, secrets, signed, text_push, webhook_desk,
};
use crate::store;

const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A shop whose desk knows Ann, and her customer id.
async fn with_ann() -> (Shop, String) {
    let shop = Shop::open(store().await, webhook_desk(), CallbackMode::Plain).await;
    assert_eq!(shop.say("oAnn", 1, "你好").await.status(), 200);
    shop.deliver().await;
    let told = shop.told();
    assert_eq!(types(&told), ["session.opened", "message.created"]);
    let customer = shop.customer("oAnn").await;
    assert_eq!(told[1]["conversation"], customer.as_str());
    (shop, customer)
}

fn types(told: &[Value]) -> Vec<&str> {
    told.iter()
        .map(|news| news["type"].as_str().unwrap())
        .collect()
}

fn message(shop: &Shop, conversation: &str, message: &Value) -> Value {
    json!({
        "type": "message",
        "time": shop.bridge.now().to_string(),
        "conversation": conversation,
        "message": message,
    })
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_journalled_sent_and_reported() {
    let (shop, customer) = with_ann().await;
    for _ in 0..2 {
        let answer = shop.answer("msg_1", &customer, "您好，请讲。").await;
        assert_eq!(
            (answer.status().as_u16(), &answer.body()[..]),
            (202, &b"accepted"[..])
        );
    }
    let waiting = shop.journal(&at("oAnn"), Lane::Out).await;
    assert_eq!(waiting.len(), 1, "a repeat finds its own key");
    shop.deliver().await;
    let sent = shop.sent_to("api.weixin.qq.com");
    let paths: Vec<_> = sent.iter().map(|request| request.url.path()).collect();
    assert_eq!(
        paths,
        ["/cgi-bin/stable_token", "/cgi-bin/message/custom/send"]
    );
    let body: Value = serde_json::from_slice(&sent[1].body).unwrap();
    let expected =
        json!({ "touser": "oAnn", "msgtype": "text", "text": { "content": "您好，请讲。" } });
    assert_eq!(body, expected);
    let told = shop.told();
    assert_eq!(types(&told), ["message.status"]);
    assert_eq!(
        (&told[0]["state"], &told[0]["message"]["id"]),
        (&json!("delivered"), &json!("msg_1"))
    );
    assert_eq!(told[0]["conversation"], customer.as_str());
}

#[tokio::test(start_paused = true)]
async fn other_words_under_a_used_id_change_nothing_and_are_told() {
    let (shop, customer) = with_ann().await;
    let said = |text: &str| message(&shop, &customer, &json!({ "kind": "text", "text": text }));
    let long = "很长".repeat(600);
    let (first, second, third) = (said("first"), said("second"), said(&long));
    for body in [&first, &second, &third, &first, &second, &third] {
        assert_eq!(shop.call("msg_1", body).await.status(), 202);
    }
    let entries = shop.journal(&at("oAnn"), Lane::Out).await;
    assert!(matches!(entries.as_slice(), [only] if only.body == Body::text("first")));
    shop.deliver().await;
    let mut outcomes: Vec<_> = shop
        .told()
        .iter()
        .map(|news| {
            assert_eq!(
                (&news["type"], &news["message"]["id"]),
                (&json!("message.status"), &json!("msg_1"))
            );
            assert_eq!(news["conversation"], customer.as_str());
            let reason = news["reason"]["code"].as_str().unwrap_or_default();
            format!("{} {reason}", news["state"].as_str().unwrap())
        })
        .collect();
    outcomes.sort();
    assert_eq!(
        outcomes,
        ["delivered ", "failed id_used", "failed id_used"],
        "once for each of the other words, and the first goes out"
    );
    assert_eq!(shop.call("msg_1", &second).await.status(), 202);
    shop.deliver().await;
    assert!(shop.told().is_empty(), "a repeat has been told");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_refused_may_be_mended_under_its_id_once() {
    let (shop, customer) = with_ann().await;
    let said = |text: &str| message(&shop, &customer, &json!({ "kind": "text", "text": text }));
    for (body, code) in [
        (said(""), Some("empty")),
        (said("mended"), None),
        (said("other words"), Some("id_used")),
    ] {
        assert_eq!(shop.call("msg_1", &body).await.status(), 202);
        shop.deliver().await;
        let told = shop.told();
        assert_eq!(types(&told), ["message.status"]);
        assert_eq!(told[0]["reason"]["code"].as_str(), code);
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_and_foreign_conversations_are_answered_alike() {
    let (shop, customer) = with_ann().await;
    // A customer of another channel.
    let foreign = customer_id([9; 16]);
    let elsewhere = ConversationKey::parse("U#1234567890123456789012").unwrap();
    let other = magpie::message::ChannelId::parse("shop-other").unwrap();
    let theirs = Conversation {
        channel: other,
        customer: foreign.clone(),
        open_id: OpenId::new("oElsewhere"),
        linked: false,
        session: None,
        read_up_to: None,
        last_session: None,
        late_sends: None,
        leaving: None,
        called: None,
        active: shop.bridge.now(),
    };
    let store = &shop.bridge.store;
    store.begin(&elsewhere, &theirs).await.unwrap();
    store
        .link(&elsewhere, &theirs, theirs.active)
        .await
        .unwrap();
    assert!(store.find(&foreign).await.unwrap().is_some());
    let long = "x".repeat(1000);
    let mut answers = Vec::new();
    for (number, conversation) in [
        customer_id([8; 16]).expose(),
        foreign.expose(),
        "no customer id",
        "",
        &customer.to_uppercase(),
        &long,
    ]
    .iter()
    .enumerate()
    {
        let id = format!("msg_{number}");
        let said = message(
            &shop,
            conversation,
            &json!({ "kind": "text", "text": "您好" }),
        );
        for _ in 0..2 {
            let answer = shop.call(&id, &said).await;
            answers.push((
                answer.status(),
                answer.body().clone(),
                answer.headers().clone(),
            ));
        }
        shop.deliver().await;
        let told = shop.told();
        assert_eq!(types(&told), ["message.status"], "{conversation}: once");
        assert_eq!(told[0]["state"], "failed");
        assert_eq!(told[0]["reason"]["code"], "unknown_conversation");
        assert_eq!(told[0]["message"]["id"], id.as_str());
        let named: String = conversation.chars().take(64).collect();
        assert_eq!(told[0]["conversation"], named.as_str());
        for silent in [
            json!({ "type": "typing", "conversation": conversation, "on": true, "time": shop.bridge.now().to_string() }),
            json!({ "type": "session.end", "conversation": conversation, "time": shop.bridge.now().to_string() }),
        ] {
            assert_eq!(shop.call("msg_silent", &silent).await.status(), 202);
        }
        assert!(shop.rings().is_empty());
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]));
    assert!(shop.sent_to("api.weixin.qq.com").is_empty());
    assert!(shop.journal(&elsewhere, Lane::Out).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_is_told_and_not_journalled() {
    let (shop, customer) = with_ann().await;
    let text = |text: &str| json!({ "kind": "text", "text": text });
    for (number, (said, code)) in [
        (text(&"很长".repeat(2000)), "too_long"),
        (text(""), "empty"),
        (text(" \n\t"), "empty"),
        (
            json!({ "kind": "hologram", "url": "https://example.com/a.png" }),
            "unsupported_kind",
        ),
        (json!({ "kind": "location" }), "unsupported_kind"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("msg_{number}");
        let said = message(&shop, &customer, &said);
        for _ in 0..2 {
            assert_eq!(shop.call(&id, &said).await.status(), 202);
        }
        shop.deliver().await;
        let told = shop.told();
        assert_eq!(types(&told), ["message.status"], "{code}");
        assert_eq!(
            (&told[0]["state"], &told[0]["reason"]["code"]),
            (&json!("failed"), &json!(code))
        );
        assert_eq!(told[0]["message"]["id"], id.as_str());
        assert_eq!(told[0]["conversation"], customer.as_str());
    }
    assert!(shop.journal(&at("oAnn"), Lane::Out).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_long_answer_is_put_in_parts() {
    let (shop, customer) = with_ann().await;
    let text = "一二三四五六七八九十。".repeat(150);
    assert_eq!(shop.answer("msg_1", &customer, &text).await.status(), 202);
    let parts = shop.journal(&at("oAnn"), Lane::Out).await;
    assert_eq!(parts.len(), 3);
    for (number, part) in (1..).zip(&parts) {
        let answer = part.answer.as_ref().unwrap();
        assert_eq!(
            (part.key.part(), answer.parts, answer.message.as_str()),
            (number, 3, "msg_1")
        );
    }
    assert_eq!(shop.rings().len(), 1, "one bell for the lane");
}

#[tokio::test(start_paused = true)]
async fn an_agent_ends_the_session_once() {
    let (shop, customer) = with_ann().await;
    let end = json!({ "type": "session.end", "conversation": customer,
        "time": shop.bridge.now().plus(Duration::from_secs(1)).to_string() });
    for _ in 0..2 {
        assert_eq!(shop.call("msg_end", &end).await.status(), 202);
    }
    let ends: Vec<_> = shop
        .journal(&at("oAnn"), Lane::In)
        .await
        .into_iter()
        .filter(|entry| entry.key.class() == Some(Class::SessionEnd))
        .collect();
    assert_eq!((ends.len(), ends[0].state), (1, State::Pending));
    assert!(matches!(
        &ends[0].body,
        Body::SessionEnd(SessionEnd {
            cause: EndCause::Agent,
            ..
        })
    ));
    shop.deliver().await;
    assert_eq!(types(&shop.told()), ["session.ended"]);
    assert_eq!(shop.call("msg_end", &end).await.status(), 202, "it is over");
    shop.deliver().await;
    assert!(shop.told().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_agent_ends_a_session_though_wechats_clock_is_ahead() {
    let (shop, customer) = with_ann().await;
    let ahead = text_push("oAnn", shop.now() + 120, 77, "你好");
    assert_eq!(shop.push(&ahead).await.status(), 200);
    shop.deliver().await;
    assert_eq!(types(&shop.told()), ["message.created"]);
    let end = json!({ "type": "session.end", "conversation": customer,
        "time": shop.bridge.now().to_string() });
    assert_eq!(shop.call("msg_end", &end).await.status(), 202);
    shop.deliver().await;
    assert_eq!(types(&shop.told()), ["session.ended"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ended_a_session_ends_no_other() {
    for ahead in [0, 30] {
        let (shop, customer) = with_ann().await;
        let say = async |id: u64| {
            let push = text_push("oAnn", shop.now() + ahead, id, "你好");
            assert_eq!(shop.push(&push).await.status(), 200);
            shop.deliver().await;
        };
        say(50).await;
        let end = json!({ "type": "session.end", "conversation": customer,
            "time": shop.bridge.now().to_string() });
        let call = async || {
            assert_eq!(shop.call("end-1", &end).await.status(), 202);
            shop.deliver().await;
        };
        shop.told();
        call().await;
        assert_eq!(types(&shop.told()), ["session.ended"], "{ahead}");
        say(51).await;
        assert_eq!(types(&shop.told()), ["session.opened", "message.created"]);
        tokio::time::advance(Duration::from_secs(2)).await;
        call().await;
        assert!(
            shop.told().is_empty(),
            "{ahead}: the new session is none of its"
        );
        // Another call ends that, too.
        let other = json!({ "type": "session.end", "conversation": customer,
            "time": shop.bridge.now().to_string() });
        assert_eq!(shop.call("end-2", &other).await.status(), 202);
        shop.deliver().await;
        assert_eq!(types(&shop.told()), ["session.ended"], "{ahead}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_whatever_the_desks_clock_shows() {
    for behind in [1, 10, 200] {
        let (shop, customer) = with_ann().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let span = Duration::from_secs(behind);
        let theirs = shop.bridge.now().minus(span);
        let end = json!({ "type": "session.end", "conversation": customer,
            "time": theirs.to_string() })
        .to_string();
        let headers = signed(SECRET, "end-1", theirs.seconds(), end.as_bytes());
        let taken = outbound(&shop.bridge, CHANNEL, &headers, end.as_bytes()).await;
        assert_eq!(taken.status(), 202);
        shop.deliver().await;
        assert_eq!(types(&shop.told()), ["session.ended"], "{behind}");
    }
    // What the customer wrote after the agent had ended it keeps it open.
    let (shop, customer) = with_ann().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let end = json!({ "type": "session.end", "conversation": customer,
        "time": shop.bridge.now().to_string() });
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(shop.say("oAnn", 60, "还有一个问题").await.status(), 200);
    shop.deliver().await;
    shop.told();
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(shop.call("end-1", &end).await.status(), 202);
    shop.deliver().await;
    assert!(shop.told().is_empty());
}

#[tokio::test(start_paused = true)]
async fn typing_is_passed_on_and_may_be_lost() {
    let (shop, customer) = with_ann().await;
    for (on, command) in [(true, "Typing"), (false, "CancelTyping")] {
        let typing = json!({ "type": "typing", "conversation": customer, "on": on,
            "time": shop.bridge.now().to_string() });
        assert_eq!(shop.call("msg_t", &typing).await.status(), 202);
        let sent = shop.sent_to("api.weixin.qq.com");
        let body: Value = serde_json::from_slice(&sent.last().unwrap().body).unwrap();
        assert_eq!(body, json!({ "touser": "oAnn", "command": command }));
    }
    assert!(shop.rings().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_the_desks_own_is_refused() {
    let (shop, customer) = with_ann().await;
    let body = message(&shop, &customer, &json!({ "kind": "text", "text": "您好" })).to_string();
    let ahead = shop.bridge.now().plus(Duration::from_secs(301));
    let early = json!({ "type": "message", "conversation": customer, "time": ahead.to_string(),
        "message": { "kind": "text", "text": "您好" } })
    .to_string();
    let huge = format!("{body}{}", " ".repeat(64 * 1024));
    let now = shop.now();
    for (case, channel, secret, seconds, body, expected) in [
        ("unknown", "unknown", SECRET, now, &body, 404),
        ("no id", "No Channel", SECRET, now, &body, 404),
        ("another secret", CHANNEL, OTHER, now, &body, 401),
        ("stale", CHANNEL, SECRET, now - 301, &body, 401),
        ("ahead", CHANNEL, SECRET, now + 301, &body, 401),
        ("its time is ahead", CHANNEL, SECRET, now, &early, 400),
        ("nonsense", CHANNEL, SECRET, now, &"{}".to_owned(), 400),
        ("too large", CHANNEL, SECRET, now, &huge, 413),
    ] {
        let headers = signed(secret, "msg_1", seconds, body.as_bytes());
        let answer = outbound(&shop.bridge, channel, &headers, body.as_bytes()).await;
        assert_eq!(answer.status().as_u16(), expected, "{case}");
        let words = String::from_utf8(answer.body().to_vec()).unwrap();
        assert!(
            !words.contains("您好") && !words.contains(&customer),
            "{case}: {words}"
        );
    }
    let unsigned = outbound(
        &shop.bridge,
        CHANNEL,
        &http::HeaderMap::new(),
        body.as_bytes(),
    )
    .await;
    assert_eq!(unsigned.status(), 401);
    assert!(shop.journal(&at("oAnn"), Lane::Out).await.is_empty());
    assert!(shop.rings().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_inbox_takes_no_calls_of_strangers() {
    let shop = Shop::open(store().await, DeskSettings::Inbox, CallbackMode::Plain).await;
    let answer = shop.answer("msg_1", "c", "您好").await;
    assert_eq!(answer.status(), 404);
}

#[tokio::test(start_paused = true)]
async fn a_new_secret_of_the_desk_counts_at_once() {
    let (shop, customer) = with_ann().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let mut changed = secrets(CallbackMode::Plain);
    changed.desk = vec![OTHER.to_owned(), SECRET.to_owned()];
    shop.bridge
        .secrets
        .put_channel(&channel_id(), &changed)
        .await
        .unwrap();
    for (id, secret) in [("msg_new", OTHER), ("msg_old", SECRET)] {
        let body =
            message(&shop, &customer, &json!({ "kind": "text", "text": "您好" })).to_string();
        let headers = signed(secret, id, shop.now(), body.as_bytes());
        let answer = outbound(&shop.bridge, CHANNEL, &headers, body.as_bytes()).await;
        assert_eq!(answer.status(), 202, "{id}");
    }
    shop.deliver().await;
    let sent = shop.sent_to("desk.example");
    let signatures = sent[0].headers["webhook-signature"].to_str().unwrap();
    assert_eq!(
        signatures.split(' ').count(),
        2,
        "while there are two, both sign"
    );
}
