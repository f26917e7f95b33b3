//! The root file system: layers stacked by overlayfs, detached from every mount table.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};
use sys::mount::{MountAttr, set_attr};
use types::{Context, Error, Result};

pub use sys::overlay::{Overlay, Upper};

/// A root file system that no mount table has. It is mounted by [`crate::start`] in the container's
/// own mount namespace only; drop it afterwards, or it keeps the layers busy.
#[derive(Debug)]
pub struct Rootfs {
    tree: OwnedFd,
    /// The name of the directory that it is.
    name: Option<PathBuf>,
}

impl Rootfs {
    /// Stacks layers.
    ///
    /// # Errors
    /// If there are no layers or too many for this kernel, or the kernel refuses.
    pub fn overlay(overlay: &Overlay<'_>) -> Result<Self> {
        let tree = sys::overlay::stack(overlay, MountAttrFlags::empty())?;
        Ok(Self { tree, name: None })
    }

    /// Uses a directory tree as it is; what the container writes goes into it.
    ///
    /// # Errors
    /// If it cannot be cloned.
    pub fn directory(dir: BorrowedFd<'_>) -> Result<Self> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH
            | OpenTreeFlags::AT_RECURSIVE;
        let tree = open_tree(dir, "", flags).map_err(|e| Error::io("clone root directory", e))?;
        let private = MountAttr { propagation: libc::MS_PRIVATE, ..MountAttr::default() };
        set_attr(tree.as_fd(), private, true).context("make root directory private")?;
        // Read now: the clone has no name any more.
        let name = std::fs::read_link(format!("/proc/self/fd/{}", dir.as_raw_fd())).ok();
        Ok(Self { tree, name })
    }

    /// The detached mount. Names are resolved in it with `openat2` and `RESOLVE_IN_ROOT`.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.tree.as_fd()
    }

    /// The directory that it is, if it is one, for a container that is in another mount namespace.
    pub(crate) fn name(&self) -> Option<&Path> {
        self.name.as_deref()
    }
}
