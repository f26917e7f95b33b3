//! What the list of mounts has put where so far, for a `tmpcopyup` that begins with what is there.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2, readlinkat};
use rustix::io::Errno;
use types::{Error, Result};

use super::target::below;
use super::unsupported;

/// Mounts in their order, by path in the root.
#[derive(Default)]
pub struct Placed(Vec<(String, What)>);

enum What {
    /// A tree that this process holds.
    Tree(child::Fd),
    /// A file system that the child makes.
    New(String),
}

const PATH: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
const IN_ROOT: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

impl Placed {
    /// A tree was put there, which lives as long as the plan.
    pub fn tree(&mut self, path: &str, tree: child::Fd) {
        self.0.push((path.to_owned(), What::Tree(tree)));
    }

    /// A new file system was put there.
    pub fn new_file_system(&mut self, path: &str, fs: &str) {
        self.0.push((path.to_owned(), What::New(fs.to_owned())));
    }

    /// Opens the directory that will be at a path of the root when all these are in place. `None` if nothing
    /// is there, or nothing is in it.
    ///
    /// # Errors
    /// `Unsupported` where that cannot be known before it is mounted.
    pub fn what_is_at(&self, path: &str, root: BorrowedFd<'_>) -> Result<Option<OwnedFd>> {
        let failed = |e: Errno| Error::io(format!("open \"/{path}\""), e);
        if self.0.is_empty() {
            return open(root, path, IN_ROOT).map_err(failed);
        }
        let mut names = BTreeMap::new();
        let mut real = |path: &str| -> Result<String> {
            if let Some(known) = names.get(path) {
                return Ok(String::clone(known));
            }
            let found = real(root, path).map_err(|e| Error::io(format!("look for \"/{path}\""), e))?;
            names.insert(path.to_owned(), found.clone());
            Ok(found)
        };
        let place = real(path)?;
        for (mount, what) in self.0.iter().rev() {
            let mount = real(mount)?;
            if !below(&place, &mount) {
                continue;
            }
            let rest = place.get(mount.len()..).unwrap_or_default().trim_start_matches('/');
            let unknown =
                || unsupported(format!("tmpcopyup on \"/{path}\" of what is mounted on \"/{mount}\""));
            return match what {
                What::New(fs) if matches!(fs.as_str(), "tmpfs" | "ramfs") => Ok(None),
                What::New(_) => Err(unknown()),
                What::Tree(tree) => {
                    let tree = sys::fd::borrowed(*tree).ok_or_else(unknown)?;
                    let rest = if rest.is_empty() { "." } else { rest };
                    match open(tree, rest, ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS) {
                        // It may lead out of this mount, and what is there is another question.
                        Err(Errno::LOOP) => Err(unknown()),
                        other => other.map_err(failed),
                    }
                }
            };
        }
        open(root, path, IN_ROOT).map_err(failed)
    }
}

fn open(dir: BorrowedFd<'_>, path: &str, resolve: ResolveFlags) -> rustix::io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat2(dir, path, flags, Mode::empty(), resolve) {
        Err(Errno::NOENT) => Ok(None),
        other => other.map(Some),
    }
}

/// The name of a path without the links of the image in it: of as much as is there, the rest as it is.
fn real(root: BorrowedFd<'_>, path: &str) -> rustix::io::Result<String> {
    let mut end = path.len();
    loop {
        let (there, rest) = path.split_at(end);
        match openat2(root, there, PATH, Mode::empty(), IN_ROOT) {
            Ok(found) => {
                let (base, found) = (name(root)?, name(found.as_fd())?);
                let found = found.strip_prefix(base.trim_end_matches('/')).unwrap_or(&found);
                return Ok(format!("{found}{rest}").trim_start_matches('/').to_owned());
            }
            Err(Errno::NOENT | Errno::NOTDIR) => match there.rfind('/') {
                Some(at) => end = at,
                None => return Ok(path.to_owned()),
            },
            Err(e) => return Err(e),
        }
    }
}

/// What the kernel calls an open file: from the root of its mount, where that is mounted nowhere.
fn name(file: BorrowedFd<'_>) -> rustix::io::Result<String> {
    use std::os::fd::AsRawFd;
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let name = readlinkat(rustix::fs::CWD, link, Vec::new())?;
    Ok(String::from_utf8_lossy(name.as_bytes()).into_owned())
}
