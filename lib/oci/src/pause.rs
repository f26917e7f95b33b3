//! Pause and resume: all processes at once, by the freezer.

use types::{Error, Kind, Result};

use crate::status::{self, Status};
use crate::{Root, groups, making};

/// Stops all processes of a container.
///
/// # Errors
/// `Conflict` if it does not run or is paused already.
pub fn pause(root: &Root, id: &str) -> Result<()> {
    let container = root.container(id)?;
    let _lock = making::lock(&container)?;
    let record = container.record()?;
    match status::of(&container, &record)? {
        Status::Running | Status::Created => groups::of(&record)?.freeze(true),
        _ => Err(Error::new(Kind::Conflict, "container not running")),
    }
}

/// Lets them go on.
///
/// # Errors
/// `Conflict` if it is not paused.
pub fn resume(root: &Root, id: &str) -> Result<()> {
    let container = root.container(id)?;
    let _lock = making::lock(&container)?;
    let record = container.record()?;
    match status::of(&container, &record)? {
        Status::Paused => groups::of(&record)?.freeze(false),
        _ => Err(Error::new(Kind::Conflict, "container not paused")),
    }
}
