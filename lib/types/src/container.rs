//! The records of a container: facts, run, exit.
//!
//! `record.json` says what was asked for and changes only on request; `run.jsonl` says what was
//! started last, and in a second line how that ended. Whether a container runs is not stored: it
//! is asked of the kernel.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::mount::MountSpec;
use crate::port::Forward;
use crate::restart::Restart;

/// What was asked for: `containers/ID/record.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Unique name.
    pub name: String,
    /// RFC 3339, UTC.
    pub created: String,
    /// The image as the user named it.
    pub image: String,
    /// Digest of the image's configuration.
    pub image_id: Digest,
    /// Digest of the image's manifest.
    pub manifest: Digest,
    /// Digests of the uncompressed layers, lowest first.
    pub layers: Vec<Digest>,
    /// Program and arguments, after entrypoint and command were put together.
    pub args: Vec<String>,
    /// How many of them are the entrypoint.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub entrypoint: u32,
    /// `USER[:GROUP]` as asked for; looked up in the container at every start.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Additional groups, by name or number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Working directory.
    pub workdir: String,
    /// Host name inside.
    pub hostname: String,
    /// Labels of image and user.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// `bridge`, `none` or `host`.
    pub network: Network,
    /// Ports published on the host, kept over restarts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Forward>,
    /// Binds, volumes and tmpfs mounts, kept over restarts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<MountSpec>,
    /// Volumes made for this container alone; `ctr-rm -v` and `--rm` remove them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anonymous_volumes: Vec<String>,
    /// Additional lines of `/etc/hosts`: name and address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add_hosts: Vec<(String, String)>,
    /// Name servers instead of the host's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    /// Domains that are searched, instead of the host's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_search: Vec<String>,
    /// Options of resolv.conf(5), instead of the host's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_options: Vec<String>,
    /// Removed with its writable layer when it ends.
    #[serde(default, skip_serializing_if = "is_false")]
    pub auto_remove: bool,
    /// A terminal was asked for.
    #[serde(default, skip_serializing_if = "is_false")]
    pub tty: bool,
    /// A small init is its first process.
    #[serde(default, skip_serializing_if = "is_false")]
    pub init: bool,
    /// Standard input is kept open.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stdin_open: bool,
    /// It has all capabilities and devices.
    #[serde(default, skip_serializing_if = "is_false")]
    pub privileged: bool,
    /// When it is started again after its end.
    #[serde(default, skip_serializing_if = "is_no_restart")]
    pub restart: Restart,
    /// What `ctr-stop` sends first.
    pub stop_signal: i32,
    /// Seconds that `ctr-stop` waits before SIGKILL; -1 for ever.
    pub stop_timeout: i64,
    /// The command line that made it, verbatim.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub create_command: Vec<String>,
}

/// What a container is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The bridge `longshore0`.
    #[default]
    Bridge,
    /// Loopback only.
    None,
    /// The host's own network.
    Host,
}

/// What a list shows of a container beside its state: the part of its [`Record`] that does not
/// change while it runs, copied into the record of each run so that a list reads one file a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "as in Record")]
pub struct Brief {
    pub name: String,
    pub created: String,
    pub image: String,
    pub image_id: Digest,
    pub args: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    pub network: Network,
}

/// Bytes of text in a [`Brief`] beyond which it is left to the record itself.
const BRIEF: usize = 4 << 10;

impl Record {
    /// What a list shows of it.
    #[must_use]
    pub fn brief(&self) -> Brief {
        Brief {
            name: self.name.clone(),
            created: self.created.clone(),
            image: self.image.clone(),
            image_id: self.image_id,
            args: self.args.clone(),
            labels: self.labels.clone(),
            network: self.network,
        }
    }
}

impl Brief {
    /// Whether it is short enough for the record of a run: an image may have labels without end.
    #[must_use]
    pub fn is_short(&self) -> bool {
        let labels = self.labels.iter().flat_map(|(key, value)| [key, value]);
        let texts = [&self.name, &self.image].into_iter().chain(&self.args).chain(labels);
        texts.map(String::len).sum::<usize>() <= BRIEF
    }
}

impl Network {
    /// As users write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::None => "none",
            Self::Host => "host",
        }
    }
}

/// What was started last: the first line of `containers/ID/run.jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// RFC 3339, UTC, with nanoseconds; names this run.
    pub started: String,
    /// The container's first process, in the host's pid namespace.
    pub pid: i32,
    /// Field 22 of `/proc/PID/stat`: with `pid` it names a process for all time of one boot.
    pub start_time: u64,
    /// `/proc/sys/kernel/random/boot_id`: pids of another boot mean nothing.
    pub boot_id: String,
    /// The monitor's process.
    pub monitor: i32,
    /// How many restarts in a row came before it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restarts: u32,
    /// Address on the bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Ipv4Addr>,
    /// What a list shows; absent if that is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brief: Option<Brief>,
}

/// How a run ended: the second line of `containers/ID/run.jsonl`, written once, by the monitor or, if that
/// was killed, by whoever saw the end.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExitRecord {
    /// RFC 3339, UTC.
    pub finished: String,
    /// The program's status, or 128 plus the signal that ended it.
    pub code: i32,
    /// The kernel killed a process of it for want of memory.
    #[serde(default, skip_serializing_if = "is_false")]
    pub oom_killed: bool,
    /// Its monitor will start it again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub restarting: bool,
    /// Why some of what it wrote is missing in its log, if so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_no_restart(policy: &Restart) -> bool {
    *policy == Restart::No
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_false(b: &bool) -> bool {
    !*b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brief_with_labels_without_end_is_long() {
        let brief = |label: usize| Brief {
            name: "c".into(),
            created: "2026-01-01T00:00:00Z".into(),
            image: "busybox".into(),
            image_id: Digest::from_bytes([1; 32]),
            args: vec!["sh".into()],
            labels: BTreeMap::from([("key".into(), "x".repeat(label))]),
            network: Network::None,
        };
        assert!(brief(10).is_short());
        assert!(!brief(BRIEF).is_short());
    }
}
