//! Safe wrappers over the system calls that nix and rustix lack.
//!
//! `unsafe` is allowed here and in `child`, nowhere else.
#![allow(unsafe_code, reason = "this crate exists to hold it; every block has a SAFETY comment")]

pub mod enter;
pub mod fork;
pub mod memory;
pub mod mount;
pub mod process;
pub mod signal;
pub mod time;
