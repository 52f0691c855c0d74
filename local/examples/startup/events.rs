//! What each function is given: its sample from `events/`, of today and under
//! today's signature where that matters, and about something that is there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use magpie::desk::webhook;
use magpie::moment::Moment;
use magpie::wechat::crypto;
use serde_json::{Value, json};

use crate::Outcome;
use crate::house::{ADMIN_KEY, CHANNEL, DESK_SECRET, TOKEN};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The runtime alone.
    Bare,
    /// A handshake.
    Verify,
    /// A push.
    Inbound,
    /// An agent's answer.
    Outbound,
    /// A customer's message on its way to the desk.
    ToDesk,
    /// An agent's answer on its way to WeChat.
    ToWechat,
    /// A sweep that finds nothing.
    Sweep,
    /// A look at tokens that live.
    TokenRefresh,
    /// A call of a program.
    Console,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Bare,
        Self::Verify,
        Self::Inbound,
        Self::Outbound,
        Self::ToDesk,
        Self::ToWechat,
        Self::Sweep,
        Self::TokenRefresh,
        Self::Console,
    ];

    /// What its line is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ToDesk => "deliver to desk",
            Self::ToWechat => "deliver to WeChat",
            other => other.program(),
        }
    }

    /// The binary.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Verify => "verify",
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::ToDesk | Self::ToWechat => "deliver",
            Self::Sweep => "sweep",
            Self::TokenRefresh => "token-refresh",
            Self::Console => "console",
        }
    }

    /// Its sample.
    pub(crate) fn sample(self) -> Outcome<Value> {
        let name = match self {
            Self::Bare => "inbound",
            other => other.program(),
        };
        let path = format!("{}/../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }
}

fn set(event: &mut Value, pointer: &str, value: Value) -> Outcome<()> {
    let place = event.pointer_mut(pointer);
    *place.ok_or_else(|| format!("the sample has no {pointer}"))? = value;
    Ok(())
}

/// A call of WeChat, signed now.
pub(crate) fn signed(mut event: Value, now: Moment, more: &str) -> Outcome<Value> {
    let (now, nonce) = (now.seconds().to_string(), "415670741");
    let signature = crypto::signature(&[TOKEN, &now, nonce]);
    let query = format!("signature={signature}&timestamp={now}&nonce={nonce}{more}");
    set(&mut event, "/rawQueryString", query.into())?;
    Ok(event)
}

/// A push of this document.
pub(crate) fn push(mut event: Value, now: Moment, xml: &str) -> Outcome<Value> {
    set(&mut event, "/body", xml.into())?;
    signed(event, now, "")
}

/// A customer's words as WeChat pushes them: the sample's, with another id, from
/// now.
pub(crate) fn words(now: Moment, open_id: &str, id: u64) -> Outcome<String> {
    let sample = Kind::Inbound.sample()?;
    let xml = sample.get("body").and_then(Value::as_str).unwrap_or("");
    let changed = xml
        .replace("23300000000000001", &id.to_string())
        .replace("1767225600", &now.seconds().to_string())
        .replace("o6_bmjrPTlm6_2sgVt7hMZOPfL2M", open_id);
    Ok(changed)
}

/// What the desk says: an agent answers this customer.
pub(crate) fn answer(now: Moment, customer: &str) -> String {
    let message = json!({ "kind": "text", "text": "您好，请问有什么可以帮您？" });
    json!({
        "type": "message",
        "time": now.to_string(),
        "conversation": customer,
        "message": message,
        "agent": { "name": "Li Lei" },
    })
    .to_string()
}

/// The headers by which the desk signs.
pub(crate) fn desk_headers(
    now: Moment,
    id: &str,
    body: &str,
) -> Outcome<[(&'static str, String); 3]> {
    let secret = webhook::secret(DESK_SECRET).ok_or("the desk has no secret")?;
    let timestamp = now.seconds().to_string();
    let signature = webhook::sign(&secret, id, &timestamp, body.as_bytes());
    Ok([
        ("webhook-id", id.to_owned()),
        (
            "webhook-signature",
            format!("v1,{}", STANDARD.encode(signature)),
        ),
        ("webhook-timestamp", timestamp),
    ])
}

/// A call of the desk.
pub(crate) fn desk(mut event: Value, now: Moment, id: &str, body: &str) -> Outcome<Value> {
    for (name, value) in desk_headers(now, id, body)? {
        set(&mut event, &format!("/headers/{name}"), value.into())?;
    }
    set(&mut event, "/pathParameters/channel", CHANNEL.into())?;
    set(&mut event, "/body", body.into())?;
    Ok(event)
}

/// A batch of the stream with one record, about this row.
pub(crate) fn bell(mut event: Value, pk: &str, sk: &str) -> Outcome<Value> {
    let mut record = event.pointer("/Records/0").cloned().ok_or("no record")?;
    set(&mut record, "/dynamodb/Keys/pk/S", pk.into())?;
    set(&mut record, "/dynamodb/Keys/sk/S", sk.into())?;
    set(&mut event, "/Records", json!([record]))?;
    Ok(event)
}

/// A call of a program with the admin key.
pub(crate) fn call(mut event: Value) -> Outcome<Value> {
    let bearer = format!("Bearer {ADMIN_KEY}");
    set(&mut event, "/headers/authorization", bearer.into())?;
    Ok(event)
}
