//! Safe wrappers over the system calls that nix and rustix lack.
//!
//! `unsafe` is allowed here and in `child`, nowhere else.
#![allow(unsafe_code, reason = "this crate exists to hold it; every block has a SAFETY comment")]

pub mod bpf;
pub mod enter;
pub mod fd;
pub mod fork;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod overlay;
pub mod pidfd;
pub mod process;
pub mod procfs;
pub mod signal;
pub mod time;
pub mod umask;
pub mod userns;
pub mod whole;

/// Turns the result of a C call into an error.
fn check(result: libc::c_long) -> std::io::Result<libc::c_long> {
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}
