//! What a container may not do, seen from inside.

use super::env::Env;
use runtime::defaults::Seccomp;

#[test]
fn capabilities_and_filter_are_the_promised_ones() {
    let Some(env) = Env::new() else { return };
    let output = env.sh("grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/self/status");
    let want = "CapInh:\t0000000000000000\nCapPrm:\t00000000800405fb\nCapEff:\t00000000800405fb\n\
        CapBnd:\t00000000800405fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t2\n";
    assert_eq!(output.stdout, want);
}

#[test]
fn options_change_them() {
    let Some(env) = Env::new() else { return };
    let mut asked = Env::request("grep -E '^(CapEff|Seccomp:|NoNewPrivs)' /proc/self/status");
    asked.cap_drop = vec!["ALL".into()];
    asked.cap_add = vec!["net_raw".into()];
    asked.no_new_privileges = true;
    asked.seccomp = Seccomp::Unconfined;
    let want = "CapEff:\t0000000000002000\nNoNewPrivs:\t1\nSeccomp:\t0\n";
    assert_eq!(env.run(asked).stdout, want);
}

#[test]
fn calls_outside_of_the_profile_are_refused() {
    let Some(env) = Env::new() else { return };
    let output = env.sh(
        "unshare -U true 2>&1; mount -t tmpfs none /tmp 2>&1; umount /sys 2>&1; chroot / true && echo ok",
    );
    let lines: Vec<_> = output.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(
        lines[..3].iter().all(|l| l.to_lowercase().contains("not permitted") || l.contains("denied")),
        "{lines:?}"
    );
    assert_eq!(lines[3], "ok");
}

#[test]
fn devices_of_the_host_cannot_be_opened_even_with_a_node() {
    let Some(env) = Env::new() else { return };
    let mut asked = Env::request(
        "mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem 2>&1; mknod /tmp/disk b 254 0 && head -c 1 /tmp/disk 2>&1; \
         mknod /tmp/kmsg c 1 11 && head -c 1 /tmp/kmsg 2>&1; mknod /tmp/null c 1 3 && echo x > /tmp/null && echo ok",
    );
    asked.cap_add = vec!["MKNOD".into()];
    let output = env.run(asked);
    let lines: Vec<_> = output.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{output:?}");
    assert!(lines[..3].iter().all(|l| l.ends_with("Operation not permitted")), "{lines:?}");
    assert_eq!(lines[3], "ok");
}

#[test]
fn no_descriptor_of_ours_is_inherited() {
    let Some(env) = Env::new() else { return };
    // One that a caller leaked to us, without close-on-exec.
    let file = std::fs::File::open("/proc/version").unwrap();
    let leak = rustix::io::fcntl_dupfd_cloexec(&file, 50).unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let output = env.sh("ls /proc/$$/fd; true");
    assert_eq!(output.stdout, "0\n1\n2\n", "{output:?}");
    let mut running = env.start(Env::request("echo up; sleep 60")).unwrap();
    running.line();
    let inside = running.exec(Env::request("ls /proc/$$/fd; true")).unwrap();
    assert_eq!(inside.stdout, "0\n1\n2\n", "{inside:?}");
    running.end();
}

#[test]
fn limits_are_set_and_core_files_are_off() {
    let Some(env) = Env::new() else { return };
    let mut asked = Env::request("ulimit -c; ulimit -n; ulimit -Hn");
    asked.rlimits =
        vec![runtime::defaults::rlimit(oci_spec::runtime::PosixRlimitType::RlimitNofile, 64, 128).unwrap()];
    assert_eq!(env.run(asked).stdout, "0\n64\n128\n");
}

#[test]
fn a_privileged_container_can_do_what_others_cannot() {
    let Some(env) = Env::new() else { return };
    let mut asked = Env::request(
        "grep -E '^Seccomp:' /proc/self/status; mount -t tmpfs none /tmp && echo mounted; \
         [ -e /dev/kmsg ] && head -c 1 /dev/kmsg > /dev/null && echo read; mkdir /sys/fs/cgroup/*/sub 2>/dev/null && echo made",
    );
    asked.privileged = true;
    let output = env.run(asked);
    assert!(output.stdout.starts_with("Seccomp:\t0\nmounted\nread\n"), "{output:?}");
}

#[test]
fn the_order_of_what_is_given_up_is_the_one_that_works_and_holds() {
    let Some(env) = Env::new() else { return };
    let at = |steps: &[String], what: &str| {
        steps.iter().position(|step| step.starts_with(what)).unwrap_or_else(|| panic!("{what}: {steps:?}"))
    };
    for no_new_privileges in [false, true] {
        let mut asked = Env::request("true");
        asked.no_new_privileges = no_new_privileges;
        asked.uid = 7;
        let steps = env.plan(asked);
        let ordered = [
            "make namespaces",
            "make mounts private",
            "mount root",
            "mount proc",
            "mount tmpfs on \"/dev\"",
            "set kernel parameter",
            "mask",
            "make \"/proc/bus\" read-only",
            "change root",
            "wait for release",
            "drop bounding",
            "set supplementary",
            "become user 7",
            "set capabilities",
            "run ",
        ];
        let places: Vec<_> = ordered.iter().map(|what| at(&steps, what)).collect();
        assert!(places.is_sorted(), "{steps:?}");
        // On v2 a process is born in its group; on v1 it joins before the namespace that hides the rest.
        let joins = steps.iter().position(|step| step == "join cgroup");
        assert!(joins.is_none_or(|join| join < at(&steps, "make namespaces")), "{steps:?}");
        // Privileges may be gained later: the filter needs CAP_SYS_ADMIN, so it comes before that goes.
        let (filter, user) = (at(&steps, "install seccomp"), at(&steps, "become user"));
        assert_eq!(filter > user, no_new_privileges, "{steps:?}");
        assert_eq!(filter == steps.len() - 2, no_new_privileges, "last, if nothing can be gained: {steps:?}");
    }
}

#[test]
fn what_would_change_the_host_is_refused() {
    let Some(env) = Env::new() else { return };
    let mut spec = runtime::defaults::spec(Env::request("true")).unwrap();
    let spaces = spec.linux_mut().as_mut().unwrap().namespaces_mut().as_mut().unwrap();
    spaces.retain(|space| space.typ() != oci_spec::runtime::LinuxNamespaceType::Uts);
    let before = rustix::system::uname().nodename().to_owned();
    let error = env.start_spec(spec).map(|_| ()).unwrap_err();
    assert!(error.to_string().starts_with("a host name would change the host"), "{error}");
    assert_eq!(rustix::system::uname().nodename(), before.as_c_str());
}
