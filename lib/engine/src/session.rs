//! The user's side of a program that runs in the foreground: signals, terminal, standard input.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use types::{Context, Error, Result};

use crate::forward_signals::Signals;
use crate::keys::Keys;
use crate::tty::{self, Raw};

/// What the user does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A signal for the program.
    Signal(i32),
    /// To leave it running.
    Leave,
}

/// The user's side. The terminal is raw until this is dropped.
#[derive(Debug)]
pub(crate) struct Session {
    signals: Signals,
    terminal: Option<OwnedFd>,
    input: Option<Input>,
    keys: Keys,
    _raw: Option<Raw>,
}

impl Session {
    /// Takes signals, and with `wants_input` the terminal and standard input. `terminal` is our
    /// end of the program's terminal, `pipe` that of its standard input if it has no terminal.
    pub(crate) fn begin(
        wants_input: bool,
        detach_keys: &[u8],
        terminal: Option<OwnedFd>,
        pipe: Option<OwnedFd>,
    ) -> Result<Self> {
        let signals = Signals::take().context("take signals")?;
        let input = match (&terminal, pipe) {
            _ if !wants_input => None,
            (Some(terminal), _) => Some(terminal.try_clone().context("duplicate the terminal")?),
            (None, pipe) => pipe,
        };
        let raw = if terminal.is_some() && wants_input { Raw::enter() } else { None };
        let input = input.map(Input::new).transpose()?;
        Ok(Self { signals, terminal, input, keys: Keys::new(detach_keys), _raw: raw })
    }

    /// What to poll for: signals, and standard input or the room for it.
    pub(crate) fn interests<'a>(&'a self, stdin: &'a io::Stdin) -> impl Iterator<Item = PollFd<'a>> {
        let input = self.input.as_ref().map(|input| input.interest(stdin));
        std::iter::once(PollFd::new(&self.signals, PollFlags::IN)).chain(input)
    }

    /// Passes on what was typed, and collects signals.
    pub(crate) fn advance(&mut self, signal: bool, input: bool) -> Vec<Wish> {
        let mut wishes = Vec::new();
        while let Some(signal) = if signal { self.signals.next() } else { None } {
            match &self.terminal {
                Some(terminal) if signal == libc::SIGWINCH => tty::resize(terminal),
                _ => wishes.push(Wish::Signal(signal)),
            }
        }
        if input && self.pass_on_input() {
            wishes.push(Wish::Leave);
        }
        wishes
    }

    /// Returns whether the user asked to leave.
    fn pass_on_input(&mut self) -> bool {
        let Some(input) = &mut self.input else { return false };
        let keys = self.terminal.is_some().then_some(&mut self.keys);
        match input.step(keys) {
            Step::More => false,
            Step::Leave => true,
            Step::End => {
                self.input = None; // closes the pipe: the program sees the end
                false
            }
        }
    }
}

enum Step {
    More,
    End,
    Leave,
}

/// Standard input on its way into the container.
#[derive(Debug)]
struct Input {
    to: OwnedFd,
    pending: Vec<u8>,
}

impl Input {
    fn new(to: OwnedFd) -> Result<Self> {
        rustix::io::ioctl_fionbio(&to, true).map_err(|e| Error::io("make standard input non-blocking", e))?;
        Ok(Self { to, pending: Vec::new() })
    }

    fn interest<'a>(&'a self, stdin: &'a io::Stdin) -> PollFd<'a> {
        if self.pending.is_empty() {
            PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN)
        } else {
            PollFd::from_borrowed_fd(self.to.as_fd(), PollFlags::OUT)
        }
    }

    fn step(&mut self, keys: Option<&mut Keys>) -> Step {
        if self.pending.is_empty() {
            let mut buffer = [0; 32 << 10];
            // Not through std's buffer: what we do not pass on is not ours to take.
            match rustix::io::read(io::stdin(), &mut buffer) {
                Ok(0) => return Step::End,
                Ok(n) => {
                    let bytes = buffer.get(..n).unwrap_or_default();
                    match keys {
                        None => self.pending.extend_from_slice(bytes),
                        Some(keys) => {
                            if keys.pass(bytes, &mut self.pending) {
                                return Step::Leave;
                            }
                        }
                    }
                }
                Err(Errno::INTR | Errno::AGAIN) => return Step::More,
                Err(_) => return Step::End,
            }
        }
        match rustix::io::write(&self.to, &self.pending) {
            Ok(n) => drop(self.pending.drain(..n)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => return Step::End, // the program has closed its standard input
        }
        Step::More
    }
}
