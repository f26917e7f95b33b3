//! Namespaces by name: namespaces(7), ioctl_ns(2).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, fstatfs, open};

use crate::check;

const NSFS_MAGIC: i128 = 0x6e73_6673;
const NS_GET_NSTYPE: libc::Ioctl = 0xb703;

/// Opens a namespace, such as `/proc/PID/ns/net` or what it is bound to, and tells which of `CLONE_NEW*` it
/// is. A file that is none is never opened, so that a fifo does not keep us and a device does nothing.
///
/// # Errors
/// `InvalidInput` if the path does not lead to a namespace; what open(2) says.
pub fn by_path(path: &Path) -> io::Result<(OwnedFd, i32)> {
    let is_namespace = |file: &OwnedFd| fstatfs(file).map(|stat| i128::from(stat.f_type) == NSFS_MAGIC);
    let none = || io::Error::new(io::ErrorKind::InvalidInput, "it is no namespace");
    let name = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    if !is_namespace(&name)? {
        return Err(none());
    }
    let file =
        open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    // Looked at again: the path may lead elsewhere by now.
    if !is_namespace(&file)? {
        return Err(none());
    }
    let kind = kind(&file)?;
    Ok((file, kind))
}

fn kind(namespace: &OwnedFd) -> io::Result<i32> {
    // SAFETY: an open descriptor and a request that takes no argument and touches no memory of ours.
    let kind = check(libc::c_long::from(unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_NSTYPE) }))?;
    i32::try_from(kind).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_namespace_is_opened_and_says_what_it_is() {
        assert_eq!(by_path(Path::new("/proc/self/ns/net")).unwrap().1, libc::CLONE_NEWNET);
        assert_eq!(by_path(Path::new("/proc/self/ns/user")).unwrap().1, libc::CLONE_NEWUSER);
        for other in ["/dev/null", "/", "/proc/self/status", "/proc/self/ns"] {
            assert_eq!(by_path(Path::new(other)).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{other}");
        }
        assert_eq!(by_path(Path::new("/nowhere")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
