//! A start with a process between: see [`child::Between`].

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};

use child::{Between, Failure, Spawn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sys::pidfd::Pidfd;
use types::{Error, Kind, Result};

use crate::launch::{clone_error, next_record, pipe};
use crate::plan::Plan;
use crate::process::StartError;

/// Clones the process between, waits for it, and holds the one that it has cloned.
pub fn clone(
    plan: &Plan,
    ops: usize,
    cgroup: Option<child::Fd>,
    (report, report_child): (&File, &OwnedFd),
    not_ours: &[child::Fd],
) -> Result<(i32, Pidfd), StartError> {
    let (told, tell) = pipe("process number")?;
    let mut not_ours = not_ours.to_vec();
    not_ours.push(told.as_raw_fd());
    let spawned = child::spawn(&Spawn {
        namespaces: plan.namespaces,
        between: Some(Between { ops, tell: tell.as_raw_fd() }),
        cgroup,
        ops: &plan.steps,
        exec: &plan.exec,
        report: report_child.as_raw_fd(),
        not_ours: &not_ours,
    })
    .map_err(clone_error)?;
    drop(tell);
    let between = Pidfd::adopt(spawned.pidfd).map_err(|e| Error::io("hold process", e))?;
    let mut number = [0; 4];
    let heard = File::from(told).read_exact(&mut number);
    between.wait().map_err(|e| Error::io("wait for process", e))?;
    match heard {
        Ok(()) => {
            let pid = i32::from_ne_bytes(number);
            // Our own child, which nobody but us reaps: the number is still its own.
            Ok((pid, Pidfd::open(pid).map_err(|e| Error::io("hold process", e))?))
        }
        Err(_) => Err(failed(plan, report, &between)?),
    }
}

/// Why there is no number. All that the process had to say was said before it ended.
fn failed(plan: &Plan, mut report: &File, between: &Pidfd) -> Result<StartError> {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let said = poll(&mut [PollFd::new(report, PollFlags::IN)], Some(&now));
    if said.map_err(|e| Error::io("read report of process", e))? == 0 {
        return Ok(Error::new(Kind::Io, "a process that was to start the container was killed").into());
    }
    Ok(match next_record(&mut report)? {
        Some(Failure { step: Failure::CLONE, errno }) => clone_error(errno).into(),
        Some(failure) => plan.failed(failure, between),
        None => Error::new(Kind::Io, "report of process has ended").into(),
    })
}
