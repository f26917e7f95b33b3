//! A request to stop, for tools that have something to put away first.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Exit;

/// Whether SIGINT, SIGTERM or SIGHUP has come. A second one ends the process at once.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    stop: Arc<AtomicBool>,
    signal: Arc<AtomicI32>,
}

impl Interrupt {
    /// Begins to watch. To be called before a tool starts threads.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn watch() -> anyhow::Result<Self> {
        Self::watch_and(|| {})
    }

    /// The same, and tells `then`: for what waits and looks at nothing.
    ///
    /// # Errors
    /// As [`Interrupt::watch`].
    pub fn watch_and(then: impl FnOnce() + Send + 'static) -> anyhow::Result<Self> {
        let interrupt = Self::default();
        let told = interrupt.clone();
        sys::signal::on_request_to_stop(move |signal| {
            told.signal.store(signal, Ordering::Relaxed);
            told.stop.store(true, Ordering::Relaxed);
            then();
        })?;
        Ok(interrupt)
    }

    /// What a library looks at now and then.
    #[must_use]
    pub fn flag(&self) -> &AtomicBool {
        &self.stop
    }

    /// What comes in on stdin, until the request to stop: whoever writes it may take his time.
    ///
    /// # Errors
    /// If stdin is closed.
    pub fn stdin(&self) -> io::Result<impl Read> {
        Ok(Stdin { file: File::from(io::stdin().as_fd().try_clone_to_owned()?), interrupt: self.clone() })
    }

    /// The same for a file.
    pub fn reads(&self, file: File) -> impl Read {
        Stdin { file, interrupt: self.clone() }
    }

    /// How the tool ends whose work has come to this: as [`Interrupt::exit`] says also if the work has failed,
    /// since it failed because of that.
    ///
    /// # Errors
    /// Those of the work.
    pub fn finish(&self, outcome: anyhow::Result<Exit>) -> anyhow::Result<Exit> {
        match outcome {
            Err(err) if self.stop.load(Ordering::Relaxed) => {
                crate::report(&err);
                Ok(self.exit(Exit::Failed))
            }
            other => Ok(self.exit(other?)),
        }
    }

    /// How the tool ends: 128 and the signal's number if it was stopped.
    #[must_use]
    pub fn exit(&self, otherwise: Exit) -> Exit {
        match u8::try_from(self.signal.load(Ordering::Relaxed)) {
            Ok(signal @ 1..=64) => Exit::Status(128 + signal),
            _ => otherwise,
        }
    }
}

struct Stdin {
    file: File,
    interrupt: Interrupt,
}

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The signal comes to a thread of its own, and does not end a read.
        const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        loop {
            if self.interrupt.stop.load(Ordering::Relaxed) {
                return Err(io::Error::other("interrupted"));
            }
            match poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&LOOK)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return self.file.read(buffer),
                Err(e) => return Err(e.into()),
            }
        }
    }
}
