//! The on-disk layout: paths, locks, atomic writes, blobs, references and records.
//!
//! Promises: a name appears in the store complete or not at all, whatever is killed when;
//! readers never lock; nothing outside this crate spells a path of the store.
//! Does not: know what a container does, speak to a registry, unpack a layer.
//!
//! `longshore-store(5)` describes every entry; [`layout`] is its mirror in code.

mod blob;
mod containers;
mod fs;
mod fsck;
mod gc;
mod images;
#[cfg(test)]
mod images_tests;
mod index;
mod kept;
mod layers;
pub mod layout;
mod lock;
mod log;
mod log_read;
mod names;
mod net;
mod reach;
mod retire;
mod runs;
mod stage;
mod tag;
mod untag;
mod uses;
mod volumes;

pub use blob::{Partial, Slot, Verified};
pub use containers::{Bundle, Staging, Trash};
pub use fs::{NewFile, Sync};
pub use fsck::{Finding, Trouble};
pub use gc::{Collected, Garbage, GarbageKind};
pub use images::Image;
pub use index::{Commit, NewImage};
pub use kept::{Keep, Offered};
pub use layers::{LayerRecord, SealedLayer, StagedLayer};
pub use layout::annotation::INDEX as FROM_INDEX;
pub use layout::{Area, Place};
pub use lock::{LockMode, LockedDir};
pub use log::{LogWriter, Stream};
pub use log_read::{Entry, Lines, LogReader, LogSink, LogWatch};
pub use net::{Attached, ClaimedPort, Holder};
pub use retire::{Policy, Retired};
pub use runs::{RunLock, RunWatch, State, Status};
pub use stage::{Draft, Stage, Staged};
pub use untag::{RemoveOptions, Removed};
pub use uses::Use;
pub use volumes::Filling;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use types::{Context, Error, Kind, Result};

/// The version of the format, in `store.json`. An unknown one is refused.
pub const VERSION: u32 = 1;

/// Where the two trees are.
#[derive(Debug, Clone)]
pub struct Paths {
    /// What survives a reboot.
    pub root: PathBuf,
    /// What does not.
    pub run: PathBuf,
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Format {
    version: u32,
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    root: OwnedFd,
    run: OwnedFd,
    paths: Paths,
}

impl Store {
    /// Opens the store and makes what is missing of it, with mode 0700.
    ///
    /// # Errors
    /// `Unsupported` if the format is of a version that this code does not know.
    pub fn open(paths: &Paths) -> Result<Self> {
        let open = || -> Result<Self> {
            let root = open_tree_dir(&paths.root)?;
            let run = open_tree_dir(&paths.run)?;
            let store = Self { root, run, paths: paths.clone() };
            store.check_format()?;
            Ok(store)
        };
        open().map_err(|e| {
            let denied = e.kind() == Kind::Denied;
            let e = e.within(format!("open store {:?}", paths.root));
            if denied { e.hint("run it as root, or name a store of your own with --root") } else { e }
        })
    }

    /// The directory of a tree, for calls that take a descriptor.
    pub(crate) fn area(&self, area: Area) -> BorrowedFd<'_> {
        match area {
            Area::Root => self.root.as_fd(),
            Area::Run => self.run.as_fd(),
        }
    }

    /// The absolute path of a place, for messages and for the few kernel interfaces that take
    /// no descriptor (a mount source in an OCI `config.json`).
    #[must_use]
    pub fn absolute(&self, place: &Place) -> PathBuf {
        match place.area {
            Area::Root => self.paths.root.join(&place.path),
            Area::Run => self.paths.run.join(&place.path),
        }
    }

    /// The path of the durable tree, which is an OCI image layout.
    #[must_use]
    pub fn root_path(&self) -> &Path {
        &self.paths.root
    }

    fn check_format(&self) -> Result<()> {
        if let Some(format) = self.read_json::<Format>(&layout::store_json())? {
            if format.version == VERSION {
                return self.make_run_dirs();
            }
            return Err(Error::new(
                Kind::Unsupported,
                format!("the store has format {}, this version knows {VERSION}", format.version),
            ));
        }
        for dir in layout::TOP_DIRS {
            self.make_dir(&Place { area: dir.0, path: dir.1.to_owned() })?;
        }
        self.publish_json(&layout::store_json(), &Format { version: VERSION }, Sync::Durable)
    }

    /// A reboot has emptied the volatile tree.
    fn make_run_dirs(&self) -> Result<()> {
        if self.exists(&layout::uses())? {
            return Ok(());
        }
        for (area, dir) in layout::TOP_DIRS {
            if *area == Area::Run {
                self.make_dir(&Place { area: *area, path: (*dir).to_owned() })?;
            }
        }
        Ok(())
    }
}

fn open_tree_dir(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => {}
        other => return other.map_err(std::io::Error::from).with_context(|| format!("open {path:?}")),
    }
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
        .recursive(true)
        .create(path)
        .with_context(|| format!("make {path:?}"))?;
    rustix::fs::open(path, flags, Mode::empty())
        .map_err(std::io::Error::from)
        .with_context(|| format!("open {path:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store of its own for one test.
    pub(crate) fn scratch() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().expect("tempdir");
        let paths = Paths { root: dir.path().join("root"), run: dir.path().join("run") };
        let store = Store::open(&paths).expect("open");
        (dir, store)
    }
}
