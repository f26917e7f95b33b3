//! One hierarchy with all controllers.

use oci_spec::runtime::LinuxResources;
use types::{Error, Kind, Result};

use super::dir::Dir;
use super::{CONFINED, Cgroup, PRIVILEGED, devices, limits};

/// Controllers that are handed down to containers where the host has them.
const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];

pub fn create(root: &Dir, parent: &str, id: &str, resources: &LinuxResources) -> Result<Cgroup> {
    let settings = limits::v2(resources)?;
    let above = parent_group(root, parent)?;
    let dir = above.make(id)?;
    let own_policy = !matches!(parent, CONFINED | PRIVILEGED);
    let filled = fill(&dir, &settings, resources)
        .and_then(|()| if own_policy { devices::attach(&dir) } else { Ok(()) });
    let made =
        Cgroup { id: id.into(), v2: Some(dir), unified: true, v1: Vec::new(), devices: None, parent: None };
    if filled.is_err() {
        // Empty, so removing it cannot fail for a reason that matters more.
        let _worse = made.remove_all();
    }
    filled.map(|()| made)
}

fn fill(dir: &Dir, settings: &[limits::Setting], resources: &LinuxResources) -> Result<()> {
    for setting in settings {
        match dir.write(setting.file, &setting.value) {
            Err(e) if setting.optional && e.kind() == Kind::NotFound => {}
            done => done?,
        }
    }
    let mut direct: Vec<_> = resources.unified().iter().flatten().collect();
    direct.sort();
    for (file, value) in direct {
        if file.contains('/') || !file.contains('.') {
            return Err(Error::new(Kind::Invalid, format!("bad cgroup file {file:?}")));
        }
        dir.write(file, value)?;
    }
    Ok(())
}

/// The group above all containers. It holds no process itself, so it may hand controllers down (the
/// rule against inner processes); the root of the hierarchy is exempt from that rule.
fn parent_group(root: &Dir, parent: &str) -> Result<Dir> {
    let (above, _) = root.ensure(parent)?;
    let has = above.read_if_there("cgroup.subtree_control")?.unwrap_or_default();
    let on = |has: &str, name: &str| has.split_ascii_whitespace().any(|on| on == name);
    if CONTROLLERS.iter().any(|name| !on(&has, name)) {
        let offered = root.read_if_there("cgroup.controllers")?.unwrap_or_default();
        for name in CONTROLLERS.iter().filter(|name| on(&offered, name)) {
            for dir in [root, &above] {
                dir.write("cgroup.subtree_control", &format!("+{name}")).map_err(|e| {
                    e.within(format!("hand down the {name:?} controller"))
                        .hint("processes in the root of this hierarchy or a delegation can forbid that")
                })?;
            }
        }
    }
    if parent == CONFINED && !devices::is_attached(&above)? {
        devices::attach(&above)?;
    }
    Ok(above)
}

pub fn open(root: &Dir, parent: &str, id: &str) -> Result<Option<Cgroup>> {
    let dir = root.open(&format!("{parent}/{id}"))?;
    Ok(dir.map(|dir| Cgroup {
        id: id.into(),
        v2: Some(dir),
        unified: true,
        v1: Vec::new(),
        devices: None,
        parent: None,
    }))
}
