//! Control groups: limits, kill, accounting, device policy.
//!
//! Three worlds are served: pure v2; v1 controllers beside a cgroup2 without them (hybrid); v1 alone.
//! A container is born into its v2 group (`CLONE_INTO_CGROUP`) and joins its v1 groups itself; nothing
//! here moves another process, which would wait for an RCU grace period.
//!
//! On v2 everything is in `longshore/ID` below the root of the hierarchy. On v1 a container has a group
//! only in the controllers that it needs, and shares one group of the devices controller, whose
//! policy is written once.

pub(crate) mod delegate;
mod devices;
mod dir;
mod freeze;
mod limits;
mod path;
mod remove;
mod saved;
mod stats;
mod sub;
mod update;
mod v1;
mod v2;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use oci_spec::runtime::LinuxResources;
use types::{Error, Kind, Result};

use dir::Dir;

pub use freeze::thaw_process;
pub use saved::Saved;
pub use stats::Stats;

/// Where hierarchies are mounted.
const ROOT: &str = "/sys/fs/cgroup";

/// How this host has mounted its hierarchies.
enum Hierarchies {
    /// v2 with all controllers.
    Unified(Dir),
    /// A directory with one hierarchy of v1 in each directory, and perhaps v2 in `unified`.
    Split(Dir),
}

impl Hierarchies {
    fn find() -> Result<Self> {
        let root = Dir::at(ROOT)?;
        Ok(if root.is_v2()? { Self::Unified(root) } else { Self::Split(root) })
    }
}

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
    /// Processes that were in the groups before.
    found: usize,
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
        let made = match Hierarchies::find()? {
            Hierarchies::Unified(root) => v2::create(&root, id, resources),
            Hierarchies::Split(root) => v1::create(&root, id, resources),
        };
        made.map_err(|e| e.within("make cgroup"))
    }

    /// Makes the groups of a bundle, or takes the ones that are there, in every hierarchy, and sets
    /// its limits. `path` is `linux.cgroupsPath`: from the root of each hierarchy, or relative to the
    /// caller's own group; without it the group is `id` below the caller's.
    ///
    /// A group that has processes is shared with them, as with runc before 1.2;
    /// [`Cgroup::found_processes`] tells, so that the caller can warn.
    ///
    /// # Errors
    /// `Invalid` for a bad path or limit, `Conflict` if the group is frozen, `Unsupported` if a limit
    /// is asked for and its controller is not there. What was made for it is removed again.
    pub fn for_bundle(id: &str, path: Option<&Path>, resources: &LinuxResources) -> Result<Self> {
        let location = path::Location::of(path, id)?;
        let made = match Hierarchies::find()? {
            Hierarchies::Unified(root) => v2::create_at(&root, &location, resources, id),
            Hierarchies::Split(root) => v1::create_at(&root, &location, resources, id),
        };
        made.map_err(|e| e.within("make cgroup"))
    }

    /// No groups at all (`--cgroup-manager disabled`): nothing is limited, counted or paused.
    #[must_use]
    pub fn none() -> Self {
        let unified = Hierarchies::find().is_ok_and(|found| matches!(found, Hierarchies::Unified(_)));
        Self { unified, ..Self::named("") }
    }

    fn named(id: &str) -> Self {
        Self { id: id.into(), v2: None, unified: false, v1: Vec::new(), devices: None, found: 0 }
    }

    /// How many processes were in the groups when they were taken over.
    #[must_use]
    pub const fn found_processes(&self) -> usize {
        self.found
    }

    /// A group that was there before: a frozen one would freeze what joins it.
    fn look_at_existing(&mut self, dir: Option<&Dir>) -> Result<()> {
        let Some(dir) = dir else { return Ok(()) };
        if freeze::is_frozen(dir)? {
            return Err(Error::new(Kind::Conflict, "container's cgroup unexpectedly frozen")
                .hint(format!("see {:?}", dir.name())));
        }
        self.found = self.found.max(all_pids(dir)?.len());
        Ok(())
    }

    /// Opens the groups of a container that exists. Those that are not there are left out.
    ///
    /// # Errors
    /// `NotFound` if there is none at all.
    pub fn open(id: &str) -> Result<Self> {
        check_id(id)?;
        let hierarchies = Hierarchies::find()?;
        for parent in [CONFINED, PRIVILEGED] {
            let found = match &hierarchies {
                Hierarchies::Unified(root) => v2::open(root, parent, id)?,
                Hierarchies::Split(root) => v1::open(root, parent, id)?,
            };
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Err(Error::new(Kind::NotFound, format!("no cgroup of container {id:?}")))
    }

    /// Tells whether the kernel has killed a process of the container for want of memory, as far as
    /// its counters can be read.
    #[must_use]
    pub fn oom_killed(&self) -> bool {
        let memory = self.v1.iter().find(|group| group.controls("memory"));
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
        match self.v2.as_ref().or_else(|| self.v1.first().map(|group| &group.dir)) {
            Some(dir) => all_pids(dir),
            None => Ok(Vec::new()),
        }
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
    pub(crate) fn dirs(&self) -> impl Iterator<Item = (&str, BorrowedFd<'_>)> {
        let v1 = self.v1.iter().map(|group| (group.hierarchy.as_str(), group.dir.as_fd()));
        v1.chain(self.v2.as_ref().map(|dir| ("unified", dir.as_fd())))
    }
}

/// The processes in a group and below it, in ascending order.
fn all_pids(dir: &Dir) -> Result<Vec<i32>> {
    let mut pids: Vec<i32> = Vec::new();
    dir.walk(&mut |dir| {
        let text = dir.read_if_there("cgroup.procs")?.unwrap_or_default();
        pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
        Ok(())
    })?;
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
}

/// An id becomes a component of a path.
fn check_id(id: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let good = id.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric()) && id.bytes().all(plain);
    if good && id.len() <= 128 { Ok(()) } else { Err(Error::new(Kind::Invalid, format!("bad id {id:?}"))) }
}

#[cfg(test)]
mod tests;
