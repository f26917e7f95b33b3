//! The keys that leave a container running: `ctrl-p,ctrl-q`, as Docker's.

use types::{Error, Kind, Result};

/// Finds the sequence in what is typed. Bytes that may begin it are held back until it is clear
/// that they do not.
#[derive(Debug)]
pub(crate) struct Keys {
    sequence: Vec<u8>,
    held: usize,
}

impl Keys {
    pub(crate) fn new(sequence: &[u8]) -> Self {
        Self { sequence: sequence.to_vec(), held: 0 }
    }

    /// Appends to `out` what is not part of the sequence; returns whether it is complete.
    pub(crate) fn pass(&mut self, typed: &[u8], out: &mut Vec<u8>) -> bool {
        for &byte in typed {
            if self.sequence.get(self.held) == Some(&byte) {
                self.held += 1;
                if self.held == self.sequence.len() {
                    self.held = 0;
                    return true;
                }
                continue;
            }
            out.extend_from_slice(self.sequence.get(..self.held).unwrap_or_default());
            self.held = usize::from(self.sequence.first() == Some(&byte));
            if self.held == 0 {
                out.push(byte);
            }
        }
        false
    }
}

/// The sequence of Docker: Ctrl-P, Ctrl-Q.
const DEFAULT: &[u8] = &[0x10, 0x11];

/// Parses `--detach-keys`: letters, or `ctrl-` and one of `a`-`z @ [ \ ] ^ _`, with commas.
/// An empty text disables the keys; none means the usual ones.
///
/// # Errors
/// `Invalid` for anything else.
pub fn detach_keys(text: Option<&str>) -> Result<Vec<u8>> {
    match text {
        None => Ok(DEFAULT.to_vec()),
        Some("") => Ok(Vec::new()),
        Some(text) => text.split(',').map(|key| parse_key(key).ok_or_else(|| bad_key(key))).collect(),
    }
}

fn parse_key(key: &str) -> Option<u8> {
    if let Some(control) = key.strip_prefix("ctrl-") {
        let [byte] = control.as_bytes() else { return None };
        return match byte {
            b'a'..=b'z' => Some(byte - b'a' + 1),
            b'@' => Some(0),
            b'[' | b'\\' | b']' | b'^' | b'_' => Some(byte - b'@'),
            _ => None,
        };
    }
    match key.as_bytes() {
        [byte] if byte.is_ascii_alphabetic() => Some(*byte),
        _ => None,
    }
}

fn bad_key(key: &str) -> Error {
    Error::new(Kind::Invalid, format!("bad detach key {key:?}"))
        .hint("a letter, or ctrl- and one of a-z @ [ \\ ] ^ _")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_leaves_and_its_beginning_alone_passes() {
        let mut keys = Keys::new(DEFAULT);
        let mut out = Vec::new();
        assert!(!keys.pass(b"a\x10b\x10", &mut out));
        assert_eq!(out, b"a\x10b");
        assert!(keys.pass(b"\x11", &mut out));
        assert_eq!(out, b"a\x10b");
    }

    #[test]
    fn without_keys_everything_passes() {
        let mut out = Vec::new();
        assert!(!Keys::new(b"").pass(b"\x10\x11", &mut out));
        assert_eq!(out, b"\x10\x11");
    }

    #[test]
    fn keys_are_named_as_docker_names_them() {
        assert_eq!(detach_keys(Some("ctrl-p,ctrl-q")).unwrap(), DEFAULT);
        assert_eq!(detach_keys(Some("ctrl-[,a")).unwrap(), [0x1b, b'a']);
        for bad in ["ctrl-", "ctrl-1", "ab", ",", "é"] {
            assert!(detach_keys(Some(bad)).is_err(), "{bad}");
        }
    }
}
