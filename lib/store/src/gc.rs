//! Garbage: blobs and layers that no name and no container needs, and downloads that nobody goes on with; also
//! of images that are retired ([`crate::retire`]).

use rustix::fs::{FlockOperation, Mode, OFlags};
use types::digest::Digest;
use types::{Error, Result};

use crate::reach::Needed;
use crate::{LockMode, Place, Policy, Retired, Store, layout};

/// Seconds for which an interrupted download is kept for the next pull.
const FRESH: i64 = 3600;

/// What a piece of garbage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GarbageKind {
    /// A blob.
    Blob,
    /// An unpacked layer.
    Layer,
    /// A download that was interrupted.
    Partial,
}

impl GarbageKind {
    /// The word, for people and programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Layer => "layer",
            Self::Partial => "partial",
        }
    }
}

/// A piece of garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Garbage {
    /// What it is.
    pub kind: GarbageKind,
    /// Its digest; of a download, that of what it would have become.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
}

/// What was, or would be, removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Images, in the order in which they went.
    pub retired: Vec<Retired>,
    /// What nothing needs, without them.
    pub garbage: Vec<Garbage>,
}

impl Store {
    /// Removes garbage and the images that `policy` retires, or only says what they are. A pull that runs
    /// meanwhile fetches again what it lost.
    ///
    /// # Errors
    /// `Corrupt` if an image is damaged: what it needs is not known, and nothing is removed.
    pub fn collect_garbage(&self, policy: &Policy, dry_run: bool) -> Result<Collected> {
        let lock = self.lock_images(LockMode::Exclusive)?;
        let mut index = self.index()?;
        let found = self.retire(&mut index, policy).and_then(|r| Ok((r, self.needed_by(&index.manifests)?)));
        let (retired, needed) = found.map_err(|e| {
            e.within("find out what is needed").hint("nothing was removed; img-fsck says what is damaged")
        })?;
        let garbage = self.unneeded(&needed, dry_run)?;
        if dry_run {
            return Ok(Collected { retired, garbage });
        }
        if !retired.is_empty() {
            self.write_index(&index)?; // names first, so that none leads to what is half there
        }
        let mut trash = Vec::new();
        for piece in &garbage {
            match piece.kind {
                GarbageKind::Blob => self.remove(&layout::blob(&piece.digest))?,
                GarbageKind::Layer => trash.extend(self.unname_layer(&piece.digest)?),
                GarbageKind::Partial => {}
            }
        }
        drop(lock); // others need not wait while trees are deleted
        trash.iter().try_for_each(|place| self.delete_quietly(place))?;
        self.sweep_layers()?;
        self.sweep()?;
        Ok(Collected { retired, garbage })
    }

    /// All that is there and not needed; downloads among it are gone already, unless `dry_run`.
    fn unneeded(&self, needed: &Needed, dry_run: bool) -> Result<Vec<Garbage>> {
        let mut garbage = Vec::new();
        for digest in self.digests(&layout::blob_dir())?.into_iter().filter(|d| !needed.blobs.contains(d)) {
            let size = self.size_of(&layout::blob(&digest));
            garbage.push(Garbage { kind: GarbageKind::Blob, digest, size });
        }
        for digest in self.digests(&layout::layer_dir())?.into_iter().filter(|d| !needed.layers.contains(d)) {
            let size = self.layer_record(&digest).ok().flatten().map_or(0, |r| r.size);
            garbage.push(Garbage { kind: GarbageKind::Layer, digest, size });
        }
        for digest in self.digests(&layout::partials())? {
            garbage.extend(self.stale_partial(digest, dry_run)?);
        }
        Ok(garbage)
    }

    /// The digests that things in a directory are named by.
    pub(crate) fn digests(&self, place: &Place) -> Result<Vec<Digest>> {
        let named = |name: &String| format!("sha256:{name}").parse().ok();
        Ok(self.list(place)?.iter().filter_map(named).collect())
    }

    pub(crate) fn size_of(&self, place: &Place) -> u64 {
        let stat =
            rustix::fs::statat(self.area(place.area), &place.path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
        // One that has gone meanwhile has no size.
        stat.map_or(0, |s| u64::try_from(s.st_size).unwrap_or(0))
    }

    /// A partial file that nobody writes and nobody has written to lately; removes it while it is locked.
    fn stale_partial(&self, digest: Digest, dry_run: bool) -> Result<Option<Garbage>> {
        let place = layout::partial(&digest);
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = match rustix::fs::openat(self.area(place.area), &place.path, flags, Mode::empty()) {
            Ok(file) => file,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(e) => return Err(Error::io(format!("open {:?}", self.absolute(&place)), e)),
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(e) => return Err(Error::io(format!("lock {:?}", self.absolute(&place)), e)),
        }
        let stat = rustix::fs::fstat(&file).map_err(|e| Error::io("look at a download", e))?;
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
        if now.saturating_sub(stat.st_mtime) < FRESH {
            return Ok(None);
        }
        if !dry_run {
            self.remove(&place)?;
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(Some(Garbage { kind: GarbageKind::Partial, digest, size }))
    }
}
