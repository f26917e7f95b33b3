//! What differs between the files of two images.
//!
//! Both are walked side by side, each directory in the order of its names. A file that both have from the
//! same layer is one inode, and is not read.

mod node;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use types::out::img_diff::{Change, Difference, Path};
use types::{Context, Error, Kind, Result};

use crate::View;
use node::Node;

/// Each level keeps two directories open: deeper trees would reach the limit of open files.
const MAX_DEPTH: usize = 256;

/// Told of each difference.
pub type Told<'t> = dyn FnMut(Difference) -> Result<()> + 't;

/// Finds out what is other in `new` than it is in `old`, and tells it in the order of the names.
///
/// # Errors
/// If one cannot be read; what `told` says.
pub fn diff(old: &View<'_>, new: &View<'_>, told: &mut Told<'_>) -> Result<()> {
    let mut walk = Walk { told, path: Vec::new() };
    let (one, two) = (Node::root(old.root())?, Node::root(new.root())?);
    walk.compare(&one, &two)?;
    walk.directories(Some(old.root()), Some(new.root()), 0)
}

struct Walk<'t, 'f> {
    told: &'t mut Told<'f>,
    /// Where the walk is.
    path: Vec<u8>,
}

impl Walk<'_, '_> {
    /// All names of a directory that one of the two, or both, have.
    fn directories(
        &mut self,
        old: Option<BorrowedFd<'_>>,
        new: Option<BorrowedFd<'_>>,
        depth: usize,
    ) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::new(Kind::Unsupported, "directories are nested too deeply"));
        }
        let names = |dir: Option<BorrowedFd<'_>>| dir.map_or_else(|| Ok(Vec::new()), node::names);
        let mut all = names(old)?;
        all.extend(names(new)?);
        all.sort_unstable();
        all.dedup();
        for name in all {
            let before = self.path.len();
            self.path.push(b'/');
            self.path.extend_from_slice(&name);
            self.name(old, new, &name, depth)
                .with_context(|| format!("compare {:?}", String::from_utf8_lossy(&self.path)))?;
            self.path.truncate(before);
        }
        Ok(())
    }

    fn name(
        &mut self,
        old: Option<BorrowedFd<'_>>,
        new: Option<BorrowedFd<'_>>,
        name: &[u8],
        depth: usize,
    ) -> Result<()> {
        let (one, two) = (Node::at(old, name)?, Node::at(new, name)?);
        match (&one, &two) {
            (Some(one), Some(two)) => self.compare(one, two)?,
            (Some(only), None) => self.tell(Change::Removed, only.kind(), None, only.size(), Vec::new())?,
            (None, Some(only)) => self.tell(Change::Added, only.kind(), only.size(), None, Vec::new())?,
            (None, None) => return Ok(()),
        }
        let open = |node: &Option<Node<'_>>| node.as_ref().map_or(Ok(None), Node::directory);
        let (below_old, below_new): (Option<OwnedFd>, Option<OwnedFd>) = (open(&one)?, open(&two)?);
        if below_old.is_none() && below_new.is_none() {
            return Ok(());
        }
        // A name below an error is named by the innermost call.
        self.directories(below_old.as_ref().map(AsFd::as_fd), below_new.as_ref().map(AsFd::as_fd), depth + 1)
    }

    fn compare(&mut self, old: &Node<'_>, new: &Node<'_>) -> Result<()> {
        let changed = old.differs(new)?;
        if changed.is_empty() {
            return Ok(());
        }
        self.tell(Change::Changed, new.kind(), new.size(), old.size(), changed)
    }

    fn tell(
        &mut self,
        change: Change,
        kind: &'static str,
        size: Option<u64>,
        old_size: Option<u64>,
        changed: Vec<&'static str>,
    ) -> Result<()> {
        let path = if self.path.is_empty() { b"/".to_vec() } else { self.path.clone() };
        (self.told)(Difference { change, path: Path::new(path), kind, size, old_size, changed })
    }
}
