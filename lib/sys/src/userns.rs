//! User namespaces that nobody of ours lives in: id mappings for mounts (mount_setattr(2), ID-mapped
//! mounts), and what the mappings of one are.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};

use crate::procfs::Procfs;

/// Makes a user namespace with these mappings, each in the form of `/proc/PID/uid_map`: lines of an id
/// inside, an id outside and a count.
///
/// A child of ours makes it and ends again; it allocates nothing, so that the caller may have threads.
///
/// # Errors
/// What unshare(2) says, and what the kernel thinks of the mappings.
pub fn with_mappings(uids: &str, gids: &str) -> io::Result<OwnedFd> {
    // SAFETY: an integer; changes the child alone, which has one thread.
    let make = || unsafe { libc::unshare(libc::CLONE_NEWUSER) };
    visit(make, |child, proc| {
        proc.write(child, "uid_map", uids)?;
        proc.write(child, "gid_map", gids)?;
        Ok(File::open(format!("/proc/{child}/ns/user"))?.into())
    })
}

/// Returns the mappings of a user namespace, of users and of groups, as seen from our own.
///
/// # Errors
/// What setns(2) says: `EINVAL` for a descriptor of something else, and for our own namespace.
pub fn mappings_of(namespace: BorrowedFd<'_>) -> io::Result<(String, String)> {
    let fd = namespace.as_raw_fd();
    // SAFETY: integers; changes the child alone, which has one thread.
    let enter = || unsafe { libc::setns(fd, libc::CLONE_NEWUSER) };
    visit(enter, |child, proc| Ok((proc.read(child, "uid_map")?, proc.read(child, "gid_map")?)))
}

/// Has a child of ours take a step, looks at it from outside meanwhile, and lets it end.
fn visit<T>(step: impl FnOnce() -> i32, look: impl FnOnce(i32, &Procfs) -> io::Result<T>) -> io::Result<T> {
    let (made, made_in_child) = pipe_with(PipeFlags::CLOEXEC)?;
    let (wait_in_child, wait) = pipe_with(PipeFlags::CLOEXEC)?;
    let proc = Procfs::new()?;
    // SAFETY: the child makes system calls only, none of which takes a lock of this process, and
    // leaves by _exit.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(wait);
            let errno = match step() {
                0 => 0,
                _ => io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO),
            };
            // If nobody reads it, the other pipe has ended too.
            let _told = rustix::io::write(&made_in_child, &errno.to_ne_bytes());
            let mut none = [0u8];
            // Its end means that the parent has what it wants, or is gone.
            while matches!(rustix::io::read(&wait_in_child, &mut none), Err(rustix::io::Errno::INTR)) {}
            // SAFETY: ends the process without running anything of it.
            unsafe { libc::_exit(0) }
        }
        child => {
            drop((made_in_child, wait_in_child));
            let seen = done(made).and_then(|()| look(child, &proc));
            drop(wait);
            crate::fork::reap(child);
            seen
        }
    }
}

/// Waits for the child's step.
fn done(made: OwnedFd) -> io::Result<()> {
    let mut errno = [0; 4];
    File::from(made).read_exact(&mut errno)?;
    match i32::from_ne_bytes(errno) {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_made_and_a_bad_mapping_refused() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let made = with_mappings("0 1000 10\n", "0 1000 10\n").unwrap();
        let ours = rustix::fs::stat("/proc/self/ns/user").unwrap();
        assert_ne!(rustix::fs::fstat(&made).unwrap().st_ino, ours.st_ino);
        assert!(with_mappings("0 0 0\n", "0 0 1\n").is_err());
        let (uids, gids) = mappings_of(std::os::fd::AsFd::as_fd(&made)).unwrap();
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!((words(&uids), words(&gids)), (words("0 1000 10"), words("0 1000 10")));
        let file = File::open("/dev/null").unwrap();
        assert!(mappings_of(std::os::fd::AsFd::as_fd(&file)).is_err());
    }
}
