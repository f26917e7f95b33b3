//! Copies bytes between descriptors without ever waiting for either: a slow reader stops the
//! reading (back-pressure), and what it has not taken yet is all that is held.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;
use types::Error;

/// One read at most. On the stack and not held: a monitor waits as long as its container lives,
/// and its memory counts for every container.
const BUFFER: usize = 16 << 10;

/// A write of this size to a pipe that polls writable does not block (`PIPE_BUF`, pipe(7)).
const SAFE_WRITE: usize = 4096;

/// One direction of copying.
#[derive(Debug)]
pub(crate) struct Pump {
    from: Option<OwnedFd>,
    to: Option<OwnedFd>,
    /// What was read and not written yet, from `start` on.
    pending: Vec<u8>,
    start: usize,
    /// The source is a terminal.
    terminal: bool,
    /// Why the source could not be read to its end.
    unread: Option<Errno>,
    /// Why bytes did not reach somebody who wanted them, such as a full disk.
    lost: Option<Errno>,
}

impl Pump {
    /// Copies from `from` to `to`; without `to`, bytes only pass by. `from` does not block.
    pub(crate) fn new(from: OwnedFd, to: Option<OwnedFd>) -> Self {
        let (pending, start, terminal) = (Vec::new(), 0, false);
        Self { from: Some(from), to, pending, start, terminal, unread: None, lost: None }
    }

    /// The same for the master side of a terminal.
    pub(crate) fn of_terminal(from: OwnedFd, to: Option<OwnedFd>) -> Self {
        Self { terminal: true, ..Self::new(from, to) }
    }

    /// Why some of what was written never came to us.
    pub(crate) fn unread(&self) -> Option<Error> {
        self.unread.map(|errno| Error::io("read what it wrote", errno))
    }

    /// What to poll for; `None` when all is copied and the source has ended.
    pub(crate) fn interest(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match (&self.to, &self.from) {
            (Some(to), _) if !self.rest().is_empty() => Some((to.as_fd(), PollFlags::OUT)),
            (_, Some(from)) => Some((from.as_fd(), PollFlags::IN)),
            _ => None,
        }
    }

    /// Does what the poll found possible. Bytes that were read are shown to `seen`.
    pub(crate) fn step(&mut self, seen: impl FnMut(&[u8])) {
        if self.rest().is_empty() {
            self.read(seen);
        } else {
            self.write();
        }
        if self.rest().is_empty() {
            self.pending = Vec::new();
            self.start = 0;
            if self.from.is_none() {
                self.to = None; // the reader sees the end too
            }
        }
    }

    /// Stops writing to the destination; bytes still pass by.
    pub(crate) fn detach(&mut self) {
        self.to = None;
        self.pending = Vec::new();
        self.start = 0;
    }

    /// Takes all that the source still holds, without waiting for more of it nor for the
    /// destination. Bounded by what a pipe holds, since the writers have ended.
    pub(crate) fn drain(&mut self, mut seen: impl FnMut(&[u8])) {
        while self.read(&mut seen) {}
        self.from = None;
    }

    /// Gives the destination what is left, waiting for it. Returns why something was lost on the way.
    pub(crate) fn finish(self) -> Option<Error> {
        let lost = self.write_rest().or(self.lost);
        self.unread().or_else(|| lost.map(|errno| Error::io("pass on what it wrote", errno)))
    }

    fn write_rest(&self) -> Option<Errno> {
        let to = self.to.as_ref()?;
        let mut rest = self.rest();
        while !rest.is_empty() {
            match rustix::io::write(to, rest) {
                Ok(n) => rest = rest.get(n..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(e) => return loss(e),
            }
        }
        None
    }

    fn rest(&self) -> &[u8] {
        self.pending.get(self.start..).unwrap_or_default()
    }

    /// Reads once; returns whether there was something. Not inlined: whoever waits in a loop around it
    /// would have the buffer, and touch it, all the time.
    #[inline(never)]
    fn read(&mut self, mut seen: impl FnMut(&[u8])) -> bool {
        let Some(from) = &self.from else { return false };
        let mut buffer = [0; BUFFER];
        match rustix::io::retry_on_intr(|| rustix::io::read(from, &mut buffer)) {
            Ok(0) => self.from = None,
            Ok(n) => {
                let bytes = buffer.get(..n).unwrap_or_default();
                seen(bytes);
                if self.to.is_some() {
                    self.pending.extend_from_slice(bytes);
                }
                return true;
            }
            Err(Errno::AGAIN) => {}
            // A terminal whose last user has gone reads as EIO (pty(7)).
            Err(Errno::IO) if self.terminal => self.from = None,
            // There is no more to be had, but this is no end: it is said wherever the end is.
            Err(e) => {
                self.unread = Some(e);
                self.from = None;
            }
        }
        false
    }

    fn write(&mut self) {
        let Some(to) = &self.to else { return };
        let rest = self.rest();
        match rustix::io::write(to, rest.get(..SAFE_WRITE).unwrap_or(rest)) {
            Ok(n) => self.start += n,
            Err(Errno::INTR | Errno::AGAIN) => {}
            // The reader has gone: let the writer know in the way of pipes, by closing ours.
            Err(e) => {
                self.lost = loss(e);
                self.detach();
                self.from = None;
            }
        }
    }
}

/// A reader that has gone wanted no more.
fn loss(errno: Errno) -> Option<Errno> {
    (errno != Errno::PIPE).then_some(errno)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe, pipe_with};

    fn source() -> (OwnedFd, OwnedFd) {
        pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap()
    }

    #[test]
    fn a_pump_copies_all_and_passes_on_the_end() {
        let ((source, writer), (reader, sink)) = (source(), pipe().unwrap());
        rustix::io::write(&writer, b"hello").unwrap();
        drop(writer);
        let mut pump = Pump::new(source, Some(sink));
        let mut seen = Vec::new();
        while pump.interest().is_some() {
            pump.step(|bytes| seen.extend_from_slice(bytes));
        }
        assert_eq!(seen, b"hello");
        let mut out = [0; 16];
        assert_eq!(rustix::io::read(&reader, &mut out), Ok(5));
        assert_eq!(rustix::io::read(&reader, &mut out), Ok(0));
    }

    #[test]
    fn a_reader_that_went_away_closes_the_source() {
        let ((source, writer), (reader, sink)) = (source(), pipe().unwrap());
        drop(reader);
        rustix::io::write(&writer, b"hello").unwrap();
        let mut pump = Pump::new(source, Some(sink));
        pump.step(|_| {});
        pump.step(|_| {});
        assert!(pump.interest().is_none());
        assert_eq!(rustix::io::write(&writer, b"more"), Err(Errno::PIPE));
    }

    #[test]
    fn what_does_not_reach_somebody_is_told_of() {
        let full = || rustix::fs::open("/dev/full", rustix::fs::OFlags::WRONLY, rustix::fs::Mode::empty());
        for by_steps in [true, false] {
            let (source, writer) = source();
            rustix::io::write(&writer, b"hello").unwrap();
            let mut pump = Pump::new(source, Some(full().unwrap()));
            pump.step(|_| {}); // read, not written yet
            if by_steps {
                pump.step(|_| {});
            }
            assert_eq!(said(pump), Some("pass on what it wrote: no space left on device".to_owned()));
        }
    }

    fn said(pump: Pump) -> Option<String> {
        pump.finish().as_ref().map(crate::wire::text_of)
    }

    #[test]
    fn what_cannot_be_read_is_no_end() {
        // A directory opens for reading, and reads as EISDIR.
        let source = || rustix::fs::open("/", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
        let mut pump = Pump::new(source(), None);
        pump.step(|_| {});
        assert!(pump.interest().is_none());
        assert_eq!(said(pump), Some("read what it wrote: is a directory".to_owned()));
        let mut pump = Pump::of_terminal(source(), None);
        pump.drain(|_| {});
        assert!(pump.unread().is_some(), "only EIO is the end of a terminal");
    }

    #[test]
    fn what_is_left_at_the_end_reaches_log_and_reader() {
        let ((source, writer), (reader, sink)) = (source(), pipe().unwrap());
        rustix::io::write(&writer, b"one").unwrap();
        let mut pump = Pump::new(source, Some(sink));
        pump.step(|_| {}); // read, not written yet
        rustix::io::write(&writer, b"two").unwrap();
        let mut seen = Vec::new();
        pump.drain(|bytes| seen.extend_from_slice(bytes));
        assert_eq!(said(pump), None);
        assert_eq!(seen, b"two");
        let mut out = [0; 16];
        assert_eq!(rustix::io::read(&reader, &mut out), Ok(6));
    }
}
