//! How the first process comes into its cgroups and namespaces.

use std::os::fd::{AsRawFd, BorrowedFd};

use oci_spec::runtime::Process;
use rustix::process::{Resource, getrlimit};
use types::Result;

use super::namespaces::{NEWTIME, Namespaces, kernel_is};
use super::{Draft, Step, identity};
use crate::Launch;

/// Appends everything between the caller's world and the container's, apart from the mounts.
///
/// Without a user namespace and a joined pid namespace this is one process. With them a process between
/// joins what is to be joined, and raises limits, which a user namespace does not allow any more. The
/// first process of the container is born in all of them and in the new ones, which thereby belong to the
/// new user namespace. Nobody may look into either (`ptrace(2)`, `/proc/PID/root`) until the program runs:
/// with a joined pid or user namespace, others can see them.
pub fn plan(
    spaces: Namespaces,
    inputs: &Launch<'_>,
    gate: BorrowedFd<'_>,
    process: &Process,
    draft: &mut Draft,
) -> Result<()> {
    let between = spaces.need_between();
    let mounts = spaces.join.iter().position(|(_, flag)| *flag == libc::CLONE_NEWNS && !between);
    let mut join: Vec<_> = spaces.join.into_iter().map(|(fd, flags)| (draft.hold(fd), flags)).collect();
    // After the clocks are set, for which we need our own /proc.
    let last = mounts.map(|at| join.remove(at));
    if between {
        draft.push(Step::NotDumpable);
        raise_limits(process, draft)?;
    } else {
        draft.steps.extend(inputs.cgroup.tasks().map(|fd| Step::JoinCgroup(fd.as_raw_fd())));
    }
    draft.steps.extend(join.into_iter().map(|(fd, flags)| Step::Setns { fd, flags }));
    if let Some(ids) = spaces.ids {
        ids.check_process(process)?;
        if let Some(user) = ids.joined() {
            draft.push(Step::Setns { fd: user.as_raw_fd(), flags: libc::CLONE_NEWUSER });
        }
        draft.ids = Some(ids);
    }
    if between {
        draft.between = Some(draft.steps.len());
        if draft.ids.as_ref().is_some_and(|ids| ids.joined().is_none()) {
            // Until the parent has said who is who in the new namespace, we are nobody.
            draft.push(Step::Gate(gate.as_raw_fd()));
        }
        // Not in the process between, which would count towards a limit on processes.
        draft.steps.extend(inputs.cgroup.tasks().map(|fd| Step::JoinCgroup(fd.as_raw_fd())));
    }
    if spaces.cgroup {
        draft.push(Step::Unshare(libc::CLONE_NEWCGROUP));
    }
    if spaces.time {
        draft.push(Step::Unshare(NEWTIME));
    }
    draft.steps.extend(spaces.offsets.map(Step::TimeOffsets));
    if spaces.time && !kernel_is(6, 2) {
        draft.push(Step::EnterTime);
    }
    draft.steps.extend(last.map(|(fd, flags)| Step::Setns { fd, flags }));
    Ok(())
}

/// Becomes user 0 of the user namespace. What is made from here on belongs to that one.
pub fn become_root(draft: &mut Draft) {
    draft.push(Step::Groups(Vec::new()));
    draft.push(Step::Gid(0));
    draft.push(Step::Uid(0));
}

/// Raises hard limits that are to be higher than ours, while that may be possible; soft ones are left to
/// the place where all limits are set.
pub fn raise_limits(process: &Process, draft: &mut Draft) -> Result<()> {
    for limit in process.rlimits().iter().flatten() {
        let resource = identity::rlimit(limit.typ());
        let Some(known) = KNOWN.iter().find(|(number, _)| *number == resource).map(|(_, known)| *known)
        else {
            continue;
        };
        let now = getrlimit(known);
        let infinite = u64::MAX;
        if limit.hard() > now.maximum.unwrap_or(infinite) {
            let soft = now.current.unwrap_or(infinite);
            draft.push(Step::Rlimit { resource, soft, hard: limit.hard() });
        }
    }
    Ok(())
}

const KNOWN: [(u32, Resource); 16] = [
    (libc::RLIMIT_CPU, Resource::Cpu),
    (libc::RLIMIT_FSIZE, Resource::Fsize),
    (libc::RLIMIT_DATA, Resource::Data),
    (libc::RLIMIT_STACK, Resource::Stack),
    (libc::RLIMIT_CORE, Resource::Core),
    (libc::RLIMIT_RSS, Resource::Rss),
    (libc::RLIMIT_NPROC, Resource::Nproc),
    (libc::RLIMIT_NOFILE, Resource::Nofile),
    (libc::RLIMIT_MEMLOCK, Resource::Memlock),
    (libc::RLIMIT_AS, Resource::As),
    (libc::RLIMIT_LOCKS, Resource::Locks),
    (libc::RLIMIT_SIGPENDING, Resource::Sigpending),
    (libc::RLIMIT_MSGQUEUE, Resource::Msgqueue),
    (libc::RLIMIT_NICE, Resource::Nice),
    (libc::RLIMIT_RTPRIO, Resource::Rtprio),
    (libc::RLIMIT_RTTIME, Resource::Rttime),
];
