//! A copy of a tree by descriptors, true to owners, modes, times, links and attributes.
//!
//! The source may hold anything that an image can: each name is looked up once, relative to the
//! directory that is open, and never followed if it is a symbolic link.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use types::{Context, Error, Kind, Result};

/// Two descriptors a level: deeper trees would reach the limit of open files.
const MAX_DEPTH: usize = 256;

/// The largest value of an extended attribute, and the longest list of their names (xattr(7)).
const XATTR_MAX: usize = 64 << 10;

/// Copies the content of the directory `from` into the empty directory `to`, and its own owner,
/// mode, times and attributes.
pub(crate) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    Copier { top: to, links: BTreeMap::new(), at: PathBuf::new() }.directory(from, to, 0)
}

/// The names in a directory, without `.` and `..`.
pub(crate) fn names(dir: BorrowedFd<'_>) -> Result<Vec<CString>> {
    let read = || -> Result<Vec<CString>, Errno> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    };
    read().map_err(|e| Error::io("list a directory", e))
}

/// Whether a directory has no entries; one that has very many is not read to its end.
pub(crate) fn is_empty(dir: BorrowedFd<'_>) -> Result<bool> {
    let look = || -> Result<bool, Errno> {
        for entry in rustix::fs::Dir::read_from(dir)? {
            let entry = entry?;
            if entry.file_name() != c"." && entry.file_name() != c".." {
                return Ok(false);
            }
        }
        Ok(true)
    };
    look().map_err(|e| Error::io("list a directory", e))
}

/// Owner, mode and times of an open directory.
pub(crate) fn stat(dir: BorrowedFd<'_>) -> Result<Stat> {
    rustix::fs::fstat(dir).map_err(|e| Error::io("stat", e))
}

/// Gives one directory the extended attributes of another, and the owner, mode and times in `like`.
pub(crate) fn copy_attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>, like: &Stat) -> Result<()> {
    attributes(from, to, c".", like).context("copy the attributes of a directory")
}

/// Removes a file, or a directory and what is in it.
pub(crate) fn remove(parent: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    let removed = match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => std::fs::remove_dir_all(through_proc(parent, name)),
        other => other.map_err(std::io::Error::from),
    };
    removed.with_context(|| format!("remove {name:?}"))
}

struct Copier<'a> {
    top: BorrowedFd<'a>,
    /// Where the first name of a file with several was put, below `top`.
    links: BTreeMap<(u64, u64), PathBuf>,
    /// Where we are, below `top`.
    at: PathBuf,
}

impl Copier<'_> {
    fn directory(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::new(Kind::Unsupported, "directories are nested too deeply"));
        }
        for name in names(from)? {
            self.at.push(OsStr::from_bytes(name.to_bytes()));
            self.entry(from, to, &name, depth).with_context(|| format!("copy {:?}", self.at))?;
            self.at.pop();
        }
        copy_attributes(from, to, &stat(from)?)
    }

    fn entry(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, depth: usize) -> Result<()> {
        let stat =
            rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|e| Error::io("stat", e))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let source = open_dir(from, name)?;
                rustix::fs::mkdirat(to, name, Mode::from(0o700)).map_err(|e| Error::io("make", e))?;
                let made = open_dir(to, name)?;
                // A name below an error is named by the innermost call.
                return self.directory(source.as_fd(), made.as_fd(), depth + 1);
            }
            _ if self.is_linked(&stat, to, name)? => return Ok(()),
            FileType::RegularFile => regular(from, to, name)?,
            FileType::Symlink => {
                let text =
                    rustix::fs::readlinkat(from, name, Vec::new()).map_err(|e| Error::io("read link", e))?;
                rustix::fs::symlinkat(text, to, name).map_err(|e| Error::io("make link", e))?;
            }
            kind => {
                rustix::fs::mknodat(to, name, kind, Mode::from(0o600), stat.st_rdev)
                    .map_err(|e| Error::io("make", e))?;
            }
        }
        attributes(from, to, name, &stat).context("copy attributes")
    }

    /// Links a further name of a file that was copied already; notes where the first one is.
    fn is_linked(&mut self, stat: &Stat, to: BorrowedFd<'_>, name: &CStr) -> Result<bool> {
        if stat.st_nlink < 2 {
            return Ok(false);
        }
        if let Some(first) = self.links.get(&(stat.st_dev, stat.st_ino)) {
            // A path below our own new tree, in which nobody else has put a symbolic link.
            rustix::fs::linkat(self.top, first, to, name, AtFlags::empty())
                .map_err(|e| Error::io("link", e))?;
            return Ok(true);
        }
        self.links.insert((stat.st_dev, stat.st_ino), self.at.clone());
        Ok(false)
    }
}

fn open_dir(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(dir, name, flags, Mode::empty()).map_err(|e| Error::io("open", e))
}

fn regular(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    let read = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let source = rustix::fs::openat(from, name, read, Mode::empty()).map_err(|e| Error::io("open", e))?;
    let made = rustix::fs::openat(to, name, write, Mode::from(0o600)).map_err(|e| Error::io("make", e))?;
    // The standard library lets the kernel copy where it can (copy_file_range(2)).
    std::io::copy(&mut File::from(source), &mut File::from(made)).map(drop).context("copy")
}

/// Owner first, since that takes set-user-ID bits and capabilities away; then mode, extended
/// attributes (capabilities among them), and times last.
fn attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> Result<()> {
    let link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|e| Error::io("set owner", e))?;
    if !link {
        // Not followed: nothing but what we made a moment ago has this name.
        rustix::fs::chmodat(to, name, Mode::from_raw_mode(stat.st_mode), AtFlags::empty())
            .map_err(|e| Error::io("set mode", e))?;
    }
    xattrs(&through_proc(from, name), &through_proc(to, name))?;
    let time = |secs: i64, nanos: u64| Timespec { tv_sec: secs, tv_nsec: i64::try_from(nanos).unwrap_or(0) };
    let times = Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    };
    rustix::fs::utimensat(to, name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(|e| Error::io("set times", e))
}

/// A path that leads to `name` in an open directory: the calls on extended attributes of what
/// cannot be opened (links, devices) take no descriptor.
fn through_proc(dir: BorrowedFd<'_>, name: &CStr) -> PathBuf {
    Path::new(&format!("/proc/self/fd/{}", dir.as_raw_fd())).join(OsStr::from_bytes(name.to_bytes()))
}

fn xattrs(from: &Path, to: &Path) -> Result<()> {
    let mut list = Vec::with_capacity(XATTR_MAX);
    match rustix::fs::llistxattr(from, spare_capacity(&mut list)) {
        Ok(_) | Err(Errno::OPNOTSUPP) => {}
        Err(e) => return Err(Error::io("list extended attributes", e)),
    }
    for name in list.split_inclusive(|b| *b == 0).filter_map(|n| CStr::from_bytes_with_nul(n).ok()) {
        // Overlay's own marks mean nothing in a volume, and too much in a layer made of one.
        if name.to_bytes().starts_with(b"trusted.overlay.") {
            continue;
        }
        let mut value = Vec::with_capacity(XATTR_MAX);
        let what = || format!("extended attribute {name:?}");
        rustix::fs::lgetxattr(from, name, spare_capacity(&mut value)).map_err(|e| Error::io(what(), e))?;
        match rustix::fs::lsetxattr(to, name, &value, XattrFlags::empty()) {
            // The volume's file system has no such kind: the files are more use than the attribute.
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(e) => return Err(Error::io(what(), e)),
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
