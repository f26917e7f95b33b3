//! The last step.

use core::ffi::c_char;

use crate::{Errno, Fd, Prepared, call};

/// The program that is executed in every container first, and which executes the user's: see
/// `stub/main.rs` for why, and for what it takes.
pub static STUB: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stub"));

/// The stub, its arguments and its environment.
#[allow(missing_debug_implementations, reason = "holds pointers for the kernel")]
pub struct Exec<P: Prepared> {
    /// A sealed memory file that holds [`STUB`]; not descriptor 3.
    pub stub: Fd,
    /// Pointers to the arguments, then null.
    pub argv: P::List<*const c_char>,
    /// Pointers to the environment, then null.
    pub envp: P::List<*const c_char>,
}

impl<P: Prepared> Exec<P> {
    /// Replaces the process. Returns why that could not be done.
    pub(crate) fn run(&self) -> Errno {
        call::execveat(self.stub, self.argv.as_ref(), self.envp.as_ref())
    }
}
