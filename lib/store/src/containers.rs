//! Containers: directories that appear whole, and the records in them.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use types::container::Record;
use types::name::short;
use types::{Context, Error, Kind, Result};

use crate::layout::{self, in_container as name};
use crate::{Area, LockMode, LockedDir, Place, Store, Sync};

/// A container that has no name yet: a directory in `tmp`, locked by its maker. Dropping it
/// removes the directory; that of a killed maker is left to the next sweep.
#[must_use = "dropping it removes the container"]
#[derive(Debug)]
pub struct Staging<'s> {
    store: &'s Store,
    place: Place,
    /// Until it is a container.
    lock: Option<LockedDir>,
    id: String,
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // What cannot be removed now is removed by the next sweep.
            self.store.delete(&self.place).unwrap_or_default();
        }
    }
}

/// The descriptors of a container's directory that a start needs.
#[derive(Debug)]
pub struct Bundle {
    /// The directory itself.
    pub dir: OwnedFd,
    /// The writable layer.
    pub upper: OwnedFd,
    /// Overlay's scratch space.
    pub work: OwnedFd,
}

/// What is left of a container that nobody sees any more. Dropping it deletes it, as far as that
/// goes; the next sweep removes the rest.
#[must_use = "dropping it waits for the deletion"]
#[derive(Debug)]
pub struct Trash<'s> {
    store: &'s Store,
    place: Option<Place>,
    /// Keeps the sweep away.
    _lock: LockedDir,
}

impl Trash<'_> {
    /// Deletes it.
    pub fn empty(mut self) -> Result<()> {
        self.place.take().map_or(Ok(()), |place| self.store.delete(&place))
    }
}

impl Drop for Trash<'_> {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            self.store.delete(place).unwrap_or_default();
        }
    }
}

impl Staging<'_> {
    /// Makes it a container: writes the records, claims the name, renames the directory.
    ///
    /// The name is claimed before that, so that it is never listed twice. A claim whose container does
    /// not exist and is not being made by a living process is stale, and the next one takes it.
    ///
    /// # Errors
    /// `Conflict` if the name is taken.
    pub fn commit(mut self, record: &Record, config: &[u8], sync: Sync) -> Result<LockedDir> {
        let mut text =
            serde_json::to_vec(record).map_err(|e| Error::because(Kind::Invalid, "encode record.json", e))?;
        text.push(b'\n');
        // Before the claim: the sweep of what a killed maker leaves finds the name in it.
        self.write(name::RECORD, &text, sync)?;
        self.write(name::CONFIG, config, sync)?;
        self.store.claim_name(&record.name, &self.id)?;
        if let Err(err) = self.appear(sync) {
            if !self.store.exists(&layout::container(&self.id)).unwrap_or(true) {
                self.store.drop_name(&record.name, &self.id)?;
            }
            return Err(err);
        }
        self.lock.take().ok_or_else(|| Error::new(Kind::Conflict, "the container is made already"))
    }

    /// Takes its place among the containers: for good, or it goes back. If even that cannot be done, there
    /// is a whole container, which keeps its name.
    fn appear(&self, sync: Sync) -> Result<()> {
        let place = layout::container(&self.id);
        self.store.rename(&self.place, &place)?;
        if sync == Sync::Lazy {
            return Ok(());
        }
        self.store
            .sync_parent(&place)
            .inspect_err(|_| self.store.rename(&place, &self.place).unwrap_or_default())
    }

    /// Writes a file into the directory, which nobody else sees yet.
    fn write(&self, file: &str, content: &[u8], sync: Sync) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let write = || {
            let dir = self.lock.as_ref().map(LockedDir::dir).ok_or(std::io::ErrorKind::NotFound)?;
            let mut out = File::from(rustix::fs::openat(dir, file, flags, Mode::from(0o600))?);
            out.write_all(content)?;
            if sync == Sync::Durable { out.sync_all() } else { Ok(()) }
        };
        write().with_context(|| format!("write {:?}", self.store.absolute(&self.place.join(file))))
    }
}

impl Store {
    /// Makes the directory of a new container, in `tmp`.
    pub fn stage_container(&self, id: &str) -> Result<Staging<'_>> {
        let place = layout::tmp_in(Area::Root).join(id);
        self.make_dir(&place)?;
        let lock = self.lock_dir(&place, LockMode::Exclusive)?;
        for (dir, mode) in [(name::UPPER, 0o755), (name::WORK, 0o700)] {
            // The mode of `upper` becomes that of the container's `/`.
            rustix::fs::mkdirat(lock.dir(), dir, Mode::from(mode))
                .map_err(std::io::Error::from)
                .with_context(|| format!("make {:?}", self.absolute(&place.join(dir))))?;
        }
        Ok(Staging { store: self, place, lock: Some(lock), id: id.to_owned() })
    }

    /// The ids of all containers, sorted.
    pub fn containers(&self) -> Result<Vec<String>> {
        self.list(&layout::containers())
    }

    /// What was asked for; `NotFound` if the container is gone.
    pub fn record(&self, id: &str) -> Result<Record> {
        let record: Record = self
            .read_json(&layout::container(id).join(name::RECORD))?
            .ok_or_else(|| Error::new(Kind::NotFound, format!("no such container: {id:?}")))?;
        // What is done to one container must not be done to another one.
        if record.id == id {
            return Ok(record);
        }
        let why = format!("the record of container {:?} is that of {:?}", short(id), short(&record.id));
        Err(Error::new(Kind::Corrupt, why))
    }

    /// Changes what was asked for.
    pub fn update_record(&self, _lock: &LockedDir, record: &Record) -> Result<()> {
        self.publish_json(&layout::container(&record.id).join(name::RECORD), record, Sync::Durable)
    }

    /// Changes the OCI runtime configuration that follows from it.
    pub fn update_config(&self, _lock: &LockedDir, id: &str, config: &[u8]) -> Result<()> {
        self.publish(&layout::container(id).join(name::CONFIG), config, Sync::Durable)
    }

    /// The OCI runtime configuration, as written.
    pub fn config(&self, id: &str) -> Result<Vec<u8>> {
        self.read(&layout::container(id).join(name::CONFIG))?
            .ok_or_else(|| Error::new(Kind::NotFound, format!("no such container: {id:?}")))
    }

    /// Locks a container against other starts, stops and removals.
    pub fn lock_container(&self, id: &str) -> Result<LockedDir> {
        self.lock_dir(&layout::container(id), LockMode::Exclusive).map_err(|e| match e.kind() {
            Kind::NotFound => Error::new(Kind::NotFound, format!("no such container: {id:?}")),
            _ => e,
        })
    }

    /// Opens what a start needs of a container's directory.
    pub fn bundle(&self, id: &str) -> Result<Bundle> {
        let place = layout::container(id);
        Ok(Bundle {
            dir: self.open_dir(&place)?,
            upper: self.open_dir(&place.join(name::UPPER))?,
            work: self.open_dir(&place.join(name::WORK))?,
        })
    }

    /// Where the container's log is.
    #[must_use]
    pub fn log(&self, id: &str) -> Place {
        layout::container(id).join(name::LOG)
    }

    /// A file that is bound into the container's `/etc`, one of [`layout::ETC`].
    #[must_use]
    pub fn etc(&self, id: &str, file: &str) -> Place {
        layout::etc(id).join(file)
    }

    /// Writes the files of [`layout::ETC`], in that order and in place: they may be bound into a container
    /// that runs.
    pub fn write_etc(&self, id: &str, contents: [&str; layout::ETC.len()]) -> Result<()> {
        self.make_dir(&layout::etc(id))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        for (file, content) in layout::ETC.iter().zip(contents) {
            let place = self.etc(id, file);
            let write = || {
                let fd = rustix::fs::openat(self.area(place.area), &place.path, flags, Mode::from(0o644))?;
                File::from(fd).write_all(content.as_bytes())
            };
            write().with_context(|| format!("write {:?}", self.absolute(&place)))?;
        }
        Ok(())
    }

    /// Before the container itself: one that is left without them gets them at its next start.
    fn remove_etc(&self, id: &str) -> Result<()> {
        layout::ETC.iter().try_for_each(|file| self.remove(&self.etc(id, file)))?;
        self.remove_dir(&layout::etc(id))
    }

    /// Takes a container away: its directory in one step, then its name. Its content goes when
    /// what is returned is dropped or emptied.
    pub fn remove_container(&self, lock: LockedDir, record: &Record) -> Result<Trash<'_>> {
        self.remove_etc(&record.id)?;
        let place = self.set_aside(&layout::container(&record.id))?;
        let trash = Trash { store: self, place, _lock: lock };
        self.drop_name(&record.name, &record.id)?;
        Ok(trash)
    }

    /// Takes a container away whose record cannot be read; its name is found by its id.
    pub fn remove_damaged(&self, _lock: &LockedDir, id: &str) -> Result<()> {
        self.remove_etc(id)?;
        let trash = self.set_aside(&layout::container(id))?;
        self.drop_names_of(id)?;
        trash.map_or(Ok(()), |trash| self.delete(&trash))
    }

    /// Whether there is something. What cannot be found out is an error: nobody may take it for gone.
    pub(crate) fn exists(&self, place: &Place) -> Result<bool> {
        let (access, flags) = (rustix::fs::Access::EXISTS, rustix::fs::AtFlags::empty());
        match rustix::fs::accessat(self.area(place.area), &place.path, access, flags) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(e) => Err(Error::io(format!("look for {:?}", self.absolute(place)), e)),
        }
    }
}
