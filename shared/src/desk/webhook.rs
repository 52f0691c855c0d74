//! The webhook desk: somebody's server that speaks
//! [Standard Webhooks](https://www.standardwebhooks.com) in both directions.
//!
//! The crate of that name signs with a SHA-2 and reads the clock with a library
//! of its own, so the twenty lines are ours; the published libraries judge them
//! in the tests.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use url::Url;

use super::{AgentEvent, Greeting, Letter, News, Rejected};
use crate::delivery::{Delivery, Failure};
use crate::http::{Answer, Http, Outgoing, Trouble};
use crate::journal::Entry;
use crate::lane::ATTEMPT;
use crate::lines;
use crate::media::Shown;
use crate::message::{Body, ChannelId, CustomerId, Data, MessageId, Outcome};
use crate::moment::Moment;
use crate::reason::Reason;
use crate::reply::Reply;
use crate::rich::{Choice, Draft, File, Manner, Page, Saying};

/// How far a call's timestamp may be from our clock.
const TOLERANCE: Duration = Duration::from_mins(5);
/// The longest body that is read, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// A Retry-After up to this is waited for within the run.
const SHORT_WAIT: Duration = Duration::from_secs(2);
/// A longer Retry-After is not believed: what waits must be tried in its time.
const LONG_WAIT: Duration = Duration::from_mins(15);
/// The shortest secret, in bytes.
const SECRET_MIN: usize = 16;

/// A webhook desk.
pub struct Webhook {
    url: Url,
    /// The first signs, all verify; while there are two, both sign.
    secrets: Vec<Vec<u8>>,
}

/// Reads a secret as Standard Webhooks writes it: `whsec_` and base64.
#[must_use]
pub fn secret(text: &str) -> Option<Vec<u8>> {
    let base64 = text.strip_prefix("whsec_")?.trim_end_matches('=');
    let bytes = STANDARD_NO_PAD.decode(base64).ok()?;
    (bytes.len() >= SECRET_MIN).then_some(bytes)
}

/// A new secret from random bytes.
#[must_use]
pub fn new_secret(random: [u8; 32]) -> String {
    format!("whsec_{}", STANDARD.encode(random))
}

/// The signature of a call.
#[must_use]
pub fn sign(secret: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return Vec::new();
    };
    for piece in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(piece);
    }
    mac.finalize().into_bytes().to_vec()
}

#[derive(Serialize)]
struct Payload<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    time: String,
    channel: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<Customer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Said<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Happened<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Why>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<OwnReply>,
}

/// What the account said by itself in the answer to the push that the news is of.
#[derive(Serialize)]
struct OwnReply {
    kind: &'static str,
    text: String,
}

impl OwnReply {
    /// Of an agent's answer that went out by a reply there is a receipt.
    fn of(entry: &Entry) -> Option<Self> {
        let replied = entry.reply.as_ref().filter(|it| it.answer.is_none())?;
        let line = replied.reply.line();
        Some(Self {
            kind: replied.reply.kind().word(),
            text: match replied.reply {
                Reply::Text { .. } => line.zh,
                _ => both(&line),
            },
        })
    }
}

#[derive(Serialize)]
struct Customer<'a> {
    id: &'a str,
}

#[derive(Serialize)]
struct Said<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<Shown<Why>>,
}

#[derive(Serialize)]
struct Happened<'a> {
    id: &'a str,
    name: &'a str,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
}

#[derive(Serialize)]
struct Why {
    code: &'static str,
    text: String,
}

impl Why {
    fn reason(reason: Reason) -> Self {
        Self {
            code: reason.code(),
            text: format!("{} {}", reason.zh(), reason.en()),
        }
    }
}

fn both(line: &lines::Line) -> String {
    format!("{} {}", line.zh, line.en)
}

/// The body of a letter. It is the same on every repeat.
fn payload(letter: &Letter<'_>) -> Option<Vec<u8>> {
    let mut payload = Payload {
        kind: "message.created",
        time: letter.time.to_string(),
        channel: letter.channel.as_str(),
        conversation: letter.customer.map(CustomerId::expose),
        session: letter.session,
        customer: letter.customer.map(|c| Customer { id: c.expose() }),
        message: None,
        event: None,
        state: None,
        reason: None,
        reply: match &letter.news {
            News::Message(entry, ..) | News::Event(entry) => OwnReply::of(entry),
            _ => None,
        },
    };
    match &letter.news {
        News::SessionOpened => payload.kind = "session.opened",
        News::SessionEnded(cause) => {
            payload.kind = "session.ended";
            payload.reason = Some(Why {
                code: cause.word(),
                text: String::new(),
            });
        }
        News::CustomerErased(cause) => {
            payload.kind = "customer.erased";
            payload.reason = Some(Why {
                code: cause.word(),
                text: both(&lines::erased()),
            });
        }
        News::Message(entry, media, asked) => {
            let text = match &entry.body {
                Body::Text { .. } => lines::line(&entry.body).zh,
                other => {
                    let line = both(&lines::line(other));
                    match lines::link(other) {
                        Some(more) => format!("{line} {more}"),
                        None => line,
                    }
                }
            };
            payload.message = Some(Said {
                id: &letter.id,
                kind: Some(entry.body.kind().word()),
                text: Some(text),
                data: entry.body.data_answering(*asked),
                media: media.map(|told| told.shown(Why::reason)),
            });
        }
        News::Event(entry) => {
            payload.kind = "event.created";
            let name = match &entry.body {
                Body::Event { name, .. } => name.as_str(),
                _ => "unknown",
            };
            payload.event = Some(Happened {
                id: &letter.id,
                name,
                text: both(&lines::line(&entry.body)),
                data: entry.body.data(),
            });
        }
        News::Status(receipt) => {
            payload.kind = "message.status";
            payload.conversation = payload.conversation.or(receipt.conversation.as_deref());
            payload.message = Some(Said {
                id: receipt.message.as_str(),
                kind: None,
                text: None,
                data: None,
                media: None,
            });
            let (state, reason) = match receipt.outcome {
                Outcome::Delivered => ("delivered", None),
                Outcome::Held(reason) => ("held", Some(reason)),
                Outcome::Failed(reason) => ("failed", Some(reason)),
            };
            payload.state = Some(state);
            payload.reason = reason.map(Why::reason);
        }
    }
    serde_json::to_vec(&payload).ok()
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Call {
    #[serde(rename = "message")]
    Message {
        time: String,
        conversation: String,
        message: serde_json::Value,
        agent: Option<Agent>,
    },
    #[serde(rename = "typing")]
    Typing {
        time: String,
        conversation: String,
        on: bool,
    },
    #[serde(rename = "session.end")]
    SessionEnd { time: String, conversation: String },
    #[serde(rename = "conversation.delete")]
    Delete { time: String, conversation: String },
}

#[derive(Deserialize)]
struct Agent {
    name: Option<String>,
}

#[derive(Deserialize)]
struct CallMessage {
    kind: String,
    text: Option<String>,
    media: Option<CallFile>,
    title: Option<String>,
    description: Option<String>,
    name: Option<String>,
    url: Option<String>,
    hq_url: Option<String>,
    picture: Option<String>,
    thumb: Option<CallFile>,
    article_id: Option<String>,
    app_id: Option<String>,
    path: Option<String>,
    #[serde(default)]
    choices: Vec<Choice>,
    closing: Option<String>,
    template_id: Option<String>,
    #[serde(default)]
    data: BTreeMap<String, String>,
    mini_program: Option<CallPage>,
    kf_account: Option<String>,
    #[serde(default)]
    ai: bool,
}

#[derive(Deserialize)]
struct CallPage {
    app_id: Option<String>,
    path: Option<String>,
}

/// What is neither JSON nor of a documented form.
const FORM: Rejected = Rejected::Nonsense("it is no JSON of a documented type with its fields");

/// Where a desk has a file, or WeChat.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum CallFile {
    Url(String),
    MediaId(String),
}

impl From<CallFile> for File {
    fn from(file: CallFile) -> Self {
        match file {
            CallFile::Url(url) => Self::Url(url),
            CallFile::MediaId(id) => Self::MediaId(id),
        }
    }
}

/// Reads what an agent said. What only a programmer can mend is nonsense; what the agent
/// can, is told to the agent.
fn saying(
    message: serde_json::Value,
    agent: Option<Agent>,
) -> Result<Result<Saying, Reason>, Rejected> {
    let kind = message.get("kind").and_then(|kind| kind.as_str());
    let kind = kind.ok_or(FORM)?;
    let known = Draft::KINDS.iter().any(|(known, _)| *known == kind);
    if !known && kind != "text" {
        return Ok(Err(Reason::UnsupportedKind));
    }
    let message: CallMessage = serde_json::from_value(message).map_err(|_| FORM)?;
    let kf_account = message.kf_account;
    if kf_account
        .as_deref()
        .is_some_and(|account| !Manner::is_kf_account(account))
    {
        return Err(Rejected::Nonsense(
            "kf_account is name@account, at most 30 characters",
        ));
    }
    let manner = Manner {
        kf_account,
        ai: message.ai,
        agent: None,
    };
    let mut saying = Saying {
        agent: agent.and_then(|agent| agent.name),
        manner,
        ..Saying::default()
    };
    if message.kind == "text" {
        let text = message
            .text
            .ok_or(Rejected::Nonsense("a text has a text"))?;
        saying.words = Some(text);
        return Ok(Ok(saying));
    }
    let is_question = message.kind == "choice";
    let draft = Draft {
        kind: message.kind,
        text: message.text.clone(),
        media: message.media.map(File::from),
        title: message.title,
        description: message.description,
        name: message.name,
        url: message.url,
        hq_url: message.hq_url,
        picture: message.picture,
        thumb: message.thumb.map(File::from),
        article_id: message.article_id,
        app_id: message.app_id,
        path: message.path,
        choices: message.choices,
        closing: message.closing,
        template_id: message.template_id,
        data: message.data,
        mini_program: message.mini_program.map(|page| Page {
            app_id: page.app_id,
            path: page.path,
        }),
    };
    saying.words = message
        .text
        .filter(|text| !is_question && !text.trim().is_empty());
    Ok(match draft.read() {
        None => Err(Reason::UnsupportedKind),
        Some(Ok(rich)) => {
            saying.rich = Some(rich);
            Ok(saying)
        }
        Some(Err(wrong)) => match wrong.iter().find(|wrong| !wrong.too_long) {
            Some(wrong) => return Err(Rejected::Field(wrong.field, wrong.en)),
            None => Err(Reason::TooLong),
        },
    })
}

impl Webhook {
    /// A desk at this address; `None` if the address or a secret cannot be
    /// read, or there is no secret.
    #[must_use]
    pub fn new(url: &str, secrets: &[String]) -> Option<Self> {
        let secrets: Vec<_> = secrets
            .iter()
            .map(|text| secret(text))
            .collect::<Option<_>>()?;
        (!secrets.is_empty()).then_some(())?;
        Some(Self {
            url: Url::parse(url).ok()?,
            secrets,
        })
    }

    pub(super) fn receive(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Moment,
    ) -> Result<AgentEvent, Rejected> {
        if body.len() > MAX_BODY {
            return Err(Rejected::TooLarge);
        }
        let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        let (Some(id), Some(timestamp), Some(signatures)) = (
            header("webhook-id"),
            header("webhook-timestamp"),
            header("webhook-signature"),
        ) else {
            return Err(Rejected::Unsigned);
        };
        if !self.signed(id, timestamp, body, signatures) {
            return Err(Rejected::Unsigned);
        }
        let sent = timestamp.parse::<i64>().map_err(|_| Rejected::Unsigned)?;
        let sent = Moment::from_seconds(sent);
        if now.since(sent).max(sent.since(now)) > TOLERANCE {
            return Err(Rejected::Unsigned);
        }
        let id = MessageId::parse(id).ok_or(Rejected::Nonsense(
            "webhook-id is 1 to 128 printable ASCII characters",
        ))?;
        let call: Call = serde_json::from_slice(body).map_err(|_| FORM)?;
        let time = |text: &str| {
            let time = Moment::parse(text).ok_or(Rejected::Nonsense("time is RFC 3339"))?;
            if time.since(now) > TOLERANCE {
                return Err(Rejected::Nonsense("time is more than five minutes ahead"));
            }
            Ok(time)
        };
        Ok(match call {
            Call::Message {
                time: at,
                conversation,
                message,
                agent,
            } => AgentEvent::Message {
                id,
                time: time(&at)?,
                conversation,
                said: Box::new(saying(message, agent)?),
            },
            Call::Typing {
                time: at,
                conversation,
                on,
            } => {
                time(&at)?;
                AgentEvent::Typing { conversation, on }
            }
            Call::Delete {
                time: at,
                conversation,
            } => {
                time(&at)?;
                AgentEvent::Delete { conversation }
            }
            Call::SessionEnd {
                time: at,
                conversation,
            } => {
                let time = time(&at)?;
                AgentEvent::SessionEnd {
                    id,
                    time,
                    // By the desk's clock alone, whatever that shows.
                    age: sent.since(time),
                    conversation,
                }
            }
        })
    }

    /// Whether one of the signatures is one of ours. All are compared.
    fn signed(&self, id: &str, timestamp: &str, body: &[u8], signatures: &str) -> bool {
        let theirs: Vec<Vec<u8>> = signatures
            .split(' ')
            .take(16)
            .filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok())
            .collect();
        let mut found = subtle::Choice::from(0);
        for secret in &self.secrets {
            let ours = sign(secret, id, timestamp, body);
            for one in &theirs {
                found |= ours.ct_eq(one);
            }
        }
        found.into()
    }

    pub(super) async fn tell(&self, http: &Http, letter: &Letter<'_>, now: Moment) -> Delivery {
        let Some(body) = payload(letter) else {
            return Delivery::Failed(Failure::never(Reason::Defect));
        };
        match http.send(self.signed_call(&letter.id, body, now)).await {
            Ok(answer) => read(&answer),
            Err(Trouble::NotSent(_)) => Delivery::Failed(Failure::now(Reason::DeskUnreachable)),
            Err(Trouble::Lost(_)) => Delivery::Failed(Failure::lost(Reason::DeskUnreachable)),
            Err(Trouble::Forbidden) => Delivery::Failed(Failure::never(Reason::DeskRefused)),
        }
    }
}

impl Webhook {
    fn signed_call(&self, id: &str, body: Vec<u8>, now: Moment) -> Outgoing {
        let timestamp = now.seconds().to_string();
        let signatures: Vec<_> = self
            .secrets
            .iter()
            .map(|secret| {
                let signature = sign(secret, id, &timestamp, &body);
                format!("v1,{}", STANDARD.encode(signature))
            })
            .collect();
        Outgoing::json(self.url.clone(), body, ATTEMPT)
            .with("webhook-id", id)
            .with("webhook-timestamp", &timestamp)
            .with("webhook-signature", &signatures.join(" "))
    }

    pub(super) async fn greet(
        &self,
        http: &Http,
        channel: &ChannelId,
        now: Moment,
        nonce: String,
    ) -> Greeting {
        #[derive(Serialize)]
        struct Hello<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            time: String,
            channel: &'a str,
        }
        let hello = Hello {
            kind: "greeting",
            time: now.to_string(),
            channel: channel.as_str(),
        };
        let body = serde_json::to_vec(&hello).unwrap_or_default();
        let id = format!("greeting_{nonce}");
        match http.send(self.signed_call(&id, body, now)).await {
            Ok(answer) => Greeting::Answered(answer.status),
            Err(Trouble::NotSent(_) | Trouble::Lost(_)) => Greeting::Silent,
            Err(Trouble::Forbidden) => Greeting::Forbidden,
        }
    }
}

/// What a desk's answer means: one table.
fn read(answer: &Answer) -> Delivery {
    let wait = || {
        let seconds = answer
            .headers
            .get("retry-after")?
            .to_str()
            .ok()?
            .parse()
            .ok()?;
        Some(Duration::from_secs(seconds))
    };
    Delivery::Failed(match answer.status {
        // 409: it has this message already.
        200..=299 | 409 => return Delivery::Accepted,
        429 | 503 => match wait() {
            Some(span) if span > SHORT_WAIT => {
                Failure::after(span.min(LONG_WAIT), Reason::DeskUnreachable)
            }
            _ => Failure::now(Reason::DeskUnreachable),
        },
        500..=599 => Failure::now(Reason::DeskUnreachable),
        // A desk that is being set up, or whose secret is being changed.
        300..=399 | 401 | 403 | 404 | 408 => {
            Failure::after(Duration::ZERO, Reason::DeskUnreachable)
        }
        _ => Failure::never(Reason::DeskRefused),
    })
}
