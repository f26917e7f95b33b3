//! Control groups: limits, kill, accounting, device policy.
//!
//! Three worlds are served: pure v2; v1 controllers beside a cgroup2 without them (hybrid); v1 alone.
//! A container is born into its v2 group (`CLONE_INTO_CGROUP`) and joins its v1 groups itself; nothing
//! here moves another process, which would wait for an RCU grace period.
//!
//! On v2 everything is in `longshore/ID` below the root of the hierarchy. On v1 a container has a group
//! only in the controllers that it needs, and shares one group of the devices controller, whose
//! policy is written once.

mod devices;
mod dir;
mod limits;
mod saved;
mod v1;
mod v2;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use oci_spec::runtime::LinuxResources;
use sys::pidfd::Pidfd;
use types::{Error, Kind, Result};

use dir::Dir;
pub use saved::{Saved, Stats};

/// Containers under the default device policy.
const CONFINED: &str = "longshore";
/// Containers that may use every device.
const PRIVILEGED: &str = "longshore-privileged";

/// The groups of one container.
#[derive(Debug)]
pub struct Cgroup {
    id: String,
    /// `longshore/ID` in the v2 hierarchy.
    v2: Option<Dir>,
    /// The v2 hierarchy has the controllers.
    unified: bool,
    /// `longshore/ID` in v1 hierarchies.
    v1: Vec<v1::Group>,
    /// `tasks` of the shared devices group.
    devices: Option<OwnedFd>,
    /// Above its groups, if that is not where those of all containers are.
    parent: Option<String>,
}

impl Cgroup {
    /// Makes the groups of a container and sets its limits.
    ///
    /// A group that an earlier run left behind is removed first; the caller knows that the
    /// container does not run.
    ///
    /// # Errors
    /// `Invalid` for a bad id or limit, `Conflict` if processes are left in a group of that name,
    /// `Unsupported` if a limit is asked for and its controller is not there.
    pub fn create(id: &str, resources: &LinuxResources) -> Result<Self> {
        check_id(id)?;
        let parent = if devices::unrestricted(resources)? { PRIVILEGED } else { CONFINED };
        let made = match dir::Hierarchies::find()? {
            dir::Hierarchies::Unified(root) => v2::create(&root, parent, id, resources),
            dir::Hierarchies::Split(root) => v1::create(&root, parent, id, resources),
        };
        made.map_err(|e| e.within("make cgroup"))
    }

    /// Opens the groups of a container that exists. Those that are not there are left out.
    ///
    /// # Errors
    /// `NotFound` if there is none at all.
    pub fn open(id: &str) -> Result<Self> {
        check_id(id)?;
        let hierarchies = dir::Hierarchies::find()?;
        for parent in [CONFINED, PRIVILEGED] {
            let found = match &hierarchies {
                dir::Hierarchies::Unified(root) => v2::open(root, parent, id)?,
                dir::Hierarchies::Split(root) => v1::open(root, parent, id)?,
            };
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Err(Error::new(Kind::NotFound, format!("no cgroup of container {id:?}")))
    }

    /// Kills every process in the container with one write, or one by one before Linux 5.14.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn kill(&self) -> Result<()> {
        match &self.v2 {
            Some(dir) if dir.write("cgroup.kill", "1").is_ok() => Ok(()),
            _ => self.kill_each(),
        }
    }

    fn kill_each(&self) -> Result<()> {
        // A process that forks while we read is found in the next round; each round ends some.
        for _ in 0..100 {
            let pids = self.pids()?;
            if pids.is_empty() {
                return Ok(());
            }
            let all: Vec<_> = pids.into_iter().filter_map(|pid| Pidfd::open(pid).ok()).collect();
            for process in &all {
                // Gone already is what we want.
                let _gone = process.signal(libc::SIGKILL);
            }
            for process in &all {
                process.ended_within(Some(1000)).map_err(|e| Error::io("wait for a killed process", e))?;
            }
        }
        Err(Error::new(Kind::Conflict, format!("kill container {:?}: processes keep appearing", self.id)))
    }

    /// Stops or continues every process in the container.
    ///
    /// # Errors
    /// `Unsupported` without a v2 hierarchy.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        match &self.v2 {
            Some(dir) => dir.write("cgroup.freeze", if frozen { "1" } else { "0" }),
            None => Err(Error::new(Kind::Unsupported, "pausing needs a cgroup2")),
        }
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
        let patience = Instant::now() + Duration::from_secs(5);
        let mut pause = Duration::from_micros(50);
        while Instant::now() < patience {
            if let Some(dir) = &self.v2 {
                dir.wait_until_empty(patience)?;
            }
            if self.remove_all()? {
                return Ok(());
            }
            // The last process is dead but not reaped yet, which no event tells.
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
        Err(Error::new(Kind::Conflict, format!("remove cgroup of {:?}: processes do not end", self.id)))
    }

    /// Removes what can be removed; tells whether all is gone.
    fn remove_all(&self) -> Result<bool> {
        let dirs = self.v1.iter().map(|group| &group.dir).chain(&self.v2);
        let mut gone = true;
        for dir in dirs {
            gone &= dir.remove(&self.id)?;
        }
        Ok(gone)
    }

    /// Tells whether the kernel has killed a process of the container for want of memory, as far as
    /// its counters can be read.
    #[must_use]
    pub fn oom_killed(&self) -> bool {
        let memory = self.v1.iter().find(|group| group.controller == "memory");
        let counter = match (&self.v2, memory) {
            (Some(dir), _) if self.unified => dir.read_if_there("memory.events"),
            (_, Some(group)) => group.dir.read_if_there("memory.oom_control"),
            _ => return false,
        };
        let text = counter.ok().flatten().unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")).map(str::trim);
        count.is_some_and(|count| count != "0")
    }

    /// Returns the processes of the container in our pid namespace, in ascending order.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn pids(&self) -> Result<Vec<i32>> {
        let Some(dir) = self.v2.as_ref().or_else(|| self.v1.first().map(|group| &group.dir)) else {
            return Ok(Vec::new());
        };
        let text = dir.read_if_there("cgroup.procs")?.unwrap_or_default();
        let mut pids: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        pids.sort_unstable();
        Ok(pids)
    }

    /// The v2 group to be born in.
    #[must_use]
    pub fn v2_dir(&self) -> Option<BorrowedFd<'_>> {
        self.v2.as_ref().map(AsFd::as_fd)
    }

    /// `tasks` files to write `0` into.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.v1.iter().map(|group| group.tasks.as_fd()).chain(self.devices.as_ref().map(AsFd::as_fd))
    }

    /// One hierarchy has it all.
    pub(crate) const fn is_unified(&self) -> bool {
        self.unified
    }

    /// Every directory of the container in a split set-up, with the name of its hierarchy.
    pub(crate) fn dirs(&self) -> impl Iterator<Item = (&'static str, BorrowedFd<'_>)> {
        let v1 = self.v1.iter().map(|group| (group.controller, group.dir.as_fd()));
        v1.chain(self.v2.as_ref().map(|dir| ("unified", dir.as_fd())))
    }
}

/// An id becomes a component of a path.
fn check_id(id: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let good = id.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric()) && id.bytes().all(plain);
    if good && id.len() <= 128 { Ok(()) } else { Err(Error::new(Kind::Invalid, format!("bad id {id:?}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_killed_also_one_by_one_and_then_removed() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skip: needs root");
            return;
        }
        let group =
            Cgroup::create(&format!("test-unit-{}", std::process::id()), &LinuxResources::default()).unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        for dir in group.v1.iter().map(|group| &group.dir).chain(&group.v2) {
            dir.write("cgroup.procs", &child.id().to_string()).unwrap();
        }
        assert_eq!(group.pids().unwrap(), [child.id().cast_signed()]);
        group.kill_each().unwrap();
        // Not reaped yet: nobody may have to wait for that.
        assert_eq!(group.pids().unwrap().len(), 0);
        let reaper = std::thread::spawn(move || child.wait());
        group.remove().unwrap();
        assert!(!reaper.join().unwrap().unwrap().success());
        assert!(group.pids().unwrap().is_empty() && !group.oom_killed());
    }

    #[test]
    fn an_id_cannot_leave_its_directory() {
        for bad in ["", ".", "..", "../x", "a/b", "-x", "a\n", &"x".repeat(129)] {
            assert!(check_id(bad).is_err(), "{bad:?}");
        }
        assert!(check_id(&"0a".repeat(32)).is_ok());
    }
}
