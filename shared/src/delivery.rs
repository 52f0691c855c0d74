//! What became of one step over the network, for whoever decides what is next.

use std::time::Duration;

use crate::moment::Moment;
use crate::reason::Reason;

/// The answer of a far side to one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The far side has it.
    Accepted,
    /// It has not, or we cannot know.
    Failed(Failure),
}

/// A step that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When another attempt makes sense.
    pub retry: Retry,
    /// Whether it is certain that the step did not arrive.
    pub certain: bool,
    /// What people are told.
    pub reason: Reason,
}

/// When another attempt makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// At once, while there is time in this run.
    Now,
    /// Not in this run, and not before this much time.
    After(Duration),
    /// Not before the next minute of the clock: WeChat counts by those.
    NextMinute,
    /// Not before WeChat's day is over.
    NextDay,
    /// Never by itself.
    Never,
}

impl Retry {
    /// How long to wait at the least.
    #[must_use]
    pub fn least(self, now: Moment) -> Duration {
        match self {
            Self::After(span) => span,
            Self::NextMinute => now.next_minute().since(now),
            Self::NextDay => now.next_beijing_day().since(now),
            Self::Now | Self::Never => Duration::ZERO,
        }
    }
}

impl Failure {
    /// A failure that is worth another attempt at once.
    #[must_use]
    pub fn now(reason: Reason) -> Self {
        Self {
            retry: Retry::Now,
            certain: true,
            reason,
        }
    }

    /// A failure that is worth another attempt after a while.
    #[must_use]
    pub fn after(span: Duration, reason: Reason) -> Self {
        Self {
            retry: Retry::After(span),
            certain: true,
            reason,
        }
    }

    /// A failure for good.
    #[must_use]
    pub fn never(reason: Reason) -> Self {
        Self {
            retry: Retry::Never,
            certain: true,
            reason,
        }
    }

    /// The answer was lost: the step may have taken effect.
    #[must_use]
    pub fn lost(reason: Reason) -> Self {
        Self {
            retry: Retry::After(Duration::ZERO),
            certain: false,
            reason,
        }
    }
}
