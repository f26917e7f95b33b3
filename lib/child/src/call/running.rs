//! System calls for a program that is run on the way.

use core::ffi::{CStr, c_char, c_int, c_long, c_void};
use core::ptr::{null, null_mut};

use super::check;
use crate::{Errno, Fd};

/// `execve(2)` of a path of the host's.
pub fn execve(path: &CStr, argv: &[*const c_char], envp: &[*const c_char]) -> Errno {
    match sys!(SYS_execve, path.as_ptr(), argv.as_ptr(), envp.as_ptr()) {
        Err(errno) => errno,
        Ok(_) => libc::EINVAL, // it does not return on success
    }
}

pub fn rewind(file: Fd) -> Result<(), Errno> {
    sys!(SYS_lseek, file, 0 as c_long, libc::SEEK_SET).map(drop)
}

/// The reading and the writing end, close-on-exec.
pub fn pipe() -> Result<(Fd, Fd), Errno> {
    let mut ends: [Fd; 2] = [-1; 2];
    sys!(SYS_pipe2, ends.as_mut_ptr(), libc::O_CLOEXEC)?;
    let [read, write] = ends;
    Ok((read, write))
}

/// Waits until a pidfd's process has ended; 0 seconds is for ever. Tells whether it has.
pub fn ended_within(pidfd: Fd, seconds: u32) -> Result<bool, Errno> {
    let time = libc::timespec { tv_sec: i64::from(seconds), tv_nsec: 0 };
    let limit = if seconds == 0 { null() } else { &raw const time };
    loop {
        let mut poll = libc::pollfd { fd: pidfd, events: libc::POLLIN, revents: 0 };
        match sys!(SYS_ppoll, &raw mut poll, 1 as c_long, limit, null::<u64>(), 8 as c_long) {
            Err(libc::EINTR) => {}
            done => return done.map(|ready| ready > 0),
        }
    }
}

pub fn kill_by_descriptor(pidfd: Fd) -> Result<(), Errno> {
    sys!(SYS_pidfd_send_signal, pidfd, libc::SIGKILL, null::<c_void>(), 0 as c_long).map(drop)
}

/// Reaps a child of ours. Returns its status.
pub fn wait(pid: libc::pid_t) -> Result<c_int, Errno> {
    let mut status: c_int = 0;
    loop {
        match sys!(SYS_wait4, pid, &raw mut status, 0 as c_long, null_mut::<c_void>()) {
            Err(libc::EINTR) => {}
            done => return done.map(|_| status),
        }
    }
}
