//! The only module that spells a name of the store.
//!
//! One function an entry, and one row of [`ENTRIES`] an entry; `longshore-store(5)` has one
//! heading an entry, and a test compares the two.

/// Which of the two trees a place is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// Survives a reboot: `/var/lib/longshore`.
    Root,
    /// Gone after a reboot: `/run/longshore`.
    Run,
}

/// A name inside the store. Only [`crate::Store`] turns it into a file, so that it cannot be
/// given to `std::fs` by mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub(crate) area: Area,
    pub(crate) path: String,
}

impl Place {
    pub(crate) fn root(path: impl Into<String>) -> Self {
        Self { area: Area::Root, path: path.into() }
    }
    pub(crate) fn run(path: impl Into<String>) -> Self {
        Self { area: Area::Run, path: path.into() }
    }
    /// The place called `name` in this directory. `name` is a checked id or name, never a path.
    pub(crate) fn join(&self, name: &str) -> Self {
        Self { area: self.area, path: format!("{}/{name}", self.path) }
    }
}

/// A row of the table that `longshore-store(5)` repeats.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The tree it is in.
    pub area: Area,
    /// The path below the tree, with the variable parts in capitals.
    pub pattern: &'static str,
    /// `dir`, `file` or `link`.
    pub kind: &'static str,
}

const fn root(pattern: &'static str, kind: &'static str) -> Entry {
    Entry { area: Area::Root, pattern, kind }
}

const fn run(pattern: &'static str, kind: &'static str) -> Entry {
    Entry { area: Area::Run, pattern, kind }
}

/// Every name of the store.
pub const ENTRIES: &[Entry] = &[root("store.json", "file"), root("tmp/NAME", "dir"), run("tmp/NAME", "dir")];

/// The directories that exist from the start.
pub(crate) const TOP_DIRS: &[(Area, &str)] =
    &[(Area::Root, "tmp"), (Area::Root, "names"), (Area::Root, "containers"), (Area::Run, "tmp")];

/// `store.json`: the version of the format.
pub(crate) fn store_json() -> Place {
    Place::root("store.json")
}

/// `tmp`: what has no name yet, and what has lost its name.
pub(crate) fn tmp_in(area: Area) -> Place {
    Place { area, path: "tmp".to_owned() }
}

/// `names`: one claim a name of a container.
pub(crate) fn names() -> Place {
    Place::root("names")
}

/// `names/NAME`: leads to the id of the container that has the name.
pub(crate) fn name(name: &str) -> Place {
    names().join(name)
}

/// `containers`: one directory a container.
pub(crate) fn containers() -> Place {
    Place::root("containers")
}

/// `containers/ID`: an OCI bundle, the writable layer, the log.
pub(crate) fn container(id: &str) -> Place {
    containers().join(id)
}

/// The names inside a container's directory.
pub(crate) mod in_container {
    /// What was asked for.
    pub(crate) const RECORD: &str = "record.json";
    /// The OCI runtime configuration.
    pub(crate) const CONFIG: &str = "config.json";
    /// What was started last; locked by its monitor.
    pub(crate) const RUN: &str = "run.json";
    /// How that ended.
    pub(crate) const EXIT: &str = "exit.json";
    /// What it wrote.
    pub(crate) const LOG: &str = "log";
    /// `hosts`, `hostname` and `resolv.conf`, bound into the container.
    pub(crate) const ETC: &str = "etc";
    /// Where another runtime would mount the root; empty.
    pub(crate) const ROOTFS: &str = "rootfs";
    /// The writable layer.
    pub(crate) const UPPER: &str = "upper";
    /// Overlay's own scratch space.
    pub(crate) const WORK: &str = "work";
}
