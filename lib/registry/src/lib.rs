//! The distribution protocol: manifests, and blobs as streams that can begin in the middle.
//!
//! Promises: credentials go to the origin they belong to and nowhere else; every answer is
//! bounded in size and time; a manifest that was asked for by digest has that digest. Blobs are
//! handed out unverified: the store verifies what it keeps.
//! Does not: read the environment, choose a platform, follow the `urls` of foreign layers,
//! decompress what a server compressed on the way.

mod certs;
pub mod challenge;
mod client;
mod config;
mod credentials;
mod helper;
mod http;
mod later;
mod login;
mod origin;
mod pages;
mod push;
mod rate;
mod refusal;
mod repository;
mod search;
mod tags;
mod token;
mod tokens;

pub use client::{Client, Settings};
pub use config::{Endpoint, Registries};
pub use credentials::{Credentials, server_key};
pub use helper::Helper;
pub use login::{with_login, without_login};
pub use push::Sent;
pub use rate::RateLimit;
pub use repository::{Blob, Fetched, Repository};
pub use search::Found;
