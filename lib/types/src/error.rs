//! The one error type of the libraries.
//!
//! An error is a chain of bare verb phrases from outermost to innermost, with a kind that a
//! caller can act on and hints for the reader. All rooms share the type, because all need the
//! same three things of it: `cli` maps its kind to an exit code in one place and prints the
//! chain on one line.

use std::borrow::Cow;
use std::fmt;
use std::io;

/// The result of everything in the libraries that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The named thing is not there.
    NotFound,
    /// The thing is in a state, or in use, that forbids this.
    Conflict,
    /// What the user, an image or a peer gave is malformed.
    Invalid,
    /// Not enough privilege.
    Denied,
    /// The kernel or this version cannot do it.
    Unsupported,
    /// Content does not match its digest, size or format.
    Corrupt,
    /// A peer says: later (rate limit, overload).
    TryLater,
    /// Anything else that the system refused.
    Io,
}

/// One link of the chain: a bare verb phrase, and what lies behind it.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    what: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error that starts here, such as `Error::new(Kind::NotFound, "no such container")`.
    pub fn new(kind: Kind, what: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, what: what.into(), hint: None, source: None }
    }

    /// A phrase around a failed system call; the kind comes from its errno.
    pub fn io(what: impl Into<Cow<'static, str>>, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        Self { kind: kind_of(&source), what: what.into(), hint: None, source: Some(Box::new(source)) }
    }

    /// A phrase around an error of another library.
    pub fn because(
        kind: Kind,
        what: impl Into<Cow<'static, str>>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self { kind, what: what.into(), hint: None, source: Some(Box::new(source)) }
    }

    /// Puts an outer phrase around this error and keeps its kind.
    #[must_use]
    pub fn within(self, what: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: self.kind, what: what.into(), hint: None, source: Some(Box::new(self)) }
    }

    /// Adds what the reader can do about it: one line, without the word "hint".
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the kind of the whole chain.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the hints of the chain, outermost first.
    pub fn hints(&self) -> impl Iterator<Item = &str> {
        let mut next = Some(self);
        std::iter::from_fn(move || {
            let here = next?;
            next = std::error::Error::source(here).and_then(|e| e.downcast_ref::<Self>());
            Some(here.hint.as_deref())
        })
        .flatten()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

/// Returns one link of a chain as a bare phrase. What the system said is "no such file or
/// directory" then, not "No such file or directory (os error 2)".
#[must_use]
pub fn phrase(link: &(dyn std::error::Error + 'static)) -> String {
    let text = link.to_string();
    if !link.is::<io::Error>() {
        return text;
    }
    let text = text.rsplit_once(" (os error ").map_or(text.as_str(), |(text, _)| text);
    let mut chars = text.chars();
    match chars.next() {
        // A word in capitals is a name, not the beginning of a sentence.
        Some(first) if !chars.clone().next().is_some_and(char::is_uppercase) => {
            format!("{}{}", first.to_lowercase(), chars.as_str())
        }
        _ => text.to_owned(),
    }
}

/// Returns a whole chain as `outer: inner: cause`.
#[must_use]
pub fn chain(err: &Error) -> String {
    let mut text = phrase(err);
    let mut next = std::error::Error::source(err);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&phrase(cause));
        next = cause.source();
    }
    text
}

fn kind_of(err: &io::Error) -> Kind {
    match err.kind() {
        io::ErrorKind::NotFound => Kind::NotFound,
        io::ErrorKind::AlreadyExists => Kind::Conflict,
        io::ErrorKind::PermissionDenied => Kind::Denied,
        io::ErrorKind::Unsupported => Kind::Unsupported,
        _ => Kind::Io,
    }
}

/// Adds the intention to a result, as `anyhow` does at the edge.
pub trait Context<T> {
    /// Puts `what` around an error.
    fn context(self, what: impl Into<Cow<'static, str>>) -> Result<T>;
    /// Puts what `f` says around an error.
    fn with_context<S: Into<Cow<'static, str>>>(self, f: impl FnOnce() -> S) -> Result<T>;
}

impl<T> Context<T> for Result<T> {
    fn context(self, what: impl Into<Cow<'static, str>>) -> Self {
        self.map_err(|e| e.within(what))
    }
    fn with_context<S: Into<Cow<'static, str>>>(self, f: impl FnOnce() -> S) -> Self {
        self.map_err(|e| e.within(f()))
    }
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, what: impl Into<Cow<'static, str>>) -> Result<T> {
        self.map_err(|e| Error::io(what, e))
    }
    fn with_context<S: Into<Cow<'static, str>>>(self, f: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|e| Error::io(f(), e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_the_kind_of_its_cause_and_all_hints() {
        let low = Error::io("open \"x\"", io::Error::from_raw_os_error(2)).hint("look");
        let high = low.within("start \"web\"").hint("again");
        assert_eq!(high.kind(), Kind::NotFound);
        assert_eq!(high.hints().collect::<Vec<_>>(), ["again", "look"]);
        assert_eq!(high.to_string(), "start \"web\"");
        let cause = std::error::Error::source(&high).and_then(std::error::Error::source).map(phrase);
        assert_eq!(cause.as_deref(), Some("no such file or directory"));
    }
}
