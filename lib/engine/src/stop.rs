//! Ending containers, and waiting for their end.

use std::time::{Duration, Instant};

use store::{RunWatch, Status, Store};
use sys::pidfd::Pidfd;
use types::container::{ExitRecord, Run};
use types::{Context, Error, Kind, Result};

use crate::signals::{self, Hearing};
use crate::{clock, release, remove};

/// A container that was told to stop.
#[derive(Debug)]
pub struct Stopping {
    id: String,
    /// What runs, and when it is killed: `None` for never.
    running: Option<(Running, Option<Instant>)>,
}

/// The run of a container, and its first process.
#[derive(Debug)]
struct Running {
    run: Run,
    watch: RunWatch,
    process: Pidfd,
}

impl Running {
    /// `None` if the container does not run.
    fn find(store: &Store, id: &str) -> Result<Option<Self>> {
        let Some(watch) = store.watch_run(id)? else { return Ok(None) };
        let state = watch.state()?;
        let (Status::Running, Some(run)) = (state.status, state.run) else { return Ok(None) };
        match signals::open(&run) {
            Ok(process) => Ok(Some(Self { run, watch, process })),
            Err(e) if e.kind() == Kind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Waits until it has ended, its monitor has recorded how and released everything. Without a
    /// monitor, that is ours to do: we hold the process, so we know what there is to know.
    fn settle(self, store: &Store, id: &str) -> Result<()> {
        ends_within(&self.process, None)?;
        self.watch.wait()?;
        if self.witness()? { clear(store, id) } else { Ok(()) }
    }

    /// Records the end, if nobody else has; returns whether that was so.
    fn witness(&self) -> Result<bool> {
        if self.watch.recorded()?.is_some() {
            return Ok(false);
        }
        // Without an answer nothing is recorded, and that says what there is to say.
        if let Some(how) = self.process.how_it_ended(self.run.pid, self.run.start_time) {
            self.watch.end(&ExitRecord {
                finished: clock::now(),
                code: how.code(),
                oom_killed: false,
                restarting: false,
                error: String::new(),
            })?;
        }
        Ok(true)
    }
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
    let stopped = Stopping { id: id.to_owned(), running: None };
    let Some(running) = Running::find(store, id)? else { return Ok(stopped) };
    let signal = signal.unwrap_or(record.stop_signal);
    let deaf = signals::is_fatal(signal) && signals::hearing(running.run.pid, signal) == Hearing::Deaf;
    signals::send(&running.process, if deaf { libc::SIGKILL } else { signal })?;
    // A negative number of seconds is for ever.
    let grace = u64::try_from(timeout.unwrap_or(record.stop_timeout)).ok().map(Duration::from_secs);
    let deadline = grace.and_then(|grace| Instant::now().checked_add(grace));
    Ok(Stopping { running: Some((running, deadline)), ..stopped })
}

impl Stopping {
    /// Waits until nothing is left of the run; kills the container when its time is over.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn finish(self, store: &Store) -> Result<()> {
        let Some((running, deadline)) = self.running else { return settle(store, &self.id) };
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        if !ends_within(&running.process, left)? {
            signals::send(&running.process, libc::SIGKILL)?;
        }
        running.settle(store, &self.id)
    }
}

/// Sends a signal to the first process.
///
/// # Errors
/// `Conflict` if the container does not run.
pub fn kill(store: &Store, id: &str, signal: i32) -> Result<()> {
    let Some(running) = Running::find(store, id)? else {
        return Err(Error::new(Kind::Conflict, "it is not running"));
    };
    if signal == libc::SIGKILL || signal == store.record(id)?.stop_signal {
        store.request_stop(id)?;
    }
    signals::send(&running.process, signal)?;
    if signal == libc::SIGKILL { running.settle(store, id) } else { Ok(()) }
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
        let process = match signals::open(&run) {
            Ok(process) => process,
            // It has ended, and its monitor is about to say how.
            Err(e) if e.kind() == Kind::NotFound => {
                watch.wait()?;
                continue;
            }
            Err(e) => return Err(e),
        };
        let running = Running { run, watch, process };
        ends_within(&running.process, None)?;
        running.watch.wait()?;
        if running.witness()? {
            // Whoever started it has asked for that; what cannot be released now is by the next start.
            drop(clear(store, id));
        }
        return Ok(running.watch.recorded()?.map(|exit| exit.code));
    }
}

/// A container that was never started has nothing to wait for; as Docker, its status is 0.
fn wait_created(store: &Store, id: &str) -> Result<Option<i32>> {
    store.record(id).map(|_| Some(0))
}

/// Waits until the monitor of a run that is over has released everything. Without a monitor, that
/// is ours to do.
fn settle(store: &Store, id: &str) -> Result<()> {
    let Some(watch) = store.watch_run(id)? else { return Ok(()) };
    watch.wait()?;
    if watch.recorded()?.is_some() { Ok(()) } else { clear(store, id) }
}

/// What a monitor does after the end, for one that was killed. Under the container's lock: another
/// start may have been quicker, and what there is then belongs to that run.
fn clear(store: &Store, id: &str) -> Result<()> {
    let lock = match store.lock_container(id) {
        Err(e) if e.kind() == Kind::NotFound => return Ok(()), // removed meanwhile
        other => other?,
    };
    if matches!(store.state(id)?.status, Status::Running | Status::Restarting) {
        return Ok(());
    }
    release::release(store, id, None)?;
    let record = store.record(id)?;
    if record.auto_remove { remove::take_away(store, &record, lock).map(drop) } else { Ok(()) }
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
        Err(e) if e.kind() == Kind::Conflict => settle(store, id),
        other => other.context("kill it"),
    }
}
