//! What a push costs before it is written: from the bytes of API Gateway's event
//! to the row, in secure mode, with 1,024 bytes of XML inside. Beside it stands
//! what nobody can save: SHA-1 over what is signed and AES-CBC over the envelope.
//! Between the two stands what the libraries take who read JSON, XML and base64,
//! when nothing is done with what they read.
//!
//! `cargo bench -p magpie --all-features --bench inbound` measures all three. With
//! `--times N decide`, `floor` or `libraries` it does the one so often and nothing
//! else, for tools that count: twice with different numbers, the difference
//! divided by theirs is what one costs.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement stops at the first thing that is not as it has to be"
)]

use std::hint::black_box;
use std::path::Path;

use aes::Aes256;
use aes::cipher::{Array, BlockModeDecrypt as _, KeyIvInit as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use criterion::{BatchSize, Criterion};
use magpie::bridge::opened::{self, Row};
use magpie::channel::CallbackMode;
use magpie::journal::Pepper;
use magpie::lambda::event::Callback;
use magpie::message::ChannelId;
use magpie::moment::Moment;
use magpie::secrets::ChannelSecrets;
use magpie::wechat::crypto::{self, AesKey};
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::json;
use sha1::{Digest as _, Sha1};

const NOW: i64 = 1_767_225_600;
const TOKEN: &str = "tokenOfTheCallback";
const APP_ID: &str = "wx0123456789abcdef";
const ORIGINAL_ID: &str = "gh_0123456789ab";
/// 43 characters, whose last holds no bit beyond the 32 bytes.
const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFA";
const XML: usize = 1024;

/// A push, and who it is for.
struct Push {
    event: Vec<u8>,
    secrets: ChannelSecrets,
    pepper: Pepper,
    /// What is signed, in the order of signing.
    signed: String,
    cipher: Vec<u8>,
    envelope: String,
    /// What is in the envelope.
    xml: Vec<u8>,
}

impl Push {
    fn new() -> Self {
        let head = format!(
            "<xml><ToUserName><![CDATA[{ORIGINAL_ID}]]></ToUserName>\n\
             <FromUserName><![CDATA[o6_bmjrPTlm6_2sgVt7hMZOPfL2M]]></FromUserName>\n\
             <CreateTime>{NOW}</CreateTime>\n<MsgType><![CDATA[text]]></MsgType>\n\
             <Content><![CDATA["
        );
        let tail = "]]></Content>\n<MsgId>23300000000000001</MsgId>\n</xml>";
        let room = XML - head.len() - tail.len();
        let words = format!("{}{}", "好".repeat(room / 3), "!".repeat(room % 3));
        let xml = format!("{head}{words}{tail}");
        assert_eq!(xml.len(), XML);

        let key = AesKey::parse(AES_KEY).unwrap();
        let envelope = crypto::encrypt(&key, *b"0123456789abcdef", xml.as_bytes(), APP_ID);
        let time = NOW.to_string();
        let mut parts = [TOKEN, time.as_str(), "415670741", envelope.as_str()];
        let signature = crypto::signature(&parts);
        parts.sort_unstable();

        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/inbound.json");
        let sample = std::fs::read(sample).unwrap();
        let mut event: serde_json::Value = serde_json::from_slice(&sample).unwrap();
        let plain = crypto::signature(&[TOKEN, &time, "415670741"]);
        event["rawQueryString"] = json!(format!(
            "signature={plain}&timestamp={time}&nonce=415670741\
             &openid=o6_bmjrPTlm6_2sgVt7hMZOPfL2M&encrypt_type=aes&msg_signature={signature}"
        ));
        event["body"] = json!(format!(
            "<xml>\n    <ToUserName><![CDATA[{ORIGINAL_ID}]]></ToUserName>\n    \
             <Encrypt><![CDATA[{envelope}]]></Encrypt>\n</xml>\n"
        ));
        Self {
            event: serde_json::to_vec(&event).unwrap(),
            secrets: ChannelSecrets {
                only_wechat_addresses: false,
                replies: false,
                mode: CallbackMode::Secure,
                app_id: APP_ID.to_owned(),
                original_id: ORIGINAL_ID.to_owned(),
                token: TOKEN.to_owned(),
                aes_key: Some(AES_KEY.to_owned()),
                previous_aes_key: None,
                app_secret: Some("0123456789abcdef0123456789abcdef".to_owned()),
                desk: Vec::new(),
            },
            pepper: Pepper::new(&[7; 32]).unwrap(),
            signed: parts.concat(),
            cipher: STANDARD.decode(&envelope).unwrap(),
            envelope,
            xml: xml.into_bytes(),
        }
    }

    /// What the function `inbound` does before it writes.
    fn decide(&self) -> Row {
        let now = Moment::from_seconds(NOW);
        let mut call: Callback = serde_json::from_slice(&self.event).unwrap();
        let channel = ChannelId::parse(call.channel()).unwrap();
        let body = call.take_body().unwrap();
        let opened = opened::open(&self.secrets, call.query(), &body, now);
        opened.unwrap().unwrap().row(&channel, &self.pepper, now)
    }

    /// What reads the event, the envelope and the document, the hash and the
    /// cipher; nothing is made of what was read.
    fn libraries(&self) -> ([u8; 20], usize) {
        let mut call: Callback = serde_json::from_slice(&self.event).unwrap();
        let outer = walk(&call.take_body().unwrap());
        let cipher = STANDARD.decode(&self.envelope).unwrap();
        let (hash, _) = self.floor(cipher);
        (hash, outer + walk(&self.xml))
    }

    /// The hash and the cipher over the same bytes, and nothing else.
    fn floor(&self, mut cipher: Vec<u8>) -> ([u8; 20], Vec<u8>) {
        let key: [u8; 32] = STANDARD_NO_PAD.decode(AES_KEY).unwrap().try_into().unwrap();
        let iv: [u8; 16] = *key.first_chunk().unwrap();
        let (blocks, _) = Array::slice_as_chunks_mut(&mut cipher);
        cbc::Decryptor::<Aes256>::new(&key.into(), &iv.into()).decrypt_blocks(blocks);
        (Sha1::digest(&self.signed).into(), cipher)
    }
}

/// Reads a document to its end and counts the bytes between its marks.
fn walk(xml: &[u8]) -> usize {
    let mut reader = Reader::from_reader(xml);
    let texts = std::iter::from_fn(|| match reader.read_event().unwrap() {
        Event::Eof => None,
        event => Some(black_box(event).len()),
    });
    texts.sum()
}

fn main() {
    let push = Push::new();
    assert_eq!(
        push.decide().entry.key.as_str(),
        "I#1767225600#500023300000000000001"
    );
    let given: Vec<String> = std::env::args().collect();
    let times = given.iter().position(|flag| flag == "--times");
    if let Some([times, what]) = times.and_then(|at| given.get(at + 1..at + 3)) {
        for _ in 0..times.parse().unwrap() {
            match what.as_str() {
                "decide" => drop(black_box(push.decide())),
                "libraries" => drop(black_box(push.libraries())),
                _ => drop(black_box(push.floor(push.cipher.clone()))),
            }
        }
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("sha-1 and aes-cbc", |bench| {
        bench.iter_batched(
            || push.cipher.clone(),
            |cipher| push.floor(cipher),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("libraries", |bench| bench.iter(|| push.libraries()));
    criterion.bench_function("event to row", |bench| bench.iter(|| push.decide()));
    criterion.final_summary();
}
