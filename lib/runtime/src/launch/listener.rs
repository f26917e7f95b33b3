//! The listener of a filter: taken from the child, for somebody who decides about its calls.

use std::os::fd::{AsFd, OwnedFd};

use child::Failure;
use rustix::net::{SendFlags, send};
use rustix::process::{PidfdGetfdFlags, pidfd_getfd};
use sys::pidfd::Pidfd;
use types::{Error, Kind, Result};

use super::StartError;
use crate::plan::{Plan, unsupported};

/// Gets the listener of the process with this number, and sees to it that somebody listens.
pub type Listen<'a> = &'a dyn Fn(i32, OwnedFd) -> Result<()>;

/// There is nobody.
pub fn nobody(_: i32, _: OwnedFd) -> Result<()> {
    Err(unsupported("seccomp listener"))
}

/// Takes the listener when the child tells of it, and lets the child go on when somebody has it.
pub fn hand_over(
    plan: &Plan,
    next: impl FnOnce() -> Result<Option<Failure>>,
    (pid, pidfd): (i32, &Pidfd),
    gate: &OwnedFd,
    listen: Listen<'_>,
) -> Result<(), StartError> {
    if !plan.listens {
        return Ok(());
    }
    let number = match next()? {
        Some(Failure { step: Failure::LISTENER, errno: number }) => number,
        Some(failure) => return Err(plan.failed(failure, pidfd)),
        None => return Err(Error::new(Kind::Io, "the process has ended without a report").into()),
    };
    let listener = pidfd_getfd(pidfd.as_fd(), number, PidfdGetfdFlags::empty())
        .map_err(|e| Error::io("take the seccomp listener", e))?;
    listen(pid, listener)?;
    // If it has died, the report will say why.
    let _broken = send(gate, &[1], SendFlags::NOSIGNAL);
    Ok(())
}
