//! The user's terminal, while a container has it.

use std::io;
use std::os::fd::AsFd;

use runtime::console::Size;

use rustix::termios::{OptionalActions, Termios, Winsize, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

/// The size of the terminal that the tool was called on, if there is one.
fn window() -> Option<Winsize> {
    [tcgetwinsize(io::stdin()), tcgetwinsize(io::stdout())].into_iter().flatten().next()
}

/// The size of the terminal that the tool was called on, for one inside.
pub(crate) fn size() -> Option<Size> {
    window().map(|size| Size { rows: size.ws_row, columns: size.ws_col })
}

/// Lets go of the user's terminal, or what else is standard input, for a monitor that the user has left.
pub(crate) fn forget() {
    use rustix::fs::{Mode, OFlags, open};
    // Without a null device it is kept open, which holds up nobody but its writer.
    if let Ok(null) = open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        rustix::stdio::dup2_stdin(null).ok();
    }
}

/// Gives another terminal the size of ours.
pub(crate) fn resize(other: impl AsFd) {
    // A terminal that has gone meanwhile needs no size.
    if let Some(size) = window() {
        tcsetwinsize(other, size).ok();
    }
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
        // Not flushed: what was typed while the tool started is for the container too.
        tcsetattr(io::stdin(), OptionalActions::Drain, &raw).ok()?;
        Some(Self(old))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // The terminal may be gone; then there is nothing to restore.
        tcsetattr(io::stdin(), OptionalActions::Drain, &self.0).ok();
    }
}
