//! Options that Docker or podman have and we do not: told from those that nobody has.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Options of their commands for the jobs that tools of ours do. One that a tool learns need not be
/// taken out: it is looked up only when the tool does not know it.
const KNOWN_ELSEWHERE: &[&str] = &[
    "--all",
    "--all-platforms",
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
    "--cidfile",
    "--color",
    "--compress",
    "--compression-format",
    "--compression-level",
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
    "--detach-keys",
    "--details",
    "--device",
    "--device-cgroup-rule",
    "--device-read-bps",
    "--device-read-iops",
    "--device-write-bps",
    "--device-write-iops",
    "--digestfile",
    "--disable-content-trust",
    "--dns",
    "--domainname",
    "--driver",
    "--encrypt-layer",
    "--encryption-key",
    "--env-host",
    "--env-merge",
    "--expose",
    "--external",
    "--filter",
    "--follow",
    "--force",
    "--format",
    "--get-login",
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
    "--human",
    "--ignore",
    "--image-volume",
    "--init-ctr",
    "--init-path",
    "--interval",
    "--io-maxbandwidth",
    "--io-maxiops",
    "--ip",
    "--ip6",
    "--ipc",
    "--isolation",
    "--kernel-memory",
    "--label-file",
    "--last",
    "--latest",
    "--limit",
    "--link",
    "--link-local-ip",
    "--log-driver",
    "--log-opt",
    "--mac-address",
    "--memory-reservation",
    "--memory-swappiness",
    "--mode",
    "--multi-image-archive",
    "--names",
    "--net-alias",
    "--network-alias",
    "--no-healthcheck",
    "--no-hosts",
    "--no-prune",
    "--no-reset",
    "--no-stream",
    "--no-trunc",
    "--noheading",
    "--ns",
    "--oom-kill-disable",
    "--oom-score-adj",
    "--opt",
    "--os",
    "--passwd",
    "--passwd-entry",
    "--password",
    "--personality",
    "--pid",
    "--pidfile",
    "--platform",
    "--pod",
    "--pod-id-file",
    "--policy",
    "--preserve-fd",
    "--preserve-fds",
    "--privileged",
    "--quiet",
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
    "--since",
    "--size",
    "--soci-index-digest",
    "--sort",
    "--storage-opt",
    "--subgidname",
    "--subuidname",
    "--sync",
    "--systemd",
    "--time",
    "--tls-verify",
    "--tree",
    "--tz",
    "--uidmap",
    "--ulimit",
    "--umask",
    "--uncompressed",
    "--unpack",
    "--unsetenv",
    "--unsetenv-all",
    "--until",
    "--use-api-socket",
    "--userns",
    "--uts",
    "--variant",
    "--verbose",
    "--verify",
    "--volume-driver",
    "--volumes-from",
    "--watch",
];

/// Options of one letter, which mean something else with each tool: what they are short for.
const LETTERS: &[(&str, &str, &str)] = &[
    ("ctr-inspect", "-f", "--format"),
    ("img-gc", "-a", "--all"),
    ("img-gc", "-f", "--force"),
    ("img-inspect", "-f", "--format"),
    ("reg-login", "-p", "--password"),
];

/// Returns the option that a usage error is about, if Docker or podman know it.
pub(crate) fn option_of(err: &clap::Error, tool: &str) -> Option<String> {
    if err.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(argument)) = err.get(ContextKind::InvalidArg) else { return None };
    let option = argument.split(['=', ' ']).next()?;
    let letter = LETTERS.iter().find(|(of, letter, _)| (*of, *letter) == (tool, option));
    let option = letter.map_or(option, |(.., long)| long);
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
        let option = |argument, tool| option_of(&error_for(argument), tool);
        assert_eq!(option("--userns=keep-id", "ctr-run").as_deref(), Some("--userns"));
        assert_eq!(option("--gpus", "ctr-run").as_deref(), Some("--gpus"));
        assert_eq!(option("--rstart", "ctr-run"), None);
        assert_eq!(option("-f", "ctr-inspect").as_deref(), Some("--format"));
        assert_eq!(option("-f", "img-tag"), None);
    }
}
