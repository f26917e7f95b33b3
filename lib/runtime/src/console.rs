//! Terminals: a pty of the container's own devpts, never the host's.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, ResolveFlags, chownat, fchown, fstat, fstatfs, major, minor, openat2,
};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, FsPickFlags, MountAttrFlags, fsconfig_create, fsconfig_reconfigure,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, fspick,
};
use rustix::process::Uid;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use types::{Context, Error, Kind, Result};

use crate::plan::{Ids, TTY};

/// Rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// Both ends of a terminal.
#[derive(Debug)]
pub struct Console {
    master: OwnedFd,
    slave: OwnedFd,
    devpts: Option<OwnedFd>,
}

const DEVPTS_SUPER_MAGIC: u64 = 0x1cd1;

impl Console {
    /// Makes a devpts for a container that is about to start, and a terminal in it.
    ///
    /// The file system is mounted nowhere until [`crate::start`] puts it on the container's
    /// `/dev/pts`; so no name in the container is ever followed to reach the terminal.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn new(size: Option<Size>) -> Result<Self> {
        let devpts = make_devpts().map_err(|e| Error::io("make devpts", e))?;
        let (master, slave) = open_in(&devpts, size).context("open terminal")?;
        Ok(Self { master, slave, devpts: Some(devpts) })
    }

    /// Opens a terminal in a running container, for [`crate::exec()`]. `pid` is its first process.
    ///
    /// # Errors
    /// `Unsupported` if the container has no devpts on `/dev/pts`; `Conflict` if it has ended.
    pub fn in_container(pid: i32, start_time: u64, size: Option<Size>) -> Result<Self> {
        let root = crate::root_of(pid, start_time)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        let pts = openat2(&root, "dev/pts", flags, Mode::empty(), inside)
            .map_err(|e| Error::io("open \"/dev/pts\" of the container", e))?;
        // Only in a devpts are names made by the kernel and not by the container.
        let magic = fstatfs(&pts).map_err(|e| Error::io("look at \"/dev/pts\" of the container", e))?.f_type;
        if u64::try_from(magic).ok() != Some(DEVPTS_SUPER_MAGIC) {
            return Err(Error::new(
                Kind::Unsupported,
                "open terminal: the container's \"/dev/pts\" is no devpts",
            ));
        }
        let (master, slave) = open_in(&pts, size).context("open terminal")?;
        Ok(Self { master, slave, devpts: None })
    }

    /// The end that the monitor reads and writes.
    #[must_use]
    pub fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// The end that the container's process has as descriptors 0, 1 and 2. Drop it in the parent after
    /// the start, or reading the master never ends.
    #[must_use]
    pub fn slave(&self) -> BorrowedFd<'_> {
        self.slave.as_fd()
    }

    /// Gives the terminal to the user that the program will run as.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn give_to(&self, uid: u32) -> Result<()> {
        fchown(&self.slave, Some(Uid::from_raw(uid)), None).map_err(|e| Error::io("give terminal to user", e))
    }

    /// The same in a user namespace; the file system, which this process has made, becomes that of its
    /// user 0, and terminals that are made later get its group of terminals.
    pub(crate) fn give_to_mapped(&self, uid: u32, ids: &Ids) -> Result<()> {
        let failed = |e| Error::io("give terminal to user", e);
        let (root, group) = (Uid::from_raw(ids.user(0)?), Gid::from_raw(ids.group(0)?));
        if let Some(devpts) = &self.devpts {
            let flags = AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW;
            for name in [c"", c"ptmx"] {
                chownat(devpts, name, Some(root), Some(group), flags).map_err(failed)?;
            }
            if let Ok(tty) = ids.group(TTY) {
                let fs = fspick(devpts, "", FsPickFlags::FSPICK_CLOEXEC | FsPickFlags::FSPICK_EMPTY_PATH)
                    .map_err(failed)?;
                fsconfig_set_string(&fs, "gid", tty.to_string()).map_err(failed)?;
                fsconfig_reconfigure(&fs).map_err(failed)?;
            }
        }
        let tty = Gid::from_raw(ids.group(TTY).or_else(|_| ids.group(0))?);
        fchown(&self.slave, Some(Uid::from_raw(ids.user(uid)?)), Some(tty)).map_err(failed)
    }

    /// Keeps the master and closes the rest.
    #[must_use]
    pub fn into_master(self) -> OwnedFd {
        self.master
    }

    /// The detached file system; the child puts it in place.
    pub(crate) fn devpts(&self) -> Option<BorrowedFd<'_>> {
        self.devpts.as_ref().map(AsFd::as_fd)
    }
}

/// As `mount -t devpts -o ptmxmode=0666,mode=0620,gid=5`.
fn make_devpts() -> rustix::io::Result<OwnedFd> {
    let fs = fsopen("devpts", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_flag(&fs, "newinstance")?;
    for (key, value) in [("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")] {
        fsconfig_set_string(&fs, key, value)?;
    }
    fsconfig_create(&fs)?;
    let attrs = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attrs)
}

fn open_in(pts: &OwnedFd, size: Option<Size>) -> Result<(OwnedFd, OwnedFd)> {
    let io = |e| Error::io("open \"ptmx\"", e);
    // Nothing may be mounted over it: that would be the container's choice of device.
    let plain = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = openat2(pts, "ptmx", flags, Mode::empty(), plain).map_err(io)?;
    let device = fstat(&master).map_err(io)?.st_rdev;
    if (major(device), minor(device)) != (5, 2) {
        return Err(Error::new(Kind::Denied, "\"ptmx\" is another device"));
    }
    unlockpt(&master).map_err(io)?;
    let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
        .map_err(io)?;
    if let Some(Size { rows, columns }) = size {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).map_err(|e| Error::io("set terminal size", e))?;
    }
    Ok((master, slave))
}
