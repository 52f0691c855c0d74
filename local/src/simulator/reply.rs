//! Whether an account's server answered a push as it must, and what it said.
//!
//! Invariant: nothing but HTTP 200 with `success`, an empty body or a
//! well-formed reply to this very customer is valid; in secure mode the reply
//! is encrypted.
//! <https://developers.weixin.qq.com/doc/service/guide/product/message/Passive_user_reply_message.html>

use std::collections::BTreeMap;

use magpie::wechat::crypto;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::account::{Account, Mode};
use super::push::Callback;

/// What a valid answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `success`, or nothing: the push is taken.
    Taken,
    /// A passive reply: these words are shown.
    Text(String),
    /// A passive reply of another type, by its `MsgType`.
    Other(String),
}

/// The answer is none that WeChat takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The HTTP status is not 200.
    #[error("the status is not 200")]
    Status,
    /// The body is neither `success` nor XML.
    #[error("the body is neither success nor a reply")]
    Body,
    /// The reply is not encrypted though the account is in secure mode.
    #[error("the reply is not encrypted")]
    Unencrypted,
    /// The reply's signature or encryption does not hold.
    #[error("the reply is not sealed for this account")]
    Seal,
    /// The reply lacks an element, or is addressed to somebody else.
    #[error("the reply is not complete")]
    Fields,
}

/// Judges the answer to a push.
pub(crate) fn judge(
    account: &Account,
    callback: &Callback,
    status: u16,
    body: &[u8],
) -> Result<Reply, Invalid> {
    if status != 200 {
        return Err(Invalid::Status);
    }
    if body.is_empty() || body == b"success" {
        return Ok(Reply::Taken);
    }
    let text = std::str::from_utf8(body).map_err(|_| Invalid::Body)?;
    let outer = fields(text).ok_or(Invalid::Body)?;
    let Some(sealed) = outer.get("Encrypt") else {
        return match callback.mode {
            Mode::Secure => Err(Invalid::Unencrypted),
            Mode::Plain | Mode::Compatible => read(account, callback, &outer),
        };
    };
    if callback.mode == Mode::Plain {
        return Err(Invalid::Fields);
    }
    let signed = crypto::signature(&[
        &account.settings.token,
        want(&outer, "TimeStamp")?,
        want(&outer, "Nonce")?,
        sealed,
    ]);
    if signed != want(&outer, "MsgSignature")? {
        return Err(Invalid::Seal);
    }
    let opened = crypto::decrypt(&account.key, sealed).map_err(|_| Invalid::Seal)?;
    if opened.app_id != account.settings.app_id {
        return Err(Invalid::Seal);
    }
    let inner = std::str::from_utf8(&opened.message).map_err(|_| Invalid::Body)?;
    read(account, callback, &fields(inner).ok_or(Invalid::Body)?)
}

fn read(
    account: &Account,
    callback: &Callback,
    fields: &BTreeMap<String, String>,
) -> Result<Reply, Invalid> {
    let addressed = want(fields, "ToUserName")? == callback.open_id
        && want(fields, "FromUserName")? == account.settings.original_id;
    let dated = want(fields, "CreateTime")?.parse::<i64>().is_ok();
    if !addressed || !dated {
        return Err(Invalid::Fields);
    }
    match want(fields, "MsgType")? {
        "text" => match want(fields, "Content")? {
            "" => Err(Invalid::Fields),
            words if words.len() > TEXT_MAX => Err(Invalid::Fields),
            words => Ok(Reply::Text(words.to_owned())),
        },
        kind => {
            for path in needs(fields, kind).ok_or(Invalid::Fields)? {
                if want(fields, path)?.is_empty() {
                    return Err(Invalid::Fields);
                }
            }
            Ok(Reply::Other(kind.to_owned()))
        }
    }
}

/// The longest text, in bytes.
const TEXT_MAX: usize = 2048;

/// The elements that a reply of this kind cannot do without.
fn needs(fields: &BTreeMap<String, String>, kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "image" => &["Image.MediaId"],
        "voice" => &["Voice.MediaId"],
        "video" => &["Video.MediaId"],
        "music" => &["Music.ThumbMediaId"],
        "news" => &["ArticleCount", "Articles.item.Title", "Articles.item.Url"],
        "transfer_customer_service" if fields.contains_key("TransInfo.KfAccount") => {
            &["TransInfo.KfAccount"]
        }
        "transfer_customer_service" => &[],
        _ => return None,
    })
}

fn want<'a>(fields: &'a BTreeMap<String, String>, name: &str) -> Result<&'a str, Invalid> {
    fields.get(name).map(String::as_str).ok_or(Invalid::Fields)
}

/// The elements below `<xml>` by their path, with their words; `None` if the document is
/// not well-formed, has another root or a document type.
pub(crate) fn fields(text: &str) -> Option<BTreeMap<String, String>> {
    let mut reader = Reader::from_str(text);
    let mut fields = BTreeMap::new();
    let mut path: Vec<String> = Vec::new();
    let mut roots = 0;
    let mut words = String::new();
    // Where there is CDATA, the blanks around it are none of the words.
    let mut quoted = None::<String>;
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => {
                path.push(tag.name().as_ref().to_owned());
                roots += usize::from(path.len() == 1);
                words.clear();
                quoted = None;
            }
            Event::Empty(tag) if !path.is_empty() => {
                fields.insert(place(&path, tag.name().as_ref()), String::new());
            }
            Event::End(_) => {
                let name = path.pop()?;
                if path.is_empty() && name != "xml" {
                    return None;
                }
                if !path.is_empty() {
                    let value = quoted.take().unwrap_or_else(|| words.trim().to_owned());
                    fields.insert(place(&path, &name), value);
                }
                words.clear();
            }
            Event::Text(said) => match path.len() {
                0 if !said.trim().is_empty() => return None,
                2.. => words.push_str(&said),
                _ => {}
            },
            Event::CData(said) if path.len() >= 2 => {
                quoted.get_or_insert_default().push_str(&said);
            }
            Event::GeneralRef(name) if path.len() >= 2 => words.push(entity(&name)?),
            Event::DocType(_) => return None,
            Event::Eof => return (path.is_empty() && roots == 1).then_some(fields),
            _ => {}
        }
    }
}

/// The path of an element below the root and these.
fn place(above: &[String], name: &str) -> String {
    let mut parts: Vec<&str> = above.iter().skip(1).map(String::as_str).collect();
    parts.push(name);
    parts.join(".")
}

fn entity(name: &quick_xml::events::BytesRef<'_>) -> Option<char> {
    match &**name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => name.resolve_char_ref().ok()?,
    }
}
