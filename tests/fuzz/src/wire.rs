//! What registries send and what people write about them: challenges, registries.conf, references, logins.

use std::sync::LazyLock;

use regex_lite::Regex;
use registry::challenge::{Challenge, parse};
use registry::{Credentials, Registries, with_login, without_login};
use types::reference::ImageRef;

/// `WWW-Authenticate` headers, a line each.
///
/// # Panics
/// If a challenge is not understood the same when it is written again.
pub fn challenge(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(found) = parse(text.lines()) else { return };
    let again = match &found {
        Challenge::Basic => "Basic".to_owned(),
        Challenge::Bearer { realm, service, scope } => {
            let mut header = format!("Bearer realm={}", quoted(realm));
            for (name, value) in [("service", service), ("scope", scope)] {
                if let Some(value) = value {
                    header.push_str(&format!(",{name}={}", quoted(value)));
                }
            }
            header
        }
    };
    assert_eq!(parse([again.as_str()].into_iter()), Some(found), "{text:?} is written {again:?}");
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// registries.conf, behind the name of an image and a NUL.
///
/// # Panics
/// If it leads to no place at all, or to another one when it is read twice.
pub fn registries(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (name, conf) = text.split_once('\0').unwrap_or(("library/a:1", text));
    let mut registries = Registries::default();
    if registries.add("once", conf).is_err() {
        return;
    }
    let mut twice = registries.clone();
    assert!(twice.add("twice", conf).is_ok(), "{conf:?}");
    let Ok(names) = registries.names(name) else { return };
    assert!(!names.is_empty(), "{name:?} by {conf:?}");
    for image in names {
        let places = registries.endpoints(&image).ok();
        assert_eq!(places, twice.endpoints(&image).ok(), "{image} by {conf:?}");
        let Some(places) = places else { continue };
        let own = places.iter().filter(|place| !place.mirror).count();
        assert!(own == 1 && places.last().is_some_and(|place| !place.mirror), "{image} by {conf:?}");
        let whole = |host: &str, path: &str| !host.is_empty() && !path.is_empty() && !host.contains('/');
        assert!(places.iter().all(|place| whole(&place.host, &place.path)), "{image} by {conf:?}");
    }
}

/// A reference, by us and by the grammar of the distribution project (`reference.go`), which is regular
/// expressions, and its rules for what people type.
///
/// # Panics
/// If the two differ.
pub fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let ours =
        text.parse::<ImageRef>().ok().map(|r| (r.repository(), r.tag().map(str::to_owned), r.digest()));
    let theirs = by_grammar(text);
    let digest = theirs.as_ref().and_then(|(_, _, digest)| digest.as_deref());
    // Stricter: other digests than SHA-256 are not kept, and an address in brackets must be one.
    if ours.is_none() && (digest.is_some_and(|d| !is_sha256(d)) || text.starts_with('[')) {
        return;
    }
    let ours = ours.map(|(name, tag, digest)| (name, tag, digest.map(|d| d.to_string())));
    // A digest says all: the tag beside it is not kept.
    let theirs = theirs.map(|(name, tag, digest)| match digest {
        Some(digest) => (name, None, Some(digest)),
        None => (name, Some(tag.unwrap_or_else(|| "latest".to_owned())), None),
    });
    assert_eq!(ours, theirs, "{text:?}");
}

static WHOLE: LazyLock<Regex> = LazyLock::new(|| {
    let component = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    let domain = format!(r"(?:{component}(?:\.{component})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?");
    let path = "[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*";
    let tag = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
    let digest = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
    let whole = format!("^({domain}/{path}(?:/{path})*)(?::({tag}))?(?:@({digest}))?$");
    Regex::new(&whole).unwrap_or_else(|e| panic!("{whole}: {e}"))
});

type Parts = (String, Option<String>, Option<String>);

/// What Docker makes of what people type, then the grammar.
fn by_grammar(text: &str) -> Option<Parts> {
    if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let hosted =
        |first: &str| first.contains(['.', ':']) || first == "localhost" || first.to_lowercase() != first;
    let (domain, rest) = match text.split_once('/') {
        Some((first, rest)) if hosted(first) => (first, rest),
        _ => ("docker.io", text),
    };
    let domain = if domain == "index.docker.io" { "docker.io" } else { domain };
    let official = if domain == "docker.io" && !rest.contains('/') { "library/" } else { "" };
    let path = rest.split(':').next().unwrap_or_default();
    if path.to_lowercase() != path {
        return None;
    }
    let whole = format!("{domain}/{official}{rest}");
    let found = WHOLE.captures(&whole)?;
    let part = |n: usize| found.get(n).map(|m| m.as_str().to_owned());
    let name = part(1).filter(|name| name.len() <= 255)?;
    Some((name, part(2), part(3)))
}

fn is_sha256(digest: &str) -> bool {
    let lower = |hex: &str| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    digest.strip_prefix("sha256:").is_some_and(lower)
}

/// A `config.json`.
///
/// # Panics
/// If a login cannot be put into a file that was understood, or does not go again.
pub fn logins(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if Credentials::default().add("given", text).is_err() {
        return;
    }
    let Ok(with) = with_login(text, "r.example:5000", Some(("u", "p"))) else { panic!("{text:?}") };
    assert!(Credentials::default().add("with", &with).is_ok(), "{with:?}");
    assert!(with.contains("dTpw"), "{with:?}");
    let Ok(Some(without)) = without_login(&with, "r.example:5000") else { panic!("{with:?}") };
    assert!(matches!(without_login(&without, "r.example:5000"), Ok(None)), "{without:?}");
}
