//! A call to the callback that is signed right, with any body, in each mode; and a query
//! of any kind.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magpie::channel::CallbackMode as Mode;
use magpie::wechat::callback::{Query, Settings, open, verify};
use magpie::wechat::crypto::{AesKey, encrypt, signature};

const NOW: i64 = 1_748_921_600;

fn query(envelope: Option<&str>) -> String {
    let time = NOW.to_string();
    let plain = signature(&["kestrel", &time, "4157"]);
    let mut query = format!("signature={plain}&timestamp={time}&nonce=4157");
    if let Some(envelope) = envelope {
        let full = signature(&["kestrel", &time, "4157", envelope]);
        query.push_str(&format!("&msg_signature={full}"));
    }
    query
}

fuzz_target!(|data: &[u8]| {
    let Some((&how, data)) = data.split_first() else {
        return;
    };
    let key = AesKey::parse(&"a".repeat(43)).unwrap();
    let settings = |mode| Settings {
        mode,
        token: "kestrel",
        keys: vec![key.clone()],
        app_id: "wx71c0e94fb8a25d36",
        original_id: "gh_1",
    };
    let opened = |mode, raw: &str, body: &[u8]| {
        Query::parse(raw).and_then(|query| open(&settings(mode), &query, body, NOW))
    };
    let text = String::from_utf8_lossy(data);
    match how % 5 {
        // What comes out is what went in.
        0 => {
            if let Ok(verified) = opened(Mode::Plain, &query(None), data) {
                assert_eq!(verified.document(), data);
            }
        }
        1 => {
            let sealed = encrypt(&key, [7; 16], data, "wx71c0e94fb8a25d36");
            let body = format!("<xml><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>");
            let verified = opened(Mode::Secure, &query(Some(&sealed)), body.as_bytes());
            if body.len() <= magpie::wechat::callback::MAX_BODY {
                assert_eq!(verified.unwrap().document(), data);
            }
        }
        // A signed envelope of any text, and any body with an unsigned one.
        2 => {
            let body = serde_json::json!({ "Encrypt": text }).to_string();
            let _ = opened(Mode::Secure, &query(Some(text.trim())), body.as_bytes());
        }
        3 => {
            assert!(opened(Mode::Secure, &query(Some("other")), data).is_err());
        }
        _ => {
            if let Ok(query) = Query::parse(&text) {
                let settings = settings(Mode::Plain);
                // Only a call of this token and time is answered.
                if verify(&settings, &query, NOW).is_ok() {
                    let nonce = query.nonce().unwrap_or_default();
                    let held = |time: i64| {
                        text.contains(&signature(&["kestrel", &time.to_string(), nonce]))
                    };
                    assert!((NOW - 600..=NOW + 600).any(held) || text.contains('%'));
                }
                let _ = open(&settings, &query, data, NOW);
            }
        }
    }
});
