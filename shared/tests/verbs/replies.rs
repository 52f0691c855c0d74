//! What is said in the answer to a push itself.

use std::time::Duration;

use magpie::bridge::inbound::inbound;
use magpie::channel::{CallbackMode, Channel, DeskSettings};
use magpie::journal::{Lane, State};
use magpie::reply::{Replies, Reply};
use magpie::secrets::{ChannelSecrets, Kept};
use magpie::wechat::crypto::{self, AesKey};
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::json;

use crate::shop::{
    APP_ID, CHANNEL, KEY, ORIGINAL_ID, Response, Shop, TOKEN, at, channel, channel_id, event_push,
    secrets, secure, text_push, webhook_desk,
};
use crate::store;

fn all() -> Replies {
    Replies {
        welcome: Some(Reply::text("欢迎")),
        scenes: [("counter_3".to_owned(), Reply::text("柜台"))].into(),
        first_message: Some(Reply::text("初次见面")),
        acknowledge: Some(Reply::text("已收到")),
        held_answers: true,
    }
}

/// A shop whose channel has these replies.
async fn shop(desk: DeskSettings, mode: CallbackMode, replies: Replies) -> Shop {
    let shop = Shop::open(store().await, desk.clone(), mode).await;
    set(&shop, desk, mode, replies, false).await;
    shop
}

async fn set(
    shop: &Shop,
    desk: DeskSettings,
    mode: CallbackMode,
    replies: Replies,
    suspended: bool,
) {
    let has = ChannelSecrets {
        replies: replies.any(),
        ..secrets(mode)
    };
    let changed = Channel {
        replies,
        suspended,
        revision: 2,
        ..channel(desk, mode)
    };
    let bridge = &shop.bridge;
    assert!(bridge.store.update_channel(&changed).await.unwrap());
    let (version, _) = bridge.secrets.kept(&channel_id()).await.unwrap().unwrap();
    let kept = Kept::settled(2, has);
    assert!(
        bridge
            .secrets
            .keep(&channel_id(), Some(&version), &kept)
            .await
            .unwrap()
    );
}

/// The texts of the elements of a document by name.
fn elements(xml: &str) -> Vec<(String, String)> {
    let mut reader = Reader::from_str(xml);
    let (mut open, mut texts) = (Vec::new(), Vec::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) => open.push((tag.name().0.to_owned(), String::new())),
            Event::End(_) => texts.extend(open.pop()),
            Event::Text(text) => open.last_mut().unwrap().1.push_str(&text),
            Event::CData(text) => open.last_mut().unwrap().1.push_str(&text),
            Event::Eof => return texts,
            _ => {}
        }
    }
}

fn element(xml: &str, name: &str) -> String {
    let found = elements(xml).into_iter().find(|(known, _)| known == name);
    found.unwrap_or_default().1
}

/// WeChat pushes this, in the mode of this file's shops.
async fn push(shop: &Shop, xml: &str) -> Response {
    let (query, body) = secure(TOKEN, KEY, APP_ID, shop.now(), xml);
    inbound(&shop.bridge, CHANNEL, None, &query, body.as_bytes()).await
}

async fn say(shop: &Shop, who: &str, id: u64) -> Response {
    push(shop, &text_push(who, shop.now(), id, "你好")).await
}

/// What a reply says, or `success`.
fn said(response: &Response) -> String {
    assert_eq!(response.status(), 200);
    let body = std::str::from_utf8(response.body()).unwrap();
    if body == "success" {
        return body.to_owned();
    }
    assert_eq!(
        response.headers()["content-type"],
        "text/xml; charset=utf-8"
    );
    let (sealed, nonce) = (element(body, "Encrypt"), element(body, "Nonce"));
    let inner = if sealed.is_empty() {
        body.to_owned()
    } else {
        let parts = [TOKEN, &element(body, "TimeStamp"), &nonce, &sealed];
        assert_eq!(crypto::signature(&parts), element(body, "MsgSignature"));
        let opened = crypto::decrypt(&AesKey::parse(KEY).unwrap(), &sealed).unwrap();
        assert_eq!(opened.app_id, APP_ID);
        String::from_utf8(opened.message).unwrap()
    };
    assert_eq!(element(&inner, "FromUserName"), ORIGINAL_ID);
    element(&inner, "Content")
}

async fn event(shop: &Shop, who: &str, name: &str, rest: &str) -> String {
    let pushed = push(shop, &event_push(who, shop.now(), name, rest)).await;
    shop.deliver().await;
    said(&pushed)
}

async fn words(shop: &Shop, who: &str, id: u64) -> String {
    said(&say(shop, who, id).await)
}

#[tokio::test(start_paused = true)]
async fn whoever_follows_is_welcomed_by_the_scene_that_led_here() {
    let shop = shop(DeskSettings::Inbox, CallbackMode::Secure, all()).await;
    for (who, name, key, expected) in [
        ("oAnn", "subscribe", "", "欢迎"),
        ("oBen", "subscribe", "<EventKey/>", "欢迎"),
        (
            "oCat",
            "subscribe",
            "<EventKey>qrscene_counter_3</EventKey>",
            "柜台",
        ),
        (
            "oDan",
            "subscribe",
            "<EventKey>qrscene_door</EventKey>",
            "欢迎",
        ),
        ("oAnn", "SCAN", "<EventKey>counter_3</EventKey>", "柜台"),
        ("oAnn", "SCAN", "<EventKey>door</EventKey>", "success"),
        ("oAnn", "CLICK", "<EventKey>HOURS</EventKey>", "success"),
        ("oAnn", "unsubscribe", "", "success"),
        ("oAnn", "LOCATION", "<Latitude>1</Latitude>", "success"),
        (
            "oSystem",
            "verify_expired",
            "<ExpiredTime>1</ExpiredTime>",
            "success",
        ),
    ] {
        assert_eq!(
            event(&shop, who, name, key).await,
            expected,
            "{who} {name} {key}"
        );
    }
    assert!(shop.sends().is_empty(), "nothing of the window is used");
}

#[tokio::test(start_paused = true)]
async fn a_first_message_is_greeted_and_a_sessions_first_acknowledged() {
    let shop = shop(webhook_desk(), CallbackMode::Secure, all()).await;
    assert_eq!(event(&shop, "oAnn", "subscribe", "").await, "欢迎");
    assert_eq!(words(&shop, "oAnn", 1).await, "初次见面");
    // Before a worker has opened the session, and after that.
    assert_eq!(words(&shop, "oAnn", 2).await, "success");
    shop.deliver().await;
    assert_eq!(words(&shop, "oAnn", 3).await, "success");
    shop.deliver().await;
    let ann = shop.customer("oAnn").await;
    tokio::time::advance(Duration::from_secs(5)).await;
    let end = json!({ "type": "session.end", "time": shop.bridge.now().to_string(), "conversation": ann });
    assert_eq!(shop.call("end", &end).await.status(), 202);
    shop.deliver().await;
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(words(&shop, "oAnn", 4).await, "已收到");
    // Somebody who never followed, and somebody to whom only that is said.
    assert_eq!(words(&shop, "oBen", 5).await, "初次见面");
    let only = Replies {
        acknowledge: Some(Reply::text("已收到")),
        ..Replies::default()
    };
    let other = self::shop(webhook_desk(), CallbackMode::Secure, only).await;
    assert_eq!(words(&other, "oAnn", 1).await, "已收到");
    assert_eq!(words(&other, "oAnn", 2).await, "success");
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_answered_as_the_first_was() {
    let shop = shop(DeskSettings::Inbox, CallbackMode::Secure, all()).await;
    let sent = text_push("oAnn", shop.now(), 1, "你好");
    assert_eq!(said(&push(&shop, &sent).await), "初次见面");
    shop.deliver().await;
    // The conversation has begun, and the reply was changed meanwhile.
    set_first_message(&shop, "别的话").await;
    assert_eq!(said(&push(&shop, &sent).await), "初次见面");
    let entries = shop.journal(&at("oAnn"), Lane::In).await;
    assert_eq!(entries.len(), 1);
    let follow = event_push("oBen", shop.now(), "subscribe", "");
    let (one, other) = (push(&shop, &follow).await, push(&shop, &follow).await);
    assert_eq!(
        (said(&one), said(&other)),
        ("欢迎".to_owned(), "欢迎".to_owned())
    );
}

async fn set_first_message(shop: &Shop, text: &str) {
    let replies = Replies {
        first_message: Some(Reply::text(text)),
        ..all()
    };
    let changed = Channel {
        replies,
        revision: 3,
        ..channel(DeskSettings::Inbox, CallbackMode::Secure)
    };
    assert!(shop.bridge.store.update_channel(&changed).await.unwrap());
    tokio::time::advance(Duration::from_secs(61)).await;
}

#[tokio::test(start_paused = true)]
async fn in_every_mode_a_reply_comes_back_as_the_push_came() {
    for mode in [CallbackMode::Compatible, CallbackMode::Secure] {
        let shop = shop(DeskSettings::Inbox, mode, all()).await;
        let pushed = push(&shop, &event_push("oAnn", shop.now(), "subscribe", "")).await;
        let body = std::str::from_utf8(pushed.body()).unwrap();
        assert!(body.contains("<Encrypt>"), "{mode:?}");
        assert_eq!(said(&pushed), "欢迎");
    }
    let shop = shop(DeskSettings::Inbox, CallbackMode::Plain, all()).await;
    let pushed = shop
        .push(&event_push("oAnn", shop.now(), "subscribe", ""))
        .await;
    assert_eq!(said(&pushed), "欢迎");
    assert!(!String::from_utf8_lossy(pushed.body()).contains("<Encrypt>"));
}

/// Whoever saw the address of a plain push can say anything with it: no agent's answer is
/// given to them.
#[tokio::test(start_paused = true)]
async fn nothing_rides_on_a_plain_push() {
    let shop = shop(webhook_desk(), CallbackMode::Plain, all()).await;
    assert_eq!(said(&shop.say("oAnn", 1, "你好").await), "初次见面");
    shop.deliver().await;
    let ann = shop.customer("oAnn").await;
    for number in 1..=6 {
        tokio::time::advance(Duration::from_secs(2)).await;
        shop.answer(&format!("m{number}"), &ann, "hello").await;
        shop.deliver().await;
    }
    assert_eq!(shop.sends().len(), 5);
    assert_eq!(said(&shop.say("oAnn", 2, "在吗").await), "success");
    shop.deliver().await;
    assert_eq!(shop.sends().len(), 1);
}

/// One process knows of the channel's replies, another one does not.
#[tokio::test(start_paused = true)]
async fn a_repeat_is_answered_though_replies_are_off_by_then() {
    let shop = shop(webhook_desk(), CallbackMode::Secure, all()).await;
    held(&shop, "第六条").await;
    let sent = text_push("oAnn", shop.now(), 2, "在吗");
    assert_eq!(said(&push(&shop, &sent).await), "第六条");
    let off = Channel {
        revision: 3,
        ..channel(webhook_desk(), CallbackMode::Secure)
    };
    let bridge = &shop.bridge;
    assert!(bridge.store.update_channel(&off).await.unwrap());
    let (version, _) = bridge.secrets.kept(&channel_id()).await.unwrap().unwrap();
    let kept = Kept::settled(3, secrets(CallbackMode::Secure));
    let id = channel_id();
    assert!(
        bridge
            .secrets
            .keep(&id, Some(&version), &kept)
            .await
            .unwrap()
    );
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(said(&push(&shop, &sent).await), "第六条");
    assert_eq!(words(&shop, "oBen", 3).await, "success");
}

/// Of two messages at once only one carries an answer: nobody knows which reply comes
/// first.
#[tokio::test(start_paused = true)]
async fn two_rides_do_not_overtake_one_another() {
    let shop = shop(webhook_desk(), CallbackMode::Secure, all()).await;
    let ann = held(&shop, "第六条").await;
    shop.answer("m7", &ann, "第七条").await;
    shop.deliver().await;
    assert_eq!(words(&shop, "oAnn", 2).await, "第六条");
    assert_eq!(words(&shop, "oAnn", 3).await, "success");
    shop.deliver().await;
    assert_eq!(shop.sends().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_reply_costs() {
    let shop = shop(webhook_desk(), CallbackMode::Secure, all()).await;
    held(&shop, "第六条").await;
    let spent = async |id| {
        let before = shop.bridge.store.spent();
        words(&shop, "oAnn", id).await;
        shop.bridge.store.spent() - before
    };
    let ride = spent(2).await;
    assert!(ride.write <= 6.0 && ride.read <= 5.0, "{ride:?}");
    shop.deliver().await;
    let within = spent(3).await;
    assert!(within.write <= 1.0 && within.read <= 2.0, "{within:?}");
}

#[tokio::test(start_paused = true)]
async fn who_has_no_replies_or_is_suspended_says_nothing_and_reads_nothing() {
    let none = shop(
        DeskSettings::Inbox,
        CallbackMode::Secure,
        Replies::default(),
    )
    .await;
    words(&none, "oBen", 1).await;
    let before = none.bridge.store.spent();
    assert_eq!(words(&none, "oAnn", 1).await, "success");
    let spent = none.bridge.store.spent() - before;
    assert!(spent.read < 0.1 && spent.write <= 1.0, "{spent:?}");
    let still = shop(DeskSettings::Inbox, CallbackMode::Secure, all()).await;
    let changed = Channel {
        suspended: true,
        replies: all(),
        revision: 3,
        ..channel(DeskSettings::Inbox, CallbackMode::Secure)
    };
    assert!(still.bridge.store.update_channel(&changed).await.unwrap());
    assert_eq!(event(&still, "oAnn", "subscribe", "").await, "success");
    assert_eq!(words(&still, "oAnn", 1).await, "success");
}

#[tokio::test(start_paused = true)]
async fn a_mini_programs_push_gets_no_reply() {
    let shop = shop(DeskSettings::Inbox, CallbackMode::Secure, all()).await;
    let push = json!({
        "ToUserName": ORIGINAL_ID, "FromUserName": "oAnn", "CreateTime": shop.now(),
        "MsgType": "text", "Content": "你好", "MsgId": 1,
    });
    let pushed = self::push(&shop, &push.to_string()).await;
    assert_eq!(said(&pushed), "success");
    shop.deliver().await;
    assert_eq!(shop.journal(&at("oAnn"), Lane::In).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_desk_is_told_what_the_account_said_by_itself() {
    let shop = shop(webhook_desk(), CallbackMode::Secure, all()).await;
    assert_eq!(said(&say(&shop, "oAnn", 1).await), "初次见面");
    shop.deliver().await;
    let created = |told: Vec<serde_json::Value>, kind: &str| -> serde_json::Value {
        let mut told = told.into_iter().filter(|news| news["type"] == kind);
        let news = told.next().unwrap();
        assert!(told.next().is_none());
        news
    };
    let news = created(shop.told(), "message.created");
    let first = json!({ "kind": "text", "text": "初次见面" });
    assert_eq!(news["reply"], first);
    assert_eq!(news["message"]["text"], "你好");
    // Once a session; what else is said is answered with nothing.
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(said(&say(&shop, "oAnn", 2).await), "success");
    shop.deliver().await;
    assert_eq!(created(shop.told(), "message.created").get("reply"), None);
    // A scan in the session, too.
    let scan = "<EventKey>counter_3</EventKey>";
    let scanned = push(&shop, &event_push("oAnn", shop.now(), "SCAN", scan)).await;
    assert_eq!(said(&scanned), "柜台");
    shop.deliver().await;
    let news = created(shop.told(), "event.created");
    assert_eq!(news["reply"], json!({ "kind": "text", "text": "柜台" }));
}

/// Six answers of which one waits for the window.
async fn held(shop: &Shop, last: &str) -> String {
    words(shop, "oAnn", 1).await;
    shop.deliver().await;
    let ann = shop.customer("oAnn").await;
    for number in 1..=5 {
        shop.answer(&format!("m{number}"), &ann, "hello").await;
        shop.deliver().await;
        tokio::time::advance(Duration::from_secs(2)).await;
    }
    shop.answer("m6", &ann, last).await;
    shop.deliver().await;
    assert_eq!(shop.sends().len(), 5);
    shop.told();
    ann
}

#[tokio::test(start_paused = true)]
async fn a_held_answer_rides_on_the_reply_to_the_next_push() {
    let shop = shop(webhook_desk(), CallbackMode::Secure, all()).await;
    held(&shop, "第六条").await;
    let sent = text_push("oAnn", shop.now(), 2, "在吗");
    assert_eq!(said(&push(&shop, &sent).await), "第六条");
    // It counts as delivered from then.
    let sixth = shop.journal(&at("oAnn"), Lane::Out).await.pop().unwrap();
    assert_eq!((sixth.state, sixth.window), (State::Delivered, None));
    assert_eq!(
        said(&push(&shop, &sent).await),
        "第六条",
        "a repeat gets the same"
    );
    shop.deliver().await;
    assert!(shop.sends().is_empty());
    let told = shop.told();
    // What rode was an agent's: of that there is a receipt, and no word in the news.
    assert!(told.iter().all(|news| news.get("reply").is_none()));
    let receipts: Vec<_> = told
        .iter()
        .filter(|call| call["type"] == "message.status")
        .collect();
    assert_eq!(receipts.len(), 1, "{told:?}");
    assert_eq!(
        (&receipts[0]["message"]["id"], &receipts[0]["state"]),
        (&json!("m6"), &json!("delivered"))
    );
    // The new window has all its five.
    let ann = shop.customer("oAnn").await;
    for number in 7..=11 {
        tokio::time::advance(Duration::from_secs(2)).await;
        shop.answer(&format!("m{number}"), &ann, "hello").await;
        shop.deliver().await;
    }
    assert_eq!(shop.sends().len(), 5);
    let look = shop.bridge.store.look(&at("oAnn"), |_| true).await.unwrap();
    assert!(look.parked.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_else_waits_follows_behind_the_reply() {
    let shop = shop(webhook_desk(), CallbackMode::Secure, all()).await;
    let ann = held(&shop, "第六条").await;
    shop.answer("m7", &ann, "第七条").await;
    shop.deliver().await;
    let pushed = shop.bridge.now();
    assert_eq!(words(&shop, "oAnn", 2).await, "第六条");
    shop.deliver().await;
    let sends = shop.sends();
    assert_eq!(sends.len(), 1);
    assert!(sends[0].since(pushed) >= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_several_parts_does_not_ride() {
    let shop = shop(webhook_desk(), CallbackMode::Secure, all()).await;
    held(&shop, &"长".repeat(1_000)).await;
    assert_eq!(words(&shop, "oAnn", 2).await, "success");
    shop.deliver().await;
    assert_eq!(shop.sends().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_rides_on_what_opens_no_window_or_where_it_was_not_asked_for() {
    let shop = shop(webhook_desk(), CallbackMode::Secure, all()).await;
    held(&shop, "第六条").await;
    assert_eq!(
        event(
            &shop,
            "oAnn",
            "VIEW",
            "<EventKey>https://a.example</EventKey>"
        )
        .await,
        "success"
    );
    assert_eq!(
        event(&shop, "oAnn", "CLICK", "<EventKey>HOURS</EventKey>").await,
        "第六条"
    );
    let silent = Replies {
        held_answers: false,
        ..all()
    };
    let shop = self::shop(webhook_desk(), CallbackMode::Secure, silent).await;
    held(&shop, "第六条").await;
    assert_eq!(words(&shop, "oAnn", 2).await, "success");
    shop.deliver().await;
    assert_eq!(shop.sends().len(), 1);
}
