//! Advisory locks on the directories that they protect: no lock files, nothing to clean up.
//!
//! The kernel drops a lock with the last descriptor, so a killed holder never blocks anyone.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use types::{Error, Kind, Result};

use crate::{Place, Store};

/// How many may hold a lock at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Any number of holders.
    Shared,
    /// One holder.
    Exclusive,
}

/// A directory of the store, locked until this is dropped.
#[must_use = "the lock is released when this is dropped"]
#[derive(Debug)]
pub struct LockedDir {
    dir: OwnedFd,
}

impl LockedDir {
    /// The locked directory.
    #[must_use]
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl Store {
    /// Locks a directory, waiting for other holders.
    ///
    /// # Errors
    /// `NotFound` if the directory is not there, or was removed while we waited.
    pub fn lock_dir(&self, place: &Place, mode: LockMode) -> Result<LockedDir> {
        let op = match mode {
            LockMode::Shared => FlockOperation::LockShared,
            LockMode::Exclusive => FlockOperation::LockExclusive,
        };
        self.flock(place, op)
    }

    /// Locks a directory if nobody holds it; `None` if somebody does.
    pub fn try_lock_dir(&self, place: &Place, mode: LockMode) -> Result<Option<LockedDir>> {
        let op = match mode {
            LockMode::Shared => FlockOperation::NonBlockingLockShared,
            LockMode::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        match self.flock(place, op) {
            Err(e) if e.kind() == Kind::Conflict => Ok(None),
            other => other.map(Some),
        }
    }

    fn flock(&self, place: &Place, op: FlockOperation) -> Result<LockedDir> {
        let dir = self.open_dir(place)?;
        loop {
            match rustix::fs::flock(&dir, op) {
                Ok(()) => break,
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => {
                    return Err(Error::new(Kind::Conflict, format!("{:?} is locked", self.absolute(place))));
                }
                Err(e) => return Err(Error::io(format!("lock {:?}", self.absolute(place)), e)),
            }
        }
        // The holder before us may have removed or renamed the directory: the descriptor then
        // leads to something that no longer has this name.
        let gone = || Error::new(Kind::NotFound, format!("{:?} was removed", self.absolute(place)));
        let ours = rustix::fs::fstat(&dir).map_err(|e| Error::io("stat", e))?;
        let named =
            rustix::fs::statat(self.area(place.area), &place.path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|e| if e == Errno::NOENT { gone() } else { Error::io("stat", e) })?;
        if (ours.st_dev, ours.st_ino) == (named.st_dev, named.st_ino) {
            Ok(LockedDir { dir })
        } else {
            Err(gone())
        }
    }
}
