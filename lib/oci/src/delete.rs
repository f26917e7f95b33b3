//! Delete: a container that has ended, with all that it held.

use std::time::{Duration, Instant};

use types::{Context, Error, Kind, Result};

use crate::record::Record;
use crate::status::{self, Status};
use crate::{Container, Root, groups, hooks, kill, making};

/// What to do with a container that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// Refuse: the specification allows nothing else.
    No,
    /// Kill it; and one that is not there is as good as deleted.
    Yes,
}

/// How long a killed process may take to end: it may be writing to a disk.
const PATIENCE: u32 = 10_000;

/// Deletes a container. Returns what its hooks had to complain about: it is deleted nevertheless.
///
/// # Errors
/// `Conflict` if it has not ended.
pub fn delete(root: &Root, id: &str, force: Force) -> Result<Vec<Error>> {
    let container = match root.container(id) {
        Err(e) if e.kind() == Kind::NotFound && force == Force::Yes => return Ok(Vec::new()),
        other => other?,
    };
    end_making(&container, force)?;
    let _lock = container.lock()?;
    let record = match container.record() {
        // Its maker was killed before it had made anything.
        Err(e) if e.kind() == Kind::NotFound => return container.remove().map(|()| Vec::new()),
        other => other?,
    };
    let status = status::of(&container, &record)?;
    if status != Status::Stopped && record.pid != 0 {
        if force == Force::No {
            return Err(Error::new(
                Kind::Conflict,
                format!("cannot delete container {id} that is not stopped: {status}"),
            )
            .hint("--force kills it first"));
        }
        end(&record)?;
    }
    destroy(&container, &record)
}

/// Has the maker of a container give it up, by the end of its first process. Who asks may be a hook that the
/// maker waits for.
fn end_making(container: &Container, force: Force) -> Result<()> {
    let patience = Instant::now() + Duration::from_millis(PATIENCE.into());
    while making::is_going_on(container)? {
        let refused = |what: &str| {
            Error::new(Kind::Conflict, format!("cannot delete container {} {what}", container.id()))
        };
        if force == Force::No {
            return Err(refused("that is not stopped: creating").hint("--force kills it first"));
        }
        match container.record() {
            Ok(record) if record.pid != 0 => end(&record)?,
            _ => {}
        }
        if Instant::now() > patience {
            return Err(refused("while whoever makes it goes on: is this a hook of its?"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Kills the first process and waits for its end.
fn end(record: &Record) -> Result<()> {
    let Ok(first) = kill::first(record) else { return Ok(()) };
    match first.signal(libc::SIGKILL) {
        Err(e) if e.raw_os_error() == Some(libc::ESRCH) => {}
        done => done.context("kill process")?,
    }
    kill::thaw(record)?;
    runtime::cgroup::thaw_process(record.pid)?;
    if first.ended_within(Some(PATIENCE)).context("wait for a killed process")? {
        return Ok(());
    }
    Err(Error::new(Kind::Conflict, format!("process {} does not end", record.pid)))
}

/// What is left of a container that has ended.
pub fn destroy(container: &Container, record: &Record) -> Result<Vec<Error>> {
    let mut complaints = Vec::new();
    if record.cgroup.is_some() {
        let group = groups::of(record)?;
        if record.own_pids {
            // All its processes ended with the first one: who is still there is somebody else.
            complaints.extend(group.remove_unused().err());
        } else {
            group.remove()?;
        }
    }
    if record.poststop {
        complaints.extend(hooks::after_stop(record, &container.config()?));
    }
    container.remove()?;
    Ok(complaints)
}
