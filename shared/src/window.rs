//! What WeChat still lets us send to a customer now.
//!
//! Invariant: the window is derived from the journal and never counted in a
//! place of its own. A sent entry names the inbound entry whose window it used;
//! what is left is what that window allows less the entries that name it.
//!
//! The rule: <https://developers.weixin.qq.com/doc/offiaccount/Customer_Service/Customer_Service_Messages.html>

use std::time::Duration;

use crate::journal::{Class, Entry, EntryKey};
use crate::moment::Moment;
use crate::opens::Opens;
use crate::reason::Reason;

/// How long a customer's message lets us answer: 48 hours, less a minute for
/// the way that it took to us.
pub const MESSAGE_SPAN: Duration = Duration::from_mins(48 * 60 - 1);
/// How many answers a customer's message allows.
pub const MESSAGE_COUNT: u8 = 5;
/// How long a tap, a follow or a scan lets us answer: a minute, less five
/// seconds for the way that it took to us.
pub const MOMENT_SPAN: Duration = Duration::from_secs(55);
/// How many answers a tap, a follow or a scan allows.
pub const MOMENT_COUNT: u8 = 3;

/// How late after it was said a push may open its window: WeChat repeats for some seconds, and
/// a key knows only when it was said.
const PUSH_WAY: Duration = Duration::from_hours(1);

/// An inbound entry that opens or closes windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Its key: what sent entries name.
    pub key: EntryKey,
    /// When it arrived, by our clock.
    pub at: Moment,
    /// What it opens; `None` for an unfollow, which closes all before it.
    pub opens: Option<Opens>,
}

impl Opening {
    /// What this entry means for the window; `None` if it means nothing.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        let opens = match entry.key.class()? {
            Class::Unfollow => None,
            Class::Message | Class::Event => Some(entry.opens()?),
            Class::Receipt | Class::SessionEnd => return None,
        };
        Some(Self {
            key: entry.key.clone(),
            at: entry.at,
            opens,
        })
    }
}

/// The mark that one outbound entry leaves on windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// The window that it used.
    pub window: Option<EntryKey>,
    /// The window of which WeChat said that it was used up.
    pub exhausted: Option<EntryKey>,
}

impl Used {
    /// The mark of this entry; `None` if it left none.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        (entry.window.is_some() || entry.exhausted.is_some()).then(|| Self {
            window: entry.window.clone(),
            exhausted: entry.exhausted.clone(),
        })
    }
}

/// One open window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The inbound entry that opened it.
    pub key: EntryKey,
    /// When it shuts.
    pub until: Moment,
    /// How many messages it still allows.
    pub left: u8,
}

/// The windows that are open at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    /// By the customer's last message.
    message: Option<Window>,
    /// By the customer's last tap, follow or scan.
    moment: Option<Window>,
    unfollowed: bool,
}

/// What the windows say to an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may go out and uses this window.
    Open(EntryKey),
    /// It waits for the customer, at most until then.
    Hold(Moment),
    /// It cannot go out.
    Refuse(Reason),
}

impl Windows {
    /// Derives the windows from inbound entries and from the marks of outbound
    /// ones, each in any order. Both must reach back far enough: the former to
    /// the last message (or an unfollow, or 48 hours), the latter to the first
    /// marks that are older than every open window ([`Self::reaches`]).
    #[must_use]
    pub fn derive(openings: &[Opening], used: &[Used], now: Moment) -> Self {
        let closed = openings
            .iter()
            .filter(|o| o.opens.is_none())
            .map(|o| &o.key)
            .max();
        let open = |kind: Opens, span: Duration, count: u8| {
            let newest = openings
                .iter()
                .filter(|o| o.opens == Some(kind) && Some(&o.key) > closed)
                .max_by_key(|o| &o.key)?;
            let until = newest.at.plus(span);
            (now < until).then(|| {
                let spent = used
                    .iter()
                    .filter(|u| u.window.as_ref() == Some(&newest.key))
                    .count();
                let exhausted = used
                    .iter()
                    .any(|u| u.exhausted.as_ref() == Some(&newest.key));
                let spent = u8::try_from(spent).unwrap_or(u8::MAX);
                Window {
                    key: newest.key.clone(),
                    until,
                    left: if exhausted {
                        0
                    } else {
                        count.saturating_sub(spent)
                    },
                }
            })
        };
        let newest = openings.iter().max_by_key(|o| &o.key);
        Self {
            message: open(Opens::Message, MESSAGE_SPAN, MESSAGE_COUNT),
            moment: open(Opens::Moment, MOMENT_SPAN, MOMENT_COUNT),
            unfollowed: newest.is_some_and(|o| o.opens.is_none()),
        }
    }

    /// Whether these marks go back far enough: below them no answer has used a window that is
    /// open now. Answers are sent in the order of their keys, so it is enough to have met one
    /// that was sent before that window opened.
    #[must_use]
    pub fn reaches(openings: &[Opening], used: &[Used], now: Moment) -> bool {
        let bare = Self::derive(openings, &[], now);
        let met = |open: &Window| {
            let mut marks = used.iter().filter_map(|used| used.window.as_ref());
            marks.any(|mark| was_shut(mark, &open.key))
        };
        [&bare.message, &bare.moment].into_iter().flatten().all(met)
    }

    /// Whether an answer that still has `parts` to send may go out. The wider
    /// window comes first; an answer never begins with less room than it needs.
    #[must_use]
    pub fn verdict(&self, parts: u8) -> Verdict {
        let wide = [&self.message, &self.moment];
        for window in wide.into_iter().flatten() {
            if window.left >= parts {
                return Verdict::Open(window.key.clone());
            }
        }
        match wide.into_iter().flatten().map(|window| window.until).max() {
            Some(until) => Verdict::Hold(until),
            None if self.unfollowed => Verdict::Refuse(Reason::Unfollowed),
            None => Verdict::Refuse(Reason::WindowClosed),
        }
    }

    /// What people are shown: the window that the next answer would use.
    #[must_use]
    pub fn shown(&self) -> Option<&Window> {
        [&self.message, &self.moment]
            .into_iter()
            .flatten()
            .max_by_key(|window| (window.left, window.until))
    }
}

/// Whether whoever used one window did so before the other one opened. Of two windows of a
/// kind the younger one is used as soon as it is known. One of the other kind may be used
/// after it, until its time is over.
fn was_shut(earlier: &EntryKey, later: &EntryKey) -> bool {
    let span = match earlier.class() {
        _ if earlier.class() == later.class() => return earlier < later,
        Some(Class::Message) => MESSAGE_SPAN,
        _ => MOMENT_SPAN,
    };
    earlier.said().plus(span + PUSH_WAY) < later.said()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn key(number: u64) -> EntryKey {
        EntryKey::message(number, "1")
    }

    fn opening(number: u64, ago: i64, opens: Option<Opens>) -> Opening {
        Opening {
            key: key(number),
            at: Moment::from_millis(NOW - ago * 1000),
            opens,
        }
    }

    fn used(numbers: &[u64]) -> Vec<Used> {
        numbers
            .iter()
            .map(|number| Used {
                window: Some(key(*number)),
                exhausted: None,
            })
            .collect()
    }

    fn verdict(openings: &[Opening], used: &[Used], parts: u8) -> Verdict {
        Windows::derive(openings, used, Moment::from_millis(NOW)).verdict(parts)
    }

    #[test]
    fn a_message_opens_five_in_48_hours() {
        let m = |number, ago| opening(number, ago, Some(Opens::Message));
        let hours = |h: i64| h * 3600;
        let closed = Verdict::Refuse(Reason::WindowClosed);
        assert_eq!(verdict(&[], &[], 1), closed);
        assert_eq!(verdict(&[m(3, 0)], &[], 5), Verdict::Open(key(3)));
        assert_eq!(
            verdict(&[m(3, hours(48) - 61)], &[], 1),
            Verdict::Open(key(3))
        );
        assert_eq!(verdict(&[m(3, hours(48) - 60)], &[], 1), closed);
        let until = Moment::from_millis(NOW).plus(MESSAGE_SPAN);
        assert_eq!(
            verdict(&[m(3, 0)], &used(&[3, 3, 3, 3, 3]), 1),
            Verdict::Hold(until)
        );
        assert_eq!(
            verdict(&[m(3, 0)], &used(&[3, 3, 3]), 2),
            Verdict::Open(key(3))
        );
        assert_eq!(
            verdict(&[m(3, 0)], &used(&[3, 3, 3]), 3),
            Verdict::Hold(until)
        );
        // A new message begins anew, whatever the last window has seen.
        assert_eq!(
            verdict(&[m(4, 0), m(3, 9)], &used(&[3; 5]), 5),
            Verdict::Open(key(4))
        );
    }

    #[test]
    fn a_tap_opens_three_in_a_minute_and_the_wider_window_wins() {
        let m = |number, ago| opening(number, ago, Some(Opens::Message));
        let e = |number, ago| opening(number, ago, Some(Opens::Moment));
        assert_eq!(verdict(&[e(3, 54)], &[], 3), Verdict::Open(key(3)));
        assert_eq!(
            verdict(&[e(3, 55)], &[], 1),
            Verdict::Refuse(Reason::WindowClosed)
        );
        assert_eq!(verdict(&[e(4, 0), m(3, 9)], &[], 3), Verdict::Open(key(3)));
        assert_eq!(
            verdict(&[e(4, 0), m(3, 9)], &used(&[3; 3]), 3),
            Verdict::Open(key(4))
        );
        // Back to the wider window, which remembers what it gave before the tap.
        assert_eq!(
            verdict(&[e(4, 99), m(3, 109)], &used(&[4, 4, 3, 3, 3]), 2),
            Verdict::Open(key(3))
        );
        assert!(matches!(
            verdict(&[e(4, 99), m(3, 109)], &used(&[4, 4, 3, 3, 3]), 3),
            Verdict::Hold(_)
        ));
    }

    #[test]
    fn unfollowing_closes_what_was_open() {
        let gone = opening(5, 0, None);
        let m = opening(4, 9, Some(Opens::Message));
        let back = opening(6, 0, Some(Opens::Moment));
        assert_eq!(
            verdict(&[gone.clone(), m.clone()], &[], 1),
            Verdict::Refuse(Reason::Unfollowed)
        );
        assert_eq!(verdict(&[back, gone, m], &[], 3), Verdict::Open(key(6)));
    }

    #[test]
    fn wechats_word_counts_more_than_ours() {
        let m = opening(3, 0, Some(Opens::Message));
        let mark = Used {
            window: None,
            exhausted: Some(key(3)),
        };
        assert!(matches!(verdict(&[m], &[mark], 1), Verdict::Hold(_)));
    }

    #[test]
    fn the_walk_goes_on_until_every_open_window_is_older_than_a_mark() {
        let now = Moment::from_millis(NOW);
        let event = |seconds| EntryKey::hashed(seconds, Class::Event, b"tap");
        let reaches = |openings: &[Opening], marks: &[EntryKey]| {
            let mark = |key: &EntryKey| Used {
                window: Some(key.clone()),
                exhausted: None,
            };
            let used: Vec<_> = marks.iter().map(mark).collect();
            Windows::reaches(openings, &used, now)
        };
        let message = opening(1_000_100, 99, Some(Opens::Message));
        let tap = Opening {
            key: event(1_000_101),
            ..opening(0, 9, Some(Opens::Moment))
        };
        let both = [tap, message];
        let (message, older, much_older) = (key(1_000_100), key(1_000_000), key(700_000));
        let only = &both[1..];
        assert!(reaches(&[], &[]));
        assert!(!reaches(only, std::slice::from_ref(&message)));
        assert!(reaches(only, &[message.clone(), older.clone()]));
        // A tap just before the message may have been used after it, one an hour ago not.
        assert!(!reaches(only, &[event(1_000_099)]));
        assert!(reaches(only, &[event(996_000)]));
        // The message before may have been used after the tap, one before yesterday not.
        assert!(!reaches(&both, &[message.clone(), older.clone()]));
        assert!(reaches(&both, &[message, older, event(1_000_099)]));
        assert!(reaches(&both, &[much_older]));
    }
}
