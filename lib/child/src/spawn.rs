//! The new process.

use core::mem::zeroed;

use crate::apply::State;
use crate::{Errno, Exec, Failure, Fd, Op, Prepared, call};

/// Everything that a new process needs.
#[allow(missing_debug_implementations, reason = "the runtime describes it in words")]
pub struct Spawn<'p, P: Prepared> {
    /// `CLONE_NEW*`.
    pub namespaces: u64,
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
    const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut pidfd: Fd = -1;
    // SAFETY: plain integers; all zero is a valid value.
    let mut args: libc::clone_args = unsafe { zeroed() };
    args.flags = what.namespaces | CLONE_CLEAR_SIGHAND | 0x1000; // CLONE_PIDFD
    args.pidfd = (&raw mut pidfd).expose_provenance() as u64;
    args.exit_signal = 17; // SIGCHLD
    if let Some(dir) = what.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(dir.cast_unsigned());
    }
    match call::clone3(&args)? {
        0 => child(what),
        pid => Ok(Spawned { pid, pidfd }),
    }
}

fn child<P: Prepared>(what: &Spawn<'_, P>) -> ! {
    for fd in what.not_ours {
        call::close(*fd);
    }
    let mut state = State::new(what.report);
    let mut step = 0u32;
    for op in what.ops {
        if let Err(errno) = state.apply(op) {
            die(state.report, Failure { step, errno });
        }
        step = step.wrapping_add(1);
    }
    let errno = what.exec.run();
    die(state.report, Failure { step, errno })
}

/// One write of eight bytes, then the end. If even that fails, the parent sees an exit without exec.
fn die(report: Fd, failure: Failure) -> ! {
    // Whoever started us may be gone, if we have waited to be started: then the status tells.
    call::block_sigpipe();
    let _unheard = call::write(report, &failure.to_bytes());
    call::exit(125)
}
