//! Paths of mounts, as text: absolute, without `.` and `..`.

use std::path::{Component, Path, PathBuf};

use super::bad;
use crate::Result;

/// Checks a place inside the container: absolute and not the root. `option` and `text` are what
/// the user wrote, for the message.
///
/// # Errors
/// `Invalid` if it is anything else.
pub fn target(option: &str, text: &str, path: &str) -> Result<PathBuf> {
    if !path.starts_with('/') {
        return Err(bad(option, text, format_args!("{path:?} is not an absolute path in the container")));
    }
    let clean = plain(option, text, Path::new(path))?;
    if clean.parent().is_none() {
        return Err(bad(option, text, "nothing can be mounted over the container's root"));
    }
    Ok(clean)
}

/// A source on the host: made absolute below `cwd`, without `.`; `..` is kept, because before a
/// symbolic link is followed nobody knows where it leads.
pub(super) fn source(option: &str, text: &str, path: &str, cwd: &Path) -> Result<PathBuf> {
    if path == "~" || path.starts_with("~/") {
        return Err(bad(option, text, "the shell left ~ as it is")
            .hint("a shell expands ~ only at the beginning of a word: write \"$HOME\" instead"));
    }
    if path.is_empty() {
        return Err(bad(option, text, "the source is empty"));
    }
    if path.contains('\0') {
        return Err(bad(option, text, "a NUL byte"));
    }
    // Collecting components drops what says nothing: `.`, doubled and trailing slashes.
    Ok(cwd.join(path).components().collect())
}

/// Takes `.`, `..` and doubled slashes out of an absolute path, as text: in the container nothing
/// is there yet that could be asked, and the root is its own parent.
fn plain(option: &str, text: &str, path: &Path) -> Result<PathBuf> {
    if text.contains('\0') {
        return Err(bad(option, text, "a NUL byte"));
    }
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_absolute_and_plain() {
        for (given, clean) in [
            ("/data", "/data"),
            ("//data///x/", "/data/x"),
            ("/data/./x/../y", "/data/y"),
            ("/../../etc", "/etc"),
            ("/a b", "/a b"),
        ] {
            assert_eq!(target("-v", given, given).ok().as_deref(), Some(Path::new(clean)), "{given}");
        }
        for bad in ["", "data", "./data", "/", "//", "/.", "/x/..", "/../..", "/a\0b"] {
            assert!(target("-v", bad, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sources_are_made_absolute_and_keep_dotdot() {
        let cwd = Path::new("/home/me");
        for (given, absolute) in [
            ("/srv", "/srv"),
            (".", "/home/me"),
            ("./site/", "/home/me/site"),
            ("..", "/home/me/.."),
            ("/link/../x", "/link/../x"),
            ("./~x", "/home/me/~x"),
        ] {
            assert_eq!(source("-v", given, given, cwd).ok(), Some(PathBuf::from(absolute)), "{given}");
        }
        for bad in ["", "~", "~/x", "/a\0"] {
            assert!(source("-v", bad, bad, cwd).is_err(), "{bad:?}");
        }
    }
}
