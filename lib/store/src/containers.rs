//! Containers: claims of names, directories that appear whole, facts, and the status derived
//! from them.

use std::os::fd::OwnedFd;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use types::container::{ExitRecord, Record, Run};
use types::{Context, Error, Kind, Result};

use crate::layout::{self, in_container as name};
use crate::{Area, LockMode, LockedDir, Place, Store, Sync};

/// What a container is doing, derived from its facts and the kernel's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Never started.
    Created,
    /// Its monitor holds the lock of its run, or its process lives without a monitor.
    Running,
    /// Ended, with a record of how.
    Exited,
    /// Ended while nobody watched: how is not known.
    Lost,
}

/// The facts of a container at one moment, and what follows from them.
#[derive(Debug, Clone)]
pub struct State {
    /// What it is doing.
    pub status: Status,
    /// Its last run, if it was ever started.
    pub run: Option<Run>,
    /// How that run ended, if it has ended and this is known.
    pub exit: Option<ExitRecord>,
}

/// A container that has no name yet: a directory in `tmp`, locked by its maker. Dropping it
/// leaves the directory to the next sweep.
#[must_use = "dropping it abandons the container"]
#[derive(Debug)]
pub struct Staging<'s> {
    store: &'s Store,
    place: Place,
    lock: LockedDir,
    id: String,
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

impl Staging<'_> {
    /// Makes it a container: claims the name, writes the records, renames the directory.
    ///
    /// The name is claimed first, so that it is never listed twice. A claim whose container does
    /// not exist and is not being made by a living process is stale, and the next one takes it.
    ///
    /// # Errors
    /// `Conflict` if the name is taken.
    pub fn commit(self, record: &Record, config: &[u8], sync: Sync) -> Result<LockedDir> {
        self.store.claim_name(&record.name, &self.id)?;
        let done = (|| {
            self.store.publish_json(&self.place.join(name::RECORD), record, sync)?;
            self.store.publish(&self.place.join(name::CONFIG), config, sync)?;
            let place = layout::container(&self.id);
            self.store.rename(&self.place, &place)?;
            if sync == Sync::Durable { self.store.sync_parent(&place) } else { Ok(()) }
        })();
        if let Err(err) = done {
            self.store.remove(&layout::name(&record.name))?;
            return Err(err);
        }
        Ok(self.lock)
    }
}

impl Store {
    /// Makes the directory of a new container, in `tmp`.
    pub fn stage_container(&self, id: &str) -> Result<Staging<'_>> {
        let place = layout::tmp_in(Area::Root).join(id);
        self.make_dir(&place)?;
        let lock = self.lock_dir(&place, LockMode::Exclusive)?;
        for (dir, mode) in
            [(name::ETC, 0o755), (name::ROOTFS, 0o755), (name::UPPER, 0o755), (name::WORK, 0o700)]
        {
            // The mode of `upper` becomes that of the container's `/`.
            rustix::fs::mkdirat(lock.dir(), dir, Mode::from(mode))
                .map_err(std::io::Error::from)
                .with_context(|| format!("make {:?}", self.absolute(&place.join(dir))))?;
        }
        Ok(Staging { store: self, place, lock, id: id.to_owned() })
    }

    fn claim_name(&self, wanted: &str, id: &str) -> Result<()> {
        let place = layout::name(wanted);
        match self.claim(&place, id) {
            Err(e) if e.kind() == Kind::Conflict => {}
            other => return other,
        }
        // One at a time decides what is stale.
        let _one = self.lock_dir(&layout::names(), LockMode::Exclusive)?;
        if let Some(holder) = self.claimed(&place)?
            && self.claim_is_alive(&holder)?
        {
            let short: String = holder.chars().take(12).collect();
            return Err(Error::new(
                Kind::Conflict,
                format!("the name {wanted:?} is taken by container {short}"),
            )
            .hint(format!("choose another name, or remove it: ctr-rm -f {wanted}")));
        }
        self.remove(&place)?;
        self.claim(&place, id)
    }

    /// A claim stands if its container exists, or its maker still holds the staging directory.
    fn claim_is_alive(&self, id: &str) -> Result<bool> {
        if self.exists(&layout::container(id)) {
            return Ok(true);
        }
        let staging = layout::tmp_in(Area::Root).join(id);
        match self.try_lock_dir(&staging, LockMode::Exclusive) {
            Ok(Some(_lock)) => Ok(false),
            Ok(None) => Ok(true),
            // Renamed to its final name between the two looks?
            Err(e) if e.kind() == Kind::NotFound => Ok(self.exists(&layout::container(id))),
            Err(e) => Err(e),
        }
    }

    /// The ids of all containers, sorted.
    pub fn containers(&self) -> Result<Vec<String>> {
        self.list(&layout::containers())
    }

    /// The id behind a full id, a name, or a unique beginning of an id, looked up in that order.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` if several ids begin so.
    pub fn find_container(&self, wanted: &str) -> Result<String> {
        let missing = || Error::new(Kind::NotFound, format!("no such container: {wanted:?}"));
        let is_hex = wanted.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) && !wanted.is_empty();
        if is_hex && wanted.len() == 64 && self.exists(&layout::container(wanted)) {
            return Ok(wanted.to_owned());
        }
        if !types::name::is_valid(wanted) {
            return Err(missing());
        }
        if let Some(id) = self.claimed(&layout::name(wanted))?
            && self.exists(&layout::container(&id))
        {
            return Ok(id);
        }
        if !is_hex {
            return Err(missing());
        }
        let mut found = self.containers()?.into_iter().filter(|id| id.starts_with(wanted));
        match (found.next(), found.next()) {
            (Some(id), None) => Ok(id),
            (None, _) => Err(missing()),
            (Some(a), Some(b)) => {
                let (a, b) = (a.get(..12).unwrap_or(&a), b.get(..12).unwrap_or(&b));
                Err(Error::new(Kind::Invalid, format!("{wanted:?} is ambiguous: {a} and {b} begin so"))
                    .hint("give more digits, or the name"))
            }
        }
    }

    /// What was asked for; `NotFound` if the container is gone.
    pub fn record(&self, id: &str) -> Result<Record> {
        self.read_json(&layout::container(id).join(name::RECORD))?
            .ok_or_else(|| Error::new(Kind::NotFound, format!("no such container: {id:?}")))
    }

    /// Changes what was asked for, and the configuration that follows from it.
    pub fn update_record(&self, _lock: &LockedDir, record: &Record, config: &[u8]) -> Result<()> {
        let place = layout::container(&record.id);
        self.publish(&place.join(name::CONFIG), config, Sync::Durable)?;
        self.publish_json(&place.join(name::RECORD), record, Sync::Durable)
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

    /// A file that is bound into the container: `hosts`, `hostname`, `resolv.conf`.
    #[must_use]
    pub fn etc(&self, id: &str, file: &str) -> Place {
        layout::container(id).join(name::ETC).join(file)
    }

    /// The root directory that `config.json` names.
    #[must_use]
    pub fn rootfs(&self, id: &str) -> Place {
        layout::container(id).join(name::ROOTFS)
    }

    /// Records a start. The file is locked before it gets its name: the lock lasts as long as the
    /// returned descriptor, so that a killed monitor is noticed by everyone.
    pub fn begin_run(&self, id: &str, run: &Run) -> Result<OwnedFd> {
        let place = layout::container(id).join(name::RUN);
        let mut new = self.new_file(Area::Root)?;
        let text =
            serde_json::to_vec(run).map_err(|e| Error::because(Kind::Invalid, "encode run.json", e))?;
        std::io::Write::write_all(&mut new, &text).context("write run.json")?;
        let lock =
            rustix::io::fcntl_dupfd_cloexec(&new, 3).map_err(|e| Error::io("duplicate run.json", e))?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).map_err(|e| Error::io("lock run.json", e))?;
        new.commit(&place, Sync::Lazy)?;
        Ok(lock)
    }

    /// Records how a run ended.
    pub fn end_run(&self, id: &str, exit: &ExitRecord, sync: Sync) -> Result<()> {
        self.publish_json(&layout::container(id).join(name::EXIT), exit, sync)
    }

    /// Waits until the monitor of the current run has let go of it; returns at once if there is none.
    pub fn wait_run(&self, id: &str) -> Result<()> {
        let Some(file) = self.open_run(id)? else { return Ok(()) };
        loop {
            match rustix::fs::flock(&file, FlockOperation::LockShared) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(e) => return Err(Error::io("wait for the end of the run", e)),
            }
        }
    }

    /// What the container is doing.
    pub fn state(&self, id: &str) -> Result<State> {
        loop {
            let state = self.look(id)?;
            // A new run may have begun between the look at `run.json` and that at `exit.json`.
            if state.status != Status::Lost
                || self.look(id)?.run.map(|r| r.started) == state.run.as_ref().map(|r| r.started.clone())
            {
                return Ok(state);
            }
        }
    }

    fn look(&self, id: &str) -> Result<State> {
        let Some(file) = self.open_run(id)? else {
            return Ok(State { status: Status::Created, run: None, exit: None });
        };
        let watched = match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => false,
            Err(Errno::WOULDBLOCK) => true,
            Err(e) => return Err(Error::io("look at run.json", e)),
        };
        let run: Run = read_record(file).with_context(|| format!("read run.json of {id}"))?;
        if watched {
            return Ok(State { status: Status::Running, run: Some(run), exit: None });
        }
        let exit: Option<ExitRecord> = self.read_json(&layout::container(id).join(name::EXIT))?;
        let exit = exit.filter(|exit| exit.started == run.started);
        let status = if exit.is_some() {
            Status::Exited
        } else if sys::process::is_alive(run.pid, run.start_time, &run.boot_id) {
            Status::Running
        } else {
            Status::Lost
        };
        Ok(State { status, run: Some(run), exit })
    }

    fn open_run(&self, id: &str) -> Result<Option<OwnedFd>> {
        let place = layout::container(id).join(name::RUN);
        match rustix::fs::openat(
            self.area(place.area),
            &place.path,
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW,
            Mode::empty(),
        ) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(Error::io(format!("open {:?}", self.absolute(&place)), e)),
        }
    }

    /// Takes a container away: its directory in one step, then its name, then its content.
    pub fn remove_container(&self, _lock: &LockedDir, record: &Record) -> Result<()> {
        let trash = self.set_aside(&layout::container(&record.id))?;
        let place = layout::name(&record.name);
        if self.claimed(&place)?.as_deref() == Some(record.id.as_str()) {
            self.remove(&place)?;
        }
        match trash {
            Some(trash) => self.delete(&trash),
            None => Ok(()),
        }
    }

    pub(crate) fn exists(&self, place: &Place) -> bool {
        rustix::fs::accessat(
            self.area(place.area),
            &place.path,
            rustix::fs::Access::EXISTS,
            rustix::fs::AtFlags::empty(),
        )
        .is_ok()
    }
}

fn read_record<T: serde::de::DeserializeOwned>(file: OwnedFd) -> Result<T> {
    let text = std::io::read_to_string(std::fs::File::from(file)).context("read")?;
    serde_json::from_str(&text).map_err(|e| Error::because(Kind::Corrupt, "decode", e))
}
