//! Notices: what needs no window, and what brings customers back whose window is shut.

use std::collections::BTreeMap;
use std::time::Duration;

use magpie::bridge::{sweep, walk};
use magpie::channel::{CallbackMode, Channel};
use magpie::fallback::Fallback;
use magpie::journal::{Claim, Lane, State};
use magpie::notice::{Notice, Way};
use magpie::reason::Reason;
use serde_json::{Value, json};

use crate::shop::{Shop, at, channel, event_push, webhook_desk};

const TEMPLATE: &str = "/cgi-bin/message/template/send";
const SUBSCRIBE: &str = "/cgi-bin/message/subscribe/bizsend";

fn fallback(way: Way) -> Fallback {
    let data = [("thing1", "{words}"), ("name2", "{agent}")];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Fallback {
        notice: Notice {
            way,
            template_id: "tpl-1".to_owned(),
            title: Some("回复提醒".to_owned()),
            data: data.into_iter().map(owned).collect::<BTreeMap<_, _>>(),
            url: None,
            mini_program: None,
        },
        wait_hours: 24,
    }
}

/// A customer has written, long ago.
async fn with_ann(fallback: Option<Fallback>) -> (Shop, String) {
    let shop = Shop::open(crate::store().await, webhook_desk(), CallbackMode::Plain).await;
    let changed = Channel {
        fallback,
        revision: 2,
        ..channel(webhook_desk(), CallbackMode::Plain)
    };
    assert!(shop.bridge.store.update_channel(&changed).await.unwrap());
    writes(&shop, 1).await;
    hours(&shop, 50).await;
    shop.told();
    shop.sent_to("api.weixin.qq.com");
    let customer = shop.customer("oAnn").await;
    (shop, customer)
}

async fn writes(shop: &Shop, id: u64) {
    assert_eq!(shop.say("oAnn", id, "在吗").await.status(), 200);
    shop.deliver().await;
}

async fn sweeps(shop: &Shop) {
    let ends = shop.bridge.now().plus(Duration::from_secs(50));
    sweep::sweep(&shop.bridge, ends).await.unwrap();
    shop.deliver().await;
}

/// Time passes, and the sweep comes by.
async fn hours(shop: &Shop, hours: u64) {
    tokio::time::advance(Duration::from_hours(hours)).await;
    sweeps(shop).await;
}

async fn answers(shop: &Shop, customer: &str, id: &str) {
    tokio::time::advance(Duration::from_secs(1)).await;
    let words = format!("这是第 {id} 条回复，请您查看一下内容吧，谢谢");
    assert_eq!(shop.answer(id, customer, &words).await.status(), 202);
    shop.deliver().await;
}

/// The desk sends a notice.
async fn sends(shop: &Shop, customer: &str, id: &str, kind: &str) {
    tokio::time::advance(Duration::from_secs(1)).await;
    let call = json!({
        "type": "message", "time": shop.bridge.now().to_string(), "conversation": customer,
        "message": { "kind": kind, "template_id": "tpl-9", "title": "到货",
            "data": { "thing1": "您订的书到了" }, "url": "https://a.example/book" },
    });
    assert_eq!(shop.call(id, &call).await.status(), 202);
    shop.deliver().await;
}

/// What went to WeChat: the last word of the path and what it says.
fn sent(shop: &Shop) -> Vec<String> {
    let calls = shop.sent_to("api.weixin.qq.com");
    let calls = calls
        .iter()
        .filter(|call| !call.url.path().ends_with("token"));
    calls
        .map(|call| {
            let body: Value = serde_json::from_slice(&call.body).unwrap();
            match call.url.path() {
                TEMPLATE | SUBSCRIBE => {
                    assert_eq!(body["touser"], "oAnn");
                    format!(
                        "notice {}",
                        body["data"]["thing1"]["value"].as_str().unwrap()
                    )
                }
                _ => body["text"]["content"].as_str().unwrap().to_owned(),
            }
        })
        .collect()
}

fn receipts(shop: &Shop) -> Vec<String> {
    let told = shop.told();
    let told = told.iter().filter(|call| call["type"] == "message.status");
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    told.map(|call| {
        let (id, state) = (word(&call["message"]["id"]), word(&call["state"]));
        format!("{id} {state} {}", word(&call["reason"]["code"]))
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn a_notice_goes_out_though_no_window_is_open() {
    let (shop, ann) = with_ann(None).await;
    for (id, kind, path) in [("n1", "template", TEMPLATE), ("n2", "subscribe", SUBSCRIBE)] {
        sends(&shop, &ann, id, kind).await;
        let calls = shop.sent_to("api.weixin.qq.com");
        let call = calls.iter().find(|call| call.url.path() == path).unwrap();
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let link = if kind == "template" { "url" } else { "page" };
        assert_eq!(body[link], "https://a.example/book");
        assert_eq!(body["template_id"], "tpl-9");
        assert_eq!(body["client_msg_id"].is_string(), kind == "template");
        assert_eq!(receipts(&shop), [format!("{id} delivered -")]);
    }
    let journal = shop.journal(&at("oAnn"), Lane::Out).await;
    assert!(journal.iter().all(|entry| entry.window.is_none()));
    // Words do not.
    answers(&shop, &ann, "a1").await;
    assert_eq!(receipts(&shop), ["a1 failed window_closed"]);
}

#[tokio::test(start_paused = true)]
async fn what_wechat_says_to_a_notice_is_told_to_the_agent() {
    let (shop, ann) = with_ann(None).await;
    for (code, reason) in [
        (40036, "template_refused"),
        (40037, "template_refused"),
        (43004, "unfollowed"),
        (43101, "not_subscribed"),
        (43116, "template_refused"),
        (47003, "notice_refused"),
        (40200, "unsupported_kind"),
        (45047, "refused"),
    ] {
        shop.wechat_answers(&[code]);
        let id = format!("n{code}");
        sends(&shop, &ann, &id, "template").await;
        assert_eq!(receipts(&shop), [format!("{id} failed {reason}")]);
        assert_eq!(sent(&shop).len(), 1, "{code}");
    }
    let wrong = json!({
        "type": "message", "time": shop.bridge.now().to_string(), "conversation": ann,
        "message": { "kind": "subscribe", "template_id": "t", "data": { "phrase1": "abc" } },
    });
    assert_eq!(shop.call("bad", &wrong).await.status(), 400);
}

#[tokio::test(start_paused = true)]
async fn a_notice_passes_answers_that_wait_for_a_full_window() {
    let (shop, ann) = with_ann(None).await;
    writes(&shop, 2).await;
    for id in ["a1", "a2", "a3", "a4", "a5", "a6"] {
        answers(&shop, &ann, id).await;
    }
    assert_eq!(receipts(&shop).last().unwrap(), "a6 held window_full");
    sent(&shop);
    tokio::time::advance(Duration::from_mins(2)).await;
    sends(&shop, &ann, "n1", "subscribe").await;
    assert_eq!(sent(&shop), ["notice 您订的书到了"]);
    assert_eq!(receipts(&shop), ["n1 delivered -"]);
    // The answer still waits, and goes when it can.
    writes(&shop, 3).await;
    assert_eq!(receipts(&shop), ["a6 delivered -"]);
}

#[tokio::test(start_paused = true)]
async fn one_notice_brings_the_customer_back_for_all_answers() {
    let (shop, ann) = with_ann(Some(fallback(Way::Subscribe))).await;
    for id in ["a1", "a2", "a3"] {
        answers(&shop, &ann, id).await;
    }
    assert_eq!(sent(&shop), ["notice 这是第 a1 条回复，请您查看一下内容…"]);
    let held = ["a1", "a2", "a3"].map(|id| format!("{id} held customer_notified"));
    assert_eq!(receipts(&shop), held, "each once");
    // An answer that comes late, from before the others, joins them.
    let early = json!({
        "type": "message", "time": shop.bridge.now().minus(Duration::from_mins(5)).to_string(),
        "conversation": ann, "message": { "kind": "text", "text": "early" },
    });
    assert_eq!(shop.call("early", &early).await.status(), 202);
    shop.deliver().await;
    hours(&shop, 2).await;
    assert_eq!(receipts(&shop), ["early held customer_notified"]);
    assert_eq!(sent(&shop), [""; 0]);
    writes(&shop, 2).await;
    let words = |id: &str| format!("这是第 {id} 条回复，请您查看一下内容吧，谢谢");
    let expected = ["early".to_owned(), words("a1"), words("a2"), words("a3")];
    assert_eq!(sent(&shop), expected);
    assert_eq!(receipts(&shop).len(), 4);
    // The window shuts again: this time another notice goes out.
    hours(&shop, 50).await;
    answers(&shop, &ann, "b1").await;
    assert_eq!(sent(&shop), ["notice 这是第 b1 条回复，请您查看一下内容…"]);
    assert_eq!(receipts(&shop), ["b1 held customer_notified"]);
}

#[tokio::test(start_paused = true)]
async fn a_tap_brings_them_back_too_and_an_unfollow_ends_it() {
    let (shop, ann) = with_ann(Some(fallback(Way::Template))).await;
    for id in ["a1", "a2", "a3", "a4"] {
        answers(&shop, &ann, id).await;
    }
    assert_eq!(sent(&shop).len(), 1);
    receipts(&shop);
    let tap = event_push("oAnn", shop.now(), "CLICK", "<EventKey>HELLO</EventKey>");
    assert_eq!(shop.push(&tap).await.status(), 200);
    shop.deliver().await;
    let three = ["a1 delivered -", "a2 delivered -", "a3 delivered -"];
    let told = receipts(&shop);
    assert_eq!(told[..3], three);
    assert_eq!(told[3..], ["a4 held window_full"]);
    sent(&shop);
    // The tap's minute is over: the last one waits after a notice of its own.
    tokio::time::advance(Duration::from_mins(2)).await;
    sweeps(&shop).await;
    assert_eq!(sent(&shop), ["notice 这是第 a4 条回复，请您查看一下内容…"]);
    assert_eq!(receipts(&shop), ["a4 held customer_notified"]);
    tokio::time::advance(Duration::from_mins(2)).await;
    let gone = event_push("oAnn", shop.now(), "unsubscribe", "");
    assert_eq!(shop.push(&gone).await.status(), 200);
    shop.deliver().await;
    assert_eq!(receipts(&shop), ["a4 failed unfollowed"]);
    assert_eq!(sent(&shop), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn answers_wait_so_long_and_no_longer() {
    let (shop, ann) = with_ann(Some(fallback(Way::Subscribe))).await;
    answers(&shop, &ann, "a1").await;
    hours(&shop, 23).await;
    answers(&shop, &ann, "a2").await;
    let held = ["a1 held customer_notified", "a2 held customer_notified"];
    assert_eq!(receipts(&shop), held);
    hours(&shop, 2).await;
    let over = ["a1 failed window_closed", "a2 failed window_closed"];
    assert_eq!(receipts(&shop), over);
    // The customer was asked once, and has not written.
    answers(&shop, &ann, "a3").await;
    assert_eq!(receipts(&shop), ["a3 failed window_closed"]);
    assert_eq!(sent(&shop).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn answers_die_with_the_notice() {
    for code in [40037, 43004, 43101, 47003] {
        let (shop, ann) = with_ann(Some(fallback(Way::Subscribe))).await;
        shop.wechat_answers(&[code]);
        answers(&shop, &ann, "a1").await;
        assert_eq!(receipts(&shop), ["a1 failed window_closed"], "{code}");
        answers(&shop, &ann, "a2").await;
        assert_eq!(receipts(&shop), ["a2 failed window_closed"], "{code}");
        assert_eq!(sent(&shop).len(), 1, "{code}");
        let dead = shop.journal(&at("oAnn"), Lane::Out).await;
        let notice = dead.iter().find(|entry| entry.answer.is_none()).unwrap();
        assert_eq!(notice.state, State::Dead);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_window_that_shuts_is_told_of_anew() {
    let (shop, ann) = with_ann(Some(fallback(Way::Subscribe))).await;
    writes(&shop, 2).await;
    for id in ["a1", "a2", "a3", "a4", "a5", "a6"] {
        answers(&shop, &ann, id).await;
    }
    assert_eq!(receipts(&shop).last().unwrap(), "a6 held window_full");
    sent(&shop);
    hours(&shop, 49).await;
    assert_eq!(sent(&shop), ["notice 这是第 a6 条回复，请您查看一下内容…"]);
    assert_eq!(receipts(&shop), ["a6 held customer_notified"]);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_outlived_its_worker_may_have_been_a_notice() {
    let (shop, ann) = with_ann(Some(fallback(Way::Subscribe))).await;
    // WeChat takes nothing for now: the notice waits.
    shop.wechat_answers(&[45011]);
    answers(&shop, &ann, "a1").await;
    assert_eq!(sent(&shop).len(), 1);
    let place = at("oAnn");
    let journal = shop.journal(&place, Lane::Out).await;
    let notice = journal.iter().find(|entry| entry.answer.is_none()).unwrap();
    assert_eq!(notice.state, State::Pending);
    // A worker claims it and dies.
    let claim = Claim {
        by: "another".to_owned(),
        until: shop.bridge.now().plus(Duration::from_secs(20)),
    };
    let store = &shop.bridge.store;
    assert!(
        store
            .claim(&place, &notice.key, &claim, None)
            .await
            .unwrap()
    );
    for _ in 0..3 {
        tokio::time::advance(Duration::from_mins(2)).await;
        sweeps(&shop).await;
    }
    let key = &notice.key;
    let notice = store.entry(&place, key).await.unwrap().unwrap();
    assert_eq!(
        (notice.state, notice.reason),
        (State::Dead, Some(Reason::Uncertain))
    );
    assert_eq!(sent(&shop), [""; 0], "it is not sent twice");
    assert_eq!(receipts(&shop), ["a1 held customer_notified"]);
    writes(&shop, 2).await;
    assert_eq!(receipts(&shop), ["a1 delivered -"]);
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_waits_is_dropped_when_the_customer_is_back() {
    let (shop, ann) = with_ann(Some(fallback(Way::Subscribe))).await;
    shop.wechat_answers(&[45011]);
    answers(&shop, &ann, "a1").await;
    sent(&shop);
    writes(&shop, 2).await;
    for _ in 0..2 {
        tokio::time::advance(Duration::from_mins(2)).await;
        sweeps(&shop).await;
    }
    assert_eq!(sent(&shop), ["这是第 a1 条回复，请您查看一下内容吧，谢谢"]);
    assert_eq!(receipts(&shop), ["a1 delivered -"]);
    let journal = shop.journal(&at("oAnn"), Lane::Out).await;
    let notice = journal.iter().find(|entry| entry.answer.is_none()).unwrap();
    assert_eq!(notice.reason, Some(Reason::NoticeNotNeeded));
}

#[tokio::test(start_paused = true)]
async fn the_walk_asks_back_whose_answers_bell_was_lost() {
    let (shop, ann) = with_ann(Some(fallback(Way::Subscribe))).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(shop.answer("a1", &ann, "您好").await.status(), 202);
    shop.rings();
    tokio::time::advance(Duration::from_mins(20)).await;
    walk::begin(&shop.bridge).await.unwrap();
    let ends = shop.bridge.now().plus(Duration::from_mins(1));
    walk::go_on(&shop.bridge, ends).await.unwrap();
    assert_eq!(sent(&shop), ["notice 您好"]);
    assert_eq!(receipts(&shop), ["a1 held customer_notified"]);
}
