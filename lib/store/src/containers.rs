//! Containers: claims of names, directories that appear whole, facts, and the status derived
//! from them.

use std::fs::File;
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, Mode, OFlags, inotify};
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
    /// Ended, and its monitor is about to start it again.
    Restarting,
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

/// The two lines of a run are never longer.
const MAX_RUN: usize = 64 << 10;

/// They are nearly always shorter than this, and are read without asking for memory.
const USUAL_RUN: usize = 4 << 10;

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

/// The lock of the record of a run, held by its monitor while the run lasts.
#[must_use = "the run counts as over when this is dropped"]
#[derive(Debug)]
pub struct RunLock(File);

/// The record of a run, for those who look.
#[derive(Debug)]
pub struct RunWatch(File);

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
    /// Makes it a container: claims the name, writes the records, renames the directory.
    ///
    /// The name is claimed first, so that it is never listed twice. A claim whose container does
    /// not exist and is not being made by a living process is stale, and the next one takes it.
    ///
    /// # Errors
    /// `Conflict` if the name is taken.
    pub fn commit(mut self, record: &Record, config: &[u8], sync: Sync) -> Result<LockedDir> {
        self.store.claim_name(&record.name, &self.id)?;
        let done = (|| {
            let mut text = serde_json::to_vec(record)
                .map_err(|e| Error::because(Kind::Invalid, "encode record.json", e))?;
            text.push(b'\n');
            self.write(name::RECORD, &text, sync)?;
            self.write(name::CONFIG, config, sync)?;
            let place = layout::container(&self.id);
            self.store.rename(&self.place, &place)?;
            if sync == Sync::Durable { self.store.sync_parent(&place) } else { Ok(()) }
        })();
        if let Err(err) = done {
            self.store.remove(&layout::name(&record.name))?;
            return Err(err);
        }
        self.lock.take().ok_or_else(|| Error::new(Kind::Conflict, "the container is made already"))
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
    pub(crate) fn claim_is_alive(&self, id: &str) -> Result<bool> {
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

    /// A file that is bound into the container's `/etc`: `hosts`, `hostname`, `resolv.conf`.
    #[must_use]
    pub fn etc(&self, id: &str, file: &str) -> Place {
        layout::container(id).join(file)
    }

    /// Writes such a file, in place: it may be bound into a container that runs.
    pub fn write_etc(&self, id: &str, file: &str, content: &str) -> Result<()> {
        let place = self.etc(id, file);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let write = || {
            let fd = rustix::fs::openat(self.area(place.area), &place.path, flags, Mode::from(0o644))?;
            File::from(fd).write_all(content.as_bytes())
        };
        write().with_context(|| format!("write {:?}", self.absolute(&place)))
    }

    /// Records a start. The file is locked before it gets its name: the lock lasts as long as the
    /// returned value, so that a killed monitor is noticed by everyone.
    pub fn begin_run(&self, id: &str, run: &Run) -> Result<RunLock> {
        let place = layout::container(id).join(name::RUN);
        let mut new = self.new_file(Area::Root)?;
        write_line(&mut new, run).context("write its run record")?;
        let file =
            rustix::io::fcntl_dupfd_cloexec(&new, 3).map_err(|e| Error::io("duplicate a descriptor", e))?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive)
            .map_err(|e| Error::io("lock its run record", e))?;
        new.commit(&place, Sync::Lazy)?;
        Ok(RunLock(File::from(file)))
    }

    /// Opens the record of the last run; `None` if it was never started.
    pub fn watch_run(&self, id: &str) -> Result<Option<RunWatch>> {
        let place = layout::container(id).join(name::RUN);
        match rustix::fs::openat(
            self.area(place.area),
            &place.path,
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW,
            Mode::empty(),
        ) {
            Ok(fd) => Ok(Some(RunWatch(File::from(fd)))),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(Error::io(format!("open {:?}", self.absolute(&place)), e)),
        }
    }

    /// What the container is doing.
    pub fn state(&self, id: &str) -> Result<State> {
        let Some(watch) = self.watch_run(id)? else {
            return Ok(State { status: Status::Created, run: None, exit: None });
        };
        watch.state().with_context(|| format!("look at container {id:?}"))
    }

    /// Says that the user wants it to end: its monitor will not start it again.
    pub fn request_stop(&self, id: &str) -> Result<()> {
        let place = layout::container(id).join(name::STOP);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        rustix::fs::openat(self.area(place.area), &place.path, flags, Mode::from(0o600))
            .map(drop)
            .map_err(|e| Error::io(format!("write {:?}", self.absolute(&place)), e))
    }

    /// Takes that back, for a new start.
    pub fn clear_stop(&self, id: &str) -> Result<()> {
        self.remove(&layout::container(id).join(name::STOP))
    }

    /// Returns whether the user wants it to end, and waits at most so long for such a wish.
    pub fn is_stop_requested(&self, id: &str, wait: Duration) -> Result<bool> {
        let place = layout::container(id).join(name::STOP);
        if self.exists(&place) || wait.is_zero() {
            return Ok(self.exists(&place));
        }
        let watch = || {
            let events = inotify::init(inotify::CreateFlags::CLOEXEC)?;
            inotify::add_watch(&events, self.absolute(&layout::container(id)), inotify::WatchFlags::CREATE)?;
            // Looked at again once it is watched: a wish from in between is not missed.
            if !self.exists(&place) {
                let timeout = Timespec::try_from(wait).ok();
                poll(&mut [PollFd::new(&events, PollFlags::IN)], timeout.as_ref())?;
            }
            Ok(self.exists(&place))
        };
        watch().map_err(|e: Errno| Error::io("watch for a wish to stop", e))
    }

    /// Takes a container away: its directory in one step, then its name. Its content goes when
    /// what is returned is dropped or emptied.
    pub fn remove_container(&self, lock: LockedDir, record: &Record) -> Result<Trash<'_>> {
        let place = self.set_aside(&layout::container(&record.id))?;
        let trash = Trash { store: self, place, _lock: lock };
        let name = layout::name(&record.name);
        if self.claimed(&name)?.as_deref() == Some(record.id.as_str()) {
            self.remove(&name)?;
        }
        Ok(trash)
    }

    /// Takes a container away whose record cannot be read; its name is found by its id.
    pub fn remove_damaged(&self, _lock: &LockedDir, id: &str) -> Result<()> {
        let trash = self.set_aside(&layout::container(id))?;
        for name in self.list(&layout::names())? {
            let place = layout::name(&name);
            if self.claimed(&place)?.as_deref() == Some(id) {
                self.remove(&place)?;
            }
        }
        trash.map_or(Ok(()), |trash| self.delete(&trash))
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

impl RunLock {
    /// Records how the run ended, in the same file: whoever holds it open learns of it even when
    /// the container is removed at once. One write of less than a page is seen whole or not at all.
    ///
    /// Not synced: a disk that is busy would hold up whoever waits. After a power failure the
    /// exit may be unknown, and is then said to be.
    pub fn end(&mut self, exit: &ExitRecord) -> Result<()> {
        write_line(&mut self.0, exit).context("record the exit")
    }
}

impl RunWatch {
    /// Waits until the monitor has let go: the exit is on record, if it ever will be, and nothing
    /// is left of the run.
    pub fn wait(&self) -> Result<()> {
        loop {
            match rustix::fs::flock(&self.0, FlockOperation::LockShared) {
                Ok(()) => return self.unlock(),
                Err(Errno::INTR) => {}
                Err(e) => return Err(Error::io("wait for the end of the run", e)),
            }
        }
    }

    /// What this run is doing, or how it ended.
    pub fn state(&self) -> Result<State> {
        // The lock is looked at first: if nobody holds it, what the file says is final.
        let watched = match rustix::fs::flock(&self.0, FlockOperation::NonBlockingLockShared) {
            Ok(()) => false,
            Err(Errno::WOULDBLOCK) => true,
            Err(e) => return Err(Error::io("look at the run", e)),
        };
        if !watched {
            self.unlock()?;
        }
        let mut room = [MaybeUninit::uninit(); USUAL_RUN];
        let (mut text, left) = match rustix::io::pread(&self.0, &mut room, 0) {
            Ok((text, left)) => (&*text, left.len()),
            Err(e) => return Err(Error::io("read its run record", e)),
        };
        let long;
        if left == 0 {
            long = crate::fs::read_small(&self.0, MAX_RUN).context("read its run record")?;
            text = &long;
        }
        let mut lines = valid(text).lines();
        let run: Run = serde_json::from_str(lines.next().unwrap_or_default())
            .map_err(|e| Error::because(Kind::Corrupt, "decode its run record", e))?;
        // A second line that is cut short (a power failure) tells nothing.
        let exit: Option<ExitRecord> = lines.next().and_then(|line| serde_json::from_str(line).ok());
        let status = match &exit {
            Some(exit) if watched && exit.restarting => Status::Restarting,
            _ if watched => Status::Running,
            Some(_) => Status::Exited,
            None if sys::process::is_alive(run.pid, run.start_time, &run.boot_id) => Status::Running,
            None => Status::Lost,
        };
        Ok(State { status, run: Some(run), exit: exit.filter(|_| status != Status::Running) })
    }

    fn unlock(&self) -> Result<()> {
        rustix::fs::flock(&self.0, FlockOperation::Unlock).map_err(|e| Error::io("unlock the run", e))
    }
}

/// As much of the beginning as is text: what is cut short may end within a character.
fn valid(bytes: &[u8]) -> &str {
    let whole = std::str::from_utf8(bytes);
    whole
        .or_else(|e| std::str::from_utf8(bytes.get(..e.valid_up_to()).unwrap_or_default()))
        .unwrap_or_default()
}

fn write_line(out: &mut impl Write, record: &impl serde::Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    out.write_all(&line)
}
