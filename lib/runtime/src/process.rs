//! A program that runs, or why it does not.

use std::os::fd::{AsFd, BorrowedFd};

use sys::pidfd::{Exit, Pidfd};
use types::{Error, Result};

/// A running program.
#[derive(Debug)]
pub struct Process {
    pub(crate) pid: i32,
    pub(crate) pidfd: Pidfd,
}

/// Why a program did not start.
#[derive(Debug)]
pub struct StartError {
    /// 127 if the program is not there, 126 if it cannot be run, 125 for everything else.
    pub status: u8,
    /// In words.
    pub error: Error,
}

impl From<Error> for StartError {
    fn from(error: Error) -> Self {
        Self { status: 125, error }
    }
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.error)
    }
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        error.error
    }
}

impl Process {
    pub(crate) const fn new(pid: i32, pidfd: Pidfd) -> Self {
        Self { pid, pidfd }
    }

    /// Its number in our pid namespace.
    #[must_use]
    pub const fn pid(&self) -> i32 {
        self.pid
    }

    /// Its start time, which with the pid names it for all time of one boot.
    ///
    /// # Errors
    /// If it was reaped.
    pub fn start_time(&self) -> Result<u64> {
        sys::process::start_time(self.pid).map_err(|e| Error::io("read start time of process", e))
    }

    /// Its descriptor; readable once it has ended.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn signal(&self, number: i32) -> Result<()> {
        self.pidfd.signal(number).map_err(|e| Error::io(format!("send signal {number}"), e))
    }

    /// Waits for its end and reaps it.
    ///
    /// # Errors
    /// If it was reaped before.
    pub fn wait(&self) -> Result<Exit> {
        self.pidfd.wait().map_err(|e| Error::io("wait for process", e))
    }

    /// Waits for its end and returns how it ended, also if it is no child of ours any more: for the
    /// copy of a process that started it and was killed. `None` if nobody knows.
    #[must_use]
    pub fn how_it_ended(&self, start_time: u64) -> Option<Exit> {
        self.pidfd.wait().ok().or_else(|| {
            // The answer is the kernel's: a process that cannot be waited for has not ended.
            let ended = self.pidfd.ended_within(None).unwrap_or(false);
            if ended { self.pidfd.how_it_ended(self.pid, start_time) } else { None }
        })
    }

    /// Reaps it if it has ended.
    ///
    /// # Errors
    /// If it was reaped before.
    pub fn try_wait(&self) -> Result<Option<Exit>> {
        self.pidfd.try_wait().map_err(|e| Error::io("wait for process", e))
    }
}
