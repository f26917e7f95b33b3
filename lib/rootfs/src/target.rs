//! Where a user wants a tree: it appears whole, or not at all.

use std::fs::DirBuilder;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxAttributes, StatxFlags};
use sys::whole::beside;
use types::{Context, Error, Kind, Result};

/// A directory that is being filled. Dropping it removes what is in it, unless it is done.
#[derive(Debug)]
pub(crate) struct Target {
    dir: OwnedFd,
    /// Where it is being filled.
    filled: PathBuf,
    /// Where it is to be; absent if that is the same place, which cannot be renamed.
    wanted: Option<PathBuf>,
    done: bool,
}

impl Target {
    /// Makes a place beside `path`, which takes its name in the end. Where a file system is mounted the
    /// place is that very directory.
    ///
    /// # Errors
    /// `Conflict` if there is something in `path`.
    pub(crate) fn prepare(path: &Path) -> Result<Self> {
        let (wanted, is_mounted) = look(path)?;
        let filled = if is_mounted { wanted.clone() } else { beside(&wanted) };
        if !is_mounted {
            DirBuilder::new().mode(0o700).create(&filled).with_context(|| format!("make {filled:?}"))?;
        }
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let dir = rustix::fs::open(&filled, flags, Mode::empty())
            .map_err(|e| Error::io(format!("open {filled:?}"), e))?;
        Ok(Self { dir, filled, wanted: (!is_mounted).then_some(wanted), done: false })
    }

    /// The directory to fill.
    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// It is whole: gives it its name.
    ///
    /// # Errors
    /// If something has come into the directory of that name meanwhile.
    pub(crate) fn done(mut self) -> Result<()> {
        if let Some(wanted) = &self.wanted {
            // Replaces a directory only if it is empty (rename(2)).
            std::fs::rename(&self.filled, wanted).with_context(|| format!("name it {wanted:?}"))?;
        }
        self.done = true;
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // The reason of the failure is told; what cannot be removed either stays, under a name that says so.
        if self.wanted.is_some() {
            drop(std::fs::remove_dir_all(&self.filled));
        } else {
            drop(empty(&self.filled));
        }
    }
}

/// The path without links and dots, and whether a file system is mounted there.
fn look(path: &Path) -> Result<(PathBuf, bool)> {
    let entries = match path.read_dir() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return absent(path).map(|path| (path, false)),
        other => other.with_context(|| format!("look into {path:?}"))?,
    };
    if entries.count() > 0 {
        return Err(Error::new(Kind::Conflict, format!("{path:?} is not empty")));
    }
    let whole = path.canonicalize().with_context(|| format!("find {path:?}"))?;
    let seen = rustix::fs::statx(CWD, &whole, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)
        .map_err(|e| Error::io(format!("look at {path:?}"), e))?;
    Ok((whole, seen.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)))
}

fn absent(path: &Path) -> Result<PathBuf> {
    let nameless = || Error::new(Kind::Invalid, format!("{path:?} can be no new directory"));
    let name = path.file_name().ok_or_else(nameless)?;
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(parent.canonicalize().with_context(|| format!("find {parent:?}"))?.join(name))
}

fn empty(dir: &Path) -> std::io::Result<()> {
    for entry in dir.read_dir()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn names(dir: &Path) -> Vec<OsString> {
        let mut names: Vec<_> =
            dir.read_dir().expect("list").map(|e| e.expect("entry").file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_tree_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().expect("tempdir");
        let wanted = dir.path().join("new");
        let target = Target::prepare(&wanted).expect("prepare");
        assert!(!wanted.exists());
        drop(target);
        assert_eq!(names(dir.path()), [""; 0]);
        Target::prepare(&wanted).expect("prepare").done().expect("done");
        assert_eq!(names(dir.path()), ["new"]);
        // An empty one is replaced, by whatever path it is named.
        Target::prepare(&wanted.join("../new/.")).expect("prepare").done().expect("done");
        std::fs::write(wanted.join("f"), "").expect("write");
        assert_eq!(Target::prepare(&wanted).expect_err("full").kind(), Kind::Conflict);
        assert_eq!(names(&wanted), ["f"]);
    }

    #[test]
    fn what_comes_meanwhile_is_not_replaced() {
        let dir = tempfile::tempdir().expect("tempdir");
        let wanted = dir.path().join("new");
        let target = Target::prepare(&wanted).expect("prepare");
        std::fs::create_dir(&wanted).expect("mkdir");
        std::fs::write(wanted.join("f"), "").expect("write");
        target.done().expect_err("it is not empty any more");
        assert_eq!(names(dir.path()), ["new"]);
    }
}
