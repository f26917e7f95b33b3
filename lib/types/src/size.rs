//! Byte sizes and CPU counts: `64m`, `1.5`; and sizes for people: `117MB`.
//!
//! Sizes that come in are binary (`1k` is 1024) as Docker's; sizes that go out to a table are
//! decimal (`1kB` is 1000) as Docker's. Both are computed with integers, so that no size is off
//! by a rounding error.

use crate::{Error, Kind, Result};

/// Less memory than this is refused: the kernel's own structures and the first process of a
/// container need about as much, and what has less dies in ways that are hard to understand.
pub const MIN_MEMORY: u64 = 6 << 20;

/// The length of the periods, in microseconds, for which [`Cpus::quota`] holds.
pub const CPU_PERIOD: u64 = 100_000;

/// Parses a size: a number, which may have a fraction, and `b`, `k`, `m`, `g`, `t` or `p` in
/// either case, alone or as in `kb` and `kib`, with at most one blank before it. All are powers
/// of 1024.
///
/// # Errors
/// `Invalid` if `text` is anything else, or more than a signed 64-bit number holds.
pub fn bytes(text: &str) -> Result<u64> {
    let bad = |why: &'static str| {
        Error::new(Kind::Invalid, format!("bad size {text:?}: {why}"))
            .hint("write a number of bytes, or one with b, k, m or g: 512m, 1.5g")
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let suffix = suffix.strip_prefix(' ').unwrap_or(suffix).to_ascii_lowercase();
    let shift = match suffix.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        "p" | "pb" | "pib" => 50,
        _ if number.is_empty() => return Err(bad("it does not begin with a number")),
        _ => return Err(bad("unknown unit")),
    };
    // Nine digits of fraction are enough for one byte in a gigabyte.
    let nano = decimal(number).ok_or_else(|| bad("not a number"))?;
    let bytes = nano.checked_mul(1 << shift).map(|n| n / NANO).filter(|n| *n <= i64::MAX as u128);
    bytes.and_then(|n| u64::try_from(n).ok()).ok_or_else(|| bad("too large"))
}

/// Parses a limit of memory: a size of at least [`MIN_MEMORY`].
///
/// # Errors
/// `Invalid` as [`bytes`], or if it is too small to run anything.
pub fn memory(text: &str) -> Result<u64> {
    let size = bytes(text)?;
    if size < MIN_MEMORY {
        return Err(Error::new(Kind::Invalid, format!("bad memory limit {text:?}: less than 6m")));
    }
    Ok(size)
}

/// A number of processors, in units of 10^-9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpus(u64);

impl Cpus {
    /// Parses `--cpus`: a decimal number of at least 0.01.
    ///
    /// # Errors
    /// `Invalid` if it is not a number, too small for the kernel's shortest slice (1 ms in 100),
    /// or absurdly large.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why: &'static str| {
            Error::new(Kind::Invalid, format!("bad number of CPUs {text:?}: {why}"))
                .hint("write a decimal number such as 2 or 1.5")
        };
        let nano = decimal(text).ok_or_else(|| bad("not a number"))?;
        match u64::try_from(nano) {
            Ok(n) if n < 10_000_000 => Err(bad("less than 0.01")),
            Ok(n) if n <= 1_000_000 * 1_000_000_000 => Ok(Self(n)),
            _ => Err(bad("too large")),
        }
    }

    /// Returns 10^-9 of processors, as `NanoCpus` of Docker's records.
    #[must_use]
    pub const fn nano(self) -> u64 {
        self.0
    }

    /// Returns the microseconds that may be used in each [`CPU_PERIOD`].
    #[must_use]
    pub const fn quota(self) -> u64 {
        // 10^-9 CPUs * 10^5 us a period; first divided, so that the largest count fits.
        self.0 / (1_000_000_000 / CPU_PERIOD)
    }
}

const NANO: u128 = 1_000_000_000;

/// Reads `12`, `1.5`, `.5` or `2.` as units of 10^-9; digits after the ninth are dropped.
fn decimal(text: &str) -> Option<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || whole.len() > 19 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let nano = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nano = nano.fold(0u128, |n, b| n * 10 + u128::from(b - b'0'));
    Some(whole * NANO + nano)
}

/// A size for people, in powers of 1000 and three digits, as the tables of `docker images`: `0B`,
/// `1.45kB`, `117MB`.
#[must_use]
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut unit = 1u128;
    let mut rest = UNITS.iter();
    let mut name = rest.next().unwrap_or(&"B");
    let size = u128::from(bytes);
    // 999.5 of a unit would round to four digits: it is 1 of the next one.
    while size * 2 >= unit * 1999 {
        let Some(next) = rest.next() else { break };
        (unit, name) = (unit * 1000, next);
    }
    // As many hundredths, tenths or ones as make three digits, rounded half up.
    let places = match size / unit {
        0..10 => 2,
        10..100 => 1,
        _ => 0,
    };
    let scale = 10u128.pow(places);
    let rounded = (size * scale * 2 + unit) / (unit * 2);
    let (whole, fraction) = (rounded / scale, rounded % scale);
    let digits = format!("{fraction:0width$}", width = places as usize);
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() { format!("{whole}{name}") } else { format!("{whole}.{digits}{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_dockers_units() {
        for (text, expected) in [
            ("0", 0),
            ("512", 512),
            ("32b", 32),
            ("32B", 32),
            ("1k", 1024),
            ("1KB", 1024),
            ("1KiB", 1024),
            ("64m", 64 << 20),
            ("1.5g", 3 << 29),
            (".5k", 512),
            ("2.k", 2048),
            ("32 mb", 32 << 20),
            ("4t", 4 << 40),
            ("1p", 1 << 50),
            ("9223372036854775807", i64::MAX as u64),
        ] {
            assert_eq!(bytes(text).ok(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for bad in [
            "",
            " ",
            "k",
            "b",
            "-1",
            "+1",
            "1e3",
            "0x10",
            "1..5",
            "1.5.5",
            ".",
            "1kk",
            "1bb",
            "1bib",
            "1kib ",
            "1  k",
            "1k b",
            " 1",
            "1\n",
            "1\0",
            "٣",
            "1µ",
            "9223372036854775808",
            "8192p",
            "9999999999999999999p",
            "99999999999999999999999999999999999999999999",
            "nan",
            "inf",
            "1,5m",
            "1_000",
        ] {
            let err = bytes(bad).expect_err(bad);
            assert!(err.to_string().starts_with("bad size "), "{err}");
            assert_eq!(err.kind(), Kind::Invalid);
        }
    }

    #[test]
    fn memory_has_a_minimum() {
        assert_eq!(memory("6m").ok(), Some(MIN_MEMORY));
        assert!(memory("6291455").is_err_and(|e| e.to_string().ends_with("less than 6m")));
        assert!(memory("0").is_err());
    }

    #[test]
    fn cpus_become_quota_of_a_period() {
        for (text, quota) in
            [("1.5", 150_000), ("1", 100_000), ("0.01", 1000), (".5", 50_000), ("1000000", 100_000_000_000)]
        {
            assert_eq!(Cpus::parse(text).ok().map(Cpus::quota), Some(quota), "{text}");
        }
        assert_eq!(Cpus::parse("0.000000001").ok(), None);
        for bad in ["", "0", "-1", "1/2", "1e1", "1,5", "0.009", "1000001", "99999999999999999999", "one"] {
            assert!(Cpus::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn people_see_three_digits() {
        for (size, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (1449, "1.45kB"),
            (12_345, "12.3kB"),
            (99_949, "99.9kB"),
            (99_950, "100kB"),
            (999_499, "999kB"),
            (999_500, "1MB"),
            (116_700_000, "117MB"),
            (4_260_000, "4.26MB"),
            (1_200_000_000, "1.2GB"),
            (u64::MAX, "18.4EB"),
        ] {
            assert_eq!(human(size), text, "{size}");
        }
    }
}
