//! Times and durations: RFC 3339 in UTC, `10s`, ages for people.
//!
//! Our own arithmetic instead of a crate: what is needed is the proleptic Gregorian calendar in
//! UTC, a page of code without tables, and it is in every `ctr-*` tool's start-up path. The
//! caller brings the clock and, for local times, the zone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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

/// Year, month and day of a day counted from 1970-01-01. The year is shifted to begin in March,
/// so that the leap day is its last; 400 years are always 146097 days.
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // from 0000-03-01
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // 0 is March
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + (month <= 2) as i64, month, date)
}

/// The inverse of [`civil`].
const fn days(year: i64, month: i64, date: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = if month > 2 { month - 3 } else { month + 9 };
    let of_era = year.rem_euclid(400);
    let day = (153 * month + 2) / 5 + date - 1 + of_era * 365 + of_era / 4 - of_era / 100;
    year.div_euclid(400) * 146_097 + day - 719_468
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Precision {
    Day,
    Hour,
    Minute,
    Second,
}

/// What a text says: a clock's reading, and the clock's distance from UTC if it is given.
#[derive(Debug)]
struct Parts {
    /// Seconds from 1970 on that clock.
    clock: i64,
    nanos: u32,
    precision: Precision,
    /// Seconds east of UTC.
    zone: Option<i64>,
}

impl Parts {
    /// Parses `YYYY-MM-DD[Thh[:mm[:ss[.frac]]]][Z|+hh:mm|-hh:mm]`.
    fn parse(text: &str) -> Option<Self> {
        let mut rest = Scanner(text.as_bytes());
        let year = rest.number(4)?;
        let month = rest.after(b'-')?.number(2)?;
        let date = rest.after(b'-')?.number(2)?;
        // February has 28 or 29 days: the day before 1 March knows.
        let length = if month == 12 { 31 } else { days(year, month + 1, 1) - days(year, month, 1) };
        if !(1..=12).contains(&month) || !(1..=length).contains(&date) {
            return None;
        }
        let mut parts =
            Self { clock: days(year, month, date) * DAY, nanos: 0, precision: Precision::Day, zone: None };
        if rest.after(b'T').is_some() || rest.after(b't').is_some() {
            parts.time_of_day(&mut rest)?;
        }
        parts.zone = rest.zone()?;
        rest.0.is_empty().then_some(parts)
    }

    fn time_of_day(&mut self, rest: &mut Scanner<'_>) -> Option<()> {
        let hour = rest.number(2).filter(|h| *h < 24)?;
        self.clock += hour * 3600;
        self.precision = Precision::Hour;
        if rest.after(b':').is_none() {
            return Some(());
        }
        self.clock += rest.number(2).filter(|m| *m < 60)? * 60;
        self.precision = Precision::Minute;
        if rest.after(b':').is_none() {
            return Some(());
        }
        // A leap second, which Unix time cannot count, is the second after it.
        self.clock += rest.number(2).filter(|s| *s <= 60)?;
        self.precision = Precision::Second;
        if rest.after(b'.').is_some() {
            self.nanos = rest.fraction()?;
        }
        Some(())
    }

    fn time(&self, zone: i64) -> Option<Time> {
        Time::from_unix(self.clock.checked_sub(zone)?, self.nanos)
    }
}

/// What is left of a text to be read.
struct Scanner<'a>(&'a [u8]);

impl Scanner<'_> {
    fn after(&mut self, byte: u8) -> Option<&mut Self> {
        let rest = self.0.strip_prefix(&[byte])?;
        self.0 = rest;
        Some(self)
    }

    /// Exactly `width` digits.
    fn number(&mut self, width: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(width)?;
        self.0 = rest;
        digits.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
    }

    /// One digit or more as nanoseconds; those after the ninth are dropped.
    fn fraction(&mut self) -> Option<u32> {
        let width = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(width).filter(|_| width > 0)?;
        self.0 = rest;
        let digits = digits.iter().chain(std::iter::repeat(&b'0')).take(9);
        Some(digits.fold(0, |n, b| n * 10 + u32::from(b - b'0')))
    }

    /// `Z` or a distance as seconds, `Some(None)` for neither.
    fn zone(&mut self) -> Option<Option<i64>> {
        if self.after(b'Z').is_some() || self.after(b'z').is_some() {
            return Some(Some(0));
        }
        let sign = if self.after(b'+').is_some() {
            1
        } else if self.after(b'-').is_some() {
            -1
        } else {
            return Some(None);
        };
        let hours = self.number(2).filter(|h| *h < 24)?;
        let minutes = self.after(b':')?.number(2).filter(|m| *m < 60)?;
        Some(Some(sign * (hours * 3600 + minutes * 60)))
    }
}

/// Parses a duration as Go writes it, in nanoseconds: `10s`, `1h30m`, `1.5h`, `-2m`, `300ms`, `0`.
///
/// # Errors
/// `Invalid` if a number or unit is missing or unknown, or it is longer than 292 years.
pub fn duration(text: &str) -> Result<i64> {
    parse_duration(text).ok_or_else(|| {
        Error::new(Kind::Invalid, format!("bad duration {text:?}"))
            .hint("write numbers with units h, m, s, ms, us or ns: 90s, 1h30m")
    })
}

fn parse_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.as_bytes().first()? {
        b'-' => (-1, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => NANOS,
            "m" => 60 * NANOS,
            "h" => 3600 * NANOS,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        // More digits of a whole are too long anyway; more of a fraction are below a nanosecond.
        if (whole.is_empty() && fraction.is_empty()) || whole.len() > 19 || fraction.contains('.') {
            return None;
        }
        let mut scale = unit;
        for digit in fraction.bytes() {
            scale /= 10;
            total += i128::from(digit - b'0') * scale;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total += whole * unit;
        rest = tail;
    }
    i64::try_from(sign * total).ok()
}

/// Parses the argument of `--since` and `--until`: a duration before now, RFC 3339, a local time
/// (`2024-05-31`, `2024-05-31T12:00`), or Unix seconds with or without a fraction.
///
/// `from_local` turns the reading of the user's clock into Unix seconds.
///
/// # Errors
/// `Invalid` if it is none of these.
pub fn moment(text: &str, now: Time, from_local: &dyn Fn(i64) -> Option<i64>) -> Result<Time> {
    let found = if text != "0"
        && let Some(age) = parse_duration(text)
    {
        Time::from_total(now.total() - i128::from(age))
    } else if let Some(parts) = Parts::parse(text) {
        match parts.zone {
            Some(zone) => parts.time(zone),
            None => from_local(parts.clock).and_then(|secs| Time::from_unix(secs, parts.nanos)),
        }
    } else {
        unix(text)
    };
    found.ok_or_else(|| {
        Error::new(Kind::Invalid, format!("bad time {text:?}"))
            .hint("write a time (2024-05-31T12:00:00Z), seconds since 1970, or how long ago (10m, 1h30m)")
    })
}

fn unix(text: &str) -> Option<Time> {
    let (secs, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if secs.is_empty() || !secs.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut fraction = Scanner(fraction.as_bytes());
    let nanos = fraction.fraction()?;
    if fraction.0.is_empty() { Time::from_unix(secs.parse().ok()?, nanos) } else { None }
}

/// How long a duration is, for people, as Docker says it: `Less than a second`, `5 seconds`,
/// `About a minute`, `2 weeks`. A negative one, which a clock that was set back makes, is none.
#[must_use]
pub fn human(nanos: i128) -> String {
    let seconds = nanos / NANOS;
    let minutes = seconds / 60;
    let hours = (seconds + 1800) / 3600; // the nearest one
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Option<(i64, u32)> {
        text.parse::<Time>().ok().map(|t| (t.secs(), t.nanos()))
    }

    #[test]
    fn every_day_of_ten_thousand_years_leads_back() {
        let mut expected = (0, 1, 1);
        for day in -719_528..2_932_897 {
            assert_eq!(civil(day), expected, "{day}");
            let (year, month, date) = expected;
            assert_eq!(days(year, month, date), day);
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected = match (month, date) {
                (12, 31) => (year + 1, 1, 1),
                _ if date == length => (year, month + 1, 1),
                _ => (year, month, date + 1),
            };
        }
        assert_eq!(expected, (10_000, 1, 1));
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

    #[test]
    fn durations_are_gos() {
        for (text, nanos) in [
            ("0", 0),
            ("-0", 0),
            ("0s", 0),
            ("10s", 10_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("-2m", -120_000_000_000),
            ("300ms", 300_000_000),
            ("1us1µs1μs1ns", 3001),
            ("0.0000000019s", 1),
        ] {
            assert_eq!(duration(text).ok(), Some(nanos), "{text}");
        }
        for bad in [
            "",
            "1",
            "s",
            "10",
            "1d",
            "1h30",
            "-",
            "+",
            "--1s",
            ".s",
            "1..5s",
            "1.5.5s",
            "1 s",
            " 1s",
            "1s ",
            "1S",
            "2562048h",
            "99999999999999999999h",
            "1e3s",
            "٣s",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_moment_is_an_age_a_time_or_a_number() {
        let now = Time::from_unix(1_717_156_800, 0).expect("in range");
        let east = |clock: i64| Some(clock - 7200);
        for (text, expected) in [
            ("10m", "2024-05-31T11:50:00.000000000Z"),
            ("-1h", "2024-05-31T13:00:00.000000000Z"),
            ("2024-05-31", "2024-05-30T22:00:00.000000000Z"),
            ("2024-05-31Z", "2024-05-31T00:00:00.000000000Z"),
            ("2024-05-31T10", "2024-05-31T08:00:00.000000000Z"),
            ("2024-05-31T10:30", "2024-05-31T08:30:00.000000000Z"),
            ("2024-05-31T10:30:01.5", "2024-05-31T08:30:01.500000000Z"),
            ("2024-05-31T10:30:01-01:00", "2024-05-31T11:30:01.000000000Z"),
            ("1717156799", "2024-05-31T11:59:59.000000000Z"),
            ("1717156799.25", "2024-05-31T11:59:59.250000000Z"),
            ("0", "1970-01-01T00:00:00.000000000Z"),
        ] {
            assert_eq!(
                moment(text, now, &east).ok().map(|t| t.to_string()).as_deref(),
                Some(expected),
                "{text}"
            );
        }
        for bad in
            ["", "yesterday", "1717156799.", ".5", "-5", "1717156799.5x", "99999999999999999999", "9999999h"]
        {
            assert!(moment(bad, now, &east).is_err(), "{bad}");
        }
    }

    #[test]
    fn ages_are_dockers() {
        const H: i128 = 3600;
        for (seconds, text) in [
            (-5, "Less than a second"),
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (59 * 60 + 59, "59 minutes"),
            (H, "About an hour"),
            (90 * 60 - 1, "About an hour"),
            (90 * 60, "2 hours"),
            (47 * H, "47 hours"),
            (48 * H, "2 days"),
            (13 * 24 * H, "13 days"),
            (14 * 24 * H, "2 weeks"),
            (60 * 24 * H, "2 months"),
            (2 * 365 * 24 * H, "2 years"),
        ] {
            assert_eq!(human(seconds * NANOS), text, "{seconds}");
        }
        assert_eq!(human(NANOS - 1), "Less than a second");
    }
}
