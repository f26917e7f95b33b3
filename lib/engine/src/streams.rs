//! The standard streams of a program: its ends, and ours.
//!
//! A program never gets a descriptor of the caller's own: through `/proc/self/fd` it could open
//! the file behind it again, for writing, and on the caller's terminal it could push characters
//! into the caller's shell. It gets pipes or a terminal of its own, and we copy.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use runtime::Console;
use rustix::fs::{Gid, Mode, OFlags, Uid, fchown};
use rustix::pipe::{PipeFlags, pipe_with};
use store::Stream;
use types::{Context, Error, Result};

use crate::pump::Pump;

/// All ends.
pub(crate) struct Streams {
    /// The terminal, if there is one.
    pub(crate) console: Option<Console>,
    /// What the program writes, on its way to us.
    pub(crate) outputs: Vec<(Stream, Pump)>,
    /// Writes to the program's standard input.
    pub(crate) input: Option<OwnedFd>,
    theirs: [OwnedFd; 3],
    /// How many of `theirs`, from the end, are pipes of ours.
    pipes: usize,
}

impl Streams {
    /// Pipes; without `stdin` nothing to read.
    pub(crate) fn pipes(stdin: bool, foreground: bool) -> Result<Self> {
        let (read, input) = if stdin {
            let (read, write) = pipe()?;
            (read, Some(write))
        } else {
            (dev_null()?, None)
        };
        let ((out, stdout), (err, stderr)) = (pipe()?, pipe()?);
        let to_stdout = foreground.then(|| std::io::stdout().as_fd().try_clone_to_owned());
        let to_stderr = foreground.then(|| std::io::stderr().as_fd().try_clone_to_owned());
        let outputs = vec![
            (Stream::Stdout, Pump::new(unblocked(out)?, copy(to_stdout)?)),
            (Stream::Stderr, Pump::new(unblocked(err)?, copy(to_stderr)?)),
        ];
        let pipes = if stdin { 3 } else { 2 };
        Ok(Self { console: None, outputs, input, theirs: [read, stdout, stderr], pipes })
    }

    /// A terminal.
    pub(crate) fn terminal(console: Console, foreground: bool) -> Result<Self> {
        let end = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().context("duplicate the terminal");
        let theirs = [end(console.slave())?, end(console.slave())?, end(console.slave())?];
        let to_stdout = foreground.then(|| std::io::stdout().as_fd().try_clone_to_owned());
        let outputs =
            vec![(Stream::Stdout, Pump::of_terminal(unblocked(end(console.master())?)?, copy(to_stdout)?))];
        Ok(Self { console: Some(console), outputs, input: None, theirs, pipes: 0 })
    }

    /// Nothing to read, and nobody who reads.
    pub(crate) fn none() -> Result<Self> {
        let theirs = [dev_null()?, dev_null()?, dev_null()?];
        Ok(Self { console: None, outputs: Vec::new(), input: None, theirs, pipes: 0 })
    }

    /// The program's ends.
    pub(crate) fn theirs(&self) -> [BorrowedFd<'_>; 3] {
        self.theirs.each_ref().map(AsFd::as_fd)
    }

    /// Makes the pipes the user's own, so that a program that is not root can open `/dev/stdout`.
    /// `/dev/null` is the host's and is left alone.
    pub(crate) fn give_to(&self, uid: u32, gid: u32) -> Result<()> {
        for pipe in self.theirs.iter().rev().take(self.pipes) {
            fchown(pipe, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
                .map_err(|e| Error::io("give a pipe to the user", e))?;
        }
        Ok(())
    }

    /// Keeps what the program writes, and what writes to it; closes the program's ends.
    pub(crate) fn part(self) -> (Vec<(Stream, Pump)>, Option<OwnedFd>) {
        (self.outputs, self.input)
    }

    /// Our ends for the user's side: the terminal, and the pipe of standard input.
    pub(crate) fn user_ends(&self) -> Result<(Option<OwnedFd>, Option<OwnedFd>)> {
        let terminal = self.console.as_ref().map(|console| console.master().try_clone_to_owned());
        let input = self.input.as_ref().map(OwnedFd::try_clone);
        Ok((
            terminal.transpose().context("duplicate the terminal")?,
            input.transpose().context("duplicate a pipe")?,
        ))
    }
}

/// The reading side of an output does not block, so that what is left can be taken without waiting
/// for more.
fn unblocked(from: OwnedFd) -> Result<OwnedFd> {
    rustix::io::ioctl_fionbio(&from, true).map_err(|e| Error::io("make a pipe non-blocking", e))?;
    Ok(from)
}

fn copy(to: Option<std::io::Result<OwnedFd>>) -> Result<Option<OwnedFd>> {
    to.transpose().context("duplicate an output")
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    pipe_with(PipeFlags::CLOEXEC).map_err(|e| Error::io("make a pipe", e))
}

fn dev_null() -> Result<OwnedFd> {
    rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| Error::io("open \"/dev/null\"", e))
}
