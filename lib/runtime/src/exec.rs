//! One more process in a running container.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use oci_spec::runtime::{LinuxSeccomp, Process as Config};
use rustix::fs::{Mode, OFlags};
use types::{Error, Kind, Result};

use crate::Cgroup;
use crate::born::{self, Birth, Report};
use crate::console::Console;
use crate::launch::listener::hand_over;
use crate::launch::{self, Listen};
use crate::plan::labels::Labels;
use crate::plan::{Draft, Ids, NEWTIME, Plan, Step, enter, identity, is_callers, preserved, schedule, text};
use crate::process::{Process, StartError};

/// What to run, and in which container.
#[derive(Debug, Clone, Copy)]
pub struct ExecLaunch<'a> {
    /// The container's first process.
    pub pid: i32,
    /// Its start time, so that a pid that was reused is not entered.
    pub start_time: u64,
    /// Program, environment, directory, user, capabilities; see [`crate::defaults::process`].
    pub process: &'a Config,
    /// The container's filter.
    pub seccomp: Option<&'a LinuxSeccomp>,
    /// Standard input, output and error. With a console: its slave, three times.
    pub stdio: [BorrowedFd<'a>; 3],
    /// A terminal, from [`Console::in_container`].
    pub console: Option<&'a Console>,
    /// The container's groups.
    pub cgroup: &'a Cgroup,
    /// The container has no mount namespace of its own: the root of that one is not its root.
    pub shared_mounts: bool,
    /// The program is killed when the caller ends, in whatever way.
    pub dies_with_caller: bool,
    /// So many descriptors from 3 on are the program's too.
    pub preserve_fds: u32,
    /// Stay in the session keyring of the caller.
    pub keep_keyring: bool,
}

impl<'a> ExecLaunch<'a> {
    /// An exec with nothing special about it.
    #[must_use]
    pub const fn new(
        (pid, start_time): (i32, u64),
        process: &'a Config,
        stdio: [BorrowedFd<'a>; 3],
        cgroup: &'a Cgroup,
    ) -> Self {
        Self {
            pid,
            start_time,
            process,
            seccomp: None,
            stdio,
            console: None,
            cgroup,
            shared_mounts: false,
            dies_with_caller: false,
            preserve_fds: 0,
            keep_keyring: false,
        }
    }
}

/// Namespaces that are entered. That of pids concerns children only: see [`crate::born`].
const ENTERED: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWPID;

/// Runs a program in a container and returns once it runs.
///
/// # Errors
/// Status 127 if the program is not there, 126 if it cannot be run or its directory not be entered,
/// 125 for everything else; [`Kind::Conflict`] if the container has ended.
pub fn exec(launch: &ExecLaunch<'_>) -> Result<Process, StartError> {
    exec_with(launch, &launch::listener::nobody)
}

/// The same; somebody gets the listener of the filter, if the profile asks for one (`SCMP_ACT_NOTIFY`).
///
/// # Errors
/// As [`exec`], and what `listen` says.
pub fn exec_with(launch: &ExecLaunch<'_>, listen: Listen<'_>) -> Result<Process, StartError> {
    let pidfd = pidfd(launch.pid, launch.start_time)?;
    let (report, report_child) = Report::new()?;
    let gate = launch.seccomp.and_then(|profile| profile.listener_path().as_ref());
    let gate = gate.map(|_| launch::gate()).transpose()?;
    let plan = plan(launch, &pidfd, report_child.as_fd(), gate.as_ref().map(|(child, _)| child.as_fd()))?;
    if let Some(console) = launch.console {
        let uid = launch.process.user().uid();
        match &plan.ids {
            Some(ids) => console.give_to_mapped(uid, ids)?,
            None => console.give_to(uid)?,
        }
    }
    let cgroup = launch.cgroup.v2_dir().map(|dir| dir.as_raw_fd());
    let before = launch::clone(&plan, cgroup, &report_child, &[])?;
    drop(report_child);
    if let Some((_, gate)) = &gate {
        let next = || Ok(report.next()?.map(|(record, _)| record));
        hand_over(&plan, next, (before.0, &before.1), gate, listen).inspect_err(|_| {
            // It may have ended by itself; in both cases it is reaped.
            let _gone = before.1.signal(libc::SIGKILL);
            let _status = before.1.wait();
        })?;
    }
    report.outcome(&plan, &before.1)
}

/// Opens the first process, if it is still the one that was meant.
fn pidfd(pid: i32, start_time: u64) -> Result<OwnedFd> {
    sys::enter::pidfd(pid, start_time).map_err(|e| match e.raw_os_error() {
        Some(libc::ESRCH) => Error::new(Kind::Conflict, "the container is not running"),
        _ => Error::io("open the container's process", e),
    })
}

/// Opens the root directory of a running container, to look up users in.
///
/// # Errors
/// `Conflict` if the container has ended.
pub fn root_of(pid: i32, start_time: u64) -> Result<OwnedFd> {
    let path = format!("/proc/{pid}/root");
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root =
        rustix::fs::open(&path, flags, Mode::empty()).map_err(|e| Error::io(format!("open {path:?}"), e));
    // Checked after it was opened: a pid that was reused in between is noticed.
    pidfd(pid, start_time)?;
    root
}

fn plan(
    launch: &ExecLaunch<'_>,
    pidfd: &OwnedFd,
    report: BorrowedFd<'_>,
    gate: Option<BorrowedFd<'_>>,
) -> Result<Plan> {
    let process = launch.process;
    let (preserved, labels) = (preserved(launch.preserve_fds)?, Labels::of(process)?);
    let mut draft = Draft {
        preserved,
        labels,
        word: Some(born::word()?),
        keep_keyring: launch.keep_keyring,
        ..Draft::default()
    };
    let mut keep = vec![report.as_raw_fd(), pidfd.as_raw_fd()];
    if let Some(gate) = gate {
        draft.gate = gate.as_raw_fd();
        keep.push(draft.gate);
    }
    keep.extend((3..draft.report_number()).filter(|fd| is_callers(*fd)));
    keep.extend(launch.stdio.map(|fd| fd.as_raw_fd()));
    keep.extend(launch.cgroup.tasks().map(|fd| fd.as_raw_fd()));
    let closing = draft.steps.len();
    draft.push(Step::CloseOnExec { from: draft.first_of_ours() });
    // In a container that shares our pid namespace others may see it from now on.
    draft.push(Step::NotDumpable);
    draft.push(Step::ResetSignals);
    if let Some(score) = process.oom_score_adj() {
        draft.push(Step::OomScore(text(&score.to_string())?));
    }
    let [before, then] = schedule::affinity(process)?;
    draft.steps.extend(before);
    draft.steps.extend(launch.cgroup.tasks().map(|fd| Step::JoinCgroup(fd.as_raw_fd())));
    draft.steps.extend(then);
    draft.push(Step::NewSession);
    draft.labels.clone().of_keys(&mut draft)?;
    draft.labels.clone().open(&mut draft);
    enter_namespaces(launch, pidfd, &mut draft)?;
    draft.born =
        Some(Birth { terminal: launch.console.is_some(), dies_with_caller: launch.dies_with_caller });
    let ends = identity::Ends { stdio: launch.stdio, terminal: false, report };
    let last = identity::plan(process, launch.seccomp, &ends, &mut draft)?;
    draft.steps.extend(last);
    draft.admit()?;
    let mut plan = Plan::finish(0, draft, process, false)?;
    keep.extend(plan.fds());
    plan.steps.insert(closing, Step::Close(all_but(keep)));
    Ok(plan)
}

/// One call for all namespaces: the kernel enters the user namespace first and checks all of them against
/// who we were before (setns(2)). From there on we are its user 0.
fn enter_namespaces(launch: &ExecLaunch<'_>, pidfd: &OwnedFd, draft: &mut Draft) -> Result<()> {
    // Kernels without time namespaces refuse to hear of them.
    let mut flags = ENTERED | if other(launch.pid, "time") { NEWTIME } else { 0 };
    draft.ids = Ids::of_process(launch.pid)?;
    // Checked after it was read: a pid that was reused in between is noticed.
    self::pidfd(launch.pid, launch.start_time)?;
    if let Some(ids) = &draft.ids {
        ids.check_process(launch.process)?;
        flags |= libc::CLONE_NEWUSER;
        enter::raise_limits(launch.process, draft)?;
    }
    draft.push(Step::Setns { fd: pidfd.as_raw_fd(), flags });
    if launch.shared_mounts || !other(launch.pid, "mnt") {
        let root = root_of(launch.pid, launch.start_time)?;
        let root = draft.hold(root);
        draft.push(Step::KeepRoot(root));
        draft.push(Step::Chroot);
    }
    if draft.ids.is_some() {
        enter::become_root(draft);
    }
    Ok(())
}

/// Tells whether a process is in another namespace of this name than we are.
fn other(pid: i32, name: &str) -> bool {
    let inode = |pid: &str| rustix::fs::stat(format!("/proc/{pid}/ns/{name}")).map(|stat| stat.st_ino).ok();
    inode(&pid.to_string()) != inode("self")
}

/// Ranges of descriptors from 3 on that are not in the list.
fn all_but(mut keep: Vec<RawFd>) -> Vec<(u32, u32)> {
    keep.sort_unstable();
    let mut next = 3u32;
    let mut ranges = Vec::new();
    for fd in keep.into_iter().filter_map(|fd| u32::try_from(fd).ok()).filter(|fd| *fd >= 3) {
        if fd > next {
            ranges.push((next, fd - 1));
        }
        next = next.max(fd + 1);
    }
    ranges.push((next, u32::MAX));
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_the_list_is_closed() {
        let max = u32::MAX;
        assert_eq!(all_but(vec![5, 0, 3, 5, 9]), [(4, 4), (6, 8), (10, max)]);
        assert_eq!(all_but(vec![]), [(3, max)]);
        assert_eq!(all_but(vec![4, 3]), [(5, max)]);
    }
}
