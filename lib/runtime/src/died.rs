//! Processes that have ended before they became their program.

use std::path::Path;

use sys::pidfd::{Exit, Pidfd};
use types::{Error, Kind, Result};

/// A process that has ended before it became the program: not by itself, or it would have said why.
pub(crate) fn died(process: &Pidfd) -> Error {
    process.wait().map_or_else(|e| Error::io("wait for process", e), died_by)
}

pub(crate) fn died_by(end: Exit) -> Error {
    never_ran(&format!(", with status {}", end.code()))
}

fn never_ran(how: &str) -> Error {
    Error::new(Kind::Io, format!("it ended before its program ran{how}"))
        .hint("was it killed, or is the container out of memory?")
}

/// Tells of a process that was let go by another caller than the one that made it, and whose report has
/// ended without a word, whether it runs `program`, its parameter in the configuration.
///
/// # Errors
/// It has ended, and was never the program. One that was reaped already may have been it.
pub fn has_run(pid: i32, start_time: u64, program: &str) -> Result<()> {
    let gone = |e: &std::io::Error| {
        e.kind() == std::io::ErrorKind::NotFound || e.raw_os_error() == Some(libc::ESRCH)
    };
    let last = match sys::process::last(pid) {
        Err(e) if gone(&e) => return Ok(()),
        last => last.map_err(|e| Error::io("look at process", e))?,
    };
    let Some(last) = last else { return Ok(()) };
    // The number may be another's by now, who is none of ours to look at.
    if !sys::process::start_time(pid).is_ok_and(|started| started == start_time) {
        return Ok(());
    }
    // The stub is called as its file, or as the number that it was executed by; a program may be called so too.
    let name = Path::new(program).file_name().unwrap_or_default().as_encoded_bytes();
    let stub = last.name.starts_with(b"memfd:") || last.name.iter().all(u8::is_ascii_digit);
    if !last.executed || (stub && !name.starts_with(&last.name)) { Err(never_ran("")) } else { Ok(()) }
}
