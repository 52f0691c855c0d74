//! `qrcode/create`: codes with a scene.
//!
//! Invariant: a code changes nothing here: a customer scans any scene.
//! <https://developers.weixin.qq.com/doc/offiaccount/Account_Management/Generating_a_Parametric_QR_Code.html>

use serde_json::{Value, json};

use super::answer::Fault;
use super::send;

/// The longest that a code is good that is not good for ever, in seconds.
const LONGEST: i64 = 2_592_000;
/// How long it is good if nobody says.
const USUAL: i64 = 60;
/// The longest scene, in bytes.
const SCENE: usize = 64;
/// The largest scene that is a number, of a code that is good for ever.
const LARGEST: i64 = 100_000;

const ACTION_NAME: Fault = Fault::new(40052, "invalid action name");
const ACTION_INFO: Fault = Fault::new(40053, "invalid action info");

/// `POST /cgi-bin/qrcode/create`. The ticket is made of these letters.
pub(crate) fn create(body: &[u8], letters: &str) -> Result<Value, Fault> {
    let body = send::parse(body)?;
    let scene = |name: &str| body.pointer(&format!("/action_info/scene/{name}"));
    let text = || {
        let text = scene("scene_str").and_then(Value::as_str);
        text.is_some_and(|text| (1..=SCENE).contains(&text.len()))
    };
    let number = |most: i64| {
        let number = scene("scene_id").and_then(Value::as_i64);
        number.is_some_and(|number| (1..=most).contains(&number))
    };
    let (fits, for_ever) = match body.get("action_name").and_then(Value::as_str) {
        Some("QR_STR_SCENE") => (text(), false),
        Some("QR_SCENE") => (number(u32::MAX.into()), false),
        Some("QR_LIMIT_STR_SCENE") => (text(), true),
        Some("QR_LIMIT_SCENE") => (number(LARGEST), true),
        _ => return Err(ACTION_NAME),
    };
    if !fits {
        return Err(ACTION_INFO);
    }
    let mut made = json!({
        "ticket": format!("gQ{letters}"),
        "url": format!("http://weixin.qq.com/q/{}", letters.get(..22).unwrap_or(letters)),
    });
    if !for_ever {
        let seconds = match body.get("expire_seconds") {
            None => USUAL,
            Some(seconds) => seconds.as_i64().ok_or(ACTION_INFO)?,
        };
        if !(1..=LONGEST).contains(&seconds) {
            return Err(ACTION_INFO);
        }
        if let Some(fields) = made.as_object_mut() {
            fields.insert("expire_seconds".to_owned(), seconds.into());
        }
    }
    Ok(made)
}
