//! The status of a container: not stored, but asked of the kernel.

use types::Result;

use crate::record::Record;
use crate::root::Container;
use crate::{gate, groups, making};

/// What a container is doing; the words are those of the runtime specification, and `paused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is being made.
    Creating,
    /// Its first process waits for `start`.
    Created,
    /// Its program runs.
    Running,
    /// All its processes are frozen.
    Paused,
    /// Its program has ended, or never came to run.
    Stopped,
}

impl Status {
    /// The word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// Asks the kernel.
pub fn of(container: &Container, record: &Record) -> Result<Status> {
    if record.pid == 0 {
        // Whoever makes it holds its lock; if nobody does, its maker was killed.
        return Ok(if container.is_locked() { Status::Creating } else { Status::Stopped });
    }
    if !record.is_alive()? {
        return Ok(Status::Stopped);
    }
    if making::is_going_on(container)? {
        return Ok(Status::Creating);
    }
    if is_frozen(record)? {
        return Ok(Status::Paused);
    }
    Ok(if gate::is_closed(container)? { Status::Created } else { Status::Running })
}

fn is_frozen(record: &Record) -> Result<bool> {
    if record.cgroup.is_none() { Ok(false) } else { groups::of(record)?.frozen() }
}
