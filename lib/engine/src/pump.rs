//! Copies bytes between descriptors without ever waiting for either: a slow reader stops the
//! reading (back-pressure), and nothing is held but one buffer.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;

/// One read at most. Small, since a monitor lives as long as its container.
const BUFFER: usize = 16 << 10;

/// A write of this size to a pipe that polls writable does not block (`PIPE_BUF`, pipe(7)).
const SAFE_WRITE: usize = 4096;

/// One direction of copying.
#[derive(Debug)]
pub(crate) struct Pump {
    from: Option<OwnedFd>,
    to: Option<OwnedFd>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// What `drain` found and the destination has not taken yet.
    tail: Vec<u8>,
}

impl Pump {
    /// Copies from `from` to `to`; without `to`, bytes only pass by.
    pub(crate) fn new(from: OwnedFd, to: Option<OwnedFd>) -> Self {
        Self {
            from: Some(from),
            to,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            tail: Vec::new(),
        }
    }

    /// What to poll for; `None` when all is copied and the source has ended.
    pub(crate) fn interest(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match (&self.to, &self.from) {
            (Some(to), _) if self.start < self.end => Some((to.as_fd(), PollFlags::OUT)),
            (_, Some(from)) => Some((from.as_fd(), PollFlags::IN)),
            _ => None,
        }
    }

    /// Does what the poll found possible. Bytes that were read are shown to `seen`.
    pub(crate) fn step(&mut self, mut seen: impl FnMut(&[u8])) {
        if self.start < self.end && self.to.is_some() {
            self.write();
        } else if self.read() {
            seen(self.buffer.get(self.start..self.end).unwrap_or_default());
            // Most of the time the reader is ready: one poll less.
            if self.to.is_none() {
                self.start = self.end;
            }
        }
    }

    /// Stops writing to the destination; bytes still pass by.
    pub(crate) fn detach(&mut self) {
        self.to = None;
        self.start = self.end;
    }

    /// Takes all that the source still holds, without waiting for more of it nor for the
    /// destination. Bounded by what a pipe holds, since the writers have ended.
    pub(crate) fn drain(&mut self, mut seen: impl FnMut(&[u8])) {
        let pending = self.buffer.get(self.start..self.end).unwrap_or_default().to_vec();
        self.tail.extend_from_slice(&pending);
        while self.read() {
            let bytes = self.buffer.get(self.start..self.end).unwrap_or_default();
            seen(bytes);
            self.tail.extend_from_slice(bytes);
        }
        (self.start, self.end, self.from) = (0, 0, None);
    }

    /// Gives the destination what is left, waiting for it.
    pub(crate) fn finish(self) {
        let Some(to) = self.to else { return };
        let mut rest = self.tail.as_slice();
        while !rest.is_empty() {
            match rustix::io::write(&to, rest) {
                Ok(n) => rest = rest.get(n..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(_) => return, // the reader has gone, and with it the wish to read
            }
        }
    }

    /// Returns whether the source has ended.
    pub(crate) const fn is_done(&self) -> bool {
        self.from.is_none() && (self.start == self.end || self.to.is_none())
    }

    /// Reads once; returns whether there was something.
    fn read(&mut self) -> bool {
        let Some(from) = &self.from else { return false };
        match rustix::io::read(from, &mut *self.buffer) {
            Ok(0) => self.from = None,
            Ok(n) => {
                self.start = 0;
                self.end = n;
                return true;
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            // A terminal whose last user has gone reads as EIO (pty(7)); nothing else can be
            // done about any other error than to take it as the end.
            Err(_) => self.from = None,
        }
        if self.from.is_none() && self.tail.is_empty() && self.start == self.end {
            self.to = None; // the reader sees the end too
        }
        false
    }

    fn write(&mut self) {
        let Some(to) = &self.to else { return };
        let chunk = self.buffer.get(self.start..self.end).unwrap_or_default();
        let chunk = chunk.get(..SAFE_WRITE).unwrap_or(chunk);
        match rustix::io::write(to, chunk) {
            Ok(n) => self.start += n,
            Err(Errno::INTR | Errno::AGAIN) => {}
            // The reader has gone: let the writer know in the way of pipes, by closing ours.
            Err(_) => {
                self.to = None;
                self.from = None;
            }
        }
        if self.from.is_none() && self.is_done() {
            self.to = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::pipe;

    #[test]
    fn a_pump_copies_all_and_passes_on_the_end() {
        let (source, writer) = pipe().unwrap();
        let (reader, sink) = pipe().unwrap();
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
        let (source, writer) = pipe().unwrap();
        let (reader, sink) = pipe().unwrap();
        drop(reader);
        rustix::io::write(&writer, b"hello").unwrap();
        let mut pump = Pump::new(source, Some(sink));
        pump.step(|_| {});
        pump.step(|_| {});
        assert!(pump.is_done());
        assert_eq!(rustix::io::write(&writer, b"more"), Err(Errno::PIPE));
    }
}
