//! Signals by name and number.

use std::borrow::Cow;

use crate::{Error, Kind, Result};

/// The signals of Linux by number; those below 32 are the same on all processors that we run on.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// Second names.
const ALIASES: [(&str, i32); 4] = [("IOT", 6), ("CLD", 17), ("POLL", 29), ("UNUSED", 31)];

/// The first and last real-time signal that programs see: glibc and musl keep 32 and 33 (musl
/// also 34) to themselves, and `kill -l` counts from 34.
const RT_MIN: i32 = 34;
const RT_MAX: i32 = 64;

/// Parses a signal: its number, or its name in either case with or without `SIG`, or
/// `RTMIN+n` and `RTMAX-n`.
///
/// # Errors
/// `Invalid` if there is no such signal. 0, which tests for existence, is not one.
pub fn parse(text: &str) -> Result<i32> {
    number(text).ok_or_else(|| {
        Error::new(Kind::Invalid, format!("no such signal {text:?}"))
            .hint("write a name such as TERM or SIGHUP, or a number from 1 to 64")
    })
}

fn number(text: &str) -> Option<i32> {
    if let Some(number) = digits(text) {
        return (1..=RT_MAX).contains(&number).then_some(number);
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    if let Some(rest) = name.strip_prefix("RTMIN") {
        return real_time(RT_MIN, rest, '+');
    }
    if let Some(rest) = name.strip_prefix("RTMAX") {
        return real_time(RT_MAX, rest, '-');
    }
    let known = (1..).zip(NAMES).find_map(|(n, known)| (known == name).then_some(n));
    known.or_else(|| ALIASES.iter().find_map(|(alias, n)| (*alias == name).then_some(*n)))
}

/// `base` and what follows its name: nothing, or a sign and a distance.
fn real_time(base: i32, rest: &str, sign: char) -> Option<i32> {
    if rest.is_empty() {
        return Some(base);
    }
    let distance = digits(rest.strip_prefix(sign)?)?;
    let number = if sign == '+' { base + distance } else { base - distance };
    (RT_MIN..=RT_MAX).contains(&number).then_some(number)
}

/// At most two digits, without a sign, which `parse` of the standard library would take.
fn digits(text: &str) -> Option<i32> {
    let plain = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// Returns the name of a signal with `SIG`, such as `SIGTERM` and `SIGRTMIN+3`; for a number
/// that has none, the number.
#[must_use]
pub fn name(number: i32) -> Cow<'static, str> {
    if number == RT_MIN {
        return "SIGRTMIN".into();
    }
    if (RT_MIN..=RT_MAX).contains(&number) {
        return format!("SIGRTMIN+{}", number - RT_MIN).into();
    }
    let known = usize::try_from(number).ok().and_then(|n| NAMES.get(n.checked_sub(1)?));
    known.map_or_else(|| number.to_string(), |name| format!("SIG{name}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_signals() {
        for (text, number) in [
            ("HUP", 1),
            ("SIGHUP", 1),
            ("hup", 1),
            ("sigterm", 15),
            ("1", 1),
            ("9", 9),
            ("09", 9),
            ("64", 64),
            ("SYS", 31),
            ("IOT", 6),
            ("POLL", 29),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX", 64),
            ("rtmax-30", 34),
        ] {
            assert_eq!(parse(text).ok(), Some(number), "{text}");
        }
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for bad in [
            "",
            "0",
            "-1",
            "+1",
            "65",
            "100",
            "SIG",
            "SIGSIG",
            "SIG9",
            "TERM ",
            " TERM",
            "TERM\n",
            "RTMIN-1",
            "RTMIN+",
            "RTMIN+31",
            "RTMIN++1",
            "RTMAX-31",
            "RTMAX+1",
            "RTMIN1",
            "4294967297",
            "KİLL",
        ] {
            let err = parse(bad).expect_err(bad);
            assert_eq!(err.to_string(), format!("no such signal {bad:?}"));
        }
    }

    #[test]
    fn every_number_has_a_name_that_leads_back() {
        for number in (1..=31).chain(34..=64) {
            assert_eq!(parse(&name(number)).ok(), Some(number));
        }
        assert_eq!(name(15), "SIGTERM");
        assert_eq!(name(37), "SIGRTMIN+3");
        assert_eq!(name(32), "32");
        assert_eq!(name(0), "0");
        assert_eq!(name(-9), "-9");
    }
}
