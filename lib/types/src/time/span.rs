//! Durations and moments as users write them, and ages as they read them.

use super::calendar::{Parts, Scanner};
use super::{DAY, NANOS, Time};
use crate::{Error, Kind, Result};

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

/// Parses how long ago something was, in seconds: whole days (`7d`), weeks (`2w`), or a [`duration`].
///
/// # Errors
/// `Invalid` if it is none of these, or negative.
pub fn age(text: &str) -> Result<i64> {
    let whole =
        |unit: char, secs: i64| text.strip_suffix(unit)?.parse::<u32>().ok().map(|n| i64::from(n) * secs);
    let days = whole('d', DAY).or_else(|| whole('w', 7 * DAY));
    let secs = days.map_or_else(|| duration(text).map(|nanos| nanos.div_euclid(1_000_000_000)), Ok);
    match secs {
        Ok(secs) if secs >= 0 => Ok(secs),
        _ => Err(Error::new(Kind::Invalid, format!("bad age {text:?}")).hint("write 7d, 2w, 36h or 90m")),
    }
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

    #[test]
    fn ages_are_days_weeks_or_durations() {
        for (text, secs) in
            [("7d", 604_800), ("0d", 0), ("2w", 1_209_600), ("36h", 129_600), ("90m", 5400), ("0", 0)]
        {
            assert_eq!(age(text).ok(), Some(secs), "{text}");
        }
        for bad in ["", "7", "d", "-1d", "-1h", "1.5d", "1d12h", "5000000000d"] {
            assert!(age(bad).is_err(), "{bad}");
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
