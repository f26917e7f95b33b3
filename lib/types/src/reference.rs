//! Image references: `[domain/]path[:tag][@digest]`, in Docker's grammar and familiar form.
//!
//! A value is always whole: it has a domain, a path and either a tag or a digest. What people
//! type is normalised once, here (`httpd` is `docker.io/library/httpd:latest`), and what people
//! read is made from it again ([`ImageRef::familiar`]).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::{Error, Kind, Result};

/// The registry of a name that names none.
const DEFAULT_DOMAIN: &str = "docker.io";
/// What older clients called it.
const LEGACY_DOMAIN: &str = "index.docker.io";
/// The folder of a one-word name on [`DEFAULT_DOMAIN`].
const OFFICIAL: &str = "library/";
/// Domain and path together.
const NAME_MAX: usize = 255;
const TAG_MAX: usize = 128;

/// The name of an image in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef {
    domain: String,
    path: String,
    version: Version,
}

/// What of a repository is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Version {
    Tag(String),
    Digest(Digest),
}

impl ImageRef {
    /// Returns the registry's domain with its port: `docker.io`, `localhost:5000`.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Returns the repository inside the registry: `library/httpd`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns domain and path: `docker.io/library/httpd`.
    #[must_use]
    pub fn repository(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// Returns the tag; `None` if a digest is meant.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        match &self.version {
            Version::Tag(tag) => Some(tag),
            Version::Digest(_) => None,
        }
    }

    /// Returns the digest; `None` if a tag is meant.
    #[must_use]
    pub const fn digest(&self) -> Option<Digest> {
        match &self.version {
            Version::Tag(_) => None,
            Version::Digest(digest) => Some(*digest),
        }
    }

    /// The same repository, with what has this digest.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { version: Version::Digest(digest), ..self.clone() }
    }

    /// Whether both are of one repository.
    #[must_use]
    pub fn same_repository(&self, other: &Self) -> bool {
        self.domain == other.domain && self.path == other.path
    }

    /// Reads a name that has neither tag nor digest: all of a repository is meant.
    ///
    /// # Errors
    /// `Invalid` if it has one, or is no name.
    pub fn parse_repository(text: &str) -> Result<Self> {
        let name: Self = text.parse()?;
        let has_tag = text.rsplit('/').next().is_some_and(|last| last.contains(':'));
        if has_tag || name.digest().is_some() {
            return Err(Error::new(Kind::Invalid, format!("{text:?} has a tag or a digest")));
        }
        Ok(name)
    }

    /// Whether a text names its registry (`localhost/x`, `r.example/x`); otherwise it is a short name, which
    /// people's configuration may send anywhere.
    #[must_use]
    pub fn names_registry(text: &str) -> bool {
        text.split_once('/').is_some_and(|(first, _)| is_domain(first))
    }

    /// Returns the repository as people write it: `httpd`, `localhost:5000/library/busybox`.
    #[must_use]
    pub fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.repository();
        }
        let short = match self.path.strip_prefix(OFFICIAL) {
            Some(name) if !name.contains('/') => return name.to_owned(),
            _ => &self.path,
        };
        // `docker.io/localhost/x` without its domain would be read as a path on localhost.
        match short.split_once('/') {
            Some((first, _)) if is_domain(first) => self.repository(),
            _ => short.clone(),
        }
    }

    /// Whether a pattern with `*`, `?` and `[a-z]`, none of which matches a slash, is for this: for
    /// its familiar form with or without the tag, as `docker images PATTERN`.
    #[must_use]
    pub fn matches(&self, pattern: &str) -> bool {
        [self.familiar(), self.familiar_name(), self.to_string(), self.repository()]
            .iter()
            .any(|name| glob(pattern, name))
    }

    /// Returns the whole reference as people write it: `httpd:latest`, `httpd@sha256:…`.
    #[must_use]
    pub fn familiar(&self) -> String {
        format!("{}{}", self.familiar_name(), self.version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, ":{tag}"),
            Self::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.domain, self.path, self.version)
    }
}

impl FromStr for ImageRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).map_err(|why| why.within(format!("read image reference {text:?}")))
    }
}

impl TryFrom<String> for ImageRef {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<ImageRef> for String {
    fn from(reference: ImageRef) -> Self {
        reference.to_string()
    }
}

fn parse(text: &str) -> Result<ImageRef> {
    let bad = |what: &'static str| Error::new(Kind::Invalid, what);
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(bad("64 hexadecimal digits are an id, not a name"));
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest.parse::<Digest>()?)),
        None => (text, None),
    };
    let (domain, rest) = match rest.split_once('/') {
        Some((first, rest)) if is_domain(first) => (first, rest),
        _ => (DEFAULT_DOMAIN, rest),
    };
    let domain = if domain == LEGACY_DOMAIN { DEFAULT_DOMAIN } else { domain };
    let (path, tag) = match rest.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (rest, None),
    };
    if !valid_domain(domain) {
        return Err(bad("bad registry name"));
    }
    check_path(path)?;
    if tag.is_some_and(|t| !valid_tag(t)) {
        return Err(bad("bad tag").hint("a tag has up to 128 letters, digits, '_', '.' and '-'"));
    }
    let official = if domain == DEFAULT_DOMAIN && !path.contains('/') { OFFICIAL } else { "" };
    let path = format!("{official}{path}");
    if domain.len() + 1 + path.len() > NAME_MAX {
        return Err(bad("a repository name has at most 255 characters"));
    }
    // A digest says all; a tag beside it would only say where it once was (as Docker).
    let version = match digest {
        Some(digest) => Version::Digest(digest),
        None => Version::Tag(tag.unwrap_or("latest").to_owned()),
    };
    Ok(ImageRef { domain: domain.to_owned(), path, version })
}

/// Whether the part before the first slash names a registry.
fn is_domain(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':'])
        // No path may have capitals, so that this can be meant only as a host.
        || first.bytes().any(|b| b.is_ascii_uppercase())
}

fn valid_domain(domain: &str) -> bool {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (domain, None),
    };
    if port.is_some_and(|p| p.is_empty() || !p.bytes().all(|b| b.is_ascii_digit())) {
        return false;
    }
    if let Some(v6) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return v6.parse::<std::net::Ipv6Addr>().is_ok();
    }
    host.split('.').all(|part| {
        let bytes = part.as_bytes();
        bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
            && bytes.first().is_some_and(|b| *b != b'-')
            && bytes.last().is_some_and(|b| *b != b'-')
    })
}

fn check_path(path: &str) -> Result<()> {
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(Error::new(Kind::Invalid, "a repository name is lower-case"));
    }
    if path.split('/').all(valid_component) {
        return Ok(());
    }
    Err(Error::new(Kind::Invalid, "bad repository name")
        .hint("parts of a name have letters and digits, with single '.', '_', '__' or '-' between them"))
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn valid_component(part: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends_ok = |b: Option<&u8>| b.is_some_and(|b| word(*b));
    ends_ok(bytes.first())
        && ends_ok(bytes.last())
        && bytes
            .split(|b| word(*b))
            .all(|between| matches!(between, b"" | b"." | b"_" | b"__") || between.iter().all(|b| *b == b'-'))
}

/// `[\w][\w.-]{0,127}`
fn valid_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= TAG_MAX
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

/// Matches as a shell does for file names: `*`, `?` and `[a-z]`, none of which matches a slash.
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    matches(pattern.as_bytes(), text.as_bytes())
}

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            let end = text.iter().position(|b| *b == b'/').unwrap_or(text.len());
            (0..=end).any(|n| text.get(n..).is_some_and(|t| matches(rest, t)))
        }
        (Some((b'?', rest)), Some((c, text))) => *c != b'/' && matches(rest, text),
        (Some((b'[', rest)), Some((c, text))) => match class(rest, *c) {
            Some((hit, rest)) => hit && matches(rest, text),
            None => false,
        },
        (Some((b'\\', [p, rest @ ..])), Some((c, text))) => p == c && matches(rest, text),
        (Some((p, rest)), Some((c, text))) => p == c && matches(rest, text),
        _ => false,
    }
}

/// Reads `[^a-z]` after its bracket. Returns whether it has `c`, and what follows it.
fn class(pattern: &[u8], c: u8) -> Option<(bool, &[u8])> {
    let (negated, set) = pattern.strip_prefix(b"^").map_or((false, pattern), |set| (true, set));
    let end = set.iter().skip(1).position(|b| *b == b']')? + 1;
    let (mut set, rest) = (set.get(..end)?, set.get(end + 1..)?);
    let mut hit = false;
    while let Some((first, tail)) = set.split_first() {
        if let [b'-', last, tail @ ..] = tail {
            hit |= (*first..=*last).contains(&c);
            set = tail;
        } else {
            hit |= *first == c;
            set = tail;
        }
    }
    Some((hit != negated && c != b'/', rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(text: &str) -> String {
        text.parse::<ImageRef>().map_or_else(|e| format!("error: {e}"), |r| r.to_string())
    }

    #[test]
    fn names_are_completed_as_docker_completes_them() {
        let hex = "0a".repeat(32);
        for (given, want) in [
            ("httpd", "docker.io/library/httpd:latest"),
            ("httpd:2.4", "docker.io/library/httpd:2.4"),
            ("bitnami/nginx", "docker.io/bitnami/nginx:latest"),
            ("docker.io/httpd", "docker.io/library/httpd:latest"),
            ("index.docker.io/httpd", "docker.io/library/httpd:latest"),
            ("localhost/x", "localhost/x:latest"),
            ("localhost:5000/library/busybox:1.36", "localhost:5000/library/busybox:1.36"),
            ("foo.com/a/b", "foo.com/a/b:latest"),
            ("Foo/bar", "Foo/bar:latest"),
            ("[::1]:5000/a", "[::1]:5000/a:latest"),
            ("a__b/c-d--e.f_g", "docker.io/a__b/c-d--e.f_g:latest"),
            ("a:5000", "docker.io/library/a:5000"),
            ("a:5000/b", "a:5000/b:latest"),
        ] {
            assert_eq!(full(given), want);
        }
        let pinned = format!("httpd:2.4@sha256:{hex}");
        assert_eq!(full(&pinned), format!("docker.io/library/httpd@sha256:{hex}"), "digest wins over tag");
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        let long = "a".repeat(256);
        let hex = "0a".repeat(32);
        for bad in [
            "",
            ":",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "httpd:",
            "httpd:a b",
            "httpd:-x",
            "a___b",
            "a..b",
            "-a",
            "a-",
            "a@",
            "a@sha256:00",
            "a@md5:0123",
            "x:y:z",
            "a\nb",
            "é",
            "foo.com:/a",
            "foo.com:x/a",
            "-foo.com/a",
            "[::g]/a",
            "a:tag/",
            "../x",
            "a/../b",
            &long,
            &hex,
        ] {
            assert!(bad.parse::<ImageRef>().is_err(), "{bad:?}");
        }
        assert!(format!("a:{}", "t".repeat(129)).parse::<ImageRef>().is_err());
        assert!(format!("a:{}", "t".repeat(128)).parse::<ImageRef>().is_ok());
    }

    #[test]
    fn the_familiar_form_reads_back_as_the_same_reference() {
        for (given, familiar) in [
            ("docker.io/library/httpd:latest", "httpd:latest"),
            ("bitnami/nginx", "bitnami/nginx:latest"),
            ("localhost:5000/library/busybox", "localhost:5000/library/busybox:latest"),
            ("docker.io/library/a/b", "library/a/b:latest"),
            ("docker.io/localhost/a", "docker.io/localhost/a:latest"),
        ] {
            let parsed: ImageRef = given.parse().expect(given);
            assert_eq!(parsed.familiar(), familiar);
            assert_eq!(parsed.familiar().parse::<ImageRef>().ok(), Some(parsed), "{given}");
        }
    }

    #[test]
    fn a_long_name_counts_with_its_domain() {
        let fits = format!("docker.io/a/{}", "b".repeat(255 - "docker.io/a/".len()));
        assert!(fits.parse::<ImageRef>().is_ok());
        assert!(format!("{fits}b").parse::<ImageRef>().is_err());
    }

    #[test]
    fn patterns_match_as_file_names() {
        let hit = |pattern: &str, name: &str| name.parse::<ImageRef>().expect(name).matches(pattern);
        for (pattern, name) in [
            ("httpd", "httpd:2.4"),
            ("httpd:2.4", "httpd:2.4"),
            ("http*", "httpd"),
            ("*", "httpd"),
            ("httpd:2.*", "httpd:2.4"),
            ("docker.io/library/httpd", "httpd"),
            ("localhost:5000/*/busybox", "localhost:5000/library/busybox"),
            ("h[a-t]tpd:?.[^5]", "httpd:2.4"),
        ] {
            assert!(hit(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("http", "httpd"),
            ("*", "localhost:5000/a/b"),
            ("httpd:2.5", "httpd:2.4"),
            ("[", "httpd"),
            ("h[^t]tpd", "httpd"),
            ("httpd?", "httpd"),
            ("", "httpd"),
        ] {
            assert!(!hit(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_repository_has_neither_tag_nor_digest() {
        for good in ["httpd", "localhost:5000/a/b", "r.example:5000/a"] {
            assert_eq!(ImageRef::parse_repository(good).unwrap(), good.parse().unwrap());
        }
        let digest = format!("httpd@sha256:{}", "0".repeat(64));
        for bad in ["httpd:latest", "httpd:2", "localhost:5000/a:1", digest.as_str(), "Bad", ""] {
            assert!(ImageRef::parse_repository(bad).is_err(), "{bad}");
        }
    }
}
