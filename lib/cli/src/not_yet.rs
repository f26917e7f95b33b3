//! Options that Docker or podman have and we do not: told from those that nobody has.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Options of their commands for the jobs that tools of ours do. One that a tool learns need not be
/// taken out: it is looked up only when the tool does not know it.
const KNOWN_ELSEWHERE: &[&str] = &[
    "--attach",
    "--authfile",
    "--blkio-weight",
    "--blkio-weight-device",
    "--cgroup-conf",
    "--cgroup-parent",
    "--cgroupns",
    "--cgroups",
    "--chrootdirs",
    "--cpu-count",
    "--cpu-percent",
    "--cpu-period",
    "--cpu-quota",
    "--cpu-rt-period",
    "--cpu-rt-runtime",
    "--cpuset-mems",
    "--creds",
    "--details",
    "--device",
    "--device-cgroup-rule",
    "--device-read-bps",
    "--device-read-iops",
    "--device-write-bps",
    "--device-write-iops",
    "--disable-content-trust",
    "--domainname",
    "--driver",
    "--env-host",
    "--env-merge",
    "--format",
    "--gpus",
    "--group-entry",
    "--health-cmd",
    "--health-interval",
    "--health-on-failure",
    "--health-retries",
    "--health-start-interval",
    "--health-start-period",
    "--health-timeout",
    "--hooks-dir",
    "--hosts-file",
    "--hostuser",
    "--image-volume",
    "--init-path",
    "--ip",
    "--ip6",
    "--ipc",
    "--isolation",
    "--kernel-memory",
    "--latest",
    "--link",
    "--link-local-ip",
    "--log-driver",
    "--log-opt",
    "--mac-address",
    "--memory-reservation",
    "--memory-swappiness",
    "--net-alias",
    "--network-alias",
    "--no-healthcheck",
    "--no-hosts",
    "--no-prune",
    "--oom-kill-disable",
    "--opt",
    "--passwd",
    "--passwd-entry",
    "--personality",
    "--pid",
    "--pidfile",
    "--pod",
    "--preserve-fd",
    "--preserve-fds",
    "--read-only-tmpfs",
    "--replace",
    "--requires",
    "--retry",
    "--rmi",
    "--rootfs",
    "--runtime",
    "--sdnotify",
    "--secret",
    "--sig-proxy",
    "--size",
    "--storage-opt",
    "--systemd",
    "--tls-verify",
    "--tree",
    "--tz",
    "--umask",
    "--unsetenv",
    "--unsetenv-all",
    "--use-api-socket",
    "--userns",
    "--uts",
    "--variant",
    "--verify",
    "--volume-driver",
    "--volumes-from",
];

/// Returns the option that a usage error is about, if Docker or podman know it.
pub(crate) fn option_of(err: &clap::Error) -> Option<String> {
    if err.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(argument)) = err.get(ContextKind::InvalidArg) else { return None };
    let option = argument.split(['=', ' ']).next()?;
    KNOWN_ELSEWHERE.contains(&option).then(|| option.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_for(argument: &str) -> clap::Error {
        clap::Command::new("x").try_get_matches_from(["x", argument]).unwrap_err()
    }

    #[test]
    fn an_option_of_dockers_is_told_from_a_mistake() {
        assert_eq!(option_of(&error_for("--userns=keep-id")).as_deref(), Some("--userns"));
        assert_eq!(option_of(&error_for("--gpus")).as_deref(), Some("--gpus"));
        assert_eq!(option_of(&error_for("--rstart")), None);
    }
}
