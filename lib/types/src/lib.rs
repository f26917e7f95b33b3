//! Plain data: digests, references, ids, grammars and every record that a tool prints.
//!
//! Promises: nothing here performs input or output, reads the environment or the clock.
//! Everything that is parsed from a string is checked whole: a value of a type is valid.

pub mod error;

pub use error::{Context, Error, Kind, Result};
