//! Archives that hold files and are no layers: one member after the other, for images that come in one.
//!
//! Decompressed as layers are, and read by the same parser; what is in it is only handed out, nothing
//! is written.

use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use types::Result;

use crate::archive::{Archive, What};
use crate::decode::Decoder;
use crate::unpack::limit_of;

const BUFFER: usize = 256 << 10;

/// A member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name, byte for byte.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: MemberKind,
}

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberKind {
    /// A file; its content is read with [`Members::content`].
    File,
    /// A directory.
    Dir,
    /// A symbolic link to this, seen from its own directory.
    Symlink(Vec<u8>),
    /// Another name of this member.
    HardLink(Vec<u8>),
    /// Something else, such as a device, in words.
    Other(&'static str),
}

/// Reads an archive that may be compressed by gzip or zstd.
pub struct Members<R: Read> {
    archive: Archive<BufReader<Bounded<R>>>,
}

impl<R: Read> std::fmt::Debug for Members<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Members").finish_non_exhaustive()
    }
}

impl<R: Read> Members<R> {
    /// Begins to read.
    ///
    /// # Errors
    /// `Unsupported` for other compressions; `Io` if nothing can be read.
    pub fn new(source: R) -> Result<Self> {
        let taken = Arc::new(AtomicU64::new(0));
        let source = Decoder::new(Counted { source, taken: Arc::clone(&taken) })?;
        let bounded = Bounded { source, taken, given: 0 };
        Ok(Self { archive: Archive::new(BufReader::with_capacity(BUFFER, bounded)) })
    }

    /// The next member; `None` at the end of all that was sent. Content that was not read is skipped.
    ///
    /// # Errors
    /// `Corrupt` if it is damaged, `Invalid` or `Unsupported` if it is strange.
    pub fn next_member(&mut self) -> Result<Option<Member>> {
        let Some(entry) = self.archive.next_entry()? else {
            self.archive.drain()?;
            return Ok(None);
        };
        let kind = match entry.what {
            What::File if entry.sparse.is_some() => MemberKind::Other("a sparse file"),
            What::File => MemberKind::File,
            What::Dir => MemberKind::Dir,
            What::Symlink => MemberKind::Symlink(entry.link),
            What::HardLink => MemberKind::HardLink(entry.link),
            What::Fifo => MemberKind::Other("a pipe"),
            What::Char(..) | What::Block(..) => MemberKind::Other("a device"),
        };
        Ok(Some(Member { path: entry.path, kind }))
    }

    /// Gives the content of the member at hand to `take`, piece by piece.
    ///
    /// # Errors
    /// `Corrupt` if it ends early, and what `take` says.
    pub fn content(&mut self, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        loop {
            let piece = self.archive.content(u64::MAX)?;
            let n = piece.len();
            if n == 0 {
                return Ok(());
            }
            take(piece)?;
            self.archive.consume(n);
        }
    }
}

/// A layer, uncompressed, whatever it is compressed by; never more than a layer of so many bytes may grow to.
///
/// # Errors
/// `Unsupported` for compressions that no image may use.
pub fn inflate<R: Read>(source: R) -> Result<impl Read> {
    let taken = Arc::new(AtomicU64::new(0));
    let source = Decoder::new(Counted { source, taken: Arc::clone(&taken) })?;
    Ok(Bounded { source, taken, given: 0 })
}

/// Counts what was taken from the outside.
struct Counted<R> {
    source: R,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buf)?;
        self.taken.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Ends what grows beyond all measure: a few bytes must not fill a disk.
struct Bounded<R: Read> {
    source: Decoder<Counted<R>>,
    taken: Arc<AtomicU64>,
    given: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buf)?;
        self.given = self.given.saturating_add(n as u64);
        if self.given > limit_of(self.taken.load(Ordering::Relaxed)) {
            return Err(io::Error::other("it grows beyond all measure"));
        }
        Ok(n)
    }
}
