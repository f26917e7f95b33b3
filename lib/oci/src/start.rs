//! Start: the program of a container that was created.

use types::{Error, Kind, Result};

use crate::status::{self, Status};
use crate::{Root, gate, hooks};

/// Lets the first process execute its program, and returns when it runs.
///
/// # Errors
/// `Conflict` if it is not waiting for that; what kept the program from being executed.
pub fn start(root: &Root, id: &str) -> Result<()> {
    let container = root.container(id)?;
    let _lock = container.lock()?;
    let record = container.record()?;
    let conflict = |what: String| Err(Error::new(Kind::Conflict, what));
    match status::of(&container, &record)? {
        Status::Created => {}
        Status::Stopped => return conflict("cannot start a container that has stopped".into()),
        Status::Running => return conflict("cannot start an already running container".into()),
        other => return conflict(format!("cannot start a container in the {other} state")),
    }
    gate::open(&container)?.map_err(|errno| Error::io(format!("exec {:?}", record.program), errno))?;
    if record.poststart {
        hooks::after_start(&record, &container.config()?)?;
    }
    Ok(())
}
