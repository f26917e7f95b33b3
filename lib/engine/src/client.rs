//! The tool in the foreground: a client of the monitor that passes on signals and input.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use types::{Context, Error, Kind, Result};

use crate::forward_signals::Signals;
use crate::keys::Keys;
use crate::start::{Attach, Outcome};
use crate::tty::{self, Raw};
use crate::wire::{self, Order, Report, Wire};

/// Stays with a start until it is over for the tool.
pub(crate) fn follow(
    wire: &Wire,
    monitor: i32,
    attach: &Attach,
    stdin: Option<OwnedFd>,
    terminal: Option<OwnedFd>,
) -> Result<Outcome> {
    let Attach::Foreground { stdin: wants_stdin, detach_keys } = attach else {
        return Ok(match wire.next_report() {
            Some(Report::Started) => Outcome::Started,
            Some(Report::Failed { status, text, hints }) => Outcome::Failed(status, wire::error_of(text, hints)),
            Some(Report::Exited(_)) | None => Outcome::Failed(125, monitor_died()),
        });
    };
    let signals = Signals::take().context("take signals")?;
    let raw = if terminal.is_some() && *wants_stdin { Raw::enter() } else { None };
    let input = match (terminal.as_ref(), stdin) {
        (Some(terminal), _) if *wants_stdin => Some(terminal.try_clone().context("duplicate the terminal")?),
        (None, Some(pipe)) if *wants_stdin => Some(pipe),
        _ => None,
    };
    let mut session = Session { wire, signals, terminal, input: input.map(Input::new).transpose()?, keys: Keys::new(detach_keys) };
    let outcome = session.run();
    drop(raw);
    if !matches!(outcome, Outcome::Left) {
        sys::process::reap(monitor);
    }
    Ok(outcome)
}

struct Session<'w> {
    wire: &'w Wire,
    signals: Signals,
    terminal: Option<OwnedFd>,
    input: Option<Input>,
    keys: Keys,
}

impl Session<'_> {
    fn run(&mut self) -> Outcome {
        loop {
            let ready = self.wait();
            if ready.signal {
                self.pass_on_signals();
            }
            if ready.input && self.pass_on_input() {
                self.wire.order(Order::Detach);
                return Outcome::Left;
            }
            if ready.report {
                match self.wire.next_report() {
                    Some(Report::Started) => {}
                    Some(Report::Exited(code)) => return Outcome::Ended(code),
                    Some(Report::Failed { status, text, hints }) => {
                        return Outcome::Failed(status, wire::error_of(text, hints));
                    }
                    None => return Outcome::Failed(125, monitor_died()),
                }
            }
        }
    }

    fn wait(&self) -> Ready {
        let mut fds = vec![
            PollFd::new(self.wire_fd(), PollFlags::IN),
            PollFd::new(&self.signals, PollFlags::IN),
        ];
        let stdin = io::stdin();
        if let Some(input) = &self.input {
            fds.push(input.interest(&stdin));
        }
        while poll(&mut fds, None).is_err() {} // EINTR
        let is_ready = |n: usize| fds.get(n).is_some_and(|fd| !fd.revents().is_empty());
        Ready { report: is_ready(0), signal: is_ready(1), input: is_ready(2) }
    }

    fn wire_fd(&self) -> &Wire {
        self.wire
    }

    fn pass_on_signals(&self) {
        while let Some(signal) = self.signals.next() {
            match &self.terminal {
                Some(terminal) if signal == libc::SIGWINCH => tty::resize(terminal),
                _ => self.wire.order(Order::Signal(signal)),
            }
        }
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

struct Ready {
    report: bool,
    signal: bool,
    input: bool,
}

enum Step {
    More,
    End,
    Leave,
}

/// Standard input on its way into the container.
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
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return Step::More,
                Err(_) => return Step::End,
            }
        }
        match rustix::io::write(&self.to, &self.pending) {
            Ok(n) => drop(self.pending.drain(..n)),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => return Step::End, // the program has closed its standard input
        }
        Step::More
    }
}

fn monitor_died() -> Error {
    Error::new(Kind::Io, "its monitor was killed").hint("ctr-ls -a shows what became of the container")
}
