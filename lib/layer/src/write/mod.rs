//! A tree becomes an archive: the same bytes for the same tree, whoever writes it where and when.
//!
//! Names are in the order of their bytes, a directory before what is in it; access and change times, inode
//! and device numbers, and the names of users are left out. Extended attributes are those that an image may
//! carry; see [`crate::tree::carried`].

mod feed;
mod header;
mod read;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Stat};
use types::{Context, Error, Kind, Result};

pub use feed::feed_tree;
use header::{BLOCK, Entry, Type};
use read::Listed;
pub use read::{names, xattrs as tree_xattrs};

/// Content is copied in pieces of this size.
const PIECE: usize = 256 << 10;
/// Each level keeps a directory open: deeper trees would reach the limit of open files.
const MAX_DEPTH: usize = 256;

/// What the tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A tree like any other: what is in it is what is meant.
    Whole,
    /// The writable layer of an overlay: its whiteouts and opaque directories become those of an archive.
    Upper,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Entries of the archive.
    pub entries: u64,
    /// Bytes of all files.
    pub size: u64,
    /// There is nothing but a root, as a writable layer has it when it is made.
    pub untouched: bool,
    /// Sockets, which no archive can carry and which mean nothing without their program.
    pub sockets: u64,
}

/// Writes a tree as an archive. `stop` is asked now and then whether to give up.
///
/// # Errors
/// `Unsupported` for what no archive can carry; `Conflict` if a file becomes shorter meanwhile; `Io`.
pub fn write_tree(
    root: BorrowedFd<'_>,
    source: Source,
    out: impl Write,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Written> {
    let mut writer =
        Writer { out, source, stop, links: HashMap::new(), written: Written::default(), piece: Vec::new() };
    writer.piece.resize(PIECE, 0);
    writer.root(root)?;
    writer.end()?;
    Ok(writer.written)
}

struct Writer<'a, W> {
    out: W,
    source: Source,
    stop: &'a (dyn Fn() -> bool + Sync),
    /// The first name of each file that has several.
    links: HashMap<(u64, u64), Vec<u8>>,
    written: Written,
    piece: Vec<u8>,
}

impl<W: Write> Writer<'_, W> {
    fn root(&mut self, root: BorrowedFd<'_>) -> Result<()> {
        let stat = rustix::fs::fstat(root).map_err(|e| Error::io("look at the tree", e))?;
        let entry = Entry { xattrs: read::xattrs(root)?, ..entry(Type::Dir, b".".to_vec(), &stat) };
        self.header(&entry)?;
        self.opaque_mark(root, &[])?;
        self.content_of(root, &[], 0)?;
        self.written.untouched = self.written.entries == 1 && is_usual(&entry);
        Ok(())
    }

    /// All that is in a directory whose path is `above`.
    fn content_of(&mut self, dir: BorrowedFd<'_>, above: &[u8], depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::new(Kind::Unsupported, "directories are nested too deeply"));
        }
        for name in names(dir)? {
            if (self.stop)() {
                return Err(Error::new(Kind::Io, "interrupted"));
            }
            let path = join(above, &name);
            let shown = || format!("write {:?}", String::from_utf8_lossy(&path));
            // Gone since it was listed: only a tree that somebody works on has such names.
            let Some(listed) = read::look(dir, &name).with_context(shown)? else { continue };
            if let Some(below) = self.one(dir, &name, &path, &listed).with_context(shown)? {
                // A name below an error is named by the innermost call.
                self.content_of(below.as_fd(), &path, depth + 1)?;
            }
        }
        Ok(())
    }

    /// One name. Returns the directory, opened, if it is one.
    fn one(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        Listed { stat, kind }: &Listed,
    ) -> Result<Option<OwnedFd>> {
        let device = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        if self.source == Source::Upper {
            if *kind == FileType::CharacterDevice && device == (0, 0) {
                return self.header(&Entry::mark(whiteout(path))).map(|()| None);
            }
            if name.starts_with(b".wh.") {
                return Err(Error::new(Kind::Unsupported, "its name would be read as a whiteout"));
            }
        }
        if *kind != FileType::Directory && self.linked(stat, path)? {
            return Ok(None);
        }
        let kind = match kind {
            FileType::RegularFile => return self.file(dir, name, path).map(|()| None),
            FileType::Directory => return self.directory(dir, name, path),
            FileType::Symlink => {
                let mut entry = entry(Type::Symlink, path.to_vec(), stat);
                entry.link = read::link(dir, name)?;
                return self.header(&entry).map(|()| None);
            }
            FileType::Socket => {
                self.written.sockets += 1;
                return Ok(None);
            }
            FileType::CharacterDevice => Type::Char(device.0, device.1),
            FileType::BlockDevice => Type::Block(device.0, device.1),
            FileType::Fifo => Type::Fifo,
            FileType::Unknown => return Err(Error::new(Kind::Unsupported, "it is of an unknown type")),
        };
        self.header(&entry(kind, path.to_vec(), stat)).map(|()| None)
    }

    /// Writes a further name of a file that was written already; notes the first one.
    fn linked(&mut self, stat: &Stat, path: &[u8]) -> Result<bool> {
        if stat.st_nlink < 2 {
            return Ok(false);
        }
        let Some(first) = self.links.get(&(stat.st_dev, stat.st_ino)) else {
            self.links.insert((stat.st_dev, stat.st_ino), path.to_vec());
            return Ok(false);
        };
        let link = first.clone();
        let entry = Entry { link, ..entry(Type::HardLink, path.to_vec(), stat) };
        self.header(&entry).map(|()| true)
    }

    fn directory(&mut self, dir: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> Result<Option<OwnedFd>> {
        let Some(opened) = read::open_dir(dir, name)? else { return Ok(None) };
        let stat = rustix::fs::fstat(&opened).map_err(|e| Error::io("look at it", e))?;
        let entry = Entry { xattrs: read::xattrs(opened.as_fd())?, ..entry(Type::Dir, path.to_vec(), &stat) };
        self.header(&entry)?;
        self.opaque_mark(opened.as_fd(), path)?;
        Ok(Some(opened))
    }

    fn opaque_mark(&mut self, dir: BorrowedFd<'_>, path: &[u8]) -> Result<()> {
        if self.source == Source::Upper && read::is_opaque(dir)? {
            return self.header(&Entry::mark(join(path, b".wh..wh..opq")));
        }
        Ok(())
    }

    fn file(&mut self, dir: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> Result<()> {
        let Some(mut file) = read::open_file(dir, name)?.map(File::from) else { return Ok(()) };
        // What is opened is what is described, whatever the name leads to by now.
        let stat = rustix::fs::fstat(&file).map_err(|e| Error::io("look at it", e))?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let entry =
            Entry { size, xattrs: read::xattrs(file.as_fd())?, ..entry(Type::File, path.to_vec(), &stat) };
        self.header(&entry)?;
        self.copy(&mut file, size)?;
        self.zeroes(size.next_multiple_of(BLOCK as u64) - size)?;
        self.written.size = self.written.size.saturating_add(size);
        Ok(())
    }

    /// As many bytes as the header has announced: what is written to a file meanwhile is left out.
    fn copy(&mut self, file: &mut File, size: u64) -> Result<()> {
        let mut left = size;
        while left > 0 {
            if (self.stop)() {
                return Err(Error::new(Kind::Io, "interrupted"));
            }
            let want = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let piece = self.piece.get_mut(..want).unwrap_or_default();
            let n = match file.read(piece) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other.context("read it")?,
            };
            if n == 0 {
                return Err(Error::new(Kind::Conflict, "it became shorter while it was read"));
            }
            self.out.write_all(self.piece.get(..n).unwrap_or_default()).context("write the archive")?;
            left -= n as u64;
        }
        Ok(())
    }

    fn header(&mut self, entry: &Entry) -> Result<()> {
        self.written.entries += 1;
        self.out.write_all(&entry.encode()?).context("write the archive")
    }

    fn zeroes(&mut self, count: u64) -> Result<()> {
        io::copy(&mut io::repeat(0).take(count), &mut self.out).context("write the archive").map(drop)
    }

    /// Two blocks of zeroes.
    fn end(&mut self) -> Result<()> {
        self.zeroes(2 * BLOCK as u64)?;
        self.out.flush().context("write the archive")
    }
}

fn entry(kind: Type, path: Vec<u8>, stat: &Stat) -> Entry {
    Entry {
        kind,
        path,
        link: Vec::new(),
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        size: 0,
        xattrs: Vec::new(),
    }
}

/// The root that every writable layer has when it is made.
fn is_usual(root: &Entry) -> bool {
    (root.mode, root.uid, root.gid) == (0o755, 0, 0) && root.xattrs.is_empty()
}

/// Names have no `./` before them, as in the layers of others.
fn join(above: &[u8], name: &[u8]) -> Vec<u8> {
    match above {
        b"" => name.to_vec(),
        above => [above, b"/", name].concat(),
    }
}

/// The name beside `path` that hides it.
fn whiteout(path: &[u8]) -> Vec<u8> {
    let at = path.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
    let (dir, name) = path.split_at(at);
    [dir, b".wh.", name].concat()
}
