//! Options that Docker or podman have and we do not: told from those that nobody has.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Options of their commands for the jobs that tools of ours do. One that a tool learns need not be
/// taken out: it is looked up only when the tool does not know it.
const KNOWN_ELSEWHERE: &[&str] = &[
    "--all-tags",
    "--arch",
    "--attach",
    "--authfile",
    "--blkio-weight",
    "--blkio-weight-device",
    "--cert-dir",
    "--cgroup-conf",
    "--cgroup-parent",
    "--cgroupns",
    "--cgroups",
    "--checkpoint",
    "--checkpoint-dir",
    "--chrootdirs",
    "--color",
    "--compression",
    "--condition",
    "--conmon-pidfile",
    "--cpu-count",
    "--cpu-percent",
    "--cpu-period",
    "--cpu-quota",
    "--cpu-rt-period",
    "--cpu-rt-runtime",
    "--cpuset-mems",
    "--creds",
    "--decryption-key",
    "--depend",
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
    "--external",
    "--format",
    "--gidmap",
    "--gpus",
    "--group-entry",
    "--health-cmd",
    "--health-interval",
    "--health-on-failure",
    "--health-retries",
    "--health-start-interval",
    "--health-start-period",
    "--health-timeout",
    "--history",
    "--hooks-dir",
    "--hosts-file",
    "--hostuser",
    "--http-proxy",
    "--image-volume",
    "--init-ctr",
    "--init-path",
    "--io-maxbandwidth",
    "--io-maxiops",
    "--ip",
    "--ip6",
    "--ipc",
    "--isolation",
    "--keep-last",
    "--kernel-memory",
    "--label-file",
    "--latest",
    "--link",
    "--link-local-ip",
    "--log-driver",
    "--log-opt",
    "--mac-address",
    "--max-bytes",
    "--memory-reservation",
    "--memory-swappiness",
    "--net-alias",
    "--network-alias",
    "--no-healthcheck",
    "--no-hosts",
    "--no-prune",
    "--noheading",
    "--oom-kill-disable",
    "--oom-score-adj",
    "--opt",
    "--os",
    "--passwd",
    "--passwd-entry",
    "--personality",
    "--pid",
    "--pidfile",
    "--pod",
    "--pod-id-file",
    "--policy",
    "--preserve-fd",
    "--preserve-fds",
    "--read-only-tmpfs",
    "--remote",
    "--replace",
    "--requires",
    "--retry",
    "--retry-delay",
    "--rmi",
    "--rootfs",
    "--runtime",
    "--sdnotify",
    "--seccomp-policy",
    "--secret",
    "--sig-proxy",
    "--signature-policy",
    "--size",
    "--storage-opt",
    "--subgidname",
    "--subuidname",
    "--sync",
    "--systemd",
    "--tls-verify",
    "--tree",
    "--tz",
    "--uidmap",
    "--umask",
    "--unsetenv",
    "--unsetenv-all",
    "--unused-for",
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
