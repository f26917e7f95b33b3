//! Times and durations: RFC 3339 in UTC, `10s`, ages for people.
//!
//! Our own arithmetic instead of a crate: what is needed is the proleptic Gregorian calendar in
//! UTC, a page of code without tables, and it is in every `ctr-*` tool's start-up path. The
//! caller brings the clock and, for local times, the zone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

mod calendar;
mod span;

pub use span::{age, duration, human, moment};

use calendar::{Parts, Precision, civil};

use crate::{Error, Kind, Result};

const NANOS: i128 = 1_000_000_000;
const DAY: i64 = 86_400;

/// A moment, in UTC. Prints as RFC 3339 with nine digits of nanoseconds and `Z`, so that texts
/// sort as the moments do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Time {
    secs: i64,
    nanos: u32,
}

impl Time {
    /// The beginning of 1970.
    pub const EPOCH: Self = Self { secs: 0, nanos: 0 };

    /// The moment this long after (or before) 1970; `None` outside the years 0000 to 9999, which
    /// is all that RFC 3339 can write.
    #[must_use]
    pub const fn from_unix(secs: i64, nanos: u32) -> Option<Self> {
        if nanos < 1_000_000_000 && secs >= -62_167_219_200 && secs < 253_402_300_800 {
            Some(Self { secs, nanos })
        } else {
            None
        }
    }

    /// Returns the whole seconds since 1970.
    #[must_use]
    pub const fn secs(self) -> i64 {
        self.secs
    }

    /// Returns the nanoseconds after the second.
    #[must_use]
    pub const fn nanos(self) -> u32 {
        self.nanos
    }

    /// Returns the nanoseconds from `earlier` to this; negative if it is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> i128 {
        self.total() - earlier.total()
    }

    fn total(self) -> i128 {
        i128::from(self.secs) * NANOS + i128::from(self.nanos)
    }

    fn from_total(total: i128) -> Option<Self> {
        let secs = i64::try_from(total.div_euclid(NANOS)).ok()?;
        Self::from_unix(secs, u32::try_from(total.rem_euclid(NANOS)).ok()?)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.secs.div_euclid(DAY));
        let rest = self.secs.rem_euclid(DAY);
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:09}Z", self.nanos)
    }
}

/// Reads RFC 3339, of any zone and precision.
impl FromStr for Time {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::new(Kind::Invalid, format!("bad time {text:?}"))
                .hint("write it as in 2024-05-31T12:00:00Z (RFC 3339)")
        };
        let parts = Parts::parse(text).ok_or_else(bad)?;
        match parts.zone {
            Some(zone) if parts.precision == Precision::Second => parts.time(zone).ok_or_else(bad),
            _ => Err(bad()),
        }
    }
}

impl TryFrom<String> for Time {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Option<(i64, u32)> {
        text.parse::<Time>().ok().map(|t| (t.secs(), t.nanos()))
    }

    #[test]
    fn rfc_3339_is_read_and_written() {
        assert_eq!(time("1970-01-01T00:00:00Z"), Some((0, 0)));
        assert_eq!(time("2024-02-29T23:59:59.123456789+01:30"), Some((1_709_245_799, 123_456_789)));
        assert_eq!(time("2024-05-31t12:00:00.5z"), Some((1_717_156_800, 500_000_000)));
        assert_eq!(time("1969-12-31T23:59:59.9999999999Z"), Some((-1, 999_999_999)));
        let written = Time::from_unix(1_717_156_800, 5).map(|t| t.to_string());
        assert_eq!(written.as_deref(), Some("2024-05-31T12:00:00.000000005Z"));
        let written = Time::from_unix(-1, 0).map(|t| t.to_string());
        assert_eq!(written.as_deref(), Some("1969-12-31T23:59:59.000000000Z"));
        assert_eq!(Time::from_unix(253_402_300_800, 0), None);
        assert_eq!(Time::from_unix(0, 1_000_000_000), None);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for bad in [
            "",
            "now",
            "2024",
            "2024-05-31",
            "2024-05-31T12:00:00",
            "2024-05-31T12:00Z",
            "2024-02-30T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-01-00T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "2024-01-01T00:00:61Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00+1:00",
            "2024-01-01T00:00:00+0100",
            "2024-01-01T00:00:00Zz",
            "2024-01-01 00:00:00Z",
            "+024-01-01T00:00:00Z",
            "2024-1-1T00:00:00Z",
            "0000-01-01T00:00:00+01:00",
            "٢٠٢٤-01-01T00:00:00Z",
        ] {
            let err = bad.parse::<Time>().expect_err(bad);
            assert_eq!(err.to_string(), format!("bad time {bad:?}"));
        }
    }
}
