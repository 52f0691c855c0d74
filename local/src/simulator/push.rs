//! The push by which WeChat tells an account what a customer does.
//!
//! Invariant: a [`Callback`] is finished when it is made; every attempt to
//! deliver it carries the same query and the same bytes.
//! <https://developers.weixin.qq.com/doc/oplatform/developers/dev/push/encryption>

use std::fmt;

use magpie::wechat::crypto;

use super::account::{Account, Mode};
use super::mint::Mint;

/// A push, ready to be delivered.
#[derive(Clone, PartialEq, Eq)]
pub struct Callback {
    /// Counted over all accounts.
    pub serial: u64,
    /// The account.
    pub app_id: String,
    /// The customer whom it is about.
    pub open_id: String,
    /// Where it goes, without the query.
    pub url: String,
    /// The query, without the question mark.
    pub query: String,
    /// The XML.
    pub body: Vec<u8>,
    /// How it is protected, whatever the account's mode is by now.
    pub(crate) mode: Mode,
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Callback({}, {} bytes)", self.serial, self.body.len())
    }
}

/// The GET check of a callback address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The account.
    pub app_id: String,
    /// The address with its query.
    pub url: String,
    /// What the answer's body must be, to the byte.
    pub echostr: String,
    /// What is seen of it.
    pub(crate) sight: u64,
}

/// What one push says after the common header.
pub(crate) struct Push {
    pub(crate) xml: String,
}

impl Push {
    /// Signs the push, and encrypts it as the account's mode wants.
    pub(crate) fn seal(
        &self,
        now_ms: i64,
        serial: u64,
        account: &Account,
        open_id: &str,
        mint: &mut Mint,
    ) -> Callback {
        let settings = &account.settings;
        let seconds = (now_ms / 1_000).to_string();
        let fields = format!(
            "{}{}<CreateTime>{seconds}</CreateTime>{}",
            element("ToUserName", &settings.original_id),
            element("FromUserName", open_id),
            self.xml
        );
        let plain = format!("<xml>{fields}</xml>");
        let nonce = mint.digits(9);
        let mut query = format!(
            "{}&openid={open_id}",
            signed(&settings.token, &seconds, &nonce)
        );
        let body = if settings.mode == Mode::Plain {
            plain
        } else {
            let sealed = crypto::encrypt(
                &account.key,
                mint.bytes(),
                plain.as_bytes(),
                &settings.app_id,
            );
            let signature = crypto::signature(&[&settings.token, &seconds, &nonce, &sealed]);
            query.push_str("&encrypt_type=aes&msg_signature=");
            query.push_str(&signature);
            let sealed = element("Encrypt", &sealed);
            match settings.mode {
                Mode::Compatible => format!("<xml>{fields}{sealed}</xml>"),
                Mode::Secure | Mode::Plain => {
                    format!(
                        "<xml>{}{sealed}</xml>",
                        element("ToUserName", &settings.original_id)
                    )
                }
            }
        };
        Callback {
            serial,
            app_id: settings.app_id.clone(),
            open_id: open_id.to_owned(),
            url: settings.callback_url.clone(),
            query,
            body: body.into_bytes(),
            mode: settings.mode,
        }
    }
}

impl Handshake {
    pub(crate) fn new(now_ms: i64, sight: u64, account: &Account, mint: &mut Mint) -> Self {
        let settings = &account.settings;
        let seconds = (now_ms / 1_000).to_string();
        let echostr = mint.digits(19);
        let query = signed(&settings.token, &seconds, &mint.digits(9));
        Self {
            app_id: settings.app_id.clone(),
            url: format!("{}?{query}&echostr={echostr}", settings.callback_url),
            echostr,
            sight,
        }
    }
}

fn signed(token: &str, seconds: &str, nonce: &str) -> String {
    let signature = crypto::signature(&[token, seconds, nonce]);
    format!("signature={signature}&timestamp={seconds}&nonce={nonce}")
}

pub(crate) fn message(kind: &str, content: &str, id: u64) -> String {
    format!("{}{content}<MsgId>{id}</MsgId>", element("MsgType", kind))
}

pub(crate) fn event(name: &str, rest: &str) -> String {
    format!(
        "{}{}{rest}",
        element("MsgType", "event"),
        element("Event", name)
    )
}

pub(crate) fn ticket(key: &str, scene: &str) -> String {
    let ticket = format!("gQ-{scene}");
    format!("{}{}", element("EventKey", key), element("Ticket", &ticket))
}

/// An element whose words stand in CDATA, without the control characters that
/// no XML document may have.
pub(crate) fn element(name: &str, words: &str) -> String {
    let words: String = words
        .chars()
        .filter(|letter| matches!(letter, '\t' | '\n') || !letter.is_control())
        .collect();
    let words = words.replace("]]>", "]]]]><![CDATA[>");
    format!("<{name}><![CDATA[{words}]]></{name}>")
}
