//! Mounts, all by descriptor: a name of the container is resolved once, inside its root.

use core::ffi::CStr;

use crate::apply::State;
use crate::call::{self, IN_ROOT, PLAIN};
use crate::{Errno, Fd, Follow, Keep, Kind, NewMount, Node, Prepared, Remount, Target, dangling};

const PROC_SUPER_MAGIC: i64 = 0x9fa0;
pub const RDONLY: u64 = 1;
pub const NOSUID: u64 = 2;
pub const NODEV: u64 = 4;
pub const NOEXEC: u64 = 8;

impl State {
    pub(crate) fn attach_root(&mut self, tree: Fd, at: &CStr) -> Result<(), Errno> {
        call::move_mount_to(tree, at)?;
        self.root = tree;
        Ok(())
    }

    /// The name is one of the host's user and of the mount namespace that was joined, not of an image.
    pub(crate) fn copy_root(&mut self, path: &CStr) -> Result<(), Errno> {
        let dir = call::open(libc::AT_FDCWD, path, libc::O_PATH | libc::O_DIRECTORY, 0)?;
        self.root = call::clone_tree(dir, true)?;
        call::close(dir);
        Ok(())
    }

    pub(crate) fn open_null(&mut self) -> Result<(), Errno> {
        let fd = call::open(libc::AT_FDCWD, c"/dev/null", libc::O_PATH | libc::O_NOFOLLOW, 0)?;
        let stat = call::fstat(fd)?;
        if stat.st_mode & libc::S_IFMT != libc::S_IFCHR || stat.st_rdev != libc::makedev(1, 3) {
            return Err(libc::ENODEV);
        }
        self.null = fd;
        Ok(())
    }

    pub(crate) fn mount<P: Prepared>(&mut self, new: &NewMount<P>) -> Result<(), Errno> {
        let fs = call::fsopen(new.fs.as_ref())?;
        for param in new.params.as_ref() {
            let value = param.value.as_ref().map(AsRef::as_ref);
            call::fsconfig_set(fs, param.key.as_ref(), value)?;
        }
        call::fsconfig_create(fs)?;
        let tree = call::fsmount(fs, new.attr)?;
        call::close(fs);
        if let Some(label) = &new.label {
            call::label_of(tree, label.as_ref())?;
        }
        if new.propagation != 0 {
            call::mount_propagate(tree, new.propagation, false)?;
        }
        self.place(tree, &new.at)?;
        match new.keep {
            Keep::No => call::close(tree),
            Keep::Proc => self.proc = tree,
            Keep::Dev => self.dev = tree,
        }
        Ok(())
    }

    /// Mounts a tree that can be cloned. Returns what is mounted.
    pub(crate) fn bind<P: Prepared>(
        &self,
        tree: Fd,
        renew: bool,
        propagation: u64,
        at: &Target<P>,
    ) -> Result<Fd, Errno> {
        let tree = if renew { self.renew(tree).unwrap_or(tree) } else { tree };
        self.place(tree, at)?;
        if propagation != 0 {
            call::mount_propagate(tree, propagation, true)?;
        }
        Ok(tree)
    }

    /// Clones a tree once more. The kernel lists mounts in the order in which they were made (Linux 6.8),
    /// and those of the parent are older than all that is made here: where two are on one place, the list
    /// would name the wrong one last. Only what is mounted in this namespace can be cloned here, so the
    /// parent's is put on a directory of our copy of the host's tree that nobody needs, and goes with that
    /// tree: to unmount it would be to wait for a grace period. Where that cannot be, the order is lost.
    fn renew(&self, tree: Fd) -> Option<Fd> {
        call::move_mount_to(tree, c"/proc/fs").ok()?;
        call::clone_tree(tree, true).ok()
    }

    /// Mounts a detached tree.
    pub(crate) fn place<P: Prepared>(&self, tree: Fd, at: &Target<P>) -> Result<(), Errno> {
        let target = self.find_or_make(at)?;
        // A link of the image must not lead a mount of the user onto a file of procfs, which later
        // writes of ours or of the container would then go to (CVE-2019-16884 and its kin).
        if !at.in_proc && call::filesystem(target)? == PROC_SUPER_MAGIC {
            return Err(libc::EXDEV);
        }
        // The kernel would say EINVAL for this, and for many other things.
        let is_dir = call::fstat(target)?.st_mode & libc::S_IFMT == libc::S_IFDIR;
        match (at.kind, is_dir) {
            (Kind::Dir, false) => return Err(libc::ENOTDIR),
            (Kind::File, true) => return Err(libc::EISDIR),
            _ => {}
        }
        self.attach(tree, target, at.path.as_ref(), at.follow)?;
        call::close(target);
        Ok(())
    }

    /// Mounts a tree on an open place, then looks whether it is what the place's name leads to: others
    /// that can write in a directory above may have exchanged it meanwhile (CVE-2021-30465 and its kin).
    fn attach(&self, tree: Fd, target: Fd, path: &CStr, follow: Follow) -> Result<(), Errno> {
        call::move_mount(tree, target)?;
        let there = self.find(path, follow)?;
        let same = call::mount_id(there)? == call::mount_id(tree)?;
        call::close(there);
        if same { Ok(()) } else { Err(libc::ESTALE) }
    }

    /// Opens a place, and creates what is missing of it, also if that is where a link leads.
    pub(crate) fn find_or_make<P: Prepared>(&self, at: &Target<P>) -> Result<Fd, Errno> {
        match self.find_or_make_plain(at) {
            Err(libc::ENOENT) if at.follow == Follow::InRoot => {
                dangling::make_all(self.root, at.path.as_ref(), at.kind)
            }
            found => found,
        }
    }

    /// The same one component at a time, for places without links that lead to nothing.
    fn find_or_make_plain<P: Prepared>(&self, at: &Target<P>) -> Result<Fd, Errno> {
        match self.find(at.path.as_ref(), at.follow) {
            Err(libc::ENOENT) => {}
            found => return found,
        }
        let parts = at.parts.as_ref();
        // Usually only the last component is missing.
        if let [.., above, last] = parts
            && let Ok(parent) = self.find(above.prefix.as_ref(), at.follow)
        {
            make(parent, last.name.as_ref(), at.kind)?;
            call::close(parent);
            return self.find(at.path.as_ref(), at.follow);
        }
        let mut parent = self.root;
        for (i, part) in parts.iter().enumerate() {
            let prefix = part.prefix.as_ref();
            let next = match self.find(prefix, at.follow) {
                Err(libc::ENOENT) => {
                    let last = i.wrapping_add(1) == parts.len();
                    make(parent, part.name.as_ref(), if last { at.kind } else { Kind::Dir })?;
                    self.find(prefix, at.follow)?
                }
                found => found?,
            };
            if parent != self.root {
                call::close(parent);
            }
            parent = next;
        }
        Ok(parent)
    }

    fn find(&self, path: &CStr, follow: Follow) -> Result<Fd, Errno> {
        match follow {
            Follow::InRoot => call::openat2(self.root, path, libc::O_PATH, IN_ROOT),
            // Without O_NOFOLLOW, which would open a link at the end instead of refusing it.
            Follow::Never => call::openat2(self.root, path, libc::O_PATH, PLAIN),
        }
    }

    /// A device node outside of a `/dev` of ours. One that is there already must be the same.
    pub(crate) fn device<P: Prepared>(&self, node: &Node<P>) -> Result<(), Errno> {
        let parent = self.find_or_make(&node.parent)?;
        let name = node.name.as_ref();
        match call::mknodat(parent, name, node.mode, node.device) {
            Err(libc::EEXIST) => {
                let there = call::open(parent, name, libc::O_PATH | libc::O_NOFOLLOW, 0)?;
                let stat = call::fstat(there)?;
                call::close(there);
                let kind = libc::S_IFMT;
                if stat.st_mode & kind != node.mode & kind || stat.st_rdev != node.device {
                    return Err(libc::EEXIST);
                }
            }
            made => {
                made?;
                call::fchownat(parent, name, node.uid, node.gid)?;
            }
        }
        call::close(parent);
        Ok(())
    }

    /// A link outside of a `/dev` of ours. What the image has in its place is the image's, or must say the same.
    pub(crate) fn link<P: Prepared>(
        &self,
        at: &Target<P>,
        name: &CStr,
        to: &CStr,
        exact: bool,
    ) -> Result<(), Errno> {
        let parent = self.find_or_make(at)?;
        let made = match call::symlinkat(to, parent, name) {
            Err(libc::EEXIST) if exact && !says(parent, name, to)? => Err(libc::EEXIST),
            Err(libc::EEXIST) => Ok(()),
            made => made,
        };
        call::close(parent);
        made
    }

    pub(crate) fn console(&self, terminal: Fd) -> Result<(), Errno> {
        make(self.dev, c"console", Kind::File)?;
        let target = call::openat2(self.dev, c"console", libc::O_PATH, PLAIN)?;
        let tree = call::clone_tree(terminal, false)?;
        // In a `/dev` of ours, which nobody else can reach yet.
        call::move_mount(tree, target)?;
        call::close(tree);
        call::close(target);
        Ok(())
    }

    /// Hides a path. What does not exist needs no hiding; everything else is an error.
    pub(crate) fn mask(&mut self, path: &CStr) -> Result<(), Errno> {
        let target = match self.find(path, Follow::Never) {
            Err(libc::ENOENT | libc::ENOTDIR) => return Ok(()),
            found => found?,
        };
        if call::fstat(target)?.st_mode & libc::S_IFMT == libc::S_IFDIR {
            self.mask_dir(target, path)?;
        } else {
            let tree = call::clone_tree(self.null, false)?;
            self.attach(tree, target, path, Follow::Never)?;
            call::close(tree);
        }
        call::close(target);
        Ok(())
    }

    /// One empty directory serves all: the first is mounted, the others are clones of it.
    fn mask_dir(&mut self, target: Fd, path: &CStr) -> Result<(), Errno> {
        if self.empty >= 0 {
            let tree = call::clone_tree(self.empty, false)?;
            self.attach(tree, target, path, Follow::Never)?;
            call::close(tree);
            return Ok(());
        }
        let fs = call::fsopen(c"tmpfs")?;
        call::fsconfig_set(fs, c"size", Some(c"4k"))?;
        call::fsconfig_set(fs, c"mode", Some(c"755"))?;
        call::fsconfig_create(fs)?;
        self.empty = call::fsmount(fs, RDONLY | NOSUID | NODEV | NOEXEC)?;
        call::close(fs);
        self.attach(self.empty, target, path, Follow::Never)
    }

    pub(crate) fn read_only_path(&self, path: &CStr) -> Result<(), Errno> {
        let target = match self.find(path, Follow::Never) {
            Err(libc::ENOENT | libc::ENOTDIR) => return Ok(()),
            found => found?,
        };
        let tree = call::clone_tree(target, true)?;
        call::mount_set(tree, RDONLY, true)?;
        self.attach(tree, target, path, Follow::Never)?;
        call::close(tree);
        call::close(target);
        Ok(())
    }

    /// What is not the root of a mount is refused by the kernel.
    pub(crate) fn remount<P: Prepared>(&self, change: &Remount<P>) -> Result<(), Errno> {
        let target = self.find(change.path.as_ref(), change.follow)?;
        if change.set | change.clear != 0 {
            call::mount_alter(target, change.set, change.clear, change.recursive)?;
        }
        if change.propagation != 0 {
            call::mount_propagate(target, change.propagation, change.recursive)?;
        }
        call::close(target);
        Ok(())
    }

    pub(crate) fn seal_root(&self) -> Result<(), Errno> {
        call::mount_set(self.root, RDONLY, false)
    }

    /// After this the host's tree cannot be named any more, and `/` is the container's.
    pub(crate) fn pivot(&self) -> Result<(), Errno> {
        call::fchdir(self.root)?;
        call::pivot_root_here()?;
        // "." is now the old root, stacked on the new one at the same place.
        call::detach_here()?;
        call::chdir_root()
    }

    /// As [`State::pivot`] for a tree that is in no mount table: what is mounted in the namespace stays, and
    /// cannot be named from here.
    pub(crate) fn chroot(&self) -> Result<(), Errno> {
        call::fchdir(self.root)?;
        call::chroot_here()?;
        call::chdir_root()
    }
}

/// Tells whether something is a symbolic link that says this.
fn says(dir: Fd, name: &CStr, to: &CStr) -> Result<bool, Errno> {
    let there = call::open(dir, name, libc::O_PATH | libc::O_NOFOLLOW, 0)?;
    let mut buffer = [0; 4096];
    let length = match call::readlink(there, &mut buffer) {
        // No link (readlinkat(2), of an empty path).
        Err(libc::ENOENT | libc::EINVAL) => return Ok(false),
        other => other?,
    };
    call::close(there);
    Ok(buffer.get(..length) == Some(to.to_bytes()))
}

/// Creates one component. That it exists already is fine: it is looked up again by the caller.
pub(crate) fn make(dir: Fd, name: &CStr, kind: Kind) -> Result<(), Errno> {
    let made = match kind {
        Kind::Dir => call::mkdirat(dir, name, 0o755),
        Kind::File => {
            call::open(dir, name, libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW, 0o644).map(call::close)
        }
    };
    match made {
        Err(libc::EEXIST) => Ok(()),
        done => done,
    }
}
