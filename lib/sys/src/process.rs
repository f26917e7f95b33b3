//! Names of processes that are never believed after a reuse of the number.

use std::io;
use std::sync::OnceLock;

/// Returns the start time of a process in clock ticks since boot: field 22 of `/proc/PID/stat`
/// (`proc_pid_stat(5)`). With the pid it names one process for all time of one boot.
///
/// # Errors
/// `NotFound` if there is no such process.
pub fn start_time(pid: i32) -> io::Result<u64> {
    stat(pid).map(|(_, started)| started)
}

/// State and start time: fields 3 and 22.
fn stat(pid: i32) -> io::Result<(u8, u64)> {
    let stat = std::fs::read(format!("/proc/{pid}/stat"))?;
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "unexpected form of /proc/PID/stat");
    // The second field is the name in parentheses, and may itself hold blanks and parentheses.
    let close = stat.iter().rposition(|&b| b == b')').ok_or_else(bad)?;
    let rest = stat.get(close + 2..).ok_or_else(bad)?;
    let state = rest.first().copied().ok_or_else(bad)?;
    let field = rest.split(|&b| b == b' ').nth(22 - 3).ok_or_else(bad)?;
    let started = std::str::from_utf8(field).ok().and_then(|s| s.parse().ok()).ok_or_else(bad)?;
    Ok((state, started))
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

/// Returns the id of this boot, or an empty string if the kernel does not tell.
pub fn boot_id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map(|s| s.trim().to_owned())
            .unwrap_or_default()
    })
}

/// Returns whether the process that had this pid and start time in this boot still lives. One
/// that has ended and was not reaped yet does not.
#[must_use]
pub fn is_alive(pid: i32, started: u64, boot: &str) -> bool {
    boot == boot_id() && stat(pid).is_ok_and(|(state, now)| now == started && !matches!(state, b'Z' | b'X'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_pid_and_start_time() {
        let me = i32::try_from(std::process::id()).unwrap();
        let started = start_time(me).unwrap();
        assert!(is_alive(me, started, boot_id()));
        assert!(!is_alive(me, started + 1, boot_id()));
        assert!(!is_alive(me, started, "another boot"));
        assert!(number_inside(me).unwrap() > 0 && number_inside(0).is_err());
    }
}
