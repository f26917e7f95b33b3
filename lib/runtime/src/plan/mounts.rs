//! The container's mount tree.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use child::{Follow, Keep, Kind, NewMount, Param, Target};
use oci_spec::runtime::{Linux, LinuxIdMapping, Mount, Spec};
use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};
use sys::mount::{MountAttr, set_attr};
use types::{Error, Result};

use super::options::{Depth, Options};
use super::target::{below, host_path, inside, refuse_proc, target};
use super::{Draft, Owned, Step, devices, hooks, invalid, text};
use crate::Launch;

/// Appends everything from the new mount namespace to the root switch.
pub fn plan(spec: &Spec, linux: &Linux, cwd: &Path, inputs: &Launch<'_>, draft: &mut Draft) -> Result<()> {
    draft.push(Step::OpenNull);
    draft.push(Step::Propagation(libc::MS_REC | libc::MS_PRIVATE));
    let at = hooks::root_place(spec, inputs)?;
    draft.push(Step::AttachRoot { tree: inputs.rootfs.fd().as_raw_fd(), at });
    for mount in spec.mounts().iter().flatten() {
        one(mount, linux, inputs, draft)?;
    }
    if inputs.console.is_some() && !draft.own_dev {
        return Err(invalid("a terminal needs a \"/dev\" of type tmpfs"));
    }
    hooks::before_pivot(spec, draft)?;
    sysctls(linux, draft)?;
    for path in linux.masked_paths().iter().flatten() {
        draft.push(Step::Mask(text(&inside(Path::new(path))?)?));
    }
    for path in linux.readonly_paths().iter().flatten() {
        draft.push(Step::ReadOnlyPath(text(&inside(Path::new(path))?)?));
    }
    if cwd != Path::new("/") {
        draft.push(Step::MakeDir(target(&inside(cwd)?, Kind::Dir, Follow::InRoot)?));
    }
    if spec.root().as_ref().and_then(|root| root.readonly()).unwrap_or(false) {
        draft.push(Step::SealRoot);
    }
    draft.push(Step::Pivot);
    if let Some((flag, recursive)) = root_propagation(linux)? {
        draft.push(Step::RootPropagation { flag, recursive });
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
    if kind != "proc" || path != "proc" {
        refuse_proc(&path)?;
    }
    let mapped = options.idmap.is_some() || mount.uid_mappings().is_some() || mount.gid_mappings().is_some();
    match kind {
        _ if mapped && !options.bind && kind != "bind" => {
            Err(super::unsupported(format!("mapping of owners of the new file system on \"/{path}\"")))
        }
        _ if options.bind => bind(mount, &path, &options, draft),
        "bind" => bind(mount, &path, &Options { bind: true, ..options }, draft),
        "cgroup" | "cgroup2" => cgroup(&path, &options, inputs, draft),
        "devpts" => devpts(mount, &path, options, inputs, draft),
        "" => Err(invalid(format!("mount on \"/{path}\" has no type"))),
        fs => {
            let keep = match (fs, path.as_str()) {
                ("proc", "proc") => Keep::Proc,
                ("tmpfs", "dev") => Keep::Dev,
                _ => Keep::No,
            };
            new(fs, &path, options.with_source(mount)?, keep, draft)?;
            draft.own_proc |= keep == Keep::Proc;
            if keep == Keep::Dev {
                draft.own_dev = true;
                devices::plan(linux.devices().as_deref().unwrap_or_default(), draft)?;
            }
            Ok(())
        }
    }
}

/// `/proc`, `/dev` and `/sys` are directories of the image that we mount system file systems on: a
/// symbolic link there is an attack. Elsewhere links are part of an ordinary image.
fn follow(path: &str) -> Follow {
    let system = ["proc", "dev", "sys"].iter().any(|dir| below(path, dir));
    if system { Follow::Never } else { Follow::InRoot }
}

fn new(fs: &str, path: &str, options: Options, keep: Keep, draft: &mut Draft) -> Result<()> {
    draft.push(Step::Mount(NewMount {
        fs: text(fs)?,
        attr: options.attributes(),
        propagation: if options.propagation == libc::MS_PRIVATE { 0 } else { options.propagation },
        params: options.data,
        at: target(path, Kind::Dir, follow(path))?,
        keep,
    }));
    Ok(())
}

/// A tree of the host, cloned by descriptor now; attributes are set before anybody can see it.
fn bind(mount: &Mount, path: &str, options: &Options, draft: &mut Draft) -> Result<()> {
    let source =
        mount.source().as_ref().ok_or_else(|| invalid(format!("mount on \"/{path}\" has no source")))?;
    // What has a value is for a file system that is made, and a bind makes none (mount(2): data is ignored).
    // A word that nobody knows may be a misspelt "noexec".
    let words = options.data.iter().filter(|param| param.value.is_none());
    let words: Vec<_> = words.map(|param| param.key.to_string_lossy().into_owned()).collect();
    if !words.is_empty() {
        return Err(invalid(format!("bind of {source:?} has options {words:?}")));
    }
    let failed = |e: rustix::io::Errno| Error::io(format!("bind {source:?} on \"/{path}\""), e);
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if options.recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let tree = open_tree(CWD, &host_path(source)?, flags).map_err(failed)?;
    // Private also where the host's mount is shared: otherwise what the container mounts below it
    // would appear on the host.
    map_ids(mount, options, &tree)?;
    for (change, recursive) in changes(options) {
        set_attr(tree.as_fd(), change, recursive).map_err(|e| Error::io(format!("bind {source:?}"), e))?;
    }
    let at = bind_target(path, &tree).map_err(failed)??;
    let tree = draft.hold(tree);
    draft.push(Step::Move { tree, at });
    Ok(())
}

/// Maps the owners that a bind shows. Without mappings of its own, `idmap` would mean those of the
/// container's user namespace.
fn map_ids(mount: &Mount, options: &Options, tree: &OwnedFd) -> Result<()> {
    let (uids, gids) = (lines(mount.uid_mappings().as_deref()), lines(mount.gid_mappings().as_deref()));
    let at = mount.destination();
    if uids.is_empty() != gids.is_empty() {
        return Err(invalid(format!("mount on {at:?} has mappings of users or of groups, and needs both")));
    }
    if uids.is_empty() {
        return match options.idmap {
            Some(_) => Err(invalid(format!("mount on {at:?} has \"idmap\" and no mappings"))),
            None => Ok(()),
        };
    }
    let failed = |e| Error::io(format!("map owners of the mount on {at:?}"), e);
    let namespace = sys::userns::with_mappings(&uids, &gids).map_err(failed)?;
    let all = options.idmap == Some(Depth::All);
    sys::mount::map_ids(tree.as_fd(), namespace.as_fd(), all)
        .map_err(|e| failed(e).hint("not every file system can map owners"))
}

/// Mappings in the form of `/proc/PID/uid_map`.
fn lines(mappings: Option<&[LinuxIdMapping]>) -> String {
    let line = |m: &LinuxIdMapping| format!("{} {} {}\n", m.container_id(), m.host_id(), m.size());
    mappings.iter().copied().flatten().map(line).collect()
}

/// What to change of a bind: first all of it, then the topmost mount alone, if it is to differ.
fn changes(options: &Options) -> impl Iterator<Item = (MountAttr, bool)> {
    let deep =
        MountAttr { set: options.deep_set, clear: options.deep_clear, propagation: options.propagation };
    let top = MountAttr { set: options.set, clear: options.clear, propagation: 0 };
    let differs = top.set | top.clear != 0;
    [(deep, true), (top, false)].into_iter().filter(move |(_, recursive)| *recursive || differs)
}

fn bind_target(path: &str, tree: &OwnedFd) -> rustix::io::Result<Result<Target<Owned>>> {
    let stat = rustix::fs::fstat(tree)?;
    let dir = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir();
    Ok(target(path, if dir { Kind::Dir } else { Kind::File }, follow(path)))
}

/// With a terminal, its devpts was made by the parent; else a fresh one.
fn devpts(mount: &Mount, path: &str, options: Options, inputs: &Launch<'_>, draft: &mut Draft) -> Result<()> {
    let terminal = inputs.console.and_then(|console| Some((console.devpts()?, console.slave())));
    match terminal {
        Some((devpts, slave)) if path == "dev/pts" => {
            let at = target(path, Kind::Dir, Follow::Never)?;
            draft.push(Step::Move { tree: devpts.as_raw_fd(), at });
            draft.push(Step::Console(slave.as_raw_fd()));
            Ok(())
        }
        _ => new("devpts", path, options.with_source(mount)?, Keep::No, draft),
    }
}

/// cgroup v2 is one file system. Of v1 only the controllers that the container has a group in are
/// shown, because the others would show the host's.
fn cgroup(path: &str, options: &Options, inputs: &Launch<'_>, draft: &mut Draft) -> Result<()> {
    let plain = |set| Options { set, ..Options::default() };
    if inputs.cgroup.is_unified() {
        return new("cgroup2", path, plain(options.attributes()), Keep::No, draft);
    }
    let mut dir = plain(options.attributes() & !MountAttr::RDONLY);
    dir.data.push(Param { key: text("mode")?, value: Some(text("755")?) });
    new("tmpfs", path, dir, Keep::No, draft)?;
    for (name, dir) in inputs.cgroup.dirs() {
        // The group's own directory, which is the root of the container's cgroup namespace; cheaper
        // than to mount each hierarchy once more.
        let failed = |e: rustix::io::Errno| Error::io(format!("clone cgroup directory {name:?}"), e);
        let flags =
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
        let tree = open_tree(dir, "", flags).map_err(failed)?;
        let change = MountAttr { set: options.attributes(), clear: 0, propagation: libc::MS_PRIVATE };
        set_attr(tree.as_fd(), change, false).map_err(|e| Error::io(format!("bind cgroup {name:?}"), e))?;
        let tree = draft.hold(tree);
        let at = target(&format!("{path}/{name}"), Kind::Dir, Follow::Never)?;
        draft.push(Step::Move { tree, at });
    }
    if options.read_only() {
        draft.push(Step::SealMount(text(path)?));
    }
    Ok(())
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
    let own =
        |typ| linux.namespaces().iter().flatten().any(|space| space.typ() == typ && space.path().is_none());
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
    if own(space) {
        return Ok(());
    }
    Err(invalid(format!(
        "kernel parameter {name:?} would change the host: the container shares its {space} namespace"
    )))
}
