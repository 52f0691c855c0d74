//! What the webhook desk signs and what it accepts: Standard Webhooks in both
//! directions. With `MAGPIE_TEST_PYTHON` naming an interpreter that has the
//! published library, that library judges what we sign and signs for us.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "a test stops at the first thing that is not as it has to be"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use magpie::clock::Clock;
use magpie::conversation::customer_id;
use magpie::delivery::Delivery;
use magpie::desk::webhook::{MAX_BODY, Webhook, new_secret, secret, sign};
use magpie::desk::{AgentEvent, Desk, Letter, News, Rejected};
use magpie::http::{Allowed, Answer, Http, Outgoing};
use magpie::journal::{Entry, EntryKey, Origin};
use magpie::message::{Body, ChannelId, MessageId, OpenId};
use magpie::moment::Moment;
use magpie::reason::Reason;
use magpie::rich::Saying;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The example of the published libraries' own tests.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const NOW: i64 = 1_795_000_000;

fn desk(secrets: &[&str]) -> Desk {
    let secrets: Vec<_> = secrets.iter().map(|&text| text.to_owned()).collect();
    Desk::Webhook(Webhook::new("https://desk.example/hook", &secrets).unwrap())
}

fn signature(text: &str, id: &str, timestamp: &str, body: &[u8]) -> String {
    let signature = sign(&secret(text).unwrap(), id, timestamp, body);
    format!("v1,{}", STANDARD.encode(signature))
}

fn headers(id: &str, timestamp: &str, signatures: &str) -> HeaderMap {
    [
        ("webhook-id", id),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", signatures),
    ]
    .into_iter()
    .map(|(name, value)| {
        let value = HeaderValue::from_str(value).unwrap();
        (HeaderName::from_static(name), value)
    })
    .collect()
}

/// Receives a body that was signed with the first secret, now.
fn receive(body: &[u8]) -> Result<AgentEvent, Rejected> {
    let now = NOW.to_string();
    let headers = headers(ID, &now, &signature(SECRET, ID, &now, body));
    desk(&[SECRET]).receive(&headers, body, Moment::from_seconds(NOW))
}

const MESSAGE: &str = r#"{"type":"message","time":"2026-11-18T10:26:40.120Z","conversation":"c","message":{"kind":"text","text":"您好"},"agent":{"name":"小王"}}"#;

fn message() -> AgentEvent {
    AgentEvent::Message {
        id: MessageId::parse(ID).unwrap(),
        time: Moment::parse("2026-11-18T10:26:40.120Z").unwrap(),
        conversation: "c".to_owned(),
        said: Box::new(Ok(Saying {
            agent: Some("小王".to_owned()),
            ..Saying::text("您好")
        })),
    }
}

#[test]
fn published_signatures_are_ours() {
    let check = |secret, id, timestamp, body: &str, expected| {
        assert_eq!(signature(secret, id, timestamp, body.as_bytes()), expected);
    };
    check(
        SECRET,
        ID,
        "1614265330",
        r#"{"test": 2432232314}"#,
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    );
    check(
        SECRET,
        "msg_1",
        "1795000000",
        r#"{"text":"您好"}"#,
        "v1,3QnqnJ0hkAv+bx3bGUgJJMHz27BjGZ7yttf6FLIsa/w=",
    );
    check(
        SECRET,
        "msg_1",
        "1795000000",
        "",
        "v1,Fr74DRWtcwcVZZRp8b8oF+oZgDYOjFIRz4WcdIoJmLo=",
    );
}

#[test]
fn a_secret_is_read_as_it_is_written() {
    for (text, fits) in [
        (SECRET, true),
        ("whsec_AAECAwQFBgcICQoLDA0ODw==", true),
        ("whsec_AAECAwQFBgcICQoLDA0ODw", true),
        ("whsec_AAECAwQFBgcICQoLDA0O", false),
        ("whsec_", false),
        ("whsec_!!!!", false),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", false),
        ("", false),
    ] {
        assert_eq!(secret(text).is_some(), fits, "{text}");
    }
    assert_eq!(secret(&new_secret([9; 32])), Some(vec![9; 32]));
    let bad = [SECRET.to_owned(), "whsec_short".to_owned()];
    assert!(Webhook::new("https://desk.example", &bad).is_none());
    assert!(Webhook::new("https://desk.example", &[]).is_none());
    assert!(Webhook::new("desk", &[SECRET.to_owned()]).is_none());
}

#[test]
fn every_documented_call_is_read() {
    assert_eq!(receive(MESSAGE.as_bytes()), Ok(message()));
    let typing = json!({ "type": "typing", "time": "2026-11-18T10:26:40.120Z", "conversation": "c", "on": true });
    let expected = AgentEvent::Typing {
        conversation: "c".to_owned(),
        on: true,
    };
    assert_eq!(receive(typing.to_string().as_bytes()), Ok(expected));
    for wrong in [
        json!({ "type": "typing", "conversation": "c", "on": true }),
        json!({ "type": "typing", "time": "2026-11-18T12:26:40Z", "conversation": "c", "on": true }),
    ] {
        let read = receive(wrong.to_string().as_bytes());
        assert!(matches!(read, Err(Rejected::Nonsense(_))), "{read:?}");
    }
    let end =
        json!({ "type": "session.end", "time": "2026-11-18T10:26:40.120Z", "conversation": "c" });
    let expected = AgentEvent::SessionEnd {
        id: MessageId::parse(ID).unwrap(),
        time: Moment::parse("2026-11-18T10:26:40.120Z").unwrap(),
        age: Moment::from_seconds(NOW).since(Moment::parse("2026-11-18T10:26:40.120Z").unwrap()),
        conversation: "c".to_owned(),
    };
    assert_eq!(receive(end.to_string().as_bytes()), Ok(expected));
    // A kind that cannot be sent is no nonsense: it gets a receipt.
    let image = json!({ "type": "message", "time": "2026-11-18T10:26:40Z", "conversation": "c",
        "message": { "kind": "hologram", "url": "https://example.com/a.png" } });
    let read = receive(image.to_string().as_bytes());
    assert!(
        matches!(&read, Ok(AgentEvent::Message { said, .. }) if **said == Err(Reason::UnsupportedKind)),
        "{read:?}"
    );
}

#[test]
fn signed_nonsense_is_told_apart() {
    for body in [
        "",
        "[]",
        "{}",
        "{\"type\":\"message\"}",
        r#"{"type":"dance","time":"2026-11-18T10:26:40Z","conversation":"c"}"#,
        r#"{"type":"message","time":"yesterday","conversation":"c","message":{"kind":"text","text":"x"}}"#,
        r#"{"type":"message","time":"2026-11-18T10:26:40Z","conversation":"c","message":{"kind":"text"}}"#,
        r#"{"type":"message","time":"2026-11-18T10:26:40Z","conversation":7,"message":{"kind":"text","text":"x"}}"#,
        r#"{"type":"typing","conversation":"c","on":"yes"}"#,
        "\u{0}",
    ] {
        let read = receive(body.as_bytes());
        assert!(
            matches!(read, Err(Rejected::Nonsense(_))),
            "{body}: {read:?}"
        );
    }
    assert!(matches!(receive(b"\xff\xfe"), Err(Rejected::Nonsense(_))));
}

#[test]
fn a_body_may_have_64_kilobytes() {
    let filled = |length: usize| {
        let body = |conversation: &str| {
            let time = "2026-11-18T10:26:40Z";
            json!({ "type": "typing", "time": time, "conversation": conversation, "on": true })
                .to_string()
        };
        body(&"x".repeat(length - body("").len()))
    };
    assert!(receive(filled(MAX_BODY).as_bytes()).is_ok());
    assert_eq!(
        receive(filled(MAX_BODY + 1).as_bytes()),
        Err(Rejected::TooLarge)
    );
}

#[test]
fn a_time_may_be_long_past_but_not_ahead() {
    for (ahead_ms, fits) in [(-86_400_000 * 365, true), (300_000, true), (300_001, false)] {
        let time = Moment::from_millis(NOW * 1000 + ahead_ms);
        for kind in ["message", "session.end"] {
            let body = json!({ "type": kind, "time": time.to_string(), "conversation": "c",
                "message": { "kind": "text", "text": "x" } });
            let read = receive(body.to_string().as_bytes());
            assert_eq!(read.is_ok(), fits, "{kind} {ahead_ms}: {read:?}");
        }
    }
}

#[test]
fn a_timestamp_is_good_for_five_minutes_either_way() {
    for (timestamp, fits) in [
        (NOW.to_string(), true),
        ((NOW - 300).to_string(), true),
        ((NOW + 300).to_string(), true),
        ((NOW - 301).to_string(), false),
        ((NOW + 301).to_string(), false),
        (i64::MAX.to_string(), false),
        (i64::MIN.to_string(), false),
        ("0".to_owned(), false),
        (format!("{NOW}.0"), false),
        (format!("{}", NOW * 1000), false),
        ("now".to_owned(), false),
    ] {
        let body = MESSAGE.as_bytes();
        let headers = headers(ID, &timestamp, &signature(SECRET, ID, &timestamp, body));
        let read = desk(&[SECRET]).receive(&headers, body, Moment::from_seconds(NOW));
        let expected = if fits {
            Ok(message())
        } else {
            Err(Rejected::Unsigned)
        };
        assert_eq!(read, expected, "{timestamp}");
    }
}

#[test]
fn one_good_signature_among_several_is_enough() {
    let (body, now) = (MESSAGE.as_bytes(), NOW.to_string());
    let ours = signature(SECRET, ID, &now, body);
    let theirs = signature(OTHER, ID, &now, body);
    let bare = ours.trim_start_matches("v1,");
    let many = format!("{} {ours}", vec![theirs.as_str(); 15].join(" "));
    let too_many = format!("{} {ours}", vec![theirs.as_str(); 16].join(" "));
    for (secrets, signatures, fits) in [
        (&[SECRET][..], ours.clone(), true),
        (&[SECRET], theirs.clone(), false),
        (&[SECRET], format!("{theirs} {ours}"), true),
        (&[SECRET], format!("{ours} {theirs}"), true),
        (&[SECRET], format!("v1a,AAAA v2,{bare} {ours}"), true),
        (&[SECRET], format!("v2,{bare}"), false),
        (&[SECRET], format!("v1a,{bare}"), false),
        (&[SECRET], bare.to_owned(), false),
        (&[SECRET], format!("v1,{}", &bare[..42]), false),
        (&[SECRET], "v1,".to_owned(), false),
        (&[SECRET], String::new(), false),
        (&[SECRET], many, true),
        (&[SECRET], too_many, false),
        // While a secret is changed, each side may be first.
        (&[OTHER, SECRET], ours.clone(), true),
        (&[SECRET, OTHER], theirs.clone(), true),
        (&[OTHER], ours.clone(), false),
    ] {
        let headers = headers(ID, &now, &signatures);
        let read = desk(secrets).receive(&headers, body, Moment::from_seconds(NOW));
        assert_eq!(read.is_ok(), fits, "{signatures}");
    }
}

#[test]
fn everything_that_is_signed_counts() {
    let (body, now) = (MESSAGE.as_bytes(), NOW.to_string());
    let good = signature(SECRET, ID, &now, body);
    let next = (NOW + 1).to_string();
    let changed = MESSAGE.replace("您好", "再见");
    for (id, timestamp, body) in [
        ("msg_other", now.as_str(), body),
        (ID, &next, body),
        (ID, &now, changed.as_bytes()),
    ] {
        let headers = headers(id, timestamp, &good);
        let read = desk(&[SECRET]).receive(&headers, body, Moment::from_seconds(NOW));
        assert_eq!(read, Err(Rejected::Unsigned));
    }
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let mut headers = headers(ID, &now, &good);
        headers.remove(name);
        let read = desk(&[SECRET]).receive(&headers, body, Moment::from_seconds(NOW));
        assert_eq!(read, Err(Rejected::Unsigned), "{name}");
    }
    // Signed, but no id of ours fits into it.
    let long = "x".repeat(129);
    let headers = headers(&long, &now, &signature(SECRET, &long, &now, body));
    let read = desk(&[SECRET]).receive(&headers, body, Moment::from_seconds(NOW));
    assert!(matches!(read, Err(Rejected::Nonsense(_))));
    let inbox = Desk::Inbox.receive(&headers, body, Moment::from_seconds(NOW));
    assert_eq!(inbox, Err(Rejected::NotThisDesk));
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        id in "[ -~]{0,140}",
        timestamp in "[ -~]{0,24}",
        signatures in "[ -~]{0,200}",
    ) {
        let headers = headers(&id, &timestamp, &signatures);
        let now = Moment::from_seconds(NOW);
        prop_assert!(desk(&[SECRET, OTHER]).receive(&headers, &body, now).is_err());
        let _ = receive(&body);
        let good = all_signed(&id, &timestamp, &body);
        let _ = desk(&[SECRET]).receive(&good, &body, now);
    }

    #[test]
    fn hostile_json_never_panics(
        kind in "(message|typing|session.end|x)",
        time in "[ -~]{0,30}",
        conversation in ".{0,80}",
        text in proptest::option::of(".{0,80}"),
        on in any::<bool>(),
    ) {
        let body = json!({ "type": kind, "time": time, "conversation": conversation,
            "on": on, "message": { "kind": "text", "text": text } });
        let _ = receive(body.to_string().as_bytes());
    }

    #[test]
    fn what_is_signed_is_accepted_and_a_changed_byte_is_not(
        text in ".{1,200}",
        at in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let body = json!({ "type": "message", "time": "2026-11-18T10:26:40Z", "conversation": "c",
            "message": { "kind": "text", "text": text } }).to_string().into_bytes();
        let now = NOW.to_string();
        let signed = headers(ID, &now, &signature(SECRET, ID, &now, &body));
        let read = desk(&[SECRET]).receive(&signed, &body, Moment::from_seconds(NOW));
        let same = matches!(&read, Ok(AgentEvent::Message { said, .. }) if **said == Ok(Saying::text(text.clone())));
        prop_assert!(same, "{read:?}");
        let mut changed = body;
        let at = at.index(changed.len());
        if let Some(byte) = changed.get_mut(at) {
            *byte ^= 1 << bit;
        }
        let read = desk(&[SECRET]).receive(&signed, &changed, Moment::from_seconds(NOW));
        prop_assert_eq!(read, Err(Rejected::Unsigned));
    }
}

fn all_signed(id: &str, timestamp: &str, body: &[u8]) -> HeaderMap {
    headers(id, timestamp, &signature(SECRET, id, timestamp, body))
}

/// Tells a desk of a customer's words; says what went out.
async fn told(secrets: &[&str]) -> Outgoing {
    let sent = Arc::<Mutex<Vec<Outgoing>>>::default();
    let notes = Arc::clone(&sent);
    let peers = move |request: Outgoing| {
        notes.lock().unwrap().push(request);
        let answer = Answer {
            status: 204,
            headers: HeaderMap::new(),
            body: Vec::new(),
        };
        async { Ok(answer) }.boxed()
    };
    let http = Http::in_process(Arc::new(peers), Allowed::default());
    let channel = ChannelId::parse("shop-a").unwrap();
    let customer = customer_id([7; 16]);
    let now = Clock::System.now();
    let origin = Origin {
        channel: channel.clone(),
        open_id: Some(OpenId::new("oSecretOpenId")),
    };
    let entry = Entry::pending(EntryKey::message(1, "1"), now, Body::text("你好"), origin);
    let letter = Letter {
        id: ID.to_owned(),
        time: Moment::from_seconds(NOW),
        channel: &channel,
        customer: Some(&customer),
        session: Some("s1"),
        news: News::Message(&entry, None, None),
    };
    let delivery = desk(secrets).tell(&http, &letter, now).await;
    assert_eq!(delivery, Delivery::Accepted);
    let mut sent = sent.lock().unwrap();
    sent.pop().unwrap()
}

fn header<'a>(request: &'a Outgoing, name: &str) -> &'a str {
    request.headers.get(name).unwrap().to_str().unwrap()
}

#[tokio::test]
async fn what_we_send_carries_id_time_and_every_signature() {
    for secrets in [&[SECRET][..], &[OTHER, SECRET]] {
        let request = told(secrets).await;
        assert_eq!(header(&request, "webhook-id"), ID);
        let timestamp = header(&request, "webhook-timestamp");
        let expected: Vec<_> = secrets
            .iter()
            .map(|secret| signature(secret, ID, timestamp, &request.body))
            .collect();
        assert_eq!(header(&request, "webhook-signature"), expected.join(" "));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["type"], "message.created");
        assert_eq!(body["time"], "2026-11-18T11:06:40.000Z");
        assert_eq!(body["message"]["text"], "你好");
        assert!(!String::from_utf8_lossy(&request.body).contains("oSecretOpenId"));
    }
}

/// The published library, if there is one: it verifies what stands on its
/// standard input and signs what it is asked to sign.
fn library(task: &Value) -> Option<Value> {
    const SCRIPT: &str = r#"
import datetime, json, sys
from standardwebhooks import Webhook
task = json.load(sys.stdin)
hook = Webhook(task["secret"])
hook.verify(task["body"], task["headers"])
at = datetime.datetime.now(datetime.timezone.utc)
print(json.dumps({
    "timestamp": str(int(at.timestamp())),
    "signature": hook.sign(task["id"], at, task["reply"]),
}))
"#;
    let python = magpie::config::variable("MAGPIE_TEST_PYTHON")?;
    let mut child = Command::new(python)
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = task.to_string();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "the library does not accept what we sign"
    );
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Without the library its part is played by the vectors that it publishes.
#[tokio::test]
async fn the_published_library_and_we_understand_each_other() {
    for secrets in [&[SECRET][..], &[OTHER, SECRET], &[SECRET, OTHER]] {
        let request = told(secrets).await;
        let headers: serde_json::Map<String, Value> =
            ["webhook-id", "webhook-timestamp", "webhook-signature"]
                .into_iter()
                .map(|name| (name.to_owned(), header(&request, name).into()))
                .collect();
        let task = json!({
            "secret": SECRET,
            "headers": headers,
            "body": String::from_utf8(request.body).unwrap(),
            "id": ID,
            "reply": MESSAGE,
        });
        let Some(signed) = library(&task) else {
            published_signatures_are_ours();
            continue;
        };
        let text = |name: &str| signed[name].as_str().unwrap();
        let headers = crate::headers(ID, text("timestamp"), text("signature"));
        let read = desk(secrets).receive(&headers, MESSAGE.as_bytes(), Clock::System.now());
        assert_eq!(read, Ok(message()));
    }
}
