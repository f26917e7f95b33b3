//! Groups as a record keeps them, for who comes later.

use std::path::Path;

use oci_spec::runtime::LinuxResources;
use serde::{Deserialize, Serialize};
use types::{Error, Kind, Result};

use super::dir::{Dir, Hierarchies};
use super::{Cgroup, check_id, devices, v1, v2};

/// Where the groups of a container are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The container's id; absent if it has no groups of its own.
    id: Option<String>,
    /// Where they are, if not where those of all containers are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
}

/// What a container uses.
#[derive(Debug, Clone, Serialize)]
pub struct Stats {}

impl Cgroup {
    /// Makes the groups of a bundle, at the path that it asks for; without one, where containers of ours
    /// are. A path is below the root of each hierarchy, with a slash in front or without.
    ///
    /// # Errors
    /// As [`Cgroup::create`]; `Unsupported` for a path of its own together with access to every device.
    pub fn for_bundle(id: &str, path: Option<&Path>, resources: &LinuxResources) -> Result<Self> {
        let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) else {
            return Self::create(id, resources);
        };
        let bad = || Error::new(Kind::Invalid, format!("bad cgroup path {path:?}"));
        let path = path.to_str().ok_or_else(bad)?.trim_matches('/');
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        check_id(name).map_err(|_| bad())?;
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(bad());
        }
        if devices::unrestricted(resources)? {
            return Err(Error::new(Kind::Unsupported, "every device at a cgroup path is not supported yet"));
        }
        let parent = if parent.is_empty() { "." } else { parent };
        let mut made = match Hierarchies::find()? {
            Hierarchies::Unified(root) => {
                make_parents(&root, parent)?;
                v2::create(&root, parent, name, resources)
            }
            Hierarchies::Split(root) => {
                for hierarchy in v1::hierarchies(&root)? {
                    make_parents(&hierarchy, parent)?;
                }
                v1::create(&root, parent, name, resources)
            }
        }
        .map_err(|e| e.within("make cgroup"))?;
        made.parent = Some(parent.to_owned());
        Ok(made)
    }

    /// No groups: the container stays in those of its caller.
    #[must_use]
    pub const fn none() -> Self {
        Self { id: String::new(), v2: None, unified: false, v1: Vec::new(), devices: None, parent: None }
    }

    /// What [`Cgroup::reopen`] needs.
    #[must_use]
    pub fn saved(&self) -> Saved {
        Saved { id: Some(self.id.clone()).filter(|id| !id.is_empty()), parent: self.parent.clone() }
    }

    /// Opens groups that were made before; those that are gone are left out.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn reopen(saved: &Saved) -> Result<Self> {
        let Some(id) = saved.id.as_deref() else { return Ok(Self::none()) };
        let Some(parent) = saved.parent.as_deref() else {
            return match Self::open(id) {
                Err(e) if e.kind() == Kind::NotFound => Ok(Self::none()),
                other => other,
            };
        };
        let found = match Hierarchies::find()? {
            Hierarchies::Unified(root) => v2::open(&root, parent, id)?,
            Hierarchies::Split(root) => v1::open(&root, parent, id)?,
        };
        Ok(found.map_or_else(Self::none, |found| Self { parent: saved.parent.clone(), ..found }))
    }

    /// Tells whether the processes are stopped.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn frozen(&self) -> Result<bool> {
        let Some(dir) = &self.v2 else { return Ok(false) };
        Ok(dir.read_if_there("cgroup.freeze")?.is_some_and(|text| text.trim() == "1"))
    }

    /// Changes limits.
    ///
    /// # Errors
    /// `Unsupported`: not yet.
    pub fn update(&self, _resources: &LinuxResources) -> Result<()> {
        Err(Error::new(Kind::Unsupported, "update of limits is not supported yet"))
    }

    /// Reads the counters.
    ///
    /// # Errors
    /// `Unsupported`: not yet.
    pub fn stats(&self) -> Result<Stats> {
        Err(Error::new(Kind::Unsupported, "statistics are not supported yet"))
    }
}

/// Makes the groups above a group, outermost first.
fn make_parents(root: &Dir, parent: &str) -> Result<()> {
    for (at, _) in parent.match_indices('/') {
        root.ensure(parent.get(..at).unwrap_or(parent))?;
    }
    root.ensure(parent).map(drop)
}
