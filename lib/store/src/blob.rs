//! Blobs: content named by its own digest, and the partial files that become blobs.
//!
//! Unverified bytes and verified ones are different types: a [`Partial`] can be written and, by
//! the one that unpacks meanwhile, read; only [`Partial::verify`] makes a [`Verified`] of it,
//! and only that can get a blob's name. A partial file outlives its writer, so that the next
//! pull goes on where this one was cut.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use types::digest::Digest;
use types::oci::Descriptor;
use types::{Context, Error, Kind, Result};

use crate::{Place, Store, layout};

/// How much is hashed at once when a partial file is taken up again.
const CHUNK: usize = 1 << 20;

/// Something that is in the store already, or has to be made.
#[derive(Debug)]
pub enum Slot<T> {
    /// Nothing to do.
    Present,
    /// To be filled.
    Missing(T),
}

/// Bytes of a blob that nobody has verified yet. Locked by its writer: another pull of the same
/// blob waits for this one instead of fetching it a second time.
#[derive(Debug)]
pub struct Partial<'s> {
    store: &'s Store,
    place: Place,
    file: File,
    descriptor: Descriptor,
    hash: Sha256,
    written: u64,
}

/// A partial file whose size and digest are right. Proof for [`Store::commit_image`]. Not locked
/// any longer: two pulls that each held one blob and waited for the other's would wait for ever.
#[must_use = "dropping it leaves a partial file that the next pull takes up"]
#[derive(Debug)]
pub struct Verified<'s> {
    store: &'s Store,
    place: Place,
    digest: Digest,
}

impl Store {
    /// Whether a blob is there.
    #[must_use]
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.exists(&layout::blob(digest)).unwrap_or(false) // it is fetched again then
    }

    /// The path of a blob, for tools that take one.
    #[must_use]
    pub fn blob_path(&self, digest: &Digest) -> std::path::PathBuf {
        self.absolute(&layout::blob(digest))
    }

    /// Opens a blob, to be read as a stream. The reader hashes it if it must be sure of it.
    pub fn open_blob(&self, digest: &Digest) -> Result<File> {
        let place = layout::blob(digest);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        rustix::fs::openat(self.area(place.area), &place.path, flags, Mode::empty())
            .map(File::from)
            .map_err(|e| Error::io(format!("open blob {digest}"), e))
    }

    /// Reads a small blob whole and verifies it again: a damaged disk must not pass for an image.
    pub fn read_blob(&self, digest: &Digest, max: u64) -> Result<Vec<u8>> {
        // Room for a usual manifest or configuration: one read, and one that sees the end.
        let mut content = Vec::with_capacity(8 << 10);
        self.open_blob(digest)?
            .take(max + 1)
            .read_to_end(&mut content)
            .with_context(|| format!("read blob {digest}"))?;
        if Digest::from_bytes(Sha256::digest(&content).into()) == *digest {
            return Ok(content);
        }
        Err(Error::new(Kind::Corrupt, format!("blob {digest} is damaged"))
            .hint("pull the image again after img-rm, and check the disk"))
    }

    /// Takes up the partial file of a blob, or begins it; waits for another writer of it.
    pub fn partial(&self, descriptor: &Descriptor) -> Result<Slot<Partial<'_>>> {
        let place = layout::partial(&descriptor.digest);
        loop {
            if self.has_blob(&descriptor.digest) {
                return Ok(Slot::Present);
            }
            let Some(file) = self.lock_partial(&place)? else { continue };
            // The writer we waited for may have finished in the meantime.
            if self.has_blob(&descriptor.digest) {
                self.remove(&place)?;
                return Ok(Slot::Present);
            }
            let mut partial = Partial {
                store: self,
                place,
                file,
                descriptor: descriptor.clone(),
                hash: Sha256::new(),
                written: 0,
            };
            partial.take_up().with_context(|| format!("read what is there of blob {}", descriptor.digest))?;
            return Ok(Slot::Missing(partial));
        }
    }

    /// Opens and locks a partial file; `None` if it lost its name while we waited for the lock.
    fn lock_partial(&self, place: &Place) -> Result<Option<File>> {
        let what = || format!("open {:?}", self.absolute(place));
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = rustix::fs::openat(self.area(place.area), &place.path, flags, Mode::from(0o600))
            .map_err(|e| Error::io(what(), e))?;
        rustix::io::retry_on_intr(|| rustix::fs::flock(&fd, FlockOperation::LockExclusive))
            .map_err(|e| Error::io(what(), e))?;
        let ours = rustix::fs::fstat(&fd).map_err(|e| Error::io(what(), e))?;
        match rustix::fs::statat(self.area(place.area), &place.path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) if (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino) => {
                Ok(Some(File::from(fd)))
            }
            Ok(_) | Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(Error::io(what(), e)),
        }
    }

    /// Puts small content, such as a manifest that is in memory, where a download would be.
    ///
    /// # Errors
    /// `Corrupt` if it is not what the descriptor says.
    pub fn put_blob(&self, descriptor: &Descriptor, content: &[u8]) -> Result<Option<Verified<'_>>> {
        let Slot::Missing(mut partial) = self.partial(descriptor)? else { return Ok(None) };
        if partial.offset() < descriptor.size {
            partial.restart()?;
            partial.write_all(content).with_context(|| format!("write blob {}", descriptor.digest))?;
        }
        partial.verify().map(Some)
    }
}

impl<'s> Partial<'s> {
    /// How many bytes are there: where a download goes on.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.written
    }

    /// Throws away what is there: for a registry that cannot send the rest only.
    pub fn restart(&mut self) -> Result<()> {
        self.file.set_len(0).context("empty a partial file")?;
        self.hash = Sha256::new();
        self.written = 0;
        Ok(())
    }

    /// Another handle on the file, for one that reads what is written so far with `read_at`.
    ///
    /// Opened anew: a duplicate would share the lock (flock(2)) and hold it until the reader is done,
    /// and two pulls whose readers wait for each other's writers would wait for ever.
    pub fn reader(&self) -> Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        // The name is ours as long as we hold the lock.
        rustix::fs::openat(self.store.area(self.place.area), &self.place.path, flags, Mode::empty())
            .map(File::from)
            .map_err(|e| Error::io(format!("open {:?}", self.store.absolute(&self.place)), e))
    }

    /// Checks size and digest. Wrong bytes are thrown away; a short file is kept for the next pull.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn verify(self) -> Result<Verified<'s>> {
        let Descriptor { digest, size, .. } = self.descriptor;
        if self.written < size {
            return Err(Error::new(
                Kind::Corrupt,
                format!("blob {digest} ended after {} of {size} bytes", self.written),
            ));
        }
        let found = Digest::from_bytes(self.hash.clone().finalize().into());
        if found != digest {
            self.discard();
            return Err(Error::new(Kind::Corrupt, format!("blob {digest} arrived with digest {found}"))
                .hint("the registry, or something on the way to it, sent other content than it announced"));
        }
        Ok(Verified { store: self.store, place: self.place, digest })
    }

    /// Removes the file: what is in it is wrong, or the disk is full.
    pub fn discard(self) {
        // What cannot be removed is found damaged, and thrown away, by the next pull.
        drop(self.store.remove(&self.place));
    }

    fn take_up(&mut self) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let n = self.file.read_at(&mut chunk, self.written)?;
            let Some(bytes) = chunk.get(..n).filter(|b| !b.is_empty()) else { return Ok(()) };
            self.hash.update(bytes);
            self.written += bytes.len() as u64;
            if self.written > self.descriptor.size {
                self.file.set_len(0)?;
                self.hash = Sha256::new();
                self.written = 0;
                return Ok(());
            }
        }
    }
}

impl Write for Partial<'_> {
    /// Refuses what exceeds the announced size before a byte of it reaches the disk.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let room = self.descriptor.size - self.written;
        if buf.len() as u64 > room {
            let Descriptor { digest, size, .. } = &self.descriptor;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                Error::new(Kind::Corrupt, format!("blob {digest} is longer than the {size} bytes announced")),
            ));
        }
        let n = self.file.write_at(buf, self.written)?;
        self.hash.update(buf.get(..n).unwrap_or_default());
        self.written += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'s> Verified<'s> {
    /// Content whose digest was found while it was written.
    pub(crate) const fn new(store: &'s Store, place: Place, digest: Digest) -> Self {
        Self { store, place, digest }
    }

    /// The content's digest.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Removes the file instead of keeping it for the next pull: the disk is full.
    pub fn discard(self) {
        drop(self.store.remove(&self.place));
    }

    /// Gives the content its name. The caller has synced it and holds the lock of the images, and
    /// looks afterwards whether the name is there: another pull may have been first.
    pub(crate) fn publish(self) -> Result<()> {
        match self.store.rename(&self.place, &layout::blob(&self.digest)) {
            Err(e) if e.kind() == Kind::NotFound => Ok(()),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::scratch;

    fn descriptor(content: &[u8]) -> Descriptor {
        let digest = Digest::from_bytes(Sha256::digest(content).into());
        Descriptor { media_type: String::new(), digest, size: content.len() as u64 }
    }

    fn missing<T>(slot: Slot<T>) -> T {
        match slot {
            Slot::Missing(t) => t,
            Slot::Present => panic!("is present"),
        }
    }

    #[test]
    fn a_cut_download_goes_on_where_it_was_cut() {
        let (_dir, store) = scratch();
        let d = descriptor(b"hello world");
        let mut partial = missing(store.partial(&d).expect("partial"));
        partial.write_all(b"hello").expect("write");
        let err = partial.verify().expect_err("short");
        assert!(err.to_string().contains("after 5 of 11 bytes"), "{err}");

        let mut partial = missing(store.partial(&d).expect("partial"));
        assert_eq!(partial.offset(), 5);
        partial.write_all(b" world").expect("write");
        let proof = partial.verify().expect("verify");
        assert!(!store.has_blob(&d.digest), "no name before the commit");
        store.keep(vec![proof], Vec::new()).expect("keep");
        assert_eq!(store.read_blob(&d.digest, 100).expect("read"), b"hello world");
        assert!(matches!(store.partial(&d), Ok(Slot::Present)));
        assert_eq!(store.list(&layout::partials()).expect("list"), [""; 0]);
    }

    #[test]
    fn wrong_and_long_content_never_gets_a_name() {
        let (_dir, store) = scratch();
        let d = descriptor(b"hello");
        let mut partial = missing(store.partial(&d).expect("partial"));
        partial.write_all(b"jello").expect("write");
        let err = partial.verify().expect_err("wrong");
        assert_eq!(err.kind(), Kind::Corrupt);
        let mut partial = missing(store.partial(&d).expect("partial"));
        assert_eq!(partial.offset(), 0, "wrong bytes are not resumed");
        assert!(partial.write_all(b"hello!").is_err());
        drop(partial);
        assert!(!store.has_blob(&d.digest));
    }

    #[test]
    fn a_damaged_blob_is_not_read() {
        let (_dir, store) = scratch();
        let d = descriptor(b"hello");
        let proof = store.put_blob(&d, b"hello").expect("put").expect("new");
        store.keep(vec![proof], Vec::new()).expect("keep");
        std::fs::write(store.absolute(&layout::blob(&d.digest)), b"jello").expect("damage");
        assert_eq!(store.read_blob(&d.digest, 100).expect_err("damaged").kind(), Kind::Corrupt);
    }

    #[test]
    fn a_reader_holds_no_lock() {
        let (_dir, store) = scratch();
        let d = descriptor(b"hello");
        let mut partial = missing(store.partial(&d).expect("partial"));
        let reader = partial.reader().expect("reader");
        partial.write_all(b"hello").expect("write");
        drop(partial.verify().expect("verify"));
        // Two pulls that read from what the other waits for would never end.
        assert_eq!(missing(store.partial(&d).expect("not locked")).offset(), 5);
        let mut text = [0; 5];
        reader.read_exact_at(&mut text, 0).expect("read");
        assert_eq!(&text, b"hello");
    }

    #[test]
    fn a_second_writer_waits_and_has_nothing_to_fetch() {
        let (_dir, store) = scratch();
        let d = descriptor(b"hello");
        let mut partial = missing(store.partial(&d).expect("partial"));
        std::thread::scope(|s| {
            // Between verification and name the file is whole, and not locked any longer.
            let other = s.spawn(|| match store.partial(&d) {
                Ok(Slot::Present) => true,
                Ok(Slot::Missing(partial)) => partial.offset() == d.size,
                Err(_) => false,
            });
            std::thread::sleep(std::time::Duration::from_millis(50));
            partial.write_all(b"hello").expect("write");
            let proof = partial.verify().expect("verify");
            store.keep(vec![proof], Vec::new()).expect("keep");
            assert!(other.join().expect("join"));
        });
    }
}
