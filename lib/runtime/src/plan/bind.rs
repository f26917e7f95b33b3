//! Binds: trees of the host.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use child::{Kind, Target};
use oci_spec::runtime::Mount;
use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};
use sys::mount::{MountAttr, set_attr};
use types::{Error, Result};

use super::mounts::follow;
use super::options::Options;
use super::target::{host_path, refuse_proc, target};
use super::{Draft, Owned, Step, idmap, invalid, text};

/// A tree of the host, cloned by descriptor now; attributes are set before anybody can see it.
pub fn plan(mount: &Mount, path: &str, options: &Options, draft: &mut Draft) -> Result<()> {
    let source =
        mount.source().as_ref().ok_or_else(|| invalid(format!("mount on \"/{path}\" has no source")))?;
    if options.copy_link && copy_link(source, path, draft)? {
        return Ok(());
    }
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
    if path == "proc" && !is_procfs(&tree).map_err(failed)? {
        refuse_proc(path)?;
    }
    // Private also where the host's mount is shared: otherwise what the container mounts below it
    // would appear on the host.
    idmap::apply(mount, options, &tree, draft)?;
    for (change, recursive) in changes(options) {
        set_attr(tree.as_fd(), change, recursive).map_err(|e| Error::io(format!("bind {source:?}"), e))?;
    }
    let at = bind_target(path, &tree).map_err(failed)??;
    let tree = draft.hold(tree);
    draft.placed.tree(path, tree);
    let propagation = if options.propagation == libc::MS_UNBINDABLE { libc::MS_UNBINDABLE } else { 0 };
    draft.push(Step::Bind { tree, keep: false, renew: draft.own_mounts, propagation, at });
    Ok(())
}

/// `copy-symlink`: makes the link that the source is, if it is one. What is there already must say the same.
fn copy_link(source: &Path, path: &str, draft: &mut Draft) -> Result<bool> {
    let to = match rustix::fs::readlinkat(CWD, source, Vec::new()) {
        Err(rustix::io::Errno::INVAL) => return Ok(false),
        other => other.map_err(|e| Error::io(format!("read link {source:?}"), e))?,
    };
    if ["proc", "dev", "sys"].contains(&path) {
        return Err(invalid(format!("\"/{path}\" cannot be a link")));
    }
    let (dir, name) = path.rsplit_once('/').unwrap_or((".", path));
    let parent = target(dir, Kind::Dir, follow(path))?;
    draft.push(Step::Link { parent, name: text(name)?, to, exact: true });
    Ok(true)
}

/// The root of a procfs, and so what belongs on `/proc`: engines without a right to mount one bind the host's
/// if the container shares its processes. Anything else there would take in who reads it (CVE-2019-16884).
fn is_procfs(tree: &OwnedFd) -> rustix::io::Result<bool> {
    /// Constant in the kernel (`PROC_ROOT_INO`).
    const ROOT: u64 = 1;
    let of_proc = rustix::fs::fstatfs(tree)?.f_type == libc::PROC_SUPER_MAGIC;
    Ok(of_proc && rustix::fs::fstat(tree)?.st_ino == ROOT)
}

/// What to change of a bind: first all of it, then the topmost mount alone, if it is to differ.
fn changes(options: &Options) -> impl Iterator<Item = (MountAttr, bool)> {
    let propagation = match options.propagation {
        libc::MS_UNBINDABLE => libc::MS_PRIVATE, // when it is in place
        other => other,
    };
    let deep = MountAttr { set: options.deep_set, clear: options.deep_clear, propagation };
    let top = MountAttr { set: options.set, clear: options.clear, propagation: 0 };
    let differs = top.set | top.clear != 0;
    [(deep, true), (top, false)].into_iter().filter(move |(_, recursive)| *recursive || differs)
}

fn bind_target(path: &str, tree: &OwnedFd) -> rustix::io::Result<Result<Target<Owned>>> {
    let stat = rustix::fs::fstat(tree)?;
    let dir = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir();
    Ok(target(path, if dir { Kind::Dir } else { Kind::File }, follow(path)))
}
