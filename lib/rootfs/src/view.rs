//! What an image looks like: its layers stacked by the kernel, for reading, and in no mount table.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::mount::MountAttrFlags;
use store::{Image, Store, Use};
use sys::overlay::{Overlay, stack};
use types::digest::Digest;
use types::{Context, Error, Result};

/// An image's files. Its layers stay in the store as long as this lives.
#[derive(Debug)]
pub struct View<'s> {
    image: Image,
    root: OwnedFd,
    /// Without it the mount ends.
    _tree: OwnedFd,
    _used: Use<'s>,
}

impl<'s> View<'s> {
    /// Looks at an image.
    ///
    /// # Errors
    /// `NotFound` if it is not there or not unpacked; what mounting an overlay says.
    pub fn of(store: &'s Store, wanted: &str) -> Result<Self> {
        let (image, used) = store.use_image(wanted)?;
        // Nothing in it may act on the host, whoever gets at the descriptor.
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let tree = stacked(store, &image.layers, &used, attributes)
            .with_context(|| format!("look into image {wanted:?}"))?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(&tree, ".", flags, Mode::empty())
            .map_err(|e| Error::io(format!("look into image {wanted:?}"), e))?;
        Ok(Self { image, root, _tree: tree, _used: used })
    }

    /// The root directory.
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The image.
    #[must_use]
    pub const fn image(&self) -> &Image {
        &self.image
    }
}

/// A detached mount of layers, given lowest first, that nobody can write to.
pub(crate) fn stacked(
    store: &Store,
    layers: &[Digest],
    used: &Use<'_>,
    attributes: MountAttrFlags,
) -> Result<OwnedFd> {
    // An empty directory at the bottom: overlayfs wants two, and in the lowest one of a single layer a
    // whiteout would be seen as the device that it is.
    let mut lowers = vec![store.empty_dir()?];
    for layer in layers {
        lowers.push(store.layer_dir(layer)?);
    }
    let top_first: Vec<_> = lowers.iter().rev().map(AsFd::as_fd).collect();
    let overlay = Overlay { lowers: &top_first, upper: None, source: Some(&used.source()) };
    stack(&overlay, attributes | MountAttrFlags::MOUNT_ATTR_RDONLY)
}
