//! User namespaces that nobody lives in: id mappings for mounts (mount_setattr(2), ID-mapped mounts).

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, pipe_with};

/// Makes a user namespace with these mappings, each in the form of `/proc/PID/uid_map`: lines of an id
/// inside, an id outside and a count.
///
/// A child of ours makes it and ends again; it allocates nothing, so that the caller may have threads.
///
/// # Errors
/// What unshare(2) says, and what the kernel thinks of the mappings.
pub fn with_mappings(uids: &str, gids: &str) -> io::Result<OwnedFd> {
    let (made, made_in_child) = pipe_with(PipeFlags::CLOEXEC)?;
    let (wait_in_child, wait) = pipe_with(PipeFlags::CLOEXEC)?;
    // SAFETY: the child makes system calls only, none of which takes a lock of this process, and
    // leaves by _exit.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(wait);
            // SAFETY: an integer; changes this process alone, which has one thread.
            let errno = match unsafe { libc::unshare(libc::CLONE_NEWUSER) } {
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
            let namespace = mapped(child, made, uids, gids);
            drop(wait);
            crate::fork::reap(child);
            namespace
        }
    }
}

fn mapped(child: libc::pid_t, made: OwnedFd, uids: &str, gids: &str) -> io::Result<OwnedFd> {
    let mut errno = [0; 4];
    File::from(made).read_exact(&mut errno)?;
    match i32::from_ne_bytes(errno) {
        0 => {}
        errno => return Err(io::Error::from_raw_os_error(errno)),
    }
    std::fs::write(format!("/proc/{child}/uid_map"), uids)?;
    std::fs::write(format!("/proc/{child}/gid_map"), gids)?;
    Ok(File::open(format!("/proc/{child}/ns/user"))?.into())
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
    }
}
