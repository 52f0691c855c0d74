//! Who may come in: programs with the admin key, people with a cookie that a
//! one-time link or the admin key gave them.
//!
//! Invariant: every comparison of a secret takes the same time for every
//! input; a link opens once; a cookie can be made by nobody without the key.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use subtle::ConstantTimeEq as _;
use url::Url;

use super::lang::Lang;
use super::problem::{Answered, Problem, Refusal, empty};
use super::ticket::{SESSION, digest, is_good, same, ticket};
use super::{AdminKey, Call, Console, finish};
use crate::bridge::{Bridge, Broken, Response};
use crate::moment::Moment;
use crate::secrets::ADMIN_KEY;

/// The cookie's name.
const COOKIE_NAME: &str = "magpie_session";
/// How long a link waits to be opened.
const LINK: Duration = Duration::from_mins(15);
/// How many links wait at a time; the oldest makes room.
const LINKS: usize = 16;
/// How many wrong keys are heard out …
const FAILURES: usize = 10;
/// … within this time.
const WITHIN: Duration = Duration::from_mins(1);
/// How long the stored key is believed.
const BELIEVED: Duration = Duration::from_mins(1);

/// Who is signed in.
enum Caller {
    /// Somebody with the admin key.
    Program,
    /// A page with a cookie.
    Page,
}

/// What this process knows of those who want to come in.
#[derive(Default)]
pub(super) struct Door {
    key: Mutex<Option<(Moment, Arc<str>)>>,
    links: Mutex<VecDeque<([u8; 32], Moment)>>,
    failures: Mutex<VecDeque<Moment>>,
}

fn header(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = header(headers, AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, value)| value)
}

/// Whether a browser says that the call comes from a page of ours. A proxy may
/// have changed the scheme, so host and port are compared.
fn from_our_page(headers: &HeaderMap, public: Option<&Url>) -> bool {
    if header(headers, "sec-fetch-site").is_some_and(|site| site != "same-origin") {
        return false;
    }
    if !headers.contains_key(ORIGIN) {
        return true;
    }
    let place = |url: &Url| Some((url.host_str()?.to_owned(), url.port()));
    let origin = header(headers, ORIGIN).and_then(|origin| Url::parse(origin).ok());
    let Some(origin) = origin else {
        return false;
    };
    // Read with the origin's scheme, so that both leave out the same port.
    let host = header(headers, HOST)
        .and_then(|host| Url::parse(&format!("{}://{host}", origin.scheme())).ok());
    let ours = [host.as_ref(), public];
    let theirs = place(&origin);
    theirs.is_some() && ours.into_iter().flatten().any(|url| place(url) == theirs)
}

impl Console {
    /// The admin key.
    async fn key(&self, bridge: &Bridge) -> Result<Arc<str>, Broken> {
        if let AdminKey::Given(key) = &self.key {
            return Ok(Arc::from(key.as_str()));
        }
        let now = bridge.now();
        let known = {
            let known = self.door.key.lock();
            known.unwrap_or_else(PoisonError::into_inner).clone()
        };
        if let Some((read, key)) = known
            && now.since(read) < BELIEVED
        {
            return Ok(key);
        }
        let fresh = URL_SAFE_NO_PAD.encode(bridge.chance.bytes::<32>());
        let key: Arc<str> = Arc::from(bridge.secrets.ensure(ADMIN_KEY, &fresh).await?);
        let mut known = self.door.key.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((now, key.clone()));
        Ok(key)
    }

    /// A link that signs one person in, once, within 15 minutes.
    pub fn sign_in_link(&self, bridge: &Bridge) -> String {
        let token = URL_SAFE_NO_PAD.encode(bridge.chance.bytes::<32>());
        let mut links = self
            .door
            .links
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if links.len() >= LINKS {
            links.pop_front();
        }
        links.push_back((digest(&token), bridge.now().plus(LINK)));
        format!("{}/console/#link={token}", self.base())
    }

    /// Whether this link was waiting; it does not any more.
    fn open_link(&self, token: &str, now: Moment) -> bool {
        let token = digest(token);
        let mut links = self
            .door
            .links
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        links.retain(|(_, until)| now < *until);
        let mut found = false;
        links.retain(|(link, _)| {
            let this = bool::from(link.ct_eq(&token));
            found |= this;
            !this
        });
        found
    }

    /// Whether too many wrong keys came in the last minute.
    fn is_besieged(&self, now: Moment) -> bool {
        let failures = self.door.failures.lock();
        let mut failures = failures.unwrap_or_else(PoisonError::into_inner);
        failures.retain(|at| now.since(*at) < WITHIN);
        failures.len() >= FAILURES
    }

    fn count_failure(&self, now: Moment) {
        let failures = self.door.failures.lock();
        let mut failures = failures.unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= FAILURES {
            failures.pop_front();
        }
        failures.push_back(now);
    }

    /// Lets a reader pass whose call is answered elsewhere, such as by a stream
    /// of events; otherwise what they are answered.
    pub async fn admit_reader(
        &self,
        bridge: &Bridge,
        headers: &HeaderMap,
    ) -> Result<(), Box<Response>> {
        let admitted = self.recognise(bridge, headers).await.map(|_| ());
        admitted.map_err(|refusal| Box::new(finish(refusal.response(Lang::of(headers)))))
    }

    /// Who calls; a refusal if they are not signed in.
    async fn recognise(&self, bridge: &Bridge, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let key = self.key(bridge).await?;
        let now = bridge.now();
        if let Some(theirs) = bearer(headers) {
            if same(&key, theirs) {
                return Ok(Caller::Program);
            }
            self.count_failure(now);
            tracing::warn!("refused a wrong admin key");
        } else if cookies(headers).any(|ticket| is_good(&key, ticket, now)) {
            return Ok(Caller::Page);
        }
        Err(Problem::signed_out().into())
    }

    /// Lets a call pass, or says why not.
    pub(super) async fn admit(&self, call: &Call<'_>) -> Result<(), Refusal> {
        if let Caller::Program = self.recognise(call.bridge, call.headers).await? {
            return Ok(());
        }
        let asked = header(call.headers, "x-magpie-console") == Some("1");
        let ours = asked && from_our_page(call.headers, self.public_url.as_ref());
        if call.method == Method::GET || ours {
            Ok(())
        } else {
            Err(not_ours())
        }
    }

    /// `POST /api/session`: a link or the admin key for a cookie.
    pub(super) async fn sign_in(&self, call: &Call<'_>) -> Answered {
        let mut fields = call.fields()?;
        let link = fields.maybe_text("link");
        let theirs = fields.maybe_text("key");
        if link.is_some() == theirs.is_some() {
            fields.fault("key", "请提供 link 或 key 之一", "give either link or key");
        }
        fields.done()?;
        if !from_our_page(call.headers, self.public_url.as_ref()) {
            return Err(not_ours());
        }
        let now = call.bridge.now();
        let key = self.key(call.bridge).await?;
        // Nobody guesses a link: it stays open for who locked themselves out.
        let opens = match (link, theirs) {
            (Some(link), _) => self.open_link(&link, now),
            // Who has the key gets in, however many others knock.
            (None, Some(theirs)) if same(&key, &theirs) => true,
            (None, Some(_)) if self.is_besieged(now) => {
                tracing::warn!("refused a sign-in: too many have failed");
                let seconds = u16::try_from(WITHIN.as_secs()).unwrap_or(u16::MAX);
                return Err(Problem::too_many(seconds).into());
            }
            (None, Some(_)) => {
                self.count_failure(now);
                false
            }
            (None, None) => false,
        };
        if !opens {
            tracing::warn!("refused a sign-in");
            let (zh, en) = (
                "链接或密钥不正确，或链接已过期。",
                "The link or the key is not right, or the link has expired.",
            );
            let status = StatusCode::UNAUTHORIZED;
            return Err(Problem::new(status, "wrong_key", zh, en).into());
        }
        tracing::info!("somebody signed in");
        Ok(self.with_cookie(&ticket(&key, now), SESSION))
    }

    /// `DELETE /api/session`: the browser forgets its cookie.
    pub(super) fn sign_out(&self) -> Response {
        self.with_cookie("", Duration::ZERO)
    }

    fn with_cookie(&self, value: &str, life: Duration) -> Response {
        // Who has no address of its own is behind a gateway that speaks https.
        let https = self
            .public_url
            .as_ref()
            .is_none_or(|url| url.scheme() == "https");
        let secure = if https { "; Secure" } else { "" };
        let cookie = format!(
            "{COOKIE_NAME}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={}{secure}",
            life.as_secs()
        );
        let mut response = empty();
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        response
    }
}

fn not_ours() -> Refusal {
    let (zh, en) = (
        "该请求不是来自本控制台。",
        "This call does not come from a page of ours.",
    );
    Problem::new(StatusCode::FORBIDDEN, "foreign_origin", zh, en).into()
}
