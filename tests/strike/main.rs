//! strike - run a command and let one system call of it, or of what it starts, go wrong.
//!
//! `strike N LOG kill|ERRNO COMMAND...` counts the calls that change something, over all processes
//! together in the order in which the kernel sees them. The Nth is not carried out: its process is
//! killed, or the call fails with that errno (`ENOSPC`, `EIO`, `ENOMEM`, `EINTR`, `EMFILE`); then also
//! those count that change nothing but can fail so.
//!
//! strace(1) can do the same, but counts for each process anew, so that the first calls of a process
//! whose parent makes as many can never be met. Here every one has a number.
//!
//! LOG gets a line that says what was struck, or nothing if there was no Nth call. The status is that
//! of the command. Once the blow has fallen and the command has ended, the others go on untraced.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
// Registers have other names elsewhere.
#![cfg(target_arch = "x86_64")]

mod calls;
mod tracer;

use std::process::ExitCode;

fn main() -> ExitCode {
    tracer::main()
}
