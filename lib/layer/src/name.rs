//! Names of entries: made relative to the layer's root, once, before anything else looks at them.

use types::{Error, Kind, Result};

/// PATH_MAX, which the kernel would enforce for each call anyway.
const MAX_LEN: usize = 4096;
const MAX_DEPTH: usize = 256;

/// What AUFS put into layers about itself.
const AUFS_META: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
const WHITEOUT: &[u8] = b".wh.";

/// A path below the root of the layer, without `.`, `..`, empty parts or a slash at either end.
/// The root itself is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Name(Vec<u8>);

/// What an entry's name means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning<'a> {
    /// An entry like any other.
    Plain,
    /// Hides this name of the lower layers.
    Whiteout(&'a [u8]),
    /// Hides everything of the lower layers in this directory.
    Opaque,
    /// Nothing.
    Ignored,
}

impl Name {
    /// Reads the name of an entry. `..` never leads above the root, as in a file system.
    ///
    /// # Errors
    /// `Invalid` if it has a NUL or is longer or deeper than is sane.
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let bad = |why: &'static str| Err(Error::new(Kind::Invalid, why));
        if text.contains(&0) {
            return bad("its name has a NUL");
        }
        if text.len() > MAX_LEN {
            return bad("its name is too long");
        }
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in text.split(|b| *b == b'/') {
            match part {
                b"" | b"." => {}
                b".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        if parts.len() > MAX_DEPTH {
            return bad("its name is too deep");
        }
        Ok(Self(parts.join(&b'/')))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its directory and its last part; `None` for the root.
    pub(crate) fn split(&self) -> Option<(Self, &[u8])> {
        if self.0.is_empty() {
            return None;
        }
        let (dir, last) = self.parts();
        Some((Self(dir.to_vec()), last))
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        match self.0.iter().rposition(|b| *b == b'/') {
            Some(at) => (self.0.get(..at).unwrap_or_default(), self.0.get(at + 1..).unwrap_or_default()),
            None => (&[], &self.0),
        }
    }

    /// # Errors
    /// `Invalid` for a whiteout of nothing, of the directory itself or of its parent.
    pub(crate) fn meaning(&self) -> Result<Meaning<'_>> {
        let last = self.parts().1;
        let Some(hidden) = last.strip_prefix(WHITEOUT) else { return Ok(Meaning::Plain) };
        match hidden {
            _ if last == OPAQUE => Ok(Meaning::Opaque),
            _ if last.starts_with(AUFS_META) => Ok(Meaning::Ignored),
            b"" | b"." | b".." => Err(Error::new(Kind::Invalid, "it hides no name")),
            hidden => Ok(Meaning::Whiteout(hidden)),
        }
    }

    /// For messages.
    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_below_the_root() {
        for (given, want) in [
            ("a", "a"),
            ("./a/b/", "a/b"),
            ("/etc/passwd", "etc/passwd"),
            ("../../etc", "etc"),
            ("a/../../b", "b"),
            ("a//./b", "a/b"),
            ("", ""),
            ("./", ""),
            ("/", ""),
            ("..", ""),
        ] {
            assert_eq!(Name::parse(given.as_bytes()).expect(given).shown(), want, "{given:?}");
        }
        let deep = "a/".repeat(257);
        for bad in ["a\0b", &deep, &"x".repeat(4097)] {
            assert!(Name::parse(bad.as_bytes()).is_err());
        }
    }

    #[test]
    fn whiteouts_are_told_from_files() {
        let meaning = |text: &str| match Name::parse(text.as_bytes()).expect(text).meaning() {
            Ok(Meaning::Whiteout(hidden)) => String::from_utf8_lossy(hidden).into_owned(),
            Ok(other) => format!("{other:?}"),
            Err(e) => e.to_string(),
        };
        for (name, want) in [
            ("a/.wh.b", "b"),
            (".wh.b", "b"),
            ("a/.wh..wh..opq", "Opaque"),
            (".wh..wh.plnk", "Ignored"),
            (".wh..wh..opqx", "Ignored"),
            ("a/wh.b", "Plain"),
            (".wh.d/b", "Plain"),
            (".wh..b", ".b"),
            (".wh.", "it hides no name"),
            ("a/.wh..", "it hides no name"),
            ("a/.wh...", "it hides no name"),
        ] {
            assert_eq!(meaning(name), want, "{name}");
        }
    }
}
