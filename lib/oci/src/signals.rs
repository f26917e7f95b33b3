//! Signals of this process, as events of a descriptor, to be passed on to a program.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use types::{Error, Result};

/// What is not passed on: the ends of children, faults of this process itself, a broken pipe of ours,
/// and what cannot be blocked.
const OURS: [Signal; 11] = [
    Signal::SIGCHLD,
    Signal::SIGPIPE,
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGTRAP,
    Signal::SIGSYS,
    Signal::SIGABRT,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
];

/// Signals that have come and wait to be read.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    before: SigSet,
}

impl Signals {
    /// Takes all signals from now on. Before a program is started, so that none is lost; the program
    /// itself starts with an empty mask.
    pub fn take() -> Result<Self> {
        let failed = |e| Error::io("take signals", e);
        let mut set = SigSet::all();
        OURS.into_iter().for_each(|signal| set.remove(signal));
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(failed)?;
        let fd =
            SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(failed)?;
        Ok(Self { fd, before })
    }

    /// The next one that has come.
    pub fn next(&self) -> Option<i32> {
        // Nothing there and everything else are the same: nothing to pass on now.
        let info = self.fd.read_signal().ok().flatten()?;
        i32::try_from(info.ssi_signo).ok()
    }

    /// Readable when one has come.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // A valid mask cannot be refused.
        let _refused = self.before.thread_set_mask();
    }
}
