//! Directories and files of cgroupfs, by descriptor.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, fstatfs, mkdirat, openat, openat2, unlinkat,
};
use rustix::io::Errno;
use types::{Error, Kind, Result};

const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;
const CGROUP_SUPER_MAGIC: u64 = 0x0027_e0eb;

/// Deeper than any group that is made by hand or by a program; a bound for what recurses.
const DEEPEST: u32 = 32;

/// A group.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    /// Its absolute path, for messages and for [`Saved`](super::Saved).
    name: String,
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Dir {
    /// Opens a directory of the host by its path.
    pub fn at(path: &str) -> Result<Self> {
        let fd = open_dir(rustix::fs::CWD, path).map_err(|e| failed("open", path, e))?;
        Ok(Self { fd, name: path.into() })
    }

    /// Tells whether this is a directory of cgroup v2.
    pub fn is_v2(&self) -> Result<bool> {
        Ok(self.magic()? == CGROUP2_SUPER_MAGIC)
    }

    /// Tells whether this is a directory of cgroups at all.
    pub fn is_cgroup(&self) -> Result<bool> {
        Ok([CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC].contains(&self.magic()?))
    }

    fn magic(&self) -> Result<u64> {
        let stat = fstatfs(&self.fd).map_err(|e| failed("look at", &self.name, e))?;
        Ok(u64::try_from(stat.f_type).unwrap_or(0))
    }

    /// Which file system this is: two names of one hierarchy have the same number.
    pub fn device(&self) -> Result<u64> {
        Ok(rustix::fs::fstat(&self.fd).map_err(|e| failed("look at", &self.name, e))?.st_dev)
    }

    /// Opens the v1 hierarchy that is mounted under this name.
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
            Ok(fd) => Self { fd, name: self.path(name) },
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(failed("open", &self.path(name), e)),
        };
        Ok((dir.magic()? == magic).then_some(dir))
    }

    /// Opens a group below this one.
    pub fn open(&self, name: &str) -> Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match openat2(&self.fd, name, flags, Mode::empty(), within) {
            Ok(fd) => Ok(Some(Self { fd, name: self.path(name) })),
            Err(Errno::NOENT | Errno::NODEV) => Ok(None),
            Err(e) => Err(failed("open", &self.path(name), e)),
        }
    }

    /// Opens a group and makes it if it is not there; tells whether it was made now.
    pub fn ensure(&self, name: &str) -> Result<(Self, bool)> {
        if let Some(dir) = self.open(name)? {
            return Ok((dir, false));
        }
        let made = match mkdirat(&self.fd, name, Mode::from_raw_mode(0o755)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(e) => return Err(failed("make", &self.path(name), e)),
        };
        Ok((self.must_open(name)?, made))
    }

    fn must_open(&self, name: &str) -> Result<Self> {
        self.open(name)?.ok_or_else(|| failed("open", &self.path(name), Errno::NOENT))
    }

    /// Makes a group; one that is left from before is removed first.
    pub fn make(&self, name: &str) -> Result<Self> {
        let mode = Mode::from_raw_mode(0o755);
        match mkdirat(&self.fd, name, mode) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                self.must_be_removed(name)?;
                mkdirat(&self.fd, name, mode).map_err(|e| failed("make", &self.path(name), e))?;
            }
            Err(e) => return Err(failed("make", &self.path(name), e)),
        }
        self.must_open(name)
    }

    fn must_be_removed(&self, name: &str) -> Result<()> {
        let left = self.open(name)?;
        if left.map_or(Ok(true), |left| left.remove())? {
            return Ok(());
        }
        Err(Error::new(Kind::Conflict, format!("{:?} has processes in it", self.path(name))))
    }

    /// Removes this group and, deepest first, what was made below it; false if there are processes in it.
    pub fn remove(&self) -> Result<bool> {
        self.remove_to(DEEPEST)
    }

    fn remove_to(&self, depth: u32) -> Result<bool> {
        let name = self.name.rsplit('/').next().unwrap_or_default();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let above = match openat(&self.fd, "..", flags, Mode::empty()) {
            Ok(above) => above,
            Err(Errno::NOENT | Errno::NODEV) => return Ok(true),
            Err(e) => return Err(failed("open the parent of", &self.name, e)),
        };
        match unlinkat(&above, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(true),
            Err(Errno::BUSY | Errno::NOTEMPTY) => {}
            Err(e) => return Err(failed("remove", &self.name, e)),
        }
        let below = if depth == 0 { Vec::new() } else { self.children()? };
        // Busy for another reason than groups below it: processes.
        if below.is_empty() {
            return Ok(false);
        }
        for child in below {
            if let Some(child) = self.open(&child)?
                && !child.remove_to(depth - 1)?
            {
                return Ok(false);
            }
        }
        match unlinkat(&above, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::BUSY) => Ok(false),
            Err(e) => Err(failed("remove", &self.name, e)),
        }
    }

    /// Names of the groups directly below this one.
    pub fn children(&self) -> Result<Vec<String>> {
        let entries = rustix::fs::Dir::read_from(&self.fd).map_err(|e| failed("read", &self.name, e))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                // Removed meanwhile.
                Err(Errno::NOENT | Errno::NODEV) => break,
                Err(e) => return Err(failed("read", &self.name, e)),
            };
            let name = entry.file_name().to_string_lossy();
            if entry.file_type() == FileType::Directory && name != "." && name != ".." {
                names.push(name.into_owned());
            }
        }
        Ok(names)
    }

    /// Calls `visit` with this group and every one below it.
    pub fn walk(&self, visit: &mut dyn FnMut(&Self) -> Result<()>) -> Result<()> {
        self.walk_to(DEEPEST, visit)
    }

    fn walk_to(&self, depth: u32, visit: &mut dyn FnMut(&Self) -> Result<()>) -> Result<()> {
        visit(self)?;
        if depth == 0 {
            return Ok(());
        }
        for child in self.children()? {
            if let Some(child) = self.open(&child)? {
                child.walk_to(depth - 1, visit)?;
            }
        }
        Ok(())
    }

    /// Opens a file for writing.
    pub fn file(&self, name: &str) -> rustix::io::Result<OwnedFd> {
        openat(&self.fd, name, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
    }

    /// Writes one value, with the kernel's own answer. Each write(2) is one command to the kernel, so
    /// there is no buffering.
    pub fn put(&self, name: &str, value: &str) -> rustix::io::Result<()> {
        let file = self.file(name)?;
        rustix::io::write(&file, value.as_bytes()).map(drop)
    }

    /// Writes one value.
    pub fn write(&self, name: &str, value: &str) -> Result<()> {
        self.put(name, value).map_err(|e| self.refused(name, value, e))
    }

    /// What is said of a write that the kernel has refused.
    pub fn refused(&self, name: &str, value: &str, errno: Errno) -> Error {
        let error = Error::io(format!("write {value:?} to {:?}", self.path(name)), errno);
        match errno {
            Errno::NOENT => {
                error.hint("the kernel or the host's cgroup set-up does not have this file or controller")
            }
            Errno::ROFS => error.hint("the host's /sys/fs/cgroup is mounted read-only here"),
            _ => error,
        }
    }

    /// Reads a whole file, `None` if it is not there.
    pub fn read_if_there(&self, name: &str) -> Result<Option<String>> {
        let fd = match openat(&self.fd, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(fd) => fd,
            // A group that was removed while we held it has no files any more.
            Err(Errno::NOENT | Errno::NODEV) => return Ok(None),
            Err(e) => return Err(failed("open", &self.path(name), e)),
        };
        match std::io::read_to_string(std::fs::File::from(fd)) {
            Ok(text) => Ok(Some(text)),
            Err(e) if e.raw_os_error() == Some(Errno::NODEV.raw_os_error()) => Ok(None),
            Err(e) => Err(Error::io(format!("read {:?}", self.path(name)), e)),
        }
    }

    /// Waits until a v2 group's `cgroup.events` says `line`, or until `until`; tells whether it does.
    /// A group that is gone says everything.
    ///
    /// The file can be polled (Linux, cgroup-v2: "A value change … generates a file modified event").
    pub fn wait_for_event(&self, line: &str, until: Instant) -> Result<bool> {
        let name = "cgroup.events";
        let Ok(fd) = openat(&self.fd, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) else {
            return Ok(true);
        };
        let mut buffer = [0; 256];
        loop {
            let len = match rustix::io::pread(&fd, &mut buffer, 0) {
                Ok(len) => len,
                Err(Errno::NODEV) => return Ok(true),
                Err(e) => return Err(failed("read", &self.path(name), e)),
            };
            let text = String::from_utf8_lossy(buffer.get(..len).unwrap_or_default());
            let left = until.saturating_duration_since(Instant::now());
            let said = text.lines().any(|said| said == line);
            if said || left.is_zero() {
                return Ok(said);
            }
            let timeout =
                Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: i64::from(left.subsec_nanos()) };
            match poll(&mut [PollFd::new(&fd, PollFlags::PRI)], Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => return Err(failed("wait for", &self.path(name), e)),
            }
        }
    }

    /// Its absolute path.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }

    #[cfg(test)]
    pub fn of_test(path: &std::path::Path) -> Self {
        Self::at(path.to_str().unwrap()).unwrap()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_below_a_group_goes_first() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(scratch.path().join("a/b/c")).unwrap();
        std::fs::create_dir_all(scratch.path().join("a/d")).unwrap();
        let above = Dir::of_test(scratch.path());
        let group = above.open("a").unwrap().unwrap();
        let mut seen = 0;
        group
            .walk(&mut |_| {
                seen += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!((seen, above.children().unwrap()), (4, vec!["a".to_owned()]));
        assert!(group.remove().unwrap() && !scratch.path().join("a").exists());
        assert!(group.remove().unwrap(), "gone already is what we want");
    }

    #[test]
    fn a_name_does_not_lead_out() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::create_dir(scratch.path().join("a")).unwrap();
        std::os::unix::fs::symlink("/", scratch.path().join("a/link")).unwrap();
        let dir = Dir::of_test(&scratch.path().join("a"));
        assert!(
            dir.open("../b").is_err() && dir.open("link").is_err() && dir.open("none").unwrap().is_none()
        );
    }

    #[test]
    fn a_file_that_the_kernel_lacks_is_named_with_its_value() {
        let scratch = tempfile::tempdir().unwrap();
        let error = Dir::of_test(scratch.path()).write("cpu.idle", "1").unwrap_err();
        assert!(error.to_string().starts_with("write \"1\" to ") && error.to_string().contains("/cpu.idle"));
        assert_eq!(error.hints().count(), 1);
    }
}
