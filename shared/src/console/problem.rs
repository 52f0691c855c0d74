//! What a caller is told when a call is refused: RFC 9457 problem details
//! (<https://www.rfc-editor.org/rfc/rfc9457>), in the caller's language.
//!
//! Invariant: a problem names fields and never repeats their values.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::lang::Lang;
use crate::bridge::{Broken, Response};
use crate::reason::Reason;
use crate::secrets::SecretError;
use crate::store::StoreError;
use crate::wechat::refusals;

type Words = Cow<'static, str>;

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The field, with the path to it.
    pub(super) field: String,
    zh: Words,
    en: Words,
}

impl Fault {
    /// Says what is wrong with a field, and what would be right.
    pub(super) fn new(
        field: impl Into<String>,
        zh: impl Into<Words>,
        en: impl Into<Words>,
    ) -> Self {
        Self {
            field: field.into(),
            zh: zh.into(),
            en: en.into(),
        }
    }
}

/// A refused call.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    zh: Words,
    en: Words,
    faults: Vec<Fault>,
    allow: Option<&'static str>,
    retry_after: Option<u16>,
    wechat: Option<ToldByWechat>,
}

/// Why a call was not answered as its caller hoped.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is the caller's.
    Problem(Box<Problem>),
    /// It is ours.
    Broken(Broken),
}

/// What becomes of a call.
pub(super) type Answered = Result<Response, Refusal>;

impl Refusal {
    /// What the caller is answered.
    pub(super) fn response(self, lang: Lang) -> Response {
        match self {
            Self::Problem(problem) => problem.response(lang),
            Self::Broken(broken) => {
                tracing::error!(error = %broken, "a call of the console could not be answered");
                Problem::ours().response(lang)
            }
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<Broken> for Refusal {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Broken(error.into())
    }
}

impl From<SecretError> for Refusal {
    fn from(error: SecretError) -> Self {
        Self::Broken(error.into())
    }
}

impl Problem {
    /// A problem with a code for programs and words for people.
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        zh: impl Into<Words>,
        en: impl Into<Words>,
    ) -> Self {
        Self {
            status,
            code,
            zh: zh.into(),
            en: en.into(),
            faults: Vec::new(),
            allow: None,
            retry_after: None,
            wechat: None,
        }
    }

    /// `WeChat` refused what was asked of it.
    pub(super) fn by_wechat(code: i64, rid: Option<String>) -> Self {
        let (zh, en) = refusals::words(code);
        let (zh, en) = (
            format!("{zh}（{code}）。"),
            format!("WeChat says: {en} ({code})."),
        );
        Self {
            wechat: Some(ToldByWechat { code, rid }),
            ..Self::new(StatusCode::FAILED_DEPENDENCY, "wechat_refused", zh, en)
        }
    }

    /// There is no such thing.
    pub(super) fn missing() -> Self {
        let (zh, en) = ("找不到：请刷新后重试。", "There is no such thing.");
        Self::new(StatusCode::NOT_FOUND, "not_found", zh, en)
    }

    /// The body of a call did not come.
    pub(super) fn unread(status: StatusCode) -> Self {
        if status == StatusCode::REQUEST_TIMEOUT {
            let (zh, en) = ("内容未及时送达。", "The body did not come in time.");
            return Self::new(status, "too_slow", zh, en);
        }
        let (zh, en) = ("内容传输中断。", "The body broke off.");
        Self::new(StatusCode::BAD_REQUEST, "broken_off", zh, en)
    }

    /// The thing is in another state than the call needs.
    pub(super) fn conflict(code: &'static str, zh: impl Into<Words>, en: impl Into<Words>) -> Self {
        Self::new(StatusCode::CONFLICT, code, zh, en)
    }

    /// The method is none of this address's.
    pub(super) fn method(allow: &'static str) -> Self {
        let (zh, en) = ("此地址不支持该方法。", "This address has no such method.");
        Self {
            allow: Some(allow),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", zh, en)
        }
    }

    /// Too many attempts; after so many seconds it may be tried again.
    pub(super) fn too_many(seconds: u16) -> Self {
        let (zh, en) = (
            "登录失败次数过多：请一分钟后重试。",
            "Too many attempts to sign in failed: wait a minute and try again.",
        );
        Self {
            retry_after: Some(seconds),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", zh, en)
        }
    }

    /// Fields are wrong: all of them.
    pub(super) fn fields(faults: Vec<Fault>) -> Self {
        let list = |words: fn(&Fault) -> &Words, colon: &str, end: &str| {
            let each: Vec<_> = faults
                .iter()
                .map(|fault| format!("{}{colon}{}", fault.field, words(fault)))
                .collect();
            each.join(end)
        };
        let zh = list(|fault| &fault.zh, "：", "；");
        let en = list(|fault| &fault.en, ": ", "; ");
        Self {
            faults,
            ..Self::new(
                StatusCode::BAD_REQUEST,
                "invalid",
                format!("{zh}。"),
                format!("{en}."),
            )
        }
    }

    /// An answer that cannot be sent.
    pub(super) fn unsendable(reason: Reason) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            reason.code(),
            reason.zh(),
            reason.en(),
        )
    }

    /// Nobody is signed in.
    pub(super) fn signed_out() -> Self {
        let (zh, en) = (
            "尚未登录或登录已过期。",
            "Nobody is signed in, or the session has expired.",
        );
        Self::new(StatusCode::UNAUTHORIZED, "signed_out", zh, en)
    }

    /// We could not do our part.
    pub(super) fn ours() -> Self {
        let (zh, en) = (
            "系统内部暂时出错：请稍后重试。",
            "Something of ours failed for now: try again in a moment.",
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "internal", zh, en)
    }

    /// What it says to operators and in logs.
    pub(super) fn words(&self) -> &str {
        &self.en
    }

    /// The answer that says it.
    pub(super) fn response(&self, lang: Lang) -> Response {
        let detail = |zh: &Words, en: &Words| lang.pick(zh, en).clone().into_owned();
        let told = Told {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            code: self.code,
            detail: detail(&self.zh, &self.en),
            errors: self
                .faults
                .iter()
                .map(|fault| ToldFault {
                    field: &fault.field,
                    detail: detail(&fault.zh, &fault.en),
                })
                .collect(),
            wechat: self.wechat.as_ref(),
        };
        let mut response =
            Response::new(Bytes::from(serde_json::to_vec(&told).unwrap_or_default()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            headers.insert(http::header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

#[derive(Serialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ToldFault<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wechat: Option<&'a ToldByWechat>,
}

/// What `WeChat` said itself.
#[derive(Clone, Debug, Serialize)]
struct ToldByWechat {
    code: i64,
    /// By which its own people find the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    rid: Option<String>,
}

#[derive(Serialize)]
struct ToldFault<'a> {
    field: &'a str,
    detail: String,
}

/// An answer of JSON.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Answered {
    let body = serde_json::to_vec(body).map_err(|_| StoreError::Unreadable("answer"))?;
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// An answer without content.
pub(super) fn empty() -> Response {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
