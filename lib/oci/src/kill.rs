//! Kill: signals to a container.

use sys::pidfd::Pidfd;
use types::{Error, Kind, Result};

use crate::record::Record;
use crate::status::{self, Status};
use crate::{Root, groups};

/// Who gets a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The first process.
    First,
    /// Every process of the container's control group.
    All,
}

/// Sends a signal.
///
/// # Errors
/// `Conflict` if the container does not run.
pub fn kill(root: &Root, id: &str, signal: i32, reach: Reach) -> Result<()> {
    let container = root.container(id)?;
    let record = container.record()?;
    if reach == Reach::All {
        return to_all(&record, signal);
    }
    match status::of(&container, &record)? {
        Status::Stopped | Status::Creating => Err(not_running()),
        // Without a pid namespace of its own the others would outlive the first process.
        _ if signal == libc::SIGKILL && !record.own_pids => to_all(&record, signal),
        status => {
            first(&record)?.signal(signal).map_err(|e| Error::io(format!("send signal {signal}"), e))?;
            if status == Status::Paused && signal == libc::SIGKILL {
                // A frozen process of a v1 freezer does not die.
                thaw(&record)?;
            }
            Ok(())
        }
    }
}

fn not_running() -> Error {
    Error::new(Kind::Conflict, "container not running")
}

/// The first process by descriptor, and no other that has got its number since.
pub fn first(record: &Record) -> Result<Pidfd> {
    let pidfd = Pidfd::open(record.pid).map_err(|_| not_running())?;
    if record.is_alive()? { Ok(pidfd) } else { Err(not_running()) }
}

pub fn thaw(record: &Record) -> Result<()> {
    if record.cgroup.is_none() { Ok(()) } else { groups::of(record)?.freeze(false) }
}

pub fn to_all(record: &Record, signal: i32) -> Result<()> {
    let cgroup = groups::of(record)?;
    if signal == libc::SIGKILL { cgroup.kill() } else { cgroup.signal(signal) }
}
