//! A Magpie that runs, asked over its own API: it alone knows what WeChat and the
//! desks say to its address.

use std::time::Duration;

use http::Method;
use magpie::bridge::check::{Finding, OK, Words};
use magpie::http::{Allowed, Answer, Http, Outgoing};
use magpie::message::ChannelId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::callback::in_front;

/// How long an answer may take: a token and a desk are asked for on the way.
const PATIENCE: Duration = Duration::from_secs(25);
/// How many channels are asked for at once.
const PAGE: &str = "25";

/// The API of a Magpie that runs.
pub(super) struct Api {
    http: Http,
    base: Url,
    key: String,
}

#[derive(Deserialize)]
struct Page {
    channels: Vec<Named>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct Checks {
    checks: Vec<Finding>,
}

impl Api {
    /// The API at this address, with the admin key.
    pub(super) fn new(base: Url, key: String) -> Self {
        let mut allowed = Allowed::default();
        allowed.add(&base);
        Self {
            http: Http::network(allowed),
            base,
            key,
        }
    }

    /// The channels, or why they are not to be had.
    pub(super) async fn channels(&self) -> Result<Vec<ChannelId>, Finding> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let mut url = self.at("/api/channels");
            url.query_pairs_mut()
                .append_pair("limit", PAGE)
                .extend_pairs(cursor.iter().map(|cursor: &String| ("cursor", cursor)));
            let page: Page = self.ask(Method::GET, url).await?;
            let ids = page.channels.iter();
            all.extend(ids.filter_map(|named| ChannelId::parse(&named.id)));
            if page.cursor.is_none() || page.cursor == cursor {
                return Ok(all);
            }
            cursor = page.cursor;
        }
    }

    /// What its check of a channel finds.
    pub(super) async fn check(&self, id: &ChannelId) -> Result<Vec<Finding>, Finding> {
        let url = self.at(&format!("/api/channels/{id}/check"));
        let checks: Checks = self.ask(Method::POST, url).await?;
        Ok(checks.checks)
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, url: Url) -> Result<T, Finding> {
        let mut call = Outgoing::json(url, Vec::new(), PATIENCE)
            .with("authorization", &format!("Bearer {}", self.key));
        call.method = method;
        let answer = self.http.send(call).await;
        let answer = answer.map_err(|_| self.found(UNREACHABLE))?;
        let read = serde_json::from_slice(&answer.body).ok();
        read.filter(|_| answer.status == 200)
            .ok_or_else(|| self.found(refusal(&answer)))
    }

    fn found(&self, (code, zh, en): Words<'_>) -> Finding {
        let at = &self.base;
        Finding::new("api", (code, &format!("{zh} {at}"), &format!("{en} {at}")))
    }

    /// It answers.
    pub(super) fn answers(&self) -> Finding {
        self.found((OK, "管理接口可以使用：", "Magpie's API answers:"))
    }
}

const UNREACHABLE: Words<'static> = (
    "unreachable",
    "管理接口没有应答，因此未检查凭证和客服系统：请确认 Magpie 在运行，且 MAGPIE_LISTEN \
     （或部署的 MAGPIE_PUBLIC_URL）与其一致。",
    "Magpie's API does not answer, so that tokens and desks were not asked for: see that it \
     runs, and that MAGPIE_LISTEN (of a stack, MAGPIE_PUBLIC_URL) is what it was started with.",
);

fn refusal(answer: &Answer) -> Words<'static> {
    match answer.status {
        401 if is_problem(answer) => (
            "wrong_key",
            "管理密钥不正确：请检查 MAGPIE_ADMIN_KEY。",
            "Magpie's API does not take the admin key: check MAGPIE_ADMIN_KEY.",
        ),
        404 if is_problem(answer) => (
            "unknown_channel",
            "没有这个渠道，或刚刚被删除。",
            "There is no such channel, or it was deleted just now.",
        ),
        500.. if is_problem(answer) => (
            "failing",
            "管理接口出错：请查看日志。",
            "Magpie's API answers with an error of its own: its log says why.",
        ),
        _ => in_front(answer).unwrap_or((
            "not_magpie",
            "此地址应答的不是 Magpie 的管理接口。",
            "What answers there is not Magpie's API.",
        )),
    }
}

/// Whether this is how our API says what is wrong.
fn is_problem(answer: &Answer) -> bool {
    let kind = answer.headers.get(http::header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"))
}
