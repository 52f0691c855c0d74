//! How a call is treated: as ever, or as somebody ordered it.
//!
//! Invariant: what is waited for and what is closed is data here; the listener
//! carries it out.

use std::time::Duration;

use super::answer::Answer;
use super::call::Call;
use super::code;
use super::mishap::{Mishap, Trouble};
use super::path::ApiPath;
use super::sight::Outcome;
use super::wechat::WeChat;

/// What the caller gets, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Treatment {
    /// How long the caller waits for it.
    pub delay: Duration,
    /// What it is.
    pub end: End,
}

/// How a call ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With an answer.
    Answer(Answer),
    /// Without an answer: the connection is closed.
    Close,
    /// Not at all: the connection stays open, and silent.
    Hold,
}

impl WeChat {
    /// Meets a call of the API: with [`WeChat::call`], unless trouble was
    /// ordered for it.
    pub fn meet(&mut self, now_ms: i64, call: &Call<'_>) -> Treatment {
        let ordered = ApiPath::parse(call.path).and_then(|path| self.mishaps.take(path));
        match ordered {
            Some(mishap) => self.go_wrong(now_ms, call, mishap),
            None => Treatment {
                delay: Duration::ZERO,
                end: End::Answer(self.call(now_ms, call)),
            },
        }
    }

    fn go_wrong(&mut self, now_ms: i64, call: &Call<'_>, mishap: Mishap) -> Treatment {
        let (end, outcome) = match mishap.trouble {
            Trouble::Late => {
                let answer = self.answer(now_ms, call);
                let outcome = Outcome::of(&answer);
                (End::Answer(answer), outcome)
            }
            Trouble::Code(code) => {
                let answer = self.refuse(now_ms, call, code);
                (End::Answer(answer), Outcome::Code(code))
            }
            Trouble::Status(status) => {
                let answer = Answer::broken(status);
                (End::Answer(answer), Outcome::Status(status))
            }
            Trouble::CloseBefore => (End::Close, Outcome::ClosedBefore),
            Trouble::CloseAfter => {
                let unheard = self.answer(now_ms, call).errcode();
                (End::Close, Outcome::ClosedAfter(unheard))
            }
            Trouble::Silence => (End::Hold, Outcome::Silent),
        };
        let took_ms = (end != End::Hold).then(|| i64::from(mishap.delay_ms));
        self.see(now_ms, call, outcome, took_ms, true);
        Treatment {
            delay: Duration::from_millis(mishap.delay_ms.into()),
            end,
        }
    }

    /// Answers with a code that was ordered; such a call stands in the log, too.
    fn refuse(&mut self, now_ms: i64, call: &Call<'_>, errcode: i64) -> Answer {
        let app_id = self.owner(call);
        self.note(now_ms, call, app_id, errcode);
        match code::fault(errcode, call.caller) {
            Some(fault) => fault.answer(&self.rid(now_ms)),
            // No order has an unknown code.
            None => Answer::broken(500),
        }
    }
}
