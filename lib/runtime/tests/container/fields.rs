//! Fields of the configuration that ordinary containers do not use, seen from inside.

use std::fs;

use super::env::{Env, Output, chain};
use oci_spec::runtime::{Linux, Process, Spec};
use runtime::defaults::mount;

/// A configuration with some fields replaced.
pub fn with(script: &str, process: &str, linux: &str) -> Spec {
    let mut spec = runtime::defaults::spec(Env::request(script)).unwrap();
    let merge = |base: serde_json::Value, more: &str| {
        let mut base = base.as_object().unwrap().clone();
        base.extend(serde_json::from_str::<serde_json::Map<_, _>>(more).unwrap());
        serde_json::Value::from(base)
    };
    let part = serde_json::to_value(spec.process().as_ref().unwrap()).unwrap();
    let process: Process = serde_json::from_value(merge(part, process)).unwrap();
    let part = serde_json::to_value(spec.linux().as_ref().unwrap()).unwrap();
    let mut linux: Linux = serde_json::from_value(merge(part, linux)).unwrap();
    if !super::env::has_pids_controller() {
        linux.resources_mut().as_mut().unwrap().set_pids(None);
    }
    spec.set_process(Some(process)).set_linux(Some(linux));
    spec
}

/// Runs it to its end.
pub fn run(env: &Env, spec: Spec) -> Output {
    env.start_spec(spec).map_err(|e| panic!("{}", chain(&e))).unwrap().finish()
}

/// Why it cannot be run.
pub fn refused(env: &Env, spec: Spec) -> String {
    chain(&env.start_spec(spec).map(|running| panic!("it ran: {:?}", running.finish())).unwrap_err())
}

#[test]
fn scheduler_and_priorities_are_those_asked_for() {
    let Some(env) = Env::new() else { return };
    let process = r#"{"scheduler": {"policy": "SCHED_BATCH", "nice": 5},
        "ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 0}}"#;
    let linux = r#"{"personality": {"domain": "LINUX32"},
        "memoryPolicy": {"mode": "MPOL_INTERLEAVE", "nodes": "0"}}"#;
    let script = "grep -E '^policy' /proc/1/sched | tr -d ' '; cut -d' ' -f19 /proc/1/stat; cat /proc/1/personality; \
        head -1 /proc/1/numa_maps | cut -d' ' -f2";
    let output = run(&env, with(script, process, linux));
    let lines: Vec<_> = output.stdout.lines().collect();
    // Not every kernel is built with the first and the last file.
    assert!(lines.contains(&"5") && lines.contains(&"00000008"), "{output:?}");
    assert!(lines.iter().all(|l| ["policy:3", "5", "00000008", "interleave:0"].contains(l)), "{output:?}");
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    let Some(env) = Env::new() else { return };
    let cases = [
        (r#"{"scheduler": {"policy": "SCHED_ISO"}}"#, "{}", "SCHED_ISO"),
        (r#"{"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 8}}"#, "{}", "I/O priority 8"),
        ("{}", r#"{"personality": {"domain": "LINUX", "flags": ["X"]}}"#, "personality flag \"X\""),
        ("{}", r#"{"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "3-1"}}"#, "memory nodes \"3-1\""),
        ("{}", r#"{"intelRdt": {"closID": "x"}}"#, "Intel RDT"),
        (r#"{"apparmorProfile": "x"}"#, "{}", "AppArmor profile \"x\""),
        (r#"{"selinuxLabel": "x"}"#, "{}", "SELinux label \"x\""),
        ("{}", r#"{"rootfsPropagation": "sideways"}"#, "\"sideways\""),
        (
            r#"{"rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]}"#,
            "{}",
            "RLIMIT_CORE",
        ),
    ];
    for (process, linux, wanted) in cases {
        let text = refused(&env, with("true", process, linux));
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
}

#[test]
fn the_root_is_shared_in_the_container_and_never_with_the_host() {
    let Some(env) = Env::new() else { return };
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    for (asked, wanted) in
        [("private", ""), ("shared", "shared:"), ("slave", ""), ("unbindable", "unbindable")]
    {
        let mut request = Env::request("grep ' / / ' /proc/self/mountinfo; mount -t tmpfs none /tmp");
        request.privileged = true;
        let mut spec = runtime::defaults::spec(request).unwrap();
        let linux = spec.linux_mut().as_mut().unwrap();
        linux.set_rootfs_propagation(Some(asked.to_owned()));
        if !super::env::has_pids_controller() {
            linux.resources_mut().as_mut().unwrap().set_pids(None);
        }
        let output = run(&env, spec);
        let optional = output.stdout.split(' ').nth(6).unwrap_or_default();
        assert!(
            output.code == 0 && optional.starts_with(if wanted.is_empty() { "-" } else { wanted }),
            "{output:?}"
        );
    }
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
}

#[test]
fn recursive_options_reach_what_is_below_and_plain_ones_do_not() {
    let Some(env) = Env::new() else { return };
    let site = env.site_with_a_mount();
    let mut asked = Env::request(
        "for d in plain deep; do touch /$d/x 2>&1; touch /$d/sub/x 2>&1 && echo made; done; \
         grep -E ' /(plain|deep)(/sub)? ' /proc/self/mounts | grep -c nosuid",
    );
    asked.mounts = vec![
        mount("/plain", "bind", &site, &["rbind", "ro", "nosuid"]),
        mount("/deep", "bind", &site, &["rbind", "rro", "rnosuid", "rnoatime"]),
    ];
    let output = env.run(asked);
    let want = "touch: /plain/x: Read-only file system\nmade\n\
        touch: /deep/x: Read-only file system\ntouch: /deep/sub/x: Read-only file system\n3\n";
    assert_eq!(output.stdout, want, "{output:?}");
}

#[test]
fn clocks_are_set_in_a_time_namespace_also_for_a_second_process() {
    let Some(env) = Env::new() else { return };
    let linux = r#"{"timeOffsets": {"boottime": {"secs": 1000000000}}, "namespaces":
        [{"type": "mount"}, {"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "cgroup"}, {"type": "network"},
         {"type": "time"}]}"#;
    let uptime = "cut -d. -f1 /proc/uptime";
    let mut running = env
        .start_spec(with(&format!("{uptime}; echo up; sleep 60"), "{}", linux))
        .map_err(|e| panic!("{}", chain(&e)))
        .unwrap();
    let inside: u64 = running.line().parse().unwrap();
    assert!(inside >= 1_000_000_000, "{inside}");
    assert_eq!(running.line(), "up");
    let second: u64 = running.exec(Env::request(uptime)).unwrap().stdout.trim().parse().unwrap();
    assert!(second >= inside && second < inside + 1000, "{second}");
    running.end();
}

#[test]
fn owners_of_a_bind_are_mapped() {
    let Some(env) = Env::new() else { return };
    let site = env.dir.path().join("site");
    fs::create_dir(&site).unwrap();
    fs::write(site.join("file"), "").unwrap();
    let mapping = |host: u32| {
        let one = oci_spec::runtime::LinuxIdMappingBuilder::default();
        let one = one.container_id(0u32).host_id(host).size(1000u32).build().unwrap();
        Some(vec![one])
    };
    let mut bind = mount("/mapped", "bind", &site, &["rbind", "idmap"]);
    bind.set_uid_mappings(mapping(5000)).set_gid_mappings(mapping(6000));
    let mut asked = Env::request("stat -c %u:%g /mapped/file");
    asked.mounts = vec![bind];
    assert_eq!(env.run(asked).stdout, "5000:6000\n");
    let mut asked = Env::request("true");
    asked.mounts = vec![mount("/mapped", "bind", &site, &["rbind", "idmap"])];
    let (_, text) = env.refused(asked);
    assert!(text.contains("has \"idmap\" and no mappings, and the container no user namespace"), "{text}");
}

#[test]
fn a_process_that_is_brought_in_runs_where_it_is_told_to() {
    let Some(env) = Env::new() else { return };
    let mut running = env.start(Env::request("echo up; sleep 60")).unwrap();
    assert_eq!(running.line(), "up");
    let key = (running.process.pid(), running.process.start_time().unwrap());
    let null = fs::File::open("/dev/null").unwrap();
    let exec = |affinity: &str, script: &str| {
        let mut process = serde_json::to_value(running.spec.process().as_ref().unwrap()).unwrap();
        process["execCPUAffinity"] = serde_json::from_str(affinity).unwrap();
        process["args"] = serde_json::json!(["sh", "-c", script]);
        let process: Process = serde_json::from_value(process).unwrap();
        let stdio = [std::os::fd::AsFd::as_fd(&null); 3];
        runtime::exec(&runtime::ExecLaunch::new(key, &process, stdio, &running.cgroup))
    };
    let script = "grep -qx 'Cpus_allowed_list:.0' /proc/self/status";
    for affinity in [r#"{"final": "0"}"#, r#"{"initial": "0", "final": "0"}"#] {
        let process = exec(affinity, script).unwrap_or_else(|e| panic!("{}", chain(&e)));
        assert_eq!(process.wait().unwrap().code(), 0, "{affinity}");
    }
    let error = exec(r#"{"final": "1000"}"#, "true").map(drop).unwrap_err();
    assert!(chain(&error).starts_with("choose processors"), "{}", chain(&error));
    running.end();
}
