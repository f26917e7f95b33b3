//! The container's mount tree.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use child::{Follow, Keep, Kind, NewMount};
use oci_spec::runtime::{Linux, LinuxDevice, LinuxNamespaceType, Mount, Spec};
use sys::mount::{MountAttr, set_attr};
use types::{Error, Result};

use super::ids::TTY;
use super::namespaces::{MountSpace, is_own};
use super::options::Options;
use super::target::{below, host_path, inside, refuse_proc, target};
use super::{
    Draft, Step, bind, cgroups, copyup, dev_tree, devices, enter, hooks, invalid, remount, text, unpivoted,
};
use crate::Launch;

/// Appends everything from the new mount namespace to the root switch.
pub fn plan(
    spec: &Spec,
    linux: &Linux,
    space: MountSpace,
    inputs: &Launch<'_>,
    draft: &mut Draft,
) -> Result<()> {
    draft.push(Step::OpenNull);
    draft.own_mounts = space == MountSpace::Own;
    root(spec, space, linux, inputs, draft)?;
    if draft.ids.is_some() {
        // Not before: the names on the way to the root may be for the host's root only.
        enter::become_root(draft);
    }
    draft.labels.clone().open(draft);
    for mount in spec.mounts().iter().flatten() {
        one(mount, linux, inputs, draft)?;
    }
    if inputs.console.is_some() && !draft.own_dev {
        return Err(invalid("a terminal needs a \"/dev\" of type tmpfs"));
    }
    if draft.read_only_dev {
        draft.push(Step::SealDev);
    }
    devices::elsewhere(linux, spec.mounts().as_deref().unwrap_or_default(), draft)?;
    hooks::before_pivot(spec, draft)?;
    sysctls(linux, draft)?;
    for path in linux.masked_paths().iter().flatten() {
        draft.push(Step::Mask(text(&inside(Path::new(path))?)?));
    }
    for path in linux.readonly_paths().iter().flatten() {
        draft.push(Step::ReadOnlyPath(text(&inside(Path::new(path))?)?));
    }
    let cwd = spec.process().as_ref().map_or(Path::new("/"), |process| process.cwd());
    if cwd != Path::new("/") {
        draft.push(Step::MakeDir(target(&inside(cwd)?, Kind::Dir, Follow::InRoot)?));
    }
    if spec.root().as_ref().and_then(|root| root.readonly()).unwrap_or(false) {
        draft.push(Step::SealRoot);
    }
    if space != MountSpace::Own {
        draft.push(Step::Chroot);
        return Ok(());
    }
    draft.push(if inputs.no_pivot { unpivoted::step(spec, inputs)? } else { Step::Pivot });
    if let Some((flag, recursive)) = root_propagation(linux)? {
        draft.push(Step::RootPropagation { flag, recursive });
    }
    Ok(())
}

/// What everything else is mounted in. In a mount namespace of others it is a tree that is in no mount
/// table, and so is what is mounted in it (Linux 6.15): their table does not change, nothing is left in it
/// when the container has ended, and no root but ours is exchanged.
fn root(spec: &Spec, space: MountSpace, linux: &Linux, inputs: &Launch<'_>, draft: &mut Draft) -> Result<()> {
    let tree = inputs.rootfs.fd().as_raw_fd();
    if space != MountSpace::Own && root_propagation(linux)?.is_some() {
        return Err(invalid("a propagation of the root needs a mount namespace of the container's own"));
    }
    match space {
        MountSpace::Own => {
            draft.push(Step::Propagation(libc::MS_REC | libc::MS_PRIVATE));
            let at = hooks::root_place(spec, inputs)?;
            draft.push(Step::AttachRoot { tree, at });
        }
        MountSpace::Host => draft.push(Step::KeepRoot(tree)),
        MountSpace::Joined => {
            let unnamed = || invalid("a joined mount namespace needs a root that is a directory");
            draft.push(Step::CopyRoot(host_path(inputs.rootfs.name().ok_or_else(unnamed)?)?));
        }
    }
    Ok(())
}

/// The propagation of the root, if it is not private. It is set when the root is in place, and it is the
/// container's own: nothing that is mounted in a shared root appears on the host.
fn root_propagation(linux: &Linux) -> Result<Option<(u64, bool)>> {
    Ok(Some(match linux.rootfs_propagation().as_deref() {
        None | Some("" | "private" | "rprivate") => return Ok(None),
        Some("slave") => (libc::MS_SLAVE, false),
        Some("rslave") => (libc::MS_SLAVE, true),
        Some("shared") => (libc::MS_SHARED, false),
        Some("rshared") => (libc::MS_SHARED, true),
        Some("unbindable") => (libc::MS_UNBINDABLE, false),
        Some("runbindable") => (libc::MS_UNBINDABLE, true),
        Some(other) => return Err(invalid(format!("bad root propagation {other:?}"))),
    }))
}

fn one(mount: &Mount, linux: &Linux, inputs: &Launch<'_>, draft: &mut Draft) -> Result<()> {
    let path = inside(mount.destination())?;
    let options = Options::read(mount.options().as_deref().unwrap_or_default())?;
    let kind = mount.typ().as_deref().unwrap_or(if options.bind { "bind" } else { "" });
    // A bind there is looked at when it is open: see bind.rs.
    let bound = (options.bind || kind == "bind") && !options.remount;
    if path != "proc" || !(kind == "proc" || bound) {
        refuse_proc(&path)?;
    }
    let mapped = options.idmap.is_some() || mount.uid_mappings().is_some() || mount.gid_mappings().is_some();
    match kind {
        _ if mapped && !options.bind && kind != "bind" => {
            Err(super::unsupported(format!("mapping of owners of the new file system on \"/{path}\"")))
        }
        _ if options.remount => remount::plan(&path, options, draft),
        _ if options.copy_up && (options.bind || kind != "tmpfs" || path == "dev") => {
            Err(invalid(format!("mount on \"/{path}\": tmpcopyup is for a tmpfs")))
        }
        _ if options.copy_link && !(options.bind || kind == "bind") => {
            Err(invalid(format!("mount on \"/{path}\": copy-symlink is for a bind")))
        }
        _ if options.bind => bind::plan(mount, &path, &options, draft),
        "bind" => bind::plan(mount, &path, &Options { bind: true, ..options }, draft),
        "cgroup" | "cgroup2" => cgroups::plan(&path, &options, linux, inputs, draft),
        "sysfs" if shown_as_bind(linux, draft) => {
            let mut host = Mount::default();
            host.set_destination(mount.destination().clone()).set_source(Some("/sys".into()));
            bind::plan(&host, &path, &Options { bind: true, recursive: true, ..options }, draft)
        }
        "devpts" => devpts(mount, &path, options, inputs, draft),
        "" => Err(invalid(format!("mount on \"/{path}\" has no type"))),
        "tmpfs" if options.copy_up => {
            let options = options.with_source(mount, "tmpfs", draft.mount_label.as_deref())?;
            let below = draft.placed.what_is_at(&path, inputs.rootfs.fd())?;
            let tree = copyup::make(below, &path, &options)?;
            place(tree, &path, &options, draft)
        }
        "tmpfs" if path == "dev" => {
            let options = options.with_source(mount, "tmpfs", draft.mount_label.as_deref())?;
            dev(&path, options, linux, draft)
        }
        fs => {
            let proc = fs == "proc" && path == "proc";
            draft.own_proc |= proc;
            let keep = if proc { Keep::Proc } else { Keep::No };
            let options = options.with_source(mount, fs, draft.mount_label.as_deref())?;
            new(fs, &path, options, keep, draft)
        }
    }
}

/// A `/dev` of the container's own: nodes and mount points are made in it before it can be read-only.
fn dev(path: &str, mut options: Options, linux: &Linux, draft: &mut Draft) -> Result<()> {
    draft.own_dev = true;
    draft.read_only_dev = options.attributes() & MountAttr::RDONLY != 0;
    options.set &= !MountAttr::RDONLY;
    options.deep_set &= !MountAttr::RDONLY;
    let devices = linux.devices().as_deref().unwrap_or_default();
    if draft.ids.is_some() {
        return dev_of_parent(path, &options, devices, draft);
    }
    new("tmpfs", path, options, Keep::Dev, draft)?;
    devices::plan(devices, draft)
}

/// Puts a file system in place that this process has made.
fn place(tree: OwnedFd, path: &str, options: &Options, draft: &mut Draft) -> Result<()> {
    let change = MountAttr { propagation: options.propagation, ..MountAttr::default() };
    set_attr(tree.as_fd(), change, false).map_err(|e| Error::io(format!("mount on \"/{path}\""), e))?;
    let tree = draft.hold(tree);
    draft.placed.tree(path, tree);
    draft.push(Step::Move { tree, at: target(path, Kind::Dir, follow(path))? });
    Ok(())
}

/// `/proc`, `/dev` and `/sys` are directories of the image that we mount system file systems on: a
/// symbolic link there is an attack. Elsewhere links are part of an ordinary image.
pub fn follow(path: &str) -> Follow {
    let system = ["proc", "dev", "sys"].iter().any(|dir| below(path, dir));
    if system { Follow::Never } else { Follow::InRoot }
}

pub fn new(fs: &str, path: &str, options: Options, keep: Keep, draft: &mut Draft) -> Result<()> {
    draft.placed.new_file_system(path, fs);
    draft.push(Step::Mount(NewMount {
        fs: text(fs)?,
        attr: options.attributes(),
        propagation: if options.propagation == libc::MS_PRIVATE { 0 } else { options.propagation },
        params: options.data,
        at: target(path, Kind::Dir, follow(path))?,
        label: options.label,
        keep,
    }));
    Ok(())
}

/// Who has a user namespace may mount a sysfs only if its network namespace belongs to that; who has not
/// is shown the host's, as by crun and podman.
fn shown_as_bind(linux: &Linux, draft: &Draft) -> bool {
    let mut spaces = linux.namespaces().iter().flatten();
    let own_network =
        spaces.any(|space| space.typ() == LinuxNamespaceType::Network && space.path().is_none());
    draft.ids.is_some() && !own_network
}

/// The devices of a container with a user namespace, which is not allowed to make them.
fn dev_of_parent(path: &str, options: &Options, devices: &[LinuxDevice], draft: &mut Draft) -> Result<()> {
    let mut steps = Draft::default();
    devices::plan(devices, &mut steps)?;
    let Some(ids) = &draft.ids else { return Ok(()) };
    let tree = dev_tree::make(&options.data, options.attributes(), &steps.steps, ids)?;
    let tree = draft.hold(tree);
    draft.placed.tree(path, tree);
    let at = target(path, Kind::Dir, follow(path))?;
    draft.push(Step::Bind { tree, keep: true, renew: draft.own_mounts, propagation: 0, at });
    Ok(())
}

/// With a terminal, its devpts was made by the parent; else a fresh one.
fn devpts(
    mount: &Mount,
    path: &str,
    mut options: Options,
    inputs: &Launch<'_>,
    draft: &mut Draft,
) -> Result<()> {
    let terminal = inputs.console.and_then(|console| Some((console.devpts()?, console.slave())));
    match terminal {
        Some((devpts, slave)) if path == "dev/pts" => {
            let at = target(path, Kind::Dir, Follow::Never)?;
            draft.placed.new_file_system(path, "devpts");
            draft.push(Step::Move { tree: devpts.as_raw_fd(), at });
            draft.push(Step::Console(slave.as_raw_fd()));
            Ok(())
        }
        _ => {
            if draft.ids.as_ref().is_some_and(|ids| ids.group(TTY).is_err()) {
                // Every configuration has this, and the kernel refuses a group that is not there.
                options
                    .data
                    .retain(|param| param.key.as_c_str() != c"gid" || param.value.as_deref() != Some(c"5"));
            }
            let options = options.with_source(mount, "devpts", draft.mount_label.as_deref())?;
            new("devpts", path, options, Keep::No, draft)
        }
    }
}

fn sysctls(linux: &Linux, draft: &mut Draft) -> Result<()> {
    let mut all: Vec<_> = linux.sysctl().iter().flatten().collect();
    all.sort();
    if !all.is_empty() && !draft.own_proc {
        return Err(invalid("kernel parameters need a \"/proc\" of the container's own"));
    }
    for (name, value) in all {
        namespaced(name, linux)?;
        let file = format!("sys/{}", name.replace('.', "/"));
        draft.push(Step::Sysctl { name: text(&file)?, value: text(value)? });
    }
    Ok(())
}

/// Only parameters that belong to a namespace of the container's own: others would change the host.
fn namespaced(name: &str, linux: &Linux) -> Result<()> {
    use oci_spec::runtime::LinuxNamespaceType as Type;
    let ipc = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ];
    let space = match name {
        _ if name.contains('/') || name.contains("..") => {
            return Err(invalid(format!("bad kernel parameter {name:?}")));
        }
        _ if name.starts_with("net.") => Type::Network,
        _ if ipc.contains(&name) || name.starts_with("fs.mqueue.") => Type::Ipc,
        "kernel.domainname" => Type::Uts,
        _ => return Err(invalid(format!("kernel parameter {name:?} belongs to the host"))),
    };
    if is_own(linux, space) {
        return Ok(());
    }
    Err(invalid(format!(
        "kernel parameter {name:?} would change the host: the container shares its {space} namespace"
    )))
}
