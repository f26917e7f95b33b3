//! Limits and accounting, seen in the host's cgroup files.

use std::fs;
use std::path::{Path, PathBuf};

use super::env::{Env, has_pids_controller, skip};
use oci_spec::runtime::{LinuxCpu, LinuxMemory, LinuxPids, LinuxResources};
use runtime::Cgroup;

/// The file of a limit: its v2 name in a unified hierarchy, else the v1 one.
fn file(id: &str, controller: &str, v1: &str, v2: &str) -> PathBuf {
    let root = Path::new("/sys/fs/cgroup");
    if root.join("cgroup.controllers").exists() {
        root.join("longshore").join(id).join(v2)
    } else {
        root.join(controller).join("longshore").join(id).join(v1)
    }
}

fn limits() -> LinuxResources {
    let (mut memory, mut cpu, mut pids) = (LinuxMemory::default(), LinuxCpu::default(), LinuxPids::default());
    memory.set_limit(Some(32 << 20));
    cpu.set_quota(Some(50_000)).set_period(Some(100_000));
    pids.set_limit(17);
    let mut resources = LinuxResources::default();
    resources.set_memory(Some(memory)).set_cpu(Some(cpu)).set_pids(Some(pids)).set_devices(None);
    resources
}

fn with_controllers() -> Option<Env> {
    if has_pids_controller() {
        return Env::new();
    }
    skip("controllers");
    None
}

#[test]
fn limits_are_written_and_hold_for_the_container() {
    let Some(env) = with_controllers() else { return };
    let mut asked = Env::request("echo up; sleep 60");
    asked.resources = limits();
    let mut running = env.start(asked).unwrap();
    running.line();
    let read =
        |controller, v1, v2| fs::read_to_string(file(&env.id, controller, v1, v2)).unwrap().trim().to_owned();
    assert_eq!(read("memory", "memory.limit_in_bytes", "memory.max"), "33554432");
    assert_eq!(read("pids", "pids.max", "pids.max"), "17");
    assert!(["50000", "50000 100000"].contains(&read("cpu", "cpu.cfs_quota_us", "cpu.max").as_str()));
    let pids = running.cgroup.pids().unwrap();
    assert!(pids.contains(&running.process.pid()), "{pids:?}");
    let procs = read("memory", "cgroup.procs", "cgroup.procs");
    assert!(procs.lines().any(|pid| pid == running.process.pid().to_string()), "{procs}");
    let group = file(&env.id, "memory", "", "");
    running.end();
    assert!(!group.exists(), "the group is gone");
}

#[test]
fn too_many_processes_are_refused() {
    let Some(env) = with_controllers() else { return };
    let mut asked =
        Env::request("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 1 & done; wait");
    asked.resources = limits();
    let output = env.run(asked);
    assert!(output.stderr.contains("can't fork"), "{output:?}");
}

#[test]
fn out_of_memory_is_known_afterwards() {
    let Some(env) = with_controllers() else { return };
    let mut asked = Env::request("head -c 100000000 /dev/zero | tr '\\000' x | grep -c y");
    asked.args = ["sh", "-c", "dd if=/dev/zero of=/dev/shm/x bs=1M count=60"].map(str::to_owned).into();
    asked.resources = limits();
    let running = env.start(asked).unwrap();
    running.process.wait().unwrap();
    assert!(running.cgroup.oom_killed());
    running.cgroup.remove().unwrap();
    let calm = env.start(Env::request("true")).unwrap();
    calm.process.wait().unwrap();
    assert!(!calm.cgroup.oom_killed());
    calm.cgroup.remove().unwrap();
}

#[test]
fn a_group_is_found_again_and_everything_in_it_killed() {
    let Some(env) = Env::new() else { return };
    let mut running = env.start(Env::request("sleep 61 & sleep 62 & echo up; wait")).unwrap();
    running.line();
    let again = Cgroup::open(&env.id).unwrap();
    assert_eq!(again.pids().unwrap().len(), 3);
    again.kill().unwrap();
    assert_eq!(running.finish().code, 137);
    assert_eq!(Cgroup::open(&env.id).unwrap_err().kind(), types::Kind::NotFound);
    again.remove().unwrap();
}

#[test]
fn a_group_in_use_is_not_taken_over() {
    let Some(env) = Env::new() else { return };
    let mut running = env.start(Env::request("echo up; sleep 60")).unwrap();
    running.line();
    let error = Cgroup::create(&env.id, &LinuxResources::default()).unwrap_err();
    assert_eq!(error.kind(), types::Kind::Conflict);
    assert!(!running.cgroup.pids().unwrap().is_empty(), "and it is left alone");
    running.end();
}
