//! Start: the program of a container that was created.

use std::path::Path;

use types::{Error, Kind, Result};

use crate::notify::Notify;
use crate::record::Record;
use crate::status::{self, Status};
use crate::{Container, Root, gate, hooks, kill, making};

/// Lets the first process execute its program, and returns when it runs; with a supervisor to notify, when the
/// program says that it is ready, or has ended. Returns what hooks had to complain about.
///
/// # Errors
/// `Conflict` if it is not waiting for that; what kept the program from being executed.
pub fn start(root: &Root, id: &str, supervisor: Option<&Path>) -> Result<Vec<Error>> {
    let container = root.container(id)?;
    let lock = making::lock(&container)?;
    let record = container.record()?;
    let conflict = |what: String| Err(Error::new(Kind::Conflict, what));
    match status::of(&container, &record)? {
        Status::Created => {}
        Status::Stopped => return conflict("cannot start a container that has stopped".into()),
        Status::Running => return conflict("cannot start an already running container".into()),
        other => return conflict(format!("cannot start a container in the {other} state")),
    }
    let notify = supervisor.map(|socket| Notify::bind(&container, socket)).transpose()?.flatten();
    let program = notify.as_ref().map(|_| kill::first(&record)).transpose()?;
    if let Err((step, errno)) = gate::open(&container)? {
        return Err(not_started(&container, &record, step, errno));
    }
    // A death closes the gate like an execution does.
    runtime::has_run(record.pid, record.start_time, &record.program)?;
    // Hooks may do with it what they like; one that waits for us would wait for ever.
    drop(lock);
    let mut complaints = Vec::new();
    if record.poststart {
        complaints = hooks::after_start(&record, &container.config()?)?;
    }
    if let Some((notify, program)) = notify.zip(program) {
        notify.relay(&program, Some(record.pid))?;
    }
    Ok(complaints)
}

/// What kept the program from being executed.
fn not_started(container: &Container, record: &Record, step: u32, errno: i32) -> Error {
    let spec = container.config().ok();
    let hooks = spec.as_ref().and_then(|spec| spec.hooks().as_ref());
    runtime::hooks::failed_at_start(hooks, step, errno).unwrap_or_else(|| {
        Error::io(format!("exec {:?}", record.program), std::io::Error::from_raw_os_error(errno))
    })
}
