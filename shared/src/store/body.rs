//! The persisted form of a body: one byte that says how it is packed, then
//! JSON. Version 1. Every past version has a stored sample in the tests.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::message::{Body, Fields, Kind, Receipt, SessionEnd};

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
}

/// Packs a body for the journal.
pub(crate) fn pack(body: &Body) -> Result<Vec<u8>, StoreError> {
    use base64::Engine as _;
    let stored = match body.clone() {
        Body::Text { text, choice } => Stored::Text { text, choice },
        Body::Other { kind, name, fields } => Stored::Other { kind, name, fields },
        Body::Event { name, fields } => Stored::Event { name, fields },
        Body::Unknown { bytes } => Stored::Unknown {
            base64: base64::engine::general_purpose::STANDARD.encode(bytes),
        },
        Body::Receipt(receipt) => Stored::Receipt(receipt),
        Body::SessionEnd(end) => Stored::SessionEnd(end),
    };
    let broken = |_| StoreError::Unreadable("b");
    let json = serde_json::to_vec(&stored).map_err(|_| StoreError::Unreadable("b"))?;
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
    let stored: Stored = match bytes.split_first() {
        Some((&PLAIN, json)) => serde_json::from_slice(json).map_err(|_| broken())?,
        Some((&DEFLATED, packed)) => {
            let mut json = Vec::new();
            DeflateDecoder::new(packed)
                .take(UNPACK_MAX)
                .read_to_end(&mut json)
                .map_err(|_| broken())?;
            serde_json::from_slice(&json).map_err(|_| broken())?
        }
        _ => return Err(broken()),
    };
    Ok(match stored {
        Stored::Text { text, choice } => Body::Text { text, choice },
        Stored::Other { kind, name, fields } => Body::Other { kind, name, fields },
        Stored::Event { name, fields } => Body::Event { name, fields },
        Stored::Unknown { base64 } => Body::Unknown {
            bytes: base64::engine::general_purpose::STANDARD
                .decode(base64)
                .map_err(|_| broken())?,
        },
        Stored::Receipt(receipt) => Body::Receipt(receipt),
        Stored::SessionEnd(end) => Body::SessionEnd(end),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{EndCause, MessageId, Outcome};
    use crate::reason::Reason;

    fn all() -> Vec<(Body, &'static str)> {
        let fields = Fields::from([("EventKey".to_owned(), "menu_1".to_owned())]);
        vec![
            (Body::text("你好"), r#"{"t":{"t":"你好"}}"#),
            (
                Body::Text {
                    text: "满意".into(),
                    choice: Some("101".into()),
                },
                r#"{"t":{"t":"满意","c":"101"}}"#,
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
