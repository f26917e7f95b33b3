//! Ending containers, and waiting for their end.

use std::time::{Duration, Instant};

use store::{Status, Store};
use sys::pidfd::Pidfd;
use types::{Context, Error, Kind, Result};

use crate::release;
use crate::signals::{self, Hearing};

/// A container that was told to stop.
#[derive(Debug)]
pub struct Stopping {
    id: String,
    /// Its first process, and when it is killed: `None` for never.
    process: Option<(Pidfd, Option<Instant>)>,
}

/// Tells a container to stop, by its stop signal. One that does not run is stopped already.
///
/// A first process that has no handler for the signal would never notice it (pid_namespaces(7));
/// it is killed at once instead of after the wait.
///
/// # Errors
/// If the container is not there, or the kernel refuses.
pub fn begin_stop(store: &Store, id: &str, signal: Option<i32>, timeout: Option<i64>) -> Result<Stopping> {
    let record = store.record(id)?;
    store.request_stop(id)?; // before the look: a restart from now on sees it
    let state = store.state(id)?;
    let stopped = Stopping { id: id.to_owned(), process: None };
    let (Status::Running, Some(run)) = (state.status, state.run) else { return Ok(stopped) };
    let process = match signals::open(&run) {
        Ok(process) => process,
        Err(e) if e.kind() == Kind::NotFound => return Ok(stopped),
        Err(e) => return Err(e),
    };
    let signal = signal.unwrap_or(record.stop_signal);
    let deaf = signals::is_fatal(signal) && signals::hearing(run.pid, signal) == Hearing::Deaf;
    signals::send(&process, if deaf { libc::SIGKILL } else { signal })?;
    // A negative number of seconds is for ever.
    let grace = u64::try_from(timeout.unwrap_or(record.stop_timeout)).ok().map(Duration::from_secs);
    let deadline = grace.and_then(|grace| Instant::now().checked_add(grace));
    Ok(Stopping { process: Some((process, deadline)), ..stopped })
}

impl Stopping {
    /// Waits until nothing is left of the run; kills the container when its time is over.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn finish(self, store: &Store) -> Result<()> {
        if let Some((process, deadline)) = self.process {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if !ends_within(&process, left)? {
                signals::send(&process, libc::SIGKILL)?;
                ends_within(&process, None)?;
            }
        }
        settle(store, &self.id)
    }
}

/// Sends a signal to the first process.
///
/// # Errors
/// `Conflict` if the container does not run.
pub fn kill(store: &Store, id: &str, signal: i32) -> Result<()> {
    let state = store.state(id)?;
    let not_running = || Error::new(Kind::Conflict, "it is not running");
    let (Status::Running, Some(run)) = (state.status, state.run) else { return Err(not_running()) };
    let process =
        signals::open(&run).map_err(|e| if e.kind() == Kind::NotFound { not_running() } else { e })?;
    if signal == libc::SIGKILL || signal == store.record(id)?.stop_signal {
        store.request_stop(id)?;
    }
    signals::send(&process, signal)?;
    if signal == libc::SIGKILL {
        ends_within(&process, None)?;
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
        let (Status::Running | Status::Restarting, Some(run)) = (state.status, state.run) else {
            return Ok(state.exit.map(|exit| exit.code));
        };
        if let Ok(process) = signals::open(&run) {
            ends_within(&process, None)?;
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

/// Returns whether a process ends within this time; without one it is waited for.
fn ends_within(process: &Pidfd, limit: Option<Duration>) -> Result<bool> {
    // What does not fit is 49 days, which nobody will wait.
    let limit = limit.map(|limit| u32::try_from(limit.as_millis()).unwrap_or(u32::MAX));
    process.ended_within(limit).context("wait for its process")
}

/// Ends a container at once, for a forced removal.
pub(crate) fn kill_and_settle(store: &Store, id: &str) -> Result<()> {
    store.request_stop(id)?;
    if store.state(id)?.status == Status::Restarting {
        return settle(store, id);
    }
    match kill(store, id, libc::SIGKILL) {
        Err(e) if e.kind() == Kind::Conflict => Ok(()),
        other => other.context("kill it"),
    }
}
