//! What WeChat saw, for people to look at: every call of its API, every push
//! and every check of a callback address, in their order.
//!
//! Invariant: no query, token, secret or key ever gets in, and it is bounded:
//! the last five hundred, their words cut.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::Value;

use super::account::Connection;
use super::answer::Answer;
use super::call::Call;
use super::customer::{PushState, Stage};
use super::path::ApiPath;
use super::wechat::WeChat;

/// How many sights are kept.
const KEPT: usize = 500;
/// How many characters of a text, and of a path, are kept.
const LONGEST_TEXT: usize = 200;
const LONGEST_PATH: usize = 80;

/// One thing that WeChat saw or did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sight {
    /// Counts up.
    pub id: u64,
    /// When it began, in milliseconds.
    pub at_ms: i64,
    /// The account that it is about, if WeChat knows it.
    pub app_id: Option<String>,
    /// The open id of the customer whom it is about, if WeChat knows it.
    pub customer: Option<String>,
    /// The words of a message, or the key, page or scene of an event.
    pub text: Option<String>,
    /// What it is.
    #[serde(flatten)]
    pub event: Event,
}

/// What was seen or done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Event {
    /// A call of the API.
    Call {
        /// `GET`, `POST`, …
        method: String,
        /// The path.
        path: String,
        /// What became of it.
        outcome: Outcome,
        /// How long the caller waits for it, in milliseconds; `None`: for ever.
        took_ms: Option<i64>,
        /// Somebody ordered that.
        ordered: bool,
    },
    /// A push to the account's server.
    Push {
        /// Counted over all accounts.
        serial: u64,
        /// `text`, or the name of the event.
        what: String,
        /// How it stands.
        stage: Stage,
        /// Every attempt, oldest first; at most four of five seconds each.
        tries: Vec<Try>,
    },
    /// A GET check of the callback address.
    Check {
        /// What became of it.
        connection: Connection,
        /// How long it took, in milliseconds; `None`: nothing came yet.
        took_ms: Option<i64>,
    },
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was answered with this `errcode`; 0 is success.
    Code(i64),
    /// It was answered with this HTTP status, which is not 200.
    Status(u16),
    /// It had no effect, and the connection was closed.
    ClosedBefore,
    /// It would have been answered with this `errcode`, but the connection was
    /// closed.
    ClosedAfter(i64),
    /// It had no effect, and the connection was left silent.
    Silent,
}

/// One attempt of a push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Try {
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
}

impl Outcome {
    pub(crate) fn of(answer: &Answer) -> Self {
        match answer.status {
            200 => Self::Code(answer.errcode()),
            status => Self::Status(status),
        }
    }
}

/// The sights, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Sights {
    kept: VecDeque<Sight>,
    last_id: u64,
}

impl Sights {
    /// Takes a sight in and gives its id, which it does not have yet.
    pub(crate) fn add(&mut self, sight: Sight) -> u64 {
        self.last_id += 1;
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(Sight {
            id: self.last_id,
            text: sight.text.map(|text| cut(&text, LONGEST_TEXT)),
            ..sight
        });
        self.last_id
    }

    /// Notes how a push stands.
    pub(crate) fn settle(&mut self, state: &PushState) {
        for sight in self.kept.iter_mut().rev() {
            let Event::Push {
                serial,
                stage,
                tries,
                ..
            } = &mut sight.event
            else {
                continue;
            };
            if *serial != state.serial {
                continue;
            }
            *stage = state.stage;
            let tried = u32::try_from(tries.len()).unwrap_or(u32::MAX);
            if state.attempts > tried {
                let before: i64 = tries.iter().map(|attempt| attempt.took_ms).sum();
                tries.push(Try {
                    status: state.status,
                    took_ms: state.took_ms - before,
                });
            }
            return;
        }
    }

    /// Notes what became of the check that this sight is of.
    pub(crate) fn conclude(&mut self, id: u64, concluded: &Connection, ended_ms: Option<i64>) {
        let sight = self.kept.iter_mut().rev().find(|sight| sight.id == id);
        if let Some(Sight { at_ms, event, .. }) = sight
            && let Event::Check {
                connection,
                took_ms,
            } = event
        {
            *connection = concluded.clone();
            *took_ms = ended_ms.map(|ended_ms| ended_ms - *at_ms);
        }
    }
}

impl WeChat {
    /// What it saw and did, oldest first; the last five hundred.
    #[must_use]
    pub fn sights(&self) -> impl DoubleEndedIterator<Item = &Sight> {
        self.sights.kept.iter()
    }

    /// Takes in a call of the API. What is none, such as an icon that a browser
    /// looks for, is not looked at.
    pub(super) fn see(
        &mut self,
        now_ms: i64,
        call: &Call<'_>,
        outcome: Outcome,
        took_ms: Option<i64>,
        ordered: bool,
    ) {
        if !call.path.starts_with("/cgi-bin/") {
            return;
        }
        let (customer, text) = said(call);
        let known = |open_id: &String| {
            let mut accounts = self.accounts.iter();
            accounts.any(|account| account.customer(open_id).is_some())
        };
        let sight = Sight {
            id: 0,
            at_ms: now_ms,
            app_id: self.owner(call),
            customer: customer.filter(known),
            text,
            event: Event::Call {
                method: cut(call.method, LONGEST_PATH),
                path: cut(call.path, LONGEST_PATH),
                outcome,
                took_ms,
                ordered,
            },
        };
        self.sights.add(sight);
    }

    /// The account that a call names or has a token of, let in or not.
    pub(super) fn owner(&self, call: &Call<'_>) -> Option<String> {
        let named = match ApiPath::parse(call.path)? {
            ApiPath::Token => call.parameter("appid"),
            ApiPath::StableToken => {
                let body: Value = serde_json::from_slice(call.body).ok()?;
                body.get("appid")?.as_str().map(str::to_owned)
            }
            // Every other call has a token.
            _ => {
                let token = call.parameter("access_token")?;
                let account = self
                    .accounts
                    .iter()
                    .find(|account| account.tokens.knows(&token))?;
                Some(account.settings.app_id.clone())
            }
        };
        named.filter(|app_id| self.account(app_id).is_some())
    }
}

/// To whom a call writes, and what.
fn said(call: &Call<'_>) -> (Option<String>, Option<String>) {
    let writes = matches!(
        ApiPath::parse(call.path),
        Some(ApiPath::Send | ApiPath::Typing)
    );
    let body: Value = match serde_json::from_slice(call.body) {
        Ok(body) if writes => body,
        _ => return (None, None),
    };
    let text = |at| body.pointer(at).and_then(Value::as_str).map(str::to_owned);
    let kind = text("/msgtype").filter(|kind| kind != "text" && kind != "msgmenu");
    let words = text("/text/content")
        .or_else(|| text("/msgmenu/head_content"))
        .or_else(|| kind.map(|kind| format!("[{kind}]")));
    (text("/touser"), words)
}

fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
        None => text.to_owned(),
    }
}
