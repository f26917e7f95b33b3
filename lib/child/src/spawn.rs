//! The new process.

use core::ffi::c_int;
use core::mem::zeroed;

use crate::apply::State;
use crate::{Errno, Exec, Failure, Fd, Op, Prepared, call};

/// A process between the caller and the new one. It walks the first operations, which enter namespaces
/// that only children get (of processes) or that have to be entered with the caller's privileges, and
/// clones the new process as a child of its own parent (`CLONE_PARENT`). Then it ends.
#[derive(Debug, Clone, Copy)]
pub struct Between {
    /// So many of the operations are its.
    pub ops: usize,
    /// The write end of a pipe: the number of the new process, four bytes.
    pub tell: Fd,
}

/// Everything that a new process needs.
#[allow(missing_debug_implementations, reason = "the runtime describes it in words")]
pub struct Spawn<'p, P: Prepared> {
    /// `CLONE_NEW*`.
    pub namespaces: u64,
    /// Whether a process stands between. The one that [`spawn`] returns is that one, then.
    pub between: Option<Between>,
    /// A cgroup v2 directory to be born in (`CLONE_INTO_CGROUP`, Linux 5.7).
    pub cgroup: Option<Fd>,
    /// The steps.
    pub ops: &'p [Op<P>],
    /// The end of them.
    pub exec: &'p Exec<P>,
    /// The write end of a close-on-exec pipe.
    pub report: Fd,
    /// The parent's end of each pipe: closed in the child, so that each side sees the other's end.
    pub not_ours: &'p [Fd],
}

/// A process that was started.
#[derive(Debug, Clone, Copy)]
pub struct Spawned {
    /// Its number in our pid namespace.
    pub pid: libc::pid_t,
    /// A pidfd, close-on-exec, which the caller owns.
    pub pidfd: Fd,
}

/// Clones this process; the child walks the operations and execs, or reports and exits.
///
/// Safe also while other threads run: the child gets a copy of the memory (no `CLONE_VM`), takes no
/// lock, allocates nothing and calls nothing but the kernel. Handlers of ours do not run in it
/// (`CLONE_CLEAR_SIGHAND`).
///
/// # Errors
/// The errno of `clone3(2)`.
pub fn spawn<P: Prepared>(what: &Spawn<'_, P>) -> Result<Spawned, Errno> {
    const CLONE_PIDFD: u64 = 0x1000;
    let mut pidfd: Fd = -1;
    let mut args = match what.between {
        None => arguments(what.namespaces, what.cgroup, libc::SIGCHLD),
        Some(_) => arguments(0, None, libc::SIGCHLD),
    };
    args.flags |= CLONE_PIDFD;
    args.pidfd = (&raw mut pidfd).expose_provenance() as u64;
    match (call::clone3(&args)?, what.between) {
        (0, None) => child(what, 0),
        (0, Some(between)) => stand_between(what, between),
        (pid, _) => Ok(Spawned { pid, pidfd }),
    }
}

fn arguments(flags: u64, cgroup: Option<Fd>, exit_signal: i32) -> libc::clone_args {
    const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    // SAFETY: plain integers; all zero is a valid value.
    let mut args: libc::clone_args = unsafe { zeroed() };
    args.flags = flags | CLONE_CLEAR_SIGHAND;
    args.exit_signal = u64::from(exit_signal.cast_unsigned());
    if let Some(dir) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(dir.cast_unsigned());
    }
    args
}

fn stand_between<P: Prepared>(what: &Spawn<'_, P>, between: Between) -> ! {
    const CLONE_PARENT: u64 = 0x8000;
    let mut state = begin(what);
    walk(&mut state, what.ops.get(..between.ops).unwrap_or(what.ops), 0);
    // With CLONE_PARENT the exit signal is that of this process (clone(2)).
    let args = arguments(what.namespaces | CLONE_PARENT, what.cgroup, 0);
    match call::clone3(&args) {
        Ok(0) => {
            call::close(between.tell);
            child(what, between.ops)
        }
        Ok(pid) => {
            let told = call::write(between.tell, &pid.to_ne_bytes());
            call::exit(c_int::from(told.is_err()))
        }
        Err(errno) => die(state.report, Failure { step: Failure::CLONE, errno }),
    }
}

fn child<P: Prepared>(what: &Spawn<'_, P>, first: usize) -> ! {
    let mut state = begin(what);
    walk(&mut state, what.ops.get(first..).unwrap_or_default(), first);
    let step = u32::try_from(what.ops.len()).unwrap_or(u32::MAX);
    let errno = what.exec.run();
    die(state.report, Failure { step, errno })
}

fn begin<P: Prepared>(what: &Spawn<'_, P>) -> State {
    for fd in what.not_ours {
        call::close(*fd);
    }
    State::new(what.report)
}

/// Walks operations, the first of which has this number; ends the process at one that fails.
fn walk<P: Prepared>(state: &mut State, ops: &[Op<P>], first: usize) {
    let mut step = u32::try_from(first).unwrap_or(u32::MAX);
    for op in ops {
        if let Err(errno) = state.apply(op) {
            die(state.report, Failure { step, errno });
        }
        step = step.wrapping_add(1);
    }
}

/// One write of eight bytes, then the end. If even that fails, the parent sees an exit without exec.
fn die(report: Fd, failure: Failure) -> ! {
    // Whoever started us may be gone, if we have waited to be started: then the status tells.
    call::block_sigpipe();
    let _unheard = call::write(report, &failure.to_bytes());
    call::exit(125)
}
