//! Signals of this process.

use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use types::{Context, Error, Result};

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

/// Takes the first SIGINT, SIGTERM or SIGHUP as a request and calls `stop` with its number, in a
/// thread of its own. One that comes later has its default action: whoever asks twice does not
/// wait. One that comes at once does not count: timeout(1) sends its signal twice.
///
/// To be called before other threads exist: they inherit that these signals are blocked. So do
/// programs that are started meanwhile.
pub fn on_request_to_stop(stop: impl FnOnce(i32) + Send + 'static) -> Result<()> {
    let mut set = SigSet::empty();
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().for_each(|s| set.add(s));
    set.thread_block().map_err(|e| Error::io("block signals", e))?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            if let Ok(signal) = set.wait() {
                stop(signal as i32);
            }
            swallow(&set);
            // One thread that does not block them is enough for the kernel to deliver the next one.
            while set.thread_unblock().is_ok() {
                std::thread::park();
            }
        })
        .map(drop)
        .context("start a thread")
}

/// Takes what comes within half a second.
fn swallow(set: &SigSet) {
    let half = libc::timespec { tv_sec: 0, tv_nsec: 500_000_000 };
    loop {
        // SAFETY: set and time are valid for the call, and no siginfo is asked for.
        let signal = unsafe { libc::sigtimedwait(set.as_ref(), std::ptr::null_mut(), &raw const half) };
        if signal < 0 {
            return; // nothing in time, or interrupted: then the next one counts
        }
    }
}
