//! Volumes: directories that appear whole and that containers share.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use types::volume::Record;
use types::{Context, Error, Kind, Result};

use crate::layout::{self, in_volume as name};
use crate::{Area, LockMode, LockedDir, Place, Store, Sync};

/// A volume's directory, locked against others who fill it.
#[must_use = "the lock is released when this is dropped"]
#[derive(Debug)]
pub struct Filling<'s> {
    store: &'s Store,
    place: Place,
    lock: LockedDir,
}

impl Filling<'_> {
    fn dir(&self) -> BorrowedFd<'_> {
        self.lock.dir()
    }

    /// Opens what containers see.
    pub fn data(&self) -> Result<OwnedFd> {
        open_dir_at(self.dir(), name::DATA)
    }

    /// Makes the directory in which a copy grows, in place of what a killed copier left of his.
    pub fn stage(&self) -> Result<OwnedFd> {
        self.store.remove_tree(&self.place.join(name::NEW))?;
        rustix::fs::mkdirat(self.dir(), name::NEW, Mode::from(0o700))
            .map_err(|e| Error::io("make a directory for the copy", e))?;
        open_dir_at(self.dir(), name::NEW)
    }

    /// Says that the copy is complete: from now on it is moved into place by whoever comes next.
    pub fn stage_is_complete(&self) -> Result<()> {
        rustix::fs::renameat(self.dir(), name::NEW, self.dir(), name::READY)
            .map_err(|e| Error::io("rename the copy", e))
    }

    /// The complete copy, if there is one that has not been moved into place yet.
    pub fn complete(&self) -> Result<Option<OwnedFd>> {
        match open_dir_at(self.dir(), name::READY) {
            Err(e) if e.kind() == Kind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// Says that the complete copy, empty by now, is in place.
    pub fn moved(&self) -> Result<()> {
        rustix::fs::unlinkat(self.dir(), name::READY, rustix::fs::AtFlags::REMOVEDIR)
            .map_err(|e| Error::io("remove the emptied copy", e))
    }
}

impl Store {
    /// Makes a volume; `false` if there is one of that name, which stays as it is.
    pub fn create_volume(&self, volume: &str, record: &Record) -> Result<bool> {
        let place = layout::volume(volume);
        if self.exists(&place)? {
            return Ok(false);
        }
        let staging = layout::tmp_in(Area::Root).join(&crate::fs::random_name());
        self.make_dir(&staging)?;
        let _sweepers_wait = self.lock_dir(&staging, LockMode::Exclusive)?;
        let staged = (|| {
            self.publish_json(&staging.join(name::RECORD), record, Sync::Durable)?;
            let data = staging.join(name::DATA);
            self.make_dir(&data)?;
            // Against a umask: programs that are not root must get in, as Docker's do.
            rustix::fs::fchmod(self.open_dir(&data)?, Mode::from(0o755))
                .map_err(std::io::Error::from)
                .with_context(|| format!("set the mode of {:?}", self.absolute(&data)))?;
            self.rename_new(&staging, &place)
        })();
        match staged {
            Ok(true) => match self.sync_parent(&place) {
                // Nobody else knows this name. Another one may be in use by now, and stays.
                Err(err) if record.anonymous => {
                    self.remove_tree(&place)?;
                    Err(err)
                }
                other => other.map(|()| true),
            },
            other => {
                self.remove_tree(&staging)?;
                other
            }
        }
    }

    /// Renames to a name that is free; `false` if it is taken.
    fn rename_new(&self, from: &Place, to: &Place) -> Result<bool> {
        let (old, new) = (self.area(from.area), self.area(to.area));
        match rustix::fs::renameat_with(old, &from.path, new, &to.path, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(e) => Err(Error::io(format!("rename to {:?}", self.absolute(to)), e)),
        }
    }

    /// The names of all volumes, sorted.
    pub fn volumes(&self) -> Result<Vec<String>> {
        self.list(&layout::volumes())
    }

    /// Whether there is a volume of that name.
    pub fn has_volume(&self, volume: &str) -> Result<bool> {
        self.exists(&layout::volume(volume))
    }

    /// What a volume was made with; `None` if there is none of that name.
    pub fn volume(&self, volume: &str) -> Result<Option<Record>> {
        self.read_json(&layout::volume(volume).join(name::RECORD))
    }

    /// The directory that containers see.
    #[must_use]
    pub fn volume_data(&self, volume: &str) -> Place {
        layout::volume(volume).join(name::DATA)
    }

    /// Held shared by those who make a container that uses volumes, until its record is there;
    /// exclusively by those who remove volumes. So none is removed that is about to be used.
    pub fn lock_volumes(&self, mode: LockMode) -> Result<LockedDir> {
        self.lock_dir(&layout::volumes(), mode)
    }

    /// Locks a volume against others who fill it.
    pub fn fill_volume(&self, volume: &str) -> Result<Filling<'_>> {
        let place = layout::volume(volume);
        let lock = self.lock_dir(&place, LockMode::Exclusive)?;
        Ok(Filling { store: self, place, lock })
    }

    /// Whether a complete copy waits to be moved into a volume's place.
    pub fn volume_waits(&self, volume: &str) -> Result<bool> {
        self.exists(&layout::volume(volume).join(name::READY))
    }

    /// Takes a volume away. The lock is the exclusive one of [`Self::lock_volumes`], under which
    /// the caller has found that nobody uses it.
    pub fn remove_volume(&self, _volumes: &LockedDir, volume: &str) -> Result<()> {
        self.remove_tree(&layout::volume(volume))
    }
}

fn open_dir_at(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(dir, name, flags, Mode::empty())
        .map_err(std::io::Error::from)
        .with_context(|| format!("open {name:?} of the volume"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::scratch;

    fn record() -> Record {
        Record {
            created: types::time::Time::EPOCH,
            labels: [("a".into(), "b".into())].into(),
            anonymous: false,
        }
    }

    #[test]
    fn a_volume_appears_whole_and_once() {
        let (_dir, store) = scratch();
        assert!(store.create_volume("data", &record()).unwrap());
        assert!(!store.create_volume("data", &Record { anonymous: true, ..record() }).unwrap());
        assert_eq!(store.volume("data").unwrap(), Some(record()));
        assert_eq!(store.volume("other").unwrap(), None);
        assert_eq!(store.volumes().unwrap(), ["data"]);
        let data = store.open_dir(&store.volume_data("data")).unwrap();
        assert_eq!(rustix::fs::fstat(&data).unwrap().st_mode & 0o7777, 0o755);
        assert!(store.list(&layout::tmp_in(Area::Root)).unwrap().is_empty());
    }

    #[test]
    fn the_loser_of_a_race_leaves_nothing() {
        let (_dir, store) = scratch();
        let staging = layout::tmp_in(Area::Root).join("x");
        store.make_dir(&staging).unwrap();
        store.create_volume("data", &record()).unwrap();
        assert!(!store.rename_new(&staging, &layout::volume("data")).unwrap());
        assert_eq!(store.volume("data").unwrap(), Some(record()));
    }

    #[test]
    fn a_removed_volume_leaves_nothing() {
        let (_dir, store) = scratch();
        store.create_volume("data", &record()).unwrap();
        std::fs::write(store.absolute(&store.volume_data("data")).join("x"), "y").unwrap();
        let lock = store.lock_volumes(LockMode::Exclusive).unwrap();
        store.remove_volume(&lock, "data").unwrap();
        assert!(store.volumes().unwrap().is_empty());
        assert!(store.list(&layout::tmp_in(Area::Root)).unwrap().is_empty());
    }
}
