//! A short visit to the mount namespace of another process.
//!
//! A child of ours enters the namespace, makes two or three system calls on descriptors that
//! were prepared outside, and ends. It executes nothing and looks nothing up by a path that a
//! container could have bent, so that nothing of the container can act on it. It allocates
//! nothing, so that the caller may have threads.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, UnmountFlags};
use rustix::process::{PidfdFlags, WaitOptions};
use rustix::thread::ThreadNameSpaceType;

/// Opens a descriptor for a process, if it is the one that had this start time
/// ([`crate::process::start_time`]). The descriptor names that process for ever.
///
/// # Errors
/// `NotFound` if the process has ended.
pub fn pidfd(pid: i32, start_time: u64) -> io::Result<OwnedFd> {
    let gone = || io::Error::from_raw_os_error(libc::ESRCH);
    // A damaged record may hold anything, and from_raw() panics below 0.
    let raw = Some(pid).filter(|p| *p > 0).and_then(rustix::process::Pid::from_raw).ok_or_else(gone)?;
    let pidfd = rustix::process::pidfd_open(raw, PidfdFlags::empty())?;
    // Looked at after the descriptor was opened: had the number been reused by then, the start
    // time would differ; if it is reused later, the descriptor does not follow.
    if crate::process::start_time(pid).map_err(|_| gone())? == start_time { Ok(pidfd) } else { Err(gone()) }
}

/// Moves a detached mount onto `target`, in the mount namespace of a process.
///
/// # Errors
/// What setns(2) and move_mount(2) say.
pub fn attach(pidfd: BorrowedFd<'_>, tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    visit(pidfd, || {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        rustix::mount::move_mount(tree, c"", target, c"", flags)
    })
}

/// Takes the topmost mount at `name` in the directory `parent` away, in the mount namespace of a
/// process. What is still open on it stays usable for who has it open.
///
/// # Errors
/// What setns(2) and umount2(2) say: `EINVAL` if nothing is mounted there.
pub fn detach(pidfd: BorrowedFd<'_>, parent: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    visit(pidfd, || {
        // umount2(2) takes no descriptor; from within the directory one plain name is enough.
        rustix::process::fchdir(parent)?;
        rustix::mount::unmount(name, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
    })
}

/// Runs `steps` in a child of ours that is in the mount namespace of a process. `steps` must not
/// allocate, lock or panic.
fn visit(pidfd: BorrowedFd<'_>, steps: impl FnOnce() -> Result<(), Errno>) -> io::Result<()> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    // SAFETY: the child makes system calls only, none of which takes a lock of this process, and
    // leaves by _exit.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => in_child(pidfd, write.as_fd(), steps),
        child => {
            drop(write);
            let report = read_report(read.as_fd());
            // Reaped, or not ours to reap if SIGCHLD is ignored: the report says all.
            if let Some(child) = rustix::process::Pid::from_raw(child) {
                let wait = || rustix::process::waitpid(Some(child), WaitOptions::empty());
                while matches!(wait(), Err(Errno::INTR)) {}
            }
            match report? {
                0 => Ok(()),
                errno => Err(io::Error::from_raw_os_error(errno)),
            }
        }
    }
}

fn in_child(pidfd: BorrowedFd<'_>, report: BorrowedFd<'_>, steps: impl FnOnce() -> Result<(), Errno>) -> ! {
    let done = rustix::thread::move_into_thread_name_spaces(pidfd, ThreadNameSpaceType::MOUNT)
        .and_then(|()| steps());
    let errno = done.err().map_or(0, Errno::raw_os_error);
    // If nobody reads it, nobody is left to tell.
    let told = rustix::io::write(report, &errno.to_ne_bytes());
    // SAFETY: ends the process without running anything of it.
    unsafe { libc::_exit(i32::from(told.is_err())) }
}

/// The errno that the child reports; 0 if all went well.
fn read_report(read: BorrowedFd<'_>) -> io::Result<i32> {
    let mut errno = [0; 4];
    loop {
        match rustix::io::read(read, &mut errno) {
            Ok(4) => return Ok(i32::from_ne_bytes(errno)),
            // It was killed, and what it did is unknown.
            Ok(_) => return Err(io::Error::from_raw_os_error(libc::EINTR)),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_another_start_time_is_another_process() {
        let me = i32::try_from(std::process::id()).unwrap();
        let started = crate::process::start_time(me).unwrap();
        assert!(pidfd(me, started).is_ok());
        for (pid, time) in [(me, started + 1), (0, 0), (-1, 0), (i32::MAX, 0)] {
            assert_eq!(pidfd(pid, time).unwrap_err().raw_os_error(), Some(libc::ESRCH), "{pid}");
        }
    }

    #[test]
    fn what_fails_in_the_child_is_told() {
        // Not a pidfd: setns(2) refuses it, and the child reports that.
        let file = std::fs::File::open("/dev/null").unwrap();
        let err = visit(file.as_fd(), || Ok(())).unwrap_err();
        assert_eq!(err.raw_os_error(), Some(libc::EINVAL));
    }
}
