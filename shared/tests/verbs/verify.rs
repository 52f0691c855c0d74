//! `GET /wechat/{channel}`.

use std::time::Duration;

use magpie::bridge::verify::{Probe, verify};
use magpie::channel::{CallbackMode, DeskSettings};

use crate::shop::{CHANNEL, Shop, TOKEN, channel_id, plain, secrets};
use crate::store;

#[tokio::test(start_paused = true)]
async fn a_handshake_is_echoed_or_refused() {
    for mode in [
        CallbackMode::Plain,
        CallbackMode::Compatible,
        CallbackMode::Secure,
    ] {
        let shop = Shop::open(store().await, DeskSettings::Inbox, mode).await;
        let now = shop.now();
        let good = format!("{}&echostr=5838%2B1", plain(TOKEN, now));
        for (channel, query, status, body) in [
            (CHANNEL, good.clone(), 200, "5838+1"),
            (CHANNEL, format!("x=1&{good}&y=2"), 200, "5838+1"),
            (CHANNEL, plain(TOKEN, now), 403, "Forbidden"),
            (
                CHANNEL,
                format!("{}&echostr=1", plain("another", now)),
                403,
                "Forbidden",
            ),
            (
                CHANNEL,
                format!("{}&echostr=1", plain(TOKEN, now - 601)),
                403,
                "Forbidden",
            ),
            (CHANNEL, format!("{good}&timestamp=1"), 403, "Forbidden"),
            (CHANNEL, "echostr=1".to_owned(), 403, "Forbidden"),
            (CHANNEL, String::new(), 403, "Forbidden"),
            ("unknown", good.clone(), 404, "Not Found"),
            ("No Channel", good.clone(), 404, "Not Found"),
        ] {
            let answer = verify(&shop.bridge, channel, None, &query).await;
            assert_eq!(
                (answer.status().as_u16(), &answer.body()[..]),
                (status, body.as_bytes()),
                "{query}"
            );
            assert_eq!(
                answer.headers()["content-type"],
                "text/plain; charset=utf-8"
            );
            assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_answered_and_counts_for_nothing() {
    let shop = Shop::open(store().await, DeskSettings::Inbox, CallbackMode::Secure).await;
    let seen = async || {
        let seen = shop.bridge.store.seen(&channel_id()).await.unwrap();
        seen.handshake
    };
    let probe = Probe::signed(TOKEN, shop.bridge.now(), "0123456789");
    let answer = verify(&shop.bridge, CHANNEL, None, &probe.query).await;
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(&answer.body()[..], probe.echo.as_bytes());
    assert_eq!(seen().await, None);
    let other = Probe::signed("another", shop.bridge.now(), "0123456789");
    let answer = verify(&shop.bridge, CHANNEL, None, &other.query).await;
    assert_eq!(answer.status().as_u16(), 403);
    // WeChat's own does.
    let query = format!("{}&echostr=1", plain(TOKEN, shop.now()));
    verify(&shop.bridge, CHANNEL, None, &query).await;
    assert!(seen().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_new_token_counts_at_once_where_the_old_one_fails() {
    let shop = Shop::open(store().await, DeskSettings::Inbox, CallbackMode::Plain).await;
    let answer = async |token| {
        let query = format!("{}&echostr=1", plain(token, shop.now()));
        verify(&shop.bridge, CHANNEL, None, &query)
            .await
            .status()
            .as_u16()
    };
    assert_eq!(answer(TOKEN).await, 200);
    tokio::time::advance(Duration::from_secs(1)).await;
    let mut changed = secrets(CallbackMode::Plain);
    changed.token = "another".to_owned();
    shop.bridge
        .secrets
        .put_channel(&channel_id(), &changed)
        .await
        .unwrap();
    assert_eq!(answer(TOKEN).await, 200, "what is cached still counts");
    assert_eq!(answer("another").await, 200);
    assert_eq!(answer(TOKEN).await, 403);
}
