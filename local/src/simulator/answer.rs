//! What the simulated WeChat answers to a call of its API.
//!
//! Invariant: an error is an HTTP 200 with `errcode` and `errmsg`, as with the
//! real one; only an unknown path is a 404.
//! <https://developers.weixin.qq.com/doc/oplatform/developers/errCode/errCode.html>

use std::borrow::Cow;

use serde_json::{Value, json};

/// The HTTP answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The media type of the body.
    pub content_type: &'static str,
    /// The `Content-disposition`, of a download.
    pub disposition: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(value: &Value) -> Self {
        Self {
            status: 200,
            content_type: "application/json; charset=utf-8",
            disposition: None,
            body: value.to_string().into_bytes(),
        }
    }

    /// What stands in front of WeChat's API says that it does not work.
    pub(crate) fn broken(status: u16) -> Self {
        let title = match status {
            502 => "502 Bad Gateway",
            503 => "503 Service Temporarily Unavailable",
            _ => "500 Internal Server Error",
        };
        let page = format!("<html><head><title>{title}</title></head><body>{title}</body></html>");
        Self {
            status,
            content_type: "text/html",
            disposition: None,
            body: page.into_bytes(),
        }
    }

    pub(crate) fn not_found() -> Self {
        Self {
            status: 404,
            content_type: "text/plain",
            disposition: None,
            body: b"404 page not found".to_vec(),
        }
    }

    /// A file to be kept under this name, which is plain letters.
    pub(crate) fn download(content_type: &'static str, name: &str, bytes: &[u8]) -> Self {
        Self {
            status: 200,
            content_type,
            disposition: Some(format!("attachment; filename=\"{name}\"")),
            body: bytes.to_vec(),
        }
    }

    /// The `errcode` of the body; 0 where there is none.
    #[must_use]
    pub fn errcode(&self) -> i64 {
        serde_json::from_slice::<Value>(&self.body)
            .ok()
            .and_then(|body| body.get("errcode")?.as_i64())
            .unwrap_or(0)
    }
}

/// An error of WeChat's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: i64,
    words: Cow<'static, str>,
}

impl Fault {
    pub(crate) const fn new(code: i64, words: &'static str) -> Self {
        Self {
            code,
            words: Cow::Borrowed(words),
        }
    }

    /// What `errmsg` begins with.
    pub(crate) fn words(&self) -> &str {
        &self.words
    }

    /// The caller's address is not on the account's list.
    pub(crate) fn address(caller: &str) -> Self {
        Self {
            code: 40164,
            words: Cow::Owned(format!("invalid ip {caller}, not in whitelist")),
        }
    }

    /// An error that a test asked for.
    pub(crate) fn injected(code: i64) -> Self {
        Self {
            code,
            words: Cow::Borrowed(if code == -1 {
                "system error"
            } else {
                "injected"
            }),
        }
    }

    pub(crate) fn answer(&self, rid: &str) -> Answer {
        let words = format!("{} rid: {rid}", self.words);
        Answer::json(&json!({"errcode": self.code, "errmsg": words}))
    }
}

pub(crate) const BUSY: Fault = Fault::new(-1, "system error");
pub(crate) const CREDENTIAL: Fault = Fault::new(
    40001,
    "invalid credential, access_token is invalid or not latest",
);
pub(crate) const GRANT_TYPE: Fault = Fault::new(40002, "invalid grant_type");
pub(crate) const OPEN_ID: Fault = Fault::new(40003, "invalid openid");
pub(crate) const MEDIA_TYPE: Fault = Fault::new(40004, "invalid media type");
pub(crate) const FILE_TYPE: Fault = Fault::new(40005, "invalid file type");
pub(crate) const MEDIA_SIZE: Fault = Fault::new(40006, "invalid media size");
pub(crate) const MEDIA_ID: Fault = Fault::new(40007, "invalid media_id");
pub(crate) const MESSAGE_TYPE: Fault = Fault::new(40008, "invalid message type");
pub(crate) const APP_ID: Fault = Fault::new(40013, "invalid appid");
pub(crate) const ACCESS_TOKEN: Fault = Fault::new(40014, "invalid access_token");
pub(crate) const CHARSET: Fault = Fault::new(
    40033,
    "invalid charset. please check your request, if include \\uxxxx will create fail!",
);
pub(crate) const CARD_ID: Fault = Fault::new(40073, "invalid card id");
pub(crate) const SECRET: Fault = Fault::new(40125, "invalid appsecret");
pub(crate) const ACCOUNT_TYPE: Fault = Fault::new(40200, "invalid account type");
pub(crate) const TOKEN_MISSING: Fault = Fault::new(41001, "access_token missing");
pub(crate) const APP_ID_MISSING: Fault = Fault::new(41002, "appid missing");
pub(crate) const SECRET_MISSING: Fault = Fault::new(41004, "appsecret missing");
pub(crate) const MEDIA_MISSING: Fault = Fault::new(41005, "media data missing");
pub(crate) const TOKEN_EXPIRED: Fault = Fault::new(42001, "access_token expired");
pub(crate) const NEEDS_GET: Fault = Fault::new(43001, "require GET method");
pub(crate) const NEEDS_POST: Fault = Fault::new(43002, "require POST method");
pub(crate) const NOT_FOLLOWING: Fault = Fault::new(43004, "require subscribe");
pub(crate) const EMPTY_MEDIA: Fault = Fault::new(44001, "empty media data");
pub(crate) const EMPTY_NEWS: Fault = Fault::new(44003, "empty news data");
pub(crate) const EMPTY: Fault = Fault::new(44004, "empty content");
pub(crate) const MEDIA_LIMIT: Fault = Fault::new(45001, "media size out of limit");
pub(crate) const TOO_LONG: Fault = Fault::new(45002, "content size out of limit");
pub(crate) const ARTICLES: Fault = Fault::new(45008, "article size out of limit");
pub(crate) const DAILY_LIMIT: Fault = Fault::new(45009, "reach max api daily quota limit");
pub(crate) const MINUTE_LIMIT: Fault = Fault::new(
    45011,
    "api minute-quota reach limit  mustslower  retry next minute",
);
pub(crate) const WINDOW: Fault = Fault::new(
    45015,
    "response out of time limit or subscription is canceled",
);
pub(crate) const COUNT: Fault = Fault::new(45047, "out of response count limit");
pub(crate) const COMMAND: Fault = Fault::new(45072, "command is invalid");
pub(crate) const INTERACTION: Fault = Fault::new(45080, "need user interaction in last 30 seconds");
pub(crate) const TYPING: Fault = Fault::new(45081, "already in typing status");
pub(crate) const DATA_FORMAT: Fault = Fault::new(47001, "data format error");
pub(crate) const UNAUTHORIZED: Fault = Fault::new(48001, "api unauthorized");
pub(crate) const ARTICLE_ID: Fault = Fault::new(53600, "invalid article id");
pub(crate) const KF_ACCOUNT: Fault = Fault::new(65401, "invalid kf account");
