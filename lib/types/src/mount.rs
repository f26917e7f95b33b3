//! Mounts: the grammars of `-v`, `--mount` and `--tmpfs`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
}

/// What a mount shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A file or directory of the host, by absolute path.
    Bind(PathBuf),
    /// A named volume.
    Volume(String),
    /// Memory.
    Tmpfs,
}
