//! The console: pages for people and a JSON API for programs, everything under
//! `/console` and `/api`.
//!
//! Invariant: every call of the API but a sign-in, and its description, needs
//! the admin key or a session; a GET changes nothing; no open id and no secret
//! is in an answer. What the API takes and answers is what `openapi.json` says,
//! in OpenAPI 3.1 (<https://spec.openapis.org/oas/v3.1.0>).

mod account_events;
mod answers;
mod board;
mod capabilities;
mod change;
mod changes;
mod channels;
mod check;
mod conversations;
mod cursor;
mod customers;
mod dead;
mod draft;
mod fallback;
mod fields;
mod lang;
mod media;
mod menu;
mod messages;
mod pages;
mod parked;
mod people;
mod problem;
mod qrcodes;
mod quota;
mod replies;
mod seen;
mod session;
mod settings;
mod status;
mod tags;
mod templates;
#[cfg(all(test, feature = "embedded"))]
mod tests;
mod ticket;
mod token;
mod unanswered;
mod uploads;
pub mod within;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use url::Url;

use crate::bridge::{Bridge, Response};
use crate::channel::RETENTION_DAYS;
use crate::conversation::parse_customer_id;
use crate::message::{ChannelId, CustomerId};
use crate::people::TagId;
use crate::qrcode::Scene;
use cursor::{List, unveil};
use fields::Fields;
use lang::Lang;
use problem::{Answered, Fault, Problem, Refusal};
pub use token::TokenKey;

/// The API as programs that write programs read it.
const DESCRIPTION: &str = include_str!("openapi.json");

/// The shortest key that is taken, in bytes: who guesses has all the time.
pub const KEY_MIN: usize = 16;

/// Where the admin key is.
pub enum AdminKey {
    /// The operator gave it.
    Given(String),
    /// It is the secret `admin`, made at first use.
    Stored,
}

/// What the console needs beside the bridge. Built once a process.
pub struct Console {
    key: AdminKey,
    token_key: Option<TokenKey>,
    public_url: Option<Url>,
    /// For channels that do not name theirs.
    retention_days: u32,
    door: session::Door,
    /// Changes of channels in this process, one after another.
    changing: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Console(…)")
    }
}

impl Console {
    /// A console that is found at `public_url`.
    #[must_use]
    pub fn new(key: AdminKey, public_url: Option<Url>) -> Self {
        Self {
            key,
            token_key: None,
            public_url,
            retention_days: RETENTION_DAYS,
            door: session::Door::default(),
            changing: tokio::sync::Mutex::default(),
        }
    }

    /// Channels that do not say how long they keep messages keep them so long.
    #[must_use]
    pub fn with_retention(self, retention_days: u32) -> Self {
        Self {
            retention_days,
            ..self
        }
    }

    /// Servers with this key are given access tokens.
    #[must_use]
    pub fn with_token_key(self, token_key: TokenKey) -> Self {
        Self {
            token_key: Some(token_key),
            ..self
        }
    }

    /// The public address without a slash at its end; empty if there is none.
    fn base(&self) -> String {
        let base = self.public_url.as_ref().map(Url::as_str);
        base.unwrap_or_default().trim_end_matches('/').to_owned()
    }
}

/// A call and what is needed to answer it.
struct Call<'a> {
    bridge: &'a Bridge,
    console: &'a Console,
    method: &'a Method,
    path: &'a str,
    queries: BTreeMap<String, String>,
    headers: &'a HeaderMap,
    body: &'a [u8],
    lang: Lang,
}

impl Call<'_> {
    /// A parameter of the address that is not empty.
    fn query(&self, name: &str) -> Option<&str> {
        let value = self.queries.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// How many rows are wanted.
    fn limit(&self) -> Result<usize, Refusal> {
        let Some(limit) = self.query("limit") else {
            return Ok(50);
        };
        let limit = limit.parse().ok().filter(|limit| (1..=100).contains(limit));
        limit.ok_or_else(|| wrong("limit", "应为 1 到 100", "it must be 1 to 100"))
    }

    /// The place of a list that the cursor leads to.
    fn place(&self, list: List<'_>) -> Result<Option<String>, Refusal> {
        let cursor = self.query("cursor");
        cursor.map(|cursor| list.place(cursor)).transpose()
    }

    /// The fields of the body.
    fn fields(&self) -> Result<Fields, Refusal> {
        Fields::read(self.headers, self.body)
    }

    /// Where the outside finds us.
    fn outside(&self) -> String {
        let host = || {
            let host = self.headers.get(HOST)?.to_str().ok()?;
            Some(format!("https://{host}"))
        };
        match &self.console.public_url {
            Some(_) => self.console.base(),
            None => host().unwrap_or_default(),
        }
    }
}

/// A parameter of the address that is wrong.
fn wrong(name: &str, zh: &'static str, en: &'static str) -> Refusal {
    Problem::fields(vec![Fault::new(name, zh, en)]).into()
}

/// Answers a call to `/console…` or `/api…`.
pub async fn answer(bridge: &Bridge, console: &Console, request: http::Request<Bytes>) -> Response {
    let lang = Lang::of(request.headers());
    let query = request.uri().query().unwrap_or_default();
    let call = Call {
        bridge,
        console,
        method: request.method(),
        path: request.uri().path(),
        queries: url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect(),
        headers: request.headers(),
        body: request.body(),
        lang,
    };
    let answered = if call.path == "/api" || call.path.starts_with("/api/") {
        // The largest of all calls decides what each would carry along.
        Box::pin(api(&call)).await
    } else if let Some(path) = call.path.strip_prefix("/media/") {
        media::answer(&call, path, query).await
    } else {
        pages::answer(&call)
    };
    finish(answered.unwrap_or_else(|refusal| refusal.response(lang)))
}

/// Answers a call whose body did not come, or not in time.
#[must_use]
pub fn unread(headers: &HeaderMap, status: StatusCode) -> Response {
    finish(Problem::unread(status).response(Lang::of(headers)))
}

/// What every answer says beside its own.
fn finish(mut response: Response) -> Response {
    let headers = response.headers_mut();
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// What an address of the API means.
enum Route {
    Description,
    Session,
    Channels,
    Channel(ChannelId),
    Check(ChannelId),
    Token(ChannelId),
    Qrcodes(ChannelId),
    Qrcode(ChannelId, Scene),
    QrcodePicture(ChannelId, Scene),
    Menu(ChannelId),
    MenuCheck(ChannelId),
    MenuConditional(ChannelId),
    MenuOfSome(ChannelId, String),
    Quota(ChannelId),
    QuotaClear(ChannelId),
    Rid(ChannelId, String),
    Capabilities(ChannelId),
    AccountEvents(ChannelId),
    Tags(ChannelId),
    Tag(ChannelId, TagId),
    Templates(ChannelId),
    Conversations,
    Conversation(CustomerId),
    Messages(CustomerId),
    Read(CustomerId),
    End(CustomerId),
    Files(CustomerId),
    Typing(CustomerId),
    Profile(CustomerId),
    Remark(CustomerId),
    Tagged(CustomerId),
    Customer(CustomerId),
    Changes,
    Events,
    Status,
    Parked,
    Dead,
    RedriveAll,
    Redrive(String),
}

impl Route {
    fn find(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix("/api/")?.split('/').collect();
        Some(match parts.as_slice() {
            ["openapi.json"] => Self::Description,
            ["session"] => Self::Session,
            ["channels"] => Self::Channels,
            ["channels", id] => Self::Channel(ChannelId::parse(id)?),
            ["channels", id, "check"] => Self::Check(ChannelId::parse(id)?),
            ["channels", id, "token"] => Self::Token(ChannelId::parse(id)?),
            ["channels", id, "qrcodes"] => Self::Qrcodes(ChannelId::parse(id)?),
            ["channels", id, "qrcodes", scene] => {
                Self::Qrcode(ChannelId::parse(id)?, qrcodes::scene(scene)?)
            }
            ["channels", id, "qrcodes", scene, "picture"] => {
                Self::QrcodePicture(ChannelId::parse(id)?, qrcodes::scene(scene)?)
            }
            ["channels", id, "menu"] => Self::Menu(ChannelId::parse(id)?),
            ["channels", id, "menu", "check"] => Self::MenuCheck(ChannelId::parse(id)?),
            ["channels", id, "menu", "conditional"] => Self::MenuConditional(ChannelId::parse(id)?),
            ["channels", id, "menu", "conditional", menuid] => {
                Self::MenuOfSome(ChannelId::parse(id)?, menu::menu_id(menuid)?)
            }
            ["channels", id, "quota"] => Self::Quota(ChannelId::parse(id)?),
            ["channels", id, "quota", "clear"] => Self::QuotaClear(ChannelId::parse(id)?),
            ["channels", id, "rid", rid] => Self::Rid(ChannelId::parse(id)?, quota::rid_of(rid)?),
            ["channels", id, "capabilities"] => Self::Capabilities(ChannelId::parse(id)?),
            ["channels", id, "events"] => Self::AccountEvents(ChannelId::parse(id)?),
            ["channels", id, "tags"] => Self::Tags(ChannelId::parse(id)?),
            ["channels", id, "tags", tag_id] => {
                Self::Tag(ChannelId::parse(id)?, TagId::parse(tag_id)?)
            }
            ["channels", id, "templates"] => Self::Templates(ChannelId::parse(id)?),
            ["conversations"] => Self::Conversations,
            ["conversations", id] => Self::Conversation(parse_customer_id(id)?),
            ["conversations", id, "messages"] => Self::Messages(parse_customer_id(id)?),
            ["conversations", id, "read"] => Self::Read(parse_customer_id(id)?),
            ["conversations", id, "end"] => Self::End(parse_customer_id(id)?),
            ["conversations", id, "files"] => Self::Files(parse_customer_id(id)?),
            ["conversations", id, "typing"] => Self::Typing(parse_customer_id(id)?),
            ["conversations", id, "profile"] => Self::Profile(parse_customer_id(id)?),
            ["conversations", id, "remark"] => Self::Remark(parse_customer_id(id)?),
            ["conversations", id, "tags"] => Self::Tagged(parse_customer_id(id)?),
            ["customers", id] => Self::Customer(parse_customer_id(id)?),
            ["changes"] => Self::Changes,
            ["events"] => Self::Events,
            ["status"] => Self::Status,
            ["parked"] => Self::Parked,
            ["dead"] => Self::Dead,
            ["dead", "redrive"] => Self::RedriveAll,
            ["dead", id, "redrive"] => Self::Redrive(unveil(id)?),
            _ => return None,
        })
    }

    fn methods(&self) -> &'static str {
        match self {
            Self::Session => "POST, DELETE",
            Self::Channel(_) | Self::Menu(_) => "GET, PUT, DELETE",
            Self::Qrcodes(_) | Self::Tags(_) => "GET, POST",
            Self::Capabilities(_) => "GET, DELETE",
            Self::Tag(..) => "PUT, DELETE",
            Self::Remark(_) => "PUT",
            Self::Qrcode(..) | Self::MenuOfSome(..) | Self::Customer(_) => "DELETE",
            Self::Check(_)
            | Self::MenuCheck(_)
            | Self::MenuConditional(_)
            | Self::QuotaClear(_)
            | Self::Messages(_)
            | Self::Read(_)
            | Self::End(_)
            | Self::Files(_)
            | Self::Typing(_)
            | Self::Tagged(_)
            | Self::RedriveAll
            | Self::Redrive(_) => "POST",
            Self::Description
            | Self::Token(_)
            | Self::QrcodePicture(..)
            | Self::Quota(_)
            | Self::Rid(..)
            | Self::AccountEvents(_)
            | Self::Templates(_)
            | Self::Channels
            | Self::Conversations
            | Self::Conversation(_)
            | Self::Profile(_)
            | Self::Changes
            | Self::Events
            | Self::Status
            | Self::Parked
            | Self::Dead => "GET",
        }
    }
}

async fn api(call: &Call<'_>) -> Answered {
    let route = Route::find(call.path);
    match route {
        Some(Route::Session) if call.method == Method::POST => {
            return call.console.sign_in(call).await;
        }
        // It holds no secret, and tools ask for it before anybody has a key.
        Some(Route::Description) if call.method == Method::GET => return Ok(description()),
        // Who may sign in may not have it.
        Some(Route::Token(id)) if call.method == Method::GET => {
            return token::give(call, &id).await;
        }
        _ => {}
    }
    call.console.admit(call).await?;
    let Some(route) = route else {
        return Err(Problem::missing().into());
    };
    let methods = route.methods();
    if !methods.split(", ").any(|method| call.method == method) {
        return Err(Problem::method(methods).into());
    }
    match route {
        Route::Description => Ok(description()),
        Route::Token(id) => token::give(call, &id).await,
        Route::Session => Ok(call.console.sign_out()),
        Route::Channels => channels::list(call).await,
        Route::Channel(id) if call.method == Method::PUT => channels::put(call, &id).await,
        Route::Channel(id) if call.method == Method::DELETE => channels::delete(call, &id).await,
        Route::Channel(id) => channels::get(call, &id).await,
        Route::Check(id) => check::check(call, &id).await,
        Route::Qrcodes(id) if call.method == Method::POST => qrcodes::make(call, &id).await,
        Route::Qrcodes(id) => qrcodes::list(call, &id).await,
        Route::Qrcode(id, scene) => qrcodes::forget(call, &id, &scene).await,
        Route::QrcodePicture(id, scene) => qrcodes::picture(call, &id, &scene).await,
        Route::Menu(id) if call.method == Method::PUT => menu::put(call, &id).await,
        Route::Menu(id) if call.method == Method::DELETE => menu::delete(call, &id).await,
        Route::Menu(id) => menu::get(call, &id).await,
        Route::MenuCheck(id) => menu::check(call, &id).await,
        Route::MenuConditional(id) => menu::add(call, &id).await,
        Route::MenuOfSome(id, menuid) => menu::remove(call, &id, &menuid).await,
        Route::Quota(id) => quota::get(call, &id).await,
        Route::QuotaClear(id) => quota::clear(call, &id).await,
        Route::Rid(id, rid) => quota::rid(call, &id, &rid).await,
        Route::Capabilities(id) if call.method == Method::DELETE => {
            capabilities::forget(call, &id).await
        }
        Route::Capabilities(id) => capabilities::get(call, &id).await,
        Route::AccountEvents(id) => account_events::list(call, &id).await,
        Route::Tags(id) if call.method == Method::POST => tags::make(call, &id).await,
        Route::Tags(id) => tags::list(call, &id).await,
        Route::Tag(id, tag) if call.method == Method::PUT => tags::rename(call, &id, tag).await,
        Route::Tag(id, tag) => tags::delete(call, &id, tag).await,
        Route::Templates(id) => templates::list(call, &id).await,
        Route::Conversations => conversations::list(call).await,
        Route::Conversation(id) => conversations::get(call, &id).await,
        Route::Messages(id) => answers::say(call, &id).await,
        Route::Read(id) => answers::read(call, &id).await,
        Route::End(id) => answers::end(call, &id).await,
        Route::Files(id) => uploads::begin(call, &id).await,
        Route::Typing(id) => answers::typing(call, &id).await,
        Route::Profile(id) => people::profile(call, &id).await,
        Route::Remark(id) => people::remark(call, &id).await,
        Route::Tagged(id) => people::tag(call, &id).await,
        Route::Customer(id) => customers::delete(call, &id).await,
        Route::Changes => changes::since(call).await,
        // One machine answers it before; a function has no stream.
        Route::Events => Err(Problem::missing().into()),
        Route::Status => status::status(call).await,
        Route::Parked => parked::list(call).await,
        Route::Dead => dead::list(call).await,
        Route::RedriveAll => dead::redrive_all(call).await,
        Route::Redrive(id) => dead::redrive(call, &id).await,
    }
}

/// `GET /api/openapi.json`.
fn description() -> Response {
    let mut response = Response::new(Bytes::from_static(DESCRIPTION.as_bytes()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// A call was accepted; what it asked for happens by itself.
fn accepted() -> Answered {
    problem::json(StatusCode::ACCEPTED, &serde_json::json!({}))
}
