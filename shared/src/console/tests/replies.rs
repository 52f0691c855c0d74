//! The passive replies of a channel: how an operator sets them, and how agents see them.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::House;
use crate::message::ChannelId;

const PATH: &str = "/api/channels/shop-a";

fn body(replies: &Value) -> Value {
    json!({
        "name": "Shop A", "app_id": "wx0123456789abcdef", "original_id": "gh_0123456789ab",
        "callback": { "mode": "plain", "token": "callbackToken1" },
        "desk": { "kind": "inbox" }, "replies": replies,
    })
}

async fn put(house: &House, replies: &Value) -> (StatusCode, Value) {
    let reply = house.program("PUT", PATH, Some(&body(replies))).await;
    (reply.status, reply.json())
}

fn text(text: &str) -> Value {
    json!({ "kind": "text", "text": text })
}

/// Whether a callback of the channel looks for replies.
async fn looks(house: &House) -> bool {
    let id = ChannelId::parse("shop-a").unwrap();
    let secrets = house.stage.bridge.secrets.channel(&id).await.unwrap();
    secrets.unwrap().replies
}

#[tokio::test(start_paused = true)]
async fn replies_of_every_kind_are_set_shown_and_taken_back() {
    let house = House::new().await;
    let article = |title: &str| json!({ "title": title, "description": "秋冬", "picture": "https://a.example/p.jpg", "url": "https://a.example/" });
    let all = json!({
        "welcome": { "kind": "news", "articles": [article("新品"), article("门店")] },
        "scenes": {
            "counter_3": text("柜台"),
            "7": { "kind": "image", "media_id": "m-1" },
            "门店": { "kind": "voice", "media_id": "m-2" },
            "film": { "kind": "video", "media_id": "m-3", "title": "t", "description": "d" },
            "song": { "kind": "music", "thumb_media_id": "m-4", "title": "t", "description": "d",
                "url": "https://a.example/1", "hq_url": "http://a.example/2" },
        },
        "first_message": { "kind": "news", "articles": [article("新品")] },
        "acknowledge": { "kind": "transfer_customer_service", "kf_account": "mei@shop_a" },
        "held_answers": true,
    });
    let (status, shown) = put(&house, &all).await;
    assert_eq!((status, &shown["replies"]), (StatusCode::CREATED, &all));
    assert_eq!(house.get(PATH).await["replies"], all);
    assert!(looks(&house).await);
    for none in [
        json!(null),
        json!({}),
        json!({ "welcome": null, "scenes": null, "held_answers": false }),
    ] {
        put(&house, &all).await;
        let (status, shown) = put(&house, &none).await;
        assert_eq!((status, &shown["replies"]), (StatusCode::OK, &json!({})));
        assert!(!looks(&house).await);
    }
}

#[tokio::test(start_paused = true)]
async fn what_wechat_would_not_take_is_refused_with_its_place() {
    let house = House::new().await;
    let scenes: serde_json::Map<_, _> = (0..101).map(|n| (n.to_string(), text("a"))).collect();
    let articles = |count: usize| {
        let one = json!({ "title": "t", "url": "https://a.example/" });
        json!({ "kind": "news", "articles": vec![one; count] })
    };
    for (replies, field) in [
        (json!("hello"), "replies"),
        (json!({ "hello": text("a") }), "replies.hello"),
        (json!({ "welcome": "hello" }), "replies.welcome"),
        (json!({ "welcome": {} }), "replies.welcome.kind"),
        (
            json!({ "welcome": { "kind": "text" } }),
            "replies.welcome.text",
        ),
        (json!({ "welcome": text("  ") }), "replies.welcome.text"),
        (
            json!({ "welcome": text(&"长".repeat(513)) }),
            "replies.welcome.text",
        ),
        (
            json!({ "welcome": { "kind": "text", "text": "a", "media_id": "m" } }),
            "replies.welcome.media_id",
        ),
        (
            json!({ "welcome": { "kind": "file" } }),
            "replies.welcome.kind",
        ),
        (
            json!({ "welcome": { "kind": "transfer_customer_service" } }),
            "replies.welcome.kind",
        ),
        (
            json!({ "welcome": { "kind": "image", "media_id": "有" } }),
            "replies.welcome.media_id",
        ),
        (
            json!({ "welcome": { "kind": "music" } }),
            "replies.welcome.thumb_media_id",
        ),
        (
            json!({ "welcome": { "kind": "video", "media_id": "m", "title": "" } }),
            "replies.welcome.title",
        ),
        (
            json!({ "welcome": articles(9) }),
            "replies.welcome.articles",
        ),
        (
            json!({ "welcome": articles(0) }),
            "replies.welcome.articles",
        ),
        (
            json!({ "welcome": { "kind": "news", "articles": [7] } }),
            "replies.welcome.articles",
        ),
        (
            json!({ "welcome": { "kind": "news", "articles": [{ "title": "t", "url": "javascript:a" }] } }),
            "replies.welcome.articles.0.url",
        ),
        (
            json!({ "first_message": articles(2) }),
            "replies.first_message.articles",
        ),
        (
            json!({ "acknowledge": { "kind": "transfer_customer_service", "kf_account": "mei" } }),
            "replies.acknowledge.kf_account",
        ),
        (json!({ "scenes": [] }), "replies.scenes"),
        (json!({ "scenes": scenes }), "replies.scenes"),
        (json!({ "scenes": { "": text("a") } }), "replies.scenes"),
        (
            json!({ "scenes": { "a": text("") } }),
            "replies.scenes.a.text",
        ),
        (json!({ "held_answers": "yes" }), "replies.held_answers"),
    ] {
        let (status, told) = put(&house, &replies).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{replies}");
        assert_eq!(told["errors"][0]["field"], field, "{replies}");
        assert_eq!(told["errors"].as_array().unwrap().len(), 1, "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn agents_see_what_the_account_said_by_itself() {
    let mut house = House::new().await;
    put(
        &house,
        &json!({ "acknowledge": text("已收到"), "welcome": { "kind": "image", "media_id": "m" } }),
    )
    .await;
    tokio::time::advance(Duration::from_secs(61)).await;
    let channel = ChannelId::parse("shop-a").unwrap();
    let xml = |rest: &str| {
        format!(
            "<xml><ToUserName>gh_0123456789ab</ToUserName><FromUserName>oAnn</FromUserName>\
             <CreateTime>{}</CreateTime>{rest}</xml>",
            house.stage.bridge.now().seconds()
        )
    };
    let pushes = [
        xml("<MsgType>event</MsgType><Event>subscribe</Event>"),
        xml("<MsgType>text</MsgType><Content>你好</Content><MsgId>1</MsgId>"),
    ];
    for push in pushes {
        let seconds = house.stage.bridge.now().seconds().to_string();
        let signature = crate::wechat::crypto::signature(&["callbackToken1", &seconds, "1"]);
        let query = format!("signature={signature}&timestamp={seconds}&nonce=1");
        let inbound = crate::bridge::inbound::inbound;
        let answer = inbound(
            &house.stage.bridge,
            channel.as_str(),
            None,
            &query,
            push.as_bytes(),
        )
        .await;
        assert_ne!(answer.body().as_ref(), b"success");
        house.stage.settle().await;
    }
    let all = house.get("/api/conversations").await;
    let customer = all["conversations"][0]["customer_id"].as_str().unwrap();
    let talk = house.get(&format!("/api/conversations/{customer}")).await;
    let shown = talk["messages"].as_array().unwrap();
    let shown: Vec<_> = shown
        .iter()
        .map(|m| {
            (
                m["direction"].as_str().unwrap(),
                m["kind"].as_str().unwrap(),
                m["automatic"].as_bool(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("in", "event", None),
            ("out", "image", Some(true)),
            ("in", "text", None),
            ("out", "text", Some(true)),
        ]
    );
    assert_eq!(talk["messages"][3]["text"], "已收到");
    assert_eq!(talk["window"]["left"], 5, "it uses nothing of the window");
}
