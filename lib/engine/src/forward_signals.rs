//! Signals that a tool in the foreground passes on instead of dying of them.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// All signals except those that the tool needs itself: the death of a child, a closed pipe,
/// those of the processor, and stopping by the terminal.
#[derive(Debug)]
pub(crate) struct Signals(SignalFd);

impl Signals {
    /// Blocks them, and reads them from a descriptor from now on (signalfd(2)).
    pub(crate) fn take() -> std::io::Result<Self> {
        use Signal::{
            SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGPWR, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM,
            SIGWINCH,
        };
        let set: SigSet = [
            SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGCONT, SIGWINCH, SIGIO,
            SIGPWR,
        ]
        .into_iter()
        .collect();
        set.thread_block()?;
        Ok(Self(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
    }

    /// The next one, if there is one.
    pub(crate) fn next(&self) -> Option<i32> {
        let info = self.0.read_signal().ok()??;
        i32::try_from(info.ssi_signo).ok()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
