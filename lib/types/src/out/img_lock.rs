//! `img-lock`: one line for each name, which `img-pull --lock` reads again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::reference::ImageRef;
use crate::{Error, Kind, Result};

/// What a name led to when it was locked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Locked {
    /// The full name: `docker.io/library/httpd:2.4`.
    pub name: ImageRef,
    /// What its registry has under it: for all platforms, if it is for several.
    pub digest: Digest,
}

/// Reads a lock file. Empty lines, and those that begin with `#`, say nothing.
///
/// # Errors
/// `Invalid`, with the number of the line.
pub fn read(text: &str) -> Result<BTreeMap<ImageRef, Digest>> {
    let mut lock = BTreeMap::new();
    for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bad = |why: String| Error::new(Kind::Invalid, why).within(format!("read line {at}"));
        let Locked { name, digest } = serde_json::from_str(line).map_err(|e| bad(e.to_string()))?;
        if name.digest().is_some_and(|named| named != digest) {
            return Err(bad(format!("the name {:?} has another digest than {digest}", name.familiar())));
        }
        if lock.insert(name.clone(), digest).is_some_and(|other| other != digest) {
            return Err(bad(format!("{:?} has another digest before", name.familiar())));
        }
    }
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, digest: &str) -> String {
        format!("{{\"Name\":\"{name}\",\"Digest\":\"sha256:{}\"}}\n", digest.repeat(32))
    }

    #[test]
    fn what_is_written_is_read() {
        let text = line("docker.io/library/httpd:2.4", "0a") + "\n# for the tests\n" + &line("busybox", "0b");
        let lock = read(&text).expect("read");
        assert_eq!(lock.len(), 2);
        let (name, digest) = lock.last_key_value().map(|(n, d)| (n.clone(), *d)).expect("one");
        let again = serde_json::to_string(&Locked { name, digest }).expect("write") + "\n";
        assert!(text.starts_with(&again), "{again}");
        assert_eq!(read(&(line("a", "0a") + &line("a:latest", "0a"))).expect("the same twice").len(), 1);
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for (text, part) in [
            (line("a", "0a") + &line("a:latest", "0b"), "another digest before"),
            (line(&format!("a@sha256:{}", "0a".repeat(32)), "0b"), "another digest than"),
            ("{\"Name\":\"a\"}".to_owned(), "Digest"),
            (line("a", "0a").replace("\"Digest\"", "\"New\":1,\"Digest\""), "New"),
            ("a@sha256:00".to_owned(), "line 1 column"),
        ] {
            let err = read(&text).expect_err(&text);
            let words = format!("{err}: {}", std::error::Error::source(&err).expect("a reason"));
            assert!(words.starts_with("read line ") && words.contains(part), "{words}");
        }
    }
}
