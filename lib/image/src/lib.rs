//! The life of an image: from a registry into the store.
//!
//! Composes `registry`, `layer` and `store`; see [`pull`].

mod choose;
mod download;
mod progress;
mod pull;
mod stream;

#[cfg(test)]
mod fake_registry;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod origin_tests;

pub use progress::{Event, Progress, Silent};
pub use pull::{PullOptions, Pulled, pull};
// What a tool needs to say where images come from.
pub use registry::{Client, Credentials, Registries, Settings};
