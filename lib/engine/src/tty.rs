//! The user's terminal, while a container has it.

use std::io;
use std::os::fd::AsFd;

use rustix::termios::{OptionalActions, Termios, Winsize, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

/// The size of the terminal that the tool was called on; 24 by 80 if there is none.
pub(crate) fn size() -> Winsize {
    let unknown = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    [tcgetwinsize(io::stdin()), tcgetwinsize(io::stdout())].into_iter().flatten().next().unwrap_or(unknown)
}

/// Gives another terminal the size of ours.
pub(crate) fn resize(other: impl AsFd) {
    // A terminal that has gone meanwhile needs no size.
    drop(tcsetwinsize(other, size()));
}

/// Returns whether standard input is a terminal.
#[must_use]
pub fn stdin_is_terminal() -> bool {
    isatty(io::stdin())
}

/// Raw mode of the user's terminal: every key goes to the container. Ends when dropped.
#[must_use = "the terminal is restored when this is dropped"]
#[derive(Debug)]
pub(crate) struct Raw(Termios);

impl Raw {
    /// Makes standard input raw; `None` if it is no terminal.
    pub(crate) fn enter() -> Option<Self> {
        let old = tcgetattr(io::stdin()).ok()?;
        let mut raw = old.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Flush, &raw).ok()?;
        Some(Self(old))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // The terminal may be gone; then there is nothing to restore.
        drop(tcsetattr(io::stdin(), OptionalActions::Drain, &self.0));
    }
}
