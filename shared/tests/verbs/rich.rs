//! What agents send beside words: files, links, cards, and questions with choices.

use std::time::Duration;

use magpie::bridge::{Files, sweep};
use magpie::channel::{AgentName, CallbackMode, Channel};
use magpie::journal::Lane;
use magpie::media::Attachment;
use magpie::storage::{Folder, Storage};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::shop::{Shop, at, webhook_desk};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";
const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF and so on";
const MP4: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom and so on";
const WEBP: &[u8] = b"RIFF\x24\0\0\0WEBPVP8 and so on";
const PDF: &[u8] = b"%PDF-1.7 and so on";
const THERE: &str = "https://files.example/1";

struct House {
    shop: Shop,
    ann: String,
    root: TempDir,
}

impl House {
    /// A customer has written, and files are kept.
    async fn open() -> Self {
        let mut shop = Shop::open(crate::store().await, webhook_desk(), CallbackMode::Plain).await;
        let root = TempDir::new().unwrap();
        shop.bridge = shop.bridge.with_files(Files {
            storage: Storage::Folder(Folder::open(&root.path().join("media")).unwrap()),
            base: Some(Url::parse("https://bridge.example").unwrap()),
            scanner: None,
        });
        assert_eq!(shop.say("oAnn", 1, "你好").await.status(), 200);
        shop.deliver().await;
        shop.told();
        let ann = shop.customer("oAnn").await;
        Self { shop, ann, root }
    }

    /// An agent sends a message; gives the status.
    async fn sends(&self, id: &str, message: &Value) -> u16 {
        let body = json!({
            "type": "message", "time": self.shop.bridge.now().to_string(),
            "conversation": self.ann, "message": message, "agent": { "name": "Anna Li" },
        });
        let response = self.shop.call(id, &body).await;
        self.shop.deliver().await;
        response.status().as_u16()
    }

    /// What WeChat was asked to send since the last time, without whom to.
    fn sent(&self) -> Vec<Value> {
        let calls = self.shop.sent_to("api.weixin.qq.com");
        let sends = calls
            .iter()
            .filter(|call| call.url.path() == "/cgi-bin/message/custom/send");
        sends
            .map(|call| {
                let mut body: Value = serde_json::from_slice(&call.body).unwrap();
                assert_eq!(body["touser"], "oAnn");
                body.as_object_mut().unwrap().remove("touser");
                body
            })
            .collect()
    }

    /// The states and reasons that the desk was told since the last time.
    fn told(&self) -> Vec<String> {
        let told = self.shop.told().into_iter();
        let told = told.filter(|call| call["type"] == "message.status");
        told.map(|call| {
            let reason = call["reason"]["code"].as_str().unwrap_or("-");
            format!("{} {reason}", call["state"].as_str().unwrap())
        })
        .collect()
    }

    async fn minutes(&self, minutes: u32) {
        for _ in 0..minutes {
            tokio::time::advance(Duration::from_mins(1)).await;
            let ends = self.shop.bridge.now().plus(Duration::from_secs(50));
            sweep::sweep(&self.shop.bridge, ends).await.unwrap();
            self.shop.deliver().await;
        }
    }

    /// The customer writes, so that there is a window.
    async fn writes(&self, id: u64) {
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(self.shop.say("oAnn", id, "嗯").await.status(), 200);
        self.shop.deliver().await;
        self.shop.told();
    }

    async fn set(&self, change: impl FnOnce(&mut Channel)) {
        let now = self
            .shop
            .bridge
            .store
            .channel(&crate::shop::channel_id())
            .await;
        let mut set = now.unwrap().unwrap();
        set.revision += 1;
        change(&mut set);
        assert!(self.shop.bridge.store.update_channel(&set).await.unwrap());
        // Every process looks again after a minute.
        tokio::time::advance(Duration::from_secs(61)).await;
    }
}

fn image() -> Value {
    json!({ "kind": "image", "media": { "url": THERE } })
}

#[tokio::test(start_paused = true)]
async fn a_picture_is_fetched_kept_brought_to_wechat_once_and_sent() {
    let house = House::open().await;
    house.shop.gives(THERE, 200, PNG);
    assert_eq!(house.sends("a", &image()).await, 202);
    assert_eq!(house.shop.brought(), [("image".to_owned(), PNG.to_vec())]);
    let picture = json!({ "msgtype": "image", "image": { "media_id": "up1" } });
    assert_eq!(house.sent(), std::slice::from_ref(&picture));
    assert_eq!(house.told(), ["delivered -"]);
    let journal = house.shop.journal(&at("oAnn"), Lane::Out).await;
    let Some(Attachment::Kept { place, size, .. }) = &journal[0].attachment else {
        panic!("it is kept");
    };
    assert_eq!(*size, PNG.len() as u64);
    let path = house.root.path().join("media").join(place.as_str());
    assert_eq!(std::fs::read(path).unwrap(), PNG);

    // The same picture from elsewhere, with words beside it: WeChat has it.
    house.shop.gives("https://files.example/2", 200, PNG);
    let again =
        json!({ "kind": "image", "media": { "url": "https://files.example/2" }, "text": "新品" });
    assert_eq!(house.sends("b", &again).await, 202);
    assert!(house.shop.brought().is_empty());
    let words = json!({ "msgtype": "text", "text": { "content": "新品" } });
    assert_eq!(house.sent(), [picture, words]);
    assert_eq!(house.told(), ["delivered -"]);

    // After three days it has it no more.
    tokio::time::advance(Duration::from_hours(72)).await;
    house.writes(2).await;
    assert_eq!(house.sends("c", &image()).await, 202);
    assert_eq!(house.shop.brought().len(), 1);
    assert_eq!(house.sent()[0]["image"]["media_id"], "up2");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_wechat_has_lost_is_brought_once_more() {
    let house = House::open().await;
    house.shop.gives(THERE, 200, PNG);
    house.shop.wechat_answers(&[40007]);
    house.sends("a", &image()).await;
    let ids: Vec<_> = house
        .sent()
        .iter()
        .map(|sent| sent["image"]["media_id"].clone())
        .collect();
    assert_eq!(ids, ["up1", "up2"]);
    assert_eq!(house.told(), ["delivered -"]);
    house.sends("b", &image()).await;
    assert_eq!(house.sent()[0]["image"]["media_id"], "up2");
    assert_eq!(house.told(), ["delivered -"]);
    house.shop.wechat_answers(&[40007, 40007]);
    house.sends("c", &image()).await;
    assert_eq!(house.sent().len(), 2);
    assert_eq!(house.told(), ["failed file_unavailable"]);
    // An id that a desk named is not ours to bring.
    house.shop.brought();
    house.shop.wechat_answers(&[40007, 40007]);
    let theirs = json!({ "kind": "voice", "media": { "media_id": "theirs" } });
    house.sends("d", &theirs).await;
    assert!(house.shop.brought().is_empty());
    assert_eq!(house.told(), ["failed file_unavailable"]);
}

#[tokio::test(start_paused = true)]
async fn what_this_account_may_not_send_goes_in_words_from_then_on() {
    let house = House::open().await;
    let question = json!({ "kind": "choice", "text": "满意吗？",
        "choices": [{ "id": "y", "text": "满意" }, { "id": "n", "text": "不满意" }] });
    house.shop.wechat_answers(&[40200]);
    house.sends("a", &question).await;
    let sent = house.sent();
    assert_eq!(sent[0]["msgtype"], "msgmenu");
    let words = json!({ "msgtype": "text", "text": { "content": "满意吗？\n1. 满意\n2. 不满意" } });
    assert_eq!(&sent[1..], std::slice::from_ref(&words));
    house.sends("b", &question).await;
    assert_eq!(house.sent(), [words]);
    assert_eq!(house.told(), ["delivered -", "delivered -"]);

    house.shop.gives(THERE, 200, PNG);
    house.shop.wechat_answers(&[40200]);
    house.sends("c", &image()).await;
    let text = house.sent()[1]["text"]["content"]
        .as_str()
        .unwrap()
        .to_owned();
    let link = text.strip_prefix("[图片]\n").unwrap();
    opens(&house.shop, link).await;
    assert_eq!(house.told(), ["delivered -"]);
    // A card cannot be said in words.
    house.writes(2).await;
    house.shop.wechat_answers(&[40200]);
    let card = json!({ "kind": "card", "title": "店", "app_id": "wx0123456789abcdef",
        "path": "pages/a", "thumb": { "media_id": "t" } });
    house.sends("d", &card).await;
    assert_eq!(house.told(), ["failed unsupported_kind"]);
    // What WeChat allows meanwhile is found out in a week.
    tokio::time::advance(Duration::from_hours(7 * 24)).await;
    house.writes(3).await;
    house.sent();
    house.sends("e", &question).await;
    assert_eq!(house.sent()[0]["msgtype"], "msgmenu");
}

/// Whether a link of ours leads to a file.
async fn opens(shop: &Shop, link: &str) {
    let link = Url::parse(link).unwrap();
    let path = link.path().strip_prefix("/media/").unwrap();
    let query = link.query().unwrap();
    let opened = shop.bridge.open_file(&http::Method::GET, path, query).await;
    assert!(opened.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_document_goes_as_a_link() {
    let house = House::open().await;
    house.shop.gives(THERE, 200, PDF);
    let document =
        json!({ "kind": "file", "media": { "url": THERE }, "name": "报价.pdf", "text": "请看" });
    house.sends("a", &document).await;
    let sent = house.sent();
    let text = sent[0]["text"]["content"].as_str().unwrap();
    let link = text.strip_prefix("报价.pdf\n").unwrap();
    assert!(link.starts_with("https://bridge.example/media/shop-a/"));
    opens(&house.shop, link).await;
    assert!(link.contains("&name=%E6%8A%A5%E4%BB%B7.pdf&"), "{link}");
    assert_eq!(sent[1]["text"]["content"], "请看");
    assert_eq!(house.told(), ["delivered -"]);
    // Whoever passes on what they were given names our own link.
    house.shop.gives(THERE, 404, "");
    let passed = json!({ "kind": "file", "media": { "url": link }, "name": "报价.pdf" });
    house.sends("b", &passed).await;
    assert_eq!(house.told(), ["delivered -"]);
    let files = house.shop.sent_to("files.example");
    assert_eq!(files.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_tap_answers_its_question() {
    let house = House::open().await;
    let question = |text: &str| {
        json!({ "kind": "choice", "text": text, "closing": "谢谢",
            "choices": [{ "id": "1", "text": "是" }, { "id": "2", "text": "否" }] })
    };
    house.sends("first", &question("要发票吗？")).await;
    house.sends("second", &question("要袋子吗？")).await;
    // A repeat of the desk's call asks nothing again.
    house.sends("second", &question("要袋子吗？")).await;
    let sent = house.sent();
    assert_eq!(sent.len(), 2);
    let menu = &sent[0]["msgmenu"];
    assert_eq!(
        (&menu["head_content"], &menu["tail_content"]),
        (&json!("要发票吗？"), &json!("谢谢"))
    );
    let id = menu["list"][1]["id"].as_str().unwrap();
    assert_ne!(id, sent[1]["msgmenu"]["list"][1]["id"]);
    house.told();
    let tap = |id: &str, number: u64| {
        let now = house.shop.now();
        format!(
            "<xml><ToUserName>gh_shop_a</ToUserName><FromUserName>oAnn</FromUserName>\
             <CreateTime>{now}</CreateTime><MsgType>text</MsgType><Content>否</Content>\
             <MsgId>{number}</MsgId><bizmsgmenuid>{id}</bizmsgmenuid></xml>"
        )
    };
    for (number, (id, expected)) in [
        (
            id,
            json!({ "choice": "2", "question": { "id": "first", "text": "要发票吗？" } }),
        ),
        ("AAAAAAAA.1", json!({ "choice": "AAAAAAAA.1" })),
        ("101", json!({ "choice": "101" })),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(
            house.shop.push(&tap(id, 50 + number as u64)).await.status(),
            200
        );
        house.shop.deliver().await;
        let told = house.shop.told();
        assert_eq!(told.last().unwrap()["message"]["data"], expected);
        assert_eq!(told.last().unwrap()["message"]["text"], "否");
    }
}

#[tokio::test(start_paused = true)]
async fn what_wechat_would_not_take_is_told_before_it_is_asked() {
    let amr = [&b"#!AMR\n"[..], &vec![0x3c; 32 * 3_001]].concat();
    let large = [PNG, &vec![0; 10 << 20]].concat();
    let house = House::open().await;
    for (kind, body, status, expected) in [
        ("image", WEBP.to_vec(), 200, "failed file_not_taken"),
        ("image", PDF.to_vec(), 200, "failed file_not_taken"),
        ("image", b"<html>".to_vec(), 200, "failed file_not_taken"),
        ("image", Vec::new(), 200, "failed file_not_taken"),
        ("image", large, 200, "failed file_not_taken"),
        ("voice", amr, 200, "failed file_not_taken"),
        ("voice", MP4.to_vec(), 200, "failed file_not_taken"),
        ("video", JPEG.to_vec(), 200, "failed file_not_taken"),
        (
            "file",
            b"\0\x01\x02 what is that".to_vec(),
            200,
            "failed file_not_taken",
        ),
        ("image", PNG.to_vec(), 404, "failed file_unavailable"),
        ("image", PNG.to_vec(), 302, "failed file_unavailable"),
    ] {
        house.shop.gives(THERE, status, body);
        let mut message = json!({ "kind": kind, "media": { "url": THERE } });
        if kind == "file" {
            message["name"] = json!("x.bin");
        }
        let id = house.shop.bridge.chance.nonce();
        assert_eq!(house.sends(&id, &message).await, 202);
        assert_eq!(house.told(), [expected], "{kind} {status}");
    }
    let private = json!({ "kind": "image", "media": { "url": "http://127.0.0.1/1.png" } });
    house.sends("private", &private).await;
    assert_eq!(house.told(), ["failed file_unavailable"]);
    assert!(house.sent().is_empty() && house.shop.brought().is_empty());
    // Nothing of the window was used.
    house.shop.gives(THERE, 200, MP4);
    for id in 0..5 {
        let film = json!({ "kind": "video", "media": { "url": THERE }, "title": "新品" });
        house.sends(&format!("film{id}"), &film).await;
    }
    assert_eq!(house.told(), ["delivered -"; 5]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_had_now_is_waited_for() {
    let house = House::open().await;
    house.shop.gives(THERE, 503, "");
    house.sends("a", &image()).await;
    house
        .sends("b", &json!({ "kind": "text", "text": "这是图" }))
        .await;
    assert!(house.sent().is_empty(), "nothing passes it");
    house.minutes(3).await;
    house.shop.gives(THERE, 200, PNG);
    house.minutes(8).await;
    let kinds: Vec<_> = house
        .sent()
        .iter()
        .map(|sent| sent["msgtype"].clone())
        .collect();
    assert_eq!(kinds, ["image", "text"]);
    assert_eq!(house.told(), ["delivered -", "delivered -"]);
}

#[tokio::test(start_paused = true)]
async fn everything_else_has_wechats_form() {
    let house = House::open().await;
    house.shop.gives(THERE, 200, JPEG);
    let link = json!({ "kind": "link", "title": "新品", "url": "https://a.example/1",
        "picture": "https://a.example/1.jpg", "kf_account": "anna@shop", "ai": true });
    let music = json!({ "kind": "music", "title": "歌", "url": "https://a.example/1.mp3",
        "thumb": { "url": THERE } });
    let article = json!({ "kind": "article", "article_id": "art-1" });
    for (id, message) in [("a", &link), ("b", &music), ("c", &article)] {
        assert_eq!(house.sends(id, message).await, 202);
    }
    let sent = house.sent();
    assert_eq!(
        sent[0],
        json!({ "msgtype": "news", "customservice": { "kf_account": "anna@shop" },
            "aimsgcontext": { "is_ai_msg": 1 },
            "news": { "articles": [{ "title": "新品", "description": "",
                "url": "https://a.example/1", "picurl": "https://a.example/1.jpg" }] } })
    );
    assert_eq!(sent[1]["music"]["thumb_media_id"], "up1");
    assert_eq!(house.shop.brought()[0].0, "thumb");
    assert_eq!(
        sent[2],
        json!({ "msgtype": "mpnewsarticle", "mpnewsarticle": { "article_id": "art-1" } })
    );
    assert_eq!(house.told(), ["delivered -"; 3]);
}

#[tokio::test(start_paused = true)]
async fn an_agents_name_stands_before_what_they_say() {
    let house = House::open().await;
    let said = |sent: Vec<Value>| -> Vec<String> {
        let texts = sent
            .iter()
            .map(|sent| sent["text"]["content"].as_str().unwrap().to_owned());
        texts.collect()
    };
    house.set(|set| set.agent_name = AgentName::First).await;
    house
        .sends("a", &json!({ "kind": "text", "text": "Hello" }))
        .await;
    assert_eq!(said(house.sent()), ["Anna: Hello"]);
    // It is counted: what fitted into one message needs two.
    house
        .sends("b", &json!({ "kind": "text", "text": "长".repeat(682) }))
        .await;
    let texts = said(house.sent());
    assert_eq!(texts.len(), 2);
    assert!(texts[0].starts_with("(1/2) Anna: 长") && !texts[1].contains("Anna"));
    assert!(texts.iter().all(|text| text.len() <= 2048));
    house.told();
    // Another setting makes no other words of what was said before.
    house
        .set(|set| {
            set.agent_name = AgentName::Full;
            set.kf_account = Some("li@shop".to_owned());
        })
        .await;
    let time = house.shop.bridge.now();
    let call = |text: &str| {
        json!({ "type": "message", "time": time.to_string(), "conversation": house.ann,
            "message": { "kind": "text", "text": text }, "agent": { "name": "Anna Li" } })
    };
    assert_eq!(house.shop.call("c", &call("Bye")).await.status(), 202);
    house.shop.deliver().await;
    let sent = house.sent();
    assert_eq!(sent[0]["customservice"]["kf_account"], "li@shop");
    assert_eq!(said(sent), ["Anna Li: Bye"]);
    house.set(|set| set.agent_name = AgentName::None).await;
    assert_eq!(house.shop.call("c", &call("Bye")).await.status(), 202);
    house.shop.deliver().await;
    assert!(house.sent().is_empty());
    assert_eq!(house.told(), ["delivered -"], "once");
    assert_eq!(house.shop.call("c", &call("Hi")).await.status(), 202);
    house.shop.deliver().await;
    assert_eq!(house.told(), ["failed id_used"]);
    // Other ends of other scripts.
    assert_eq!(
        AgentName::First.before(Some("王小明"), "好".into()),
        "王小明：好"
    );
    assert_eq!(AgentName::Full.before(Some("  \u{7} "), "好".into()), "好");
    assert_eq!(AgentName::Full.before(None, "好".into()), "好");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_is_said_with_its_field() {
    let house = House::open().await;
    let check = async |message: Value, expected: &str| {
        let body = json!({ "type": "message", "time": house.shop.bridge.now().to_string(),
            "conversation": house.ann, "message": message });
        let response = house.shop.call("x", &body).await;
        assert_eq!(response.status(), 400, "{expected}");
        assert_eq!(response.body(), expected);
    };
    check(json!({ "kind": "image" }), "message.media: it is missing").await;
    check(
        json!({ "kind": "link", "title": "t", "url": "file:///etc" }),
        "message.url: it is an http or https address",
    )
    .await;
    check(
        json!({ "kind": "choice", "text": "?", "choices": [] }),
        "message.choices: it is missing",
    )
    .await;
    check(
        json!({ "kind": "text", "text": "hi", "kf_account": "anna" }),
        "kf_account is name@account, at most 30 characters",
    )
    .await;
    // What an agent can mend is told to the agent.
    let long = json!({ "kind": "link", "title": "题".repeat(129), "url": "https://a.example" });
    assert_eq!(house.sends("long", &long).await, 202);
    assert_eq!(
        house.sends("odd", &json!({ "kind": "hologram" })).await,
        202
    );
    assert_eq!(house.told(), ["failed too_long", "failed unsupported_kind"]);
    assert!(house.sent().is_empty());
}
