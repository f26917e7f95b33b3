//! What is fuzzed, as plain functions of bytes: the fuzzer calls them with what it makes up, and the
//! test `seeds` of the ordinary suite with what is kept in `seeds/`. A function that returns is content;
//! one that panics has found something.

pub mod config;
pub mod json;
pub mod layer;
pub mod libseccomp;
pub mod log;
pub mod seccomp;
pub mod state;
pub mod users;
pub mod wire;
pub mod words;
