//! The persisted form of a body: one byte that says how it is packed, then
//! JSON. Version 1. Every past version has a stored sample in the tests.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::conversation::EraseCause;
use crate::journal::EntryKey;
use crate::message::{Body, CustomerId, Erased, Fields, Kind, Receipt, SessionEnd};
use crate::reply::{Replied, Reply};
use crate::rich::Rich;

/// Bodies over this many bytes are compressed: a row is paid by the kilobyte.
const PACK_OVER: usize = 700;
/// What a stored body may unpack to, in bytes; a push has 64 KiB at the most.
const UNPACK_MAX: u64 = 1 << 20;

const PLAIN: u8 = 0;
const DEFLATED: u8 = 1;

/// Version 1. Names are short because rows are paid for.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stored {
    #[serde(rename = "t")]
    Text {
        #[serde(rename = "t")]
        text: String,
        #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
        choice: Option<String>,
        #[serde(rename = "f", default, skip_serializing_if = "Fields::is_empty")]
        fields: Fields,
    },
    #[serde(rename = "o")]
    Other {
        #[serde(rename = "k")]
        kind: Kind,
        #[serde(rename = "n")]
        name: String,
        #[serde(rename = "f")]
        fields: Fields,
    },
    #[serde(rename = "x")]
    Rich(Rich),
    #[serde(rename = "e")]
    Event {
        #[serde(rename = "n")]
        name: String,
        #[serde(rename = "f")]
        fields: Fields,
    },
    #[serde(rename = "u")]
    Unknown {
        #[serde(rename = "b")]
        base64: String,
    },
    #[serde(rename = "r")]
    Receipt(Receipt),
    #[serde(rename = "s")]
    SessionEnd(SessionEnd),
    #[serde(rename = "g")]
    Erased {
        #[serde(rename = "c")]
        customer: String,
        #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
        #[serde(rename = "w")]
        cause: EraseCause,
    },
}

/// Packs a body for the journal.
pub(crate) fn pack(body: &Body) -> Result<Vec<u8>, StoreError> {
    use base64::Engine as _;
    let stored = match body.clone() {
        Body::Text {
            text,
            choice,
            fields,
        } => Stored::Text {
            text,
            choice,
            fields,
        },
        Body::Other { kind, name, fields } => Stored::Other { kind, name, fields },
        Body::Rich(rich) => Stored::Rich(rich),
        Body::Event { name, fields } => Stored::Event { name, fields },
        Body::Unknown { bytes } => Stored::Unknown {
            base64: base64::engine::general_purpose::STANDARD.encode(bytes),
        },
        Body::Receipt(receipt) => Stored::Receipt(receipt),
        Body::SessionEnd(end) => Stored::SessionEnd(end),
        Body::Erased(erased) => Stored::Erased {
            customer: erased.customer.expose().to_owned(),
            session: erased.session,
            cause: erased.cause,
        },
    };
    squeeze(&stored, "b")
}

/// Packs a value as bodies are packed, for the attribute of this name.
fn squeeze(value: &impl Serialize, name: &'static str) -> Result<Vec<u8>, StoreError> {
    let broken = |_| StoreError::Unreadable(name);
    let json = serde_json::to_vec(value).map_err(|_| StoreError::Unreadable(name))?;
    if json.len() <= PACK_OVER {
        let mut plain = Vec::with_capacity(json.len() + 1);
        plain.push(PLAIN);
        plain.extend(json);
        return Ok(plain);
    }
    let mut packer = DeflateEncoder::new(vec![DEFLATED], Compression::default());
    packer.write_all(&json).map_err(broken)?;
    packer.finish().map_err(broken)
}

/// Unpacks a body of the journal.
pub(crate) fn unpack(bytes: &[u8]) -> Result<Body, StoreError> {
    use base64::Engine as _;
    let broken = || StoreError::Unreadable("b");
    let stored: Stored = stretch(bytes, "b")?;
    Ok(match stored {
        Stored::Text {
            text,
            choice,
            fields,
        } => Body::Text {
            text,
            choice,
            fields,
        },
        Stored::Other { kind, name, fields } => Body::Other { kind, name, fields },
        Stored::Rich(rich) => Body::Rich(rich),
        Stored::Event { name, fields } => Body::Event { name, fields },
        Stored::Unknown { base64 } => Body::Unknown {
            bytes: base64::engine::general_purpose::STANDARD
                .decode(base64)
                .map_err(|_| broken())?,
        },
        Stored::Receipt(receipt) => Body::Receipt(receipt),
        Stored::SessionEnd(end) => Body::SessionEnd(end),
        Stored::Erased {
            customer,
            session,
            cause,
        } => Body::Erased(Erased {
            customer: CustomerId::new(customer),
            session,
            cause,
        }),
    })
}

/// Unpacks what [`squeeze`] packed.
fn stretch<T: DeserializeOwned>(bytes: &[u8], name: &'static str) -> Result<T, StoreError> {
    let broken = || StoreError::Unreadable(name);
    match bytes.split_first() {
        Some((&PLAIN, json)) => serde_json::from_slice(json).map_err(|_| broken()),
        Some((&DEFLATED, packed)) => {
            let mut json = Vec::new();
            DeflateDecoder::new(packed)
                .take(UNPACK_MAX)
                .read_to_end(&mut json)
                .map_err(|_| broken())?;
            serde_json::from_slice(&json).map_err(|_| broken())
        }
        _ => Err(broken()),
    }
}

/// The reply that a push got, as it is kept with its entry. Version 1; a reply has the
/// form in which settings are kept, too.
#[derive(Serialize, Deserialize)]
struct StoredReply {
    #[serde(rename = "r")]
    reply: Reply,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
}

/// Packs the reply that a push got.
pub(super) fn pack_reply(replied: &Replied) -> Result<Vec<u8>, StoreError> {
    let stored = StoredReply {
        reply: replied.reply.clone(),
        answer: replied.answer.as_ref().map(|key| key.as_str().to_owned()),
    };
    squeeze(&stored, "rp")
}

/// Unpacks it.
pub(super) fn unpack_reply(bytes: &[u8]) -> Result<Replied, StoreError> {
    let stored: StoredReply = stretch(bytes, "rp")?;
    Ok(Replied {
        reply: stored.reply,
        answer: stored.answer.as_deref().and_then(EntryKey::parse),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{EndCause, MessageId, Outcome};
    use crate::reason::Reason;
    use crate::rich::File;

    fn all() -> Vec<(Body, &'static str)> {
        let fields = Fields::from([("EventKey".to_owned(), "menu_1".to_owned())]);
        vec![
            (Body::text("你好"), r#"{"t":{"t":"你好"}}"#),
            (
                Body::Text {
                    text: "满意".into(),
                    choice: Some("101".into()),
                    fields: Fields::new(),
                },
                r#"{"t":{"t":"满意","c":"101"}}"#,
            ),
            (
                Body::Text {
                    text: "好文".into(),
                    choice: None,
                    fields: Fields::from([("Idx".to_owned(), "2".to_owned())]),
                },
                r#"{"t":{"t":"好文","f":{"Idx":"2"}}}"#,
            ),
            (
                Body::Other {
                    kind: Kind::Image,
                    name: "image".into(),
                    fields: fields.clone(),
                },
                r#"{"o":{"k":"image","n":"image","f":{"EventKey":"menu_1"}}}"#,
            ),
            (
                Body::Event {
                    name: "CLICK".into(),
                    fields,
                },
                r#"{"e":{"n":"CLICK","f":{"EventKey":"menu_1"}}}"#,
            ),
            (
                Body::Rich(Rich::Image {
                    media: File::MediaId("m".into()),
                }),
                r#"{"x":{"kind":"image","media":{"media_id":"m"}}}"#,
            ),
            (
                Body::Unknown {
                    bytes: vec![0, 255],
                },
                r#"{"u":{"b":"AP8="}}"#,
            ),
            (
                Body::Receipt(Receipt {
                    message: MessageId::parse("msg_1").unwrap(),
                    outcome: Outcome::Failed(Reason::Uncertain),
                    conversation: None,
                }),
                r#"{"r":{"message":"msg_1","outcome":{"state":"failed","reason":"uncertain"}}}"#,
            ),
            (
                Body::SessionEnd(SessionEnd {
                    session: "s".into(),
                    cause: EndCause::Silence,
                }),
                r#"{"s":{"session":"s","cause":"silence"}}"#,
            ),
        ]
    }

    #[test]
    fn version_1_is_read_as_it_was_written() {
        for (body, json) in all() {
            let stored = [&[PLAIN], json.as_bytes()].concat();
            assert_eq!(pack(&body).unwrap(), stored);
            assert!(unpack(&stored).unwrap() == body);
        }
    }

    #[test]
    fn a_reply_is_read_as_it_was_written() {
        let replied = Replied {
            reply: Reply::text("已收到"),
            answer: EntryKey::parse("O#1795335330120#msg_2abc#01"),
        };
        let json = r#"{"r":{"kind":"text","text":"已收到"},"a":"O#1795335330120#msg_2abc#01"}"#;
        let stored = [&[PLAIN], json.as_bytes()].concat();
        assert_eq!(pack_reply(&replied).unwrap(), stored);
        assert_eq!(unpack_reply(&stored).unwrap(), replied);
    }

    #[test]
    fn long_bodies_are_packed_and_come_back() {
        let long = Body::text("很长的一句话。".repeat(200));
        let packed = pack(&long).unwrap();
        assert!(packed.len() < 700, "{}", packed.len());
        assert!(unpack(&packed).unwrap() == long);
    }

    #[test]
    fn what_is_no_body_is_an_error() {
        for bytes in [&b""[..], b"\x00", b"\x00{}", b"\x01\xff", b"\x02{}"] {
            assert!(matches!(unpack(bytes), Err(StoreError::Unreadable("b"))));
        }
    }
}
