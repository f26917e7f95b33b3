//! What is known of a container: facts that do not change while it lives.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use types::{Error, Result};

/// The record in a container's directory.
pub(crate) const RECORD: &str = "state.json";
/// A copy of the configuration that it was made with.
pub(crate) const CONFIG: &str = "config.json";

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// Version of this format.
    pub format: u32,
    /// Its id.
    pub id: String,
    /// The directory of the bundle, absolute.
    pub bundle: PathBuf,
    /// Its root file system, absolute.
    pub rootfs: PathBuf,
    /// When it was made, RFC 3339.
    pub created: String,
    /// Who made it.
    pub owner: u32,
    /// Annotations of the configuration.
    pub annotations: BTreeMap<String, String>,
    /// Its first process; 0 until that is there.
    pub pid: i32,
    /// Start time of that process, which with the pid names it for all time of one boot.
    pub start_time: u64,
    /// The boot in which it was made.
    pub boot: String,
    /// Its control groups; absent until they are there.
    pub cgroup: Option<runtime::cgroup::Saved>,
    /// It has a pid namespace of its own: with its first process, all end.
    pub own_pids: bool,
    /// Its programs stay in the session keyring of whoever starts them.
    #[serde(default)]
    pub keep_keyring: bool,
    /// There are hooks to be run when it is deleted.
    pub poststop: bool,
    /// There are hooks to be run when it is started.
    pub poststart: bool,
    /// What its program is called, for messages.
    pub program: String,
}

/// The version of the format that this version writes and reads.
pub(crate) const FORMAT: u32 = 1;

impl Record {
    /// Tells whether its first process lives.
    pub(crate) fn is_alive(&self) -> Result<bool> {
        let alive = || sys::process::is_alive(self.pid, self.start_time, &self.boot);
        Ok(self.pid > 0 && alive().map_err(|e| Error::io("look at its process", e))?)
    }

    #[cfg(test)]
    pub(crate) fn for_tests(id: &str) -> Self {
        Self {
            format: FORMAT,
            id: id.into(),
            bundle: "/b".into(),
            rootfs: "/b/rootfs".into(),
            created: String::new(),
            owner: 0,
            annotations: BTreeMap::new(),
            pid: 0,
            start_time: 0,
            boot: sys::process::boot_id().unwrap().into(),
            cgroup: None,
            own_pids: true,
            keep_keyring: false,
            poststop: false,
            poststart: false,
            program: "sh".into(),
        }
    }
}
