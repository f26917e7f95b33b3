//! The proleptic Gregorian calendar in UTC, and times as people and RFC 3339 write them.

use super::{DAY, Time};

/// Year, month and day of a day counted from 1970-01-01. The year is shifted to begin in March,
/// so that the leap day is its last; 400 years are always 146097 days.
pub(super) const fn civil(days: i64) -> (i64, i64, i64) {
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
pub(super) enum Precision {
    Day,
    Hour,
    Minute,
    Second,
}

/// What a text says: a clock's reading, and the clock's distance from UTC if it is given.
#[derive(Debug)]
pub(super) struct Parts {
    /// Seconds from 1970 on that clock.
    pub(super) clock: i64,
    pub(super) nanos: u32,
    pub(super) precision: Precision,
    /// Seconds east of UTC.
    pub(super) zone: Option<i64>,
}

impl Parts {
    /// Parses `YYYY-MM-DD[Thh[:mm[:ss[.frac]]]][Z|+hh:mm|-hh:mm]`.
    pub(super) fn parse(text: &str) -> Option<Self> {
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

    pub(super) fn time(&self, zone: i64) -> Option<Time> {
        Time::from_unix(self.clock.checked_sub(zone)?, self.nanos)
    }
}

/// What is left of a text to be read.
pub(super) struct Scanner<'a>(pub(super) &'a [u8]);

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
    pub(super) fn fraction(&mut self) -> Option<u32> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
