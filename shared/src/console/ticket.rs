//! The ticket in a session's cookie: its end, and a signature over it that
//! nobody can make without the admin key. Another key ends every session.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::moment::Moment;

/// How long a ticket lets its bearer in.
pub(super) const SESSION: Duration = Duration::from_hours(12);

/// A digest that may be compared and kept where the text may not.
pub(super) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Whether two secrets are the same, in the same time for all of a length.
pub(super) fn same(one: &str, other: &str) -> bool {
    digest(one).ct_eq(&digest(other)).into()
}

fn mac(key: &[u8], pieces: &[&str]) -> Vec<u8> {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    for piece in pieces {
        mac.update(piece.as_bytes());
    }
    mac.finalize().into_bytes().to_vec()
}

fn signature(key: &str, expiry: &str) -> String {
    let derived = mac(key.as_bytes(), &["magpie console session"]);
    URL_SAFE_NO_PAD.encode(mac(&derived, &["session", expiry]))
}

/// Makes a cookie's value.
pub(super) fn ticket(key: &str, now: Moment) -> String {
    let expiry = now.plus(SESSION).seconds().to_string();
    format!("{expiry}.{}", signature(key, &expiry))
}

/// Whether a cookie's value is ours and still good.
pub(super) fn is_good(key: &str, ticket: &str, now: Moment) -> bool {
    let Some((expiry, theirs)) = ticket.split_once('.') else {
        return false;
    };
    let signed = same(&signature(key, expiry), theirs);
    let alive = expiry.parse().is_ok_and(|at: i64| now.seconds() < at);
    signed && alive
}
