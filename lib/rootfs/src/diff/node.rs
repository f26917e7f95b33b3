//! A name of a tree, and in what it differs from another one.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use layer::tree_xattrs;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use types::{Context, Error, Result};

const PIECE: usize = 256 << 10;

/// A name, looked at.
pub(super) struct Node<'d> {
    dir: BorrowedFd<'d>,
    name: Vec<u8>,
    stat: Stat,
    kind: FileType,
}

/// The names in a directory.
pub(super) fn names(dir: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>> {
    layer::names(dir)
}

impl<'d> Node<'d> {
    pub(super) fn root(dir: BorrowedFd<'d>) -> Result<Self> {
        let stat = rustix::fs::fstat(dir).map_err(|e| Error::io("look at a tree", e))?;
        Ok(Self { dir, name: b".".to_vec(), stat, kind: FileType::Directory })
    }

    /// `None` if it is not there.
    pub(super) fn at(dir: Option<BorrowedFd<'d>>, name: &[u8]) -> Result<Option<Self>> {
        let Some(dir) = dir else { return Ok(None) };
        match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                let kind = FileType::from_raw_mode(stat.st_mode);
                Ok(Some(Self { dir, name: name.to_vec(), stat, kind }))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(Error::io("look at it", e)),
        }
    }

    pub(super) const fn kind(&self) -> &'static str {
        match self.kind {
            FileType::RegularFile => "file",
            FileType::Directory => "directory",
            FileType::Symlink => "symlink",
            FileType::Fifo => "fifo",
            FileType::Socket => "socket",
            _ => "device",
        }
    }

    /// Of a file.
    pub(super) fn size(&self) -> Option<u64> {
        (self.kind == FileType::RegularFile).then(|| u64::try_from(self.stat.st_size).unwrap_or(0))
    }

    /// The directory, opened, if it is one.
    pub(super) fn directory(&self) -> Result<Option<OwnedFd>> {
        if self.kind != FileType::Directory {
            return Ok(None);
        }
        self.open(OFlags::DIRECTORY).map(Some)
    }

    /// In what it differs, in words; nothing if it does not.
    pub(super) fn differs(&self, new: &Self) -> Result<Vec<&'static str>> {
        let (one, two) = (&self.stat, &new.stat);
        if self.kind != new.kind {
            return Ok(vec!["type"]);
        }
        if self.is_same_inode(new) {
            return Ok(Vec::new());
        }
        let mut changed = Vec::new();
        let mut note = |differs: bool, what: &'static str| {
            if differs {
                changed.push(what);
            }
        };
        match self.kind {
            FileType::RegularFile => note(one.st_size != two.st_size || !self.same_content(new)?, "content"),
            FileType::Symlink => note(self.target()? != new.target()?, "target"),
            FileType::CharacterDevice | FileType::BlockDevice => note(one.st_rdev != two.st_rdev, "device"),
            _ => {}
        }
        note(one.st_mode != two.st_mode, "mode");
        note((one.st_uid, one.st_gid) != (two.st_uid, two.st_gid), "owner");
        note((one.st_mtime, one.st_mtime_nsec) != (two.st_mtime, two.st_mtime_nsec), "mtime");
        if matches!(self.kind, FileType::RegularFile | FileType::Directory) {
            note(self.xattrs()? != new.xattrs()?, "xattrs");
        }
        Ok(changed)
    }

    /// Layers are on one file system, and an overlay on one shows the inode numbers of what it stacks
    /// (overlayfs.rst, "Inode properties"). A number that is used again has another change time.
    fn is_same_inode(&self, new: &Self) -> bool {
        let id = |s: &Stat| (s.st_ino, s.st_ctime, s.st_ctime_nsec, s.st_size);
        self.kind == FileType::RegularFile && id(&self.stat) == id(&new.stat)
    }

    fn same_content(&self, new: &Self) -> Result<bool> {
        let open = |node: &Self| -> Result<_> {
            Ok(BufReader::with_capacity(PIECE, File::from(node.open(OFlags::NONBLOCK)?)))
        };
        let (mut one, mut two) = (open(self)?, open(new)?);
        let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
        loop {
            let n = one.read(&mut left).context("read it")?;
            let Some(piece) = left.get(..n).filter(|piece| !piece.is_empty()) else { return Ok(true) };
            let other = right.get_mut(..n).unwrap_or_default();
            two.read_exact(other).context("read it")?;
            if piece != other {
                return Ok(false);
            }
        }
    }

    fn target(&self) -> Result<Vec<u8>> {
        rustix::fs::readlinkat(self.dir, &*self.name, Vec::new())
            .map(std::ffi::CString::into_bytes)
            .map_err(|e| Error::io("read the link", e))
    }

    fn xattrs(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        tree_xattrs(self.open(OFlags::NONBLOCK)?.as_fd())
    }

    fn open(&self, more: OFlags) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | more;
        rustix::fs::openat(self.dir, &*self.name, flags, Mode::empty()).map_err(|e| Error::io("open it", e))
    }
}
