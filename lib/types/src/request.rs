//! What a user asks of `ctr-run` and `ctr-create`, as plain data.

use std::collections::BTreeMap;

use crate::container::Network;
use crate::mount::MountSpec;
use crate::port::Forward;

/// A container that is wanted. Absent means: as the image says, else the default.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Image, as the user named it.
    pub image: String,
    /// Command and arguments instead of the image's.
    pub args: Vec<String>,
    /// Entrypoint instead of the image's; an empty list takes the image's away.
    pub entrypoint: Option<Vec<String>>,
    /// Name; generated if absent.
    pub name: Option<String>,
    /// Host name inside.
    pub hostname: Option<String>,
    /// `USER[:GROUP]`.
    pub user: Option<String>,
    /// Additional groups, by name or number.
    pub groups: Vec<String>,
    /// Working directory.
    pub workdir: Option<String>,
    /// What is to happen to variables, in order.
    pub env: Vec<crate::env::Setting>,
    /// Labels, added to the image's.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the OCI configuration.
    pub annotations: BTreeMap<String, String>,
    /// A terminal.
    pub tty: bool,
    /// Standard input.
    pub stdin_open: bool,
    /// Remove it when it ends.
    pub auto_remove: bool,
    /// A small init as first process.
    pub init: bool,
    /// The root file system cannot be written.
    pub read_only: bool,
    /// What it is connected to.
    pub network: Network,
    /// Published ports.
    pub ports: Vec<Forward>,
    /// Publish every port that the image exposes.
    pub publish_all: bool,
    /// Binds, volumes, tmpfs.
    pub mounts: Vec<MountSpec>,
    /// Lines of `/etc/hosts`: name, address.
    pub add_hosts: Vec<(String, String)>,
    /// Name servers.
    pub dns: Vec<String>,
    /// Domains that are searched.
    pub dns_search: Vec<String>,
    /// Options of resolv.conf(5).
    pub dns_options: Vec<String>,
    /// Ports that `publish_all` publishes beside the image's.
    pub expose: Vec<Forward>,
    /// Limits.
    pub resources: Resources,
    /// Capabilities to add; `ALL` means all.
    pub cap_add: Vec<String>,
    /// Capabilities to drop; `ALL` means all.
    pub cap_drop: Vec<String>,
    /// All capabilities, no filter, all devices.
    pub privileged: bool,
    /// What `--security-opt` says.
    pub security: Security,
    /// `setrlimit(2)`: name, soft, hard.
    pub ulimits: Vec<crate::limit::Ulimit>,
    /// Size of `/dev/shm`, in bytes.
    pub shm_size: Option<u64>,
    /// Kernel parameters of the container's own namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// Added to the kernel's badness of its processes.
    pub oom_score_adj: Option<i32>,
    /// When it is started again after its end.
    pub restart: crate::restart::Restart,
    /// Signal that stops it.
    pub stop_signal: Option<i32>,
    /// Seconds until SIGKILL; -1 for ever.
    pub stop_timeout: Option<i64>,
    /// The command line, verbatim.
    pub command_line: Vec<String>,
}

impl Request {
    /// The same of another image.
    #[must_use]
    pub fn with_image(&self, image: &str) -> Self {
        Self { image: image.to_owned(), ..self.clone() }
    }
}

/// Limits of a control group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// Bytes of memory.
    pub memory: Option<i64>,
    /// Bytes of memory and swap together; -1 for no limit.
    pub memory_swap: Option<i64>,
    /// Microseconds of processor time a period of 100 ms.
    pub cpu_quota: Option<i64>,
    /// Weight against other groups.
    pub cpu_shares: Option<u64>,
    /// Processors that may be used: `0-2,4`.
    pub cpuset_cpus: Option<String>,
    /// Processes and threads; 0 or less for no limit.
    pub pids: Option<i64>,
}

/// What is relaxed or tightened.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// System call filter.
    pub seccomp: Seccomp,
    /// Set-user-ID programs gain nothing.
    pub no_new_privileges: bool,
    /// No masked and read-only paths.
    pub systempaths_unconfined: bool,
    /// A profile of AppArmor.
    pub apparmor: Option<String>,
    /// A label of SELinux.
    pub label: Option<crate::label::Label>,
}

/// Which system call filter.
#[derive(Debug, Clone, Default)]
pub enum Seccomp {
    /// Ours.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// The text of a profile, in the JSON of Docker's profiles or of the OCI configuration.
    Profile(String),
}

/// A program that is wanted in a running container. Absent means: as the container has it.
#[derive(Debug, Clone, Default)]
pub struct ExecRequest {
    /// Program and arguments.
    pub args: Vec<String>,
    /// What is to happen to variables of the container's environment, in order.
    pub env: Vec<crate::env::Setting>,
    /// `USER[:GROUP]`.
    pub user: Option<String>,
    /// Working directory.
    pub workdir: Option<String>,
    /// A terminal.
    pub tty: bool,
    /// Standard input.
    pub stdin_open: bool,
    /// All capabilities.
    pub privileged: bool,
}
