//! What a customer does, and the push by which WeChat tells the account.
//!
//! Invariant: a [`Callback`] is finished when it is made; every attempt to
//! deliver it carries the same query and the same bytes.
//! <https://developers.weixin.qq.com/doc/oplatform/developers/dev/push/encryption>

use std::fmt;

use magpie::wechat::crypto;
use serde::Deserialize;

use super::account::{Account, Mode};
use super::customer::{Content, Customer, Note};
use super::mint::Mint;

/// What a customer does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "act")]
pub enum Act {
    /// Writes words.
    Say {
        /// The words.
        text: String,
    },
    /// Taps an entry of a `msgmenu`.
    Choose {
        /// The entry's id.
        id: String,
        /// Its label.
        text: String,
    },
    /// Follows the account, out of a search.
    Follow,
    /// Unfollows it.
    Unfollow,
    /// Taps a menu entry of type `click`.
    Click {
        /// The entry's key.
        key: String,
    },
    /// Taps a menu entry of type `view`: it opens no window.
    View {
        /// The page.
        url: String,
    },
    /// Scans a parametric QR code of the account; who does not follow it yet, follows.
    Scan {
        /// The scene of the code.
        scene: String,
    },
    /// Anything else, for tests: the elements after `CreateTime`, as they are.
    /// It opens a window like a message if it has a `MsgId`.
    #[serde(skip)]
    Elements {
        /// Well-formed XML.
        xml: String,
    },
}

/// Why a customer cannot do that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such account.
    #[error("there is no such account")]
    UnknownAccount,
    /// There is no such customer.
    #[error("there is no such customer")]
    UnknownCustomer,
    /// Who does not follow the account, cannot write to it.
    #[error("the customer does not follow the account")]
    NotFollowing,
    /// Nobody follows twice.
    #[error("the customer follows the account already")]
    Following,
    /// There are no words.
    #[error("there is nothing to send")]
    Empty,
    /// There are too many.
    #[error("that is too long")]
    TooLong,
}

/// The most that a customer can write at once, in bytes.
const LONGEST: usize = 16_384;

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
}

/// What one push says after the common header.
pub(crate) struct Push {
    xml: String,
}

impl Act {
    /// Changes what the customer sees and may expect, and gives the push.
    pub(crate) fn perform(
        &self,
        now_ms: i64,
        message_id: u64,
        customer: &mut Customer,
    ) -> Result<Push, Refused> {
        self.allowed(customer)?;
        let xml = match self {
            Self::Say { text } => message(&element("Content", text), message_id),
            Self::Choose { id, text } => message(
                &format!(
                    "{}{}",
                    element("Content", text),
                    element("bizmsgmenuid", id)
                ),
                message_id,
            ),
            Self::Follow => event("subscribe", &element("EventKey", "")),
            Self::Unfollow => event("unsubscribe", &element("EventKey", "")),
            Self::Click { key } => event("CLICK", &element("EventKey", key)),
            Self::View { url } => event("VIEW", &element("EventKey", url)),
            Self::Scan { scene } if customer.following => event("SCAN", &ticket(scene, scene)),
            Self::Scan { scene } => event("subscribe", &ticket(&format!("qrscene_{scene}"), scene)),
            Self::Elements { xml } => xml.clone(),
        };
        self.show(now_ms, customer);
        self.open(now_ms, customer);
        customer.acted_ms = Some(now_ms);
        Ok(Push { xml })
    }

    fn allowed(&self, customer: &Customer) -> Result<(), Refused> {
        let words = match self {
            Self::Say { text } | Self::Choose { text, .. } => text,
            Self::Click { key: text } | Self::View { url: text } | Self::Scan { scene: text } => {
                text
            }
            Self::Elements { xml } => xml,
            Self::Follow if customer.following => return Err(Refused::Following),
            Self::Follow => return Ok(()),
            Self::Unfollow => "unsubscribe",
        };
        if !customer.following && !matches!(self, Self::Scan { .. }) {
            return Err(Refused::NotFollowing);
        }
        if words.trim().is_empty() {
            return Err(Refused::Empty);
        }
        if words.len() > LONGEST {
            return Err(Refused::TooLong);
        }
        Ok(())
    }

    fn show(&self, now_ms: i64, customer: &mut Customer) {
        let note = |note, text: &str| Content::Note {
            note,
            text: text.to_owned(),
        };
        let content = match self {
            Self::Say { text } | Self::Choose { text, .. } => Content::Mine { text: text.clone() },
            Self::Follow => note(Note::Followed, ""),
            Self::Unfollow => note(Note::Unfollowed, ""),
            Self::Click { key } => note(Note::Tapped, key),
            Self::View { url } => note(Note::Viewed, url),
            Self::Scan { scene } => note(Note::Scanned, scene),
            Self::Elements { .. } => return,
        };
        customer.show(now_ms, content);
    }

    fn open(&self, now_ms: i64, customer: &mut Customer) {
        match self {
            Self::Say { .. } => customer.allowance.message(now_ms),
            Self::Elements { xml } if xml.contains("<MsgId>") => customer.allowance.message(now_ms),
            Self::Choose { .. } | Self::Click { .. } => customer.allowance.tap(now_ms),
            Self::Follow | Self::Scan { .. } => {
                customer.following = true;
                customer.allowance.tap(now_ms);
            }
            Self::Unfollow => {
                customer.following = false;
                customer.allowance.shut();
            }
            Self::View { .. } | Self::Elements { .. } => {}
        }
    }
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
    pub(crate) fn new(now_ms: i64, account: &Account, mint: &mut Mint) -> Self {
        let settings = &account.settings;
        let seconds = (now_ms / 1_000).to_string();
        let echostr = mint.digits(19);
        let query = signed(&settings.token, &seconds, &mint.digits(9));
        Self {
            app_id: settings.app_id.clone(),
            url: format!("{}?{query}&echostr={echostr}", settings.callback_url),
            echostr,
        }
    }
}

fn signed(token: &str, seconds: &str, nonce: &str) -> String {
    let signature = crypto::signature(&[token, seconds, nonce]);
    format!("signature={signature}&timestamp={seconds}&nonce={nonce}")
}

fn message(content: &str, id: u64) -> String {
    format!("{}{content}<MsgId>{id}</MsgId>", element("MsgType", "text"))
}

fn event(name: &str, rest: &str) -> String {
    format!(
        "{}{}{rest}",
        element("MsgType", "event"),
        element("Event", name)
    )
}

fn ticket(key: &str, scene: &str) -> String {
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
