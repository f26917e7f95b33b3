//! What a tree is made of, looked at by descriptors alone: each name relative to the directory that is
//! open, and never followed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use types::{Error, Result};

use crate::tree;

/// The largest value of an extended attribute, and the longest list of their names (xattr(7)).
const XATTR_MAX: usize = 64 << 10;

/// A name and what it leads to.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) stat: Stat,
    pub(super) kind: FileType,
}

/// The names in a directory, in the order of their bytes.
///
/// # Errors
/// If it cannot be read.
pub fn names(dir: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>> {
    let read = || -> Result<Vec<Vec<u8>>, Errno> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                names.push(name.to_vec());
            }
        }
        names.sort_unstable();
        Ok(names)
    };
    read().map_err(|e| Error::io("list a directory", e))
}

/// Looks at a name; `None` if it has gone.
pub(super) fn look(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Listed>> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(Listed { kind: FileType::from_raw_mode(stat.st_mode), stat })),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(Error::io("look at it", e)),
    }
}

/// Opens a directory; `None` if it has gone, or become something else.
pub(super) fn open_dir(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Option<OwnedFd>> {
    open(dir, name, OFlags::DIRECTORY)
}

/// Opens a file; `None` as [`open_dir`]. Does not wait for the other end of a pipe in its place.
pub(super) fn open_file(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Option<OwnedFd>> {
    let Some(fd) = open(dir, name, OFlags::NONBLOCK | OFlags::NOATIME)? else { return Ok(None) };
    let stat = rustix::fs::fstat(&fd).map_err(|e| Error::io("look at it", e))?;
    Ok(Some(fd).filter(|_| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile))
}

fn open(dir: BorrowedFd<'_>, name: &[u8], more: OFlags) -> Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | more;
    match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        // Only the owner of a file may ask for this.
        Err(Errno::PERM) if flags.contains(OFlags::NOATIME) => open(dir, name, more - OFlags::NOATIME),
        Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => Ok(None),
        other => other.map(Some).map_err(|e| Error::io("open it", e)),
    }
}

/// Where a symbolic link leads.
pub(super) fn link(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Vec<u8>> {
    rustix::fs::readlinkat(dir, name, Vec::new())
        .map(std::ffi::CString::into_bytes)
        .map_err(|e| Error::io("read the link", e))
}

/// The extended attributes of a file that an image may carry, in the order of their names.
///
/// # Errors
/// If they cannot be read.
pub fn xattrs(fd: BorrowedFd<'_>) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut list = Vec::with_capacity(256);
    let listed = match rustix::fs::flistxattr(fd, rustix::buffer::spare_capacity(&mut list)) {
        Err(Errno::RANGE) => {
            list.reserve(XATTR_MAX);
            rustix::fs::flistxattr(fd, rustix::buffer::spare_capacity(&mut list))
        }
        other => other,
    };
    match listed {
        Ok(_) => {}
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("list its attributes", e)),
    }
    let mut found = Vec::new();
    for name in list.split(|b| *b == 0).filter(|name| tree::carried(name)) {
        if let Some(value) = xattr(fd, name)? {
            found.push((name.to_vec(), value));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn xattr(fd: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut value = Vec::with_capacity(XATTR_MAX);
    match rustix::fs::fgetxattr(fd, name, rustix::buffer::spare_capacity(&mut value)) {
        Ok(_) => Ok(Some(value)),
        Err(Errno::NODATA) => Ok(None),
        Err(e) => Err(Error::io(format!("read attribute {:?}", String::from_utf8_lossy(name)), e)),
    }
}

/// Whether an overlay shows nothing of the lower layers in this directory.
pub(super) fn is_opaque(dir: BorrowedFd<'_>) -> Result<bool> {
    Ok(xattr(dir.as_fd(), tree::OPAQUE.as_bytes())?.is_some_and(|value| value == b"y"))
}
