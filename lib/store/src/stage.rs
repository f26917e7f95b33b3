//! Content that comes in before anybody knows what it is: an archive of images may name its blobs at
//! its end, or not by their digests.
//!
//! It is in a directory in `tmp` that its writer locks: nothing of it is left when the writer gives up,
//! and what a killed one leaves has no holder and is swept.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};
use types::digest::Digest;
use types::{Error, Result};

use crate::blob::Verified;
use crate::{LockedDir, Place, Store};

/// A directory for such content.
#[must_use = "dropping it removes what is in it"]
#[derive(Debug)]
pub struct Stage<'s> {
    store: &'s Store,
    place: Place,
    lock: LockedDir,
    next: AtomicU64,
}

/// A file that is being written.
#[derive(Debug)]
pub struct Draft {
    place: Place,
    file: File,
    hash: Sha256,
    size: u64,
}

/// A file that is written: what is in it is known.
#[derive(Debug, Clone)]
pub struct Staged {
    place: Place,
    /// The digest of its content.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
}

impl Store {
    /// Makes a place for content without names.
    pub fn stage(&self) -> Result<Stage<'_>> {
        let (place, lock) = self.locked_tmp()?;
        Ok(Stage { store: self, place, lock, next: AtomicU64::new(0) })
    }
}

impl<'s> Stage<'s> {
    /// Begins a file.
    pub fn draft(&self) -> Result<Draft> {
        let place = self.place.join(&self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(self.store.area(place.area), &place.path, flags, Mode::from(0o600))
            .map_err(|e| Error::io(format!("make {:?}", self.store.absolute(&place)), e))?;
        Ok(Draft { place, file: File::from(file), hash: Sha256::new(), size: 0 })
    }

    /// Writes content that is in memory.
    pub fn put(&self, content: &[u8]) -> Result<Staged> {
        let mut draft = self.draft()?;
        draft.write_all(content).map_err(|e| Error::io("write", e))?;
        Ok(draft.finish())
    }

    /// Opens a file, to be read.
    ///
    /// # Errors
    /// `NotFound` if it has become a blob meanwhile.
    pub fn open(&self, staged: &Staged) -> Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        rustix::fs::openat(self.store.area(staged.place.area), &staged.place.path, flags, Mode::empty())
            .map(File::from)
            .map_err(|e| Error::io(format!("open {:?}", self.store.absolute(&staged.place)), e))
    }

    /// The file as proof for [`Store::commit_image`]: its digest is what it was found to be, whatever
    /// anybody said it is.
    pub fn verified(&self, staged: &Staged) -> Verified<'s> {
        Verified::new(self.store, staged.place.clone(), staged.digest)
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        let _held = &self.lock;
        // What cannot be removed now is swept by the next pull.
        drop(self.store.delete_quietly(&self.place));
    }
}

impl Draft {
    /// Ends the file.
    #[must_use]
    pub fn finish(self) -> Staged {
        let digest = Digest::from_bytes(self.hash.finalize().into());
        Staged { place: self.place, digest, size: self.size }
    }
}

impl Write for Draft {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.file.write(buf)?;
        self.hash.update(buf.get(..n).unwrap_or_default());
        self.size += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::layout;
    use crate::tests::scratch;

    #[test]
    fn what_is_staged_becomes_a_blob_or_is_gone() {
        let (_dir, store) = scratch();
        let stage = store.stage().expect("stage");
        let kept = stage.put(b"hello").expect("put");
        let lost = stage.put(b"world").expect("put");
        assert_eq!(kept.size, 5);
        store.keep(vec![stage.verified(&kept)], Vec::new()).expect("keep");
        assert_eq!(stage.open(&kept).expect_err("moved").kind(), types::Kind::NotFound);
        assert_eq!(store.read_blob(&kept.digest, 10).expect("read"), b"hello");
        store.sweep_layers().expect("a sweep spares it");
        assert!(stage.open(&lost).is_ok());
        drop(stage);
        assert_eq!(store.list(&layout::tmp_in(crate::Area::Root)).expect("list"), [""; 0]);
        assert!(!store.has_blob(&lost.digest));
    }
}
