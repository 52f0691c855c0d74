//! `custom/send` and `custom/typing`: what an account sends to a customer.
//!
//! Invariant: a refused message is shown nowhere and takes nothing from the
//! customer's allowance.
//! <https://developers.weixin.qq.com/doc/service/api/customer/message/api_sendcustommessage>

use serde_json::Value;

use super::account::Account;
use super::answer::{self, Fault};
use super::content::content;
use super::customer::Customer;

/// A customer sees that somebody types for so long, …
const TYPING_MS: i64 = 15_000;
/// … if they did something so short a time ago.
const INTERACTION_MS: i64 = 30_000;

/// `POST /cgi-bin/message/custom/send`.
pub(crate) fn send(now_ms: i64, account: &mut Account, body: &[u8]) -> Result<(), Fault> {
    let body = parse(body)?;
    addressee(account, &body)?;
    let content = content(now_ms, account, &body)?;
    let customer = addressee(account, &body)?;
    if !customer.following {
        return Err(answer::NOT_FOLLOWING);
    }
    customer.allowance.take(now_ms)?;
    customer.show(now_ms, content);
    Ok(())
}

/// `POST /cgi-bin/message/custom/typing`.
pub(crate) fn typing(now_ms: i64, account: &mut Account, body: &[u8]) -> Result<(), Fault> {
    let body = parse(body)?;
    let customer = addressee(account, &body)?;
    let on = match body.get("command").and_then(Value::as_str) {
        Some("Typing") => true,
        Some("CancelTyping") => false,
        _ => return Err(answer::COMMAND),
    };
    if !customer.following {
        return Err(answer::NOT_FOLLOWING);
    }
    if !on {
        customer.typing_until_ms = i64::MIN;
        return Ok(());
    }
    let recent = customer
        .acted_ms
        .is_some_and(|acted_ms| now_ms - acted_ms <= INTERACTION_MS);
    if !recent {
        return Err(answer::INTERACTION);
    }
    if now_ms < customer.typing_until_ms {
        return Err(answer::TYPING);
    }
    customer.typing_until_ms = now_ms + TYPING_MS;
    Ok(())
}

/// An object in JSON, in characters that stand for themselves.
pub(super) fn parse(body: &[u8]) -> Result<Value, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| answer::CHARSET)?;
    let value: Value = serde_json::from_str(text).map_err(|_| answer::DATA_FORMAT)?;
    if !value.is_object() {
        return Err(answer::DATA_FORMAT);
    }
    if escapes_printable(text) {
        return Err(answer::CHARSET);
    }
    Ok(value)
}

/// Whether a character that can stand for itself is written as `\uXXXX`. The
/// real one shows some of these literally and refuses others; all are mistakes.
fn escapes_printable(json: &str) -> bool {
    let mut letters = json.chars();
    while let Some(letter) = letters.next() {
        if letter == '\\' && letters.next() == Some('u') {
            let digits: String = letters.by_ref().take(4).collect();
            match u32::from_str_radix(&digits, 16).map(char::from_u32) {
                Ok(Some(character)) if character.is_control() => {}
                // A lone surrogate, too, is half of something printable.
                _ => return true,
            }
        }
    }
    false
}

fn addressee<'a>(account: &'a mut Account, body: &Value) -> Result<&'a mut Customer, Fault> {
    body.get("touser")
        .and_then(Value::as_str)
        .and_then(|open_id| account.customer_mut(open_id))
        .ok_or(answer::OPEN_ID)
}
