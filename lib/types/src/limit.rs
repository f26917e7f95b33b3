//! Resource limits: `--ulimit name=soft[:hard]`.

use serde::{Deserialize, Serialize};

use crate::{Error, Kind, Result};

/// No limit: `RLIM_INFINITY` of setrlimit(2).
pub const UNLIMITED: u64 = u64::MAX;

/// The names that users write and the numbers of setrlimit(2), which OCI spells
/// `RLIMIT_NOFILE`. `as` is missing on purpose, as it is in Docker: it would limit the engine's
/// own process before the program starts.
const RESOURCES: [(&str, i32); 15] = [
    ("core", 4),
    ("cpu", 0),
    ("data", 2),
    ("fsize", 1),
    ("locks", 10),
    ("memlock", 8),
    ("msgqueue", 12),
    ("nice", 13),
    ("nofile", 7),
    ("nproc", 6),
    ("rss", 5),
    ("rtprio", 14),
    ("rttime", 15),
    ("sigpending", 11),
    ("stack", 3),
];

/// A limit of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ulimit {
    /// As users write it: `nofile`.
    #[serde(rename = "Name")]
    pub name: String,
    /// What holds; [`UNLIMITED`] for none.
    #[serde(rename = "Soft")]
    pub soft: u64,
    /// Up to where the program may raise it.
    #[serde(rename = "Hard")]
    pub hard: u64,
}

impl Ulimit {
    /// Parses `name=soft[:hard]`; a limit is a number, or `unlimited` or `-1`.
    ///
    /// # Errors
    /// `Invalid` if the name is unknown, a limit is no number, or soft is above hard.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why: String| Error::new(Kind::Invalid, format!("bad limit {text:?}: {why}"));
        let (name, values) = text.split_once('=').ok_or_else(|| {
            bad("no value".to_owned()).hint("write NAME=SOFT or NAME=SOFT:HARD, as in nofile=1024:4096")
        })?;
        let (name, _) = RESOURCES.iter().find(|(known, _)| *known == name).ok_or_else(|| {
            let names: Vec<&str> = RESOURCES.iter().map(|(name, _)| *name).collect();
            bad(format!("unknown name {name:?}")).hint(format!("known are {}", names.join(", ")))
        })?;
        let (soft, hard) = values.split_once(':').unwrap_or((values, values));
        let value = |text: &str| value(text).ok_or_else(|| bad(format!("{text:?} is not a number")));
        let (soft, hard) = (value(soft)?, value(hard)?);
        if soft > hard {
            return Err(bad("the soft limit is above the hard one".to_owned()));
        }
        Ok(Self { name: (*name).to_owned(), soft, hard })
    }

    /// Returns the number of the resource for setrlimit(2); `None` if the name is unknown, which
    /// [`Self::parse`] does not let through.
    #[must_use]
    pub fn resource(&self) -> Option<i32> {
        RESOURCES.iter().find(|(known, _)| *known == self.name).map(|(_, number)| *number)
    }

    /// Returns the name in an OCI configuration: `RLIMIT_NOFILE`.
    #[must_use]
    pub fn oci_name(&self) -> String {
        format!("RLIMIT_{}", self.name.to_ascii_uppercase())
    }
}

fn value(text: &str) -> Option<u64> {
    if text == "unlimited" || text == "-1" {
        return Some(UNLIMITED);
    }
    // Without a sign, which `parse` of the standard library would take.
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(text: &str) -> Option<(i32, u64, u64)> {
        Ulimit::parse(text).ok().and_then(|l| Some((l.resource()?, l.soft, l.hard)))
    }

    #[test]
    fn limits_have_a_soft_and_a_hard_value() {
        assert_eq!(limit("nofile=1024:4096"), Some((7, 1024, 4096)));
        assert_eq!(limit("nofile=1024"), Some((7, 1024, 1024)));
        assert_eq!(limit("core=0"), Some((4, 0, 0)));
        assert_eq!(limit("memlock=-1"), Some((8, UNLIMITED, UNLIMITED)));
        assert_eq!(limit("stack=1:unlimited"), Some((3, 1, UNLIMITED)));
        assert_eq!(Ulimit::parse("nofile=1").map(|l| l.oci_name()).ok().as_deref(), Some("RLIMIT_NOFILE"));
    }

    #[test]
    fn what_is_no_limit_is_refused_with_its_reason() {
        for (bad, why) in [
            ("", "no value"),
            ("nofile", "no value"),
            ("=1", "unknown name \"\""),
            ("NOFILE=1", "unknown name \"NOFILE\""),
            ("as=1", "unknown name \"as\""),
            ("nofile=", "\"\" is not a number"),
            ("nofile=1:", "\"\" is not a number"),
            ("nofile=:1", "\"\" is not a number"),
            ("nofile=1:2:3", "\"2:3\" is not a number"),
            ("nofile=+1", "\"+1\" is not a number"),
            ("nofile=-2", "\"-2\" is not a number"),
            ("nofile=1k", "\"1k\" is not a number"),
            ("nofile=18446744073709551616", "\"18446744073709551616\" is not a number"),
            ("nofile=2:1", "the soft limit is above the hard one"),
            ("nofile=-1:1", "the soft limit is above the hard one"),
        ] {
            let err = Ulimit::parse(bad).expect_err(bad);
            assert_eq!(err.to_string(), format!("bad limit {bad:?}: {why}"));
        }
    }
}
