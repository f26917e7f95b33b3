//! What a monitor and the tool that started it say to each other.
//!
//! A pair of sequenced-packet sockets: a message is one packet, whole or not at all, and the end
//! of the connection tells each that the other has gone (unix(7)).

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};
use types::{Error, Kind, Result};

/// From the monitor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// The program runs.
    Started,
    /// It could not be started: status (125, 126 or 127), text, hints. After the start: it ended well, but
    /// what it wrote could not be passed on.
    Failed { status: u8, text: String, hints: Vec<String> },
    /// It ended, and all that it wrote has been passed on.
    Exited(u8),
}

/// To the monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Pass on a signal.
    Signal(i32),
    /// Go on without me.
    Detach,
}

/// One end.
#[derive(Debug)]
pub(crate) struct Wire(OwnedFd);

/// Longest text of a report, in bytes.
const MAX: usize = 8 << 10;

pub(crate) fn pair() -> Result<(Wire, Wire)> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map(|(a, b)| (Wire(a), Wire(b)))
        .map_err(|e| Error::io("make a pair of sockets", e))
}

impl Wire {
    pub(crate) fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub(crate) fn report(&self, report: &Report) {
        let packet = match report {
            Report::Started => vec![b'S'],
            Report::Exited(code) => vec![b'X', *code],
            Report::Failed { status, text, hints } => {
                let mut packet = vec![b'F', *status];
                let lines = std::iter::once(text).chain(hints).map(|s| s.replace('\n', " "));
                packet.extend_from_slice(lines.collect::<Vec<_>>().join("\n").as_bytes());
                packet.truncate(MAX);
                packet
            }
        };
        self.put(&packet);
    }

    pub(crate) fn order(&self, order: Order) {
        match order {
            // Signal numbers end at 64.
            Order::Signal(n) => self.put(&[b'K', u8::try_from(n).unwrap_or(0)]),
            Order::Detach => self.put(b"D"),
        }
    }

    /// Nothing more is said, in either direction: to the other end we have gone.
    pub(crate) fn hang_up(&self) {
        // It cannot fail for a connected pair, except that the other end has gone already.
        let _gone = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both);
    }

    /// The next report; `None` if the monitor has gone.
    pub(crate) fn next_report(&self) -> Option<Report> {
        let mut buffer = vec![0; MAX];
        let packet = self.get(&mut buffer)?;
        Some(match packet {
            [b'S'] => Report::Started,
            [b'X', code] => Report::Exited(*code),
            [b'F', status, text @ ..] => {
                let text = String::from_utf8_lossy(text);
                let mut lines = text.split('\n').map(str::to_owned);
                Report::Failed {
                    status: *status,
                    text: lines.next().unwrap_or_default(),
                    hints: lines.collect(),
                }
            }
            _ => return None,
        })
    }

    /// The next order; `None` if the tool has gone.
    pub(crate) fn next_order(&self) -> Option<Order> {
        match self.get(&mut [0; 2])? {
            [b'K', n] => Some(Order::Signal(i32::from(*n))),
            [b'D'] => Some(Order::Detach),
            _ => None,
        }
    }

    fn put(&self, packet: &[u8]) {
        // If the other end has gone there is nobody to tell; its absence is noticed by poll.
        while send(&self.0, packet, SendFlags::NOSIGNAL) == Err(Errno::INTR) {}
    }

    fn get<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        loop {
            match recv(&self.0, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => return None,
                Ok((n, _)) => return buffer.get(..n),
                Err(Errno::INTR) => {}
                Err(_) => return None,
            }
        }
    }
}

/// Flattens an error for the wire.
pub(crate) fn failure(status: u8, err: &Error) -> Report {
    Report::Failed { status, text: text_of(err), hints: err.hints().map(str::to_owned).collect() }
}

/// An error on one line, as a user sees it.
pub(crate) fn text_of(err: &Error) -> String {
    let mut text = err.to_string();
    let mut next = std::error::Error::source(err);
    while let Some(link) = next {
        text.push_str(": ");
        text.push_str(&types::error::phrase(link));
        next = link.source();
    }
    text
}

/// The error that a report stands for.
pub(crate) fn error_of(text: String, hints: Vec<String>) -> Error {
    let err = Error::new(Kind::Io, text);
    match hints.into_iter().next() {
        Some(hint) => err.hint(hint),
        None => err,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_and_orders_arrive_as_sent() {
        let (a, b) = pair().unwrap();
        let failed = failure(127, &Error::new(Kind::NotFound, "low").within("high").hint("do"));
        for report in [Report::Started, Report::Exited(137), failed] {
            a.report(&report);
            assert_eq!(b.next_report(), Some(report));
        }
        b.order(Order::Signal(15));
        assert_eq!(a.next_order(), Some(Order::Signal(15)));
        b.order(Order::Detach);
        assert_eq!(a.next_order(), Some(Order::Detach));
        drop(b);
        assert_eq!(a.next_order(), None);
    }
}
