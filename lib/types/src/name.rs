//! Names, ids and the name generator.

/// Returns whether this is a name that a container or volume can have:
/// `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, at most 128 long (Docker's rule, bounded).
#[must_use]
pub fn is_valid(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && (2..=128).contains(&name.len())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}
