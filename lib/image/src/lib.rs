//! The life of an image: from a registry into the store, and what can be said of it there and here.
//!
//! Composes `registry`, `layer` and `store`; see [`pull`].

mod choose;
mod download;
mod history;
mod inspect;
mod install;
mod progress;
mod pull;
mod remote;
mod resolve;
mod sources;
mod stream;
mod work;

#[cfg(test)]
mod fake_registry;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod origin_tests;

pub use history::history;
pub use inspect::{configuration, document, find, inspect};
pub use progress::{Event, Progress, Silent};
pub use pull::{PullOptions, Pulled, pull};
pub use remote::{Remote, remote, remote_digest, remote_document};
pub use sources::settings;
// What a tool needs to say where images come from.
pub use registry::{Client, Credentials, Registries, Settings};

use sha2::Digest as _;

/// The digest of bytes in memory.
pub(crate) fn digest_of(content: &[u8]) -> types::digest::Digest {
    types::digest::Digest::from_bytes(sha2::Sha256::digest(content).into())
}
