//! Platforms: `os/arch[/variant]`.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Kind, Result};

/// What a program was built for, in the names that images use (Go's).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`, …
    pub arch: String,
    /// `v7` of `arm`; empty where the architecture has one usual form.
    pub variant: String,
}

impl Platform {
    /// A platform in canonical form: `aarch64` is `arm64`, `arm64/v8` is `arm64`, `arm` is `arm/v7`.
    #[must_use]
    pub fn new(os: &str, arch: &str, variant: &str) -> Self {
        let (os, arch, variant) =
            (os.to_ascii_lowercase(), arch.to_ascii_lowercase(), variant.to_ascii_lowercase());
        let (arch, variant) = match (arch.as_str(), variant.as_str()) {
            ("x86_64" | "x86-64" | "amd64", "" | "v1") => ("amd64", ""),
            ("x86_64" | "x86-64", v) => ("amd64", v),
            ("aarch64" | "arm64", "" | "8" | "v8") => ("arm64", ""),
            ("aarch64", v) => ("arm64", v),
            ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
            ("armel", _) | ("arm", "6") => ("arm", "v6"),
            ("arm", "5") => ("arm", "v5"),
            ("i386" | "i686" | "x86", _) => ("386", ""),
            ("loongarch64", v) => ("loong64", v),
            ("powerpc64le", v) => ("ppc64le", v),
            (a, v) => (a, v),
        };
        Self { os, arch: arch.to_owned(), variant: variant.to_owned() }
    }

    /// The platform that this program was built for.
    #[must_use]
    pub fn host() -> Self {
        Self::new("linux", std::env::consts::ARCH, "")
    }

    /// How well an image for `offered` runs where this is asked for: 0 is exact, `None` not at
    /// all. A later variant runs what was built for an earlier one of the same architecture.
    #[must_use]
    pub fn rank(&self, offered: &Self) -> Option<u32> {
        if self.os != offered.os || self.arch != offered.arch {
            return None;
        }
        level(&self.variant)?.checked_sub(level(&offered.variant)?)
    }
}

/// The number of a variant; the usual form of an architecture is the lowest.
fn level(variant: &str) -> Option<u32> {
    if variant.is_empty() {
        return Some(0);
    }
    variant.strip_prefix('v')?.parse().ok()
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let good =
            |s: &&str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        match parts.as_slice() {
            all if !all.iter().all(good) => {}
            ["linux"] => return Ok(Self::host()),
            [arch] => return Ok(Self::new("linux", arch, "")),
            // `arm/v7`: the os may be left out, as in Docker.
            [arch, variant]
                if !arch.eq_ignore_ascii_case("linux") && level(&variant.to_ascii_lowercase()).is_some() =>
            {
                return Ok(Self::new("linux", arch, variant));
            }
            [os, arch] => return Ok(Self::new(os, arch, "")),
            [os, arch, variant] => return Ok(Self::new(os, arch, variant)),
            _ => {}
        }
        Err(Error::new(Kind::Invalid, format!("bad platform {text:?}"))
            .hint("a platform is OS/ARCH or OS/ARCH/VARIANT, such as linux/arm64 or linux/arm/v7"))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.arch)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        text.parse::<Platform>().map_or_else(|e| e.to_string(), |p| p.to_string())
    }

    #[test]
    fn platforms_have_one_canonical_form() {
        for (given, want) in [
            ("linux/amd64", "linux/amd64"),
            ("amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("ARM/V6", "linux/arm/v6"),
            ("linux/v8", "linux/v8"),
            ("aarch64", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("arm/v6", "linux/arm/v6"),
            ("armhf", "linux/arm/v7"),
            ("Linux/AMD64", "linux/amd64"),
            ("linux/386", "linux/386"),
        ] {
            assert_eq!(canonical(given), want);
        }
        for bad in ["", "/", "linux/", "a/b/c/d", "linux/am d64", "linux//v7"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_later_variant_runs_an_earlier_one_but_not_the_reverse() {
        let rank = |a: &str, b: &str| a.parse::<Platform>().expect(a).rank(&b.parse().expect(b));
        assert_eq!(rank("linux/amd64", "linux/amd64"), Some(0));
        assert_eq!(rank("linux/arm/v7", "linux/arm/v6"), Some(1));
        assert_eq!(rank("linux/arm/v7", "linux/arm/v7"), Some(0));
        assert_eq!(rank("linux/arm/v6", "linux/arm/v7"), None);
        assert_eq!(rank("linux/amd64", "linux/amd64/v3"), None, "the host may lack what v3 needs");
        assert_eq!(rank("linux/amd64/v3", "linux/amd64"), Some(3));
        assert_eq!(rank("linux/amd64", "linux/arm64"), None);
        assert_eq!(rank("linux/amd64", "windows/amd64"), None);
    }
}
