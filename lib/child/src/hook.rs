//! A hook: a program of the host's that is run in the namespaces of the container, before its root.

use core::mem::zeroed;

use crate::{Errno, Fd, Hook, Prepared, call};

/// Runs it and waits for it.
///
/// # Errors
/// Why it cannot be run; `ETIMEDOUT` if it was not done in time, it is killed then; the negative status
/// of `wait(2)` if it failed.
pub fn run<P: Prepared>(hook: &Hook<P>, root: Fd) -> Result<(), Errno> {
    call::rewind(hook.input)?;
    let (read, write) = call::pipe()?;
    let mut pidfd: Fd = -1;
    // SAFETY: plain integers; all zero is a valid value.
    let mut args: libc::clone_args = unsafe { zeroed() };
    args.flags = 0x1000; // CLONE_PIDFD
    args.pidfd = (&raw mut pidfd).expose_provenance() as u64;
    args.exit_signal = 17; // SIGCHLD
    let pid = match call::clone3(&args)? {
        0 => become_hook(hook, root, write),
        pid => pid,
    };
    call::close(write);
    let failed = not_executed(read);
    call::close(read);
    let in_time = call::ended_within(pidfd, hook.seconds)?;
    if !in_time {
        call::kill_by_descriptor(pidfd)?;
    }
    let status = call::wait(pid)?;
    call::close(pidfd);
    failed?;
    match status {
        _ if !in_time => Err(libc::ETIMEDOUT),
        0 => Ok(()),
        status => Err(status.wrapping_neg()),
    }
}

/// In the child: becomes the hook, or says why not.
fn become_hook<P: Prepared>(hook: &Hook<P>, root: Fd, report: Fd) -> ! {
    let Err(errno) = prepare(hook, root) else {
        let errno = call::execve(hook.path.as_ref(), hook.argv.as_ref(), hook.envp.as_ref());
        say(report, errno)
    };
    say(report, errno)
}

fn prepare<P: Prepared>(hook: &Hook<P>, root: Fd) -> Result<(), Errno> {
    call::umask(0o022);
    call::fchdir(root)?;
    // Descriptors that are the program's are not the hook's.
    call::close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)?;
    call::dup_to(hook.input, 0)?;
    call::dup_to(hook.output, 1)?;
    call::dup_to(hook.output, 2)
}

fn say(report: Fd, errno: Errno) -> ! {
    let _unheard = call::write(report, &errno.to_ne_bytes());
    call::exit(126)
}

/// Waits until it is executed, which closes the other end, or tells why it was not.
fn not_executed(report: Fd) -> Result<(), Errno> {
    let mut bytes = [0u8; 4];
    loop {
        match call::read(report, &mut bytes) {
            Err(libc::EINTR) => {}
            Ok(0) => return Ok(()),
            Ok(_) => return Err(Errno::from_ne_bytes(bytes)),
            Err(errno) => return Err(errno),
        }
    }
}
