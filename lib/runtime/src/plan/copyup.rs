//! `tmpcopyup`: a tmpfs that begins with what the image has in its place.
//!
//! This process makes it, mounted nowhere, and copies by descriptors of the root file system: links are
//! copied and never followed, so that nothing of the host can get into it.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, RawMode, Stat, Timespec, Timestamps, Uid, XattrFlags, chownat,
    fchmod, fgetxattr, flistxattr, fsetxattr, fstat, mkdirat, mknodat, openat, readlinkat, statat, symlinkat,
    utimensat,
};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};
use sys::mount::{MountAttr, set_attr};
use types::{Error, Result};

use super::options::Options;

/// Deeper than any tree that an image has for a tmpfs; each level holds two descriptors.
const DEEPEST: u32 = 128;

/// How long a process may take from its clone to its program.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes the file system for `path`, with what is in this directory.
///
/// # Errors
/// If it cannot be made, or what is there does not fit or cannot be copied.
pub fn make(from: Option<OwnedFd>, path: &str, options: &Options) -> Result<OwnedFd> {
    let failed = |e| Error::io(format!("make tmpfs for \"/{path}\""), e);
    let attr = options.attributes();
    let tree = tmpfs(options, attr & !MountAttr::RDONLY).map_err(failed)?;
    let copied = from.map_or(Ok(()), |from| copy_dir(from, tree.as_fd(), 0));
    copied.map_err(|e| Error::io(format!("copy \"/{path}\" to its tmpfs"), e))?;
    seal(&tree, attr).map_err(|e| Error::io(format!("make \"/{path}\" read-only"), e))?;
    Ok(tree)
}

/// Afterwards, or nothing could be copied into it. Every file is closed here by now, but where other threads
/// clone processes these have a copy of a descriptor until they execute, and a mount with a writer is busy.
fn seal(tree: &OwnedFd, attr: u64) -> std::io::Result<()> {
    let late = MountAttr { set: attr & MountAttr::RDONLY, ..MountAttr::default() };
    let patience = Instant::now() + PATIENCE;
    loop {
        match set_attr(tree.as_fd(), late, false) {
            Err(e) if e.raw_os_error() == Some(libc::EBUSY) && Instant::now() < patience => {
                std::thread::sleep(Duration::from_millis(1));
            }
            done => return done,
        }
    }
}

const DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn tmpfs(options: &Options, attr: u64) -> Result<OwnedFd, Errno> {
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for param in &options.data {
        match &param.value {
            Some(value) => fsconfig_set_string(&fs, &param.key, value)?,
            None => fsconfig_set_flag(&fs, &param.key)?,
        }
    }
    fsconfig_create(&fs)?;
    let attr = MountAttrFlags::from_bits_retain(u32::try_from(attr).unwrap_or(0));
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attr)
}

/// Copies what is in a directory, then what the directory is.
fn copy_dir(from: OwnedFd, to: BorrowedFd<'_>, depth: u32) -> Result<(), Errno> {
    if depth > DEEPEST {
        return Err(Errno::LOOP);
    }
    let mut entries = Dir::read_from(&from)?;
    while let Some(entry) = entries.read() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            copy_entry(from.as_fd(), to, name, depth)?;
        }
    }
    let to = openat(to, c".", DIR, Mode::empty())?;
    same(&fstat(&from)?, from.as_fd(), to.as_fd())
}

fn copy_entry(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, depth: u32) -> Result<(), Errno> {
    let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let plain = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            mkdirat(to, name, Mode::RWXU)?;
            let inner = openat(to, name, DIR | plain, Mode::empty())?;
            copy_dir(openat(from, name, DIR | plain, Mode::empty())?, inner.as_fd(), depth + 1)
        }
        FileType::RegularFile => {
            // A file that has become something else meanwhile must not keep us waiting.
            let source = openat(from, name, plain | OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?;
            let flags = plain | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
            let target = openat(to, name, flags, Mode::RUSR | Mode::WUSR)?;
            let (mut source, mut target) = (File::from(source), File::from(target));
            std::io::copy(&mut source, &mut target)
                .map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
            same(&stat, source.as_fd(), target.as_fd())
        }
        FileType::Symlink => {
            symlinkat(readlinkat(from, name, Vec::new())?, to, name)?;
            own(&stat, to, name)
        }
        kind => {
            mknodat(to, name, kind, Mode::from_raw_mode(permissions(&stat)), stat.st_rdev)?;
            own(&stat, to, name)?;
            let mode = Mode::from_raw_mode(permissions(&stat));
            rustix::fs::chmodat(to, name, mode, AtFlags::empty())
        }
    }
}

const fn permissions(stat: &Stat) -> RawMode {
    stat.st_mode & 0o7777
}

fn own(stat: &Stat, dir: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH)
}

/// Owner first, which takes away set-id bits and capabilities; then these, then the times.
fn same(stat: &Stat, from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    own(stat, to, c"")?;
    fchmod(to, Mode::from_raw_mode(permissions(stat)))?;
    attributes(from, to)?;
    let time = |tv_sec, tv_nsec: u64| Timespec { tv_sec, tv_nsec: i64::try_from(tv_nsec).unwrap_or(0) };
    let times = Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    };
    utimensat(to, c"", &times, AtFlags::EMPTY_PATH)
}

/// Extended attributes, of which a tmpfs does not keep all kinds.
fn attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut names = vec![0u8; 64 << 10];
    let length = match flistxattr(from, &mut names) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        other => other?,
    };
    let names = names.get(..length).unwrap_or_default();
    for name in
        names.split_inclusive(|byte| *byte == 0).filter_map(|name| CStr::from_bytes_with_nul(name).ok())
    {
        let mut value = vec![0u8; 64 << 10];
        let length = fgetxattr(from, name, &mut value)?;
        match fsetxattr(to, name, value.get(..length).unwrap_or_default(), XattrFlags::empty()) {
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
