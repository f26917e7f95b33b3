//! What a container sees in `/sys/fs/cgroup`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use child::{Follow, Keep, Kind};
use oci_spec::runtime::{Linux, LinuxNamespaceType};
use rustix::fs::{Mode, mkdirat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen, open_tree,
};
use sys::mount::{MountAttr, set_attr};
use types::{Error, Result};

use super::mounts::new;
use super::options::Options;
use super::target::target;
use super::{Draft, Step};
use crate::Launch;

/// cgroup v2 is one file system. Of v1 only the controllers that the container has a group in are
/// shown, because the others would show the host's.
pub fn plan(
    path: &str,
    options: &Options,
    linux: &Linux,
    inputs: &Launch<'_>,
    draft: &mut Draft,
) -> Result<()> {
    let plain = |set| Options { set, ..Options::default() };
    if inputs.cgroup.is_unified() {
        // A new one shows the cgroup namespace that we are in. Within a user namespace the kernel makes one
        // only if that is its own, and without one it would show the whole host.
        let spaces = linux.namespaces().iter().flatten();
        let own =
            spaces.filter(|space| space.typ() == LinuxNamespaceType::Cgroup).any(|s| s.path().is_none());
        return match inputs.cgroup.v2_dir() {
            Some(dir) if !own && draft.ids.is_some() => {
                let tree = cgroup_dir("unified", dir, options)?;
                let tree = draft.hold(tree);
                draft.push(Step::Move { tree, at: target(path, Kind::Dir, Follow::Never)? });
                Ok(())
            }
            _ => {
                let mut options = plain(options.attributes());
                options.label("cgroup2", draft.mount_label.as_deref())?;
                new("cgroup2", path, options, Keep::No, draft)
            }
        };
    }
    let names: Vec<_> = inputs.cgroup.dirs().map(|(name, _)| name).collect();
    let tree = directory(&names, options.attributes(), draft.mount_label.as_deref())?;
    let tree = draft.hold(tree);
    draft.push(Step::Move { tree, at: target(path, Kind::Dir, Follow::Never)? });
    for (name, dir) in inputs.cgroup.dirs() {
        let tree = cgroup_dir(name, dir, options)?;
        let tree = draft.hold(tree);
        let at = target(&format!("{path}/{name}"), Kind::Dir, Follow::Never)?;
        draft.push(Step::Move { tree, at });
    }
    Ok(())
}

/// A group's own directory, which is the root of the container's cgroup namespace; cheaper than to mount
/// each hierarchy once more.
fn cgroup_dir(name: &str, dir: BorrowedFd<'_>, options: &Options) -> Result<OwnedFd> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let tree =
        open_tree(dir, "", flags).map_err(|e| Error::io(format!("clone cgroup directory {name:?}"), e))?;
    let change = MountAttr { set: options.attributes(), clear: 0, propagation: libc::MS_PRIVATE };
    set_attr(tree.as_fd(), change, false).map_err(|e| Error::io(format!("bind cgroup {name:?}"), e))?;
    Ok(tree)
}

/// Makes a tmpfs with a directory for each hierarchy, mounted nowhere: what is in place already cannot be
/// made read-only in every case (mount_setattr(2)).
fn directory(names: &[&str], attr: u64, label: Option<&str>) -> Result<OwnedFd> {
    let failed = |e| Error::io("make directory of cgroups", e);
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).map_err(failed)?;
    fsconfig_set_string(&fs, "mode", "755").map_err(failed)?;
    if let Some(label) = label {
        fsconfig_set_string(&fs, "context", label).map_err(failed)?;
    }
    fsconfig_create(&fs).map_err(failed)?;
    let plain = MountAttrFlags::from_bits_retain(u32::try_from(attr & !MountAttr::RDONLY).unwrap_or(0));
    let tree = fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, plain).map_err(failed)?;
    for name in names {
        mkdirat(&tree, *name, Mode::from_raw_mode(0o755)).map_err(failed)?;
    }
    let late = MountAttr { set: attr & MountAttr::RDONLY, ..MountAttr::default() };
    set_attr(tree.as_fd(), late, false).map_err(|e| Error::io("make directory of cgroups read-only", e))?;
    Ok(tree)
}
