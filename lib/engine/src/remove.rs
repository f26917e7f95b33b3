//! Removing containers.

use store::{Status, Store, Trash};
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
        store.remove_container(lock, &record)?.empty()?;
        return if volumes { remove_volumes(store, &record) } else { Ok(()) };
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
    let trash = store.remove_container(lock, record)?;
    remove_volumes(store, record)?;
    Ok(trash)
}

fn remove_volumes(store: &Store, record: &Record) -> Result<()> {
    let mut result = Ok(());
    for name in &record.anonymous_volumes {
        match vol::remove(store, name, false) {
            // Another container may use it by name, or it is gone already.
            Err(e) if matches!(e.kind(), Kind::Conflict | Kind::NotFound) => {}
            Err(e) => result = Err(e),
            Ok(()) => {}
        }
    }
    result
}
