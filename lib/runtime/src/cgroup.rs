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
mod freeze;
mod limits;
mod path;
mod saved;
mod stats;
mod v1;
mod v2;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use oci_spec::runtime::LinuxResources;
use sys::pidfd::Pidfd;
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

    /// Changes limits of a container that may be running. What is not given stays; so do the devices
    /// unless rules for them are given.
    ///
    /// # Errors
    /// `Invalid` for a bad limit, `Unsupported` if there is no group of its controller.
    pub fn update(&self, resources: &LinuxResources) -> Result<()> {
        self.try_update(resources).map_err(|e| e.within("update cgroup"))
    }

    fn try_update(&self, resources: &LinuxResources) -> Result<()> {
        let rules = resources.devices().as_deref().unwrap_or_default();
        let policy = devices::Policy::of(rules)?.with_usual()?;
        match &self.v2 {
            Some(dir) if self.unified => {
                if let Some(memory) = resources.memory() {
                    check_usage(dir, memory)?;
                }
                self.apply(&limits::v2(resources, &limits::Current::of(dir)?)?)?;
                v2::unified(dir, resources)?;
                if rules.is_empty() { Ok(()) } else { devices::set_v2(dir, &policy) }
            }
            _ => {
                self.apply(&limits::v1(resources)?)?;
                match self.v1.iter().find(|group| group.controls("devices")) {
                    _ if rules.is_empty() => Ok(()),
                    Some(group) => devices::set_v1(&group.dir, &policy),
                    None => Err(Error::new(Kind::Unsupported, "the container has no devices cgroup")),
                }
            }
        }
    }

    /// Writes settings, each into the group of its controller.
    fn apply(&self, settings: &[limits::Setting]) -> Result<()> {
        if let (Some(dir), true) = (&self.v2, self.unified) {
            return limits::apply(dir, settings);
        }
        let missing = settings.iter().find(|s| !self.v1.iter().any(|group| group.controls(s.controller)));
        if let Some(setting) = missing {
            let text =
                format!("cannot set {} limit: container could not join or create cgroup", setting.controller);
            return Err(Error::new(Kind::Unsupported, text));
        }
        for group in &self.v1 {
            limits::apply(&group.dir, settings.iter().filter(|s| group.controls(s.controller)))?;
        }
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

    fn kill_each(&self) -> Result<()> {
        // A process that forks while we read is found in the next round; each round ends some.
        for _ in 0..100 {
            let pids = self.pids()?;
            if pids.is_empty() {
                return Ok(());
            }
            let opened = pids.into_iter().filter_map(|pid| Some((pid, Pidfd::open(pid).ok()?)));
            let opened: Vec<_> = opened.collect();
            // Looked at again once they are held: a number that was reused in between is not one of ours.
            let still = self.pids()?;
            let ours = opened.into_iter().filter(|(pid, _)| still.contains(pid));
            let all: Vec<_> = ours.map(|(_, process)| process).collect();
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
    fn remove_all(&self) -> Result<bool> {
        let dirs = self.v1.iter().map(|group| &group.dir).chain(&self.v2);
        let mut gone = true;
        for dir in dirs {
            gone &= dir.remove()?;
        }
        Ok(gone)
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

/// `checkBeforeUpdate`: v2 takes any limit and kills until it holds.
fn check_usage(dir: &Dir, memory: &oci_spec::runtime::LinuxMemory) -> Result<()> {
    if memory.check_before_update() != Some(true) {
        return Ok(());
    }
    let usage = dir.read_if_there("memory.current")?.and_then(|text| text.trim().parse::<i64>().ok());
    for (what, limit) in [("memory", memory.limit()), ("memory+swap", memory.swap())] {
        if let (Some(limit @ 1..), Some(usage)) = (limit, usage)
            && limit <= usage
        {
            let text = format!("rejecting {what} limit {limit} <= usage {usage}");
            return Err(Error::new(Kind::Conflict, text));
        }
    }
    Ok(())
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

    /// A bundle's groups on a host with v1 controllers, or a word why not.
    fn bundle(name: &str, json: &str) -> Option<Result<Cgroup>> {
        let v1 = Path::new("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists();
        if !rustix::process::geteuid().is_root() || !v1 {
            eprintln!("skip: needs root and v1 controllers");
            return None;
        }
        let id = format!("test-unit-{name}-{}", std::process::id());
        let path = format!("/{id}/inner");
        let resources = serde_json::from_str(json).unwrap();
        Some(Cgroup::for_bundle(&id, Some(Path::new(&path)), &resources))
    }

    fn gone(group: &Cgroup) {
        group.remove().unwrap();
        for path in group.saved().groups.values() {
            assert!(!Path::new(path).exists(), "{path}");
            std::fs::remove_dir(Path::new(path).parent().unwrap()).unwrap();
        }
    }

    #[test]
    fn a_bundle_has_groups_everywhere_and_its_limits_can_be_changed() {
        let json = r#"{"memory": {"limit": 33554432}, "cpu": {"quota": 5000, "shares": 100},
            "devices": [{"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}]}"#;
        let Some(group) = bundle("limits", json) else { return };
        let group = group.unwrap();
        let saved = group.saved();
        assert!(saved.groups.len() >= 8, "{saved:?}");
        let read = |hierarchy: &str, file: &str| {
            std::fs::read_to_string(format!("{}/{file}", saved.groups[hierarchy])).unwrap().trim().to_owned()
        };
        assert_eq!(read("memory", "memory.limit_in_bytes"), "33554432");
        assert_eq!(read("cpu", "cpu.cfs_quota_us"), "5000");
        assert_eq!(
            read("cpuset", "cpuset.cpus"),
            std::fs::read_to_string("/sys/fs/cgroup/cpuset/cpuset.cpus").unwrap().trim()
        );
        let list = read("devices", "devices.list");
        assert!(
            list.contains("c 10:229 rw") && list.contains("c 1:3 rwm") && !list.contains("a *"),
            "{list}"
        );

        let again = Cgroup::reopen(&saved).unwrap();
        let change = |json: &str| again.update(&serde_json::from_str(json).unwrap());
        // Each of these pairs has an order in which the kernel refuses it.
        change(r#"{"memory": {"limit": 31457280, "swap": 52428800}}"#).unwrap();
        change(r#"{"memory": {"limit": 62914560, "swap": 83886080}}"#).unwrap();
        assert_eq!(read("memory", "memory.memsw.limit_in_bytes"), "83886080");
        change(r#"{"memory": {"limit": -1}, "cpu": {"quota": -1, "period": 50000, "cpus": "0"}}"#).unwrap();
        assert!(read("memory", "memory.memsw.limit_in_bytes").parse::<u64>().unwrap() > 1 << 50);
        assert_eq!(
            (read("cpu", "cpu.cfs_period_us"), read("cpuset", "cpuset.cpus")),
            ("50000".into(), "0".into())
        );
        let error = change(r#"{"cpu": {"period": 100}}"#).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("cpu.cfs_period_us") && cause.contains("\"100\""), "{cause}");
        gone(&group);
    }

    #[test]
    fn a_frozen_group_is_not_taken_over_and_a_used_one_is_told() {
        let Some(group) = bundle("freeze", "{}") else { return };
        let group = group.unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        for path in group.saved().groups.values() {
            std::fs::write(format!("{path}/cgroup.procs"), child.id().to_string()).unwrap();
        }
        assert_eq!((group.found_processes(), group.frozen().unwrap()), (0, false));
        group.freeze(true).unwrap();
        assert!(group.frozen().unwrap());
        let state = std::fs::read_to_string(format!("{}/freezer.state", group.saved().groups["freezer"]));
        assert_eq!(state.unwrap(), "FROZEN\n");
        let refused = bundle("freeze", "{}").unwrap().unwrap_err();
        let cause = std::error::Error::source(&refused).unwrap().to_string();
        assert_eq!(cause, "container's cgroup unexpectedly frozen");
        group.freeze(false).unwrap();
        assert!(!group.frozen().unwrap());
        assert_eq!(bundle("freeze", "{}").unwrap().unwrap().found_processes(), 1);
        group.freeze(true).unwrap();
        group.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "killed although it was frozen");
        gone(&group);
    }

    #[test]
    fn a_refused_bundle_leaves_no_group() {
        for json in [r#"{"cpu": {"period": 100}}"#, r#"{"blockIO": {"leafWeight": 300}}"#] {
            let Some(refused) = bundle("refused", json) else { return };
            refused.unwrap_err();
            let id = format!("test-unit-refused-{}", std::process::id());
            for hierarchy in ["cpu", "memory", "devices", "unified"] {
                assert!(!Path::new(ROOT).join(hierarchy).join(&id).exists(), "{hierarchy}");
            }
        }
    }

    #[test]
    fn without_groups_nothing_is_there() {
        let none = Cgroup::none();
        assert!(
            none.pids().unwrap().is_empty() && none.saved().groups.is_empty() && none.tasks().count() == 0
        );
        none.kill().unwrap();
        none.remove().unwrap();
        assert!(none.freeze(true).is_err() && !none.frozen().unwrap());
    }

    #[test]
    fn an_id_cannot_leave_its_directory() {
        for bad in ["", ".", "..", "../x", "a/b", "-x", "a\n", &"x".repeat(129)] {
            assert!(check_id(bad).is_err(), "{bad:?}");
        }
        assert!(check_id(&"0a".repeat(32)).is_ok());
    }
}
