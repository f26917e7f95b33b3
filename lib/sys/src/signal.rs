//! Signals of this process.

use nix::sys::signal::{SigHandler, Signal, signal};

/// Gives SIGPIPE its default action back, which the Rust runtime takes away.
pub fn default_sigpipe() {
    // SAFETY: SIG_DFL runs no code of ours in a handler.
    let old = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    debug_assert!(old.is_ok(), "sigaction(2) fails only for a bad signal number");
}
