//! An image on a directory of the caller's mount namespace, for reading.

use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountAttrFlags, MoveMountFlags, UnmountFlags, move_mount};
use store::Store;
use types::{Context, Error, Kind, Result};

use crate::view::stacked;

/// What a mount of ours has as its source, before the name of its record.
const SOURCE: &str = "longshore:";

/// Mounts an image's files on a directory. They stay in the store until it is unmounted, whoever does that.
///
/// # Errors
/// `NotFound` if image or directory are not there; what mounting says.
pub fn mount(store: &Store, wanted: &str, dir: &Path) -> Result<()> {
    let on = rustix::fs::open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| Error::io(format!("open {dir:?}"), e))?;
    let (image, used) = store.use_image(wanted)?;
    // Programs in it may run, as in a container; they have no more rights than who runs them.
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let tree = stacked(store, &image.layers, &used, attributes)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(&tree, "", &on, "", flags).map_err(|e| Error::io(format!("mount it on {dir:?}"), e))?;
    used.keep();
    Ok(())
}

/// Takes such a mount away.
///
/// # Errors
/// `NotFound` if no image is mounted there; `Conflict` if it is in use.
pub fn unmount(store: &Store, dir: &Path) -> Result<()> {
    let whole = dir.canonicalize().with_context(|| format!("find {dir:?}"))?;
    if !is_ours(&whole)? {
        return Err(Error::new(Kind::NotFound, "no image is mounted there"));
    }
    match rustix::mount::unmount(&whole, UnmountFlags::NOFOLLOW) {
        Err(rustix::io::Errno::BUSY) => {
            return Err(Error::new(Kind::Conflict, "somebody is in it").hint(format!(
                "fuser -vm {} says who; umount -l takes it away all the same",
                whole.display()
            )));
        }
        other => other.map_err(|e| Error::io("unmount it", e))?,
    }
    store.forget_uses()
}

/// Whether what is mounted there, and nothing below it, is of ours.
fn is_ours(dir: &Path) -> Result<bool> {
    let statx = |flags| {
        rustix::fs::statx(CWD, dir, rustix::fs::AtFlags::SYMLINK_NOFOLLOW, flags)
            .map_err(|e| Error::io(format!("look at {dir:?}"), e))
    };
    let seen = statx(rustix::fs::StatxFlags::MNT_ID)?;
    if !seen.stx_attributes.contains(rustix::fs::StatxAttributes::MOUNT_ROOT) {
        return Ok(false);
    }
    let table = std::fs::read("/proc/self/mountinfo").context("read the mount table")?;
    let id = seen.stx_mnt_id.to_string();
    Ok(String::from_utf8_lossy(&table).lines().any(|line| {
        let source = line.split_once(" - ").and_then(|(_, rest)| rest.split(' ').nth(1));
        line.split(' ').next() == Some(&id) && source.is_some_and(|source| source.starts_with(SOURCE))
    }))
}
