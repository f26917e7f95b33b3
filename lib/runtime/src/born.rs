//! Who is born in another pid namespace than the one that prepares it.
//!
//! All steps are done outside, where nobody inside can look; the stub then starts the process
//! that becomes the program (`lib/child/stub/born.rs`). It is a child of ours, and says so on the
//! report socket, where the kernel adds its number in our pid namespace (`SO_PASSCRED`, unix(7)): whatever happens to
//! the one before it, nobody runs unknown to us.

use std::io::IoSliceMut;
use std::os::fd::OwnedFd;

use child::{Failure, Op};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType, recvmsg,
    socketpair, sockopt,
};
use sys::pidfd::Pidfd;
use types::{Error, Kind, Result};

use crate::died::died;
use crate::plan::Plan;
use crate::process::{Process, StartError};

/// What the stub is to do at the birth.
#[derive(Debug, Clone, Copy)]
pub struct Birth {
    /// Descriptor 0 becomes the controlling terminal.
    pub terminal: bool,
    /// The program is killed when we end.
    pub dies_with_caller: bool,
}

/// A word that was never there before, with which a filter lets pass what the stub has to do.
pub fn word() -> Result<u64> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|e| Error::io("get random bytes", e))?;
    // Programs of 32 bits, whose arguments are shorter, cannot say it; nor can one that says 0.
    Ok(u64::from_ne_bytes(bytes) | 1 << 63)
}

/// Our end of the report socket.
pub struct Report(OwnedFd);

impl Report {
    /// Returns the other end too.
    pub fn new() -> Result<(Self, OwnedFd)> {
        let failed = |e| Error::io("make report socket", e);
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(failed)?;
        sockopt::set_socket_passcred(&ours, true).map_err(failed)?;
        Ok((Self(ours), theirs))
    }

    /// Reads one record, and who has written it; nothing is there once all other ends are closed.
    pub fn next(&self) -> Result<Option<(Failure, i32)>> {
        let mut bytes = [0; Failure::SIZE];
        // Room for credentials alone: descriptors that somebody passes to us have no place.
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            match recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)
            {
                Err(Errno::INTR) => {}
                other => break other.map_err(|e| Error::io("read report of process", e))?,
            }
        };
        if received.bytes == 0 {
            return Ok(None);
        }
        let from = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmCredentials(who) => Some(who.pid.as_raw_nonzero().get()),
            _ => None,
        });
        match from {
            Some(pid) if received.bytes == Failure::SIZE => Ok(Some((Failure::from_bytes(bytes), pid))),
            _ => Err(Error::new(Kind::Corrupt, "the report of the process is none")),
        }
    }

    /// Waits until the program runs, or something has failed. `before` is the process that was cloned.
    pub fn outcome(&self, plan: &Plan, before: &Pidfd) -> Result<Process, StartError> {
        match self.next()? {
            Some((Failure { step: Failure::BORN, errno: 0 }, pid)) => {
                // It has nothing left to do but to end.
                let _status = before.wait();
                self.born(plan, pid)
            }
            Some((failure, _)) => Err(failed(plan, failure, before)),
            None => Err(died(before).into()),
        }
    }

    fn born(&self, plan: &Plan, pid: i32) -> Result<Process, StartError> {
        let process = Pidfd::open(pid).map_err(|e| Error::io("hold process", e))?;
        // Whoever may trace the newborn may also speak in its place; that one is not entered nor signalled.
        if !process.is_child().map_err(|e| Error::io("look at process", e))? {
            return Err(
                Error::new(Kind::Denied, "somebody in the container has answered for the program").into()
            );
        }
        match self.next()? {
            // A copy of the stub that has executed nothing.
            None if is_dead_copy(pid)? => Err(died(&process).into()),
            None | Some((Failure { step: Failure::READY, errno: 0 }, _)) => Ok(Process::new(pid, process)),
            Some((failure, _)) => Err(failed(plan, failure, &process)),
        }
    }
}

fn is_dead_copy(pid: i32) -> Result<bool> {
    let last = sys::process::last(pid).map_err(|e| Error::io("look at process", e))?;
    Ok(last.is_some_and(|last| !last.executed))
}

fn failed(plan: &Plan, failure: Failure, process: &Pidfd) -> StartError {
    let what = match failure.step {
        Failure::ENTER => "start a process in the container",
        Failure::TERMINAL => "take controlling terminal",
        _ => return of_step(plan, failure, process),
    };
    // The verdict is the report; the process only has to be reaped.
    let _status = process.wait();
    let error = Error::io(what, std::io::Error::from_raw_os_error(failure.errno));
    match failure.errno {
        libc::ENOMEM => error.hint("the container may just have ended"),
        libc::EAGAIN => error.hint("it is at its limit of processes, of which this needs two for a moment"),
        _ => error,
    }
    .into()
}

fn of_step(plan: &Plan, failure: Failure, process: &Pidfd) -> StartError {
    let step = usize::try_from(failure.step).ok().and_then(|step| plan.steps.get(step));
    let error = plan.failed(failure, process);
    match step {
        Some(Op::Setns { .. }) if failure.errno == libc::ESRCH => {
            Error::new(Kind::Conflict, "the container is not running").into()
        }
        _ => error,
    }
}
