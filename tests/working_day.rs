//! What an operator, agents and customers do with the functions in the long run:
//! rotations, outages, ends of sessions, a walk, the end of a channel. Together with
//! the conversations it makes every call of AWS that a function may make.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it has to be"
)]

#[path = "world/cloud.rs"]
mod cloud;
#[path = "harness/mod.rs"]
mod harness;
#[path = "world/lambda.rs"]
mod lambda;
#[path = "world/token_server.rs"]
mod token_server;
#[path = "world/mod.rs"]
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cloud::Cloud;
use harness::now_ms;
use http::{Method, StatusCode};
use lambda::Lambda as Form;
use magpie_local::simulator::{Act, ApiPath, Connection, MediaKind, Mishap, Mode, Trouble};
use serde_json::{Value, json};
use token_server::TokenServer;
use world::{World, time};

const HOUR_MS: u64 = 60 * 60 * 1000;

/// Time passes for a row: what it notes under `field` was so long ago.
fn ago(cloud: &Cloud, table: &str, key: &Value, field: &str, span_ms: u64) {
    let then = json!({ "N": (now_ms() - span_ms).to_string() });
    cloud.tables().set(table, key, field, &then);
}

/// Everything that customers have said was said so long ago.
fn said_ago(cloud: &Cloud, span_ms: u64) {
    for row in cloud.tables().all(&cloud.messages) {
        if row["sk"]["S"].as_str().unwrap().starts_with("I#") {
            ago(cloud, &cloud.messages, &row, "at", span_ms);
        }
    }
}

/// A desk's first call is that its agent types; then it ends the session.
async fn typing(world: World) {
    let (shop, desk) = world.shop_with_desk(Mode::Secure).await;
    let customer = shop.customer("Han Meimei");
    customer.says("你好").await;
    let opened = desk.hears(&world, "session.opened").await;
    desk.hears_message(&world, "你好").await;
    let conversation = &opened["conversation"];
    // The first wish for a token is that of typing.
    let typing = json!({
        "type": "typing", "time": time(), "conversation": conversation, "on": true,
    });
    let status = desk.calls(&shop, "t1", &typing, desk.secret()).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let end = json!({ "type": "session.end", "time": time(), "conversation": conversation });
    let status = desk.calls(&shop, "e1", &end, desk.secret()).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let ended = desk.hears(&world, "session.ended").await;
    assert_eq!(ended["session"], opened["session"]);
    // A job of the account's is kept in its own journal.
    let job = "<MsgType>event</MsgType><Event>TEMPLATESENDJOBFINISH</Event>\
               <MsgID>200163836</MsgID><Status>success</Status>";
    customer
        .does(&Act::Elements {
            xml: job.to_owned(),
        })
        .await;
    world.close().await;
}

/// Keys are rotated, and a token is lost that the sweeper needs.
async fn rotation(world: &World) {
    let shop = world.shop_with_inbox(Mode::Secure).await;
    let path = format!("/api/channels/{}", shop.id);
    let mut settings = shop.settings().await;
    settings["callback"] = json!({
        "mode": "secure",
        "encoding_aes_key": world.markers().secret("new AES key", 43),
    });
    // WeChat still has the old key, which is the previous one now.
    shop.puts(settings).await;
    let (status, answer) = world
        .api(Method::POST, &format!("{path}/check"), None)
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["checks"][0]["ok"], true, "{answer}");

    let customer = shop.customer("Han Meimei");
    customer.says("在吗").await;
    let inbox = shop.conversation().await;
    inbox.answers("在的").await;
    customer.sees("在的").await;
    // A server of the owner's is given the token that is used here.
    let key = world.markers().secret("token key", 40);
    world.bridge().cloud().put_secret("token-key", &key);
    let call = world.http.get(world.at(&format!("{path}/token")));
    let given = call.header("authorization", format!("Bearer {key}"));
    let given = given.send().await.unwrap();
    assert_eq!(given.status(), StatusCode::OK);
    let given: Value = serde_json::from_slice(&given.bytes().await.unwrap()).unwrap();
    let token = given["access_token"].as_str().unwrap();
    let known = world.wechat.with(|wechat| {
        let mut tokens = wechat.tokens(&shop.app_id);
        tokens.any(|one| one == token)
    });
    assert!(known, "it is none of WeChat's");
    let order = Mishap {
        call: ApiPath::Send,
        times: Some(3),
        delay_ms: 0,
        trouble: Trouble::Status(503),
    };
    world.wechat.with(|wechat| wechat.order(order)).unwrap();
    inbox.answers("请稍等").await;
    world.parks(1).await;
    let now = i64::try_from(now_ms()).unwrap();
    world
        .wechat
        .with(|wechat| wechat.end_tokens(now, &shop.app_id))
        .unwrap();
    world.later().await;
    customer.sees("请稍等").await;

    let read = json!({ "up_to": inbox.first().await });
    let (status, answer) = inbox.post("read", read).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    let (status, answer) = inbox.post("end", json!({})).await;
    assert!(status.is_success(), "{status} {answer}");
}

/// A world whose functions get tokens in a way of their own.
async fn world_with(settings: &[(&str, &str)]) -> World {
    World::around(Form::over(Cloud::with(settings).await).await).await
}

#[tokio::test]
async fn one_function_asks_for_the_tokens_of_all() {
    typing(World::start().await).await;
    let world = World::start().await;
    rotation(&world).await;
    world.close().await;
}

#[tokio::test]
async fn every_function_asks_for_tokens_itself() {
    typing(world_with(&[]).await).await;
    let world = world_with(&[]).await;
    rotation(&world).await;
    // Of the call that ends other tokens, what was given is kept.
    let shop = world.shop_with_inbox(Mode::Plain).await;
    let path = format!("/api/channels/{}", shop.id);
    let mut settings = shop.settings().await;
    settings["token_call"] = "classic".into();
    shop.puts(settings).await;
    let (_, answer) = world
        .api(Method::POST, &format!("{path}/check"), None)
        .await;
    assert_eq!(answer["checks"][0]["ok"], true, "{answer}");
    world.close().await;
}

#[tokio::test]
async fn callbacks_can_be_for_wechats_own_addresses_alone() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Secure).await;
    let mut settings = shop.settings().await;
    settings["callback"]["only_wechat_addresses"] = true.into();
    shop.puts(settings).await;
    let cloud = world.bridge().cloud();
    let tick = json!({ "source": "magpie.token-refresh" });
    cloud.invoke("token-refresh", tick).await.unwrap();
    let path = format!("/api/channels/{}/check", shop.id);
    let (_, answer) = world.api(Method::POST, &path, None).await;
    assert_eq!(answer["checks"][3]["code"], "ok", "{answer}");

    // A call that fails lets what is remembered be read anew: the switch is on then.
    let callback = world.at(&format!("/wechat/{}", shop.id));
    let call = world.http.get(&callback).send();
    assert_eq!(call.await.unwrap().status(), StatusCode::FORBIDDEN);
    let connection = world.wechat.connect(&shop.app_id).await.unwrap();
    assert_eq!(connection, Connection::Connected);

    // Now WeChat is elsewhere, and who is here is a stranger: nothing is opened.
    let row = json!({ "pk": { "S": format!("CH#{}", shop.id) }, "sk": { "S": "IPS" } });
    let list = json!({ "S": r#"["101.226.103.0/25"]"# });
    cloud.tables().set(&cloud.control, &row, "ips", &list);
    let call = world.http.post(&callback).body("no envelope").send();
    assert_eq!(call.await.unwrap().status(), StatusCode::FORBIDDEN);
    world.close().await;
}

#[tokio::test]
async fn a_server_of_tokens_is_asked() {
    let server = TokenServer::start().await;
    let settings = [("MAGPIE_TOKEN_URL", server.url())];
    let world = world_with(&settings).await;
    server.gives_those_of(&world);
    typing(world).await;
    let world = world_with(&settings).await;
    server.gives_those_of(&world);
    world.shop_with_inbox(Mode::Plain).await;
    let tick = json!({ "source": "magpie.token-refresh" });
    let cloud = world.bridge().cloud();
    cloud.invoke("token-refresh", tick).await.unwrap();
    rotation(&world).await;
    assert!(server.asked() > 3, "{}", server.asked());
    world.close().await;
}

#[tokio::test]
async fn who_is_erased_while_their_way_back_is_written_has_none() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Plain).await;
    let cloud = world.bridge().cloud();
    let (tables, messages) = (cloud.tables().clone(), cloud.messages.clone());
    let erased = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&erased);
    cloud.before_tables.meanwhile(move |operation, input| {
        let at = &input["Item"]["u"];
        if operation == "PutItem" && !at.is_null() && !done.swap(true, Ordering::Relaxed) {
            tables.remove(&messages, &json!({ "pk": at, "sk": { "S": "J" } }));
        }
    });
    let customer = shop.customer("Han Meimei");
    customer.says("你好").await;
    cloud.pumps(1).await;
    assert!(erased.load(Ordering::Relaxed));
    // The next message begins the conversation anew.
    customer.says("在吗").await;
    let inbox = shop.conversation().await;
    inbox.shows("in", "在吗", "delivered").await;
    let rows = cloud.tables().all(&cloud.messages);
    let ways = rows.iter().filter(|row| row["sk"]["S"] == "#");
    assert_eq!(ways.count(), 1, "the way to the conversation that is there");
    world.close().await;
}

#[tokio::test]
async fn what_wechat_refused_is_sent_once_more_by_hand() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Plain).await;
    let customer = shop.customer("Han Meimei");
    customer.says("在吗").await;
    let inbox = shop.conversation().await;
    world.wechat.with(|wechat| wechat.answer_next_with(87014));
    inbox.answers("在的").await;
    inbox.shows("out", "在的", "dead").await;
    let path = format!("/api/dead?channel={}", shop.id);
    let dead = world.until("a dead entry is listed", async || {
        let (_, listed) = world.api(Method::GET, &path, None).await;
        let id = &listed["dead"][0]["id"];
        id.as_str().map(str::to_owned)
    });
    let path = format!("/api/dead/{}/redrive", dead.await);
    let (status, answer) = world.api(Method::POST, &path, None).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    world.later().await;
    customer.sees("在的").await;
    world.close().await;
}

/// Customers of a desk that is down, and what becomes of them when it is back.
async fn drained(customers: usize, sweeps: usize) {
    let world = World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Plain).await;
    desk.goes_down();
    for number in 0..customers {
        let customer = shop.customer(&format!("customer {number}"));
        customer.says("你好").await;
    }
    world.parks(customers).await;
    for _ in 0..sweeps {
        world.later().await;
    }
    let opened = world.until("the breaker is open", async || {
        let (_, now) = world.api(Method::GET, "/api/status", None).await;
        (now["channels"][0]["desk_down"] == true).then_some(())
    });
    opened.await;
    desk.comes_back();
    let breaker = json!({ "pk": { "S": format!("CH#{}", shop.id) }, "sk": { "S": "BRK" } });
    let cloud = world.bridge().cloud();
    ago(cloud, &cloud.control, &breaker, "pr", 60_000);
    world.later().await;
    let mut heard: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for _ in 0..2 * customers {
        let news = desk.hears_something(&world, "what waited").await;
        let text = |name: &str| news[name].as_str().unwrap().to_owned();
        let said = heard.entry(text("conversation")).or_default();
        said.push(text("type"));
    }
    assert_eq!(heard.len(), customers);
    for said in heard.values() {
        assert_eq!(said[..], ["session.opened", "message.created"]);
    }
    world.close().await;
}

#[tokio::test]
async fn a_desk_that_is_down_is_probed_and_drained_when_it_is_back() {
    drained(21, 0).await;
}

#[tokio::test]
async fn the_sweeper_too_finds_that_a_desk_is_down() {
    drained(10, 2).await;
}

#[tokio::test]
async fn a_desk_is_told_that_an_answer_which_waited_for_wechat_waits_for_the_customer() {
    let world = World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Plain).await;
    let customer = shop.customer("Han Meimei");
    customer.says("在吗").await;
    let opened = desk.hears(&world, "session.opened").await;
    desk.hears_message(&world, "在吗").await;
    let order = |times, trouble| {
        let order = Mishap {
            call: ApiPath::Send,
            times: Some(times),
            delay_ms: 0,
            trouble,
        };
        world.wechat.with(|wechat| wechat.order(order)).unwrap();
    };
    order(3, Trouble::Status(503));
    let conversation = opened["conversation"].as_str().unwrap();
    let id = desk.says(&shop, conversation, "在的").await;
    world.parks(1).await;
    order(1, Trouble::Code(45047));
    world.later().await;
    desk.hears_status(&world, &id, "held").await;
    customer.says("还在吗").await;
    desk.hears_message(&world, "还在吗").await;
    customer.sees("在的").await;
    desk.hears_status(&world, &id, "delivered").await;
    world.close().await;
}

#[tokio::test]
async fn a_session_in_which_nobody_speaks_ends_by_itself() {
    let world = World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Plain).await;
    let customer = shop.customer("Han Meimei");
    customer.says("你好").await;
    let opened = desk.hears(&world, "session.opened").await;
    desk.hears_message(&world, "你好").await;
    let cloud = world.bridge().cloud();
    said_ago(cloud, 49 * HOUR_MS);
    world.later().await;
    let ended = desk.hears(&world, "session.ended").await;
    assert_eq!(ended["session"], opened["session"]);
    // The timer finds nothing more to end.
    world.later().await;
    let timers = cloud.tables().all(&cloud.messages);
    let timers = timers.iter().filter(|row| row["sk"]["S"] == "J#session");
    assert_eq!(timers.count(), 0);
    world.close().await;
}

#[tokio::test]
async fn a_bell_that_was_lost_is_found_by_the_walk() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Plain).await;
    let customer = shop.customer("Han Meimei");
    customer.says("你好").await;
    let cloud = world.bridge().cloud();
    // The stream's records were lost, and the table is longer than a page.
    cloud.lose_bells().await;
    for number in 0..4 {
        let key = json!({ "pk": { "S": format!("U#page{number}") }, "sk": { "S": "P" } });
        let filling = json!({ "S": "x".repeat(390_000) });
        cloud.tables().set(&cloud.messages, &key, "b", &filling);
    }
    said_ago(cloud, HOUR_MS);
    let walk = json!({ "source": "magpie.sweep", "walk": true });
    cloud.invoke("sweep", walk).await.unwrap();
    let inbox = shop.conversation().await;
    inbox.shows("in", "你好", "delivered").await;
    world.close().await;
}

#[tokio::test]
async fn a_recording_that_wechat_does_not_give_out_at_first_comes_later() {
    let world = World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Secure).await;
    let customer = shop.customer("Han Meimei");
    let order = Mishap {
        call: ApiPath::MediaGet,
        times: Some(2),
        delay_ms: 0,
        trouble: Trouble::Status(503),
    };
    world.wechat.with(|wechat| wechat.order(order)).unwrap();
    let voice = b"#!AMR\n and what was said";
    customer.sends(MediaKind::Voice, "voice.amr", voice).await;
    world.parks(1).await;
    world.later().await;
    desk.hears(&world, "session.opened").await;
    let news = desk.hears(&world, "message.created").await;
    let media = &news["message"]["media"];
    assert_eq!(media["type"], "audio/amr");
    let (status, _, bytes) = world.fetches(media["url"].as_str().unwrap()).await;
    assert_eq!((status, bytes.as_slice()), (StatusCode::OK, &voice[..]));
    world.close().await;
}

#[tokio::test]
async fn a_picture_that_wechat_does_not_take_at_first_goes_later() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Secure).await;
    let customer = shop.customer("Han Meimei");
    customer.says("你好").await;
    let inbox = shop.conversation().await;
    let order = Mishap {
        call: ApiPath::MediaUpload,
        times: Some(1),
        delay_ms: 0,
        trouble: Trouble::Status(503),
    };
    world.wechat.with(|wechat| wechat.order(order)).unwrap();
    let file = inbox
        .brings("photo.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF")
        .await;
    let said = json!({ "id": "a", "time": time(), "kind": "image", "media": { "file": file } });
    let (status, told) = inbox.post("messages", said).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{told}");
    world.parks(1).await;
    world.later().await;
    customer.sees("[image]").await;
    inbox.shows("out", "[image]", "delivered").await;
    world.close().await;
}

/// Time passes for a conversation's own row.
fn row_ago(cloud: &Cloud, fields: &[&str], span_ms: u64) {
    for row in cloud.tables().all(&cloud.messages) {
        for field in fields.iter().filter(|_| row["sk"]["S"] == "J") {
            ago(cloud, &cloud.messages, &row, field, span_ms);
        }
    }
}

/// Twenty minutes after an erasure all is gone but that it was done.
async fn nothing_is_left_but_the_record(world: &World, channel: &str) {
    let cloud = world.bridge().cloud();
    assert_eq!(cloud.bucket.objects().len(), 0);
    row_ago(cloud, &["er", "du"], HOUR_MS);
    world.later().await;
    world.later().await;
    let rows = cloud.tables().all(&cloud.messages);
    let own = rows
        .iter()
        .all(|row| row["pk"]["S"] == format!("A#{channel}"));
    assert!(own && rows.len() == 1, "{rows:?}");
}

#[tokio::test]
async fn of_a_customer_who_left_nothing_is_kept_but_that_it_was_erased() {
    let world = World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Secure).await;
    let customer = shop.customer("Han Meimei");
    let photo = b"\xff\xd8\xff\xe0\0\x10JFIF";
    customer.says("你好").await;
    desk.hears(&world, "session.opened").await;
    desk.hears_message(&world, "你好").await;
    customer.sends(MediaKind::Image, "photo.jpg", photo).await;
    desk.hears(&world, "message.created").await;
    let cloud = world.bridge().cloud();
    assert_eq!(cloud.bucket.objects().len(), 1);
    customer.does(&Act::Unfollow).await;
    desk.hears(&world, "event.created").await;
    desk.hears(&world, "session.ended").await;
    // Fifteen days later, and twenty minutes after that.
    row_ago(cloud, &["ed", "du"], HOUR_MS);
    world.later().await;
    let news = desk.hears(&world, "customer.erased").await;
    assert_eq!(news["reason"]["code"], "unfollowed");
    nothing_is_left_but_the_record(&world, shop.id.as_str()).await;
    world.close().await;
}

#[tokio::test]
async fn of_a_customer_of_the_inbox_nothing_is_left_either() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Secure).await;
    let customer = shop.customer("Han Meimei");
    let photo = b"\xff\xd8\xff\xe0\0\x10JFIF";
    customer.sends(MediaKind::Image, "photo.jpg", photo).await;
    let inbox = shop.conversation().await;
    inbox.answers("您好").await;
    customer.sees("您好").await;
    let list = "/api/conversations?state=all";
    let (_, talks) = world.api(Method::GET, list, None).await;
    let id = talks["conversations"][0]["customer_id"].as_str().unwrap();
    let path = format!("/api/customers/{id}");
    let (status, answer) = world.api(Method::DELETE, &path, None).await;
    assert_eq!(
        (status, &answer["finished"]),
        (StatusCode::OK, &json!(true))
    );
    nothing_is_left_but_the_record(&world, shop.id.as_str()).await;
    world.close().await;
}

#[tokio::test]
async fn of_a_deleted_channel_nothing_is_left() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Plain).await;
    let customer = shop.customer("Han Meimei");
    let photo = b"\xff\xd8\xff\xe0\0\x10JFIF";
    customer.sends(MediaKind::Image, "photo.jpg", photo).await;
    shop.conversation().await;
    customer.says("你好").await;
    let inbox = shop.conversation().await;
    inbox.answers("您好").await;
    customer.sees("您好").await;
    let job = "<MsgType>event</MsgType><Event>MASSSENDJOBFINISH</Event>";
    customer
        .does(&Act::Elements {
            xml: job.to_owned(),
        })
        .await;
    let cloud = world.bridge().cloud();
    assert_eq!(cloud.bucket.objects().len(), 1);
    let codes = format!("/api/channels/{}/qrcodes", shop.id);
    let code = json!({ "scene": "counter_3", "name": "柜台三" });
    let (status, answer) = world.api(Method::POST, &codes, Some(code)).await;
    assert!(status.is_success(), "{status} {answer}");
    let path = format!("/api/channels/{}?force=true", shop.id);
    let (status, answer) = world.api(Method::DELETE, &path, None).await;
    assert!(status.is_success(), "{status} {answer}");
    world.later().await;
    let channel = json!({ "pk": { "S": format!("CH#{}", shop.id) }, "sk": { "S": "CFG" } });
    ago(cloud, &cloud.control, &channel, "del", 180_000);
    world.later().await;
    assert_eq!(cloud.bucket.objects().len(), 0);
    let tables = cloud.tables();
    assert_eq!(tables.all(&cloud.messages), [json!(null); 0]);
    assert_eq!(tables.all(&cloud.control), [json!(null); 0]);
    let secrets = cloud.secrets.names();
    assert!(
        !secrets.iter().any(|name| name.contains("/ch/")),
        "{secrets:?}"
    );
    world.forget_shops();
    world.close().await;
}
