//! Run: create and start in one, and stay with the program.

use runtime::{Exit, StartError};
use types::Error;

use crate::bundle::Bundle;
use crate::console::Terminal;
use crate::create::Options;
use crate::launch::{Goal, Launched, launch};
use crate::signals::Signals;
use crate::{Root, delete, hooks, kill, relay};

/// What becomes of a container whose program has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It is deleted.
    No,
    /// It stays, as one that has stopped.
    Yes,
}

/// How the caller is connected.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Return when the program runs.
    pub detach: bool,
    /// Afterwards.
    pub keep: Keep,
    /// Adopt processes that lose their parent, if the container has no first process of its own to do so.
    pub subreaper: bool,
}

/// Runs a bundle. Returns how its program has ended, or nothing if it was left running, and what
/// is to be told and stopped nothing.
///
/// # Errors
/// With status 126 or 127 if the program could not be executed.
pub fn run(root: &Root, options: &Options<'_>, how: &Run) -> Result<(Option<Exit>, Vec<Error>), StartError> {
    let bundle = Bundle::open(options.bundle, options.config)?;
    let wanted = bundle.spec.process().as_ref().and_then(|process| process.terminal()).unwrap_or(false);
    let terminal = Terminal::choose(wanted, how.detach, options.console_socket)?;
    let signals = if how.detach { None } else { Some(Signals::take()?) };
    let mut launched = launch(root, options, bundle, &terminal, Goal::Program)?;
    let mut complaints = std::mem::take(&mut launched.complaints);
    if launched.record.poststart {
        complaints.extend(hooks::after_start(&launched.record, &launched.spec)?);
    }
    let Some(signals) = signals else {
        if let Some(notify) = &launched.notify {
            notify.relay(&kill::first(&launched.record)?, Some(launched.record.pid))?;
        }
        return Ok((None, complaints));
    };
    if how.subreaper && !launched.record.own_pids {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|e| Error::io("become subreaper", e))?;
    }
    let Launched { container, record, process, master, notify, .. } = launched;
    let program = notify.as_ref().map(|_| kill::first(&record)).transpose()?;
    let (exit, told) = std::thread::scope(|scope| {
        // It ends with the program.
        let told =
            notify.zip(program).map(|(notify, program)| scope.spawn(move || notify.relay(&program, None)));
        let exit = relay::follow(&process, &signals, master);
        (exit, told.and_then(|told| told.join().ok()))
    });
    let exit = exit?;
    if let Some(told) = told {
        told?;
    }
    if how.keep == Keep::No {
        complaints.extend(delete::destroy(&container, &record)?);
    }
    Ok((Some(exit), complaints))
}
