//! Mounts into and out of a running container.
//!
//! The mount is made detached on the host, where the source is. The place inside is resolved from
//! the container's root by descriptor, so that no symbolic link of the container leads out of it.
//! Then a child of ours enters the container's mount namespace for one system call
//! ([`sys::enter`]). Nothing of the container is executed.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, OpenTreeFlags};
use store::Store;
use sys::mount::{MountAttr, set_attr};
use types::mount::{MountSpec, Propagation, Recursive, Source};
use types::{Context, Error, Kind, Result};

/// What the engine itself mounts. Over these nothing is mounted and from them nothing removed:
/// programs and the engine's own promises rest on them.
const SYSTEM: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Symbolic links that are followed in one path, as many as the kernel does.
const MAX_LINKS: usize = 40;

/// A running container: its first process, and the mounts that this process sees.
#[derive(Debug)]
struct Inside {
    pidfd: OwnedFd,
    root: OwnedFd,
}

/// Mounts `spec` into the container whose first process is `pid`, started at `start_time`.
///
/// # Errors
/// `Conflict` if the container has ended, or something is mounted at the target; `NotFound` if
/// the source is missing; `Invalid` if the target is the engine's own.
pub fn bind(store: &Store, pid: i32, start_time: u64, spec: &MountSpec) -> Result<()> {
    let what = || format!("bind on {:?}", spec.target);
    (|| {
        refuse_system(&spec.target)?;
        let tree = detached(store, spec)?;
        let inside = Inside::open(pid, start_time)?;
        let target = inside.target(&spec.target, is_dir(tree.as_fd())?)?;
        sys::enter::attach(inside.pidfd.as_fd(), tree.as_fd(), target.as_fd())
            .context("move the mount into the container")
    })()
    .with_context(what)
}

/// Takes the mount at `target` out of a running container. Files that are open on it stay usable
/// for the programs that have them open.
///
/// # Errors
/// `Conflict` if the container has ended; `NotFound` if nothing is mounted at the target;
/// `Invalid` if it is the engine's own.
pub fn unbind(pid: i32, start_time: u64, target: &Path) -> Result<()> {
    let what = || format!("unbind {target:?}");
    (|| {
        refuse_system(target)?;
        let inside = Inside::open(pid, start_time)?;
        let (parent, name) = inside.locate(target)?;
        if !is_mount(parent.as_fd(), &name)? {
            return Err(Error::new(Kind::NotFound, "nothing is mounted there in the container"));
        }
        sys::enter::detach(inside.pidfd.as_fd(), parent.as_fd(), &name).context("unmount it in the container")
    })()
    .with_context(what)
}

fn refuse_system(target: &Path) -> Result<()> {
    let (inside_proc, dev) = (target.starts_with("/proc") || target.starts_with("/sys"), Path::new("/dev"));
    if target == Path::new("/") || inside_proc || target == dev {
        let names = SYSTEM.join(", ");
        return Err(Error::new(Kind::Invalid, "this place is the engine's own")
            .hint(format!("nothing is bound on / or {names}, nor below /proc and /sys")));
    }
    Ok(())
}

/// A mount of the source that nobody sees yet.
fn detached(store: &Store, spec: &MountSpec) -> Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let deep = spec.recursive != Recursive::Disabled;
    let flags = if deep { flags | OpenTreeFlags::AT_RECURSIVE } else { flags };
    let tree = match &spec.source {
        Source::Bind(path) => {
            crate::resolve::check_bind(spec)?;
            rustix::mount::open_tree(CWD, path, flags).map_err(|e| Error::io(format!("open {path:?}"), e))?
        }
        Source::Volume(volume) => {
            let dir = store.open_dir(&store.volume_data(volume)).map_err(|e| match e.kind() {
                Kind::NotFound => Error::new(Kind::NotFound, format!("no such volume: {volume:?}")),
                _ => e,
            })?;
            rustix::mount::open_tree(&dir, c"", flags | OpenTreeFlags::AT_EMPTY_PATH)
                .map_err(|e| Error::io(format!("open volume {volume:?}"), e))?
        }
        Source::Tmpfs(_) | Source::Anonymous => {
            return Err(Error::new(
                Kind::Unsupported,
                "only directories, files and named volumes can be bound",
            ));
        }
    };
    if spec.read_only {
        let deep = deep && spec.recursive != Recursive::Writable;
        set_attr(tree.as_fd(), MountAttr { set: MountAttr::RDONLY, ..MountAttr::default() }, deep)
            .context("make it read-only")?;
    }
    // A copy of a shared mount is shared with the host until it is told otherwise: what is mounted
    // below it inside would appear outside.
    let (kind, deep) = propagation(spec.propagation);
    let attr = MountAttr { propagation: u64::from(kind.bits()), ..MountAttr::default() };
    set_attr(tree.as_fd(), attr, deep).context("set its propagation")?;
    Ok(tree)
}

const fn propagation(wanted: Propagation) -> (MountPropagationFlags, bool) {
    match wanted {
        Propagation::Rprivate => (MountPropagationFlags::PRIVATE, true),
        Propagation::Private => (MountPropagationFlags::PRIVATE, false),
        Propagation::Rslave => (MountPropagationFlags::DOWNSTREAM, true),
        Propagation::Slave => (MountPropagationFlags::DOWNSTREAM, false),
        Propagation::Rshared => (MountPropagationFlags::SHARED, true),
        Propagation::Shared => (MountPropagationFlags::SHARED, false),
    }
}

impl Inside {
    fn open(pid: i32, start_time: u64) -> Result<Self> {
        let ended = || Error::new(Kind::Conflict, "the container is not running");
        let gone = |e: std::io::Error| match e.raw_os_error() {
            Some(errno) if errno == Errno::SRCH.raw_os_error() => ended(),
            _ => Error::io("open the container's process", e),
        };
        let pidfd = sys::enter::pidfd(pid, start_time).map_err(gone)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(format!("/proc/{pid}/root"), flags, Mode::empty()).map_err(|e| {
            if e == Errno::NOENT { ended() } else { Error::io("open the container's root", e) }
        })?;
        // Had the process ended meanwhile, the number could be another's, and the root with it.
        match sys::process::start_time(pid) {
            Ok(now) if now == start_time => Ok(Self { pidfd, root }),
            _ => Err(ended()),
        }
    }

    /// Opens the place for a mount, and makes it and the directories above it if it is missing.
    fn target(&self, target: &Path, dir: bool) -> Result<OwnedFd> {
        let found = match self.open_path(target) {
            Ok(found) => found,
            Err(Errno::NOENT) => self.make(target, dir)?,
            Err(e) => return Err(Error::io("open it in the container", e)),
        };
        match (dir, is_dir(found.as_fd())?) {
            (true, false) => {
                return Err(Error::new(
                    Kind::Conflict,
                    "it is a file in the container, and the source a directory",
                ));
            }
            (false, true) => {
                return Err(Error::new(
                    Kind::Conflict,
                    "it is a directory in the container, and the source a file",
                ));
            }
            _ => {}
        }
        if is_mount(found.as_fd(), c"")? {
            return Err(Error::new(Kind::Conflict, "something is mounted there already")
                .hint("take it away first: vol-bind --rm CONTAINER TARGET"));
        }
        Ok(found)
    }

    /// Opens a path inside the container's root; links lead nowhere else.
    fn open_path(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        loop {
            match rustix::fs::openat2(&self.root, path, flags, Mode::empty(), inside) {
                // Something above was renamed while the kernel looked (openat2(2)): again.
                Err(Errno::AGAIN) => {}
                other => return other,
            }
        }
    }

    /// Makes a directory or an empty file, and the directories above it.
    fn make(&self, target: &Path, dir: bool) -> Result<OwnedFd> {
        let mut at = self.open_path(Path::new("/")).map_err(|e| Error::io("open the container's root", e))?;
        let mut walked = PathBuf::from("/");
        let names: Vec<_> = target.components().filter(|c| matches!(c, Component::Normal(_))).collect();
        for (left, name) in (0..names.len()).rev().zip(names) {
            walked.push(name);
            at = match self.open_path(&walked) {
                Ok(found) => found,
                Err(Errno::NOENT) => make_one(at.as_fd(), name.as_os_str(), dir || left > 0)?,
                Err(e) => return Err(Error::io("open it in the container", e)),
            };
        }
        Ok(at)
    }

    /// The directory that a mount is in, and its name there, after links were followed.
    fn locate(&self, target: &Path) -> Result<(OwnedFd, CString)> {
        let missing = || Error::new(Kind::NotFound, "there is no such path in the container");
        let mut path = target.to_owned();
        for _ in 0..MAX_LINKS {
            let (above, name) = path.parent().zip(path.file_name()).ok_or_else(missing)?;
            let parent = self.open_path(above).map_err(|e| match e {
                Errno::NOENT | Errno::NOTDIR => missing(),
                e => Error::io("open it in the container", e),
            })?;
            match rustix::fs::readlinkat(&parent, name, Vec::new()) {
                Ok(link) => path = above.join(std::ffi::OsStr::from_bytes(link.as_bytes())),
                Err(Errno::INVAL) => {
                    let name = CString::new(name.as_bytes()).map_err(|_| missing())?;
                    return Ok((parent, name));
                }
                Err(Errno::NOENT | Errno::NOTDIR) => return Err(missing()),
                Err(e) => return Err(Error::io("look at it in the container", e)),
            }
        }
        Err(Error::io("look at it in the container", Errno::LOOP))
    }
}

fn make_one(parent: BorrowedFd<'_>, name: &std::ffi::OsStr, dir: bool) -> Result<OwnedFd> {
    let made = if dir {
        rustix::fs::mkdirat(parent, name, Mode::from(0o755))
    } else {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::WRONLY;
        rustix::fs::openat(parent, name, flags, Mode::from(0o644)).map(drop)
    };
    match made {
        // A link that leads nowhere, or the container was quicker.
        Ok(()) | Err(Errno::EXIST) => {}
        Err(e @ Errno::ROFS) => {
            return Err(Error::io("make it in the container", e)
                .hint("the container's root is read-only: bind on a path that is there"));
        }
        Err(e) => return Err(Error::io("make it in the container", e)),
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = rustix::fs::openat(parent, name, flags, Mode::empty())
        .map_err(|e| Error::io("open it in the container", e))?;
    match file_type(found.as_fd())? {
        FileType::Symlink => {
            Err(Error::new(Kind::Conflict, "a symbolic link in the container leads nowhere"))
        }
        _ => Ok(found),
    }
}

fn file_type(fd: BorrowedFd<'_>) -> Result<FileType> {
    let stat = rustix::fs::fstat(fd).map_err(|e| Error::io("stat", e))?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

fn is_dir(fd: BorrowedFd<'_>) -> Result<bool> {
    Ok(file_type(fd)? == FileType::Directory)
}
/// Whether `name` in `dir`, or with an empty name `dir` itself, is the root of a mount.
fn is_mount(dir: BorrowedFd<'_>, name: &std::ffi::CStr) -> Result<bool> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH | AtFlags::NO_AUTOMOUNT;
    let stat = rustix::fs::statx(dir, name, flags, StatxFlags::empty()).map_err(|e| Error::io("stat", e))?;
    if !stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) {
        return Err(Error::new(
            Kind::Unsupported,
            "this kernel does not tell what is a mount (needs Linux 5.8)",
        ));
    }
    Ok(stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
