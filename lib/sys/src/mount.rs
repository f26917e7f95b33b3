//! Attributes of mounts: mount_setattr(2), Linux 5.12.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What is to change of a mount.
#[derive(Debug, Clone, Copy, Default)]
pub struct MountAttr {
    /// `MOUNT_ATTR_*` to be set.
    pub set: u64,
    /// `MOUNT_ATTR_*` to be cleared.
    pub clear: u64,
    /// One of `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`, `MS_UNBINDABLE`, or 0 for no change.
    pub propagation: u64,
}

impl MountAttr {
    /// Nothing can be written through it.
    pub const RDONLY: u64 = libc::MOUNT_ATTR_RDONLY;
    /// Set-user-id bits do nothing.
    pub const NOSUID: u64 = libc::MOUNT_ATTR_NOSUID;
    /// Device nodes cannot be opened.
    pub const NODEV: u64 = libc::MOUNT_ATTR_NODEV;
    /// Nothing can be executed.
    pub const NOEXEC: u64 = libc::MOUNT_ATTR_NOEXEC;
    /// All bits of the access time setting, which is a number and not a set.
    pub const ATIME: u64 = 0x70;
    /// Access times are not kept.
    pub const NOATIME: u64 = 0x10;
    /// Access times are always kept.
    pub const STRICTATIME: u64 = 0x20;
    /// Access times of directories are not kept.
    pub const NODIRATIME: u64 = 0x80;
    /// Symbolic links are not followed.
    pub const NOSYMFOLLOW: u64 = 0x20_0000;
}

/// Maps the owners of a detached mount, and with `recursive` of all mounts below it, as the user namespace
/// does (Linux 5.12).
///
/// # Errors
/// What mount_setattr(2) says: `EINVAL` for a file system that cannot do it.
pub fn map_ids(mount: BorrowedFd<'_>, user_namespace: BorrowedFd<'_>, recursive: bool) -> io::Result<()> {
    let userns_fd = u64::from(user_namespace.as_raw_fd().cast_unsigned());
    let args = libc::mount_attr { attr_set: libc::MOUNT_ATTR_IDMAP, attr_clr: 0, propagation: 0, userns_fd };
    setattr(mount, &args, recursive)
}

/// Changes a mount, and with `recursive` all mounts below it: all of them, or none.
///
/// # Errors
/// What mount_setattr(2) says.
pub fn set_attr(mount: BorrowedFd<'_>, attr: MountAttr, recursive: bool) -> io::Result<()> {
    let args = libc::mount_attr {
        attr_set: attr.set,
        attr_clr: attr.clear,
        propagation: attr.propagation,
        userns_fd: 0,
    };
    setattr(mount, &args, recursive)
}

fn setattr(mount: BorrowedFd<'_>, args: &libc::mount_attr, recursive: bool) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a constant C string, `args` is valid for its size during the call, and
    // the descriptor is borrowed for as long.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(args),
            size_of_val(args),
        )
    };
    if ret == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
