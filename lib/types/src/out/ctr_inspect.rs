//! `ctr-inspect`; `ctr-ls` prints the same without [`Details`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::mount::MountPoint;
use crate::digest::Digest;
use crate::port::Forward;
use crate::time::Time;

/// A container.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name, without Docker's slash.
    pub name: String,
    /// When it was made.
    pub created: Time,
    /// The image, as `docker ps` shows it.
    pub image: String,
    /// Digest of the image's configuration.
    #[serde(rename = "ImageID")]
    pub image_id: Digest,
    /// The program.
    pub path: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// What it is doing.
    pub state: State,
    /// What it was made with.
    pub config: Config,
    /// What is mounted on behalf of the user.
    pub mounts: Vec<MountPoint>,
    /// Address and ports.
    pub network_settings: NetworkSettings,
    /// What only `ctr-inspect` prints.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
}

/// What a container is doing: derived from facts at the moment of asking.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct State {
    /// `created`, `running`, `restarting`, `exited`, or `lost`: ended while nobody watched.
    pub status: Status,
    /// It runs.
    pub running: bool,
    /// Its first process on the host; absent unless it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// How it ended: the program's status, or 128 plus the signal. Absent if it has not ended, or
    /// nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The kernel ended a process of it for want of memory.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// Why the program could not be started; absent if it could.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was started last; absent if never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When that ended; absent if it has not, or nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

/// The words for what a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "State::status says what they mean")]
pub enum Status {
    Created,
    Running,
    Restarting,
    Exited,
    Lost,
}

/// What a container was made with.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Config {
    /// The image, as the user named it.
    pub image: String,
    /// Labels of image and user.
    pub labels: BTreeMap<String, String>,
    /// What only `ctr-inspect` prints.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub details: Option<ConfigDetails>,
}

/// The rest of what a container was made with.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConfigDetails {
    /// Its host name.
    pub hostname: String,
    /// `USER[:GROUP]`; empty for root.
    pub user: String,
    /// The environment, `NAME=VALUE` each.
    pub env: Vec<String>,
    /// Entrypoint and command together.
    pub cmd: Vec<String>,
    /// The working directory.
    pub working_dir: String,
    /// It has a terminal.
    pub tty: bool,
    /// Its standard input is kept open.
    pub open_stdin: bool,
    /// What `ctr-stop` sends first.
    pub stop_signal: String,
    /// Seconds that `ctr-stop` waits then; -1 for ever.
    pub stop_timeout: i64,
    /// The command line that made it.
    pub create_command: Vec<String>,
}

/// Address and ports of a container.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkSettings {
    /// Its address on the bridge; absent unless it runs and is connected to it.
    #[serde(rename = "IPAddress", skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<std::net::Ipv4Addr>,
    /// By port of the container (`80/tcp`), the ports of the host that lead there. Those of the
    /// next start if it does not run.
    pub ports: BTreeMap<String, Vec<PortBinding>>,
}

/// A port of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PortBinding {
    /// The host's address; `0.0.0.0` for every one.
    pub host_ip: String,
    /// The port, in digits as `docker inspect` has it.
    pub host_port: String,
}

/// What `ctr-inspect` prints beyond `ctr-ls`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Details {
    /// What was asked for of the host.
    pub host_config: HostConfig,
    /// Restarts in a row before this run.
    pub restart_count: u32,
    /// `overlay`.
    pub driver: &'static str,
    /// `linux`.
    pub platform: &'static str,
    /// The manifest of the image.
    pub image_manifest: Digest,
    /// The OCI bundle.
    pub bundle_path: PathBuf,
    /// The log.
    pub log_path: PathBuf,
    /// What is mounted over `/etc/hosts`.
    pub hosts_path: PathBuf,
    /// What is mounted over `/etc/hostname`.
    pub hostname_path: PathBuf,
    /// What is mounted over `/etc/resolv.conf`.
    pub resolv_conf_path: PathBuf,
}

/// What was asked for of the host.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostConfig {
    /// `bridge`, `none` or `host`.
    pub network_mode: String,
    /// It is removed when it ends.
    pub auto_remove: bool,
    /// It has all capabilities and devices.
    pub privileged: bool,
    /// Its root cannot be written.
    pub readonly_rootfs: bool,
    /// When it is started again.
    pub restart_policy: RestartPolicy,
    /// Bytes of memory; 0 for no limit.
    pub memory: i64,
    /// Bytes of memory and swap; 0 for no limit of its own, -1 for none at all.
    pub memory_swap: i64,
    /// Processors, in units of 10^-9; 0 for no limit.
    pub nano_cpus: u64,
    /// Weight of processor time; 0 for the default.
    pub cpu_shares: u64,
    /// Processors that it may use; empty for all.
    pub cpuset_cpus: String,
    /// Processes and threads; -1 for no limit.
    pub pids_limit: i64,
    /// Capabilities that its program can have.
    pub capabilities: Vec<String>,
    /// Additional groups.
    pub group_add: Vec<String>,
    /// Name servers instead of the host's.
    pub dns: Vec<String>,
    /// Domains that are searched instead of the host's.
    pub dns_search: Vec<String>,
    /// Options of resolv.conf(5) instead of the host's.
    pub dns_options: Vec<String>,
    /// Additional lines of `/etc/hosts`, `NAME:ADDRESS` each.
    pub extra_hosts: Vec<String>,
}

/// When a container is started again.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RestartPolicy {
    /// `no`, `on-failure`, `always` or `unless-stopped`.
    pub name: String,
    /// How often in a row; 0 for no limit.
    pub maximum_retry_count: u32,
}

/// Sorts forwards by the container's port, as `docker inspect` has them.
#[must_use]
pub fn ports(forwards: &[Forward]) -> BTreeMap<String, Vec<PortBinding>> {
    let mut ports: BTreeMap<String, Vec<PortBinding>> = BTreeMap::new();
    for forward in forwards {
        let key = format!("{}/{}", forward.container_port, forward.proto);
        let host = forward.host_ip.map_or_else(|| "0.0.0.0".to_owned(), |ip| ip.to_string());
        let binding = PortBinding { host_ip: host, host_port: forward.host_port.to_string() };
        ports.entry(key).or_default().push(binding);
    }
    ports
}
