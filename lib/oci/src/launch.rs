//! From a bundle to a first process: what create and run have in common.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use oci_spec::runtime::{LinuxNamespaceType, Spec};
use runtime::console::Size;
use runtime::{Cgroup, Console, Launch, Process, Rootfs, StartError, StartGate};
use types::{Context, Error, Result};

use crate::bundle::Bundle;
use crate::console::{self, Terminal};
use crate::create::Options;
use crate::gate::Gate;
use crate::notify::Notify;
use crate::record::{CONFIG, FORMAT, Record};
use crate::root::{Container, Root};
use crate::status::Status;
use crate::{environment, groups, hooks, listener, making, notify, pid_file, stdio, warnings};

/// A container whose first process is there.
#[derive(Debug)]
pub struct Launched {
    pub container: Container,
    pub record: Record,
    pub process: Process,
    pub spec: Spec,
    /// A terminal that is to be relayed.
    pub master: Option<OwnedFd>,
    /// What is to be told when the program is ready.
    pub notify: Option<Notify>,
    /// What is to be told and stopped nothing.
    pub complaints: Vec<Error>,
}

/// How far the first process goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// To the gate.
    Gate,
    /// Into its program.
    Program,
}

/// Makes a container. What was made before a failure is undone.
pub fn launch(
    root: &Root,
    options: &Options<'_>,
    mut bundle: Bundle,
    terminal: &Terminal,
    goal: Goal,
) -> Result<Launched, StartError> {
    let preserve_fds = options.preserve_fds.saturating_add(options.listen_fds);
    let container = root.claim(options.id)?;
    let lock = container.lock()?;
    let mut making = None;
    let mut cgroup = None;
    let mut complaints = Vec::new();
    let begun = (|| {
        environment::complete(&mut bundle, options)?;
        let record = record(options, &bundle)?;
        container.write_new(CONFIG, &bundle.text)?;
        making = Some(making::begin(&container)?);
        container.save(&record)?;
        if options.notify_socket.is_some() {
            notify::prepare(&container, &mut bundle)?;
        }
        let made = groups::make(options, &bundle.spec)?;
        let cgroup = cgroup.insert(made);
        complaints = std::mem::take(&mut bundle.complaints);
        complaints.extend(warnings::of_container(&bundle.spec, cgroup)?);
        begin(&container, options, &bundle, cgroup, terminal, goal, record, preserve_fds)
    })();
    drop((making, lock));
    match begun {
        Ok((record, process, master, notify)) => {
            Ok(Launched { container, record, process, spec: bundle.spec, master, notify, complaints })
        }
        Err(e) => {
            // The reason for the failure is the one to tell; what could not be removed is found by delete.
            // Who was in a group before does not belong to this container.
            let left = match cgroup {
                Some(cgroup) if cgroup.found_processes() > 0 => cgroup.remove_unused(),
                Some(cgroup) => cgroup.remove(),
                None => Ok(()),
            };
            let _complaints = after_failure(&container, &bundle.spec);
            let _left = left.and_then(|()| container.remove());
            Err(e)
        }
    }
}

/// A container that had a process has come to life, and its end is told (runtime spec 1.2, lifecycle).
fn after_failure(container: &Container, spec: &Spec) -> Vec<Error> {
    match container.record() {
        Ok(record) if record.pid != 0 && record.poststop => hooks::after_stop(&record, spec),
        _ => Vec::new(),
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts that undoing needs are owned by the caller")]
fn begin(
    container: &Container,
    options: &Options<'_>,
    bundle: &Bundle,
    cgroup: &Cgroup,
    terminal: &Terminal,
    goal: Goal,
    mut record: Record,
    preserve_fds: u32,
) -> Result<(Record, Process, Option<OwnedFd>, Option<Notify>), StartError> {
    record.cgroup = Some(cgroup.saved());
    let rootfs = root_of(&bundle.rootfs)?;
    let console = if terminal.is_wanted() { Some(Console::new(size(&bundle.spec))?) } else { None };
    let gate = if goal == Goal::Gate { Some(Gate::make(container)?) } else { None };
    let notify = options.notify_socket.filter(|_| goal == Goal::Program);
    let notify = notify.map(|socket| Notify::bind(container, socket)).transpose()?.flatten();
    let stdio = stdio::of_program(console.as_ref(), bundle.spec.process().as_ref(), &bundle.spec, None)?;
    let mut starting = runtime::start(&Launch {
        spec: &bundle.spec,
        rootfs: &rootfs,
        stdio,
        console: console.as_ref(),
        cgroup,
        netlink: &[],
        init: false,
        wait_start: gate.as_ref().map(|gate| StartGate { go: gate.start(), report: gate.failure() }),
        preserve_fds,
        hooks: Some(&bundle.rootfs),
        no_pivot: options.no_pivot,
        keep_keyring: options.no_new_keyring,
    })?;
    record.pid = starting.pid();
    record.start_time = sys::process::start_time(record.pid).context("read start time of process")?;
    // Before it may go on: if we are killed from here on, what waits for us ends, and delete knows of all.
    container.save(&record)?;
    if hooks::before(&bundle.spec) {
        hooks::on_the_way(&mut starting, &record, &bundle.spec)?;
    }
    if let (Terminal::Socket(socket), Some(console)) = (terminal, &console) {
        console::send(socket, console.master())?;
    }
    let process = starting.release_with(&|pid, listener| {
        listener::send(&bundle.spec, &record, Status::Creating, pid, &listener)
    })?;
    if let Some(path) = options.pid_file {
        pid_file::write(path, record.pid)?;
    }
    let relay = matches!(terminal, Terminal::Relay);
    Ok((record, process, console.filter(|_| relay).map(Console::into_master), notify))
}

fn size(spec: &Spec) -> Option<Size> {
    spec.process().as_ref().and_then(console::size_of)
}

fn root_of(path: &Path) -> Result<Rootfs> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = open(path, flags, Mode::empty()).map_err(|e| Error::io(format!("open root {path:?}"), e))?;
    Rootfs::directory(dir.as_fd())
}

fn record(options: &Options<'_>, bundle: &Bundle) -> Result<Record> {
    let spec = &bundle.spec;
    let spaces = spec.linux().as_ref().and_then(|linux| linux.namespaces().as_deref()).unwrap_or_default();
    let own_pids = spaces.iter().any(|s| s.typ() == LinuxNamespaceType::Pid && s.path().is_none());
    let some = |hooks: Option<&Vec<_>>| hooks.is_some_and(|hooks| !hooks.is_empty());
    let hooks = spec.hooks().as_ref();
    let args = spec.process().as_ref().and_then(|process| process.args().as_ref());
    Ok(Record {
        format: FORMAT,
        id: options.id.to_owned(),
        bundle: bundle.dir.clone(),
        rootfs: bundle.rootfs.clone(),
        created: sys::time::now().to_string(),
        owner: rustix::process::getuid().as_raw(),
        annotations: spec.annotations().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect(),
        pid: 0,
        start_time: 0,
        boot: sys::process::boot_id().map_err(|e| Error::io("read the id of this boot", e))?.to_owned(),
        cgroup: None,
        keep_keyring: options.no_new_keyring,
        own_pids,
        poststop: some(hooks.and_then(|hooks| hooks.poststop().as_ref())),
        poststart: some(hooks.and_then(|hooks| hooks.poststart().as_ref())),
        program: args.and_then(|args| args.first()).cloned().unwrap_or_default(),
    })
}
