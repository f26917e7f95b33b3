//! The OCI runtime configuration of a container: from what was asked for, and at every start.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use oci_spec::image::ImageConfiguration;
use oci_spec::runtime::{
    Capabilities, LinuxCpu, LinuxMemory, LinuxPids, LinuxResources, Mount, PosixRlimit, PosixRlimitBuilder,
    PosixRlimitType, Process, Spec,
};
use runtime::defaults;
use store::Store;
use types::container::{Network, Record};
use types::env::{DEFAULT_PATH, Environment};
use types::limit::Ulimit;
use types::request::{Request, Resources, Seccomp};
use types::{Error, Kind, Result};

use crate::profile;

/// Memory and swap together, if only memory was limited: twice the memory, as Docker's.
const SWAP_FACTOR: i64 = 2;

/// Builds the configuration of a new container.
///
/// # Errors
/// `Invalid` for a capability, limit or profile that does not exist.
pub(crate) fn build(
    store: &Store,
    request: &Request,
    image: &ImageConfiguration,
    record: &Record,
) -> Result<Spec> {
    let mut spec = defaults::spec(defaults::Request {
        args: record.args.clone(),
        env: environment(request, image, record),
        cwd: PathBuf::from(&record.workdir),
        hostname: if record.network == Network::Host { String::new() } else { record.hostname.clone() },
        terminal: request.tty,
        read_only: request.read_only,
        privileged: request.privileged,
        cap_add: request.cap_add.clone(),
        cap_drop: request.cap_drop.clone(),
        no_new_privileges: request.security.no_new_privileges,
        seccomp: match &request.security.seccomp {
            Seccomp::Default => defaults::Seccomp::Default,
            Seccomp::Unconfined => defaults::Seccomp::Unconfined,
            Seccomp::Profile(text) => defaults::Seccomp::Profile(Box::new(profile::parse(text, request)?)),
        },
        apparmor: request.security.apparmor.clone(),
        labels: request.security.label.as_ref().map(|label| (label.of_process(), label.of_mounts())),
        host_network: record.network == Network::Host,
        mounts: own_mounts(store, record)?,
        rlimits: request.ulimits.iter().map(rlimit).collect::<Result<_>>()?,
        resources: limits(&request.resources),
        sysctl: request.sysctls.clone().into_iter().collect(),
        shm_size: request.shm_size.unwrap_or(0),
        oom_score_adj: request.oom_score_adj,
        ..defaults::Request::default()
    })?;
    if request.security.systempaths_unconfined
        && let Some(linux) = spec.linux_mut()
    {
        linux.set_masked_paths(None).set_readonly_paths(None);
    }
    if !request.annotations.is_empty() {
        spec.set_annotations(Some(request.annotations.clone().into_iter().collect()));
    }
    Ok(spec)
}

/// Builds `config.json` anew after the mounts of a container have changed; `gone` are targets that
/// it had before.
pub(crate) fn with_mounts(store: &Store, record: &Record, gone: &[&Path]) -> Result<Vec<u8>> {
    let mut spec = load(store, &record.id)?;
    let is_theirs =
        |target: &Path| gone.contains(&target) || record.mounts.iter().any(|m| m.target == target);
    let mut mounts = spec.mounts().clone().unwrap_or_default();
    mounts.retain(|mount| !is_theirs(mount.destination()));
    mounts.extend(vol::resolve(store, &record.mounts)?);
    spec.set_mounts(Some(mounts));
    encode(&spec)
}

/// Reads `config.json`.
///
/// # Errors
/// `Corrupt` if it is not one.
pub(crate) fn load(store: &Store, id: &str) -> Result<Spec> {
    serde_json::from_slice(&store.config(id)?)
        .map_err(|e| Error::because(Kind::Corrupt, "read its config.json", e))
}

/// The text of `config.json`.
pub(crate) fn encode(spec: &Spec) -> Result<Vec<u8>> {
    serde_json::to_vec(spec).map_err(|e| Error::because(Kind::Invalid, "encode its config.json", e))
}

/// Looks the user up in the container's own files, as they are now, and gives the program its home.
pub(crate) fn resolve_user(spec: &mut Spec, record: &Record, rootfs: BorrowedFd<'_>) -> Result<()> {
    let found = runtime::user::resolve(rootfs, &record.user, &record.groups)?;
    let Some(process) = spec.process_mut() else {
        return Err(Error::new(Kind::Corrupt, "its config.json has no process"));
    };
    let mut env = Environment::from_image(process.env().iter().flatten().map(String::as_str));
    env.add_defaults(&record.hostname, &found.home, record.tty);
    process.set_env(Some(env.into_lines()));
    set_user(process, &found, false);
    Ok(())
}

/// Runs a process as a user. One other than root has no capability in force, only as a bound,
/// unless it is to be privileged.
pub(crate) fn set_user(process: &mut Process, found: &runtime::user::User, privileged: bool) {
    let mut user = process.user().clone();
    user.set_uid(found.uid)
        .set_gid(found.gid)
        .set_additional_gids(Some(runtime::user::supplementary(found.gid, &found.groups)));
    process.set_user(user);
    let mut sets = process.capabilities().clone().unwrap_or_default();
    if privileged {
        sets.set_bounding(Some(runtime::caps::ALL.into_iter().collect()));
    }
    let bound = sets.bounding().clone().unwrap_or_default();
    let in_force = if found.uid == 0 || privileged { bound } else { Capabilities::new() };
    sets.set_permitted(Some(in_force.clone())).set_effective(Some(in_force));
    process.set_capabilities(Some(sets));
}

/// The limits of a configuration.
pub(crate) fn resources(spec: &Spec) -> LinuxResources {
    spec.linux().as_ref().and_then(|linux| linux.resources().clone()).unwrap_or_default()
}

/// Image, then what was asked for, then defaults. The home is not known before a start.
fn environment(request: &Request, image: &ImageConfiguration, record: &Record) -> Vec<String> {
    let of_image = image.config().as_ref().and_then(|c| c.env().clone()).unwrap_or_default();
    let mut env = Environment::from_image(of_image.iter().map(String::as_str));
    env.apply(&request.env);
    env.set_default("PATH", DEFAULT_PATH);
    env.set_default("HOSTNAME", &record.hostname);
    if request.tty {
        env.set_default("TERM", "xterm");
    }
    env.into_lines()
}

/// The engine's own files, then what the user mounts; one of the user's replaces one of ours.
fn own_mounts(store: &Store, record: &Record) -> Result<Vec<Mount>> {
    let theirs = vol::resolve(store, &record.mounts)?;
    let bind = |source: PathBuf, target: &str, mode: &str| {
        defaults::mount(target, "bind", source, &["rbind", "rprivate", mode])
    };
    let mut mounts: Vec<Mount> = store::layout::ETC
        .iter()
        .map(|file| bind(store.absolute(&store.etc(&record.id, file)), &format!("/etc/{file}"), "rw"))
        .collect();
    mounts.retain(|ours| !theirs.iter().any(|mount| mount.destination() == ours.destination()));
    mounts.extend(theirs);
    Ok(mounts)
}

fn rlimit(limit: &Ulimit) -> Result<PosixRlimit> {
    let name = limit.oci_name();
    let typ: PosixRlimitType = serde_json::from_value(serde_json::Value::String(name.clone()))
        .map_err(|e| Error::because(Kind::Invalid, format!("bad limit {name:?}"), e))?;
    PosixRlimitBuilder::default()
        .typ(typ)
        .soft(limit.soft)
        .hard(limit.hard)
        .build()
        .map_err(|e| Error::because(Kind::Invalid, format!("bad limit {name:?}"), e))
}

fn limits(asked: &Resources) -> LinuxResources {
    let mut limits = LinuxResources::default();
    if asked.memory.is_some() || asked.memory_swap.is_some() {
        let mut memory = LinuxMemory::default();
        let swap = asked.memory_swap.or_else(|| asked.memory.map(|bytes| bytes.saturating_mul(SWAP_FACTOR)));
        memory.set_limit(asked.memory).set_swap(swap);
        limits.set_memory(Some(memory));
    }
    if asked.cpu_quota.is_some() || asked.cpu_shares.is_some() || asked.cpuset_cpus.is_some() {
        let mut cpu = LinuxCpu::default();
        cpu.set_quota(asked.cpu_quota)
            .set_period(asked.cpu_quota.map(|_| types::size::CPU_PERIOD))
            .set_shares(asked.cpu_shares)
            .set_cpus(asked.cpuset_cpus.clone());
        limits.set_cpu(Some(cpu));
    }
    if let Some(limit) = asked.pids {
        let mut pids = LinuxPids::default();
        pids.set_limit(if limit <= 0 { -1 } else { limit });
        limits.set_pids(Some(pids));
    }
    limits
}
