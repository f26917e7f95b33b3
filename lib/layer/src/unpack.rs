//! One pass from a compressed stream to a tree: decompress and hash in the caller's thread, write
//! files in another.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, SeekFrom};
use sha2::{Digest as _, Sha256};
use types::digest::Digest;
use types::{Context, Error, Kind, Result};

use crate::archive::{Archive, Entry, What};
use crate::budget::Budget;
use crate::decode::Decoder;
use crate::name::{Meaning, Name};
use crate::pipe::{self, Reader};
use crate::sparse::Map;
use crate::tree::{self, Tree};

/// A layer may grow to this many times its compressed size; gzip reaches half of it.
const MAX_RATIO: u64 = 2000;
/// A small layer may grow to this, whatever the ratio.
const MIN_LIMIT: u64 = 1 << 30;

/// How large so many compressed bytes may become.
pub(crate) fn limit_of(compressed: u64) -> u64 {
    compressed.saturating_mul(MAX_RATIO).max(MIN_LIMIT)
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    /// The digest of the uncompressed archive.
    pub digest: Digest,
    /// Bytes of all files, as `ls` counts them.
    pub size: u64,
    /// Entries of the archive.
    pub entries: u64,
}

/// Unpacks an archive of `compressed` bytes into an empty directory: no more than `budget` has, which counts the
/// archive and the holes of its files. The caller compares the digest, and throws the directory away if it is
/// another one or if this fails.
///
/// # Errors
/// `Corrupt`, `Invalid` or `Unsupported` for what the archive is; `Io` for what the disk says.
pub fn unpack(source: impl Read, compressed: u64, budget: &Budget, root: BorrowedFd<'_>) -> Result<Unpacked> {
    let mut decoder = Decoder::new(source)?;
    let (writer, reader) = pipe::pipe();
    let limit = limit_of(compressed);
    std::thread::scope(|scope| {
        let files = scope.spawn(move || -> Result<(u64, u64)> {
            sys::umask::clear_for_this_thread()?;
            write_tree(reader, budget, root)
        });
        let mut hash = Sha256::new();
        let mut total = 0u64;
        let pumped = writer.pump(&mut decoder, |piece| {
            total += piece.len() as u64;
            if total > limit {
                return Err(std::io::Error::other("it grows beyond all measure"));
            }
            budget.take(piece.len() as u64).map_err(std::io::Error::other)?;
            hash.update(piece);
            Ok(())
        });
        drop(writer);
        let written =
            files.join().unwrap_or_else(|_| Err(Error::new(Kind::Io, "the writer of files stopped")));
        budget.check()?; // of which reader and writer know no more than that there was nothing more
        // The writer's reason comes first: it stops the pump without one.
        let (size, entries) = written?;
        pumped.context("decompress the layer")?;
        Ok(Unpacked { digest: Digest::from_bytes(hash.finalize().into()), size, entries })
    })
}

/// Returns the size of the files and the number of entries.
fn write_tree(reader: Reader, budget: &Budget, root: BorrowedFd<'_>) -> Result<(u64, u64)> {
    let mut archive = Archive::new(reader);
    let mut tree = Tree::new(root)?;
    let mut size = 0u64;
    while let Some(entry) = archive.next_entry()? {
        let shown = || format!("unpack {:?}", String::from_utf8_lossy(&entry.path));
        let name = Name::parse(&entry.path).with_context(shown)?;
        if let Some(map) = &entry.sparse {
            let content = map.segments.iter().fold(0u64, |sum, segment| sum.saturating_add(segment.length));
            budget.take(map.real_size.saturating_sub(content)).with_context(shown)?;
        }
        size = size.saturating_add(one(&mut archive, &mut tree, &name, &entry).with_context(shown)?);
    }
    tree.finish()?;
    archive.drain()?;
    Ok((size, archive.count()))
}

/// Unpacks one entry. Returns how large it is.
fn one(archive: &mut Archive<Reader>, tree: &mut Tree<'_>, name: &Name, entry: &Entry) -> Result<u64> {
    match (name.meaning()?, name.split()) {
        (Meaning::Plain, _) => {}
        (Meaning::Whiteout(hidden), Some((dir, _))) => return tree.whiteout(&dir, hidden).map(|()| 0),
        (Meaning::Opaque, Some((dir, _))) => return tree.opaque(&dir).map(|()| 0),
        _ => return Ok(0),
    }
    let special = |tree: &mut Tree<'_>, kind, device| {
        // Owner before mode: chown(2) takes set-user-id bits away.
        let mode = Mode::from(entry.mode & 0o777);
        let (parent, ()) = tree.make(name, |p, n| rustix::fs::mknodat(p, n, kind, mode, device))?;
        finish_special(tree, &parent, name, entry)
    };
    match entry.what {
        What::File => return file(archive, tree, name, entry),
        What::Dir => tree.dir(name, entry)?,
        What::HardLink => tree.hard_link(name, &Name::parse(&entry.link)?)?,
        What::Symlink => {
            let (parent, ()) = tree.make(name, |p, n| rustix::fs::symlinkat(&*entry.link, p, n))?;
            finish_special(tree, &parent, name, entry)?;
        }
        What::Fifo => special(tree, FileType::Fifo, 0)?,
        What::Char(major, minor) => {
            special(tree, FileType::CharacterDevice, rustix::fs::makedev(major, minor))?;
        }
        What::Block(major, minor) => special(tree, FileType::BlockDevice, rustix::fs::makedev(major, minor))?,
    }
    Ok(0)
}

/// Owner and times of what is not opened.
fn finish_special(tree: &Tree<'_>, parent: &OwnedFd, name: &Name, entry: &Entry) -> Result<()> {
    let Some((_, last)) = name.split() else { return Ok(()) };
    tree.chown_at(parent, last, entry)?;
    rustix::fs::utimensat(parent, last, &tree::times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|e| Error::io("set times", e))
}

fn file(archive: &mut Archive<Reader>, tree: &mut Tree<'_>, name: &Name, entry: &Entry) -> Result<u64> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from(entry.mode & 0o777);
    let (_parent, fd) = tree.make(name, |p, n| rustix::fs::openat(p, n, flags, mode))?;
    let size = match &entry.sparse {
        Some(map) => write_sparse(archive, &fd, map)?,
        None => copy(archive, &fd, u64::MAX)?,
    };
    tree.chown_fd(&fd, entry)?;
    if entry.mode & !0o777 != 0 {
        // After chown(2), which takes them away.
        rustix::fs::fchmod(&fd, Mode::from(entry.mode)).map_err(|e| Error::io("chmod", e))?;
    }
    // After writing, which takes a program's capabilities away.
    tree::set_xattrs(fd.as_fd(), &entry.xattrs)?;
    rustix::fs::futimens(&fd, &tree::times(entry.mtime)).map_err(|e| Error::io("set times", e))?;
    Ok(size)
}

/// Writes content at the file's position: at most `max` bytes. Returns how many.
fn copy(archive: &mut Archive<Reader>, fd: &OwnedFd, max: u64) -> Result<u64> {
    let mut written = 0;
    loop {
        let piece = archive.content(max - written)?;
        if piece.is_empty() {
            return Ok(written);
        }
        let n =
            rustix::io::retry_on_intr(|| rustix::io::write(fd, piece)).map_err(|e| Error::io("write", e))?;
        archive.consume(n);
        written += n as u64;
    }
}

fn write_sparse(archive: &mut Archive<Reader>, fd: &OwnedFd, map: &Map) -> Result<u64> {
    rustix::fs::ftruncate(fd, map.real_size).map_err(|e| Error::io("write", e))?;
    for segment in &map.segments {
        rustix::fs::seek(fd, SeekFrom::Start(segment.offset)).map_err(|e| Error::io("write", e))?;
        copy(archive, fd, segment.length)?;
    }
    Ok(map.real_size)
}
