//! Who the process is and what it may do.

use std::os::fd::{AsRawFd, BorrowedFd};

use child::Fd;
use oci_spec::runtime::{LinuxSeccomp, PosixRlimitType, Process};
use types::Result;

use super::{Draft, Step, invalid, schedule, target, text};
use crate::{caps, seccomp};

/// What the process is connected to.
pub struct Ends<'a> {
    pub stdio: [BorrowedFd<'a>; 3],
    /// The first of them becomes the controlling terminal.
    pub terminal: bool,
    pub report: BorrowedFd<'a>,
}

/// Appends limits, identity, capabilities and the filter. Returns the steps that come last of all.
pub fn plan(
    process: &Process,
    seccomp: Option<&LinuxSeccomp>,
    ends: &Ends<'_>,
    draft: &mut Draft,
) -> Result<Vec<Step>> {
    draft.push(Step::Umask(process.user().umask().unwrap_or(0o022)));
    if !draft.keep_keyring {
        draft.push(Step::Keyring);
    }
    if process.cwd() != std::path::Path::new("/") {
        draft.push(Step::Cwd(text(&target::inside(process.cwd())?)?));
    }
    let stdio = lifted(ends.stdio, draft)?;
    draft.push(Step::Stdio(stdio));
    draft.push(Step::Report { from: ends.report.as_raw_fd(), to: draft.report_number() });
    draft.labels.clone().pass(draft);
    if ends.terminal {
        draft.push(Step::ControllingTerminal);
    }
    // After the last descriptor is opened: the limit may be on descriptors.
    schedule::of_process(process, draft)?;
    for (at, limit) in process.rlimits().iter().flatten().enumerate() {
        if process.rlimits().iter().flatten().take(at).any(|other| other.typ() == limit.typ()) {
            return Err(invalid(format!("limit {} is there twice", limit.typ())));
        }

        draft.push(Step::Rlimit { resource: rlimit(limit.typ()), soft: limit.soft(), hard: limit.hard() });
    }
    privileges(process, seccomp, draft)
}

fn privileges(process: &Process, seccomp: Option<&LinuxSeccomp>, draft: &mut Draft) -> Result<Vec<Step>> {
    let user = process.user();
    // In a user namespace of its own, the first process has them all.
    let held = if draft.ids.is_some() { u64::MAX } else { caps::held()? };
    let set = |set: &Option<_>| set.as_ref().map_or(0, caps::mask) & held;
    // Without a list there is nothing to keep: an OCI configuration names all that it wants.
    let wanted = process.capabilities().clone();
    let wanted = wanted.as_ref();
    let bounding = wanted.map_or(0, |c| set(c.bounding()));
    let permitted = wanted.map_or(0, |c| set(c.permitted()));
    let effective = wanted.map_or(0, |c| set(c.effective())) & permitted;
    let inheritable = wanted.map_or(0, |c| set(c.inheritable()));
    let ambient = wanted.map_or(0, |c| set(c.ambient())) & permitted & inheritable;

    let no_new = process.no_new_privileges().unwrap_or(false);
    let filter = seccomp.map(seccomp::compile).transpose()?;
    let install = filter.map(|filter| {
        draft.listens = filter.listens;
        let taken = filter.listens.then_some(draft.gate);
        Step::Seccomp { flags: filter.flags, filter: filter.program, taken }
    });
    draft.push(Step::Bounding(bounding));
    // These and no others, also if there are none: those of the caller are the host's.
    draft.push(Step::Groups(user.additional_gids().clone().unwrap_or_default()));
    draft.push(Step::Gid(user.gid()));
    if no_new {
        finish(user.uid(), effective, permitted, inheritable, ambient, draft);
        draft.push(Step::NoNewPrivileges);
        return Ok(install.into_iter().collect());
    }
    draft.steps.extend(install);
    finish(user.uid(), effective, permitted, inheritable, ambient, draft);
    Ok(Vec::new())
}

fn finish(uid: u32, effective: u64, permitted: u64, inheritable: u64, ambient: u64, draft: &mut Draft) {
    draft.push(Step::Uid(uid));
    draft.push(Step::Capabilities { effective, permitted, inheritable });
    if ambient != 0 {
        draft.push(Step::Ambient(ambient));
    }
}

/// Standard descriptors that sit on each other's number (2 as 0, say) are moved out of the way first.
fn lifted(stdio: [BorrowedFd<'_>; 3], draft: &mut Draft) -> Result<[Fd; 3]> {
    let mut fds = [0; 3];
    for (number, (slot, fd)) in (0..).zip(fds.iter_mut().zip(stdio)) {
        *slot = fd.as_raw_fd();
        if *slot < 3 && *slot != number {
            let copy = rustix::io::fcntl_dupfd_cloexec(fd, 3)
                .map_err(|e| types::Error::io("duplicate standard descriptor", e))?;
            *slot = draft.hold(copy);
        }
    }
    Ok(fds)
}

/// `RLIMIT_*` as the kernel numbers them.
pub const fn rlimit(typ: PosixRlimitType) -> u32 {
    match typ {
        PosixRlimitType::RlimitCpu => libc::RLIMIT_CPU,
        PosixRlimitType::RlimitFsize => libc::RLIMIT_FSIZE,
        PosixRlimitType::RlimitData => libc::RLIMIT_DATA,
        PosixRlimitType::RlimitStack => libc::RLIMIT_STACK,
        PosixRlimitType::RlimitCore => libc::RLIMIT_CORE,
        PosixRlimitType::RlimitRss => libc::RLIMIT_RSS,
        PosixRlimitType::RlimitNproc => libc::RLIMIT_NPROC,
        PosixRlimitType::RlimitNofile => libc::RLIMIT_NOFILE,
        PosixRlimitType::RlimitMemlock => libc::RLIMIT_MEMLOCK,
        PosixRlimitType::RlimitAs => libc::RLIMIT_AS,
        PosixRlimitType::RlimitLocks => libc::RLIMIT_LOCKS,
        PosixRlimitType::RlimitSigpending => libc::RLIMIT_SIGPENDING,
        PosixRlimitType::RlimitMsgqueue => libc::RLIMIT_MSGQUEUE,
        PosixRlimitType::RlimitNice => libc::RLIMIT_NICE,
        PosixRlimitType::RlimitRtprio => libc::RLIMIT_RTPRIO,
        PosixRlimitType::RlimitRttime => libc::RLIMIT_RTTIME,
    }
}
