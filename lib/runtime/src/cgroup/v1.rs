//! v1 controllers, each in a hierarchy of its own, perhaps beside a cgroup2 without controllers.

use std::os::fd::OwnedFd;

use oci_spec::runtime::LinuxResources;
use types::{Error, Kind, Result};

use super::dir::Dir;
use super::limits::Setting;
use super::path::{Location, Own, groups_of};
use super::{CONFINED, Cgroup, PRIVILEGED, devices, limits};

/// Controllers that a container of the engine can have a group in.
const CONTROLLERS: [&str; 10] =
    ["memory", "pids", "cpu", "cpuacct", "cpuset", "blkio", "hugetlb", "net_cls", "net_prio", "rdma"];

/// A container has these without asking: out of memory is told from other ends, and memory and
/// processes are counted.
const ALWAYS: [&str; 2] = ["memory", "pids"];

/// Counts processor time, which a cgroup2 does also without controllers (`cpu.stat`).
const WITHOUT_V2: &str = "cpuacct";

/// One group in one hierarchy.
#[derive(Debug)]
pub struct Group {
    /// The hierarchy as it is mounted: `memory`, `cpu,cpuacct`, `systemd`.
    pub hierarchy: String,
    /// Its directory.
    pub dir: Dir,
    /// Open for writing: what the child joins by.
    pub tasks: OwnedFd,
}

impl Group {
    pub fn new(hierarchy: &str, dir: Dir) -> Result<Self> {
        let tasks = tasks(&dir)?;
        Ok(Self { hierarchy: hierarchy.into(), dir, tasks })
    }

    /// Tells whether its hierarchy has this controller.
    pub fn controls(&self, name: &str) -> bool {
        self.hierarchy.split(',').any(|controller| controller == name)
    }
}

fn tasks(dir: &Dir) -> Result<OwnedFd> {
    dir.file("tasks").map_err(|e| Error::io(format!("open \"{}/tasks\"", dir.name()), e))
}

/// The groups of a container of the engine: only the controllers that are asked for.
pub fn create(root: &Dir, id: &str, resources: &LinuxResources) -> Result<Cgroup> {
    let mut settings = limits::v1(resources)?;
    settings.extend(limits::swap_as_docker(resources, false));
    let wanted = devices::wanted(resources.devices().as_deref())?;
    let parent = if wanted == devices::Wanted::Usual { CONFINED } else { PRIVILEGED };
    let mut made = Cgroup::named(id);
    let done = fill(root, parent, id, &settings, &mut made).and_then(|()| match &wanted {
        devices::Wanted::Everything => Ok(()),
        devices::Wanted::Usual => {
            made.devices = Some(confine(root)?);
            Ok(())
        }
        devices::Wanted::Own(policy) => {
            let dir = devices_root(root)?.ensure(parent)?.0.make(id)?;
            devices::set_v1(&dir, policy)?;
            made.v1.push(Group::new("devices", dir)?);
            Ok(())
        }
    });
    if done.is_err() {
        // What was made is empty, so removing it cannot fail for a reason that matters more.
        let _worse = made.remove_all();
    }
    done.map(|()| made)
}

fn fill(root: &Dir, parent: &str, id: &str, settings: &[Setting], made: &mut Cgroup) -> Result<()> {
    let unified = root.unified()?;
    let without_asking = |name| ALWAYS.contains(&name) || (name == WITHOUT_V2 && unified.is_none());
    for controller in CONTROLLERS {
        let mut wanted = settings.iter().filter(|s| s.controller == controller).peekable();
        let asked = wanted.peek().is_some();
        if !asked && !without_asking(controller) {
            continue;
        }
        let Some(hierarchy) = root.controller(controller)? else {
            if asked {
                return Err(no_controller(controller));
            }
            continue;
        };
        let (above, new) = hierarchy.ensure(parent)?;
        if new && controller == "cpuset" {
            inherit_cpuset(&hierarchy, &above)?;
            above.write("cgroup.clone_children", "1")?;
        }
        // Mounted together with one that has its group already (`cpu,cpuacct`).
        let device = hierarchy.device()?;
        let mut together = made.v1.iter().map(|group| group.dir.device().map(|other| other == device));
        if together.try_fold(false, |any, same| same.map(|same| any || same))? {
            let dir = above.ensure(id)?.0;
            limits::apply(&dir, wanted)?;
            continue;
        }
        made.v1.push(Group::new(controller, above.make(id)?)?);
        let Some(group) = made.v1.last() else { continue };
        limits::apply(&group.dir, wanted)?;
    }
    if let Some(unified) = unified {
        made.v2 = Some(unified.ensure(parent)?.0.make(id)?);
    }
    Ok(())
}

fn no_controller(controller: &str) -> Error {
    Error::new(
        Kind::Unsupported,
        format!("cannot set {controller} limit: the host has no {controller:?} controller"),
    )
    .hint(format!("it is looked for in /sys/fs/cgroup/{controller}"))
}

/// A new cpuset is empty and takes no process; what is not there is the parent's.
fn inherit_cpuset(parent: &Dir, group: &Dir) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let own = group.read_if_there(file)?.unwrap_or_default();
        if own.trim().is_empty() {
            group.write(file, parent.read_if_there(file)?.unwrap_or_default().trim())?;
        }
    }
    Ok(())
}

fn devices_root(root: &Dir) -> Result<Dir> {
    root.controller("devices")?.ok_or_else(|| {
        Error::new(Kind::Unsupported, "the host has no \"devices\" controller")
            .hint("it is looked for in /sys/fs/cgroup/devices")
    })
}

/// All containers share one group of the devices controller: its rules are the same for all.
fn confine(root: &Dir) -> Result<OwnedFd> {
    let (dir, _) = devices_root(root)?.ensure(CONFINED)?;
    // Changed unless it is exactly there: a tool that was killed between two rules leaves a group
    // that allows everything or nothing.
    devices::set_v1(&dir, &devices::Policy::usual())?;
    tasks(&dir)
}

pub fn open(root: &Dir, parent: &str, id: &str) -> Result<Option<Cgroup>> {
    let mut found = Cgroup::named(id);
    for controller in CONTROLLERS.into_iter().chain(["devices"]) {
        let Some(hierarchy) = root.controller(controller)? else { continue };
        if let Some(dir) = hierarchy.open(&format!("{parent}/{id}"))? {
            found.v1.push(Group::new(controller, dir)?);
        }
    }
    if let Some(unified) = root.unified()? {
        found.v2 = unified.open(&format!("{parent}/{id}"))?;
    }
    if found.v1.is_empty() && found.v2.is_none() {
        return Ok(None);
    }
    if parent == CONFINED {
        found.devices = Some(confine(root)?);
    }
    Ok(Some(found))
}

/// The groups of a bundle: in every hierarchy that is mounted, as other runtimes do and what reads
/// their groups expects, so that an update finds every controller.
pub fn create_at(root: &Dir, location: &Location, resources: &LinuxResources, name: &str) -> Result<Cgroup> {
    let settings = limits::v1(resources)?;
    let policy = devices::Policy::of(resources.devices().as_deref().unwrap_or_default())?.with_usual()?;
    let hierarchies = mounted(root, location)?;
    let mut made = Cgroup::named(name);
    for (_, hierarchy, place) in &hierarchies {
        made.look_at_existing(hierarchy.open(place)?.as_ref())?;
    }
    let mut new = Vec::new();
    let done =
        make_all(&hierarchies, &mut made, &mut new).and_then(|()| made.apply(&settings)).and_then(|()| {
            made.v1
                .iter()
                .find(|g| g.controls("devices"))
                .map_or(Ok(()), |group| devices::set_v1(&group.dir, &policy))
        });
    if done.is_err() {
        // Newest first; only what was made here, and empty.
        for dir in new.iter().rev() {
            let _worse = dir.remove();
        }
    }
    done.map(|()| made)
}

type Hierarchy = (String, Dir, String);

/// Every hierarchy that is mounted here, with the group's place in it.
fn mounted(root: &Dir, location: &Location) -> Result<Vec<Hierarchy>> {
    let mut all = Vec::new();
    for own in groups_of("self")? {
        if let Some((name, dir)) = find(root, &own)? {
            let place = place(&dir, &own, location)?;
            all.push((name, dir, place));
        }
    }
    Ok(all)
}

fn find(root: &Dir, own: &Own) -> Result<Option<(String, Dir)>> {
    if own.controllers.is_empty() {
        return Ok(root.unified()?.map(|dir| (String::new(), dir)));
    }
    let whole = own.controllers.trim_start_matches("name=");
    for name in std::iter::once(whole).chain(whole.split(',')) {
        if let Some(dir) = root.controller(name)? {
            return Ok(Some((whole.to_owned(), dir)));
        }
    }
    Ok(None)
}

/// A relative place is below our own group; where that is not visible (the hierarchy is mounted from a
/// group of its own on) below the root.
fn place(dir: &Dir, own: &Own, location: &Location) -> Result<String> {
    Ok(match location {
        Location::Absolute(names) => names.join("/"),
        Location::Relative(names) => {
            let own = own.names().join("/");
            let below = names.join("/");
            if own.is_empty() || dir.open(&own)?.is_none() { below } else { format!("{own}/{below}") }
        }
    })
}

fn make_all(hierarchies: &[Hierarchy], made: &mut Cgroup, new: &mut Vec<Dir>) -> Result<()> {
    for (name, root, place) in hierarchies {
        let mut dir: Option<Dir> = None;
        for part in place.split('/') {
            let above = dir.as_ref().unwrap_or(root);
            let (below, is_new) = above.ensure(part)?;
            if name.split(',').any(|controller| controller == "cpuset") {
                inherit_cpuset(above, &below)?;
            }
            if is_new {
                new.extend(above.open(part)?);
            }
            dir = Some(below);
        }
        match dir {
            Some(dir) if name.is_empty() => made.v2 = Some(dir),
            Some(dir) => made.v1.push(Group::new(name, dir)?),
            None => {}
        }
    }
    Ok(())
}
