//! Exec: one more program in a container.

use std::os::fd::AsFd;
use std::path::Path;

use oci_spec::runtime::{LinuxNamespaceType, Process, Spec};
use runtime::{Cgroup, Console, ExecLaunch, Exit, StartError};
use types::{Error, Kind, Result};

use crate::console::{self, Terminal};
use crate::record::Record;
use crate::signals::Signals;
use crate::status::{self, Status};
use crate::{Root, environment, exec_process, groups, listener, pid_file, relay, stdio, warnings};

/// What is to be run, and how.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExecOptions<'a> {
    /// Program and arguments.
    pub args: &'a [String],
    /// A document with the whole process instead.
    pub process: Option<&'a Path>,
    /// Another working directory.
    pub cwd: Option<&'a Path>,
    /// `NAME=value`.
    pub env: &'a [String],
    /// `UID[:GID]`.
    pub user: Option<&'a str>,
    /// Groups beside the container's.
    pub additional_gids: &'a [u32],
    /// Capabilities beside the container's.
    pub caps: &'a [String],
    /// A terminal.
    pub tty: bool,
    /// Return when it runs.
    pub detach: bool,
    /// It cannot gain privileges.
    pub no_new_privs: bool,
    /// Another AppArmor profile.
    pub apparmor: Option<&'a str>,
    /// Another SELinux label.
    pub process_label: Option<&'a str>,
    /// Where to write its number.
    pub pid_file: Option<&'a Path>,
    /// Where to send the terminal's master.
    pub console_socket: Option<&'a Path>,
    /// Parts of the container's control groups to run in, as runc writes them.
    pub cgroup: &'a [String],
    /// Descriptors from 3 on that it gets.
    pub preserve_fds: u32,
    /// Also if the container is paused; it runs when that goes on.
    pub ignore_paused: bool,
}

/// Runs a program in a container. Returns how it has ended, or nothing if it was left running, and what is to
/// be told and stopped nothing.
///
/// # Errors
/// `Conflict` if the container does not run; with status 126 or 127 if the program cannot be executed.
pub fn exec(
    root: &Root,
    id: &str,
    options: &ExecOptions<'_>,
) -> Result<(Option<Exit>, Vec<Error>), StartError> {
    let container = root.container(id)?;
    let record = container.record()?;
    check(status::of(&container, &record)?, options)?;
    let spec = container.config()?;
    let mut process = exec_process::process(&spec, options)?;
    let complaints = warnings::of_exec(&spec, &process, options.caps)?;
    complete(&mut process, &record)?;
    let wanted = process.terminal().unwrap_or(false);
    let terminal = Terminal::choose(wanted, options.detach, options.console_socket)?;
    let console = open_console(&record, &process, wanted)?;
    let stdio = stdio::of_program(console.as_ref(), Some(&process), &spec, Some(record.pid))?;
    let signals = if options.detach { None } else { Some(Signals::take()?) };
    let cgroup = if record.cgroup.is_some() { groups::of(&record)? } else { Cgroup::none() };
    let cgroup = cgroup.below(options.cgroup)?;
    let launch = ExecLaunch {
        seccomp: spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref()),
        console: console.as_ref(),
        shared_mounts: !has_own_mounts(&spec),
        preserve_fds: options.preserve_fds,
        keep_keyring: record.keep_keyring,
        ..ExecLaunch::new((record.pid, record.start_time), &process, stdio, &cgroup)
    };
    let program =
        runtime::exec_with(&launch, &|pid, fd| listener::send(&spec, &record, Status::Running, pid, &fd))?;
    if let (Terminal::Socket(socket), Some(console)) = (&terminal, &console) {
        console::send(socket, console.master())?;
    }
    if let Some(path) = options.pid_file {
        pid_file::write(path, program.pid())?;
    }
    let Some(signals) = signals else { return Ok((None, complaints)) };
    let relayed = matches!(terminal, Terminal::Relay);
    let master = console.filter(|_| relayed).map(Console::into_master);
    Ok((Some(relay::follow(&program, &signals, master)?), complaints))
}

/// The home directory is that of the program's user in the container's own files.
fn complete(process: &mut Process, record: &Record) -> Result<()> {
    if !environment::has(process, "HOME") {
        let inside = runtime::root_of(record.pid, record.start_time)?;
        let home = environment::home(inside.as_fd(), process);
        environment::add(process, "HOME", &home);
    }
    Ok(())
}

fn has_own_mounts(spec: &Spec) -> bool {
    let mut spaces =
        spec.linux().as_ref().and_then(|linux| linux.namespaces().as_deref()).into_iter().flatten();
    spaces.any(|s| {
        s.typ() == LinuxNamespaceType::Mount && s.path().as_ref().is_none_or(|p| p.as_os_str().is_empty())
    })
}

fn check(status: Status, options: &ExecOptions<'_>) -> Result<()> {
    let conflict = |what| Err(Error::new(Kind::Conflict, what));
    match status {
        Status::Paused if !options.ignore_paused => conflict("cannot exec in a paused container"),
        Status::Stopped => conflict("cannot exec in a stopped container"),
        Status::Creating => conflict("cannot exec in a container that is still being created"),
        _ => Ok(()),
    }
}

fn open_console(record: &Record, process: &Process, wanted: bool) -> Result<Option<Console>> {
    if !wanted {
        return Ok(None);
    }
    Console::in_container(record.pid, record.start_time, console::size_of(process)).map(Some)
}
