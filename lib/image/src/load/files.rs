//! The files that images come in: members of an archive, or files of a directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use layer::{MemberKind, Members};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use store::{Stage, Staged};
use types::{Context, Error, Kind, Result};

use super::names;

/// An archive with more members than this holds no images.
const MAX_MEMBERS: usize = 65_536;
/// Links to links, as a file system allows them.
const MAX_HOPS: usize = 8;

/// Files by name, whose content is copied before it is looked at.
pub(crate) trait Files: Sync {
    /// A file with its digest; `None` if there is none of this name.
    fn staged(&self, name: &str) -> Result<Option<Staged>>;

    /// Whether there is a file of this name.
    fn has(&self, name: &str) -> Result<bool>;
}

/// An archive, all members of which have been copied: it can be read only once.
#[derive(Debug)]
pub(crate) struct Unarchived {
    files: BTreeMap<String, Staged>,
    links: BTreeMap<String, String>,
}

impl Unarchived {
    /// Reads an archive to its end. `copied` is asked about each piece of it.
    pub(crate) fn read(
        source: impl Read,
        stage: &Stage<'_>,
        copied: &dyn Fn(u64) -> Result<()>,
    ) -> Result<Self> {
        let mut members = Members::new(source)?;
        let mut found = Self { files: BTreeMap::new(), links: BTreeMap::new() };
        let mut seen = BTreeSet::new();
        while let Some(member) = members.next_member()? {
            let Some(name) = names::member(&member.path)? else { continue };
            if member.kind == MemberKind::Dir {
                continue;
            }
            if !seen.insert(name.clone()) {
                return Err(Error::new(Kind::Invalid, format!("{name:?} is in it twice")));
            }
            if seen.len() > MAX_MEMBERS {
                return Err(Error::new(Kind::Invalid, format!("it has more than {MAX_MEMBERS} members")));
            }
            found.add(name, member.kind, &mut members, stage, copied)?;
        }
        Ok(found)
    }

    fn add<R: Read>(
        &mut self,
        name: String,
        kind: MemberKind,
        members: &mut Members<R>,
        stage: &Stage<'_>,
        copied: &dyn Fn(u64) -> Result<()>,
    ) -> Result<()> {
        match kind {
            MemberKind::Dir => {}
            MemberKind::File => {
                let mut draft = stage.draft()?;
                members
                    .content(|piece| {
                        copied(piece.len() as u64)?;
                        draft.write_all(piece).context("write")
                    })
                    .with_context(|| format!("copy {name:?}"))?;
                self.files.insert(name, draft.finish());
            }
            MemberKind::Symlink(target) => {
                let target = names::link(&name, &target)?;
                self.links.insert(name, target);
            }
            MemberKind::HardLink(target) => {
                if let Some(target) = names::member(&target)? {
                    self.links.insert(name, target);
                }
            }
            MemberKind::Other(what) => {
                return Err(Error::new(Kind::Invalid, format!("{name:?} is {what}")));
            }
        }
        Ok(())
    }
}

impl Files for Unarchived {
    fn staged(&self, name: &str) -> Result<Option<Staged>> {
        let mut name = name;
        for _ in 0..MAX_HOPS {
            match (self.files.get(name), self.links.get(name)) {
                (Some(staged), _) => return Ok(Some(staged.clone())),
                (None, Some(target)) => name = target,
                (None, None) => return Ok(None),
            }
        }
        Err(Error::new(Kind::Invalid, format!("{name:?} is a link in a circle")))
    }

    fn has(&self, name: &str) -> Result<bool> {
        Ok(self.staged(name)?.is_some())
    }
}

/// A directory, from which is copied what is needed.
#[derive(Debug)]
pub(crate) struct Directory<'a> {
    dir: OwnedFd,
    stage: &'a Stage<'a>,
    copied: Mutex<BTreeMap<String, Staged>>,
}

impl<'a> Directory<'a> {
    pub(crate) fn open(path: &Path, stage: &'a Stage<'a>) -> Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|e| Error::io(format!("open {path:?}"), e))?;
        Ok(Self { dir, stage, copied: Mutex::default() })
    }

    /// Opens a file of it; what leads out of it, or waits for somebody else, is not followed.
    fn file(&self, name: &str) -> Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let inside = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let fd = match rustix::fs::openat2(self.dir.as_fd(), name, flags, Mode::empty(), inside) {
            Ok(fd) => fd,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(rustix::io::Errno::XDEV) => {
                return Err(Error::new(Kind::Invalid, format!("link {name:?} leads out of the directory")));
            }
            Err(e) => return Err(Error::io(format!("open {name:?}"), e)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|e| Error::io(format!("look at {name:?}"), e))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::new(Kind::Invalid, format!("{name:?} is no file")));
        }
        Ok(Some(File::from(fd)))
    }
}

impl Files for Directory<'_> {
    fn staged(&self, name: &str) -> Result<Option<Staged>> {
        let known = |m: &BTreeMap<String, Staged>| m.get(name).cloned();
        if let Some(staged) = known(&self.copied.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(Some(staged));
        }
        let Some(mut file) = self.file(name)? else { return Ok(None) };
        let mut draft = self.stage.draft()?;
        std::io::copy(&mut file, &mut draft).with_context(|| format!("copy {name:?}"))?;
        let staged = draft.finish();
        let mut copied = self.copied.lock().unwrap_or_else(PoisonError::into_inner);
        copied.insert(name.to_owned(), staged.clone());
        Ok(Some(staged))
    }

    fn has(&self, name: &str) -> Result<bool> {
        Ok(self.file(name)?.is_some())
    }
}
