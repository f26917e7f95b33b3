//! The tree that an archive becomes, worked on by descriptors alone.
//!
//! A name's directory is opened once, with `openat2(2)` confined to the root of the layer, and
//! kept open while entries go into it; the last part of a name is then made, never followed
//! (`O_EXCL`, `O_NOFOLLOW`). An absolute symbolic link leads from the layer's own root, and
//! `..` not above it, so that nothing outside can be reached.
//!
//! What the modes and times of directories are to be is remembered and done last: entries
//! that follow would change the times again, and inherit a set-group-id bit.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use types::{Context, Error, Kind, Result};

use crate::archive::Entry;
use crate::name::Name;

/// Open directories; a walk that is deeper or wider opens some of them again.
const MAX_OPEN: usize = 128;
/// What overlayfs takes for "nothing below shows through here".
pub(crate) const OPAQUE: &str = "trusted.overlay.opaque";
/// Symbolic links are followed inside the layer only; no other file system, no `/proc` links.
const CONFINED: ResolveFlags =
    ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS).union(ResolveFlags::NO_XDEV);
const DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A layer that is being unpacked.
pub(crate) struct Tree<'r> {
    root: BorrowedFd<'r>,
    open: HashMap<Name, Rc<OwnedFd>>,
    recent: Option<(Name, Rc<OwnedFd>)>,
    /// What directories are to be like in the end.
    later: BTreeMap<Name, Attributes>,
    /// Whose new files are ours without a call.
    ours: (u32, u32),
}

struct Attributes {
    mode: u32,
    mtime: (i64, u32),
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<'r> Tree<'r> {
    /// An empty directory becomes the root of the layer.
    pub(crate) fn new(root: BorrowedFd<'r>) -> Result<Self> {
        // Whatever the store lies in, a set-group-id bit must not be inherited from there.
        rustix::fs::fchmod(root, Mode::from(0o755)).map_err(|e| Error::io("chmod", e))?;
        let ours = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        // An archive that does not mention the root says nothing of it; when it was unpacked would make a
        // difference between two trees of the same image.
        let unsaid = Attributes { mode: 0o755, mtime: (0, 0), xattrs: Vec::new() };
        let later = BTreeMap::from([(Name::default(), unsaid)]);
        Ok(Self { root, open: HashMap::new(), recent: None, later, ours })
    }

    /// Makes a directory, or takes the one that is there.
    pub(crate) fn dir(&mut self, name: &Name, entry: &Entry) -> Result<()> {
        let attributes = || Attributes { mode: entry.mode, mtime: entry.mtime, xattrs: entry.xattrs.clone() };
        let Some((dir, last)) = name.split() else {
            self.chown_fd(self.root, entry)?;
            self.later.insert(name.clone(), attributes());
            return Ok(());
        };
        let parent = self.open_dir(&dir)?;
        // Writable for us until the end, whatever it will be.
        let mode = Mode::from(entry.mode & 0o777 | 0o700);
        let mut made = rustix::fs::mkdirat(&*parent, last, mode);
        if made == Err(Errno::EXIST) {
            made = self.replace_by_dir(&parent, last, mode);
        }
        made.map_err(|e| Error::io("make directory", e))?;
        self.chown_at(&*parent, last, entry)?;
        self.later.insert(name.clone(), attributes());
        Ok(())
    }

    /// Makes something that is no directory, in place of what is there.
    pub(crate) fn make<T>(
        &mut self,
        name: &Name,
        make: impl Fn(BorrowedFd<'_>, &[u8]) -> rustix::io::Result<T>,
    ) -> Result<(Rc<OwnedFd>, T)> {
        let Some((dir, last)) = name.split() else {
            return Err(Error::new(Kind::Invalid, "the root of a layer can only be a directory"));
        };
        let parent = self.open_dir(&dir)?;
        let mut made = make(parent.as_fd(), last);
        if matches!(made, Err(Errno::EXIST)) {
            self.clear(&parent, last)?;
            made = make(parent.as_fd(), last);
        }
        made.map(|made| (parent, made)).map_err(|e| Error::io("make", e))
    }

    /// Links to what this layer has under another name.
    pub(crate) fn hard_link(&mut self, name: &Name, target: &Name) -> Result<()> {
        if name == target {
            return Ok(());
        }
        let missing =
            || Error::new(Kind::Corrupt, format!("hard link to {:?}, which is not there", target.shown()));
        let (dir, last) = target.split().ok_or_else(missing)?;
        let from = self.find_dir(&dir).map_err(|_| missing())?;
        if rustix::fs::statat(&*from, last, AtFlags::SYMLINK_NOFOLLOW).is_err() {
            return Err(missing());
        }
        // Without AT_SYMLINK_FOLLOW, a link to a symbolic link is one, and leads nowhere now.
        self.make(name, |parent, new| rustix::fs::linkat(&*from, last, parent, new, AtFlags::empty()))
            .map(drop)
    }

    /// Hides a name of the lower layers, unless this layer has something of that name itself.
    pub(crate) fn whiteout(&mut self, dir: &Name, hidden: &[u8]) -> Result<()> {
        let parent = self.open_dir(dir)?;
        let made = rustix::fs::mknodat(&*parent, hidden, FileType::CharacterDevice, Mode::empty(), 0);
        match made {
            Err(Errno::EXIST) => {}
            other => return other.map_err(|e| Error::io("make whiteout", e)),
        }
        // Whiteouts are about lower layers only, wherever in the archive they stand.
        match rustix::fs::openat(&*parent, hidden, DIR | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(dir) => opaque(&dir),
            Err(_) => Ok(()),
        }
    }

    /// Hides all that the lower layers have in a directory.
    pub(crate) fn opaque(&mut self, dir: &Name) -> Result<()> {
        let dir = self.open_dir(dir)?;
        opaque(&*dir)
    }

    /// Gives directories the modes and times that they are to have.
    pub(crate) fn finish(mut self) -> Result<()> {
        for (name, attributes) in std::mem::take(&mut self.later) {
            self.finish_dir(&name, &attributes).with_context(|| format!("finish {:?}", name.shown()))?;
        }
        Ok(())
    }

    fn finish_dir(&mut self, name: &Name, attributes: &Attributes) -> Result<()> {
        let usual = attributes.mode & !0o777 == 0 && attributes.mode & 0o700 == 0o700;
        let times = times(attributes.mtime);
        if let Some((dir, last)) = name.split().filter(|_| usual && attributes.xattrs.is_empty()) {
            let Ok(parent) = self.find_dir(&dir) else { return Ok(()) };
            return rustix::fs::utimensat(&*parent, last, &times, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|e| Error::io("set times", e));
        }
        let Ok(dir) = self.find_dir(name) else { return Ok(()) };
        rustix::fs::fchmod(&*dir, Mode::from(attributes.mode)).map_err(|e| Error::io("chmod", e))?;
        set_xattrs(dir.as_fd(), &attributes.xattrs)?;
        rustix::fs::futimens(&*dir, &times).map_err(|e| Error::io("set times", e))
    }

    /// Opens a directory; makes it and those above it if an archive did not mention them.
    fn open_dir(&mut self, name: &Name) -> Result<Rc<OwnedFd>> {
        if let Some(known) = self.known(name) {
            return Ok(known);
        }
        let found = match rustix::fs::openat2(self.root, path(name), DIR, Mode::empty(), CONFINED) {
            Ok(fd) => Rc::new(fd),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => self.make_parents(name)?,
            Err(e) => return Err(Error::io("open its directory", e)),
        };
        self.remember(name, &found);
        Ok(found)
    }

    fn make_parents(&mut self, name: &Name) -> Result<Rc<OwnedFd>> {
        let Some((above, last)) = name.split() else {
            return Err(Error::new(Kind::Io, "open the root of the layer"));
        };
        let parent = self.open_dir(&above)?;
        let mode = Mode::from(0o755);
        let mut made = rustix::fs::mkdirat(&*parent, last, mode);
        if made == Err(Errno::EXIST) {
            made = self.replace_by_dir(&parent, last, mode);
        }
        made.and_then(|()| rustix::fs::openat(&*parent, last, DIR | OFlags::NOFOLLOW, Mode::empty()))
            .map(Rc::new)
            .map_err(|e| Error::io("make its directory", e))
    }

    /// Opens a directory that has to be there.
    fn find_dir(&mut self, name: &Name) -> Result<Rc<OwnedFd>> {
        if let Some(known) = self.known(name) {
            return Ok(known);
        }
        let found = rustix::fs::openat2(self.root, path(name), DIR, Mode::empty(), CONFINED)
            .map(Rc::new)
            .map_err(|e| Error::io("open its directory", e))?;
        self.remember(name, &found);
        Ok(found)
    }

    /// Gives a new file its owner. What we make belongs to us already.
    pub(crate) fn chown_fd(&self, fd: impl AsFd, entry: &Entry) -> Result<()> {
        if (entry.uid, entry.gid) == self.ours {
            return Ok(());
        }
        rustix::fs::fchown(fd, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))
            .map_err(|e| Error::io("chown", e))
    }

    /// The same for what has no descriptor.
    pub(crate) fn chown_at(&self, dir: impl AsFd, last: &[u8], entry: &Entry) -> Result<()> {
        if (entry.uid, entry.gid) == self.ours {
            return Ok(());
        }
        let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        rustix::fs::chownat(dir, last, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| Error::io("chown", e))
    }

    fn known(&self, name: &Name) -> Option<Rc<OwnedFd>> {
        match &self.recent {
            Some((recent, fd)) if recent == name => Some(Rc::clone(fd)),
            _ => self.open.get(name).map(Rc::clone),
        }
    }

    fn remember(&mut self, name: &Name, fd: &Rc<OwnedFd>) {
        if self.open.len() >= MAX_OPEN {
            self.open.clear();
        }
        self.open.insert(name.clone(), Rc::clone(fd));
        self.recent = Some((name.clone(), Rc::clone(fd)));
    }

    fn forget(&mut self) {
        self.open.clear();
        self.recent = None;
    }

    /// Keeps a directory that is there already; puts one in place of anything else.
    fn replace_by_dir(&mut self, parent: &OwnedFd, last: &[u8], mode: Mode) -> rustix::io::Result<()> {
        let there = rustix::fs::statat(parent, last, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(there.st_mode);
        if kind == FileType::Directory {
            return Ok(());
        }
        self.forget();
        rustix::fs::unlinkat(parent, last, AtFlags::empty())?;
        rustix::fs::mkdirat(parent, last, mode)?;
        if kind == FileType::CharacterDevice && there.st_rdev == 0 {
            // The lower layers' name was hidden; it stays so under the new directory.
            let dir = rustix::fs::openat(parent, last, DIR | OFlags::NOFOLLOW, Mode::empty())?;
            rustix::fs::fsetxattr(&dir, OPAQUE, b"y", XattrFlags::empty())?;
        }
        Ok(())
    }

    /// Removes what has a name that something else is to have.
    fn clear(&mut self, parent: &OwnedFd, last: &[u8]) -> Result<()> {
        // Open directories may have been reached through it.
        self.forget();
        match rustix::fs::unlinkat(parent, last, AtFlags::empty()) {
            Err(Errno::ISDIR) => {}
            other => return other.map_err(|e| Error::io("replace", e)),
        }
        remove_dir(parent.as_fd(), last).map_err(|e| Error::io("replace directory", e))
    }
}

impl std::fmt::Debug for Tree<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree").field("open", &self.open.len()).finish_non_exhaustive()
    }
}

/// Removes a directory with all in it, without following anything.
fn remove_dir(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
    let dir = rustix::fs::openat(parent, name, DIR | OFlags::NOFOLLOW, Mode::empty())?;
    for entry in rustix::fs::Dir::read_from(&dir)? {
        let entry = entry?;
        let child = entry.file_name().to_bytes();
        if matches!(child, b"." | b"..") {
            continue;
        }
        match rustix::fs::unlinkat(&dir, child, AtFlags::empty()) {
            Err(Errno::ISDIR) => remove_dir(dir.as_fd(), child)?,
            other => other?,
        }
    }
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}

fn path(name: &Name) -> &OsStr {
    match name.bytes() {
        b"" => OsStr::new("."),
        bytes => OsStr::from_bytes(bytes),
    }
}

fn opaque(dir: impl AsFd) -> Result<()> {
    rustix::fs::fsetxattr(dir, OPAQUE, b"y", XattrFlags::empty())
        .map_err(|e| Error::io("hide lower layers", e))
}

/// Access and modification time alike.
pub(crate) const fn times((tv_sec, nanos): (i64, u32)) -> Timestamps {
    let time = Timespec { tv_sec, tv_nsec: nanos as _ };
    Timestamps { last_access: time, last_modification: time }
}

/// Whether an image may carry an attribute: capabilities of a program, and what users use. Anything else
/// would speak to the host's kernel (overlay's own attributes, labels, integrity hashes).
pub(crate) fn carried(name: &[u8]) -> bool {
    is_users(name) || name == b"security.capability"
}

fn is_users(name: &[u8]) -> bool {
    name.starts_with(b"user.") && !name.starts_with(b"user.overlay.")
}

/// Sets the attributes that an image may carry.
pub(crate) fn set_xattrs(fd: BorrowedFd<'_>, xattrs: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
    for (name, value) in xattrs {
        if !carried(name) {
            continue;
        }
        let user = is_users(name);
        match rustix::fs::fsetxattr(fd, OsStr::from_bytes(name), value, XattrFlags::empty()) {
            // Not every file system keeps users' attributes, and no program relies on them.
            Err(Errno::NOTSUP | Errno::NOSPC | Errno::TOOBIG | Errno::RANGE) if user => {}
            other => other
                .map_err(|e| Error::io(format!("set attribute {:?}", String::from_utf8_lossy(name)), e))?,
        }
    }
    Ok(())
}
