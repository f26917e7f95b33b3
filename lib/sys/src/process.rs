//! Names of processes that are never believed after a reuse of the number.

use std::io;
use std::sync::OnceLock;

use crate::pidfd::Exit;

/// What has become of a process that was there once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It lives.
    Alive,
    /// It has ended; how, only if the kernel still tells.
    Ended(Option<Exit>),
}

/// Returns the start time of a process in clock ticks since boot: field 22 of `/proc/PID/stat`
/// (`proc_pid_stat(5)`). With the pid it names one process for all time of one boot.
///
/// # Errors
/// `NotFound` if there is no such process.
pub fn start_time(pid: i32) -> io::Result<u64> {
    stat(pid).map(|stat| stat.started)
}

/// Returns what a process was if it is about to end, or has ended and was not reaped; `None` while it
/// goes on.
///
/// This is so before its descriptors are closed, so that whoever sees the end of a pipe can tell an exec,
/// which has closed it, from a death: `PF_EXITING` and `PF_FORKNOEXEC` (`linux/sched.h`, since Linux 2.6)
/// in field 9 of `/proc/PID/stat`.
///
/// # Errors
/// `NotFound` if there is no such process.
pub fn last(pid: i32) -> io::Result<Option<Last>> {
    const PF_EXITING: u64 = 0x4;
    const PF_FORKNOEXEC: u64 = 0x40;
    let stat = stat(pid)?;
    let executed = stat.flags & PF_FORKNOEXEC == 0;
    Ok((stat.flags & PF_EXITING != 0).then_some(Last { executed, name: stat.name }))
}

/// What a process was in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// Since its fork, it has executed a program.
    pub executed: bool,
    /// That program's file, at most 15 bytes of it, or what it called itself.
    pub name: Vec<u8>,
}

/// Name, state, flags, start time and the status for its parent: fields 2, 3, 9, 22 and 52.
struct Stat {
    name: Vec<u8>,
    state: u8,
    flags: u64,
    started: u64,
    status: i32,
}

fn stat(pid: i32) -> io::Result<Stat> {
    let stat = std::fs::read(format!("/proc/{pid}/stat"))?;
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "unexpected form of /proc/PID/stat");
    // The second field is the name in parentheses, and may itself hold blanks and parentheses.
    let open = stat.iter().position(|&b| b == b'(').ok_or_else(bad)?;
    let close = stat.iter().rposition(|&b| b == b')').ok_or_else(bad)?;
    let rest = stat.get(close + 2..).ok_or_else(bad)?;
    let state = rest.first().copied().ok_or_else(bad)?;
    let field = |n: usize| rest.split(|&b| b == b' ').nth(n - 3).and_then(|f| std::str::from_utf8(f).ok());
    let flags = field(9).and_then(|s| s.parse().ok()).ok_or_else(bad)?;
    let started = field(22).and_then(|s| s.parse().ok()).ok_or_else(bad)?;
    let status = field(52).and_then(|s| s.trim().parse().ok()).ok_or_else(bad)?;
    let name = stat.get(open + 1..close).ok_or_else(bad)?.to_owned();
    Ok(Stat { name, state, flags, started, status })
}

/// Returns the number that a process has in its own pid namespace (`NSpid`, Linux 4.1).
///
/// # Errors
/// `NotFound` if there is no such process.
pub fn number_inside(pid: i32) -> io::Result<i32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let number = line.and_then(|line| line.split_whitespace().next_back()?.parse().ok());
    number.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unexpected form of /proc/PID/status"))
}

/// Returns the id of this boot.
///
/// # Errors
/// If it cannot be read.
pub fn boot_id() -> io::Result<&'static str> {
    static ID: OnceLock<String> = OnceLock::new();
    if let Some(id) = ID.get() {
        return Ok(id);
    }
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(ID.get_or_init(|| id.trim().to_owned()))
}

/// Returns whether the process that had this pid and start time in this boot still lives. One
/// that has ended and was not reaped yet does not.
///
/// # Errors
/// As [`fate`].
pub fn is_alive(pid: i32, started: u64, boot: &str) -> io::Result<bool> {
    Ok(fate(pid, started, boot)? == Fate::Alive)
}

/// Returns what has become of the process that had this pid and start time in this boot.
///
/// # Errors
/// If that cannot be found out, such as for want of a descriptor: it has not ended for that.
pub fn fate(pid: i32, started: u64, boot: &str) -> io::Result<Fate> {
    if boot != boot_id()? {
        return Ok(Fate::Ended(None));
    }
    Ok(match stat(pid) {
        Ok(stat) if stat.started != started => Fate::Ended(None),
        Ok(stat) if !matches!(stat.state, b'Z' | b'X') => Fate::Alive,
        Ok(stat) if may_know(pid) => Fate::Ended(Some(Exit::from_wait_status(stat.status))),
        Ok(_) => Fate::Ended(None),
        // The second, if it is reaped between the open and the read.
        Err(e) if e.kind() == io::ErrorKind::NotFound || e.raw_os_error() == Some(libc::ESRCH) => {
            Fate::Ended(None)
        }
        Err(e) => return Err(e),
    })
}

/// Whether the kernel tells us how a process ended that nobody has reaped. To others it shows 0
/// in field 52, which would be believed: the same right, and a little more, is needed for the file
/// that is opened here (`ptrace_may_access` in Linux, `fs/proc/base.c`), which refuses instead.
fn may_know(pid: i32) -> bool {
    std::fs::read(format!("/proc/{pid}/personality")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_pid_and_start_time() {
        let me = i32::try_from(std::process::id()).unwrap();
        let started = start_time(me).unwrap();
        assert!(is_alive(me, started, boot_id().unwrap()).unwrap());
        assert!(!is_alive(me, started + 1, boot_id().unwrap()).unwrap());
        assert!(!is_alive(me, started, "another boot").unwrap());
        assert!(number_inside(me).unwrap() > 0 && number_inside(0).is_err());
    }

    #[test]
    fn what_a_process_was_is_known_until_it_is_reaped() {
        let mut child = std::process::Command::new("sh").args(["-c", "kill -9 $$"]).spawn().unwrap();
        let pid = child.id().cast_signed();
        let pidfd = crate::pidfd::Pidfd::open(pid).unwrap();
        assert!(pidfd.ended_within(None).unwrap());
        assert_eq!(last(pid).unwrap(), Some(Last { executed: true, name: b"sh".to_vec() }));
        child.wait().unwrap();
        assert!(last(pid).is_err());
        assert_eq!(last(std::process::id().cast_signed()).unwrap(), None);
    }

    #[test]
    fn how_a_process_ended_is_known_until_it_is_reaped() {
        for (script, end) in
            [("exit 42", Exit::Code(42)), ("kill -11 $$", Exit::Signal(11)), ("", Exit::Code(0))]
        {
            let mut child = std::process::Command::new("sh").args(["-c", script]).spawn().unwrap();
            let pid = child.id().cast_signed();
            let started = start_time(pid).unwrap();
            let pidfd = crate::pidfd::Pidfd::open(pid).unwrap();
            assert!(pidfd.ended_within(None).unwrap());
            assert_eq!(fate(pid, started, boot_id().unwrap()).unwrap(), Fate::Ended(Some(end)), "{script}");
            assert_eq!(pidfd.how_it_ended(pid, started), Some(end), "{script}");
            assert_eq!(fate(pid, started + 1, boot_id().unwrap()).unwrap(), Fate::Ended(None));
            child.wait().unwrap();
            assert_eq!(fate(pid, started, boot_id().unwrap()).unwrap(), Fate::Ended(None));
        }
    }
}
