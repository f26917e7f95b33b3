//! Signals of this process.

use nix::sys::signal::{SigHandler, Signal, signal};

/// Gives SIGPIPE its default action back, which the Rust runtime takes away.
pub fn default_sigpipe() {
    // SAFETY: SIG_DFL runs no code of ours in a handler.
    let old = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    debug_assert!(old.is_ok(), "sigaction(2) fails only for a bad signal number");
}

/// Ignores SIGPIPE: for a process that must outlive whoever reads from it. A program that it
/// starts needs the default back before exec(2).
pub fn ignore_sigpipe() {
    // SAFETY: SIG_IGN runs no code of ours in a handler.
    let old = unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) };
    debug_assert!(old.is_ok(), "sigaction(2) fails only for a bad signal number");
}
