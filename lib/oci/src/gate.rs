//! The start gate: what a created container waits at, in its directory of state.
//!
//! Two FIFOs. The container's first process holds both until it executes its program: `start` to
//! read one byte from, `failure` to say why the program could not be executed. Both are
//! close-on-exec, so that the kernel itself tells whether the program runs: nobody has `start` open
//! any more.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, Mode, OFlags, mknodat, openat};
use rustix::io::Errno;
use types::{Error, Kind, Result};

use crate::root::Container;

const START: &str = "start";
const FAILURE: &str = "failure";

/// The ends that the container's first process gets.
#[derive(Debug)]
pub struct Gate {
    start: OwnedFd,
    failure: OwnedFd,
}

impl Gate {
    /// Makes the gate of a new container.
    pub fn make(container: &Container) -> Result<Self> {
        for name in [START, FAILURE] {
            mknodat(container.dir(), name, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
                .map_err(|e| failed("make", container, name, e))?;
        }
        // For reading and writing, or the reader would see the end as soon as the writer of the first
        // byte is gone, and opening would wait for the other side.
        let both = |name| {
            openat(container.dir(), name, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
                .map_err(|e| failed("open", container, name, e))
        };
        Ok(Self { start: both(START)?, failure: both(FAILURE)? })
    }

    /// Where it reads its byte.
    pub fn start(&self) -> BorrowedFd<'_> {
        self.start.as_fd()
    }

    /// Where it writes why the program could not be executed.
    pub fn failure(&self) -> BorrowedFd<'_> {
        self.failure.as_fd()
    }
}

/// Tells whether a container's first process still waits.
pub fn is_closed(container: &Container) -> Result<bool> {
    Ok(opener(container)?.is_some())
}

/// The writer of the byte; `None` if nobody reads.
fn opener(container: &Container) -> Result<Option<OwnedFd>> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match openat(container.dir(), START, flags, Mode::empty()) {
        Ok(fd) => Ok(Some(fd)),
        // No reader (fifo(7)), or the container was made by `run` and has no gate.
        Err(Errno::NXIO | Errno::NOENT) => Ok(None),
        Err(e) => Err(failed("open", container, START, e)),
    }
}

/// Lets the first process go on, and waits until its program runs.
///
/// # Errors
/// Step and errno of what failed; `Conflict` if nobody waits.
pub fn open(container: &Container) -> Result<Result<(), (u32, i32)>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let report = openat(container.dir(), FAILURE, flags, Mode::empty())
        .map_err(|e| failed("open", container, FAILURE, e))?;
    let Some(opener) = opener(container)? else {
        return Err(Error::new(Kind::Conflict, "cannot start an already running container"));
    };
    match rustix::io::write(&opener, &[1]) {
        // It has ended since: the report says why, or nothing.
        Ok(_) | Err(Errno::PIPE) => {}
        Err(e) => return Err(failed("write", container, START, e)),
    }
    drop(opener);
    verdict(&report).map_err(|e| failed("read", container, FAILURE, e))
}

/// Eight bytes, step and errno, or the end of file when the program runs.
fn verdict(report: &OwnedFd) -> Result<Result<(), (u32, i32)>, Errno> {
    let mut bytes = [0; 8];
    loop {
        match poll(&mut [PollFd::new(report, PollFlags::IN)], None) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        match rustix::io::read(report, &mut bytes) {
            Err(Errno::INTR | Errno::AGAIN) => {}
            Ok(8) => {
                let [a, b, c, d, errno @ ..] = bytes;
                return Ok(Err((u32::from_ne_bytes([a, b, c, d]), i32::from_ne_bytes(errno))));
            }
            Ok(_) => return Ok(Ok(())),
            Err(e) => return Err(e),
        }
    }
}

fn failed(verb: &'static str, container: &Container, name: &str, errno: Errno) -> Error {
    Error::io(format!("{verb} {:?}", container.path().join(name)), errno)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Root;

    #[test]
    fn the_kernel_tells_whether_somebody_waits() {
        let dir = tempfile::tempdir().unwrap();
        let container = Root::new(dir.path().to_owned()).claim("a").unwrap();
        assert!(!is_closed(&container).unwrap());
        let gate = Gate::make(&container).unwrap();
        assert!(is_closed(&container).unwrap());
        drop(gate);
        assert!(!is_closed(&container).unwrap());
        assert_eq!(open(&container).unwrap_err().kind(), Kind::Conflict);
    }

    #[test]
    fn whoever_opens_hears_what_became_of_the_program() {
        for errno in [None, Some(2)] {
            let dir = tempfile::tempdir().unwrap();
            let container = Root::new(dir.path().to_owned()).claim("a").unwrap();
            let gate = Gate::make(&container).unwrap();
            let waiting = std::thread::spawn(move || {
                let mut byte = [0];
                assert_eq!(rustix::io::read(gate.start(), &mut byte), Ok(1));
                if let Some(errno) = errno {
                    let mut report = u32::MAX.to_ne_bytes().to_vec();
                    report.extend(i32::to_ne_bytes(errno));
                    rustix::io::write(gate.failure(), &report).unwrap();
                }
            });
            let heard = open(&container).unwrap();
            assert_eq!(heard.err(), errno.map(|errno| (u32::MAX, errno)));
            waiting.join().unwrap();
        }
    }
}
