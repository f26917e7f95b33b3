//! Stopping the processes of a container for as long as something is done with its files.

use std::os::fd::OwnedFd;

use runtime::Cgroup;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal, kill_process, setsid};
use store::{Status, Store};
use sys::fork::{Fork, exit_now, fork, reap};
use types::{Context, Error, Result};

/// A container whose processes are stopped. They go on when this ends, is dropped, or its process is killed.
#[must_use = "its processes go on when this is dropped"]
#[derive(Debug)]
pub struct Paused {
    cgroup: Cgroup,
    /// Its other end is the guard's, who lets them go on when it is closed.
    pipe: Option<OwnedFd>,
    guard: i32,
}

/// Stops the processes of a container; `None` if it does not run, or somebody else has stopped them. This
/// process must have one thread: a copy of it stays to let them go on if this one is killed, for a frozen
/// container cannot even be killed (cgroup v1).
///
/// # Errors
/// `Unsupported` without a freezer; `Conflict` if a process does not stop in ten seconds.
pub fn pause(store: &Store, id: &str) -> Result<Option<Paused>> {
    if store.state(id)?.status != Status::Running {
        return Ok(None);
    }
    let cgroup = Cgroup::open(id)?;
    if cgroup.frozen()? {
        return Ok(None);
    }
    let (read, write) =
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|e| Error::io("make a pipe", e))?;
    let guard = match fork().context("make a guard of the pause")? {
        Fork::Parent(pid) => pid,
        Fork::Child => {
            drop(write);
            guard(&cgroup, &read);
        }
    };
    drop(read);
    // From here on the guard undoes it, whatever happens to this process.
    let paused = Paused { cgroup, pipe: Some(write), guard };
    paused.cgroup.freeze(true).context("pause it")?;
    Ok(Some(paused))
}

/// The life of the guard.
fn guard(cgroup: &Cgroup, pipe: &OwnedFd) -> ! {
    // Ctrl-C goes to all of a foreground job, and is not meant for this one.
    if setsid().is_err() {
        exit_now(1); // a leader of a group cannot, and a new process is none
    }
    let mut byte = [0];
    while rustix::io::read(pipe, &mut byte) == Err(rustix::io::Errno::INTR) {}
    // Nobody is left who could be told that it failed.
    drop(cgroup.freeze(false));
    exit_now(0)
}

impl Paused {
    /// Lets the processes go on.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn end(mut self) -> Result<()> {
        self.go_on()
    }

    fn go_on(&mut self) -> Result<()> {
        let Some(pipe) = self.pipe.take() else { return Ok(()) };
        let done = self.cgroup.freeze(false).context("let it go on");
        if let (Ok(()), Some(guard)) = (&done, Pid::from_raw(self.guard)) {
            // Before the pipe is closed: it must not undo what others do from now on. It is our child and
            // not reaped, so the number is its own.
            kill_process(guard, Signal::KILL).unwrap_or_default();
        }
        drop(pipe);
        reap(self.guard);
        done
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        // The guard has another try if this fails.
        drop(self.go_on());
    }
}
