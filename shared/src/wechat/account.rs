//! The calls about an account itself: its QR codes, its menu, its quotas. What is asked
//! about the people who follow it stands in [`super::people`].
//!
//! Errors come with HTTP status 200 and an `errcode`; the `rid` in their words is what
//! WeChat's own people ask for. Calls:
//! <https://developers.weixin.qq.com/doc/offiaccount/Account_Management/Generating_a_Parametric_QR_Code.html>,
//! <https://developers.weixin.qq.com/doc/offiaccount/Custom_Menus/Creating_Custom-Defined_Menu.html>,
//! <https://developers.weixin.qq.com/doc/offiaccount/openApi/get_api_quota.html>

use std::time::Duration;

use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::api::{Api, Token};
use crate::http::{Answer, Outgoing, Trouble};
use crate::lane::ATTEMPT;
use crate::menu::{ConditionalMenu, Menu};
use crate::qrcode::{Made, Scene};

/// The longest `rid` that is believed to be one, in bytes. WeChat's have 26.
const RID_MAX: usize = 64;
/// What WeChat answers where an account has no menu.
pub const NO_MENU: i64 = 46003;

/// A call about the account.
#[derive(Clone)]
pub struct Ask {
    method: Method,
    path: &'static str,
    /// What stands in the address beside the token.
    query: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// Query and body may name people.
impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ask({} {})", self.method, self.path)
    }
}

/// Why WeChat did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// It refused.
    #[error("WeChat refused with code {code}")]
    Refused {
        /// WeChat's code.
        code: i64,
        /// Its name for this very call.
        rid: Option<String>,
    },
    /// It could not be reached, or its answer was lost or cannot be read. What was asked for
    /// may have been done.
    #[error("WeChat gave no answer")]
    Silent(#[source] Option<Trouble>),
}

/// An answer that says no more than that it was done.
#[derive(Debug, Deserialize)]
pub struct Done {}

/// What WeChat has of menus, as it has it.
#[derive(Debug, Deserialize)]
pub struct Menus {
    /// The one that everybody sees.
    pub menu: Value,
    /// Those that only some see.
    #[serde(default, rename = "conditionalmenu")]
    pub conditional: Vec<Value>,
}

/// A conditional menu was made.
#[derive(Debug, Deserialize)]
pub struct MenuMade {
    /// Its id: a text, or a number.
    pub menuid: Value,
}

/// How often a path may be called.
#[derive(Debug, Deserialize)]
pub struct Quota {
    /// A day.
    pub quota: Daily,
    /// In a shorter time.
    #[serde(default)]
    pub rate_limit: Option<Rate>,
}

/// The calls of a day.
#[derive(Debug, Deserialize)]
pub struct Daily {
    /// How many there may be.
    pub daily_limit: i64,
    /// How many there were.
    pub used: i64,
    /// How many are left.
    pub remain: i64,
}

/// The calls of a shorter time.
#[derive(Debug, Deserialize)]
pub struct Rate {
    /// How many there may be …
    #[serde(default)]
    pub call_count: i64,
    /// … in so many seconds.
    #[serde(default)]
    pub refresh_second: i64,
}

/// What WeChat remembers of one call.
#[derive(Debug, Deserialize)]
pub struct Remembered {
    /// The call.
    pub request: OneCall,
}

/// One call. Address and bodies carry tokens and open ids: whoever shows them takes those out.
#[derive(Deserialize)]
pub struct OneCall {
    /// When, in seconds since 1970.
    pub invoke_time: i64,
    /// How long it took, in milliseconds.
    pub cost_in_ms: i64,
    /// The address, its query with the token included.
    #[serde(default)]
    pub request_url: String,
    /// What was answered.
    #[serde(default)]
    pub response_body: String,
    /// Who called.
    #[serde(default)]
    pub client_ip: String,
}

impl std::fmt::Debug for OneCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneCall").finish_non_exhaustive()
    }
}

/// The answer to a call for a code.
#[derive(Deserialize)]
struct Code {
    ticket: String,
    url: String,
    expire_seconds: Option<u64>,
}

/// A code that was made.
#[derive(Deserialize)]
#[serde(from = "Code")]
pub struct QrcodeMade(pub Made);

impl From<Code> for QrcodeMade {
    fn from(from: Code) -> Self {
        let life = from.expire_seconds.filter(|seconds| *seconds > 0);
        Self(Made {
            ticket: from.ticket,
            url: from.url,
            life: life.map(Duration::from_secs),
        })
    }
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    errcode: i64,
    #[serde(default)]
    errmsg: String,
}

impl Ask {
    pub(super) fn get(path: &'static str) -> Self {
        Self {
            method: Method::GET,
            path,
            query: Vec::new(),
            body: Vec::new(),
        }
    }

    /// The same with a parameter of the address.
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.query.push((name, value.to_owned()));
        self
    }

    #[cfg(test)]
    pub(super) fn told(&self) -> String {
        let query: Vec<_> = self.query.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let (query, body) = (query.join("&"), String::from_utf8_lossy(&self.body));
        format!("{} {} {query} {body}", self.method, self.path)
    }

    pub(super) fn post(path: &'static str, body: &impl Serialize) -> Self {
        Self {
            method: Method::POST,
            path,
            query: Vec::new(),
            body: serde_json::to_vec(body).unwrap_or_default(),
        }
    }

    /// For a QR code of this scene, good for so many seconds or for ever. WeChat keeps
    /// 100,000 that are for ever.
    #[must_use]
    pub fn qrcode(scene: &Scene, seconds: Option<u32>) -> Self {
        let scene = json!({ "scene": { "scene_str": scene.as_str() } });
        let body = match seconds {
            Some(seconds) => json!({
                "expire_seconds": seconds, "action_name": "QR_STR_SCENE", "action_info": scene
            }),
            None => json!({ "action_name": "QR_LIMIT_STR_SCENE", "action_info": scene }),
        };
        Self::post("/cgi-bin/qrcode/create", &body)
    }

    /// For the menus that there are: those that were made by this API.
    #[must_use]
    pub fn menus() -> Self {
        Self::get("/cgi-bin/menu/get")
    }

    /// For another menu instead of the one that there is.
    #[must_use]
    pub fn menu(menu: &Menu) -> Self {
        Self::post("/cgi-bin/menu/create", menu)
    }

    /// For no menu any more, no conditional one either.
    #[must_use]
    pub fn no_menu() -> Self {
        Self::get("/cgi-bin/menu/delete")
    }

    /// For one more conditional menu.
    #[must_use]
    pub fn conditional_menu(menu: &ConditionalMenu) -> Self {
        Self::post("/cgi-bin/menu/addconditional", menu)
    }

    /// For one conditional menu less.
    #[must_use]
    pub fn no_conditional_menu(id: &str) -> Self {
        Self::post("/cgi-bin/menu/delconditional", &json!({ "menuid": id }))
    }

    /// For the quota of a path of the API.
    #[must_use]
    pub fn quota(path: &str) -> Self {
        Self::post("/cgi-bin/openapi/quota/get", &json!({ "cgi_path": path }))
    }

    /// For what is remembered of a call; seven days long.
    #[must_use]
    pub fn rid(rid: &str) -> Self {
        Self::post("/cgi-bin/openapi/rid/get", &json!({ "rid": rid }))
    }

    /// For a new day of all quotas. WeChat does it ten times a month.
    #[must_use]
    pub fn clear_quota(app_id: &str) -> Self {
        Self::post("/cgi-bin/clear_quota", &json!({ "appid": app_id }))
    }
}

impl Api<'_> {
    /// Asks WeChat for something.
    pub async fn ask<T: DeserializeOwned>(&self, token: &Token, ask: &Ask) -> Result<T, Denied> {
        let mut url = self.url(ask.path).ok_or(Denied::Silent(None))?;
        url.query_pairs_mut()
            .append_pair("access_token", token.expose())
            .extend_pairs(&ask.query);
        let request = if ask.method == Method::GET {
            Outgoing::get(url, ATTEMPT)
        } else {
            Outgoing::json(url, ask.body.clone(), ATTEMPT)
        };
        let answer = self.http.send(request).await;
        read(&answer.map_err(|trouble| Denied::Silent(Some(trouble)))?)
    }
}

pub(super) fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, Denied> {
    let silent = |_| Denied::Silent(None);
    if answer.status != 200 {
        return Err(Denied::Silent(None));
    }
    // A list would pass for an object of which nothing is there.
    serde_json::from_slice::<Map<String, Value>>(&answer.body).map_err(silent)?;
    let refusal: Refusal = serde_json::from_slice(&answer.body).map_err(silent)?;
    if refusal.errcode != 0 {
        return Err(Denied::Refused {
            code: refusal.errcode,
            rid: rid(&refusal.errmsg).map(str::to_owned),
        });
    }
    serde_json::from_slice(&answer.body).map_err(silent)
}

/// The `rid` in the words of an error: `invalid menu size rid: 6498…-…-…`.
fn rid(words: &str) -> Option<&str> {
    let (_, rest) = words.rsplit_once("rid: ")?;
    let rid = rest.split(|c: char| c.is_whitespace() || c == ',').next()?;
    is_rid(rid).then_some(rid)
}

/// Whether this has the form of a `rid`.
#[must_use]
pub fn is_rid(text: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f' | b'-');
    (1..=RID_MAX).contains(&text.len()) && text.bytes().all(hex)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn what_an_answer_says() {
        let told = |status, body: &str| match read::<QrcodeMade>(&answer(status, body)) {
            Ok(QrcodeMade(made)) => format!("{} {:?}", made.ticket, made.life),
            Err(Denied::Refused { code, rid }) => format!("{code} {rid:?}"),
            Err(Denied::Silent(_)) => "silent".to_owned(),
        };
        for (status, body, expected) in [
            (200, r#"{"ticket":"t","url":"u"}"#, "t None"),
            (
                200,
                r#"{"ticket":"t","url":"u","expire_seconds":60}"#,
                "t Some(60s)",
            ),
            (200, r#"{"errcode":0,"errmsg":"ok"}"#, "silent"),
            (200, "", "silent"),
            (200, r#"["t","u",60]"#, "silent"),
            (502, r#"{"ticket":"t","url":"u"}"#, "silent"),
            (
                200,
                r#"{"errcode":45009,"errmsg":"reach max api daily quota limit rid: 6498abcd-1a-2b"}"#,
                "45009 Some(\"6498abcd-1a-2b\")",
            ),
            (200, r#"{"errcode":-1,"errmsg":"system error"}"#, "-1 None"),
            (200, r#"{"errcode":1,"errmsg":"rid: <b>"}"#, "1 None"),
            (200, r#"{"errcode":1,"errmsg":"rid: "}"#, "1 None"),
        ] {
            assert_eq!(told(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn what_goes_out() {
        let scene = Scene::parse("counter_3").unwrap();
        for (ask, path, body) in [
            (
                Ask::qrcode(&scene, Some(60)),
                "POST /cgi-bin/qrcode/create",
                r#"{"action_info":{"scene":{"scene_str":"counter_3"}},"action_name":"QR_STR_SCENE","expire_seconds":60}"#,
            ),
            (
                Ask::qrcode(&scene, None),
                "POST /cgi-bin/qrcode/create",
                r#"{"action_info":{"scene":{"scene_str":"counter_3"}},"action_name":"QR_LIMIT_STR_SCENE"}"#,
            ),
            (Ask::menus(), "GET /cgi-bin/menu/get", ""),
            (Ask::no_menu(), "GET /cgi-bin/menu/delete", ""),
            (
                Ask::no_conditional_menu("7"),
                "POST /cgi-bin/menu/delconditional",
                r#"{"menuid":"7"}"#,
            ),
            (
                Ask::clear_quota("wx1"),
                "POST /cgi-bin/clear_quota",
                r#"{"appid":"wx1"}"#,
            ),
        ] {
            assert_eq!(format!("{} {}", ask.method, ask.path), path);
            assert_eq!(String::from_utf8(ask.body).unwrap(), body, "{path}");
        }
    }
}
