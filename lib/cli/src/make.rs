//! What the tools that make images have in common.

use types::reference::ImageRef;
use types::time::Time;
use types::{Error, Kind};

/// How a new layer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Compression {
    /// As everybody reads it
    Gzip,
    /// Smaller and faster
    Zstd,
}

impl Compression {
    /// Whether it is zstd.
    #[must_use]
    pub const fn is_zstd(self) -> bool {
        matches!(self, Self::Zstd)
    }
}

/// A new image may have a name and a tag; its digest is decided by what is in it.
///
/// # Errors
/// `Invalid` if the name has a digest.
pub fn check_new_name(name: Option<&ImageRef>) -> types::Result<()> {
    match name.filter(|name| name.digest().is_some()) {
        None => Ok(()),
        Some(name) => Err(Error::new(Kind::Invalid, format!("{:?} has a digest", name.familiar()))
            .hint("give a name and a tag: what has a digest is decided by its content")),
    }
}

/// When an image is made, as it is to say: now or, so that it can be made again byte by byte,
/// `$SOURCE_DATE_EPOCH` (reproducible-builds.org).
///
/// # Errors
/// `Invalid` if that is no number of seconds.
pub fn build_time() -> types::Result<Time> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) if !text.is_empty() => text
            .parse()
            .ok()
            .and_then(|seconds| Time::from_unix(seconds, 0))
            .ok_or_else(|| Error::new(Kind::Invalid, format!("SOURCE_DATE_EPOCH is {text:?}"))),
        _ => Ok(sys::time::now()),
    }
}
