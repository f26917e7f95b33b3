//! Mounting into and out of containers that exist: at once if they run, and kept for every start.

use std::path::Path;

use store::{LockedDir, Status, Store};
use types::container::Record;
use types::mount::MountSpec;
use types::{Error, Kind, Result};

use crate::spec;

/// Mounts something into a container. If it runs the mount is there when this returns.
///
/// # Errors
/// `Conflict` if something is mounted at the target; `NotFound` if the source is missing.
pub fn bind(store: &Store, id: &str, mount: &MountSpec) -> Result<()> {
    let lock = store.lock_container(id)?;
    let before = store.record(id)?;
    if before.mounts.iter().any(|known| known.target == mount.target) {
        return Err(Error::new(Kind::Conflict, format!("{:?} is mounted already", mount.target))
            .hint("vol-bind --rm takes it out"));
    }
    let mut new = [mount.clone()];
    let mut volumes = vol::prepare(store, &mut new)?;
    let [mount] = new;
    let mut record = before.clone();
    record.mounts.push(mount.clone());
    // On record before it is mounted: whoever is killed in between, nothing is mounted that no record
    // knows, and `vol-bind --rm` takes it back.
    put(store, &lock, &record, &[])?;
    let done = volumes.make().and_then(|()| mount_live(store, id, &mount));
    if let Err(err) = done {
        put(store, &lock, &before, &[&mount.target])?;
        return Err(err);
    }
    volumes.keep();
    Ok(())
}

fn mount_live(store: &Store, id: &str, mount: &MountSpec) -> Result<()> {
    let state = store.state(id)?;
    match (state.status, state.run) {
        (Status::Running, Some(run)) => vol::live::bind(store, run.pid, run.start_time, mount),
        _ => Ok(()),
    }
}

/// Writes both records; `gone` are targets that it had before.
fn put(store: &Store, lock: &LockedDir, record: &Record, gone: &[&Path]) -> Result<()> {
    let config = spec::with_mounts(store, record, gone)?;
    store.update_config(lock, &record.id, &config)?;
    store.update_record(lock, record)
}

/// Takes a mount out of a container.
///
/// # Errors
/// `NotFound` if nothing of the user's is mounted there.
pub fn unbind(store: &Store, id: &str, target: &Path) -> Result<()> {
    let lock = store.lock_container(id)?;
    let mut record = store.record(id)?;
    let before = record.mounts.len();
    record.mounts.retain(|known| known.target != target);
    if record.mounts.len() == before {
        return Err(Error::new(Kind::NotFound, format!("nothing is mounted on {target:?}")));
    }
    let state = store.state(id)?;
    if let (Status::Running, Some(run)) = (state.status, state.run) {
        match vol::live::unbind(run.pid, run.start_time, target) {
            // The program inside may have taken it out itself.
            Err(e) if e.kind() == Kind::NotFound => {}
            other => other?,
        }
    }
    put(store, &lock, &record, &[target])
}

/// What is mounted into a container on behalf of the user.
///
/// # Errors
/// `NotFound` if there is no such container.
pub fn mounts(store: &Store, id: &str) -> Result<Vec<MountSpec>> {
    Ok(store.record(id)?.mounts)
}
