//! The pages and what they load: a template, a script and a style sheet for the
//! inbox, a template, scripts and style sheets for the operator's pages; all in the binary.

use std::fmt::Write as _;
use std::sync::LazyLock;

use askama::Template;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use sha2::{Digest as _, Sha256};

use super::Call;
use super::lang::Lang;
use super::problem::{Answered, Problem};
use crate::bridge::Response;
use crate::message::ChannelId;
use crate::store::StoreError;

const SCRIPT: &str = include_str!("assets/console.js");
const STYLE: &str = include_str!("assets/console.css");
/// The list of channels and the status: one module; each of its files is about one noun.
const OPERATOR_SCRIPT: &str = concat!(
    include_str!("assets/operator/words.js"),
    include_str!("assets/operator/status_words.js"),
    include_str!("assets/operator/page.js"),
    include_str!("assets/operator/parts.js"),
    include_str!("assets/operator/channels.js"),
    include_str!("assets/operator/status.js"),
    include_str!("assets/operator/start.js"),
);
/// One channel and its set-up: a module that shares files with the other.
const CHANNEL_SCRIPT: &str = concat!(
    include_str!("assets/operator/words.js"),
    include_str!("assets/operator/setup_words.js"),
    include_str!("assets/operator/page.js"),
    include_str!("assets/operator/parts.js"),
    include_str!("assets/operator/channels.js"),
    include_str!("assets/operator/replies.js"),
    include_str!("assets/operator/channel.js"),
    include_str!("assets/operator/setup.js"),
    include_str!("assets/operator/start.js"),
);
/// The menu of a channel's account.
const MENU_SCRIPT: &str = concat!(
    include_str!("assets/operator/words.js"),
    include_str!("assets/operator/menu_words.js"),
    include_str!("assets/operator/page.js"),
    include_str!("assets/operator/parts.js"),
    include_str!("assets/operator/account.js"),
    include_str!("assets/operator/menu_editor.js"),
    include_str!("assets/operator/menu.js"),
    include_str!("assets/operator/start.js"),
);
/// Its QR codes.
const CODES_SCRIPT: &str = concat!(
    include_str!("assets/operator/words.js"),
    include_str!("assets/operator/codes_words.js"),
    include_str!("assets/operator/page.js"),
    include_str!("assets/operator/parts.js"),
    include_str!("assets/operator/account.js"),
    include_str!("assets/operator/codes.js"),
    include_str!("assets/operator/start.js"),
);
/// The templates of its notices, and the one that asks customers back.
const NOTICES_SCRIPT: &str = concat!(
    include_str!("assets/operator/words.js"),
    include_str!("assets/operator/notices_words.js"),
    include_str!("assets/operator/page.js"),
    include_str!("assets/operator/parts.js"),
    include_str!("assets/operator/account.js"),
    include_str!("assets/operator/notices.js"),
    include_str!("assets/operator/start.js"),
);
/// Its quotas, and what became of one call.
const QUOTA_SCRIPT: &str = concat!(
    include_str!("assets/operator/words.js"),
    include_str!("assets/operator/quota_words.js"),
    include_str!("assets/operator/page.js"),
    include_str!("assets/operator/parts.js"),
    include_str!("assets/operator/account.js"),
    include_str!("assets/operator/quota.js"),
    include_str!("assets/operator/start.js"),
);
/// What WeChat told of the account itself.
const EVENTS_SCRIPT: &str = concat!(
    include_str!("assets/operator/words.js"),
    include_str!("assets/operator/events_words.js"),
    include_str!("assets/operator/page.js"),
    include_str!("assets/operator/parts.js"),
    include_str!("assets/operator/account.js"),
    include_str!("assets/operator/events.js"),
    include_str!("assets/operator/start.js"),
);
const OPERATOR_STYLE: &str = include_str!("assets/operator.css");
/// What the pages about an account have beside it.
const ACCOUNT_STYLE: &str = include_str!("assets/account.css");

/// Customers' files on the inbox page: loaded when it shows the first one.
const FILES_SCRIPT: &str = include_str!("assets/files.js");

/// Who a customer is, on the inbox page: loaded when an agent first asks.
const PEOPLE_SCRIPT: &str = include_str!("assets/people.js");
/// The erasure of a customer, on the inbox page: loaded when an agent asks for it.
const ERASE_SCRIPT: &str = include_str!("assets/erase.js");
/// What agents send beside words: loaded when a conversation is opened first.
const COMPOSE_SCRIPT: &str = include_str!("assets/compose.js");
/// A notice that an agent sends by hand: loaded when it is asked for first.
const NOTICE_SCRIPT: &str = include_str!("assets/notices.js");

/// What a page may load: our own script and style, and customers' files from where they lie,
/// to where agents bring theirs; nothing else.
fn policy(files: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'{files}; \
         img-src 'self' data:{files}; media-src 'self'{files}; form-action 'none'; \
         base-uri 'none'; frame-ancestors 'none'"
    )
}

/// Changes whenever a script or a style does: addresses carry it, so that
/// browsers may keep what they have.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::new()
        .chain_update(SCRIPT)
        .chain_update(STYLE)
        .chain_update(FILES_SCRIPT)
        .chain_update(PEOPLE_SCRIPT)
        .chain_update(COMPOSE_SCRIPT)
        .chain_update(NOTICE_SCRIPT)
        .chain_update(OPERATOR_SCRIPT)
        .chain_update(CHANNEL_SCRIPT)
        .chain_update(MENU_SCRIPT)
        .chain_update(CODES_SCRIPT)
        .chain_update(NOTICES_SCRIPT)
        .chain_update(QUOTA_SCRIPT)
        .chain_update(EVENTS_SCRIPT)
        .chain_update(OPERATOR_STYLE)
        .chain_update(ACCOUNT_STYLE)
        .finalize();
    digest.iter().take(6).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
});

#[derive(Template)]
#[template(path = "inbox.html")]
struct Inbox<'a> {
    lang: &'a str,
    title: &'a str,
    asset_version: &'a str,
}

#[derive(Template)]
#[template(path = "operator.html")]
struct Operator<'a> {
    lang: &'a str,
    title: &'a str,
    asset_version: &'a str,
    script: &'a str,
    /// It is about an account.
    of_account: bool,
}

/// What lies at an address.
enum Place {
    /// The address of the inbox without its slash.
    Door,
    Inbox,
    /// Channels and the status: the page's script looks at the address.
    Operator,
    /// One channel or its set-up: the page's script says whether there is such a channel.
    Channel,
    /// What is about its account, by the name of the script: its menu, codes, notices, quotas or events.
    Account(&'static str),
    Script(&'static str),
    Style(&'static str),
}

impl Place {
    fn find(path: &str) -> Option<Self> {
        // A gateway without routes of its own sends us its root, too.
        let rest = match path {
            "/" => "",
            path => path.strip_prefix("/console")?,
        };
        Some(match rest {
            "" => Self::Door,
            "/" => Self::Inbox,
            "/channels" | "/status" => Self::Operator,
            "/console.js" => Self::Script(SCRIPT),
            "/files.js" => Self::Script(FILES_SCRIPT),
            "/people.js" => Self::Script(PEOPLE_SCRIPT),
            "/erase.js" => Self::Script(ERASE_SCRIPT),
            "/compose.js" => Self::Script(COMPOSE_SCRIPT),
            "/notices.js" => Self::Script(NOTICE_SCRIPT),
            "/console.css" => Self::Style(STYLE),
            "/operator.js" => Self::Script(OPERATOR_SCRIPT),
            "/channel.js" => Self::Script(CHANNEL_SCRIPT),
            "/menu.js" => Self::Script(MENU_SCRIPT),
            "/codes.js" => Self::Script(CODES_SCRIPT),
            "/account_notices.js" => Self::Script(NOTICES_SCRIPT),
            "/quota.js" => Self::Script(QUOTA_SCRIPT),
            "/events.js" => Self::Script(EVENTS_SCRIPT),
            "/operator.css" => Self::Style(OPERATOR_STYLE),
            "/account.css" => Self::Style(ACCOUNT_STYLE),
            _ => {
                let rest = rest.strip_prefix("/channels/")?;
                let (id, about) = rest.split_once('/').unwrap_or((rest, ""));
                ChannelId::parse(id)?;
                match about {
                    "" if !rest.ends_with('/') => Self::Channel,
                    "menu" => Self::Account("menu"),
                    "codes" => Self::Account("codes"),
                    "notices" => Self::Account("account_notices"),
                    "quota" => Self::Account("quota"),
                    "events" => Self::Account("events"),
                    _ => return None,
                }
            }
        })
    }
}

/// Answers everything under `/console`.
pub(super) fn answer(call: &Call<'_>) -> Answered {
    let place = Place::find(call.path).ok_or_else(Problem::missing)?;
    if call.method != Method::GET {
        return Err(Problem::method("GET").into());
    }
    let (kind, body) = match place {
        Place::Door => return Ok(to_inbox()),
        Place::Inbox | Place::Operator | Place::Channel | Place::Account(_) => {
            ("text/html; charset=utf-8", page(&place, call.lang)?)
        }
        Place::Script(text) => (
            "text/javascript; charset=utf-8",
            Bytes::from_static(text.as_bytes()),
        ),
        Place::Style(text) => (
            "text/css; charset=utf-8",
            Bytes::from_static(text.as_bytes()),
        ),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    let bucket = call.bridge.files_origin();
    let bucket = bucket.map(|origin| format!(" {origin}"));
    let policy = policy(&bucket.unwrap_or_default());
    let policy = HeaderValue::try_from(policy).map_err(|_| StoreError::Unreadable("page"))?;
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    // An address of another version may be a page's that is older than we are.
    let is_asset = matches!(place, Place::Script(_) | Place::Style(_));
    if is_asset && call.query("v") == Some(VERSION.as_str()) {
        let long = HeaderValue::from_static("public, max-age=31536000, immutable");
        headers.insert(CACHE_CONTROL, long);
    }
    Ok(response)
}

fn to_inbox() -> Response {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    let page = HeaderValue::from_static("/console/");
    response.headers_mut().insert(LOCATION, page);
    response
}

fn page(place: &Place, lang: Lang) -> Result<Bytes, StoreError> {
    let (lang, title, asset_version) = (lang.pick("zh-CN", "en"), "Magpie", VERSION.as_str());
    let operator = |script| {
        let page = Operator {
            lang,
            title,
            asset_version,
            script,
            of_account: matches!(place, Place::Account(_)),
        };
        page.render()
    };
    let html = match place {
        Place::Channel => operator("channel"),
        Place::Operator => operator("operator"),
        Place::Account(script) => operator(*script),
        _ => {
            let page = Inbox {
                lang,
                title,
                asset_version,
            };
            page.render()
        }
    };
    let html = html.map_err(|_| StoreError::Unreadable("page"))?;
    Ok(Bytes::from(html))
}
