//! Runs of a container: the record of what was started last and how it ended, and the status that
//! follows from it and from what the kernel says.

mod witness;

use std::fs::File;
use std::io::Write;
use std::mem::MaybeUninit;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, Mode, OFlags, inotify};
use rustix::io::Errno;
use types::container::{ExitRecord, Run};
use types::{Context, Error, Kind, Result};

use crate::layout::{self, in_container as name};
use crate::{Area, Store, Sync};

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

/// The lock of the record of a run, held by its monitor while the run lasts.
#[must_use = "the run counts as over when this is dropped"]
#[derive(Debug)]
pub struct RunLock(File);

/// The record of a run, for those who look.
#[derive(Debug)]
pub struct RunWatch(File);

impl Store {
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
        if self.exists(&place)? || wait.is_zero() {
            return self.exists(&place);
        }
        let failed = |e: Errno| Error::io("watch for a wish to stop", e);
        let events = inotify::init(inotify::CreateFlags::CLOEXEC).map_err(failed)?;
        let dir = self.absolute(&layout::container(id));
        inotify::add_watch(&events, dir, inotify::WatchFlags::CREATE).map_err(failed)?;
        // Looked at again once it is watched: a wish from in between is not missed.
        if !self.exists(&place)? {
            let timeout = Timespec::try_from(wait).ok();
            match poll(&mut [PollFd::new(&events, PollFlags::IN)], timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {} // a wait that is cut short is no reason to give up
                Err(e) => return Err(failed(e)),
            }
        }
        self.exists(&place)
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
            None if is_alive(&run)? => Status::Running,
            None => Status::Lost,
        };
        Ok(State { status, run: Some(run), exit: exit.filter(|_| status != Status::Running) })
    }

    fn unlock(&self) -> Result<()> {
        rustix::fs::flock(&self.0, FlockOperation::Unlock).map_err(|e| Error::io("unlock the run", e))
    }
}

fn is_alive(run: &Run) -> Result<bool> {
    sys::process::is_alive(run.pid, run.start_time, &run.boot_id).context("look at its process")
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
