//! Whether a call to a channel's callback comes from WeChat.
//!
//! Invariant: the channel's mode decides what is checked, never the request;
//! a [`Verified`] push can be made here only. Protocol:
//! <https://developers.weixin.qq.com/doc/oplatform/developers/dev/push>

use std::borrow::Cow;
use std::fmt;

use super::crypto::{self, AesKey};
use super::document::{self, Unreadable};
use super::push::Push;
use crate::channel::CallbackMode as Mode;

/// The longest body that is read, in bytes. WeChat's pushes have at most a few
/// thousand.
pub const MAX_BODY: usize = 64 * 1024;

/// How far a call's timestamp may be from our clock, in seconds. WeChat repeats
/// a push with the same timestamp within seconds.
const TOLERANCE: u64 = 600;

/// What a channel's callback needs to know.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings<'a> {
    /// The mode, which decides over the check.
    pub mode: Mode,
    /// The token that signatures are made with.
    pub token: &'a str,
    /// The AES keys that open envelopes: the current one, then the previous.
    pub keys: Vec<AesKey>,
    /// The account's app id.
    pub app_id: &'a str,
    /// The account's original id.
    pub original_id: &'a str,
}

/// Shows no secret.
impl fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("mode", &self.mode)
            .field("app_id", &self.app_id)
            .finish_non_exhaustive()
    }
}

/// The parameters of a call that count, decoded and otherwise as received.
#[derive(Clone, Default)]
pub struct Query<'a> {
    signature: Option<Cow<'a, str>>,
    msg_signature: Option<Cow<'a, str>>,
    timestamp: Option<Cow<'a, str>>,
    nonce: Option<Cow<'a, str>>,
    echostr: Option<Cow<'a, str>>,
}

impl<'a> Query<'a> {
    /// Reads a raw query string, without the question mark. A parameter that
    /// counts and stands there twice is refused: it would be read differently
    /// by different readers.
    pub fn parse(raw: &'a str) -> Result<Self, Rejected> {
        let mut query = Self::default();
        for (name, value) in url::form_urlencoded::parse(raw.as_bytes()) {
            let place = match name.as_ref() {
                "signature" => &mut query.signature,
                "msg_signature" => &mut query.msg_signature,
                "timestamp" => &mut query.timestamp,
                "nonce" => &mut query.nonce,
                "echostr" => &mut query.echostr,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(Rejected::Malformed("a parameter is repeated"));
            }
        }
        Ok(query)
    }
}

impl Query<'_> {
    /// The nonce that the caller chose.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }
}

/// In plain mode, the parameters of one call authenticate any other.
impl fmt::Debug for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Query(…)")
    }
}

/// A push that WeChat made for this channel, decrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct Verified {
    document: Vec<u8>,
    timestamp: i64,
    key: Option<AesKey>,
}

impl Verified {
    /// The plain document. It may be none: what is authentic may still be
    /// unreadable.
    #[must_use]
    pub fn document(&self) -> &[u8] {
        &self.document
    }

    /// The key that opened its envelope; `None` if it came without one.
    #[must_use]
    pub fn key(&self) -> Option<&AesKey> {
        self.key.as_ref()
    }

    /// When WeChat made the first attempt at this push, in seconds since 1970.
    #[must_use]
    pub fn timestamp(&self) -> i64 {
        self.timestamp
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verified({} bytes)", self.document.len())
    }
}

/// Why a call is not answered. It never quotes the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Rejected {
    /// The caller has none of WeChat's addresses. Who it was is nobody's to know.
    #[error("the caller has none of the addresses that WeChat lists as its own")]
    ForeignAddress,
    /// The body is too large.
    #[error("the body is larger than {MAX_BODY} bytes")]
    TooLarge,
    /// The call does not have the form of WeChat's.
    #[error("malformed call: {0}")]
    Malformed(&'static str),
    /// The body cannot be read.
    #[error("malformed envelope")]
    Envelope(#[source] Unreadable),
    /// The body is not what the channel's mode asks for.
    #[error(
        "the body is not in the channel's mode: the mode in WeChat's console has to be the same"
    )]
    ModeMismatch,
    /// The call is not signed, or not with the channel's token.
    #[error("wrong or missing signature: the token in WeChat's console has to be the same")]
    WrongSignature,
    /// The call is signed, but its time is not ours.
    #[error("stale timestamp: {seconds} s off the local clock, which may be wrong")]
    Stale {
        /// How far it is off.
        seconds: u64,
    },
    /// The envelope or the push is meant for another account.
    #[error("the push is meant for another account")]
    AnotherApp,
    /// No key of the channel opens the envelope.
    #[error("no AES key of the channel opens the envelope")]
    Undecryptable,
}

impl Rejected {
    /// The HTTP status of the refusal.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::TooLarge => 413,
            Self::Malformed(_) | Self::Envelope(_) | Self::ModeMismatch => 400,
            Self::ForeignAddress
            | Self::WrongSignature
            | Self::Stale { .. }
            | Self::AnotherApp
            | Self::Undecryptable => 403,
        }
    }

    /// The word for counts and logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ForeignAddress => "foreign_address",
            Self::TooLarge => "too_large",
            Self::Malformed(_) | Self::Envelope(_) => "malformed",
            Self::ModeMismatch => "mode_mismatch",
            Self::WrongSignature => "wrong_signature",
            Self::Stale { .. } => "stale",
            Self::AnotherApp => "another_app",
            Self::Undecryptable => "undecryptable",
        }
    }
}

/// Checks the call that WeChat makes when the callback is set up, and gives
/// what it has to be answered with. It is never encrypted, whatever the mode.
pub fn verify(settings: &Settings<'_>, query: &Query<'_>, now: i64) -> Result<String, Rejected> {
    check(settings, query, query.signature.as_deref(), None, now)?;
    let echo = query.echostr.as_deref().map(str::to_owned);
    echo.ok_or(Rejected::Malformed("echostr is missing"))
}

/// Checks and opens a push. `now` is in seconds since 1970.
pub fn open(
    settings: &Settings<'_>,
    query: &Query<'_>,
    body: &[u8],
    now: i64,
) -> Result<Verified, Rejected> {
    if body.len() > MAX_BODY {
        return Err(Rejected::TooLarge);
    }
    match settings.mode {
        Mode::Plain => {
            let timestamp = check(settings, query, query.signature.as_deref(), None, now)?;
            plain(body)?;
            Ok(Verified {
                document: body.to_vec(),
                timestamp,
                key: None,
            })
        }
        Mode::Compatible | Mode::Secure => {
            let signature = query.msg_signature.as_deref();
            // Before the body is read, since a scanner sends none. WeChat sends
            // none either where its mode is plain; then the other one is right.
            if signature.is_none() {
                let plain = check(settings, query, query.signature.as_deref(), None, now);
                return Err(plain.map_or(Rejected::WrongSignature, |_| Rejected::ModeMismatch));
            }
            let envelope = envelope(body)?;
            let timestamp = check(settings, query, signature, Some(&envelope), now)?;
            let (document, key) = decrypt(settings, &envelope)?;
            Ok(Verified {
                document,
                timestamp,
                key: Some(key),
            })
        }
    }
}

/// Whether a push names this account. One that names none is taken: its
/// signature and its envelope are right.
pub fn addressed_to_us(settings: &Settings<'_>, push: &Push) -> Result<(), Rejected> {
    match &push.to {
        Some(to) if to != settings.original_id => Err(Rejected::AnotherApp),
        _ => Ok(()),
    }
}

/// Checks the signature over token, timestamp, nonce and envelope, then the
/// time: whoever cannot sign learns nothing of our clock.
fn check(
    settings: &Settings<'_>,
    query: &Query<'_>,
    signature: Option<&str>,
    envelope: Option<&str>,
    now: i64,
) -> Result<i64, Rejected> {
    let (Some(signature), Some(timestamp), Some(nonce)) = (
        signature,
        query.timestamp.as_deref(),
        query.nonce.as_deref(),
    ) else {
        return Err(Rejected::WrongSignature);
    };
    let mut parts = vec![settings.token, timestamp, nonce];
    parts.extend(envelope);
    if !crypto::same(&crypto::signature(&parts), signature) {
        return Err(Rejected::WrongSignature);
    }
    let timestamp: i64 = timestamp
        .parse()
        .map_err(|_| Rejected::Malformed("timestamp is not a number"))?;
    match now.abs_diff(timestamp) {
        seconds if seconds > TOLERANCE => Err(Rejected::Stale { seconds }),
        _ => Ok(timestamp),
    }
}

/// The text of the envelope around an encrypted push.
fn envelope(body: &[u8]) -> Result<String, Rejected> {
    let mut leaves = document::leaves(body).map_err(Rejected::Envelope)?;
    if leaves.iter().filter(|(path, _)| path == "Encrypt").count() > 1 {
        return Err(Rejected::Malformed("there are two envelopes"));
    }
    let text = document::take(&mut leaves, "Encrypt").ok_or(Rejected::ModeMismatch)?;
    Ok(text.trim().to_owned())
}

/// Refuses what no channel in plain mode is pushed. A body that cannot be read
/// is no such case: it is as authentic as any other.
fn plain(body: &[u8]) -> Result<(), Rejected> {
    if body.trim_ascii().is_empty() {
        return Err(Rejected::Malformed("the body is empty"));
    }
    match document::leaves(body) {
        Err(error @ Unreadable::Dtd) => Err(Rejected::Envelope(error)),
        Err(_) => Ok(()),
        Ok(leaves) => {
            let has = |name| leaves.iter().any(|(path, _)| path == name);
            if has("Encrypt") && !has("MsgType") {
                Err(Rejected::ModeMismatch)
            } else {
                Ok(())
            }
        }
    }
}

/// Opens the envelope with the first key that fits.
fn decrypt(settings: &Settings<'_>, envelope: &str) -> Result<(Vec<u8>, AesKey), Rejected> {
    let mut rejected = Rejected::Undecryptable;
    for key in &settings.keys {
        match crypto::decrypt(key, envelope) {
            Ok(opened) if opened.app_id == settings.app_id => {
                return Ok((opened.message, key.clone()));
            }
            Ok(_) => rejected = Rejected::AnotherApp,
            Err(_) => {}
        }
    }
    Err(rejected)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::push;
    use super::*;

    const NOW: i64 = 1_748_921_600;
    const PUSH: &str = "<xml><ToUserName>gh_1</ToUserName><MsgType>text</MsgType></xml>";

    fn key(letter: char) -> AesKey {
        AesKey::parse(&letter.to_string().repeat(43)).unwrap()
    }

    fn settings(mode: Mode) -> Settings<'static> {
        Settings {
            mode,
            token: "kestrel",
            keys: vec![key('a'), key('b')],
            app_id: "wx71c0e94fb8a25d36",
            original_id: "gh_1",
        }
    }

    fn sealed(key: &AesKey, app_id: &str) -> String {
        crypto::encrypt(key, [7; 16], PUSH.as_bytes(), app_id)
    }

    fn envelope(text: &str) -> String {
        format!("<xml><ToUserName>gh_1</ToUserName><Encrypt><![CDATA[{text}]]></Encrypt></xml>")
    }

    /// The query that WeChat would send with this envelope, or with none.
    fn signed(token: &str, timestamp: i64, envelope: Option<&str>) -> String {
        let time = timestamp.to_string();
        let plain = crypto::signature(&[token, &time, "4157"]);
        let mut query = format!("signature={plain}&timestamp={time}&nonce=4157&openid=o1");
        if let Some(envelope) = envelope {
            let full = crypto::signature(&[token, &time, "4157", envelope]);
            query = format!("{query}&encrypt_type=aes&msg_signature={full}");
        }
        query
    }

    fn opened(mode: Mode, query: &str, body: &str) -> Result<Verified, Rejected> {
        open(&settings(mode), &Query::parse(query)?, body.as_bytes(), NOW)
    }

    #[test]
    fn the_first_call_is_answered_with_its_echo() {
        let check = |query: &str, expected: Result<&str, Rejected>| {
            for mode in [Mode::Plain, Mode::Compatible, Mode::Secure] {
                let echo = Query::parse(query).and_then(|q| verify(&settings(mode), &q, NOW));
                assert_eq!(echo.as_deref(), expected.as_ref().copied(), "{query}");
            }
        };
        let good = signed("kestrel", NOW, None);
        check(&format!("{good}&echostr=83%2B5"), Ok("83+5"));
        check(&good, Err(Rejected::Malformed("echostr is missing")));
        check("", Err(Rejected::WrongSignature));
        check("echostr=1", Err(Rejected::WrongSignature));
        let other = signed("another", NOW, None);
        check(&format!("{other}&echostr=1"), Err(Rejected::WrongSignature));
        check(
            &format!("{good}&echostr=1&nonce=4157"),
            Err(Rejected::Malformed("a parameter is repeated")),
        );
        let upper = good.to_uppercase().replace("SIGNATURE", "signature");
        check(&upper, Err(Rejected::WrongSignature));
        let parts = crypto::signature(&["kestrel", "soon", "4157"]);
        check(
            &format!("signature={parts}&timestamp=soon&nonce=4157&echostr=1"),
            Err(Rejected::Malformed("timestamp is not a number")),
        );
    }

    #[test]
    fn values_are_signed_as_received() {
        let sig = crypto::signature(&["kestrel", "01748921600", "a b&"]);
        let query = format!("signature={sig}&timestamp=01748921600&nonce=a%20b%26&echostr=1");
        let query = Query::parse(&query).unwrap();
        assert_eq!(verify(&settings(Mode::Plain), &query, NOW).unwrap(), "1");
    }

    #[test]
    fn a_push_is_stale_after_ten_minutes_in_either_direction() {
        let check = |off: i64, stale: bool| {
            let envelope_text = sealed(&key('a'), "wx71c0e94fb8a25d36");
            let body = envelope(&envelope_text);
            for (mode, text, body) in [
                (Mode::Plain, None, PUSH),
                (Mode::Secure, Some(envelope_text.as_str()), body.as_str()),
            ] {
                let result = opened(mode, &signed("kestrel", NOW + off, text), body);
                let seconds = off.unsigned_abs();
                assert_eq!(result.err(), stale.then_some(Rejected::Stale { seconds }));
                // Whoever cannot sign learns nothing of our clock.
                let result = opened(mode, &signed("another", NOW + off, text), body);
                assert_eq!(result.err(), Some(Rejected::WrongSignature));
            }
        };
        check(0, false);
        check(600, false);
        check(-600, false);
        check(601, true);
        check(-601, true);
        check(i64::MAX - NOW, true);
    }

    #[test]
    fn the_mode_of_the_channel_decides_and_not_the_request() {
        let text = sealed(&key('a'), "wx71c0e94fb8a25d36");
        let secure = envelope(&text);
        let both = PUSH.replace("</xml>", &format!("<Encrypt>\n{text}\n</Encrypt></xml>"));
        let bare = signed("kestrel", NOW, None);
        let full = signed("kestrel", NOW, Some(&text));
        let check = |mode, query: &str, body: &str, expected: Result<&str, Rejected>| {
            let result = opened(mode, query, body);
            let xml = result.as_ref().map(Verified::document);
            assert_eq!(xml, expected.as_ref().map(|xml| xml.as_bytes()), "{mode:?}");
        };
        check(Mode::Plain, &bare, PUSH, Ok(PUSH));
        check(Mode::Plain, &full, &both, Ok(&both));
        check(Mode::Plain, &full, &secure, Err(Rejected::ModeMismatch));
        for mode in [Mode::Compatible, Mode::Secure] {
            check(mode, &full, &secure, Ok(PUSH));
            check(mode, &full, &both, Ok(PUSH));
            check(mode, &bare, PUSH, Err(Rejected::ModeMismatch));
            check(mode, &bare, &secure, Err(Rejected::ModeMismatch));
            check(mode, &full, PUSH, Err(Rejected::ModeMismatch));
            let raw = format!("{bare}&encrypt_type=raw");
            check(mode, &raw, PUSH, Err(Rejected::ModeMismatch));
            let forged = signed("another", NOW, None);
            check(mode, &forged, PUSH, Err(Rejected::WrongSignature));
            check(mode, "", PUSH, Err(Rejected::WrongSignature));
        }
    }

    #[test]
    fn json_is_opened_as_xml_is() {
        let push = r#"{"ToUserName":"gh_1","MsgType":"text"}"#;
        let text = crypto::encrypt(&key('a'), [7; 16], push.as_bytes(), "wx71c0e94fb8a25d36");
        let secure = format!(r#"{{"ToUserName":"gh_1","Encrypt":"{text}"}}"#);
        let twice = format!(r#"{{"Encrypt":"{text}","Encrypt":"{text}"}}"#);
        let bare = signed("kestrel", NOW, None);
        let full = signed("kestrel", NOW, Some(&text));
        let check = |mode, query: &str, body: &str, expected: Result<&str, Rejected>| {
            let result = opened(mode, query, body);
            let document = result.as_ref().map(Verified::document);
            assert_eq!(document, expected.as_ref().map(|d| d.as_bytes()), "{body}");
        };
        check(Mode::Secure, &full, &secure, Ok(push));
        check(Mode::Compatible, &full, &secure, Ok(push));
        check(Mode::Plain, &bare, push, Ok(push));
        check(Mode::Plain, &full, &secure, Err(Rejected::ModeMismatch));
        check(Mode::Secure, &full, push, Err(Rejected::ModeMismatch));
        check(
            Mode::Secure,
            &full,
            &twice,
            Err(Rejected::Malformed("there are two envelopes")),
        );
    }

    #[test]
    fn only_an_envelope_for_us_and_by_our_keys_opens() {
        let check = |key: &AesKey, app_id: &str, expected: Result<(), Rejected>| {
            let text = sealed(key, app_id);
            let query = signed("kestrel", NOW, Some(&text));
            let result = opened(Mode::Secure, &query, &envelope(&text));
            assert_eq!(
                result.map(|verified| verified.timestamp()),
                expected.map(|()| NOW)
            );
        };
        check(&key('a'), "wx71c0e94fb8a25d36", Ok(()));
        check(&key('b'), "wx71c0e94fb8a25d36", Ok(()));
        check(
            &key('c'),
            "wx71c0e94fb8a25d36",
            Err(Rejected::Undecryptable),
        );
        for other in [
            "wx71c0e94fb8a25d37",
            "WX71C0E94FB8A25D36",
            "",
            "wx71c0e94fb8a25d36 ",
        ] {
            check(&key('a'), other, Err(Rejected::AnotherApp));
        }
    }

    #[test]
    fn a_changed_envelope_is_not_opened() {
        let text = sealed(&key('a'), "wx71c0e94fb8a25d36");
        let query = signed("kestrel", NOW, Some(&text));
        let changed = text.replacen(|c: char| c.is_ascii_digit(), "A", 1);
        let result = opened(Mode::Secure, &query, &envelope(&changed));
        assert_eq!(result.err(), Some(Rejected::WrongSignature));
    }

    #[test]
    fn a_body_that_is_no_envelope_is_refused() {
        let query = signed("kestrel", NOW, Some("x"));
        let check = |mode, body: &str, code: &str, status: u16| {
            let error = opened(mode, &query, body).unwrap_err();
            assert_eq!((error.code(), error.status()), (code, status), "{body:.60}");
        };
        let twice = envelope("x").replace("<xml>", "<xml><Encrypt>x</Encrypt>");
        let dtd = format!("<!DOCTYPE xml>{}", envelope("x"));
        let large = "x".repeat(MAX_BODY + 1);
        for mode in [Mode::Compatible, Mode::Secure] {
            check(mode, "", "malformed", 400);
            check(mode, "<xml>", "malformed", 400);
            check(mode, &twice, "malformed", 400);
            check(mode, &dtd, "malformed", 400);
            check(mode, "<xml/>", "mode_mismatch", 400);
            check(
                mode,
                "<xml><a><Encrypt>x</Encrypt></a></xml>",
                "mode_mismatch",
                400,
            );
            check(mode, &envelope("x"), "undecryptable", 403);
            check(mode, &large, "too_large", 413);
        }
        check(Mode::Plain, " \n", "malformed", 400);
        check(Mode::Plain, &dtd, "malformed", 400);
        check(Mode::Plain, &large, "too_large", 413);
        let unreadable = "x".repeat(MAX_BODY);
        assert!(opened(Mode::Plain, &query, &unreadable).is_ok());
    }

    #[test]
    fn a_push_for_another_account_is_refused() {
        let check = |inside: &str, expected| {
            let push = push::parse(format!("<xml>{inside}</xml>").as_bytes()).unwrap();
            assert_eq!(addressed_to_us(&settings(Mode::Secure), &push), expected);
        };
        check("<ToUserName>gh_1</ToUserName>", Ok(()));
        check("", Ok(()));
        check("<ToUserName>gh_2</ToUserName>", Err(Rejected::AnotherApp));
        check("<ToUserName>GH_1</ToUserName>", Err(Rejected::AnotherApp));
    }

    #[test]
    fn no_secret_shows_in_debug() {
        let sent = signed("kestrel", NOW, None);
        let query = Query::parse(&sent).unwrap();
        let verified = opened(Mode::Plain, &sent, PUSH).unwrap();
        let shown = format!("{:?} {query:?} {verified:?}", settings(Mode::Secure));
        for hidden in ["kestrel", "4157", "xml"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn hostile_calls_never_panic_and_never_pass(
            query in "([a-z_]{0,9}[=&%+]{0,2}.{0,5}){0,8}",
            body in proptest::collection::vec(any::<u8>(), 0..200),
            text in ".{0,40}",
        ) {
            if let Ok(query) = Query::parse(&query) {
                for mode in [Mode::Plain, Mode::Compatible, Mode::Secure] {
                    prop_assert!(open(&settings(mode), &query, &body, NOW).is_err());
                    prop_assert!(verify(&settings(mode), &query, NOW).is_err());
                }
            }
            let query = signed("kestrel", NOW, Some(&text));
            prop_assert!(opened(Mode::Secure, &query, &envelope(&text)).is_err());
        }
    }
}
