//! Who is the monitor when the monitor has been killed.
//!
//! The standby is a copy of the monitor that does nothing but wait for the monitor's end. It holds
//! the same descriptors, so nothing breaks when the monitor is gone: not the program's pipes (a
//! write to one that nobody reads would end it by SIGPIPE), nor its terminal, nor the lock of
//! `run.jsonl`. It then does what the monitor would have done, with one difference: it is not the
//! parent of the program, and learns how that ended from the kernel
//! ([`sys::pidfd::Pidfd::how_it_ended`]).
//!
//! It is made a moment after the start, so that a program that soon ends costs nothing more, and only
//! while no tool is in the foreground: what the monitor closes then, the copy would keep open.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use sys::fork::{Fork, end, fork};
use sys::pidfd::Pidfd;

/// How long a monitor has none after a start.
const SOON: Duration = Duration::from_millis(10);

/// When it is tried again if it cannot be made now.
const LATER: Duration = Duration::from_secs(1);

/// The standby of a monitor, or the moment when there is to be one.
#[derive(Debug)]
pub(crate) enum Standby {
    Due(Instant),
    There(Heir),
    /// The tool in the foreground is one.
    Client,
}

/// The copy. It goes when this is dropped, and with it what it held open.
#[derive(Debug)]
pub(crate) struct Heir {
    pid: i32,
    process: Pidfd,
}

impl Drop for Heir {
    fn drop(&mut self) {
        end(self.pid, Some(&self.process)); // gone already is as good
    }
}

impl Standby {
    /// None yet.
    pub(crate) fn soon() -> Self {
        Self::Due(Instant::now() + SOON)
    }

    /// Readable when the standby has ended.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::There(heir) => Some(heir.process.as_fd()),
            Self::Due(_) | Self::Client => None,
        }
    }

    /// How long to wait for other events at most.
    pub(crate) fn patience(&self) -> Option<Timespec> {
        match self {
            Self::Due(at) => Timespec::try_from(at.saturating_duration_since(Instant::now())).ok(),
            Self::There(_) | Self::Client => None,
        }
    }

    /// Takes the standby away; another one comes in a moment.
    pub(crate) fn renew(&mut self) {
        *self = Self::soon();
    }

    /// There can be none yet.
    pub(crate) fn postpone(&mut self) {
        *self = Self::Due(Instant::now() + LATER);
    }

    /// Whether it is time to [`Self::appoint`] one.
    pub(crate) fn is_due(&self) -> bool {
        matches!(self, Self::Due(at) if *at <= Instant::now())
    }

    /// Makes the standby. Returns `true` in the copy, when the monitor has been killed: it is the
    /// monitor now, and has no standby itself.
    pub(crate) fn appoint(&mut self) -> bool {
        // From here on both only wait, and what they hold counts for every container.
        sys::memory::give_back();
        sys::memory::give_back_code();
        match copy() {
            Ok(Some(heir)) => *self = Self::There(heir),
            Ok(None) => {
                *self = Self::soon();
                return true;
            }
            Err(_) => self.postpone(), // such as a limit on processes
        }
        false
    }
}

/// Returns the copy in the original, and `None` in the copy once the original has ended.
fn copy() -> io::Result<Option<Heir>> {
    // Opened before: a number could be another's by the time the copy looks.
    let original = Pidfd::open(i32::try_from(std::process::id()).map_err(io::Error::other)?)?;
    match fork()? {
        Fork::Parent(pid) => match Pidfd::open(pid) {
            Ok(process) => Ok(Some(Heir { pid, process })),
            Err(err) => {
                end(pid, None);
                Err(err)
            }
        },
        Fork::Child => {
            // A session of its own: what is sent to the monitor's whole group spares it.
            let _own = rustix::process::setsid();
            while !matches!(original.ended_within(None), Ok(true)) {} // no memory for a moment
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_none_at_first_and_then_there_is_one() {
        let standby = Standby::soon();
        assert!(!standby.is_due() && standby.fd().is_none());
        assert!(standby.patience().is_some_and(|wait| wait.tv_sec == 0));
        std::thread::sleep(SOON);
        assert!(standby.is_due());
    }
}
