//! What is left of a customer who is erased, and who does not come back as a ghost.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use magpie::bridge::{Files, sweep};
use magpie::channel::{CallbackMode, DeskSettings};
use magpie::conversation::parse_customer_id;
use magpie::journal::{ConversationKey, Entry, EntryKey, Lane, Origin, State};
use magpie::message::{Body, MessageId};
use magpie::reason::Reason;
use magpie::storage::{Folder, Storage};
use magpie::store::Store;
use magpie::store::embedded::Engine;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::shop::{Shop, at, channel, channel_id, event_push, webhook_desk};

const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF and so on";
const DAY: Duration = Duration::from_hours(24);
const SECOND_PASS: Duration = Duration::from_mins(21);
/// What everything holds that is somebody's.
const WORDS: &str = "my secret";

/// A shop with files, and a look at the rows past the store.
struct House {
    shop: Shop,
    rows: Client,
    root: TempDir,
}

impl House {
    async fn open(desk: DeskSettings) -> Self {
        let rows = Engine::in_memory().unwrap().client();
        let store = Store::new(rows.clone(), "messages", "control");
        store.create_tables(false).await.unwrap();
        let mut shop = Shop::open(store, desk, CallbackMode::Plain).await;
        let root = TempDir::new().unwrap();
        shop.bridge = shop.bridge.with_files(Files {
            storage: Storage::Folder(Folder::open(&root.path().join("media")).unwrap()),
            base: Some(Url::parse("https://bridge.example").unwrap()),
            scanner: None,
        });
        Self { shop, rows, root }
    }

    /// Ann, who has said something in an open session.
    async fn with_ann() -> (Self, String) {
        let house = Self::open(webhook_desk()).await;
        house.says("oAnn", 1, WORDS).await;
        house.shop.told();
        let ann = house.shop.customer("oAnn").await;
        (house, ann)
    }

    async fn says(&self, open_id: &str, id: u64, text: &str) {
        assert_eq!(self.shop.say(open_id, id, text).await.status(), 200);
        self.shop.deliver().await;
    }

    async fn happens(&self, open_id: &str, name: &str, rest: &str) {
        let xml = event_push(open_id, self.shop.now(), name, rest);
        assert_eq!(self.shop.push(&xml).await.status(), 200);
        self.shop.deliver().await;
    }

    /// Somebody withdraws a consent: the sender is one of WeChat's.
    async fn revokes(&self, open_id: &str, name: &str) {
        let rest =
            format!("<OpenID>{open_id}</OpenID><AppID>wx1</AppID><RevokeInfo>205</RevokeInfo>");
        self.happens("oWechat", name, &rest).await;
    }

    async fn deletes(&self, call: &str, customer: &str) {
        let body = json!({
            "type": "conversation.delete",
            "time": self.shop.bridge.now().to_string(),
            "conversation": customer,
        });
        assert_eq!(self.shop.call(call, &body).await.status(), 202);
        self.shop.deliver().await;
    }

    async fn later(&self, span: Duration) {
        tokio::time::advance(span).await;
        let ends = self.shop.bridge.now().plus(Duration::from_secs(50));
        sweep::sweep(&self.shop.bridge, ends).await.unwrap();
        self.shop.deliver().await;
    }

    /// What the table holds, row by row, but for the secrets of a channel.
    async fn dump(&self) -> Vec<String> {
        let scan = self.rows.scan().table_name("messages").send();
        let rows = scan.await.unwrap().items.unwrap_or_default();
        let readable = |row| format!("{row:?}");
        rows.into_iter().map(readable).collect()
    }

    /// The keys of a conversation's rows.
    async fn keys(&self, at: &ConversationKey) -> Vec<String> {
        let scan = self.rows.scan().table_name("messages").send();
        let rows = scan.await.unwrap().items.unwrap_or_default();
        let own = rows
            .iter()
            .filter(|row| row["pk"].as_s().unwrap() == at.as_str());
        let mut keys: Vec<_> = own.map(|row| row["sk"].as_s().unwrap().clone()).collect();
        keys.sort();
        keys
    }

    /// Nothing names the customer but the record that they were erased.
    async fn nothing_is_left_of(&self, open_id: &str, customer: &str) {
        for row in self.dump().await {
            assert!(!row.contains(open_id), "{row}");
            assert!(!row.contains(customer) || row.contains("A#shop-a"), "{row}");
        }
        let folder = self.root.path().join("media/shop-a");
        let left = std::fs::read_dir(folder).map_or(0, Iterator::count);
        assert_eq!(left, 0, "files");
    }

    async fn leaving(&self) -> Option<Duration> {
        let known = self.shop.bridge.store.conversation(&at("oAnn")).await;
        let leaving = known.unwrap()?.0.leaving?;
        Some(leaving.due.since(self.shop.bridge.now()))
    }
}

fn types(told: &[Value]) -> Vec<&str> {
    told.iter()
        .map(|call| call["type"].as_str().unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_desk_deletes_a_customer_who_then_comes_back_as_another_one() {
    let (house, ann) = House::with_ann().await;
    let shop = &house.shop;
    shop.gives("https://mmbiz.qpic.cn/picture", 200, JPEG);
    let picture = event_push("oAnn", shop.now(), "x", "").replace(
        "<MsgType>event</MsgType><Event>x</Event>",
        "<MsgType>image</MsgType><MediaId>m</MediaId><MsgId>2</MsgId>\
         <PicUrl>http://mmbiz.qpic.cn/picture</PicUrl>",
    );
    assert_eq!(shop.push(&picture).await.status(), 200);
    house
        .happens("oAnn", "LOCATION", "<Latitude>23.1</Latitude>")
        .await;
    shop.deliver().await;
    assert_eq!(shop.answer("msg_1", &ann, "您好").await.status(), 202);
    shop.deliver().await;
    let told = shop.told();
    assert_eq!(told[0]["message"]["media"]["state"], "kept");
    let session = told[0]["session"].clone();
    assert!(house.keys(&at("oAnn")).await.len() > 4);

    tokio::time::advance(Duration::from_secs(2)).await;
    house.deletes("del_1", &ann).await;
    let told = shop.told();
    assert_eq!(types(&told), ["session.ended", "customer.erased"]);
    assert_eq!(
        (&told[0]["session"], &told[0]["conversation"]),
        (&session, &json!(ann))
    );
    assert_eq!(told[0]["reason"]["code"], "erased");
    assert_eq!(told[1]["reason"]["code"], "desk");
    let customer = parse_customer_id(&ann).unwrap();
    assert_eq!(shop.bridge.store.find(&customer).await.unwrap(), None);
    // A repeat, and somebody whom nobody knows, are answered alike and change nothing.
    house.deletes("del_1", &ann).await;
    house.deletes("del_2", "someone").await;
    assert_eq!(shop.told(), [Value::Null; 0]);
    assert_eq!(shop.answer("msg_2", &ann, "在吗").await.status(), 202);
    shop.deliver().await;
    let told = shop.told();
    assert_eq!(told[0]["reason"]["code"], "unknown_conversation");

    // The sweep carries it out, however soon Ann is back.
    tokio::time::advance(Duration::from_secs(2)).await;
    house.says("oAnn", 3, "hello again").await;
    let told = shop.told();
    assert_eq!(types(&told), ["session.opened", "message.created"]);
    assert_ne!(told[0]["conversation"], json!(ann));
    house.later(SECOND_PASS).await;
    for row in house.dump().await {
        assert!(!row.contains(&ann) || row.contains("A#shop-a"), "{row}");
        assert!(!row.contains(WORDS), "{row}");
    }
    assert_eq!(
        house.keys(&at("oAnn")).await.len(),
        3,
        "J, its timer and one message"
    );
    let new = told[0]["conversation"].as_str().unwrap();
    assert_eq!(shop.answer("msg_3", new, "您好").await.status(), 202);
    shop.deliver().await;
    assert_eq!(types(&shop.told()), ["message.status"]);
    house.later(SECOND_PASS).await;
    assert_eq!(shop.customer("oAnn").await, new, "nobody is erased twice");
}

#[tokio::test(start_paused = true)]
async fn the_second_pass_leaves_nothing_and_takes_what_came_late() {
    let (house, ann) = House::with_ann().await;
    let shop = &house.shop;
    house.deletes("del_1", &ann).await;
    shop.told();
    house.later(Duration::from_mins(1)).await;
    assert_eq!(house.keys(&at("oAnn")).await, ["J"], "the stone");
    // Who has read before puts an answer and parks its lane.
    let customer = parse_customer_id(&ann).unwrap();
    let origin = Origin {
        channel: channel_id(),
        open_id: None,
    };
    let id = MessageId::parse("late").unwrap();
    let key = EntryKey::outbound(shop.bridge.now(), &id, 1);
    let late = Entry::pending(key.clone(), shop.bridge.now(), Body::text("late"), origin)
        .answering(id, 1)
        .for_customer(&customer);
    let store = &shop.bridge.store;
    store
        .put_answer(&at("oAnn"), std::slice::from_ref(&late), 9_999_999_999)
        .await
        .unwrap();
    let park = magpie::store::Park {
        channel: &channel_id(),
        due: shop.bridge.now(),
        attempts: 0,
        from: &key,
        reason: Reason::OutOfTime,
        by: "somebody",
    };
    assert!(store.park(&at("oAnn"), Lane::Out, &park).await.unwrap());
    house.later(Duration::from_mins(1)).await;
    assert_eq!(
        shop.sent_to("api.weixin.qq.com").len(),
        0,
        "nothing goes out"
    );
    assert_eq!(
        house.keys(&at("oAnn")).await.len(),
        2,
        "the stone and the late answer"
    );
    house.later(SECOND_PASS).await;
    assert_eq!(house.keys(&at("oAnn")).await, [""; 0]);
    house.nothing_is_left_of("oAnn", &ann).await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_desk_that_is_down_is_never_told_after_an_erasure() {
    let (house, ann) = House::with_ann().await;
    let shop = &house.shop;
    shop.desk_answers(503);
    house.says("oAnn", 2, WORDS).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    house.deletes("del_1", &ann).await;
    shop.told();
    shop.desk_answers(200);
    house.later(Duration::from_mins(20)).await;
    let told = shop.told();
    assert_eq!(types(&told), ["session.ended", "customer.erased"]);
    house.later(SECOND_PASS).await;
    house.nothing_is_left_of("oAnn", &ann).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_held_does_not_go_to_who_comes_back() {
    let (house, ann) = House::with_ann().await;
    let shop = &house.shop;
    for number in 0..6 {
        let id = format!("msg_{number}");
        assert_eq!(shop.answer(&id, &ann, "您好").await.status(), 202);
        shop.deliver().await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(shop.sends().len(), 5);
    house.deletes("del_1", &ann).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    house.says("oAnn", 2, "hello again").await;
    house.later(Duration::from_mins(2)).await;
    house.later(SECOND_PASS).await;
    assert_eq!(shop.sends().len(), 0);
    let left = shop.journal(&at("oAnn"), Lane::Out).await;
    assert_eq!(left.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_unfollows_is_erased_when_the_grace_is_over() {
    let (house, ann) = House::with_ann().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    house.happens("oAnn", "unsubscribe", "").await;
    assert_eq!(house.leaving().await, Some(DAY * 15));
    house.shop.told();
    house.later(DAY * 14).await;
    assert!(house.leaving().await.is_some());
    house.later(DAY).await;
    let told = house.shop.told();
    assert_eq!(
        types(&told),
        ["customer.erased"],
        "the session ended when she left"
    );
    assert_eq!(told[0]["reason"]["code"], "unfollowed");
    house.later(SECOND_PASS).await;
    house.nothing_is_left_of("oAnn", &ann).await;
    assert_eq!(house.keys(&at("oAnn")).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_in_time_stays() {
    let (house, ann) = House::with_ann().await;
    for (days, back) in [(1, "subscribe"), (2, "SCAN"), (3, "CLICK")] {
        tokio::time::advance(Duration::from_secs(1)).await;
        house.happens("oAnn", "unsubscribe", "").await;
        assert!(house.leaving().await.is_some());
        tokio::time::advance(DAY * days).await;
        // What only somebody else can do says nothing.
        house.happens("oAnn", "VIEW", "").await;
        house
            .happens("oAnn", "TEMPLATESENDJOBFINISH", "<MsgID>1</MsgID>")
            .await;
        assert!(house.leaving().await.is_some());
        house.happens("oAnn", back, "<EventKey>k</EventKey>").await;
        assert_eq!(house.leaving().await, None, "{back}");
    }
    house.happens("oAnn", "unsubscribe", "").await;
    tokio::time::advance(DAY).await;
    house.says("oAnn", 2, "again").await;
    assert_eq!(house.leaving().await, None);
    house.later(DAY * 20).await;
    assert_eq!(house.shop.customer("oAnn").await, ann);
}

#[tokio::test(start_paused = true)]
async fn who_came_back_is_not_erased_though_the_desk_is_down() {
    let (house, ann) = House::with_ann().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    house.happens("oAnn", "unsubscribe", "").await;
    house.later(DAY * 14 + Duration::from_hours(20)).await;
    house.shop.desk_answers(503);
    house.says("oAnn", 2, "one").await;
    house
        .happens("oAnn", "SCAN", "<EventKey>k</EventKey>")
        .await;
    house.later(Duration::from_hours(5)).await;
    assert_eq!(house.shop.customer("oAnn").await, ann);
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_consent_stays_withdrawn() {
    for name in [
        "user_info_modified",
        "user_authorization_revoke",
        "user_authorization_cancellation",
    ] {
        let (house, ann) = House::with_ann().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        house.revokes("oAnn", name).await;
        assert_eq!(house.leaving().await, Some(DAY * 15), "{name}");
        assert_eq!(
            house.shop.told(),
            [Value::Null; 0],
            "it is none of an agent's"
        );
        tokio::time::advance(DAY).await;
        house.says("oAnn", 2, WORDS).await;
        house.shop.told();
        house.later(DAY * 14).await;
        let told = house.shop.told();
        assert_eq!(types(&told), ["session.ended", "customer.erased"]);
        assert_eq!(told[1]["reason"]["code"], "consent");
        house.later(SECOND_PASS).await;
        house.nothing_is_left_of("oAnn", &ann).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_nobodys_customer_does_not_become_one_by_leaving() {
    let house = House::open(webhook_desk()).await;
    house
        .happens("oBob", "LOCATION", "<Latitude>23.1</Latitude>")
        .await;
    assert_eq!(house.keys(&at("oBob")).await, ["L"]);
    house
        .happens("oBob", "VIEW", "<EventKey>https://a.example</EventKey>")
        .await;
    house
        .happens("oBob", "TEMPLATESENDJOBFINISH", "<MsgID>1</MsgID>")
        .await;
    house.revokes("oBob", "user_authorization_revoke").await;
    house.happens("oBob", "unsubscribe", "").await;
    let keys = house.keys(&at("oBob")).await;
    assert!(keys.iter().all(|key| key.starts_with("I#")), "{keys:?}");
    let entries = house.shop.journal(&at("oBob"), Lane::In).await;
    assert!(entries.iter().all(|entry| entry.state == State::Delivered));
    assert_eq!(house.shop.told(), [Value::Null; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_suspension_keeps_no_erasure_waiting() {
    let (house, ann) = House::with_ann().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    house.happens("oAnn", "unsubscribe", "").await;
    let mut suspended = channel(webhook_desk(), CallbackMode::Plain);
    suspended.suspended = true;
    suspended.revision = 2;
    assert!(
        house
            .shop
            .bridge
            .store
            .move_channel(&suspended, 1)
            .await
            .unwrap()
    );
    house.later(DAY * 16).await;
    house.later(SECOND_PASS).await;
    let customer = parse_customer_id(&ann).unwrap();
    assert_eq!(house.shop.bridge.store.find(&customer).await.unwrap(), None);
    assert_eq!(house.keys(&at("oAnn")).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_while_the_desk_is_down_waits_for_nobody() {
    let (house, ann) = House::with_ann().await;
    house.shop.desk_answers(503);
    house.says("oAnn", 2, "one").await;
    tokio::time::advance(Duration::from_secs(1)).await;
    house.happens("oAnn", "unsubscribe", "").await;
    assert!(house.leaving().await.is_some(), "noted behind what waits");
    // She is back before the desk is.
    house.happens("oAnn", "subscribe", "").await;
    tokio::time::advance(Duration::from_secs(1)).await;
    house
        .happens("oAnn", "CLICK", "<EventKey>k</EventKey>")
        .await;
    house.shop.desk_answers(200);
    house.later(Duration::from_mins(20)).await;
    assert_eq!(house.leaving().await, None, "one run tells of all three");
    house.later(DAY * 20).await;
    assert_eq!(house.shop.customer("oAnn").await, ann);
}

#[tokio::test(start_paused = true)]
async fn what_a_stranger_did_is_kept_for_days() {
    let house = House::open(webhook_desk()).await;
    house
        .happens("oBob", "VIEW", "<EventKey>https://a.example</EventKey>")
        .await;
    house.happens("oBob", "unsubscribe", "").await;
    let scan = house.rows.scan().table_name("messages").send();
    let rows = scan.await.unwrap().items.unwrap_or_default();
    assert_eq!(rows.len(), 2);
    let soon = house.shop.bridge.now().plus(DAY * 4).seconds();
    for row in rows {
        let ttl: i64 = row["ttl"].as_n().unwrap().parse().unwrap();
        assert!(ttl < soon, "{ttl}");
    }
}
