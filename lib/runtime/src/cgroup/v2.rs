//! One hierarchy with all controllers.

use oci_spec::runtime::LinuxResources;
use types::{Error, Kind, Result};

use super::dir::Dir;
use super::limits::Current;
use super::path::{Location, groups_of};
use super::{CONFINED, Cgroup, PRIVILEGED, devices, limits};

/// Controllers that are handed down to containers of the engine where the host has them.
const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];

/// The group of a container of the engine.
pub fn create(root: &Dir, id: &str, resources: &LinuxResources) -> Result<Cgroup> {
    let mut settings = limits::v2(resources, &Current::default())?;
    settings.extend(limits::swap_as_docker(resources, true));
    let wanted = devices::wanted(resources.devices().as_deref())?;
    let parent = if wanted == devices::Wanted::Usual { CONFINED } else { PRIVILEGED };
    let mut handed: Vec<&str> = CONTROLLERS.into();
    handed.extend(settings.iter().map(|setting| setting.controller).filter(|c| !CONTROLLERS.contains(c)));
    let above = parent_group(root, parent, &handed)?;
    let dir = above.make(id)?;
    let filled =
        limits::apply(&dir, &settings).and_then(|()| unified(&dir, resources)).and_then(|()| match &wanted {
            devices::Wanted::Own(policy) => devices::set_v2(&dir, policy),
            _ => Ok(()),
        });
    let made = Cgroup { v2: Some(dir), unified: true, ..Cgroup::named(id) };
    if filled.is_err() {
        // Empty, so removing it cannot fail for a reason that matters more.
        let _worse = made.remove_all();
    }
    filled.map(|()| made)
}

/// Files that a configuration names itself, in the order of their names; a value of several lines is
/// several commands.
pub fn unified(dir: &Dir, resources: &LinuxResources) -> Result<()> {
    let mut direct: Vec<_> = resources.unified().iter().flatten().collect();
    direct.sort();
    for (file, value) in direct {
        if file.contains('/') {
            return Err(invalid(format!("unified resource {file:?} must be a file name (no slashes)")));
        }
        let Some((controller, _)) = file.split_once('.') else {
            let text = format!("unified resource {file:?} must be in the form CONTROLLER.PARAMETER");
            return Err(invalid(text));
        };
        for line in value.lines() {
            dir.write(file, line).map_err(|e| match e.kind() {
                Kind::NotFound if !has(dir, controller) && controller != "cgroup" => e.within(format!(
                    "unified resource {file:?} can't be set: controller {controller:?} not available"
                )),
                _ => e,
            })?;
        }
    }
    Ok(())
}

fn has(dir: &Dir, controller: &str) -> bool {
    let offered = dir.read_if_there("cgroup.controllers").ok().flatten().unwrap_or_default();
    offered.split_ascii_whitespace().any(|name| name == controller)
}

fn invalid(text: String) -> Error {
    Error::new(Kind::Invalid, text)
}

/// The group above all containers. It holds no process itself, so it may hand controllers down (the
/// rule against inner processes); the root of the hierarchy is exempt from that rule.
fn parent_group(root: &Dir, parent: &str, controllers: &[&str]) -> Result<Dir> {
    let (above, _) = root.ensure(parent)?;
    let has = above.read_if_there("cgroup.subtree_control")?.unwrap_or_default();
    let on = |has: &str, name: &str| has.split_ascii_whitespace().any(|on| on == name);
    if controllers.iter().any(|name| !on(&has, name)) {
        let offered = root.read_if_there("cgroup.controllers")?.unwrap_or_default();
        for name in controllers.iter().filter(|name| on(&offered, name)) {
            for dir in [root, &above] {
                dir.write("cgroup.subtree_control", &format!("+{name}")).map_err(|e| {
                    e.within(format!("hand down the {name:?} controller"))
                        .hint("processes in the root of this hierarchy or a delegation can forbid that")
                })?;
            }
        }
    }
    if parent == CONFINED && !devices::is_attached(&above)? {
        devices::set_v2(&above, &devices::Policy::usual())?;
    }
    Ok(above)
}

pub fn open(root: &Dir, parent: &str, id: &str) -> Result<Option<Cgroup>> {
    let dir = root.open(&format!("{parent}/{id}"))?;
    Ok(dir.map(|dir| Cgroup { v2: Some(dir), unified: true, ..Cgroup::named(id) }))
}

/// The group of a bundle, with every controller that can be had.
pub fn create_at(root: &Dir, location: &Location, resources: &LinuxResources, name: &str) -> Result<Cgroup> {
    let settings = limits::v2(resources, &Current::default())?;
    let policy = devices::Policy::of(resources.devices().as_deref().unwrap_or_default())?.with_usual()?;
    let names = place(location)?;
    let mut made = Cgroup { unified: true, ..Cgroup::named(name) };
    made.look_at_existing(root.open(&names.join("/"))?.as_ref())?;
    let mut new = Vec::new();
    let done = descend(root, &names, &mut new).and_then(|dir| {
        limits::apply(&dir, &settings)?;
        unified(&dir, resources)?;
        devices::set_v2(&dir, &policy)?;
        Ok(dir)
    });
    if done.is_err() {
        for dir in new.iter().rev() {
            // Only what was made here, and empty.
            let _worse = dir.remove();
        }
    }
    made.v2 = Some(done?);
    Ok(made)
}

/// Our own group has processes, ourselves, and so can hand nothing down; the one above it can.
fn place(location: &Location) -> Result<Vec<String>> {
    Ok(match location {
        Location::Absolute(names) => names.clone(),
        Location::Relative(names) => {
            let own = groups_of("self")?.into_iter().find(|own| own.controllers.is_empty());
            let mut all = own.map(|own| own.names()).unwrap_or_default();
            all.pop();
            all.extend(names.iter().cloned());
            all
        }
    })
}

fn descend(root: &Dir, names: &[String], new: &mut Vec<Dir>) -> Result<Dir> {
    let offered = root.read_if_there("cgroup.controllers")?.unwrap_or_default();
    let mut dir: Option<Dir> = None;
    for name in names {
        let above = dir.as_ref().unwrap_or(root);
        for controller in offered.split_ascii_whitespace() {
            // One that cannot be handed down is missed when a limit of it is written, with its name.
            let _cannot = above.put("cgroup.subtree_control", &format!("+{controller}"));
        }
        let (below, is_new) = above.ensure(name)?;
        if is_new {
            new.extend(above.open(name)?);
        }
        dir = Some(below);
    }
    dir.ok_or_else(|| invalid("empty cgroup path".into()))
}
