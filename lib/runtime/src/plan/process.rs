//! The program: how it is handed to the stub that executes it.

use std::ffi::{CString, c_char};
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::null;

use child::Exec;
use oci_spec::runtime::Process;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use types::{Error, Result};

use super::{Draft, Owned, invalid, text};

/// Where programs are looked for if the environment does not say. The stub has the same.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What process 1 is called with `--init`, as its own `/proc/1/cmdline` shows it.
const INIT: &str = "/sbin/longshore-init";

/// An exec with all that it points to.
pub struct Program {
    pub exec: Exec<Owned>,
    pub name: String,
    pub strings: Vec<CString>,
    pub stub: OwnedFd,
}

/// Prepares the exec; with `init`, the stub stays as process 1.
pub fn program(process: &Process, init: bool, draft: &Draft) -> Result<Program> {
    let args = process.args().as_deref().unwrap_or_default();
    let name = args.first().ok_or_else(|| invalid("there is no program to run"))?;
    let env = process.env().as_deref().unwrap_or_default();
    let mut strings = Vec::with_capacity(args.len() + env.len() + 2);
    let mode = mode(init, draft);
    let labels: Vec<_> = draft.labels.arguments().collect();
    let before = [INIT, &mode].into_iter().chain(labels.iter().chain(&draft.start_hooks).map(String::as_str));
    let argv = pointers(before.chain(args.iter().map(String::as_str)), &mut strings)?;
    let envp = pointers(env.iter().map(String::as_str), &mut strings)?;
    let stub = stub(draft.free_number()).map_err(|e| {
        Error::io("prepare the first program", e).hint("it is in a memory file: see sysctl vm.memfd_noexec")
    })?;
    let exec = Exec { stub: stub.as_raw_fd(), argv, envp };
    Ok(Program { exec, name: name.clone(), strings, stub })
}

/// The stub's first argument: what it is to do, and where it finds what it needs (`stub/main.rs`).
fn mode(init: bool, draft: &Draft) -> String {
    let mut mode = if init { "--" } else { "-e" }.to_owned();
    if draft.report_number() != 3 {
        mode += &draft.report_number().to_string();
    }
    if draft.waits {
        mode.push('w');
    }
    if !draft.start_hooks.is_empty() {
        mode.push('h');
    }
    mode += draft.labels.mode();
    if let Some(birth) = &draft.born {
        mode.push('b');
        if birth.terminal {
            mode.push('t');
        }
        if birth.dies_with_caller {
            mode.push('d');
        }
    }
    if let Some(word) = draft.word {
        mode += &format!("n{word:016x}");
    }
    mode
}

/// The files that the stub will try, in its order.
pub fn candidates(process: &Process) -> Result<Vec<CString>> {
    let name = process.args().iter().flatten().next().ok_or_else(|| invalid("there is no program to run"))?;
    if name.is_empty() || name.contains('/') {
        return Ok(vec![text(name)?]);
    }
    let lines = process.env().iter().flatten();
    let path = lines.filter_map(|line| line.strip_prefix("PATH=")).next_back().unwrap_or(DEFAULT_PATH);
    let dirs = path.split(':').filter(|dir| !dir.is_empty());
    dirs.map(|dir| text(&format!("{dir}/{name}"))).collect()
}

/// A copy of the stub that nobody can change, at a number that nothing else is put at.
fn stub(lowest: child::Fd) -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Linux 6.3 wants to be told that it is to be executed; older ones do not know the flag.
    let file = match memfd_create(c"longshore-init", flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => memfd_create(c"longshore-init", flags)?,
        other => other?,
    };
    let mut rest = child::STUB;
    while !rest.is_empty() {
        let written = rustix::io::write(&file, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    if file.as_raw_fd() >= lowest { Ok(file) } else { rustix::io::fcntl_dupfd_cloexec(&file, lowest) }
}

fn pointers<'a>(
    list: impl Iterator<Item = &'a str>,
    strings: &mut Vec<CString>,
) -> Result<Vec<*const c_char>> {
    let mut pointers = Vec::with_capacity(16);
    for item in list {
        let owned = text(item)?;
        // The bytes are on the heap and stay where they are when the CString moves.
        pointers.push(owned.as_ptr());
        strings.push(owned);
    }
    pointers.push(null());
    Ok(pointers)
}
