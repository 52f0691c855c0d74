//! Conversations, end to end: over the real binaries, a simulated WeChat and
//! desks of two kinds. Each ends by looking whether anybody has anything unread.
//!
//! They are written once: `conversation_lambda.rs` and `conversation_local.rs`
//! run them over one form of the bridge each.

use http::{Method, StatusCode};
use magpie::desk::webhook::new_secret;
use magpie::notice::Way;
use magpie_local::simulator::{Act, MediaKind, Mode, Template};
use serde_json::json;

use crate::world::{World, message, time};

#[tokio::test]
async fn hello_there_and_back() {
    there_and_back(World::start().await).await;
}

/// A customer and an agent say hello to each other.
pub(crate) async fn there_and_back(world: World) {
    let shop = world.shop_with_inbox(Mode::Secure).await;
    let customer = shop.customer("Han Meimei");
    let (question, reply) = (world.markers().text(), world.markers().text());

    customer.says("你好").await;
    let inbox = shop.conversation().await;
    inbox.shows("in", "你好", "delivered").await;
    customer.says(&question).await;
    inbox.shows("in", &question, "delivered").await;

    let said = inbox.answers(&reply).await;
    customer.sees(&reply).await;
    inbox.shows("out", &reply, "delivered").await;
    let (status, _) = inbox.post("messages", said).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    customer.sees_nothing().await;
    assert_eq!(inbox.history().await.len(), 3);
    world.close().await;
}

#[tokio::test]
async fn two_customers_do_not_hear_each_other() {
    let world = World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Plain).await;
    let (one, other) = (shop.customer("Han Meimei"), shop.customer("Jim"));
    let mut conversations = Vec::new();
    for customer in [&one, &other] {
        let question = world.markers().text();
        customer.says(&question).await;
        desk.hears(&world, "session.opened").await;
        let news = desk.hears_message(&world, &question).await;
        conversations.push(news["conversation"].as_str().unwrap().to_owned());
    }
    assert_ne!(conversations[0], conversations[1]);
    for (customer, conversation) in [(&other, &conversations[1]), (&one, &conversations[0])] {
        let reply = world.markers().text();
        let id = desk.says(&shop, conversation, &reply).await;
        customer.sees(&reply).await;
        desk.hears_status(&world, &id, "delivered").await;
    }
    world.close().await;
}

#[tokio::test]
async fn a_sixth_answer_waits_for_the_customer() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Plain).await;
    let customer = shop.customer("Han Meimei");
    customer.says("你好").await;
    let inbox = shop.conversation().await;
    let sixth = inbox.uses_up_the_window(&customer).await;
    customer.sees_nothing().await;

    customer.says("在吗").await;
    customer.sees(&sixth).await;
    inbox.shows("out", &sixth, "delivered").await;
    world.close().await;
}

#[tokio::test]
async fn a_notice_brings_a_customer_back_whose_window_is_shut() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Plain).await;
    shop.has_template(Template {
        way: Way::Template,
        id: "tpl-1".to_owned(),
        title: "回复提醒".to_owned(),
        content: "回复内容：{{thing1.DATA}}".to_owned(),
        example: String::new(),
    });
    let mut settings = shop.settings().await;
    settings["fallback"] = json!({
        "kind": "template", "template_id": "tpl-1", "title": "回复提醒",
        "data": { "thing1": "{words}" },
    });
    shop.puts(settings).await;
    let customer = shop.customer("Han Meimei");
    // Opening a mini-program opens no window.
    let xml = "<MsgType>event</MsgType><Event>view_miniprogram</Event>".to_owned();
    customer.does(&Act::Elements { xml }).await;
    let inbox = shop.anybody().await;
    let reply = world.markers().text();
    inbox.answers(&reply).await;
    customer.sees("[template]").await;
    inbox.shows("out", &reply, "held").await;
    customer.sees_nothing().await;

    customer.says("我回来了").await;
    customer.sees(&reply).await;
    inbox.shows("out", &reply, "delivered").await;
    world.close().await;
}

#[tokio::test]
async fn a_desk_is_told_that_an_answer_waits() {
    let world = World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Secure).await;
    let customer = shop.customer("Han Meimei");
    customer.says("你好").await;
    let conversation = desk.hears_a_beginning(&world, "你好").await;
    desk.uses_up_the_window(&shop, &customer, &conversation)
        .await;
    let sixth = world.markers().text();
    let id = desk.says(&shop, &conversation, &sixth).await;
    let news = desk.hears_status(&world, &id, "held").await;
    assert!(news["reason"]["text"].as_str().unwrap().contains("客户"));
    customer.sees_nothing().await;

    customer.says("在吗").await;
    desk.hears_message(&world, "在吗").await;
    customer.sees(&sixth).await;
    desk.hears_status(&world, &id, "delivered").await;
    world.close().await;
}

#[tokio::test]
async fn the_account_greets_and_a_sixth_answer_rides_on_the_next_message() {
    greetings_and_a_ride(World::start().await).await;
}

/// What the account says by itself costs nothing of the window, and neither does an answer
/// that goes out by it.
pub(crate) async fn greetings_and_a_ride(world: World) {
    let replies = json!({
        "welcome": { "kind": "text", "text": "欢迎关注 ]]> <b>" },
        "scenes": { "counter_3": { "kind": "text", "text": "柜台三" } },
        "first_message": { "kind": "text", "text": "初次见面" },
        "acknowledge": { "kind": "text", "text": "已收到" },
        "held_answers": true,
    });
    let (shop, desk) = world.shop_that_replies(Mode::Secure, replies).await;
    let (customer, other) = (shop.customer("Han Meimei"), shop.customer("Jim"));
    other.does(&Act::Unfollow).await;
    other.does(&Act::Follow).await;
    other.sees("欢迎关注 ]]> <b>").await;
    let scene = "counter_3".to_owned();
    other.does(&Act::Scan { scene }).await;
    other.sees("柜台三").await;

    customer.says("你好").await;
    customer.sees("初次见面").await;
    let conversation = desk.hears_a_beginning(&world, "你好").await;
    desk.uses_up_the_window(&shop, &customer, &conversation)
        .await;
    let sixth = world.markers().text();
    let id = desk.says(&shop, &conversation, &sixth).await;
    desk.hears_status(&world, &id, "held").await;
    customer.sees_nothing().await;

    customer.says("在吗").await;
    customer.sees(&sixth).await;
    desk.hears_message(&world, "在吗").await;
    desk.hears_status(&world, &id, "delivered").await;
    // The new window has all that it ever has.
    desk.uses_up_the_window(&shop, &customer, &conversation)
        .await;
    world.close().await;
}

/// A picture of so many bytes, as far as its first ones tell.
pub(crate) fn picture(size: usize) -> Vec<u8> {
    let mut bytes = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01".to_vec();
    let rest = size - bytes.len();
    bytes.extend((0_u8..251).cycle().take(rest));
    bytes
}

#[tokio::test]
async fn pictures_and_films_reach_the_desk_and_the_inbox() {
    files_arrive(World::start().await).await;
}

/// A picture as large as WeChat has them, and a film, which comes another way.
pub(crate) async fn files_arrive(world: World) {
    let (shop, desk) = world.shop_with_desk(Mode::Secure).await;
    let customer = shop.customer("Han Meimei");
    let photo = picture(10 << 20);
    customer.sends(MediaKind::Image, "photo.jpg", &photo).await;
    desk.hears(&world, "session.opened").await;
    let news = desk.hears(&world, "message.created").await;
    let media = &news["message"]["media"];
    assert_eq!(
        (&media["state"], &media["type"], &media["size"]),
        (&json!("kept"), &json!("image/jpeg"), &json!(photo.len()))
    );
    let link = media["url"].as_str().unwrap();
    let (status, kind, bytes) = world.fetches(link).await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "image/jpeg"));
    assert!(bytes == photo, "{} bytes", bytes.len());
    // A link is good for its own file and time alone.
    for wrong in [
        link.replace("until=1", "until=2"),
        link.replace(".jpg", ".png"),
        link.split('?').next().unwrap().to_owned(),
    ] {
        assert_eq!(
            world.fetches(&wrong).await.0,
            StatusCode::NOT_FOUND,
            "{wrong}"
        );
    }

    let film = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom and what moves".to_vec();
    customer.sends(MediaKind::Video, "film.mp4", &film).await;
    let news = desk.hears(&world, "message.created").await;
    assert_eq!(news["message"]["media"]["type"], "video/mp4");
    let id = news["conversation"].as_str().unwrap();
    let path = format!("/api/conversations/{id}");
    let (status, talk) = world.api(Method::GET, &path, None).await;
    assert_eq!(status, StatusCode::OK);
    let media = &talk["messages"][1]["media"];
    let (status, kind, bytes) = world.fetches(media["url"].as_str().unwrap()).await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "video/mp4"));
    assert_eq!(bytes, film);
    world.close().await;
}

#[tokio::test]
async fn agents_send_files_and_ask_questions() {
    rich_answers(World::start().await).await;
}

/// A picture as large as WeChat takes them, a document, and a question that is answered.
pub(crate) async fn rich_answers(world: World) {
    let shop = world.shop_with_inbox(Mode::Secure).await;
    let customer = shop.customer("Han Meimei");
    customer.says("你好").await;
    let inbox = shop.conversation().await;
    inbox.shows("in", "你好", "delivered").await;
    let said = |id: &str, rest: serde_json::Value| {
        let mut said = json!({ "id": id, "time": time() });
        let rest = rest.as_object().unwrap().clone();
        said.as_object_mut().unwrap().extend(rest);
        said
    };
    let photo = picture(10 << 20);
    // What is longer than was said is not taken.
    let (file, status) = inbox.offers("photo.jpg", photo.len() - 1, &photo).await;
    assert!(status.is_client_error(), "{status}");
    let image = said("a", json!({ "kind": "image", "media": { "file": file } }));
    let (status, told) = inbox.post("messages", image).await;
    assert_eq!(
        (status, &told["code"]),
        (StatusCode::BAD_REQUEST, &json!("invalid"))
    );
    let file = inbox.brings("photo.jpg", &photo).await;
    let image = said("a", json!({ "kind": "image", "media": { "file": file } }));
    let (status, told) = inbox.post("messages", image.clone()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{told}");
    customer.sees("[image]").await;
    inbox.shows("out", "[image]", "delivered").await;
    // A repeat sends nothing again.
    assert_eq!(inbox.post("messages", image).await.0, StatusCode::ACCEPTED);
    customer.sees_nothing().await;

    let pdf = b"%PDF-1.7 and what is printed".to_vec();
    let file = inbox.brings("报价.pdf", &pdf).await;
    let document = json!({ "kind": "file", "name": "报价.pdf", "media": { "file": file } });
    let (status, told) = inbox.post("messages", said("b", document)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{told}");
    let text = customer.sees_next().await;
    let link = text.strip_prefix("报价.pdf\n").unwrap();
    let (status, kind, bytes) = world.fetches(link).await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "application/pdf"));
    assert_eq!(bytes, pdf);
    // It is put away under its own name, and looking at it first is told the same.
    let name = "attachment;filename*=UTF-8''%E6%8A%A5%E4%BB%B7.pdf";
    let length = pdf.len().to_string();
    for method in [Method::GET, Method::HEAD] {
        let told = world.looks_at(method, link).await;
        let expected = ["application/pdf", name, &length].map(str::to_owned);
        assert_eq!(told, (StatusCode::OK, expected));
    }
    let bare = link.split('?').next().unwrap();
    let (status, _) = world.looks_at(Method::HEAD, bare).await;
    assert_eq!(status, StatusCode::NOT_FOUND);

    let question = json!({ "kind": "choice", "text": "满意吗？",
        "choices": [{ "id": "yes", "text": "满意" }, { "id": "no", "text": "不满意" }] });
    let (status, told) = inbox.post("messages", said("c", question)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{told}");
    customer.sees("满意吗？").await;
    customer.chooses("不满意").await;
    inbox.shows("in", "不满意", "delivered").await;
    let (_, talk) = world.api(Method::GET, &inbox.path(), None).await;
    let messages = talk["messages"].as_array().unwrap();
    let expected = json!({ "choice": "no", "question": { "id": "c", "text": "满意吗？" } });
    assert_eq!(messages.last().unwrap()["data"], expected);
    // A tap opens three for a minute, and not five.
    assert_eq!(talk["window"]["left"], 3);
    world.close().await;
}

/// An operator makes a QR code and a menu; who comes by the code is counted, followers and
/// others, each once.
#[tokio::test]
async fn an_operator_makes_a_menu_and_a_code_whose_scans_are_counted() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Secure).await;
    let path = |rest: &str| format!("/api/channels/{}/{rest}", shop.id);
    let code = json!({ "scene": "counter_3", "name": "柜台三", "expires_in": 604_800 });
    let create = async || {
        let body = Some(code.clone());
        world.api(Method::POST, &path("qrcodes"), body).await
    };
    let (status, made) = create().await;
    assert_eq!(
        (status, &made["scans"]),
        (StatusCode::CREATED, &json!(0)),
        "{made}"
    );
    assert_eq!(create().await.0, StatusCode::CONFLICT);
    let (customer, other) = (shop.customer("Han Meimei"), shop.customer("Jim"));
    other.does(&Act::Unfollow).await;
    for who in [&customer, &other] {
        let scene = "counter_3".to_owned();
        who.does(&Act::Scan { scene }).await;
    }
    let counted = world.until("both scans are counted", async || {
        let (_, list) = world.api(Method::GET, &path("qrcodes"), None).await;
        (list["qrcodes"][0]["scans"] == 2).then_some(())
    });
    counted.await;
    let (status, _) = world
        .api(Method::DELETE, &path("qrcodes/counter_3"), None)
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT);

    let button = json!([{ "name": "门店", "type": "click", "key": "shops" }]);
    let menu = json!({ "button": button });
    let shown = async || world.api(Method::GET, &path("menu"), None).await.1;
    assert_eq!(shown().await["menu"], json!(null));
    let (status, told) = world
        .api(Method::PUT, &path("menu"), Some(menu.clone()))
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{told}");
    assert_eq!(shown().await["menu"], menu);
    let some = json!({ "button": button, "matchrule": { "tag_id": "2" } });
    let (status, added) = world
        .api(Method::POST, &path("menu/conditional"), Some(some))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{added}");
    assert_eq!(shown().await["conditional"][0]["menuid"], added["menuid"]);
    let one = path(&format!(
        "menu/conditional/{}",
        added["menuid"].as_str().unwrap()
    ));
    let (status, _) = world.api(Method::DELETE, &one, None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, told) = world.api(Method::DELETE, &one, None).await;
    assert_eq!(
        (status, &told["wechat"]["code"]),
        (StatusCode::FAILED_DEPENDENCY, &json!(65301))
    );
    let rid = path(&format!("rid/{}", told["wechat"]["rid"].as_str().unwrap()));
    let (_, remembered) = world.api(Method::GET, &rid, None).await;
    assert_eq!(remembered["code"], 65301, "{remembered}");
    let quota = path("quota?path=/cgi-bin/menu/create");
    assert_eq!(world.api(Method::GET, &quota, None).await.1["used"], 1);
    let confirm = json!({ "confirm": shop.id });
    let (status, _) = world
        .api(Method::POST, &path("quota/clear"), Some(confirm))
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(world.api(Method::GET, &quota, None).await.1["used"], 0);
    world.close().await;
}

#[tokio::test]
async fn what_is_too_long_is_refused_at_once() {
    let world = World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Plain).await;
    let customer = shop.customer("Han Meimei");
    customer.says("你好").await;
    desk.hears(&world, "session.opened").await;
    let news = desk.hears_message(&world, "你好").await;
    let conversation = news["conversation"].as_str().unwrap();
    let novel = "很长的回复。".repeat(600);
    let id = desk.says(&shop, conversation, &novel).await;
    let news = desk.hears_status(&world, &id, "failed").await;
    assert_eq!(news["reason"]["code"], "too_long");

    // Three parts are not too long.
    let letter = "长一点的回复。".repeat(250);
    let id = desk.says(&shop, conversation, &letter).await;
    let parts = magpie::wechat::split::split(&letter).unwrap();
    assert_eq!(parts.len(), 3);
    for part in parts {
        customer.sees(&part).await;
    }
    desk.hears_status(&world, &id, "delivered").await;

    let inbox = world.shop_with_inbox(Mode::Plain).await;
    let customer = inbox.customer("Jim");
    customer.says("hello").await;
    let talk = inbox.conversation().await;
    let (status, problem) = talk.post("messages", message(&novel)).await;
    assert!(status.is_client_error(), "{status}");
    assert!(problem.to_string().contains("too_long"), "{problem}");
    customer.sees_nothing().await;
    world.close().await;
}

#[tokio::test]
async fn a_desk_talks_with_a_customer() {
    let world = World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Secure).await;
    let customer = shop.customer("Han Meimei");
    let (question, reply) = (world.markers().text(), world.markers().text());

    customer.says(&question).await;
    let opened = desk.hears(&world, "session.opened").await;
    let news = desk.hears_message(&world, &question).await;
    for field in ["channel", "conversation", "session", "customer"] {
        assert_eq!(opened[field], news[field], "{field}");
    }
    assert_eq!(news["channel"], shop.id);
    assert_eq!(news["customer"]["id"], news["conversation"]);

    let conversation = news["conversation"].as_str().unwrap();
    let id = desk.says(&shop, conversation, &reply).await;
    customer.sees(&reply).await;
    let status = desk.hears_status(&world, &id, "delivered").await;
    assert_eq!(status["conversation"], conversation);

    // Of a conversation that is none of ours we say no more than that.
    let stranger = "7f5c1d9e-3b0a-4c62-9a8d-2e4f6a8b0c1d";
    let id = desk.says(&shop, stranger, "你好").await;
    let status = desk.hears_status(&world, &id, "failed").await;
    assert_eq!(status["conversation"], stranger);

    let end = json!({ "type": "session.end", "time": time(), "conversation": conversation });
    let status = desk.calls(&shop, "msg_end", &end, desk.secret()).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    desk.hears(&world, "session.ended").await;

    customer.says("还在吗").await;
    let again = desk.hears(&world, "session.opened").await;
    assert_eq!(again["conversation"], opened["conversation"]);
    assert_ne!(again["session"], opened["session"]);
    desk.hears_message(&world, "还在吗").await;
    world.close().await;
}

/// Where no Python is named, the desk of these tests plays its part everywhere else.
#[tokio::test]
async fn the_example_of_a_desk_says_everything_back() {
    let Some(python) = magpie::config::variable("MAGPIE_TEST_PYTHON") else {
        return;
    };
    let (old, new) = (new_secret([1; 32]), new_secret([2; 32]));
    let world = World::start().await;
    let (shop, example) = world.shop_with_example(Mode::Secure, &python, &old).await;
    let customer = shop.customer("Han Meimei");
    let words = world.markers().text();
    customer.says(&words).await;
    customer.sees(&words).await;
    example.prints(&world, &format!("says: {words}")).await;
    example.prints(&world, "is delivered").await;

    // Its secret is changed, and at no moment is anything refused.
    example.is_given(&shop, &[&new, &old]).await;
    let words = world.markers().text();
    customer.says(&words).await;
    customer.sees(&words).await;
    let example = example.restarts(&shop, &[&new, &old]).await;
    example.is_given(&shop, &[&new]).await;
    let novel = "很长的一段话。".repeat(90);
    customer.says(&novel).await;
    customer.sees(&novel).await;
    example.prints(&world, "is delivered").await;

    customer.says("Bye").await;
    customer.sees("Bye").await;
    example.prints(&world, "session.ended").await;
    world.close().await;
}

#[tokio::test]
async fn strangers_are_refused() {
    let world = World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Secure).await;
    let customer = shop.customer("Han Meimei");
    let push = customer.writes("你好");
    let post = async |query: &str, body: Vec<u8>| {
        let at = format!("{}?{query}", push.url);
        let call = world.http.post(at).header("content-type", "text/xml");
        call.body(body).send().await.unwrap().status()
    };
    let other = push.query.replace("msg_signature=", "msg_signature=0");
    assert_eq!(post(&other, push.body.clone()).await, StatusCode::FORBIDDEN);
    let huge = vec![b'a'; 64 * 1024 + 1];
    assert_eq!(post(&push.query, huge).await, StatusCode::PAYLOAD_TOO_LARGE);

    let check = format!("{}?signature=0&timestamp=1&nonce=2&echostr=3", push.url);
    let answer = world.http.get(check).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);

    let body = json!({
        "type": "message",
        "time": time(),
        "conversation": "7f5c1d9e-3b0a-4c62-9a8d-2e4f6a8b0c1d",
        "message": { "kind": "text", "text": "你好" },
    });
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let status = desk.calls(&shop, "msg_1", &body, secret).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);

    // Nothing of it was kept; the push itself is as good as ever.
    customer.sees_nothing().await;
    assert_eq!(post(&push.query, push.body.clone()).await, StatusCode::OK);
    desk.hears(&world, "session.opened").await;
    desk.hears_message(&world, "你好").await;
    world.close().await;
}

#[tokio::test]
async fn a_push_that_comes_five_times_is_one_message() {
    let world = World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Plain).await;
    let customer = shop.customer("Han Meimei");
    let push = customer.writes("你好");
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let call = world
            .http
            .post(format!("{}?{}", push.url, push.query))
            .header("content-type", "text/xml")
            .body(push.body.clone());
        posts.spawn(async move { call.send().await.unwrap().status() });
    }
    let statuses = posts.join_all().await;
    assert_eq!(statuses, [StatusCode::OK; 5]);
    desk.hears(&world, "session.opened").await;
    desk.hears_message(&world, "你好").await;
    world.close().await;
}

#[tokio::test]
async fn five_first_messages_at_once_are_of_one_customer() {
    let world = World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Plain).await;
    let customer = shop.customer("Han Meimei");
    let mut posts = tokio::task::JoinSet::new();
    for number in 0..5 {
        let push = customer.writes(&format!("第{number}句"));
        let call = world
            .http
            .post(format!("{}?{}", push.url, push.query))
            .header("content-type", "text/xml")
            .body(push.body);
        posts.spawn(async move { call.send().await.unwrap().status() });
    }
    assert_eq!(posts.join_all().await, [StatusCode::OK; 5]);
    let opened = desk.hears(&world, "session.opened").await;
    // They were sent at once: one that was journalled late may come late.
    let mut heard = Vec::new();
    for _ in 0..5 {
        let news = desk.hears(&world, "message.created").await;
        assert_eq!(news["conversation"], opened["conversation"]);
        assert_eq!(news["session"], opened["session"]);
        heard.push(news["message"]["text"].as_str().unwrap().to_owned());
    }
    heard.sort();
    let said: Vec<String> = (0..5).map(|number| format!("第{number}句")).collect();
    assert_eq!(heard, said);
    world.close().await;
}

#[tokio::test]
async fn a_desk_that_was_down_hears_everything_in_order() {
    let world = World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Plain).await;
    let customer = shop.customer("Han Meimei");
    desk.goes_down();
    let texts: Vec<String> = (0..3).map(|_| world.markers().text()).collect();
    for text in &texts {
        customer.says(text).await;
    }
    world.parks(1).await;
    let before = desk.refused();
    assert!(before > 0, "it was tried");
    world.later().await;
    // The sweeper tries again.
    desk.refuses_more_than(&world, before).await;

    desk.comes_back();
    world.later().await;
    desk.hears(&world, "session.opened").await;
    for text in &texts {
        desk.hears_message(&world, text).await;
    }
    world.close().await;
}

#[tokio::test]
async fn who_is_erased_is_somebody_new_afterwards() {
    let world = World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Secure).await;
    let customer = shop.customer("Han Meimei");
    let first = world.markers().text();
    customer.says(&first).await;
    desk.hears(&world, "session.opened").await;
    let news = desk.hears_message(&world, &first).await;
    let known = news["conversation"].as_str().unwrap().to_owned();

    // The desk has it erased, and repeats its call.
    let delete = json!({
        "type": "conversation.delete",
        "time": time(),
        "conversation": known,
    });
    for _ in 0..2 {
        let status = desk.calls(&shop, "msg_erase", &delete, desk.secret()).await;
        assert_eq!(status, StatusCode::ACCEPTED);
    }
    let news = desk.hears(&world, "session.ended").await;
    assert_eq!(news["reason"]["code"], "erased");
    let news = desk.hears(&world, "customer.erased").await;
    assert_eq!(news["reason"]["code"], "desk");
    assert_eq!(news["conversation"], known.as_str());
    let path = format!("/api/conversations/{known}");
    let (status, _) = world.api(Method::GET, &path, None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let id = desk.says(&shop, &known, "还在吗").await;
    let news = desk.hears_status(&world, &id, "failed").await;
    assert_eq!(news["reason"]["code"], "unknown_conversation");

    // A customer who writes again is a new one, and is erased by the API.
    let second = world.markers().text();
    customer.says(&second).await;
    desk.hears(&world, "session.opened").await;
    let news = desk.hears_message(&world, &second).await;
    let again = news["conversation"].as_str().unwrap().to_owned();
    assert_ne!(again, known);
    let path = format!("/api/customers/{again}");
    let (status, answer) = world.api(Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["finished"], true);
    let places = answer["remains"].as_array().unwrap().iter();
    let places: Vec<_> = places.map(|one| one["place"].as_str().unwrap()).collect();
    let expected = ["desk", "backups", "wechat_uploads", "wechat", "record"];
    assert_eq!(places, expected);
    desk.hears(&world, "session.ended").await;
    let news = desk.hears(&world, "customer.erased").await;
    assert_eq!(news["reason"]["code"], "asked");
    let (status, _) = world.api(Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    customer.sees_nothing().await;
    world.close().await;
}
