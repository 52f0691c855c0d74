//! What an account may send to one customer, and until when.
//!
//! Invariant: of the open windows that have room, the one that lasts longest is
//! used. So a tap helps for a minute when a message's five are used up, as the
//! documents say of every trigger; which window the real one counts first is
//! not documented.
//! <https://developers.weixin.qq.com/doc/service/guide/product/kf/intro.html>

use super::answer::{self, Fault};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The two kinds of windows of one customer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowance {
    message: Option<Opening>,
    tap: Option<Opening>,
}

/// One window: the end is outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) until_ms: i64,
    pub(crate) left: u32,
}

impl Allowance {
    /// The customer wrote: five messages in 48 hours, counted afresh.
    pub(crate) fn message(&mut self, now_ms: i64) {
        self.message = Some(Opening {
            until_ms: now_ms + 48 * HOUR_MS,
            left: 5,
        });
    }

    /// The customer followed, scanned, or tapped a menu or a choice: three
    /// messages in one minute.
    pub(crate) fn tap(&mut self, now_ms: i64) {
        self.tap = Some(Opening {
            until_ms: now_ms + MINUTE_MS,
            left: 3,
        });
    }

    /// The customer left: every window is shut.
    pub(crate) fn shut(&mut self) {
        *self = Self::default();
    }

    /// The window that the next message uses, or that shuts last if none has room.
    pub(crate) fn open(&self, now_ms: i64) -> Option<Opening> {
        [self.message, self.tap]
            .into_iter()
            .flatten()
            .filter(|opening| now_ms < opening.until_ms)
            .max_by_key(Opening::rank)
    }

    /// Takes one message out of the window that it uses.
    pub(crate) fn take(&mut self, now_ms: i64) -> Result<(), Fault> {
        let opening = [&mut self.message, &mut self.tap]
            .into_iter()
            .flatten()
            .filter(|opening| now_ms < opening.until_ms)
            .max_by_key(|opening| opening.rank())
            .ok_or(answer::WINDOW)?;
        opening.left = opening.left.checked_sub(1).ok_or(answer::COUNT)?;
        Ok(())
    }
}

impl Opening {
    fn rank(&self) -> (bool, i64) {
        (self.left > 0, self.until_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::{Allowance, HOUR_MS, MINUTE_MS};

    /// At a minute, opens by `m`essage or `t`ap, shuts by `u`nfollow, or `s`ends
    /// and expects a code.
    fn check(steps: &[(char, i64, i64)]) {
        let mut allowance = Allowance::default();
        for (step, (what, minute, expected)) in steps.iter().enumerate() {
            let now = minute * MINUTE_MS;
            match what {
                'm' => allowance.message(now),
                't' => allowance.tap(now),
                'u' => allowance.shut(),
                _ => {
                    let code = allowance.take(now).map_or_else(|fault| fault.code, |()| 0);
                    assert_eq!(code, *expected, "step {step} of {steps:?}");
                }
            }
        }
    }

    #[test]
    fn windows_and_counts() {
        let end = 48 * HOUR_MS / MINUTE_MS;
        check(&[('s', 0, 45015)]);
        check(&[('m', 0, 0), ('s', end - 1, 0), ('s', end, 45015)]);
        check(&[
            ('m', 0, 0),
            ('s', 0, 0),
            ('s', 0, 0),
            ('s', 0, 0),
            ('s', 0, 0),
            ('s', 0, 0),
            ('s', 0, 45047),
            ('m', 1, 0),
            ('s', 1, 0),
        ]);
        check(&[
            ('t', 0, 0),
            ('s', 0, 0),
            ('s', 0, 0),
            ('s', 0, 0),
            ('s', 0, 45047),
            ('s', 1, 45015),
        ]);
        // The wider window goes first, then the other one.
        let sent = ('s', 5, 0);
        check(&[
            ('m', 0, 0),
            ('t', 5, 0),
            sent,
            sent,
            sent,
            sent,
            sent,
            sent,
            sent,
            sent,
            ('s', 5, 45047),
            ('s', 6, 45047),
        ]);
        // A tap in the last minute shuts when the 48 hours do.
        check(&[
            ('m', 0, 0),
            ('t', end - 1, 0),
            ('s', end - 1, 0),
            ('s', end - 1, 0),
            ('s', end - 1, 0),
            ('s', end, 45015),
        ]);
        check(&[
            ('m', 0, 0),
            ('u', 1, 0),
            ('s', 1, 45015),
            ('t', 1, 0),
            ('s', 1, 0),
        ]);
    }
}
