//! Restart policies: `no`, `on-failure[:N]`, `always`, `unless-stopped`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Kind};

/// When a program that ended is started again. One that the user stopped never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// After a status other than 0, so many times in a row at most.
    OnFailure(Option<u32>),
    /// Always.
    Always,
    /// Always; differs from it only after a reboot.
    UnlessStopped,
}

impl Restart {
    /// Returns whether a run that ended with `code`, after so many restarts in a row, is followed
    /// by another.
    #[must_use]
    pub fn wants(self, code: i32, restarts: u32) -> bool {
        match self {
            Self::No => false,
            Self::OnFailure(max) => code != 0 && max.is_none_or(|max| restarts < max),
            Self::Always | Self::UnlessStopped => true,
        }
    }
}

impl FromStr for Restart {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || {
            Error::new(Kind::Invalid, format!("bad restart policy {text:?}"))
                .hint("no, on-failure[:N], always or unless-stopped")
        };
        match text.split_once(':') {
            Some(("on-failure", n)) => {
                let max: u32 = n.parse().map_err(|_| bad())?;
                Ok(Self::OnFailure((max > 0).then_some(max)))
            }
            Some(_) => Err(bad()),
            None => match text {
                "no" | "" => Ok(Self::No),
                "on-failure" => Ok(Self::OnFailure(None)),
                "always" => Ok(Self::Always),
                "unless-stopped" => Ok(Self::UnlessStopped),
                _ => Err(bad()),
            },
        }
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No => f.write_str("no"),
            Self::OnFailure(None) => f.write_str("on-failure"),
            Self::OnFailure(Some(max)) => write!(f, "on-failure:{max}"),
            Self::Always => f.write_str("always"),
            Self::UnlessStopped => f.write_str("unless-stopped"),
        }
    }
}

impl TryFrom<String> for Restart {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Restart> for String {
    fn from(policy: Restart) -> Self {
        policy.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_what_it_prints() {
        for text in ["no", "on-failure", "on-failure:3", "always", "unless-stopped"] {
            assert_eq!(text.parse::<Restart>().map(|p| p.to_string()).ok().as_deref(), Some(text));
        }
        for bad in ["yes", "always:3", "on-failure:x", "on-failure:-1", "no:1"] {
            assert!(bad.parse::<Restart>().is_err(), "{bad}");
        }
    }

    #[test]
    fn on_failure_counts_and_spares_success() {
        let policy = Restart::OnFailure(Some(2));
        assert!(policy.wants(1, 1) && !policy.wants(1, 2) && !policy.wants(0, 0));
        assert!(Restart::Always.wants(0, 1000) && !Restart::No.wants(1, 0));
    }
}
