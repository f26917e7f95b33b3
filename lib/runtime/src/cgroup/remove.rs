//! The end of a container's groups: kill what is in them, remove them.

use std::time::{Duration, Instant};

use sys::pidfd::Pidfd;
use types::{Error, Kind, Result};

use super::Cgroup;

impl Cgroup {
    /// Kills every process in the container with one write, or one by one before Linux 5.14.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn kill(&self) -> Result<()> {
        match &self.v2 {
            Some(dir) if dir.write("cgroup.kill", "1").is_ok() => self.let_die(),
            _ => self.kill_each(),
        }
    }

    /// What is frozen by v1 dies only once it is thawed; v2 sees to that itself.
    fn let_die(&self) -> Result<()> {
        if !self.unified && self.frozen()? { self.freeze(false) } else { Ok(()) }
    }

    /// Sends a signal to each process; which of them end meanwhile does not matter.
    ///
    /// # Errors
    /// If the groups cannot be read, or the kernel refuses the signal.
    pub fn signal(&self, signal: i32) -> Result<()> {
        for process in self.processes()? {
            match process.signal(signal) {
                Err(e) if e.raw_os_error() == Some(libc::ESRCH) => {}
                done => done.map_err(|e| Error::io(format!("send signal {signal}"), e))?,
            }
        }
        Ok(())
    }

    /// The processes, held.
    fn processes(&self) -> Result<Vec<Pidfd>> {
        let opened = self.pids()?.into_iter().filter_map(|pid| Some((pid, Pidfd::open(pid).ok()?)));
        let opened: Vec<_> = opened.collect();
        // Looked at again once they are held: a number that was reused in between is not one of ours.
        let still = self.pids()?;
        Ok(opened.into_iter().filter(|(pid, _)| still.contains(pid)).map(|(_, process)| process).collect())
    }

    pub(super) fn kill_each(&self) -> Result<()> {
        // A process that forks while we read is found in the next round; each round ends some.
        for _ in 0..100 {
            if self.pids()?.is_empty() {
                return Ok(());
            }
            let all = self.processes()?;
            for process in &all {
                // Gone already is what we want.
                let _gone = process.signal(libc::SIGKILL);
            }
            self.let_die()?;
            for process in &all {
                process.ended_within(Some(1000)).map_err(|e| Error::io("wait for a killed process", e))?;
            }
        }
        Err(Error::new(Kind::Conflict, format!("kill container {:?}: processes keep appearing", self.id)))
    }

    /// Removes the groups; what is left in them is killed. Groups that are gone already are fine.
    ///
    /// Waits for processes that are ending, by the kernel's event and not by the clock.
    ///
    /// # Errors
    /// `Conflict` if processes do not end within five seconds.
    pub fn remove(&self) -> Result<()> {
        if self.remove_all()? {
            return Ok(());
        }
        self.kill()?;
        if self.removed_within(Duration::from_secs(5))? {
            return Ok(());
        }
        Err(Error::new(Kind::Conflict, format!("remove cgroup of {:?}: processes do not end", self.id)))
    }

    /// Removes the groups once nothing is left in them, and kills nobody: whoever names a group in a
    /// configuration may share it with processes that are not the container's.
    ///
    /// # Errors
    /// `Conflict` if others are still in them a second later: the groups are theirs.
    pub fn remove_unused(&self) -> Result<()> {
        if self.remove_all()? || self.removed_within(Duration::from_secs(1))? {
            return Ok(());
        }
        Err(Error::new(Kind::Conflict, format!("cgroup of {:?} is left: it holds other processes", self.id)))
    }

    /// Waits for processes that are ending.
    fn removed_within(&self, time: Duration) -> Result<bool> {
        let patience = Instant::now() + time;
        let mut pause = Duration::from_micros(50);
        while Instant::now() < patience {
            if let Some(dir) = &self.v2 {
                dir.wait_for_event("populated 0", patience)?;
            }
            if self.remove_all()? {
                return Ok(true);
            }
            // The last process is dead but not reaped yet, which no event tells.
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
        Ok(false)
    }

    /// Removes what can be removed; tells whether all is gone.
    pub(super) fn remove_all(&self) -> Result<bool> {
        let dirs = self.v1.iter().map(|group| &group.dir).chain(&self.v2);
        let mut gone = true;
        for dir in dirs {
            gone &= dir.remove()?;
        }
        Ok(gone)
    }
}
