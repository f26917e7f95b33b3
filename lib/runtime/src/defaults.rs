//! The configuration of an ordinary container.
//!
//! One place for what we promise without being asked: Podman's eleven capabilities, a seccomp
//! profile like Docker's and narrower, the union of both engines' masked and read-only paths.

use std::collections::HashMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{
    Capabilities, Linux, LinuxCapabilities, LinuxDevice, LinuxDeviceType, LinuxNamespace, LinuxNamespaceType,
    LinuxPids, LinuxResources, LinuxSeccomp, Mount, PosixRlimit, PosixRlimitBuilder, PosixRlimitType,
    Process, Root, Spec, User,
};
use types::{Error, Kind, Result};

use crate::{caps, seccomp, user};

/// Where programs are looked for if the image does not say.
pub use crate::plan::DEFAULT_PATH;

/// Processes a container may have unless told otherwise.
pub const PIDS_LIMIT: i64 = 2048;

/// Size of `/dev/shm` unless told otherwise.
pub const SHM_SIZE: u64 = 64 << 20;

/// What differs between containers.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Program and arguments.
    pub args: Vec<String>,
    /// `NAME=value`, complete.
    pub env: Vec<String>,
    /// Working directory, absolute; empty for `/`.
    pub cwd: PathBuf,
    /// Who it runs as, from [`crate::user::resolve`].
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Host name; empty leaves the host's.
    pub hostname: String,
    /// A terminal.
    pub terminal: bool,
    /// The root file system is read-only.
    pub read_only: bool,
    /// All capabilities, all devices, no seccomp, nothing masked, `/sys` writable.
    pub privileged: bool,
    /// `--cap-add`.
    pub cap_add: Vec<String>,
    /// `--cap-drop`.
    pub cap_drop: Vec<String>,
    /// `--security-opt no-new-privileges`.
    pub no_new_privileges: bool,
    /// `--security-opt seccomp=...`.
    pub seccomp: Seccomp,
    /// `--security-opt apparmor=...`: a profile of AppArmor.
    pub apparmor: Option<String>,
    /// `--security-opt label=...`: SELinux labels of the program and of what is mounted for it.
    pub labels: Option<(String, String)>,
    /// The host's network instead of an own one.
    pub host_network: bool,
    /// Binds and other mounts; one on a default mount's place replaces it.
    pub mounts: Vec<Mount>,
    /// `--ulimit`.
    pub rlimits: Vec<PosixRlimit>,
    /// Limits of the cgroup. Without one on processes, [`PIDS_LIMIT`] holds.
    pub resources: LinuxResources,
    /// Kernel parameters beyond the default ones.
    pub sysctl: HashMap<String, String>,
    /// Bytes of `/dev/shm`; 0 for [`SHM_SIZE`].
    pub shm_size: u64,
    /// `--oom-score-adj`.
    pub oom_score_adj: Option<i32>,
}

/// Which system calls are allowed.
#[derive(Debug, Clone, Default)]
pub enum Seccomp {
    /// The default profile.
    #[default]
    Default,
    /// All.
    Unconfined,
    /// A profile of the user, already in OCI form.
    Profile(Box<LinuxSeccomp>),
}

/// Hidden files and directories. The union of Docker's and Podman's lists, then what shows the state of
/// the host's memory, kernel and boots to user 0. What is not there is skipped by the runtime.
const MASKED: [&str; 25] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
    // Not in theirs.
    "/proc/kallsyms",
    "/proc/kmsg",
    "/proc/pagetypeinfo",
    "/proc/slabinfo",
    "/proc/vmallocinfo",
    "/sys/fs/bpf",
    "/sys/fs/fuse",
    "/sys/fs/pstore",
    "/sys/kernel/debug",
    "/sys/kernel/security",
    "/sys/kernel/tracing",
    "/sys/power",
];

/// One directory for each processor, where the hardware has it: heat tells what neighbours do.
fn thermal() -> Vec<String> {
    let path = |n| format!("/sys/devices/system/cpu/cpu{n}/thermal_throttle");
    (0..).map(path).take_while(|path| Path::new(path).exists()).collect()
}

/// Files and directories that cannot be written.
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Returns the configuration of a container.
///
/// # Errors
/// `Invalid` for a capability that does not exist.
pub fn spec(request: Request) -> Result<Spec> {
    let capabilities = if request.privileged {
        caps::ALL.into_iter().collect()
    } else {
        caps::adjust(&caps::DEFAULT, &request.cap_add, &request.cap_drop)?
    };
    let linux = linux(&request, &capabilities)?;
    let mut root = Root::default();
    root.set_path("rootfs".into()).set_readonly(Some(request.read_only));
    let mut spec = Spec::default();
    spec.set_version("1.2.0".into())
        .set_root(Some(root))
        .set_mounts(Some(mounts(&request)?))
        .set_hostname(Some(request.hostname.clone()).filter(|name| !name.is_empty()))
        .set_linux(Some(linux))
        .set_process(Some(process(request, &capabilities)?));
    Ok(spec)
}

/// Returns the `process` part alone, as an exec into a running container needs it.
///
/// Capabilities are those of `request`: for the container's own, pass what it was made with. A user
/// other than root has none in force, only as a bound.
///
/// # Errors
/// Never for complete data; the builder of limits says so at run time.
pub fn process(request: Request, capabilities: &Capabilities) -> Result<Process> {
    let mut user = User::default();
    user.set_uid(request.uid)
        .set_gid(request.gid)
        .set_umask(Some(0o022))
        .set_additional_gids(Some(user::supplementary(request.gid, &request.groups)));
    let in_force = if request.uid == 0 { capabilities.clone() } else { Capabilities::new() };
    let mut sets = LinuxCapabilities::default();
    // Nothing inheritable, nothing ambient (CVE-2022-24769 and its kin).
    sets.set_bounding(Some(capabilities.clone()))
        .set_permitted(Some(in_force.clone()))
        .set_effective(Some(in_force))
        .set_inheritable(Some(Capabilities::new()))
        .set_ambient(Some(Capabilities::new()));
    let cwd = if request.cwd.as_os_str().is_empty() { PathBuf::from("/") } else { request.cwd };
    let mut process = Process::default();
    process
        .set_terminal(Some(request.terminal))
        .set_user(user)
        .set_args(Some(request.args))
        .set_env(Some(request.env))
        .set_cwd(cwd)
        .set_capabilities(Some(sets))
        .set_rlimits(Some(rlimits(request.rlimits)?))
        .set_no_new_privileges(Some(request.no_new_privileges))
        .set_oom_score_adj(request.oom_score_adj)
        .set_apparmor_profile(request.apparmor)
        .set_selinux_label(request.labels.map(|(process, _)| process));
    Ok(process)
}

fn linux(request: &Request, capabilities: &Capabilities) -> Result<Linux> {
    let filter = match &request.seccomp {
        Seccomp::Unconfined => None,
        Seccomp::Profile(profile) => Some(profile.as_ref().clone()),
        Seccomp::Default if request.privileged => None,
        Seccomp::Default => Some(seccomp::profile(capabilities)?),
    };
    let paths = |list: &[&str]| list.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    let open = request.privileged;
    let masked = || {
        let mut all = paths(&MASKED);
        all.append(&mut thermal());
        all
    };
    let mut linux = Linux::default();
    linux
        .set_namespaces(Some(namespaces(request.host_network)))
        .set_resources(Some(resources(request)))
        .set_devices(open.then(host_devices))
        .set_seccomp(filter)
        .set_mount_label(request.labels.as_ref().map(|(_, mounts)| mounts.clone()))
        .set_sysctl(Some(sysctl(request)))
        .set_masked_paths((!open).then(masked))
        .set_readonly_paths((!open).then(|| paths(&READ_ONLY)));
    Ok(linux)
}

fn namespaces(host_network: bool) -> Vec<LinuxNamespace> {
    use LinuxNamespaceType as Type;
    [Type::Pid, Type::Mount, Type::Ipc, Type::Uts, Type::Cgroup, Type::Network]
        .into_iter()
        .filter(|typ| !(host_network && *typ == Type::Network))
        .map(|typ| {
            let mut space = LinuxNamespace::default();
            space.set_typ(typ);
            space
        })
        .collect()
}

fn resources(request: &Request) -> LinuxResources {
    let mut resources = request.resources.clone();
    if resources.pids().is_none() {
        let mut pids = LinuxPids::default();
        pids.set_limit(PIDS_LIMIT);
        resources.set_pids(Some(pids));
    }
    let mut rule = oci_spec::runtime::LinuxDeviceCgroup::default();
    rule.set_allow(request.privileged).set_access(Some("rwm".into()));
    resources.set_devices(Some(vec![rule]));
    resources
}

/// Ping for every group and low ports for every user, so that nobody needs `CAP_NET_RAW` or
/// `CAP_NET_BIND_SERVICE` for them. Only in a network namespace of the container's own.
fn sysctl(request: &Request) -> HashMap<String, String> {
    let mut all = request.sysctl.clone();
    if !request.host_network {
        for (name, value) in
            [("net.ipv4.ping_group_range", "0 2147483647"), ("net.ipv4.ip_unprivileged_port_start", "0")]
        {
            all.entry(name.into()).or_insert_with(|| value.into());
        }
    }
    all
}

/// No core files unless asked for: they would land in the container's layer, or with the host's
/// handler.
fn rlimits(mut asked: Vec<PosixRlimit>) -> Result<Vec<PosixRlimit>> {
    if !asked.iter().any(|limit| limit.typ() == PosixRlimitType::RlimitCore) {
        asked.push(rlimit(PosixRlimitType::RlimitCore, 0, 0)?);
    }
    Ok(asked)
}

/// Returns a limit entry of a configuration.
///
/// # Errors
/// Never for complete data; the builder says so at run time.
pub fn rlimit(typ: PosixRlimitType, soft: u64, hard: u64) -> Result<PosixRlimit> {
    PosixRlimitBuilder::default()
        .typ(typ)
        .soft(soft)
        .hard(hard)
        .build()
        .map_err(|e| Error::because(Kind::Invalid, "build resource limit", e))
}

fn mounts(request: &Request) -> Result<Vec<Mount>> {
    let sys = if request.privileged { "rw" } else { "ro" };
    let size = if request.shm_size == 0 { SHM_SIZE } else { request.shm_size };
    let shm = format!("size={size}");
    let usual: [(&str, &str, &[&str]); 7] = [
        ("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        ("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        ("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        ("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", &shm]),
        ("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        ("/sys", "sysfs", &["nosuid", "noexec", "nodev", sys]),
        ("/sys/fs/cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", sys]),
    ];
    let replaced = |path: &str| request.mounts.iter().any(|mount| mount.destination() == Path::new(path));
    let mut all: Vec<Mount> = usual
        .into_iter()
        .filter(|(path, ..)| !replaced(path))
        .map(|(path, typ, options)| mount(path, typ, typ, options))
        .collect();
    all.extend(request.mounts.iter().cloned());
    Ok(all)
}

/// Returns a mount entry of a configuration.
#[must_use]
pub fn mount(target: impl Into<PathBuf>, typ: &str, source: impl Into<PathBuf>, options: &[&str]) -> Mount {
    let mut mount = Mount::default();
    mount
        .set_destination(target.into())
        .set_typ(Some(typ.to_owned()))
        .set_source(Some(source.into()))
        .set_options(Some(options.iter().map(|option| (*option).to_owned()).collect()));
    mount
}

/// Every device node of the host, for a privileged container. Terminals and what is mounted in
/// `/dev` are not: the container has its own.
fn host_devices() -> Vec<LinuxDevice> {
    let mut found = Vec::new();
    collect(Path::new("/dev"), &mut found);
    found.sort_by(|a, b| a.path().cmp(b.path()));
    found
}

fn collect(dir: &Path, found: &mut Vec<LinuxDevice>) {
    // A directory that cannot be read shows no devices, as it does to the host's own programs.
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let own = ["pts", "shm", "mqueue", "fd", "console", "ptmx", "hugepages"];
        if own.iter().any(|name| path == Path::new("/dev").join(name)) {
            continue;
        }
        let Ok(metadata) = entry.metadata() else { continue };
        let kind = metadata.file_type();
        let typ = match () {
            () if kind.is_dir() => {
                collect(&path, found);
                continue;
            }
            () if kind.is_char_device() => LinuxDeviceType::C,
            () if kind.is_block_device() => LinuxDeviceType::B,
            () => continue,
        };
        let (major, minor) = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
        let mut device = LinuxDevice::default();
        device
            .set_path(path)
            .set_typ(typ)
            .set_major(i64::from(major))
            .set_minor(i64::from(minor))
            .set_file_mode(Some(metadata.mode() & 0o7777))
            .set_uid(Some(metadata.uid()))
            .set_gid(Some(metadata.gid()));
        found.push(device);
    }
}
