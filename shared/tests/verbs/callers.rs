//! Channels that take calls from WeChat's own addresses alone.

use std::net::IpAddr;
use std::time::Duration;

use magpie::bridge::check::{Whose, check};
use magpie::bridge::inbound::inbound;
use magpie::bridge::token_refresh::token_refresh;
use magpie::bridge::verify::verify;
use magpie::channel::{CallbackMode, Channel, DeskSettings};
use magpie::journal::Lane;

use crate::shop::{CHANNEL, Shop, TOKEN, at, channel, channel_id, plain, secrets, text_push};
use crate::store;

const WECHATS: &str = "101.226.103.60";
const STRANGERS: &str = "203.0.113.7";
const LIST: &str = r#"{"ip_list":["127.0.0.1","101.226.103.0/25"]}"#;

/// A shop that takes calls from WeChat alone.
async fn careful() -> (Shop, Channel) {
    let shop = Shop::open(store().await, DeskSettings::Inbox, CallbackMode::Plain).await;
    let set = set(&shop, true, 2).await;
    (shop, set)
}

/// Somebody sets the switch, in another process.
async fn set(shop: &Shop, only_wechat_addresses: bool, revision: u64) -> Channel {
    let set = Channel {
        only_wechat_addresses,
        revision,
        ..channel(DeskSettings::Inbox, CallbackMode::Plain)
    };
    assert!(shop.bridge.store.update_channel(&set).await.unwrap());
    let mut kept = secrets(CallbackMode::Plain);
    kept.only_wechat_addresses = only_wechat_addresses;
    let kept = shop.bridge.secrets.put_channel(&channel_id(), &kept).await;
    kept.unwrap();
    set
}

/// What `WeChat` answers whoever asks for its addresses.
fn lists(shop: &Shop, body: &str) {
    let token = "t".repeat(136);
    let url = format!("https://api.weixin.qq.com/cgi-bin/getcallbackip?access_token={token}");
    shop.gives(&url, 200, body);
}

/// How often it was asked since the last time.
async fn asked(shop: &Shop) -> usize {
    let ends = shop.bridge.now().plus(Duration::from_mins(1));
    token_refresh(&shop.bridge, ends).await.unwrap();
    let sent = shop.sent_to("api.weixin.qq.com");
    let about = sent
        .iter()
        .filter(|one| one.url.path() == "/cgi-bin/getcallbackip");
    about.count()
}

/// What a push from this address is answered.
async fn push(shop: &Shop, caller: Option<&str>, id: u64) -> u16 {
    let caller = caller.map(|caller| caller.parse::<IpAddr>().unwrap());
    let body = text_push("oAnn", shop.now(), id, "你好");
    let query = plain(TOKEN, shop.now());
    let answer = inbound(&shop.bridge, CHANNEL, caller, &query, body.as_bytes()).await;
    answer.status().as_u16()
}

async fn handshake(shop: &Shop, caller: &str) -> u16 {
    let query = format!("{}&echostr=1", plain(TOKEN, shop.now()));
    let caller = Some(caller.parse().unwrap());
    let answer = verify(&shop.bridge, CHANNEL, caller, &query).await;
    answer.status().as_u16()
}

async fn found(shop: &Shop, channel: &Channel) -> String {
    let found = check(&shop.bridge, channel, Whose::Ours).await.unwrap();
    assert_eq!(found.len(), 4);
    found[3].code.clone()
}

#[tokio::test(start_paused = true)]
async fn who_has_none_of_wechats_addresses_is_refused_before_anything_is_opened() {
    let (shop, channel) = careful().await;
    lists(&shop, LIST);
    assert_eq!(asked(&shop).await, 1);
    assert_eq!(found(&shop, &channel).await, "ok");
    for (number, (caller, expected)) in [
        (Some(WECHATS), 200),
        (Some("::ffff:101.226.103.60"), 200),
        (Some("127.0.0.1"), 200),
        (Some(STRANGERS), 403),
        (Some("::ffff:203.0.113.7"), 403),
        (Some("101.226.103.128"), 403),
        (Some("::1"), 403),
        // A proxy that does not say who calls.
        (None, 403),
    ]
    .into_iter()
    .enumerate()
    {
        let id = u64::try_from(number).unwrap();
        assert_eq!(push(&shop, caller, id).await, expected, "{caller:?}");
    }
    assert_eq!(shop.journal(&at("oAnn"), Lane::In).await.len(), 3);
    assert_eq!(handshake(&shop, WECHATS).await, 200);
    assert_eq!(handshake(&shop, STRANGERS).await, 403);
    // What a stranger sends is not even looked at.
    let stranger = Some(STRANGERS.parse().unwrap());
    let answer = inbound(&shop.bridge, CHANNEL, stranger, "", b"<").await;
    assert_eq!(answer.status().as_u16(), 403);
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(push(&shop, Some(STRANGERS), 99).await, 403);
    let seen = shop.bridge.store.seen(&channel_id()).await.unwrap();
    assert_eq!(seen.refused["foreign_address"].count, 8);
    // Of a channel that there is not nobody knows more.
    let answer = inbound(&shop.bridge, "unknown", stranger, "", b"<").await;
    assert_eq!(answer.status().as_u16(), 404);
}

#[tokio::test(start_paused = true)]
async fn before_there_is_a_list_everybody_is_let_in_and_the_check_says_so() {
    let (shop, channel) = careful().await;
    for body in [
        r#"{"errcode":-1,"errmsg":"system error"}"#,
        r#"{"ip_list":[]}"#,
        r#"{"ip_list":["nonsense"]}"#,
        r#"{"errcode":0,"errmsg":"ok"}"#,
    ] {
        lists(&shop, body);
        assert_eq!(asked(&shop).await, 1, "{body}");
        assert_eq!(asked(&shop).await, 0, "not again for ten minutes");
        tokio::time::advance(Duration::from_secs(601)).await;
        assert_eq!(found(&shop, &channel).await, "no_list");
        assert_eq!(push(&shop, Some(STRANGERS), 1).await, 200);
    }
    lists(&shop, LIST);
    assert_eq!(asked(&shop).await, 1);
    // What is remembered counts a minute long: there was no list.
    assert_eq!(push(&shop, Some(STRANGERS), 2).await, 200);
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(push(&shop, Some(STRANGERS), 3).await, 403);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_renewed_every_day_and_holds_until_there_is_another() {
    let (shop, channel) = careful().await;
    lists(&shop, LIST);
    assert_eq!(asked(&shop).await, 1);
    tokio::time::advance(Duration::from_hours(24) - Duration::from_millis(1)).await;
    assert_eq!(asked(&shop).await, 0);
    tokio::time::advance(Duration::from_millis(1)).await;
    lists(&shop, r#"{"ip_list":[]}"#);
    assert_eq!(asked(&shop).await, 1);
    assert_eq!(push(&shop, Some(WECHATS), 1).await, 200);
    assert_eq!(push(&shop, Some(STRANGERS), 2).await, 403);
    tokio::time::advance(Duration::from_hours(25)).await;
    assert_eq!(found(&shop, &channel).await, "old_list");
    assert_eq!(push(&shop, Some(STRANGERS), 3).await, 403);
    // A new address is let in at once, though the old list is remembered.
    assert_eq!(push(&shop, Some(WECHATS), 4).await, 200);
    lists(&shop, r#"{"ip_list":["203.0.113.0/24"]}"#);
    assert_eq!(asked(&shop).await, 1);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(push(&shop, Some(STRANGERS), 5).await, 200);
    assert_eq!(push(&shop, Some(WECHATS), 6).await, 403);
    assert_eq!(found(&shop, &channel).await, "ok");
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_is_set_elsewhere_counts_within_a_minute_and_off_at_once() {
    let (shop, _) = careful().await;
    lists(&shop, LIST);
    assert_eq!(asked(&shop).await, 1);
    assert_eq!(push(&shop, Some(STRANGERS), 1).await, 403);
    tokio::time::advance(Duration::from_secs(10)).await;
    set(&shop, false, 3).await;
    assert_eq!(push(&shop, Some(STRANGERS), 2).await, 200);
    set(&shop, true, 4).await;
    assert_eq!(push(&shop, Some(STRANGERS), 3).await, 200);
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(push(&shop, Some(STRANGERS), 4).await, 403);
}

#[tokio::test(start_paused = true)]
async fn only_channels_that_ask_for_it_read_and_once_a_minute() {
    for (on, expected) in [(false, 0.0), (true, 0.5)] {
        let shop = Shop::open(store().await, DeskSettings::Inbox, CallbackMode::Plain).await;
        set(&shop, on, 2).await;
        lists(&shop, LIST);
        assert_eq!(asked(&shop).await, usize::from(on));
        assert_eq!(push(&shop, Some(WECHATS), 1).await, 200);
        tokio::time::advance(Duration::from_mins(1)).await;
        let before = shop.bridge.store.spent();
        for id in 2..9 {
            assert_eq!(push(&shop, Some(WECHATS), id).await, 200);
        }
        let spent = shop.bridge.store.spent() - before;
        assert!((spent.read - expected).abs() < 0.001, "{spent:?}");
    }
}
