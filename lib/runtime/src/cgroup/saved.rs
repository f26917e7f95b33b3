//! Where a container's groups are, as plain data for its state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use types::{Error, Kind, Result};

use super::dir::Dir;
use super::{Cgroup, Hierarchies, v1};

/// The groups of a container, to be opened again by [`Cgroup::reopen`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Saved {
    /// For messages.
    pub name: String,
    /// Hierarchy (`memory`, `cpu,cpuacct`; empty for v2) to absolute path.
    pub groups: BTreeMap<String, String>,
}

impl Cgroup {
    /// Describes the groups of a bundle.
    #[must_use]
    pub fn saved(&self) -> Saved {
        let v1 = self.v1.iter().map(|group| (group.hierarchy.clone(), group.dir.name().to_owned()));
        let v2 = self.v2.iter().map(|dir| (String::new(), dir.name().to_owned()));
        Saved { name: self.id.clone(), groups: v1.chain(v2).collect() }
    }

    /// Opens groups that were saved. Those that are gone are left out.
    ///
    /// # Errors
    /// If one that is there cannot be opened; `Corrupt` if it is a directory of something else, which
    /// would be searched, and emptied of directories in the end.
    pub fn reopen(saved: &Saved) -> Result<Self> {
        let mut found = Self::named(&saved.name);
        found.unified = matches!(Hierarchies::find()?, Hierarchies::Unified(_));
        for (hierarchy, path) in &saved.groups {
            let dir = match Dir::at(path) {
                Ok(dir) => dir,
                Err(e) if e.kind() == Kind::NotFound => continue,
                Err(e) => return Err(e),
            };
            if !dir.is_cgroup()? {
                return Err(Error::new(Kind::Corrupt, format!("{path:?} is no cgroup")));
            }
            if hierarchy.is_empty() {
                found.v2 = Some(dir);
            } else {
                found.v1.push(v1::Group::new(hierarchy, dir)?);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_no_cgroup_is_refused_and_one_that_is_gone_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().to_str().unwrap().to_owned();
        let saved = |path: String| Saved { name: "a".into(), groups: [("memory".to_owned(), path)].into() };
        assert_eq!(Cgroup::reopen(&saved(there.clone())).unwrap_err().kind(), Kind::Corrupt);
        assert!(Cgroup::reopen(&saved(there + "/gone")).is_ok());
    }
}
