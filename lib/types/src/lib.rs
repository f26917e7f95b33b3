//! Plain data: digests, references, ids, grammars and every record that a tool prints.
//!
//! Promises: nothing here performs input or output, reads the environment or the clock.
//! Everything that is parsed from a string is checked whole: a value of a type is valid.

pub mod container;
pub mod digest;
pub mod env;
pub mod error;
pub mod filter;
pub mod label;
pub mod limit;
pub mod mount;
pub mod name;
pub mod oci;
pub mod out;
pub mod platform;
pub mod port;
pub mod reference;
pub mod request;
pub mod restart;
pub mod signal;
pub mod size;
pub mod sources;
pub mod time;
pub mod volume;

pub use error::{Context, Error, Kind, Result};
