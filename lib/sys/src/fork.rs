//! Copies of this process.

use std::io;
use std::os::unix::fs::MetadataExt;

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid};

/// Which of the two this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fork {
    /// The caller; the number is the copy's pid.
    Parent(i32),
    /// The copy.
    Child,
}

/// Makes a copy of this process, which must have one thread: locks that other threads hold would
/// stay held in the copy for ever (fork(2)).
///
/// # Errors
/// `Other` if there are other threads; what fork(2) says.
pub fn fork() -> io::Result<Fork> {
    // The kernel counts a link for each thread, beside the two of any directory: one look instead of
    // reading a directory or a status file.
    if std::fs::metadata("/proc/self/task")?.nlink() != 3 {
        return Err(io::Error::other("this process has several threads"));
    }
    // SAFETY: there is one thread, as was just seen, and only it could make another one.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Fork::Parent(child.as_raw())),
        ForkResult::Child => Ok(Fork::Child),
    }
}

/// Ends this process without what `exit` does on behalf of the original: flushing its buffers,
/// running its exit handlers.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit(2) takes an integer and does not return.
    unsafe { libc::_exit(code) }
}

/// Ends a copy of this process, and reaps it; `process` is the same one by descriptor, if there is one.
///
/// One that could not be told, by either call, is not waited for: it may live as long as we do.
pub fn end(pid: i32, process: Option<&crate::pidfd::Pidfd>) {
    let told = process.is_some_and(|process| process.signal(libc::SIGKILL).is_ok())
        // It is our child and not reaped, so the number is its own.
        || nix::sys::signal::kill(Pid::from_raw(pid), nix::sys::signal::SIGKILL).is_ok();
    if told {
        reap(pid);
    }
}

/// Waits for a copy of this process to end.
pub fn reap(pid: i32) {
    // ECHILD means that somebody else has reaped it; there is nothing left to wait for.
    while waitpid(Pid::from_raw(pid), None) == Err(nix::errno::Errno::EINTR) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_not_copied() {
        // The test harness itself runs this in a thread of its own.
        assert!(fork().is_err());
    }
}
