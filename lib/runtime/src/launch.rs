//! Start: from a plan to a process.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use child::{Failure, Spawn};
use oci_spec::runtime::Spec;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use sys::pidfd::{Exit, Pidfd};
use types::{Context, Error, Kind, Result};

use crate::cgroup::delegate;
use crate::console::Console;
use crate::died::{died, died_by};
use crate::plan::{Plan, labels};
use crate::process::{Process, StartError};
use crate::{Cgroup, Rootfs};
use crate::{between, netdev};

mod hooks;
pub(crate) mod listener;

pub use listener::Listen;

/// What a container is started from.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// The configuration. Its `root.path` is not looked at: `rootfs` is the root.
    pub spec: &'a Spec,
    /// The root file system.
    pub rootfs: &'a Rootfs,
    /// Standard input, output and error of the program. With a console: its slave, three times.
    ///
    /// Pipes that the caller made for the program should belong to the program's user
    /// (`fchown`), so that it can open `/dev/stdout`; descriptors of others are never touched.
    pub stdio: [BorrowedFd<'a>; 3],
    /// A terminal, from [`Console::new`].
    pub console: Option<&'a Console>,
    /// The groups to start in.
    pub cgroup: &'a Cgroup,
    /// rtnetlink messages to send inside, once released (loopback, addresses, routes).
    pub netlink: &'a [u8],
    /// A small process 1 of ours starts the program, passes signals on and reaps (`--init`).
    pub init: bool,
    /// Do not run the program before this gate opens. [`Starting::release`] returns when everything is
    /// set up and the program was found, and the caller may end.
    pub wait_start: Option<StartGate<'a>>,
    /// So many descriptors from 3 on are the program's too, such as `LISTEN_FDS` (sd_listen_fds(3)).
    pub preserve_fds: u32,
    /// Hooks of the configuration are run, and find the root file system in this place of the host. Call
    /// [`Starting::run_hooks`] then.
    pub hooks: Option<&'a Path>,
    /// The root is not exchanged, as in an initramfs it cannot be: the host's tree stays where nobody can name it.
    pub no_pivot: bool,
    /// Stay in the session keyring of the caller.
    pub keep_keyring: bool,
}

/// What a container that was created waits at.
#[derive(Debug, Clone, Copy)]
pub struct StartGate<'a> {
    /// A fifo; one byte from it starts the program. Open for reading *and* writing, so that it has no
    /// end while nobody else has it open.
    pub go: BorrowedFd<'a>,
    /// Where failures after that are told: one [`child::Failure`]; it is closed when the program runs.
    pub report: BorrowedFd<'a>,
}

impl<'a> Launch<'a> {
    /// A start with nothing special about it.
    #[must_use]
    pub const fn new(
        spec: &'a Spec,
        rootfs: &'a Rootfs,
        stdio: [BorrowedFd<'a>; 3],
        cgroup: &'a Cgroup,
    ) -> Self {
        Self {
            spec,
            rootfs,
            stdio,
            console: None,
            cgroup,
            netlink: &[],
            init: false,
            wait_start: None,
            preserve_fds: 0,
            hooks: None,
            no_pivot: false,
            keep_keyring: false,
        }
    }
}

/// A container's first process, before its program. Dropped without release, it is killed and reaped.
#[derive(Debug)]
pub struct Starting(Option<Halfway>);

struct Halfway {
    plan: Plan,
    pid: i32,
    pidfd: Pidfd,
    report: File,
    gate: OwnedFd,
}

impl std::fmt::Debug for Halfway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Halfway").field("pid", &self.pid).finish_non_exhaustive()
    }
}

/// Clones the container's first process, which builds mounts and namespaces on its own and then waits
/// at its gate. Connect its network meanwhile: `pid()` names its network namespace from now on.
///
/// Failures of its steps are told by [`Starting::release`]. The caller should have one thread, blocked
/// signals are unblocked in the child.
///
/// # Errors
/// Status 125 if the configuration cannot be done, or the kernel refuses the clone.
pub fn start(launch: &Launch<'_>) -> Result<Starting, StartError> {
    let (report, report_child) = pipe("report")?;
    let (gate_child, gate) = gate()?;
    let plan = Plan::new(launch, gate_child.as_fd(), report_child.as_fd())?;
    give_group(launch, &plan)?;
    if let Some(console) = launch.console {
        let uid = launch.spec.process().as_ref().map_or(0, |process| process.user().uid());
        match &plan.ids {
            Some(ids) => console.give_to_mapped(uid, ids)?,
            None => console.give_to(uid)?,
        }
        if let Some(label) = launch.spec.linux().as_ref().and_then(labels::of_mounts) {
            labels::label_terminal(console.slave(), &label)?;
        }
    }
    let cgroup = launch.cgroup.v2_dir().map(|dir| dir.as_raw_fd());
    let not_ours = [report.as_raw_fd(), gate.as_raw_fd()];
    let report = File::from(report);
    let (pid, pidfd) = match plan.between {
        None => clone(&plan, cgroup, &report_child, &not_ours)?,
        Some(ops) => between::clone(&plan, ops, cgroup, (&report, &report_child), &not_ours)?,
    };
    let starting = Starting(Some(Halfway { plan, pid, pidfd, report, gate }));
    starting.say_who_is_who()?;
    starting.give_devices(launch.spec)?;
    Ok(starting)
}

/// Gives the container's group to its user, if the configuration makes it the container's own.
fn give_group(launch: &Launch<'_>, plan: &Plan) -> Result<()> {
    let user = launch.spec.process().as_ref().map_or(0, |process| process.user().uid());
    let user = plan.ids.as_ref().map_or(Ok(user), |ids| ids.user(user))?;
    match launch.spec.linux() {
        Some(linux) if user != 0 && delegate::is_wanted(launch.spec, linux) => launch.cgroup.delegate(user),
        _ => Ok(()),
    }
}

/// Returns what [`start`] would do, without doing it: [`Plan::steps`] says it in words.
///
/// # Errors
/// If the configuration cannot be done.
pub fn plan(launch: &Launch<'_>) -> Result<Plan> {
    // Stands for the gate and the report pipe, which nobody uses.
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty())
        .map_err(|e| Error::io("open \"/dev/null\"", e))?;
    Plan::new(launch, null.as_fd(), null.as_fd())
}

/// Clones a process that walks the plan.
pub(crate) fn clone(
    plan: &Plan,
    cgroup: Option<child::Fd>,
    report: &OwnedFd,
    not_ours: &[child::Fd],
) -> Result<(i32, Pidfd)> {
    let spawned = child::spawn(&Spawn {
        namespaces: plan.namespaces,
        between: None,
        cgroup,
        ops: &plan.steps,
        exec: &plan.exec,
        report: report.as_raw_fd(),
        not_ours,
    })
    .map_err(clone_error)?;
    let pidfd = Pidfd::adopt(spawned.pidfd).map_err(|e| Error::io("hold process", e))?;
    Ok((spawned.pid, pidfd))
}

pub(crate) fn clone_error(errno: child::Errno) -> Error {
    let error = Error::io("clone process", std::io::Error::from_raw_os_error(errno));
    match errno {
        libc::EPERM => error.hint("containers are made by root; rootless ones are not supported yet"),
        libc::EAGAIN => {
            error.hint("a limit on processes was reached: see pids.max of the cgroup and ulimit -u")
        }
        libc::ENOSPC => error.hint("a limit on namespaces was reached: see /proc/sys/user/"),
        _ => error,
    }
}

pub(crate) fn pipe(what: &'static str) -> Result<(OwnedFd, OwnedFd)> {
    pipe_with(PipeFlags::CLOEXEC).map_err(|e| Error::io(format!("make {what} pipe"), e))
}

/// What the child waits at. Not a pipe: a write to one whose reader has died would kill this process
/// by SIGPIPE, whose action belongs to the tool.
pub(crate) fn gate() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .map_err(|e| Error::io("make gate", e))
}

impl Starting {
    /// Its number in our pid namespace.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.0.as_ref().map_or(0, |half| half.pid)
    }

    /// Its descriptor.
    #[must_use]
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(|half| half.pidfd.as_fd())
    }

    /// Writes the mappings of a new user namespace, for which the first process waits.
    fn say_who_is_who(&self) -> Result<()> {
        let Some(half) = &self.0 else { return Ok(()) };
        let Some(ids) = half.plan.ids.as_ref().filter(|ids| ids.joined().is_none()) else { return Ok(()) };
        ids.write(half.pid)?;
        // If it has died, the report says why.
        let _broken = send(&half.gate, &[1], SendFlags::NOSIGNAL);
        Ok(())
    }

    /// Moves network devices of the host to it.
    fn give_devices(&self, spec: &Spec) -> Result<()> {
        match (&self.0, spec.linux()) {
            (Some(half), Some(linux)) => netdev::give(&half.plan.devices, linux, half.pid),
            _ => Ok(()),
        }
    }

    /// Lets it go on, and waits until its program runs or it has failed.
    ///
    /// # Errors
    /// Which step failed, and why; the process has been reaped.
    pub fn release(self) -> Result<Process, StartError> {
        self.release_with(&listener::nobody)
    }

    /// The same; somebody gets the listener of the filter, if the profile asks for one
    /// (`SCMP_ACT_NOTIFY`).
    ///
    /// # Errors
    /// As [`Starting::release`], and what `listen` says.
    pub fn release_with(mut self, listen: Listen<'_>) -> Result<Process, StartError> {
        let again = || Error::new(Kind::Conflict, "the process was released before");
        let half = self.0.as_mut().ok_or_else(again)?;
        // If it has died, the report says why; a broken connection says nothing more.
        let _broken = send(&half.gate, &[1], SendFlags::NOSIGNAL);
        let process = (half.pid, &half.pidfd);
        listener::hand_over(&half.plan, || next_record(&mut half.report), process, &half.gate, listen)?;
        let half = self.0.take().ok_or_else(again)?;
        drop(half.gate);
        outcome(&half.plan, half.report, half.pid, half.pidfd)
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(half) = self.0.take() {
            // It may have ended by itself; in both cases it is reaped.
            let _gone = half.pidfd.signal(libc::SIGKILL);
            let _status = half.pidfd.wait();
        }
    }
}

/// Reads the report: nothing if the program runs, [`Failure::READY`] if it waits to be started, a failure if not.
fn outcome(plan: &Plan, mut report: File, pid: i32, pidfd: Pidfd) -> Result<Process, StartError> {
    let process = Process { pid, pidfd };
    match next_record(&mut report)? {
        Some(Failure { step: Failure::READY, errno: 0 }) => Ok(process),
        Some(Failure { step: Failure::DIED, errno }) => {
            // The verdict is the report; the process only has to be reaped.
            let _status = process.wait();
            Err(died_by(Exit::from_wait_status(errno)).into())
        }
        Some(failure) => Err(plan.failed(failure, &process.pidfd)),
        None if plan.waits || plan.never_ran(pid)? => Err(died(&process.pidfd).into()),
        None => Ok(process),
    }
}

/// Reads one record; nothing is there if the other end was closed by an exec.
pub(crate) fn next_record(report: &mut impl Read) -> Result<Option<Failure>> {
    let mut bytes = [0; Failure::SIZE];
    match report.read_exact(&mut bytes) {
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        other => other.map(|()| Some(Failure::from_bytes(bytes))).context("read report of process"),
    }
}

impl Plan {
    /// Whether a process whose report has ended without a word is dead and was never the program: it
    /// was killed before the stub was executed, or as the stub. That one is called as its file (Linux 6.14), which
    /// has no other name, or as the number that it was executed by.
    fn never_ran(&self, pid: i32) -> Result<bool> {
        let last = sys::process::last(pid).map_err(|e| Error::io("look at process", e))?;
        let number = self.exec.stub.to_string();
        Ok(last.is_some_and(|last| {
            !last.executed || last.name.starts_with(b"memfd:") || last.name == number.as_bytes()
        }))
    }

    /// A step that has failed, as an error; reaps the process.
    pub(crate) fn failed(&self, failure: Failure, process: &Pidfd) -> StartError {
        // The verdict is the report; the process only has to be reaped.
        let _status = process.wait();
        let step = usize::try_from(failure.step).unwrap_or(usize::MAX);
        StartError { status: self.status(step, failure.errno), error: self.error(step, failure.errno) }
    }

    /// The exit status for a failed step: from the errno of `execve(2)`, never from words.
    fn status(&self, step: usize, errno: i32) -> u8 {
        match errno {
            // A directory that the user has asked for is part of what cannot be invoked.
            _ if matches!(self.steps.get(step), Some(child::Op::Cwd(_))) => 126,
            _ if self.hook(step).is_some() || self.labels.explain(step, errno).is_some() => 125,
            _ if step < self.steps.len() && !self.is_search(step) => 125,
            libc::ENOENT | libc::ENOTDIR => 127,
            _ => 126,
        }
    }

    /// The step looks for the program, so that its failure is that of the program.
    pub(crate) fn is_search(&self, step: usize) -> bool {
        matches!(self.steps.get(step), Some(child::Op::FindProgram(_)))
    }
}
