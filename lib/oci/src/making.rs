//! Whether a container is still being made, which a record cannot tell: its maker may be killed.
//!
//! The maker holds a lock on the copy of the configuration, beside that of the container, which others
//! also take for a moment. The kernel gives it back when the maker ends, in whatever way. Hooks may ask
//! for the state meanwhile, and learn what the specification promises them: `creating`.

use std::os::fd::OwnedFd;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;
use types::{Error, Kind, Result};

use crate::record::CONFIG;
use crate::root::{Container, Lock};

/// The container is being made while this lives.
#[derive(Debug)]
#[must_use]
pub struct Making(OwnedFd);

impl Drop for Making {
    fn drop(&mut self) {
        // As with the container's lock: its first process may still hold a copy of the descriptor.
        let _kept = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Says that a container is being made, from here on.
pub fn begin(container: &Container) -> Result<Making> {
    let file = open(container)
        .and_then(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).map(|()| file))
        .map_err(|e| Error::io(format!("lock configuration of {:?}", container.id()), e))?;
    Ok(Making(file))
}

/// Tells whether somebody is making it.
pub fn is_going_on(container: &Container) -> Result<bool> {
    let file = match open(container) {
        // Not that far, or nothing is left of it.
        Err(Errno::NOENT) => return Ok(false),
        other => other.map_err(|e| Error::io(format!("open configuration of {:?}", container.id()), e))?,
    };
    // Shared, so that two who ask at once do not take each other for the maker.
    Ok(flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK))
}

/// Locks a container that has been made. Its maker may wait for whoever asks: a hook.
///
/// # Errors
/// `Conflict` while it is being made.
pub fn lock(container: &Container) -> Result<Lock<'_>> {
    if is_going_on(container)? {
        return Err(Error::new(
            Kind::Conflict,
            format!("container {:?} is still being created", container.id()),
        ));
    }
    container.lock()
}

fn open(container: &Container) -> Result<OwnedFd, Errno> {
    openat(container.dir(), CONFIG, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Root;

    #[test]
    fn a_container_is_being_made_as_long_as_its_maker_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let container = Root::new(dir.path().to_owned()).claim("a").unwrap();
        assert!(!is_going_on(&container).unwrap());
        container.write_new(CONFIG, b"{}").unwrap();
        let making = begin(&container).unwrap();
        let other = Root::new(dir.path().to_owned()).container("a").unwrap();
        assert!(is_going_on(&other).unwrap());
        assert_eq!(lock(&other).unwrap_err().kind(), Kind::Conflict);
        // What a first process has of it until its exec does not count.
        let copy = making.0.try_clone().unwrap();
        drop(making);
        assert!(!is_going_on(&other).unwrap());
        drop((copy, lock(&other).unwrap()));
    }
}
