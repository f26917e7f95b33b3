//! v1 controllers, each in a hierarchy of its own, perhaps beside a cgroup2 without controllers.

use std::os::fd::OwnedFd;

use oci_spec::runtime::LinuxResources;
use types::{Error, Kind, Result};

use super::dir::Dir;
use super::{CONFINED, Cgroup, PRIVILEGED, devices, limits};

/// Controllers that a container can have a group in.
const CONTROLLERS: [&str; 5] = ["memory", "pids", "cpu", "cpuacct", "cpuset"];

/// A container has these without asking: out of memory is told from other ends, and memory and
/// processes are counted.
const ALWAYS: [&str; 2] = ["memory", "pids"];

/// Counts processor time, which a cgroup2 does also without controllers (`cpu.stat`).
const WITHOUT_V2: &str = "cpuacct";

/// One group in one hierarchy.
#[derive(Debug)]
pub struct Group {
    /// Controller.
    pub controller: &'static str,
    /// Its directory.
    pub dir: Dir,
    /// Open for writing: what the child joins by.
    pub tasks: OwnedFd,
}

impl Group {
    fn new(controller: &'static str, dir: Dir) -> Result<Self> {
        let tasks = tasks(&dir)?;
        Ok(Self { controller, dir, tasks })
    }
}

fn tasks(dir: &Dir) -> Result<OwnedFd> {
    dir.file("tasks").map_err(|e| Error::io(format!("open \"{}/tasks\"", dir.name_for_messages()), e))
}

pub fn create(root: &Dir, parent: &str, id: &str, resources: &LinuxResources) -> Result<Cgroup> {
    let settings = limits::v1(resources)?;
    let mut made =
        Cgroup { id: id.into(), v2: None, unified: false, v1: Vec::new(), devices: None, parent: None };
    let done = fill(root, parent, id, &settings, &mut made);
    if done.is_err() {
        // What was made is empty, so removing it cannot fail for a reason that matters more.
        let _worse = made.remove_all();
    }
    done.map(|()| made)
}

fn fill(root: &Dir, parent: &str, id: &str, settings: &[limits::Setting], made: &mut Cgroup) -> Result<()> {
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
                return Err(Error::new(
                    Kind::Unsupported,
                    format!("the host has no {controller:?} controller"),
                ));
            }
            continue;
        };
        let (above, new) = hierarchy.ensure(parent)?;
        if new && controller == "cpuset" {
            inherit_cpuset(&hierarchy, &above)?;
        }
        made.v1.push(Group::new(controller, above.make(id)?)?);
        let Some(group) = made.v1.last() else { continue };
        for setting in wanted {
            apply(&group.dir, setting)?;
        }
    }
    if let Some(unified) = unified {
        made.v2 = Some(unified.ensure(parent)?.0.make(id)?);
    }
    if parent != PRIVILEGED {
        made.devices = Some(confine(root)?);
    }
    Ok(())
}

fn apply(dir: &Dir, setting: &limits::Setting) -> Result<()> {
    // "max" is v2's word; in v1 only pids.max knows it, and nothing else here says it.
    match dir.write(setting.file, &setting.value) {
        Err(e) if setting.optional && e.kind() == Kind::NotFound => Ok(()),
        done => done,
    }
}

/// A new cpuset is empty and takes no process; groups below copy ours once it is filled.
fn inherit_cpuset(root: &Dir, above: &Dir) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let all = root.read_if_there(file)?.unwrap_or_default();
        above.write(file, all.trim())?;
    }
    above.write("cgroup.clone_children", "1")
}

/// All containers share one group of the devices controller: its rules are the same for all.
fn confine(root: &Dir) -> Result<OwnedFd> {
    let Some(hierarchy) = root.controller("devices")? else {
        return Err(Error::new(Kind::Unsupported, "the host has no \"devices\" controller")
            .hint("it is looked for in /sys/fs/cgroup/devices"));
    };
    let (dir, _) = hierarchy.ensure(CONFINED)?;
    // Written anew unless it is exactly there: a tool that was killed between two rules leaves a
    // group that allows everything or nothing.
    let list = dir.read_if_there("devices.list")?.unwrap_or_default();
    if !devices::is_v1_list(&list) {
        dir.write("devices.deny", "a")?;
        for rule in devices::v1_rules() {
            dir.write("devices.allow", &rule)?;
        }
    }
    tasks(&dir)
}

/// Every hierarchy that a container can have a group in.
pub fn hierarchies(root: &Dir) -> Result<Vec<Dir>> {
    let mut all = Vec::new();
    for controller in CONTROLLERS {
        all.extend(root.controller(controller)?);
    }
    all.extend(root.unified()?);
    Ok(all)
}

pub fn open(root: &Dir, parent: &str, id: &str) -> Result<Option<Cgroup>> {
    let mut found =
        Cgroup { id: id.into(), v2: None, unified: false, v1: Vec::new(), devices: None, parent: None };
    for controller in CONTROLLERS {
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
    if parent != PRIVILEGED {
        found.devices = Some(confine(root)?);
    }
    Ok(Some(found))
}
