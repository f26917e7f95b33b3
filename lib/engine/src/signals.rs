//! Signals as a kernel sees them: what a process does with one, and sending one safely.

use sys::pidfd::Pidfd;
use types::container::Run;
use types::{Error, Kind, Result};

/// Opens the first process of a run, if it is still the one that was started.
///
/// # Errors
/// `NotFound` if it has ended.
pub(crate) fn open(run: &Run) -> Result<Pidfd> {
    let gone = || Error::new(Kind::NotFound, "its process has ended");
    let process = match Pidfd::open(run.pid) {
        Ok(process) => process,
        Err(e) if e.raw_os_error() == Some(libc::ESRCH) => return Err(gone()),
        Err(e) => return Err(Error::io("open its process", e)),
    };
    // After the open: the number cannot be reused while the descriptor holds it.
    if has_ended(run)? { Err(gone()) } else { Ok(process) }
}

/// Whether the first process of a run has ended.
pub(crate) fn has_ended(run: &Run) -> Result<bool> {
    let alive = sys::process::is_alive(run.pid, run.start_time, &run.boot_id);
    alive.map(|alive| !alive).map_err(|e| Error::io("look at its process", e))
}

/// Sends a signal; no error if the process has ended meanwhile.
pub(crate) fn send(process: &Pidfd, signal: i32) -> Result<()> {
    match process.signal(signal) {
        Ok(()) => Ok(()),
        Err(e) if e.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        Err(e) => Err(Error::io(format!("send signal {signal}"), e)),
    }
}

/// What the first process of a pid namespace does with a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// It has a handler, blocks or awaits it.
    Hears,
    /// It asked to ignore it.
    Ignores,
    /// It left it at its default, which the kernel withholds from a first process
    /// (pid_namespaces(7)): it would never notice.
    Deaf,
}

/// Asks the kernel (`SigBlk`, `SigIgn`, `SigCgt` of `/proc/PID/status`).
pub(crate) fn hearing(pid: i32, signal: i32) -> Hearing {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return Hearing::Hears };
    match hearing_in(&status, signal) {
        Hearing::Deaf if waits_for_signals(pid) => Hearing::Hears,
        other => other,
    }
}

/// Whether a process is in rt_sigtimedwait(2), as inits are. The kernel takes the awaited signals out of
/// the mask that `SigBlk` shows while it waits, so it looks deaf.
fn waits_for_signals(pid: i32) -> bool {
    let Ok(call) = std::fs::read_to_string(format!("/proc/{pid}/syscall")) else {
        return true; // not known: better to wait in vain than to kill what would have ended well
    };
    call.split(' ').next().and_then(|number| number.parse().ok()) == Some(libc::SYS_rt_sigtimedwait)
}

fn hearing_in(status: &str, signal: i32) -> Hearing {
    let bit = |field: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .is_some_and(|mask| mask & 1u64.checked_shl((signal - 1).cast_unsigned()).unwrap_or(0) != 0)
    };
    if bit("SigCgt:") || bit("SigBlk:") {
        Hearing::Hears
    } else if bit("SigIgn:") {
        Hearing::Ignores
    } else {
        Hearing::Deaf
    }
}

/// Whether the default action of a signal ends a process (signal(7)).
pub(crate) const fn is_fatal(signal: i32) -> bool {
    !matches!(
        signal,
        libc::SIGCHLD
            | libc::SIGCONT
            | libc::SIGSTOP
            | libc::SIGTSTP
            | libc::SIGTTIN
            | libc::SIGTTOU
            | libc::SIGURG
            | libc::SIGWINCH
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_masks_of_proc_tell_who_hears() {
        let status =
            "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000001\nSigCgt:\t0000000000004000\n";
        assert_eq!(hearing_in(status, libc::SIGTERM), Hearing::Hears);
        assert_eq!(hearing_in(status, libc::SIGHUP), Hearing::Ignores);
        assert_eq!(hearing_in(status, libc::SIGINT), Hearing::Deaf);
    }
}
