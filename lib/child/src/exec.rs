//! The last step.

use core::ffi::c_char;

use crate::{Errno, Prepared, call};

/// The program, its arguments and its environment.
#[allow(missing_debug_implementations, reason = "holds pointers for the kernel")]
pub struct Exec<P: Prepared> {
    /// Paths to try in order: one if the name has a slash, else one for each directory of `PATH`.
    pub candidates: P::List<P::Text>,
    /// Pointers to the arguments, then null.
    pub argv: P::List<*const c_char>,
    /// Pointers to the environment, then null.
    pub envp: P::List<*const c_char>,
}

impl<P: Prepared> Exec<P> {
    /// Replaces the process. Returns why that could not be done.
    ///
    /// As `execvp(3)`: a candidate that is not there leads to the next one, one that may not be
    /// executed is remembered, everything else ends the search.
    pub(crate) fn run(&self) -> Errno {
        let mut verdict = libc::ENOENT;
        for candidate in self.candidates.as_ref() {
            match call::execve(candidate.as_ref(), self.argv.as_ref(), self.envp.as_ref()) {
                libc::ENOENT | libc::ENOTDIR => {}
                libc::EACCES => verdict = libc::EACCES,
                errno => return errno,
            }
        }
        verdict
    }
}
