//! The life of an image: from a registry into the store, and what can be said of it there and here.
//!
//! Composes `registry`, `layer` and `store`; see [`pull`].

mod adopt;
mod choose;
mod download;
mod fsck;
mod history;
mod inspect;
mod install;
mod load;
mod lock;
mod progress;
mod pull;
mod push;
mod recompress;
mod remote;
mod resolve;
mod save;
mod search;
mod sources;
mod stream;
mod tags;
mod work;

#[cfg(test)]
mod fake_registry;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod load_tests;
#[cfg(test)]
mod origin_tests;
#[cfg(test)]
mod push_tests;
#[cfg(test)]
mod wire_tests;

pub use adopt::adopt;
pub use fsck::{Checked, mend};
pub use history::history;
pub use inspect::{configuration, document, inspect};
pub use load::{LoadOptions, Told, load_archive, load_path};
pub use lock::{lock, pull_locked};
pub use progress::{Event, Progress, Silent};
pub use pull::{PullOptions, Pulled, pull};
pub use push::{PushOptions, push, tags_of};
pub use remote::{Remote, remote, remote_digest, remote_document};
pub use save::{DirSink, SaveFormat, SavePlan, Sink, TarSink, digests_in, save, save_dir, save_file};
pub use search::Search;
pub use sources::{client, first_of, settings};
pub use tags::tags;
// How layers are compressed.
pub use layer::Effort;
// What a tool needs to say where images come from.
pub use registry::{Client, Credentials, Registries, Settings, server_key, with_login, without_login};

use sha2::Digest as _;

/// In archives of ours: the index that an image came out of.
pub(crate) const FROM_INDEX: &str = store::FROM_INDEX;

/// The digest of bytes in memory.
pub fn digest_of(content: &[u8]) -> types::digest::Digest {
    types::digest::Digest::from_bytes(sha2::Sha256::digest(content).into())
}
