//! Directories and files of cgroupfs, by descriptor.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, fstatfs, mkdirat, openat, openat2, unlinkat};
use rustix::io::Errno;
use types::{Error, Kind, Result};

const ROOT: &str = "/sys/fs/cgroup";
const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;
const CGROUP_SUPER_MAGIC: u64 = 0x0027_e0eb;

/// How this host has mounted its hierarchies.
pub enum Hierarchies {
    /// v2 with all controllers.
    Unified(Dir),
    /// A directory with one hierarchy of v1 in each directory, and perhaps v2 in `unified`.
    Split(Dir),
}

impl Hierarchies {
    pub fn find() -> Result<Self> {
        let root = Dir {
            fd: open_dir(rustix::fs::CWD, ROOT).map_err(|e| failed("open", ROOT, e))?,
            name: ROOT.into(),
        };
        Ok(if root.magic()? == CGROUP2_SUPER_MAGIC { Self::Unified(root) } else { Self::Split(root) })
    }
}

/// A group.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    /// For messages only.
    name: String,
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Dir {
    fn magic(&self) -> Result<u64> {
        let stat = fstatfs(&self.fd).map_err(|e| failed("look at", &self.name, e))?;
        Ok(u64::try_from(stat.f_type).unwrap_or(0))
    }

    /// Opens the v1 hierarchy of a controller.
    pub fn controller(&self, name: &str) -> Result<Option<Self>> {
        self.hierarchy(name, CGROUP_SUPER_MAGIC)
    }

    /// Opens the v2 hierarchy beside v1.
    pub fn unified(&self) -> Result<Option<Self>> {
        self.hierarchy("unified", CGROUP2_SUPER_MAGIC)
    }

    /// `cpu` is often a link to `cpu,cpuacct`; the host's own directory is trusted.
    fn hierarchy(&self, name: &str, magic: u64) -> Result<Option<Self>> {
        let dir = match open_dir(&self.fd, name) {
            Ok(fd) => Self { fd, name: format!("{}/{name}", self.name) },
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(failed("open", &format!("{}/{name}", self.name), e)),
        };
        Ok((dir.magic()? == magic).then_some(dir))
    }

    /// Opens a group below this one.
    pub fn open(&self, name: &str) -> Result<Option<Self>> {
        let path = format!("{}/{name}", self.name);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat2(&self.fd, name, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
        {
            Ok(fd) => Ok(Some(Self { fd, name: path })),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(failed("open", &path, e)),
        }
    }

    /// Opens a group and makes it if it is not there; tells whether it was made now.
    pub fn ensure(&self, name: &str) -> Result<(Self, bool)> {
        if let Some(dir) = self.open(name)? {
            return Ok((dir, false));
        }
        match mkdirat(&self.fd, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(failed("make", &format!("{}/{name}", self.name), e)),
        }
        let dir =
            self.open(name)?.ok_or_else(|| failed("open", &format!("{}/{name}", self.name), Errno::NOENT))?;
        Ok((dir, true))
    }

    /// Makes a group; one that is left from before is removed first.
    pub fn make(&self, name: &str) -> Result<Self> {
        let mode = Mode::from_raw_mode(0o755);
        let path = || format!("{}/{name}", self.name);
        match mkdirat(&self.fd, name, mode) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                match unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(Errno::BUSY) => {
                        return Err(Error::new(Kind::Conflict, format!("{:?} has processes in it", path())));
                    }
                    Err(e) => return Err(failed("remove", &path(), e)),
                }
                mkdirat(&self.fd, name, mode).map_err(|e| failed("make", &path(), e))?;
            }
            Err(e) => return Err(failed("make", &path(), e)),
        }
        self.open(name)?.ok_or_else(|| failed("open", &path(), Errno::NOENT))
    }

    /// Removes this group, whose name is `name`; false if it has processes.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let parent =
            openat(&self.fd, "..", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let removed = parent.and_then(|parent| unlinkat(&parent, name, AtFlags::REMOVEDIR));
        match removed {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::BUSY) => Ok(false),
            Err(e) => Err(failed("remove", &self.name, e)),
        }
    }

    /// Opens a file for writing.
    pub fn file(&self, name: &str) -> rustix::io::Result<OwnedFd> {
        openat(&self.fd, name, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
    }

    /// Writes one value. Each write(2) is one command to the kernel, so there is no buffering.
    pub fn write(&self, name: &str, value: &str) -> Result<()> {
        let path = || format!("{}/{name}", self.name);
        let file = self.file(name).map_err(|e| match e {
            Errno::NOENT => Error::io(format!("set {:?}", path()), e)
                .hint("the kernel or the host's cgroup set-up does not have this controller"),
            e => failed("open", &path(), e),
        })?;
        rustix::io::write(&file, value.as_bytes())
            .map(drop)
            .map_err(|e| Error::io(format!("write {value:?} to {:?}", path()), e))
    }

    /// Reads a whole file, `None` if it is not there.
    pub fn read_if_there(&self, name: &str) -> Result<Option<String>> {
        let path = || format!("{}/{name}", self.name);
        let fd = match openat(&self.fd, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(fd) => fd,
            // A group that was removed while we held it has no files any more.
            Err(Errno::NOENT | Errno::NODEV) => return Ok(None),
            Err(e) => return Err(failed("open", &path(), e)),
        };
        match std::io::read_to_string(std::fs::File::from(fd)) {
            Ok(text) => Ok(Some(text)),
            Err(e) if e.raw_os_error() == Some(Errno::NODEV.raw_os_error()) => Ok(None),
            Err(e) => Err(Error::io(format!("read {:?}", path()), e)),
        }
    }

    /// Waits until no process is in this v2 group or below: `populated 0` in `cgroup.events`, which
    /// can be polled.
    pub fn wait_until_empty(&self, until: Instant) -> Result<()> {
        let name = "cgroup.events";
        let path = || format!("{}/{name}", self.name);
        let Ok(fd) = openat(&self.fd, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) else {
            return Ok(());
        };
        let mut buffer = [0; 256];
        loop {
            let len = match rustix::io::pread(&fd, &mut buffer, 0) {
                Ok(len) => len,
                Err(Errno::NODEV) => return Ok(()),
                Err(e) => return Err(failed("read", &path(), e)),
            };
            let text = buffer.get(..len).unwrap_or_default();
            let left = until.saturating_duration_since(Instant::now());
            if !text.windows(11).any(|w| w == b"populated 1") || left.is_zero() {
                return Ok(());
            }
            let timeout =
                Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: i64::from(left.subsec_nanos()) };
            match poll(&mut [PollFd::new(&fd, PollFlags::PRI)], Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => return Err(failed("wait for", &path(), e)),
            }
        }
    }

    /// Its path, for messages.
    pub fn name_for_messages(&self) -> &str {
        &self.name
    }
}

fn open_dir(at: impl AsFd, name: &str) -> rustix::io::Result<OwnedFd> {
    openat(at, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn failed(verb: &'static str, path: &str, errno: Errno) -> Error {
    let error = Error::io(format!("{verb} {path:?}"), errno);
    match errno {
        Errno::ROFS => error.hint("the host's /sys/fs/cgroup is mounted read-only here"),
        _ => error,
    }
}
