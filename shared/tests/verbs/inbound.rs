//! `POST /wechat/{channel}`.

use std::time::Duration;

use magpie::bridge::inbound::inbound;
use magpie::channel::{CallbackMode, DeskSettings, REFUSED_FOR};
use magpie::journal::{Class, ConversationKey, Entry, Lane, State};
use magpie::message::{Body, OpenId};
use magpie::wechat::callback::MAX_BODY;

use crate::shop::{
    APP_ID, CHANNEL, KEY, Shop, TOKEN, at, channel_id, event_push, plain, secrets, secure,
    text_push,
};
use crate::store;

const OLD_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

async fn shop(mode: CallbackMode) -> Shop {
    Shop::open(store().await, DeskSettings::Inbox, mode).await
}

async fn status(shop: &Shop, channel: &str, (query, body): &(String, String)) -> u16 {
    let answer = inbound(&shop.bridge, channel, None, query, body.as_bytes()).await;
    answer.status().as_u16()
}

/// Everything that is journalled of Ann and of the channel itself.
async fn journalled(shop: &Shop) -> Vec<Entry> {
    let own = ConversationKey::of_channel(&channel_id());
    let mut all = shop.journal(&at("oAnn"), Lane::In).await;
    all.extend(shop.journal(&own, Lane::In).await);
    all
}

#[expect(clippy::too_many_lines, reason = "one table of cases")]
#[tokio::test(start_paused = true)]
async fn what_is_not_authentic_is_refused_and_not_journalled() {
    let plain_shop = shop(CallbackMode::Plain).await;
    let secure_shop = shop(CallbackMode::Secure).await;
    let created = plain_shop.bridge.store.spent();
    let now = plain_shop.now();
    let text = text_push("oAnn", now, 1, "你好");
    let clear = |query: String, body: &str| (query, body.to_owned());
    let query = || plain(TOKEN, now);
    let sealed = |token, key, app_id, at| secure(token, key, app_id, at, &text);
    let good = sealed(TOKEN, KEY, APP_ID, now);
    let huge = "x".repeat(MAX_BODY + 1);
    let elsewhere = text.replace("gh_shop_a", "gh_another");
    let dtd = format!("<!DOCTYPE xml [<!ENTITY a \"b\">]>{text}");
    let twice = format!("{}&nonce=2", query());
    for (case, shop, channel, call, expected) in [
        (
            "unknown",
            &plain_shop,
            "unknown",
            clear(query(), &text),
            404,
        ),
        (
            "no channel id",
            &plain_shop,
            "../x",
            clear(query(), &text),
            404,
        ),
        (
            "too large",
            &plain_shop,
            CHANNEL,
            clear(query(), &huge),
            413,
        ),
        (
            "too large",
            &secure_shop,
            CHANNEL,
            clear(query(), &huge),
            413,
        ),
        (
            "unsigned",
            &plain_shop,
            CHANNEL,
            clear(String::new(), &text),
            403,
        ),
        (
            "wrong token",
            &plain_shop,
            CHANNEL,
            clear(plain("another", now), &text),
            403,
        ),
        (
            "stale",
            &plain_shop,
            CHANNEL,
            clear(plain(TOKEN, now - 601), &text),
            403,
        ),
        (
            "ahead",
            &plain_shop,
            CHANNEL,
            clear(plain(TOKEN, now + 601), &text),
            403,
        ),
        ("repeated", &plain_shop, CHANNEL, clear(twice, &text), 400),
        (
            "another account",
            &plain_shop,
            CHANNEL,
            clear(query(), &elsewhere),
            403,
        ),
        ("a DTD", &plain_shop, CHANNEL, clear(query(), &dtd), 400),
        ("empty", &plain_shop, CHANNEL, clear(query(), ""), 400),
        (
            "sealed for a plain one",
            &plain_shop,
            CHANNEL,
            clear(query(), &good.1),
            400,
        ),
        (
            "plain for a secure one",
            &secure_shop,
            CHANNEL,
            clear(query(), &text),
            400,
        ),
        (
            "no envelope",
            &secure_shop,
            CHANNEL,
            (good.0.clone(), text.clone()),
            400,
        ),
        (
            "no XML",
            &secure_shop,
            CHANNEL,
            (good.0.clone(), "{}".to_owned()),
            400,
        ),
        (
            "wrong token",
            &secure_shop,
            CHANNEL,
            sealed("another", KEY, APP_ID, now),
            403,
        ),
        (
            "stale",
            &secure_shop,
            CHANNEL,
            sealed(TOKEN, KEY, APP_ID, now - 601),
            403,
        ),
        (
            "another key",
            &secure_shop,
            CHANNEL,
            sealed(TOKEN, OLD_KEY, APP_ID, now),
            403,
        ),
        (
            "another app",
            &secure_shop,
            CHANNEL,
            sealed(TOKEN, KEY, "wx_another", now),
            403,
        ),
    ] {
        assert_eq!(status(shop, channel, &call).await, expected, "{case}");
    }
    let answer = inbound(&plain_shop.bridge, CHANNEL, None, "", text.as_bytes()).await;
    assert_eq!(
        &answer.body()[..],
        b"Forbidden",
        "strangers are told nothing"
    );
    for shop in [&plain_shop, &secure_shop] {
        assert!(journalled(shop).await.is_empty());
        assert!(shop.rings().is_empty());
        let spent = shop.bridge.store.spent() - created;
        let kinds = f64::from(u8::try_from(REFUSED_FOR.len()).unwrap());
        assert!(spent.write <= kinds, "a note for each kind: {spent:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_push_in_each_mode_is_journalled_and_rings() {
    for mode in [
        CallbackMode::Plain,
        CallbackMode::Compatible,
        CallbackMode::Secure,
    ] {
        let shop = shop(mode).await;
        let text = text_push("oAnn", shop.now(), 7, "<![CDATA[你好 & 再见]]>");
        let call = match mode {
            CallbackMode::Plain => (plain(TOKEN, shop.now()), text.clone()),
            _ => secure(TOKEN, KEY, APP_ID, shop.now(), &text),
        };
        // The first of a minute is noted for the operator.
        let first = inbound(&shop.bridge, CHANNEL, None, &call.0, call.1.as_bytes()).await;
        assert_eq!((first.status().as_u16(), shop.rings().len()), (200, 1));
        let before = shop.bridge.store.spent();
        for _ in 0..3 {
            let answer = inbound(&shop.bridge, CHANNEL, None, &call.0, call.1.as_bytes()).await;
            assert_eq!(
                (answer.status().as_u16(), &answer.body()[..]),
                (200, &b"success"[..])
            );
        }
        let spent = shop.bridge.store.spent() - before;
        assert!(
            spent.write <= 3.0 && spent.read == 0.0,
            "one write and no read each: {spent:?}"
        );
        let entries = journalled(&shop).await;
        let [entry] = entries.as_slice() else {
            unreachable!("a repeat finds its own key: {entries:?}");
        };
        assert_eq!(entry.state, State::Pending);
        assert!(entry.body == Body::text("你好 & 再见"));
        assert_eq!(entry.origin.open_id, Some(OpenId::new("oAnn")));
        assert_eq!(entry.at, shop.bridge.now());
        let rings = shop.rings();
        assert_eq!(
            rings.len(),
            3,
            "a repeat rings too: the first bell may be lost"
        );
        assert!(
            rings
                .iter()
                .all(|ring| ring.at == at("oAnn") && ring.key == entry.key)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_authentic_and_unreadable_is_kept_as_it_came() {
    let shop = shop(CallbackMode::Secure).await;
    for xml in ["no XML at all", "<xml><a></b></xml>", "<xml>&own;</xml>"] {
        let call = secure(TOKEN, KEY, APP_ID, shop.now(), xml);
        for _ in 0..2 {
            assert_eq!(status(&shop, CHANNEL, &call).await, 200);
        }
    }
    let kept = journalled(&shop).await;
    assert_eq!(kept.len(), 3);
    assert!(kept.iter().any(|entry| {
        let bytes = b"no XML at all".to_vec();
        entry.state == State::Delivered && entry.body == Body::Unknown { bytes }
    }));
    assert!(shop.rings().is_empty(), "nobody waits for it");
}

#[tokio::test(start_paused = true)]
async fn a_message_of_an_unknown_kind_is_journalled_like_any_other() {
    let shop = shop(CallbackMode::Plain).await;
    let push = text_push("oAnn", shop.now(), 1, "x").replace(">text<", ">hologram<");
    assert_eq!(shop.push(&push).await.status(), 200);
    let entries = shop.journal(&at("oAnn"), Lane::In).await;
    assert!(matches!(&entries[0].body, Body::Other { name, .. } if name == "hologram"));
    assert_eq!(shop.rings().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn events_go_where_they_belong() {
    for (name, place, class, rings) in [
        ("subscribe", Some("oAnn"), Class::Event, 1),
        ("CLICK", Some("oAnn"), Class::Event, 1),
        ("VIEW", Some("oAnn"), Class::Event, 1),
        ("unsubscribe", Some("oAnn"), Class::Unfollow, 1),
        ("card_pass_check", Some("oAnn"), Class::Event, 1),
        ("TEMPLATESENDJOBFINISH", Some("oAnn"), Class::Event, 1),
        ("MASSSENDJOBFINISH", None, Class::Event, 0),
        ("qualification_verify_success", None, Class::Event, 0),
        ("user_authorization_revoke", None, Class::Event, 0),
    ] {
        let shop = shop(CallbackMode::Plain).await;
        let push = event_push("oAnn", shop.now(), name, "<EventKey>menu_1</EventKey>");
        assert_eq!(shop.push(&push).await.status(), 200);
        assert_eq!(shop.push(&push).await.status(), 200, "again");
        let own = ConversationKey::of_channel(&channel_id());
        let (here, there) = match place {
            Some(open_id) => (at(open_id), own),
            None => (own, at("oAnn")),
        };
        let entries = shop.journal(&here, Lane::In).await;
        assert_eq!(entries.len(), 1, "{name}");
        assert_eq!(entries[0].key.class(), Some(class), "{name}");
        assert!(shop.journal(&there, Lane::In).await.is_empty(), "{name}");
        assert_eq!(shop.rings().len(), rings * 2, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_push_without_a_customer_is_the_channels_own() {
    let shop = shop(CallbackMode::Plain).await;
    let push = text_push("oAnn", shop.now(), 1, "你好").replace("oAnn", "");
    assert_eq!(shop.push(&push).await.status(), 200);
    let own = ConversationKey::of_channel(&channel_id());
    let entries = shop.journal(&own, Lane::In).await;
    assert_eq!(entries.len(), 1);
    assert!(entries[0].state.ended());
    assert!(shop.rings().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_location_report_is_no_entry() {
    let shop = shop(CallbackMode::Plain).await;
    for (later, latitude) in [(0, "23.1"), (60, "23.2"), (30, "23.3")] {
        let place = format!("<Latitude>{latitude}</Latitude>");
        let push = event_push("oAnn", shop.now() + later, "LOCATION", &place);
        assert_eq!(shop.push(&push).await.status(), 200);
    }
    assert!(journalled(&shop).await.is_empty());
    assert!(shop.rings().is_empty());
    let look = shop.bridge.store.look(&at("oAnn"), |_| true).await.unwrap();
    assert!(look.entries.is_empty() && look.conversation.is_none());
    // One row, that of the latest, and nothing else.
    assert_eq!(shop.bridge.store.erase(&at("oAnn")).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_messages_of_one_second_keep_their_order_and_events_come_first() {
    let shop = shop(CallbackMode::Plain).await;
    let now = shop.now();
    for push in [
        event_push("oAnn", now, "unsubscribe", ""),
        text_push("oAnn", now, 10, "two"),
        text_push("oAnn", now, 9, "one"),
        event_push("oAnn", now, "CLICK", "<EventKey>a</EventKey>"),
        event_push("oAnn", now, "CLICK", "<EventKey>b</EventKey>"),
    ] {
        assert_eq!(shop.push(&push).await.status(), 200);
    }
    let classes: Vec<_> = shop
        .journal(&at("oAnn"), Lane::In)
        .await
        .iter()
        .map(|entry| entry.key.class().unwrap())
        .collect();
    let expected = [
        Class::Event,
        Class::Event,
        Class::Message,
        Class::Message,
        Class::Unfollow,
    ];
    assert_eq!(classes, expected);
}

#[tokio::test(start_paused = true)]
async fn the_previous_key_still_opens() {
    let shop = shop(CallbackMode::Secure).await;
    let mut both = secrets(CallbackMode::Secure);
    both.aes_key = Some(OLD_KEY.to_owned());
    both.previous_aes_key = Some(KEY.to_owned());
    shop.bridge
        .secrets
        .put_channel(&channel_id(), &both)
        .await
        .unwrap();
    for (id, key) in [(1, KEY), (2, OLD_KEY)] {
        let text = text_push("oAnn", shop.now(), id, "你好");
        let call = secure(TOKEN, key, APP_ID, shop.now(), &text);
        assert_eq!(status(&shop, CHANNEL, &call).await, 200, "{key}");
    }
    assert_eq!(journalled(&shop).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_seen_at_once_by_a_check_that_fails_but_not_by_every_one() {
    let shop = shop(CallbackMode::Plain).await;
    let push = async |token: &str| {
        let call = (
            plain(token, shop.now()),
            text_push("oAnn", shop.now(), 1, "你好"),
        );
        status(&shop, CHANNEL, &call).await
    };
    let change = async |token: &str| {
        let mut changed = secrets(CallbackMode::Plain);
        changed.token = token.to_owned();
        shop.bridge
            .secrets
            .put_channel(&channel_id(), &changed)
            .await
            .unwrap();
    };
    let wait = async |seconds| tokio::time::advance(Duration::from_secs(seconds)).await;
    assert_eq!(push(TOKEN).await, 200);
    wait(1).await;
    change("second").await;
    assert_eq!(push("second").await, 200, "read again, once");
    change("third").await;
    wait(9).await;
    assert_eq!(push("third").await, 403, "and not again within ten seconds");
    assert_eq!(push("second").await, 200);
    wait(1).await;
    assert_eq!(push("third").await, 200);
    change("fourth").await;
    assert_eq!(push("third").await, 200, "cached");
    wait(60).await;
    assert_eq!(push("third").await, 403, "for a minute");
    assert_eq!(push("fourth").await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_was_unknown_is_known_five_seconds_later() {
    let shop = shop(CallbackMode::Plain).await;
    let call = (
        plain(TOKEN, shop.now()),
        text_push("oAnn", shop.now(), 1, "你好"),
    );
    assert_eq!(status(&shop, "shop-new", &call).await, 404);
    let new = magpie::message::ChannelId::parse("shop-new").unwrap();
    let own = secrets(CallbackMode::Plain);
    shop.bridge.secrets.put_channel(&new, &own).await.unwrap();
    tokio::time::advance(Duration::from_secs(4)).await;
    assert_eq!(status(&shop, "shop-new", &call).await, 404);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(status(&shop, "shop-new", &call).await, 200);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_journalled_is_for_wechat_to_send_again() {
    use magpie::store::embedded::{Engine, Fate};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    for fate in [Fate::Throttled, Fate::AnswerLost, Fate::DiesBefore] {
        let broken = Arc::new(AtomicBool::new(false));
        let breaks = Arc::clone(&broken);
        let engine = Engine::in_memory().unwrap().meddled(Arc::new(move |_, _| {
            let fate = if breaks.load(Ordering::Relaxed) {
                fate
            } else {
                Fate::Answered
            };
            Box::pin(std::future::ready(fate))
        }));
        let store = magpie::store::Store::new(engine.client(), "messages", "control");
        store.create_tables(false).await.unwrap();
        let shop = Shop::open(store, DeskSettings::Inbox, CallbackMode::Plain).await;
        broken.store(true, Ordering::Relaxed);
        let before = shop.bridge.now();
        assert_eq!(shop.say("oAnn", 1, "你好").await.status(), 503, "{fate:?}");
        let took = shop.bridge.now().since(before);
        assert!(
            took < Duration::from_secs(5),
            "WeChat waits five seconds: {took:?}"
        );
        broken.store(false, Ordering::Relaxed);
        assert_eq!(shop.say("oAnn", 1, "你好").await.status(), 200, "{fate:?}");
    }
}
