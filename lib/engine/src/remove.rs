//! Removing containers.

use store::{LockedDir, Status, Store, Trash};
use types::container::Record;
use types::{Error, Kind, Result};

use crate::{release, stop};

/// Removes a container with its writable layer, and its anonymous volumes if asked to.
///
/// # Errors
/// `Conflict` if it runs and `force` is not set.
pub fn remove(store: &Store, id: &str, force: bool, volumes: bool) -> Result<()> {
    loop {
        if force {
            // Before the lock: a monitor that removes the container itself takes it too.
            stop::kill_and_settle(store, id)?;
        }
        let lock = match store.lock_container(id) {
            Err(e) if e.kind() == Kind::NotFound && force => return Ok(()), // `--rm` was quicker
            other => other?,
        };
        let record = match store.record(id) {
            // Whatever it was, it is not wanted any more.
            Err(e) if e.kind() == Kind::Corrupt && force => {
                release::release(store, id, None)?;
                return store.remove_damaged(&lock, id);
            }
            other => other?,
        };
        match (store.state(id)?.status, force) {
            // A start had the lock before us, and came to its end.
            (Status::Running | Status::Restarting, true) => continue,
            (Status::Running | Status::Restarting, false) => {
                return Err(Error::new(Kind::Conflict, "it is running").hint("stop it first, or use -f"));
            }
            _ => {}
        }
        release::release(store, id, None)?;
        if volumes {
            vol::remove_anonymous(store, &record)?;
        }
        return store.remove_container(lock, &record)?.empty();
    }
}

/// Takes back a container that was just made and could not be started.
///
/// # Errors
/// As [`remove`]; one that is gone already (`--rm`) is no error.
pub fn discard(store: &Store, id: &str) -> Result<()> {
    match remove(store, id, true, true) {
        Err(e) if e.kind() == Kind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes a container whose run is over, by the monitor of that run (`--rm`). Its writable layer
/// goes when what is returned is dropped.
pub(crate) fn remove_ended<'s>(store: &'s Store, record: &Record) -> Result<Trash<'s>> {
    let lock = store.lock_container(&record.id)?;
    take_away(store, record, lock)
}

/// The same, for who has locked it.
pub(crate) fn take_away<'s>(store: &'s Store, record: &Record, lock: LockedDir) -> Result<Trash<'s>> {
    vol::remove_anonymous(store, record)?;
    store.remove_container(lock, record)
}
