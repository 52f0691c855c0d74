//! The schemas of the webhook desk's payloads (`examples/webhook/schemas`): what
//! we tell a desk, and what we take from one, is what they say.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it has to be"
)]

#[path = "../../tests/schema.rs"]
mod schema;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use magpie::conversation::{EraseCause, customer_id, session_id};
use magpie::delivery::Delivery;
use magpie::desk::webhook::{Webhook, secret, sign};
use magpie::desk::{AgentEvent, Desk, Greeting, Letter, News, Rejected, public_id};
use magpie::http::{Allowed, Answer, Http, Outgoing};
use magpie::journal::{ConversationKey, Entry, EntryKey, Origin};
use magpie::media::{Format, Told};
use magpie::message::{
    Body, ChannelId, CustomerId, EndCause, Fields, Kind, MessageId, OpenId, Outcome, Receipt,
};
use magpie::moment::Moment;
use magpie::reason::Reason;
use magpie::reply::{Replied, Reply};
use magpie::wechat::push::{self, Place};
use proptest::prelude::*;
use schema::{closed, faults};
use serde_json::{Value, json};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: Moment = Moment::from_seconds(1_795_000_000);
const TIME: &str = "2026-11-18T10:26:40.120Z";
const TO_DESK: &str = include_str!("../../examples/webhook/schemas/to-desk.json");
const FROM_DESK: &str = include_str!("../../examples/webhook/schemas/from-desk.json");

fn desk() -> Desk {
    Desk::Webhook(Webhook::new("https://desk.example/hook", &[SECRET.to_owned()]).unwrap())
}

/// A desk that notes what it is told.
struct Office {
    desk: Desk,
    http: Http,
    heard: Arc<Mutex<Vec<Outgoing>>>,
    channel: ChannelId,
    customer: CustomerId,
    session: String,
}

impl Office {
    fn new() -> Self {
        let heard = Arc::<Mutex<Vec<Outgoing>>>::default();
        let notes = Arc::clone(&heard);
        let peers = move |request: Outgoing| {
            notes.lock().unwrap().push(request);
            let answer = Answer {
                status: 204,
                headers: HeaderMap::new(),
                body: Vec::new(),
            };
            async { Ok(answer) }.boxed()
        };
        let customer = customer_id([7; 16]);
        Self {
            desk: desk(),
            http: Http::in_process(Arc::new(peers), Allowed::default()),
            heard,
            channel: ChannelId::parse("shop-a").unwrap(),
            session: session_id(&customer, "I#1"),
            customer,
        }
    }

    /// What the desk hears, which the schema takes, and without a field does not.
    fn hears(&self, what: &str) -> Value {
        let request = self.heard.lock().unwrap().pop().unwrap();
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let schema = closed(serde_json::from_str(TO_DESK).unwrap());
        assert_eq!(faults(&schema, &schema, &body), [""; 0], "{what} {body}");
        for name in ["type", "time", "channel", "state", "reason", "session"] {
            let mut less = body.clone();
            if less.as_object_mut().unwrap().remove(name).is_some() {
                assert_ne!(faults(&schema, &schema, &less), [""; 0], "{less}");
            }
        }
        body
    }

    async fn tell(&self, news: News<'_>, known: bool, session: bool) -> Value {
        let at = ConversationKey::of_channel(&self.channel);
        let letter = Letter {
            id: public_id(&at, "I#1"),
            time: NOW,
            channel: &self.channel,
            customer: known.then_some(&self.customer),
            session: session.then_some(self.session.as_str()),
            news,
        };
        let delivery = self.desk.tell(&self.http, &letter, NOW).await;
        assert_eq!(delivery, Delivery::Accepted);
        self.hears(&format!("{:?}", letter.news))
    }

    fn entry(&self, body: Body) -> Entry {
        let origin = Origin {
            channel: self.channel.clone(),
            open_id: Some(OpenId::new("oSecretOpenId")),
        };
        Entry::pending(EntryKey::message(1, "1"), NOW, body, origin)
    }
}

#[tokio::test]
async fn every_letter_is_as_the_schema_says() {
    let office = Office::new();
    let told = office.tell(News::SessionOpened, true, true).await;
    assert_eq!(told["type"], "session.opened");
    for cause in [
        EndCause::Agent,
        EndCause::Unfollowed,
        EndCause::Silence,
        EndCause::ChannelDeleted,
        EndCause::Erased,
    ] {
        let told = office.tell(News::SessionEnded(cause), true, true).await;
        assert_eq!(told["reason"]["code"], cause.word());
    }
    for cause in [
        EraseCause::Asked,
        EraseCause::Desk,
        EraseCause::Unfollowed,
        EraseCause::Consent,
    ] {
        let told = office.tell(News::CustomerErased(cause), true, false).await;
        assert_eq!(told["type"], "customer.erased");
        assert_eq!(told["reason"]["code"], cause.word());
        assert_eq!(EraseCause::parse(cause.word()), Some(cause));
    }
    let other = |kind| Body::Other {
        kind,
        name: "x".to_owned(),
        fields: Fields::new(),
    };
    let bytes = b"<xml>".to_vec();
    let mut bodies = vec![Body::text("你好"), Body::Unknown { bytes }];
    bodies.extend(
        [
            Kind::Image,
            Kind::Voice,
            Kind::Video,
            Kind::File,
            Kind::Location,
            Kind::Link,
            Kind::Card,
            Kind::Unknown,
        ]
        .map(other),
    );
    for body in bodies {
        let kind = body.kind().word();
        let entry = office.entry(body);
        let told = office
            .tell(News::Message(&entry, None, None), true, true)
            .await;
        assert_eq!(told["message"]["kind"], kind);
    }
    let kept = Told::Kept {
        format: Format::Jpeg,
        size: 9,
        url: "https://bridge.example/media/a/b.jpg?until=1&sig=x"
            .parse()
            .unwrap(),
        expires: NOW,
    };
    for (file, state) in [
        (kept, "kept"),
        (Told::Missing(Reason::MediaGone), "missing"),
    ] {
        let entry = office.entry(other(Kind::Image));
        let news = News::Message(&entry, Some(&file), None);
        let told = office.tell(news, true, true).await;
        assert_eq!(told["message"]["media"]["state"], state);
    }
    for name in ["CLICK", "unsubscribe", "of a later year"] {
        let entry = office.entry(Body::Event {
            name: name.to_owned(),
            fields: Fields::new(),
        });
        let told = office.tell(News::Event(&entry), true, true).await;
        assert_eq!(told["event"]["name"], name);
    }
}

fn is_look(body: &Body) -> bool {
    matches!(body, Body::Event { name, .. } if name == "VIEW")
}

#[tokio::test]
async fn every_sample_of_a_push_is_as_the_schema_says() {
    let office = Office::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/push");
    for file in fs::read_dir(folder).unwrap() {
        let push = push::parse(&fs::read(file.unwrap().path()).unwrap()).unwrap();
        let data = serde_json::to_value(push.body.data()).unwrap();
        // Jobs and the like are the account's own, and a look at a link is no news.
        let told = !matches!(
            push.place(),
            Place::Account | Place::Consent | Place::Location
        );
        if !told || is_look(&push.body) {
            continue;
        }
        let event = push.body.kind() == Kind::Event;
        let entry = office.entry(push.body);
        let (news, place) = if event {
            (News::Event(&entry), "event")
        } else {
            (News::Message(&entry, None, None), "message")
        };
        let told = office.tell(news, true, true).await;
        assert_eq!(told[place]["data"], data);
        let maps = told[place]["text"]
            .as_str()
            .unwrap()
            .matches("apis.map.qq.com");
        assert_eq!(maps.count(), usize::from(told[place]["kind"] == "location"));
    }
}

#[tokio::test]
async fn what_the_account_said_by_itself_is_as_the_schema_says() {
    let office = Office::new();
    let event = Body::Event {
        name: "SCAN".to_owned(),
        fields: Fields::new(),
    };
    for (reply, kind, words) in [
        (Reply::text("已收到"), "text", "已收到"),
        (
            Reply::Image {
                media_id: "m".to_owned(),
            },
            "image",
            "[图片] [image]",
        ),
        (
            Reply::TransferCustomerService { kf_account: None },
            "event",
            "已转接微信客服 handed over to WeChat's own agents",
        ),
    ] {
        for happened in [false, true] {
            let body = if happened {
                event.clone()
            } else {
                Body::text("hi")
            };
            let mut entry = office.entry(body);
            let tell = async |entry: &Entry| {
                let news = if happened {
                    News::Event(entry)
                } else {
                    News::Message(entry, None, None)
                };
                office.tell(news, true, true).await
            };
            assert_eq!(tell(&entry).await.get("reply"), None);
            let mut replied = Replied {
                reply: reply.clone(),
                answer: None,
            };
            entry.reply = Some(replied.clone());
            let told = tell(&entry).await;
            assert_eq!(told["reply"], json!({ "kind": kind, "text": words }));
            // Of an agent's answer there is a receipt.
            replied.answer = Some(EntryKey::message(2, "2"));
            entry.reply = Some(replied);
            assert_eq!(tell(&entry).await.get("reply"), None);
        }
    }
}

#[tokio::test]
async fn every_receipt_is_as_the_schema_says() {
    let office = Office::new();
    let mut outcomes = vec![Outcome::Delivered, Outcome::Held(Reason::WindowFull)];
    outcomes.extend(Reason::ALL.iter().map(|reason| Outcome::Failed(*reason)));
    for outcome in outcomes {
        for (known, conversation) in [
            (true, None),
            (false, Some("小王".to_owned())),
            (false, None),
        ] {
            let receipt = Receipt {
                message: MessageId::parse("msg_1").unwrap(),
                outcome,
                conversation,
            };
            // Only what failed can be of a conversation that is nobody's.
            if receipt.conversation.is_none() || matches!(outcome, Outcome::Failed(_)) {
                office.tell(News::Status(&receipt), known, false).await;
            }
        }
    }
    let schema: Value = serde_json::from_str(TO_DESK).unwrap();
    let codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    let known = &schema["$defs"]["NotDelivered"]["properties"]["reason"]["properties"]["code"];
    assert_eq!(known["examples"], json!(codes));
}

#[tokio::test]
async fn a_greeting_is_as_the_schema_says() {
    let office = Office::new();
    let (http, nonce) = (&office.http, "nonce".to_owned());
    let greeted = office.desk.greet(http, &office.channel, NOW, nonce).await;
    assert_eq!(greeted, Greeting::Answered(204));
    assert_eq!(office.hears("a greeting")["type"], "greeting");
}

/// Receives a call that was signed right.
fn receive(body: &Value) -> Result<AgentEvent, Rejected> {
    let (body, now) = (body.to_string(), NOW.seconds().to_string());
    let signature = sign(&secret(SECRET).unwrap(), "msg_1", &now, body.as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(signature));
    let headers: HeaderMap = [
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", &now),
        ("webhook-signature", &signature),
    ]
    .into_iter()
    .map(|(name, value)| {
        let value = HeaderValue::from_str(value).unwrap();
        (HeaderName::from_static(name), value)
    })
    .collect();
    desk().receive(&headers, body.as_bytes(), NOW)
}

/// Whether the schema takes a call.
fn is_described(body: &Value) -> bool {
    let schema: Value = serde_json::from_str(FROM_DESK).unwrap();
    faults(&schema, &schema, body).is_empty()
}

#[test]
fn what_is_taken_from_a_desk_is_what_the_schema_says() {
    let text = json!({ "kind": "text", "text": "您好" });
    let message = |message: &Value| json!({ "type": "message", "time": TIME, "conversation": "c", "message": message });
    let with = |name: &str, value: Value| {
        let mut body = message(&text);
        body[name] = value;
        body
    };
    for (body, taken) in [
        (message(&text), true),
        (with("agent", json!({ "name": "小王" })), true),
        (with("later", json!({ "x": 1 })), true),
        (with("time", json!("2026-11-18T18:26:40+08:00")), true),
        (with("time", json!("yesterday")), false),
        (with("time", json!(7)), false),
        (with("conversation", json!(7)), false),
        (with("type", json!("dance")), false),
        (message(&json!({ "kind": "text" })), false),
        (message(&json!({ "kind": "text", "text": 7 })), false),
        (message(&json!({ "text": "您好" })), false),
        (message(&json!({ "kind": "hologram", "media": 7 })), true),
        (message(&json!("您好")), false),
        (
            json!({ "type": "message", "time": TIME, "conversation": "c" }),
            false,
        ),
        (
            json!({ "type": "typing", "time": TIME, "conversation": "c", "on": true }),
            true,
        ),
        (
            json!({ "type": "typing", "conversation": "c", "on": false }),
            false,
        ),
        (
            json!({ "type": "typing", "time": TIME, "conversation": "c" }),
            false,
        ),
        (
            json!({ "type": "typing", "time": TIME, "conversation": "c", "on": "yes" }),
            false,
        ),
        (
            json!({ "type": "session.end", "time": TIME, "conversation": "c" }),
            true,
        ),
        (json!({ "type": "session.end", "conversation": "c" }), false),
        (
            json!({ "type": "conversation.delete", "time": TIME, "conversation": "c" }),
            true,
        ),
        (
            json!({ "type": "conversation.delete", "conversation": "c" }),
            false,
        ),
        (json!({ "conversation": "c" }), false),
        (json!({}), false),
        (json!([]), false),
        (json!(null), false),
    ] {
        assert_eq!(receive(&body).is_ok(), taken, "{body}");
        assert_eq!(is_described(&body), taken, "{body}");
    }
}

#[test]
fn what_is_more_than_words_is_taken_as_the_schema_says() {
    let image = json!({ "url": "https://example.com/a.png" });
    let thumb = json!({ "media_id": "t" });
    let choices = json!([{ "id": "1", "text": "是" }]);
    let mut all = vec![
        json!({ "kind": "image", "media": image }),
        json!({ "kind": "voice", "media": { "media_id": "m" }, "text": "听" }),
        json!({ "kind": "video", "media": image, "title": "片", "thumb": null }),
        json!({ "kind": "file", "media": image, "name": "价.pdf" }),
        json!({ "kind": "link", "title": "题", "url": "https://a.example", "picture": null }),
        json!({ "kind": "music", "title": "歌", "url": "https://a.example", "thumb": thumb }),
        json!({ "kind": "article", "article_id": "a" }),
        json!({ "kind": "choice", "text": "问", "choices": choices, "closing": "谢" }),
        json!({ "kind": "card", "title": "店", "app_id": "wx0123456789abcdef", "path": "p", "thumb": thumb }),
        json!({ "kind": "template", "template_id": "t", "data": { "keyword1": "好" }, "url": null }),
        json!({ "kind": "subscribe", "template_id": "t", "title": "题", "data": { "thing1": "好" },
            "url": "https://a.example", "mini_program": { "app_id": "wx0123456789abcdef" } }),
        json!({ "kind": "text", "text": "好", "kf_account": "anna@shop", "ai": true }),
    ];
    let call = |message: &Value| json!({ "type": "message", "time": TIME, "conversation": "c", "message": message });
    let check = |message: &Value, taken: bool| {
        assert_eq!(receive(&call(message)).is_ok(), taken, "{message}");
        assert_eq!(is_described(&call(message)), taken, "{message}");
    };
    for message in &mut all {
        check(message, true);
        // Without any field that it needs it is none.
        let whole = message.clone();
        for needed in [
            "kind",
            "media",
            "name",
            "title",
            "url",
            "thumb",
            "article_id",
            "choices",
            "template_id",
            "data",
            "app_id",
            "path",
        ] {
            let optional = match needed {
                "title" | "thumb" if whole["kind"] == "video" => true,
                "title" | "url" => whole.get("template_id").is_some(),
                _ => false,
            };
            if whole.get(needed).is_some() && !optional {
                message.as_object_mut().unwrap().remove(needed);
                check(message, false);
                *message = whole.clone();
            }
        }
    }
    for (message, taken) in [
        (json!({ "kind": "image", "media": {} }), false),
        (
            json!({ "kind": "image", "media": "https://a.example" }),
            false,
        ),
        (
            json!({ "kind": "image", "media": { "url": "ftp://a.example" } }),
            false,
        ),
        (
            json!({ "kind": "image", "media": { "media_id": "" } }),
            false,
        ),
        (
            json!({ "kind": "image", "media": { "media_id": "m", "url": "https://a.example" } }),
            false,
        ),
        (
            json!({ "kind": "choice", "text": "问", "choices": [{ "id": "好", "text": "是" }] }),
            false,
        ),
        (
            json!({ "kind": "choice", "text": " ", "choices": choices }),
            false,
        ),
        (
            json!({ "kind": "link", "title": "题", "url": "javascript:1" }),
            false,
        ),
        (
            json!({ "kind": "text", "text": "好", "kf_account": "anna" }),
            false,
        ),
        (json!({ "kind": "text", "text": "好", "ai": "yes" }), false),
    ] {
        check(&message, taken);
    }
}

proptest! {
    #[test]
    fn of_all_calls_those_are_taken_that_the_schema_takes(
        kind in "(message|typing|session.end|x)",
        time in prop_oneof![Just(json!(TIME)), Just(json!("now")), Just(json!(7)), Just(Value::Null)],
        conversation in prop_oneof![".{0,80}".prop_map(Value::from), Just(Value::Null)],
        on in prop_oneof![any::<bool>().prop_map(Value::from), Just(json!("yes"))],
        said in prop_oneof![Just("text"), Just("image")],
        text in prop_oneof![".{0,80}".prop_map(Value::from), Just(Value::Null), Just(json!(7))],
        left_out in proptest::option::of("(type|time|conversation|on|message)"),
    ) {
        let mut body = json!({ "type": kind, "time": time, "conversation": conversation,
            "on": on, "message": { "kind": said, "text": text } });
        if let Some(name) = left_out {
            body.as_object_mut().unwrap().remove(&name);
        }
        prop_assert_eq!(receive(&body).is_ok(), is_described(&body), "{}", body);
    }
}
