//! Staying with a program: its terminal, its signals, its end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use runtime::{Exit, Process};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};
use types::{Error, Result};

use crate::signals::Signals;

/// Passes signals on, and with a terminal what is typed and shown, until the program ends.
pub fn follow(process: &Process, signals: &Signals, master: Option<OwnedFd>) -> Result<Exit> {
    let mut relay = master.map(Relay::new).transpose()?;
    if let Some(relay) = &relay {
        relay.resize();
    }
    loop {
        let ready = wait(process, signals, relay.as_ref())?;
        while let Some(signal) = signals.next() {
            match (&relay, signal) {
                (Some(relay), libc::SIGWINCH) => relay.resize(),
                // It may have ended meanwhile.
                _ => drop(process.signal(signal)),
            }
        }
        if let Some(relay) = &mut relay {
            relay.advance(&ready);
        }
        if ready.ended {
            break;
        }
    }
    if let Some(relay) = &mut relay {
        relay.drain();
    }
    process.wait()
}

/// What can be done now.
struct Ready {
    ended: bool,
    typed: bool,
    shown: bool,
}

fn wait(process: &Process, signals: &Signals, relay: Option<&Relay>) -> Result<Ready> {
    let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
    let mut fds = vec![PollFd::from_borrowed_fd(process.pidfd(), PollFlags::IN)];
    fds.push(PollFd::from_borrowed_fd(signals.fd(), PollFlags::IN));
    // A descriptor that nothing is asked of would still report a hang-up, again and again.
    let mut at = [usize::MAX; 4];
    for (slot, (fd, flags)) in at.iter_mut().zip(interests(relay, stdin.as_fd(), stdout.as_fd())) {
        if !flags.is_empty() {
            *slot = fds.len();
            fds.push(PollFd::from_borrowed_fd(fd, flags));
        }
    }
    loop {
        match poll(&mut fds, None) {
            Err(Errno::INTR) => {}
            done => break done.map(drop).map_err(|e| Error::io("wait for program", e))?,
        }
    }
    let is_ready = |n: usize| fds.get(n).is_some_and(|fd| !fd.revents().is_empty());
    let [from_user, to_program, from_program, to_user] = at.map(is_ready);
    Ok(Ready { ended: is_ready(0), typed: from_user || to_program, shown: from_program || to_user })
}

fn interests<'a>(
    relay: Option<&'a Relay>,
    stdin: BorrowedFd<'a>,
    stdout: BorrowedFd<'a>,
) -> Vec<(BorrowedFd<'a>, PollFlags)> {
    let Some(relay) = relay else { return Vec::new() };
    let master = relay.master.as_fd();
    let when = |yes: bool, flags| if yes { flags } else { PollFlags::empty() };
    vec![
        (stdin, when(relay.typed.wants_more(), PollFlags::IN)),
        (master, when(relay.typed.has_some(), PollFlags::OUT)),
        (master, when(relay.shown.wants_more(), PollFlags::IN)),
        (stdout, when(relay.shown.has_some(), PollFlags::OUT)),
    ]
}

/// A terminal of a program, connected to the one of this process.
struct Relay {
    master: OwnedFd,
    typed: Flow,
    shown: Flow,
    /// How the user's terminal was before.
    before: Option<Termios>,
}

impl Relay {
    fn new(master: OwnedFd) -> Result<Self> {
        let failed = |e| Error::io("connect terminal", e);
        let flags = fcntl_getfl(&master).map_err(failed)?;
        // A program that does not read must not keep us from showing what it writes.
        fcntl_setfl(&master, flags | OFlags::NONBLOCK).map_err(failed)?;
        let stdin = std::io::stdin();
        let before = if isatty(&stdin) { Some(tcgetattr(&stdin).map_err(failed)?) } else { None };
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.make_raw();
            tcsetattr(&stdin, OptionalActions::Now, &raw).map_err(failed)?;
        }
        Ok(Self { master, typed: Flow::default(), shown: Flow::default(), before })
    }

    /// The program's terminal is as large as the user's.
    fn resize(&self) {
        if let Ok(size) = tcgetwinsize(std::io::stdin()) {
            // One that cannot be resized has gone.
            let _gone = tcsetwinsize(&self.master, size);
        }
    }

    fn advance(&mut self, ready: &Ready) {
        if ready.typed {
            self.typed.step(std::io::stdin().as_fd(), self.master.as_fd());
        }
        if ready.shown {
            self.shown.step(self.master.as_fd(), std::io::stdout().as_fd());
        }
    }

    /// What the program has written before its end.
    fn drain(&mut self) {
        while !self.shown.ended || self.shown.has_some() {
            let before = self.shown.pending.len();
            self.shown.step(self.master.as_fd(), std::io::stdout().as_fd());
            if self.shown.idle && self.shown.pending.len() == before {
                return;
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // A terminal that has gone needs nothing back.
            let _gone = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// One direction.
#[derive(Default)]
struct Flow {
    pending: Vec<u8>,
    ended: bool,
    /// Nothing could be read the last time.
    idle: bool,
}

impl Flow {
    const fn wants_more(&self) -> bool {
        !self.ended && self.pending.is_empty()
    }

    const fn has_some(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Reads what is there and writes what can be written. What nobody takes any more is dropped.
    fn step(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>) {
        let mut buffer = [0; 4096];
        self.idle = true;
        if self.wants_more() {
            match rustix::io::read(from, &mut buffer) {
                Ok(0) => self.ended = true,
                Ok(n) => {
                    self.pending.extend_from_slice(buffer.get(..n).unwrap_or_default());
                    self.idle = false;
                }
                Err(Errno::INTR | Errno::AGAIN) => {}
                // How a terminal ends whose last user has closed it.
                Err(_) => self.ended = true,
            }
        }
        match rustix::io::write(to, &self.pending) {
            Ok(n) => drop(self.pending.drain(..n)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => {
                self.pending.clear();
                self.ended = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_passes_everything_on_and_ends_with_its_source() {
        let (from, to_flow) = rustix::pipe::pipe().unwrap();
        let (from_flow, to) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&to_flow, b"hello").unwrap();
        drop(to_flow);
        let mut flow = Flow::default();
        while !flow.ended {
            flow.step(from.as_fd(), to.as_fd());
        }
        drop(to);
        let mut text = [0; 16];
        let n = rustix::io::read(&from_flow, &mut text).unwrap();
        assert_eq!(&text[..n], b"hello");
        assert!(!flow.has_some() && !flow.wants_more());
    }
}
