//! Mounts: what is asked for, and the grammars of `-v`, `--mount` and `--tmpfs`.
//!
//! Promises: a target is absolute, without `.` and `..`, and not the root; a bind's source is
//! absolute. Whether a source exists is `vol`'s to find out. What Docker knows and we do not do
//! yet is refused by its name, never ignored.

mod csv;
mod long;
mod path;
mod short;
mod tmpfs;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use long::parse as mount;
pub use path::target;
pub use short::{bind, volume};
pub use tmpfs::parse as tmpfs;

use crate::{Error, Kind};

/// One mount of a container, as asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountSpec {
    /// What is mounted.
    pub source: Source,
    /// Where, an absolute path inside the container.
    pub target: PathBuf,
    /// Nothing below it can be written.
    #[serde(default)]
    pub read_only: bool,
    /// What happens to mounts below it later, on either side.
    #[serde(default, skip_serializing_if = "is_default")]
    pub propagation: Propagation,
    /// What a bind takes along of the mounts below its source.
    #[serde(default, skip_serializing_if = "is_default")]
    pub recursive: Recursive,
    /// A volume that is empty stays so, whatever the image has at the target.
    #[serde(default, skip_serializing_if = "is_default")]
    pub no_copy: bool,
    /// A bind's source that is missing is made, as a directory.
    #[serde(default, skip_serializing_if = "is_default")]
    pub create_source: bool,
}

/// What a mount shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A file or directory of the host, by absolute path.
    Bind(PathBuf),
    /// A named volume, which is made if it is not there.
    Volume(String),
    /// A volume that is made for this container; a record of a container has its name instead.
    Anonymous,
    /// Memory, with its mount options.
    Tmpfs(Vec<String>),
}

/// Mount propagation, see mount_namespaces(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words of mount(8)")]
pub enum Propagation {
    #[default]
    Rprivate,
    Private,
    Rshared,
    Shared,
    Rslave,
    Slave,
}

impl Propagation {
    /// Returns the word of mount(8) and of OCI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rprivate => "rprivate",
            Self::Private => "private",
            Self::Rshared => "rshared",
            Self::Shared => "shared",
            Self::Rslave => "rslave",
            Self::Slave => "slave",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        let all = [Self::Rprivate, Self::Private, Self::Rshared, Self::Shared, Self::Rslave, Self::Slave];
        all.into_iter().find(|p| p.as_str() == word)
    }
}

/// `bind-recursive` of `--mount`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recursive {
    /// With the mounts below; read-only reaches them too.
    #[default]
    Enabled,
    /// Without the mounts below.
    Disabled,
    /// With the mounts below, which stay writable.
    Writable,
    /// With the mounts below, and read-only reaches them or the start fails. Ours always does.
    Readonly,
}

impl MountSpec {
    /// A mount with the usual options.
    #[must_use]
    pub fn new(source: Source, target: PathBuf) -> Self {
        Self {
            source,
            target,
            read_only: false,
            propagation: Propagation::default(),
            recursive: Recursive::default(),
            no_copy: false,
            create_source: false,
        }
    }
}

/// Returns the target that two mounts share, if any do: each place shows one thing.
#[must_use]
pub fn duplicate(mounts: &[MountSpec]) -> Option<&std::path::Path> {
    let mut seen = std::collections::BTreeSet::new();
    mounts.iter().map(|m| m.target.as_path()).find(|target| !seen.insert(*target))
}

fn bad(option: &str, text: &str, why: impl std::fmt::Display) -> Error {
    Error::new(Kind::Invalid, format!("bad {option} {text:?}: {why}"))
}

fn not_yet(option: &str, text: &str, what: &str) -> Error {
    Error::new(Kind::Unsupported, format!("bad {option} {text:?}: {what:?} is not supported yet"))
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_holds_only_what_is_unusual() {
        let spec = MountSpec::new(Source::Volume("data".into()), "/data".into());
        let text = serde_json::to_string(&spec).expect("encodes");
        assert_eq!(text, r#"{"source":{"volume":"data"},"target":"/data","read_only":false}"#);
        assert_eq!(serde_json::from_str::<MountSpec>(&text).ok(), Some(spec));
        let spec = MountSpec {
            propagation: Propagation::Rslave,
            recursive: Recursive::Disabled,
            no_copy: true,
            create_source: true,
            ..MountSpec::new(Source::Anonymous, "/x".into())
        };
        let text = serde_json::to_string(&spec).expect("encodes");
        assert_eq!(serde_json::from_str::<MountSpec>(&text).ok(), Some(spec));
    }

    #[test]
    fn a_target_that_is_used_twice_is_found() {
        let at = |target: &str| MountSpec::new(Source::Anonymous, target.into());
        assert_eq!(duplicate(&[at("/a"), at("/b")]), None);
        assert_eq!(duplicate(&[at("/a"), at("/b"), at("/a")]), Some(std::path::Path::new("/a")));
    }
}
