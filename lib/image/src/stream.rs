//! A blob that is read while it arrives: the download writes a file, the unpacker follows it.
//!
//! So a download never waits for a slow unpacker, an unpacker that starts late finds what has
//! arrived, and a broken connection is taken up without the unpacker noticing.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The state of a download.
#[derive(Debug, Default)]
struct State {
    file: Option<Arc<File>>,
    /// Bytes that can be read.
    ready: u64,
    /// Nothing more will come.
    ended: bool,
    /// What has come is right.
    verified: bool,
}

/// A download that can be followed.
#[derive(Debug)]
pub(crate) struct Stream {
    size: u64,
    state: Mutex<State>,
    changed: Condvar,
}

impl Stream {
    pub(crate) fn new(size: u64) -> Self {
        Self { size, state: Mutex::default(), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is plain numbers, right after each statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes will be in this file.
    pub(crate) fn open(&self, file: File, ready: u64) {
        let mut state = self.state();
        state.file = Some(Arc::new(file));
        state.ready = ready;
        self.changed.notify_all();
    }

    /// So many bytes can be read now. May go back, if a download has to begin again.
    pub(crate) fn advance(&self, ready: u64) {
        self.state().ready = ready;
        self.changed.notify_all();
    }

    /// Nothing more will come.
    pub(crate) fn end(&self, verified: bool) {
        let mut state = self.state();
        (state.ended, state.verified) = (true, verified);
        self.changed.notify_all();
    }

    /// Waits for the end. Returns whether what came was right.
    pub(crate) fn wait(&self) -> bool {
        let mut state = self.state();
        while !state.ended {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.verified
    }

    /// A reader from the beginning.
    pub(crate) const fn follow(&self) -> Follower<'_> {
        Follower { stream: self, at: 0, cancelled: &|| false }
    }

    /// The same, which ends with an error when `cancelled` says so.
    pub(crate) const fn follow_until<'s>(&'s self, cancelled: &'s (dyn Fn() -> bool + Sync)) -> Follower<'s> {
        Follower { stream: self, at: 0, cancelled }
    }
}

/// Reads a blob that is still arriving.
pub(crate) struct Follower<'s> {
    stream: &'s Stream,
    at: u64,
    cancelled: &'s (dyn Fn() -> bool + Sync),
}

impl Read for Follower<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.stream.size || buf.is_empty() {
            return Ok(0);
        }
        if (self.cancelled)() {
            return Err(io::Error::other("cancelled"));
        }
        let mut state = self.stream.state();
        let (file, ready) = loop {
            if let Some(file) = state.file.as_ref().filter(|_| state.ready > self.at) {
                break (Arc::clone(file), state.ready);
            }
            if state.ended {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the download ended early"));
            }
            state = self.stream.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        drop(state);
        let room = usize::try_from(ready - self.at).unwrap_or(usize::MAX).min(buf.len());
        let n = file.read_at(buf.get_mut(..room).unwrap_or_default(), self.at)?;
        self.at += n as u64;
        if n == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the blob is shorter than it was"));
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_reader_waits_for_what_has_not_arrived() {
        let mut file = tempfile::tempfile().expect("tempfile");
        let stream = Stream::new(6);
        std::thread::scope(|s| {
            let reader = s.spawn(|| io::read_to_string(stream.follow()));
            stream.open(file.try_clone().expect("clone"), 0);
            file.write_all(b"abc").expect("write");
            stream.advance(3);
            std::thread::sleep(std::time::Duration::from_millis(20));
            stream.advance(0); // began again
            file.write_all(b"def").expect("write");
            stream.advance(6);
            stream.end(true);
            assert_eq!(reader.join().expect("join").expect("read"), "abcdef");
        });
        assert!(stream.wait());
    }

    #[test]
    fn a_download_that_fails_ends_its_reader() {
        let stream = Stream::new(6);
        stream.end(false);
        assert!(io::read_to_string(stream.follow()).is_err());
    }
}
