//! Unpacked layers: one directory each, named by the digest of the uncompressed archive, never
//! changed once it has that name.
//!
//! A layer is unpacked in `tmp`, in a directory that its writer locks: what a killed pull leaves
//! behind has no holder, and the next pull sweeps it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use types::digest::Digest;
use types::{Context, Error, Kind, Result};

use crate::layout::in_layer as name;
use crate::{LockMode, LockedDir, Place, Slot, Store, Sync, layout};

/// What is known of an unpacked layer: `layers/sha256/HEX/layer.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRecord {
    /// Bytes of the content of its files, as `docker images` counts them.
    pub size: u64,
    /// Entries of its archive.
    pub entries: u64,
}

/// A layer that is being unpacked. Dropping it removes what was unpacked.
#[must_use = "dropping it removes what was unpacked"]
#[derive(Debug)]
pub struct StagedLayer<'s> {
    store: &'s Store,
    place: Option<Place>,
    lock: LockedDir,
    tree: OwnedFd,
    /// What it has to be; `None` if that is found out by unpacking it.
    expected: Option<Digest>,
}

/// An unpacked layer whose digest is right. Proof for [`Store::commit_image`].
#[must_use = "dropping it removes what was unpacked"]
#[derive(Debug)]
pub struct SealedLayer<'s> {
    staged: StagedLayer<'s>,
    digest: Digest,
}

impl Store {
    /// Whether a layer is unpacked.
    #[must_use]
    pub fn has_layer(&self, digest: &Digest) -> bool {
        self.exists(&layout::layer(digest)).unwrap_or(false) // it is fetched again then
    }

    /// The tree of a layer, for a lower directory of an overlay.
    ///
    /// # Errors
    /// `NotFound` if it is not unpacked.
    pub fn layer_dir(&self, digest: &Digest) -> Result<OwnedFd> {
        self.open_dir(&layout::layer(digest).join(name::TREE)).map_err(|e| {
            let missing = e.kind() == Kind::NotFound;
            let e = e.within(format!("open layer {digest}"));
            if missing { e.hint("the layer is not unpacked: pull the image again") } else { e }
        })
    }

    /// The path of that tree, for the few interfaces that take no descriptor.
    #[must_use]
    pub fn layer_place(&self, digest: &Digest) -> Place {
        layout::layer(digest).join(name::TREE)
    }

    /// A layer below all others with what every container mounts over: where an image lacks it,
    /// nothing has to be made in the writable layer at each start. Whatever the image has in
    /// these places hides it, and its directories decide owner and mode.
    ///
    /// # Errors
    /// If it is not there and cannot be made.
    pub fn mountpoints(&self) -> Result<OwnedFd> {
        let place = layout::mountpoints();
        match self.open_dir(&place) {
            Err(e) if e.kind() == Kind::NotFound => {}
            other => return other,
        }
        let (tmp, lock) = self.locked_tmp()?;
        let made = make_mountpoints(lock.dir())
            .map_err(|e| Error::io(format!("make {:?}", self.absolute(&place)), e))
            .and_then(|()| self.rename(&tmp, &place));
        if made.is_err() {
            self.delete_quietly(&tmp)?;
        }
        // It is there also if somebody else has made it meanwhile.
        self.open_dir(&place).map_err(|e| made.err().unwrap_or(e))
    }

    /// A directory that is empty, to stack layers on: overlayfs wants two, and shows what a whiteout is in a
    /// directory that it does not merge.
    ///
    /// # Errors
    /// As [`Store::mountpoints`].
    pub fn empty_dir(&self) -> Result<OwnedFd> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        rustix::fs::openat(self.mountpoints()?, EMPTY, flags, Mode::empty())
            .map_err(|e| Error::io("open an empty directory", e))
    }

    /// What is known of a layer; `None` if it is not unpacked.
    pub fn layer_record(&self, digest: &Digest) -> Result<Option<LayerRecord>> {
        self.read_json(&layout::layer(digest).join(name::RECORD))
    }

    /// Makes a place to unpack a layer in.
    pub fn stage_layer(&self, digest: &Digest) -> Result<Slot<StagedLayer<'_>>> {
        if self.has_layer(digest) {
            return Ok(Slot::Present);
        }
        let staged = self.place_for_layer(Some(*digest));
        staged.map(Slot::Missing).with_context(|| format!("make a place for layer {digest}"))
    }

    /// Makes a place for a layer whose digest nobody knows yet, such as one that is made here.
    pub fn stage_new_layer(&self) -> Result<StagedLayer<'_>> {
        self.place_for_layer(None).context("make a place for a layer")
    }

    fn place_for_layer(&self, expected: Option<Digest>) -> Result<StagedLayer<'_>> {
        let (place, lock) = self.locked_tmp()?;
        let tree = rustix::fs::mkdirat(lock.dir(), name::TREE, Mode::from(0o755))
            .map_err(std::io::Error::from)
            .context("make")
            .and_then(|()| self.open_dir(&place.join(name::TREE)))?;
        Ok(StagedLayer { store: self, place: Some(place), lock, tree, expected })
    }

    /// A new directory in `tmp` that is locked by us.
    pub(crate) fn locked_tmp(&self) -> Result<(Place, LockedDir)> {
        loop {
            let place = layout::tmp_layer(&crate::fs::random_name());
            self.make_dir(&place)?;
            match self.lock_dir(&place, LockMode::Exclusive) {
                // A sweeper took the lock first, in the moment between the two calls.
                Err(e) if e.kind() == Kind::NotFound => {}
                other => return other.map(|lock| (place, lock)),
            }
        }
    }

    /// Removes what killed pulls and removers left in `tmp`.
    pub fn sweep_layers(&self) -> Result<()> {
        for left in self.list(&layout::tmp_in(crate::Area::Root))? {
            let Some(place) = layout::tmp_layer_named(&left) else { continue };
            match self.try_lock_dir(&place, LockMode::Exclusive) {
                Ok(Some(_lock)) => self.delete_quietly(&place)?,
                Ok(None) => {}
                Err(e) if e.kind() == Kind::NotFound => {}
                Err(e) => return Err(e.within("sweep what a killed pull left")),
            }
        }
        Ok(())
    }

    /// Deletes a tree that somebody else may be deleting too.
    pub(crate) fn delete_quietly(&self, place: &Place) -> Result<()> {
        match self.delete(place) {
            Err(e) if e.kind() == Kind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Takes a layer's name away, in one step, and returns what is to be deleted.
    pub(crate) fn unname_layer(&self, digest: &Digest) -> Result<Option<Place>> {
        let trash = layout::tmp_layer(&crate::fs::random_name());
        match self.rename(&layout::layer(digest), &trash) {
            Ok(()) => Ok(Some(trash)),
            Err(e) if e.kind() == Kind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Directories, and the files in them, that a container's own file systems and files are mounted on.
const MOUNTPOINTS: &[(&str, &[&str])] =
    &[("proc", &[]), ("sys", &[]), ("dev", &[]), ("etc", &["hosts", "hostname", "resolv.conf"])];

/// One of them without files.
const EMPTY: &str = "proc";

fn make_mountpoints(tmp: BorrowedFd<'_>) -> Result<(), Errno> {
    let dir_flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file_flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::fchmod(tmp, Mode::from(0o755))?;
    for (name, files) in MOUNTPOINTS {
        rustix::fs::mkdirat(tmp, *name, Mode::from(0o755))?;
        let dir = rustix::fs::openat(tmp, *name, dir_flags, Mode::empty())?;
        rustix::fs::fchmod(&dir, Mode::from(0o755))?; // whatever the umask
        for file in *files {
            let file = rustix::fs::openat(&dir, *file, file_flags, Mode::from(0o644))?;
            rustix::fs::fchmod(&file, Mode::from(0o644))?;
        }
    }
    Ok(())
}

impl<'s> StagedLayer<'s> {
    /// The directory to unpack in; the root of the layer.
    #[must_use]
    pub fn tree(&self) -> BorrowedFd<'_> {
        self.tree.as_fd()
    }

    /// Checks the digest of what was unpacked and writes the record.
    ///
    /// # Errors
    /// `Corrupt` if `found` is another digest: two layers must never share a name.
    pub fn seal(self, found: Digest, record: LayerRecord) -> Result<SealedLayer<'s>> {
        if let Some(expected) = self.expected.filter(|expected| *expected != found) {
            return Err(Error::new(
                Kind::Corrupt,
                format!("layer {expected} unpacks to an archive with digest {found}"),
            ));
        }
        if let Some(place) = &self.place {
            self.store.publish_json(&place.join(name::RECORD), &record, Sync::Lazy)?;
        }
        Ok(SealedLayer { staged: self, digest: found })
    }
}

impl SealedLayer<'_> {
    /// The digest of the uncompressed archive.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Gives the layer its name. The caller has synced it and holds the lock of the images.
    pub(crate) fn publish(mut self) -> Result<()> {
        let final_place = layout::layer(&self.digest);
        let staged = &mut self.staged;
        if staged.store.exists(&final_place)? {
            return Ok(()); // another pull was first; ours is dropped
        }
        if let Some(place) = &staged.place {
            staged.store.rename(place, &final_place)?;
        }
        staged.place = None;
        Ok(())
    }
}

impl Drop for StagedLayer<'_> {
    fn drop(&mut self) {
        let _held = &self.lock;
        if let Some(place) = &self.place {
            // What cannot be removed now is swept by the next pull.
            drop(self.store.delete_quietly(place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::scratch;

    const RECORD: LayerRecord = LayerRecord { size: 5, entries: 1 };

    fn staged<'s>(store: &'s Store, digest: &Digest) -> StagedLayer<'s> {
        match store.stage_layer(digest).expect("stage") {
            Slot::Missing(layer) => layer,
            Slot::Present => panic!("is present"),
        }
    }

    fn tmp(store: &Store) -> Vec<String> {
        store.list(&layout::tmp_in(crate::Area::Root)).expect("list")
    }

    #[test]
    fn a_layer_appears_whole_under_its_verified_digest_only() {
        let (_dir, store) = scratch();
        let digest = Digest::from_bytes([1; 32]);
        let other = Digest::from_bytes([2; 32]);
        let err = staged(&store, &digest).seal(other, RECORD).expect_err("wrong digest");
        assert_eq!(err.kind(), Kind::Corrupt);
        assert_eq!(tmp(&store), [""; 0]);

        let sealed = staged(&store, &digest).seal(digest, RECORD).expect("seal");
        assert!(!store.has_layer(&digest));
        store.keep(Vec::new(), vec![sealed]).expect("keep");
        assert_eq!(store.layer_record(&digest).expect("record"), Some(RECORD));
        assert!(store.layer_dir(&digest).is_ok());
        assert_eq!(store.layer_dir(&other).expect_err("missing").kind(), Kind::NotFound);
    }

    #[test]
    fn leftovers_are_swept_and_living_pulls_are_not() {
        let (_dir, store) = scratch();
        let alive = staged(&store, &Digest::from_bytes([1; 32]));
        std::fs::create_dir_all(store.absolute(&layout::tmp_layer("dead").join("tree/a/b"))).expect("mkdir");
        std::fs::create_dir_all(store.absolute(&layout::tmp_in(crate::Area::Root).join("ab12")))
            .expect("mkdir");
        store.sweep_layers().expect("sweep");
        assert_eq!(tmp(&store).len(), 2, "the living one and the one that is none of ours");
        drop(alive);
        assert_eq!(tmp(&store), ["ab12"]);
    }
}
