//! Ending containers, and waiting for their end.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use store::{Status, Store};
use types::{Context, Error, Kind, Result};

use crate::signals::{self, Hearing};
use crate::release;

/// Stops a container: its stop signal, then SIGKILL after the time that it has. Returns when
/// nothing is left of the run. A container that does not run is stopped already.
///
/// A first process that has no handler for the signal would never notice it (pid_namespaces(7));
/// it is killed at once instead of after the wait.
///
/// # Errors
/// If the container is not there, or the kernel refuses.
pub fn stop(store: &Store, id: &str, signal: Option<i32>, timeout: Option<i64>) -> Result<()> {
    let record = store.record(id)?;
    let state = store.state(id)?;
    let (Status::Running, Some(run)) = (state.status, state.run) else { return Ok(()) };
    let process = match signals::open(&run) {
        Ok(process) => process,
        Err(e) if e.kind() == Kind::NotFound => return settle(store, id),
        Err(e) => return Err(e),
    };
    let signal = signal.unwrap_or(record.stop_signal);
    let seconds = timeout.unwrap_or(record.stop_timeout);
    let deaf = signals::is_fatal(signal) && signals::hearing(run.pid, signal) == Hearing::Deaf;
    if !deaf {
        signals::send(&process, signal)?;
    }
    if deaf || !ends_within(&process, seconds)? {
        signals::send(&process, libc::SIGKILL)?;
    }
    ends_within(&process, -1)?;
    settle(store, id)
}

/// Sends a signal to the first process.
///
/// # Errors
/// `Conflict` if the container does not run.
pub fn kill(store: &Store, id: &str, signal: i32) -> Result<()> {
    let state = store.state(id)?;
    let not_running = || Error::new(Kind::Conflict, "it is not running");
    let (Status::Running, Some(run)) = (state.status, state.run) else { return Err(not_running()) };
    let process = signals::open(&run).map_err(|e| if e.kind() == Kind::NotFound { not_running() } else { e })?;
    signals::send(&process, signal)?;
    if signal == libc::SIGKILL {
        ends_within(&process, -1)?;
        settle(store, id)?;
    }
    Ok(())
}

/// Waits until a container does not run, and returns how it ended: `None` if nobody knows.
///
/// # Errors
/// `NotFound` if there is no such container.
pub fn wait(store: &Store, id: &str) -> Result<Option<i32>> {
    // Held open over the end: a container with --rm is gone by then, and its record with it.
    let Some(watch) = store.watch_run(id)? else { return wait_created(store, id) };
    loop {
        let state = watch.state()?;
        let (Status::Running, Some(run)) = (state.status, state.run) else {
            return Ok(state.exit.map(|exit| exit.code));
        };
        if let Ok(process) = signals::open(&run) {
            ends_within(&process, -1)?;
        }
        watch.wait()?;
    }
}

/// A container that was never started has nothing to wait for; as Docker, its status is 0.
fn wait_created(store: &Store, id: &str) -> Result<Option<i32>> {
    store.record(id).map(|_| Some(0))
}

/// Waits until the monitor has recorded the end and released everything. Without a monitor, that
/// is ours to do.
fn settle(store: &Store, id: &str) -> Result<()> {
    let Some(watch) = store.watch_run(id)? else { return Ok(()) };
    watch.wait()?;
    if watch.state()?.status == Status::Lost { release::release(store, id, None) } else { Ok(()) }
}

/// Returns whether a process ends within so many seconds; -1 waits for ever.
fn ends_within(process: impl AsFd, seconds: i64) -> Result<bool> {
    let limit = u64::try_from(seconds).ok().map(Duration::from_secs);
    let start = std::time::Instant::now();
    loop {
        let left = limit.map(|limit| limit.saturating_sub(start.elapsed()));
        let timeout = left.map(Timespec::try_from).transpose().ok().flatten();
        let mut fds = [PollFd::new(&process, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(Error::io("wait for its process", e)),
        }
    }
}

/// Ends a container at once, for a forced removal.
pub(crate) fn kill_and_settle(store: &Store, id: &str) -> Result<()> {
    match kill(store, id, libc::SIGKILL) {
        Err(e) if e.kind() == Kind::Conflict => Ok(()),
        other => other.context("kill it"),
    }
}

