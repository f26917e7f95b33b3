//! A container's log on our own two streams.

use std::io::{self, BufWriter, Stderr, Stdout, Write};

use store::{Entry, Lines, LogSink, Stream};
use types::time::Time;
use types::{Context, Error, Kind, Result};

/// The argument of `--tail`: so many lines, or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail(pub Option<usize>);

/// Parses the argument of `--tail`; a negative number means all, as Docker's -1 does.
///
/// # Errors
/// `Invalid` if it is neither a number nor `all`.
pub fn tail(text: &str) -> Result<Tail> {
    match (text, text.parse::<i64>()) {
        ("all", _) | (_, Ok(..0)) => Ok(Tail(None)),
        (_, Ok(lines)) => Ok(Tail(usize::try_from(lines).ok())),
        _ => Err(Error::new(Kind::Invalid, "neither a number nor \"all\"")),
    }
}

/// Parses the argument of `--since` and `--until`, see [`types::time::moment`].
///
/// # Errors
/// `Invalid` if it is no time.
pub fn moment(text: &str) -> Result<Time> {
    types::time::moment(text, sys::time::now(), &sys::time::from_local)
}

/// Prints entries: what was written to standard error goes there, the rest to standard output.
#[derive(Debug)]
pub struct LogPrinter {
    out: BufWriter<Stdout>,
    err: BufWriter<Stderr>,
    /// What the last entry went to.
    last: Stream,
    timestamps: bool,
    lines: Lines,
}

impl LogPrinter {
    /// With `timestamps` each line begins with the time at which its beginning was written.
    #[must_use]
    pub fn new(timestamps: bool) -> Self {
        Self {
            out: BufWriter::new(io::stdout()),
            err: BufWriter::new(io::stderr()),
            last: Stream::Stdout,
            timestamps,
            lines: Lines::default(),
        }
    }

    fn write(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        // Where both streams lead to one terminal, their order is kept.
        if entry.stream != self.last {
            self.flush()?;
            self.last = entry.stream;
        }
        let begins = self.lines.begins(entry);
        let to: &mut dyn Write = match entry.stream {
            Stream::Stdout => &mut self.out,
            Stream::Stderr => &mut self.err,
        };
        if self.timestamps && begins {
            to.write_all(entry.time.as_bytes())?;
            to.write_all(b" ")?;
        }
        to.write_all(entry.text)?;
        if entry.whole { to.write_all(b"\n") } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.err.flush()
    }
}

impl LogSink for LogPrinter {
    fn entry(&mut self, entry: &Entry<'_>) -> Result<()> {
        self.write(entry).context("write the log on")
    }

    fn caught_up(&mut self) -> Result<()> {
        self.flush().context("write the log on")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_a_number_or_all() {
        for (text, lines) in [("0", Some(0)), ("10", Some(10)), ("all", None), ("-1", None)] {
            assert_eq!(tail(text).ok(), Some(Tail(lines)), "{text}");
        }
        for bad in ["", "ALL", "ten", "1.5", "99999999999999999999"] {
            assert!(tail(bad).is_err(), "{bad}");
        }
    }
}
