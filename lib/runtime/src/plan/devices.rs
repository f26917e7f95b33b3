//! `/dev`: a small tmpfs of our own with the devices that every program may expect.

use std::os::fd::AsFd;
use std::path::Path;

use child::{Follow, Kind, Node};
use oci_spec::runtime::{Linux, LinuxDevice, LinuxDeviceType, Mount};
use rustix::fs::{CWD, fstat};
use rustix::mount::{OpenTreeFlags, open_tree};
use sys::mount::{MountAttr, set_attr};
use types::{Error, Result};

use super::{Draft, Step, invalid, mounts, target, text};

/// Name, major, minor of the six; all are open to everybody.
const NODES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Links that programs use as files.
const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

/// Fills `/dev`, right after it is mounted and before anything is mounted in it.
pub fn plan(more: &[LinuxDevice], draft: &mut Draft) -> Result<()> {
    for (name, major, minor) in NODES {
        draft.push(Step::DevNode {
            name: text(name)?,
            mode: libc::S_IFCHR | 0o666,
            device: libc::makedev(major, minor),
            uid: 0,
            gid: 0,
        });
    }
    for (name, to) in LINKS {
        draft.push(Step::DevLink { name: text(name)?, to: text(to)? });
    }
    let mut dirs = Vec::new();
    for device in more {
        node(device, &mut dirs, draft)?;
    }
    Ok(())
}

/// A device of the configuration that is in `/dev`, which is ours and not the image's.
fn node(device: &LinuxDevice, dirs: &mut Vec<String>, draft: &mut Draft) -> Result<()> {
    let path = target::inside(device.path())?;
    let Some(name) = path.strip_prefix("dev/") else { return Ok(()) };
    // `ptmx` is that of the container's own devpts, whatever the configuration says (as with runc).
    if name == "ptmx" || NODES.iter().any(|(known, ..)| *known == name) {
        return Ok(());
    }
    for (at, _) in name.match_indices('/') {
        let dir = name.get(..at).unwrap_or(name);
        if !dirs.iter().any(|made| made == dir) {
            draft.push(Step::DevDir { name: text(dir)?, mode: 0o755 });
            dirs.push(dir.to_owned());
        }
    }
    let (mode, number) = kind(device, &path)?;
    draft.push(Step::DevNode {
        name: text(name)?,
        mode,
        device: number,
        uid: device.uid().unwrap_or(0),
        gid: device.gid().unwrap_or(0),
    });
    Ok(())
}

/// Devices elsewhere, when all is mounted. What is in a `/dev` that the configuration binds is there, or is
/// the host's to have.
pub fn elsewhere(linux: &Linux, mounts: &[Mount], draft: &mut Draft) -> Result<()> {
    let bound = mounts.iter().any(|mount| mount.destination() == Path::new("/dev"));
    let defaults = if draft.own_dev || bound { &[][..] } else { &NODES };
    for device in linux.devices().iter().flatten() {
        let path = target::inside(device.path())?;
        if target::below(&path, "dev") && (draft.own_dev || bound) {
            continue;
        }
        if draft.ids.is_some() && device.typ() != LinuxDeviceType::P {
            of_host(&path, kind(device, &path)?, draft)?;
            continue;
        }
        let (dir, name) = path.rsplit_once('/').unwrap_or((".", &path));
        let (mode, number) = kind(device, &path)?;
        let owner = (device.uid().unwrap_or(0), device.gid().unwrap_or(0));
        draft.push(elsewhere_node((dir, Follow::InRoot), name, (mode, number), owner)?);
    }
    if defaults.is_empty() { Ok(()) } else { of_the_image(defaults, draft) }
}

/// Without a mount on `/dev`, what every container has there is made in the image's own (runtime spec,
/// "Default Devices"; as with runc and crun).
fn of_the_image(defaults: &[(&str, u32, u32)], draft: &mut Draft) -> Result<()> {
    for (name, major, minor) in defaults {
        let kind = (libc::S_IFCHR | 0o666, libc::makedev(*major, *minor));
        if draft.ids.is_some() {
            of_host(&format!("dev/{name}"), kind, draft)?;
        } else {
            draft.push(elsewhere_node(("dev", Follow::Never), name, kind, (0, 0))?);
        }
    }
    for (name, to) in LINKS {
        let parent = target::target("dev", Kind::Dir, Follow::Never)?;
        draft.push(Step::Link { parent, name: text(name)?, to: text(to)?, exact: false });
    }
    Ok(())
}

fn elsewhere_node(
    (dir, follow): (&str, Follow),
    name: &str,
    (mode, device): (u32, u64),
    (uid, gid): (u32, u32),
) -> Result<Step> {
    let parent = target::target(dir, Kind::Dir, follow)?;
    Ok(Step::Device(Node { parent, name: text(name)?, mode, device, uid, gid }))
}

/// In a user namespace no device can be made: that of the host is shown, if it is the one that is meant.
fn of_host(path: &str, (mode, device): (u32, u64), draft: &mut Draft) -> Result<()> {
    let failed = |e: std::io::Error| Error::io(format!("show device \"/{path}\" of the host"), e);
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    let tree = open_tree(CWD, format!("/{path}"), flags).map_err(|e| failed(e.into()))?;
    let stat = fstat(&tree).map_err(|e| failed(e.into()))?;
    if stat.st_mode & libc::S_IFMT != mode & libc::S_IFMT || stat.st_rdev != device {
        return Err(invalid(format!("device \"/{path}\" of the host is another one")));
    }
    let private = MountAttr { propagation: libc::MS_PRIVATE, ..MountAttr::default() };
    set_attr(tree.as_fd(), private, false).map_err(failed)?;
    let at = target::target(path, Kind::File, mounts::follow(path))?;
    let tree = draft.hold(tree);
    draft.push(Step::Bind { tree, keep: false, renew: draft.own_mounts, propagation: 0, at });
    Ok(())
}

/// Type with permissions, and number.
fn kind(device: &LinuxDevice, path: &str) -> Result<(u32, u64)> {
    let number = |n: i64| u32::try_from(n).map_err(|_| invalid(format!("device \"/{path}\" has number {n}")));
    let (kind, number) = match device.typ() {
        LinuxDeviceType::B => {
            (libc::S_IFBLK, libc::makedev(number(device.major())?, number(device.minor())?))
        }
        LinuxDeviceType::C | LinuxDeviceType::U => {
            (libc::S_IFCHR, libc::makedev(number(device.major())?, number(device.minor())?))
        }
        LinuxDeviceType::P => (libc::S_IFIFO, 0),
        LinuxDeviceType::A => return Err(invalid(format!("device \"/{path}\" has no type"))),
    };
    Ok((kind | (device.file_mode().unwrap_or(0o666) & 0o7777), number))
}
