//! Names of members of an archive, and of the images in it.

use types::reference::ImageRef;
use types::{Error, Kind, Result};

/// No name of a member of an image archive is longer.
const MAX_NAME: usize = 512;

/// A member's name below the top of its archive; `None` for the top itself.
///
/// # Errors
/// `Invalid` if it is none: absolute, with `..`, too long, or not text.
pub(crate) fn member(path: &[u8]) -> Result<Option<String>> {
    let shown: String = String::from_utf8_lossy(path).chars().take(80).collect();
    let bad = |why: &str| Error::new(Kind::Invalid, format!("{shown:?} {why}"));
    let text = std::str::from_utf8(path).map_err(|_| bad("is no text"))?;
    if text.len() > MAX_NAME {
        return Err(bad("is too long a name"));
    }
    if text.starts_with('/') {
        return Err(bad("is an absolute name"));
    }
    if text.chars().any(char::is_control) {
        return Err(bad("has control characters"));
    }
    let parts: Vec<&str> = text.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    if parts.contains(&"..") {
        return Err(bad("leads out of the archive"));
    }
    Ok(Some(parts.join("/")).filter(|name| !name.is_empty()))
}

/// The member that a symbolic link in `from` leads to.
///
/// # Errors
/// `Invalid` if it leads out of the archive.
pub(crate) fn link(from: &str, target: &[u8]) -> Result<String> {
    let bad = || Error::new(Kind::Invalid, format!("link {from:?} leads out of the archive"));
    let text = std::str::from_utf8(target).map_err(|_| bad())?;
    if text.starts_with('/') || text.len() > MAX_NAME {
        return Err(bad());
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().ok_or_else(bad)?),
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// The names that annotations give an image: containerd's, which is whole, before that of the image
/// specification, which may be a tag only and is read as a name then, as podman does.
pub(crate) fn annotated(annotations: &std::collections::BTreeMap<String, String>) -> Option<ImageRef> {
    ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
        .iter()
        .find_map(|key| annotations.get(*key)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_below_the_top_of_their_archive() {
        for (path, name) in [("./a/b", Some("a/b")), ("a//b/", Some("a/b")), ("./", None), ("", None)] {
            assert_eq!(member(path.as_bytes()).expect(path).as_deref(), name);
        }
        for path in ["/etc/passwd", "../x", "a/../../x", "a/..", "x\u{1b}[2J"] {
            assert!(member(path.as_bytes()).is_err(), "{path}");
        }
        assert!(member(b"\xff").is_err());
        assert!(member(&[b'a'; 600]).is_err());
    }

    #[test]
    fn links_stay_in_their_archive() {
        assert_eq!(link("a/layer.tar", b"../b/layer.tar").expect("inside"), "b/layer.tar");
        assert_eq!(link("a", b"./b").expect("inside"), "b");
        for target in ["../../etc/passwd", "/etc/passwd", "../.."] {
            assert!(link("a/layer.tar", target.as_bytes()).is_err(), "{target}");
        }
    }
}
