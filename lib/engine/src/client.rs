//! The tool in the foreground: a client of the monitor that passes on signals and input.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, poll};
use types::{Error, Kind, Result};

use crate::session::{Session, Wish};
use crate::start::{Attach, Outcome};
use crate::wire::{self, Order, Report, Wire};

/// How it went.
pub(crate) enum End {
    /// As the monitor said.
    Known(Outcome),
    /// The program was started, and then there was no monitor any more.
    Abandoned,
}

/// Stays with a start until it is over for the tool.
#[inline(never)] // its buffers, 32 KiB, would be in the frame that the monitor waits in
pub(crate) fn follow(
    wire: &Wire,
    monitor: i32,
    attach: &Attach,
    stdin: Option<OwnedFd>,
    terminal: Option<OwnedFd>,
) -> Result<End> {
    let Attach::Foreground { stdin: wants_stdin, detach_keys } = attach else {
        return Ok(End::Known(match wire.next_report() {
            Some(Report::Started) => Outcome::Started,
            other => failed(other),
        }));
    };
    let mut session = Session::begin(*wants_stdin, detach_keys, terminal, stdin)?;
    let end = converse(wire, &mut session);
    drop(session); // the terminal is the user's again
    // After a failure nothing may be going on any more. After an end only files are being deleted,
    // which need not hold up the user.
    if matches!(end, End::Known(Outcome::Failed(..)) | End::Abandoned) {
        // It may be that we only cannot hear the monitor: then it is to end, and the container with it.
        wire.hang_up();
        sys::fork::reap(monitor);
    }
    Ok(end)
}

fn converse(wire: &Wire, session: &mut Session) -> End {
    let mut started = false;
    loop {
        let (report, signal, input) = wait(wire, session);
        for wish in session.advance(signal, input) {
            match wish {
                Wish::Signal(signal) => wire.order(Order::Signal(signal)),
                Wish::Leave => {
                    wire.order(Order::Detach);
                    return End::Known(Outcome::Left);
                }
            }
        }
        if report {
            match wire.next_report() {
                Some(Report::Started) => started = true,
                Some(Report::Exited(code)) => return End::Known(Outcome::Ended(code)),
                None if started => return End::Abandoned,
                Some(Report::Failed { text, hints, .. }) if started => {
                    return End::Known(Outcome::Abandoned(wire::error_of(text, hints)));
                }
                other => return End::Known(failed(other)),
            }
        }
    }
}

/// Waits for a report, a signal or input.
fn wait(wire: &Wire, session: &Session) -> (bool, bool, bool) {
    let stdin = io::stdin();
    let mut fds = vec![PollFd::from_borrowed_fd(wire.fd(), PollFlags::IN)];
    fds.extend(session.interests(&stdin));
    while poll(&mut fds, None).is_err() {} // EINTR
    let is_ready = |n: usize| fds.get(n).is_some_and(|fd| !fd.revents().is_empty());
    (is_ready(0), is_ready(1), is_ready(2))
}

fn failed(report: Option<Report>) -> Outcome {
    match report {
        Some(Report::Failed { status, text, hints }) => Outcome::Failed(status, wire::error_of(text, hints)),
        _ => {
            let err = Error::new(Kind::Io, "its monitor was killed");
            Outcome::Failed(125, err.hint("ctr-ls -a shows what became of the container"))
        }
    }
}
