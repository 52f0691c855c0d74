//! What is ordered to go wrong with the next calls of the API.
//!
//! Invariant: the orders for a path wait in line; the first one is used until
//! its number of calls is used up, or it is called off. What cannot be carried
//! out is never in the line.

use serde::{Deserialize, Serialize};

use super::code;
use super::path::ApiPath;
use super::wechat::WeChat;

/// How many orders there are at once.
const MOST: usize = 50;
/// The most calls that one order is counted for.
const MOST_TIMES: u32 = 1_000_000;
/// The longest delay, in milliseconds: a minute.
const LONGEST_MS: u32 = 60_000;
/// The HTTP statuses that can be ordered.
const STATUSES: [u16; 3] = [500, 502, 503];

/// An order: the next calls of one path meet with trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mishap {
    /// The path.
    pub call: ApiPath,
    /// How many calls, from 1 on; `None`: all until it is called off.
    pub times: Option<u32>,
    /// How much later than usual the answer comes, in milliseconds, at most
    /// 60,000. What the call does, it does at once: a caller that is out of
    /// patience does not know whether it did.
    #[serde(default)]
    pub delay_ms: u32,
    /// What happens.
    pub trouble: Trouble,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Nothing but the delay.
    Late,
    /// It has no effect and is answered with this code of WeChat.
    Code(i64),
    /// It has no effect and is answered with this HTTP status: 500, 502 or 503.
    Status(u16),
    /// It has no effect, and the connection is closed without an answer.
    CloseBefore,
    /// It has its effect, and the connection is closed without an answer.
    CloseAfter,
    /// It has no effect, and nothing is answered: an outage.
    Silence,
}

/// An order that is in force, or waits for those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ordered {
    /// What it is called off by.
    pub id: u64,
    /// The order; `times` says how many calls are left.
    #[serde(flatten)]
    pub mishap: Mishap,
}

/// Why nothing of the kind can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMishap {
    /// A number of calls that is none.
    #[error("times: a number from 1 to {MOST_TIMES} is needed, or null for all calls")]
    Times,
    /// The delay is too long.
    #[error("delay_ms: at most {LONGEST_MS}")]
    Delay,
    /// Late, but not by how much.
    #[error("delay_ms: a number from 1 to {LONGEST_MS} is needed, for nothing else goes wrong")]
    NoDelay,
    /// What never comes cannot come late.
    #[error("delay_ms: 0 is needed, for an answer that never comes has no delay")]
    SilentDelay,
    /// A code that WeChat does not have.
    #[error("trouble.code: no code that WeChat's API is known for")]
    Code,
    /// Another status.
    #[error("trouble.status: 500, 502 or 503 is needed")]
    Status,
    /// Too many orders.
    #[error("there are {MOST} orders already: call some off")]
    TooMany,
}

impl Mishap {
    /// The next call of this path meets with that trouble, without delay.
    #[must_use]
    pub const fn once(call: ApiPath, trouble: Trouble) -> Self {
        Self {
            call,
            times: Some(1),
            delay_ms: 0,
            trouble,
        }
    }

    /// All calls of this path meet with that trouble, without delay.
    #[must_use]
    pub const fn always(call: ApiPath, trouble: Trouble) -> Self {
        Self {
            times: None,
            ..Self::once(call, trouble)
        }
    }

    fn check(&self) -> Result<(), BadMishap> {
        if self
            .times
            .is_some_and(|times| !(1..=MOST_TIMES).contains(&times))
        {
            return Err(BadMishap::Times);
        }
        if self.delay_ms > LONGEST_MS {
            return Err(BadMishap::Delay);
        }
        match self.trouble {
            Trouble::Late if self.delay_ms == 0 => Err(BadMishap::NoDelay),
            Trouble::Silence if self.delay_ms > 0 => Err(BadMishap::SilentDelay),
            Trouble::Code(code) if code::fault(code, "").is_none() => Err(BadMishap::Code),
            Trouble::Status(status) if !STATUSES.contains(&status) => Err(BadMishap::Status),
            Trouble::Late
            | Trouble::Code(_)
            | Trouble::Status(_)
            | Trouble::CloseBefore
            | Trouble::CloseAfter
            | Trouble::Silence => Ok(()),
        }
    }
}

/// The orders, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Mishaps {
    line: Vec<Ordered>,
    last_id: u64,
}

impl Mishaps {
    /// What is to happen to a call of this path.
    pub(crate) fn take(&mut self, path: ApiPath) -> Option<Mishap> {
        let ordered = self
            .line
            .iter_mut()
            .find(|ordered| ordered.mishap.call == path)?;
        let (id, mishap) = (ordered.id, ordered.mishap);
        if let Some(times) = &mut ordered.mishap.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.line.retain(|ordered| ordered.id != id);
            }
        }
        Some(mishap)
    }
}

impl WeChat {
    /// Orders trouble for calls that [`WeChat::meet`] meets, and gives the id
    /// by which it is called off.
    pub fn order(&mut self, mishap: Mishap) -> Result<u64, BadMishap> {
        mishap.check()?;
        let mishaps = &mut self.mishaps;
        if mishaps.line.len() == MOST {
            return Err(BadMishap::TooMany);
        }
        mishaps.last_id += 1;
        let id = mishaps.last_id;
        mishaps.line.push(Ordered { id, mishap });
        Ok(id)
    }

    /// Calls an order off, and tells whether it was still there.
    pub fn call_off(&mut self, id: u64) -> bool {
        let before = self.mishaps.line.len();
        self.mishaps.line.retain(|ordered| ordered.id != id);
        self.mishaps.line.len() < before
    }

    /// Calls all orders off.
    pub fn call_off_all(&mut self) {
        self.mishaps.line.clear();
    }

    /// The orders that are not used up, oldest first.
    #[must_use]
    pub fn ordered(&self) -> &[Ordered] {
        &self.mishaps.line
    }
}
