//! What a test has left behind, as the kernel sees it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::env::there;
use crate::{Machine, patience};

/// Everything that should have gone with the containers of a store. Waits a moment for what is just
/// being torn down.
pub(crate) fn find(dir: &Path, machine: &Machine, containers: &BTreeSet<String>) -> Vec<String> {
    wait_for_none(|| {
        let mut found = look(dir, machine, containers);
        found.extend(scratch(dir).into_iter().map(|p| format!("temporary {}", p.display())));
        found
    })
}

/// The same without what killed tools had no name for yet, or no more, which is theirs for a minute.
pub(crate) fn find_of_killed(dir: &Path, machine: &Machine, containers: &BTreeSet<String>) -> Vec<String> {
    wait_for_none(|| look(dir, machine, containers))
}

fn wait_for_none(look: impl Fn() -> Vec<String>) -> Vec<String> {
    let start = Instant::now();
    loop {
        let found = look();
        if found.is_empty() || start.elapsed() > Duration::from_secs(2) * patience() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn look(dir: &Path, machine: &Machine, containers: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(mounts(dir).into_iter().map(|m| format!("mount {}", m.display())));
    found.extend(
        processes(machine, containers).into_iter().map(|(pid, name)| format!("process {pid} {name}")),
    );
    found.extend(cgroups(containers).into_iter().map(|c| format!("cgroup {}", c.display())));
    found.extend(links(machine).into_iter().map(|l| format!("link {l}")));
    found.extend(elements(machine).into_iter().map(|e| format!("nft {e}")));
    found
}

/// Mounts below the test's directory. Containers mount in their own namespace, so there are none
/// on the host even while they run.
fn mounts(dir: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    points.filter(|point| point.starts_with(dir)).collect()
}

/// The processes in the cgroup of a container.
pub(crate) fn processes_of(id: &str) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()));
    let inside = |pid: &u32| {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        // One that has ended is in its groups until it is reaped, and has no command line any more.
        groups.contains(id) && fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
    };
    pids.filter(inside).collect()
}

/// Processes on the machine (tools, monitors) or in the cgroup of a container.
fn processes(machine: &Machine, containers: &BTreeSet<String>) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        let here = fs::metadata(entry.path().join("ns/net")).is_ok_and(|m| m.ino() == machine.inode());
        let groups = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
        if here || containers.iter().any(|id| groups.contains(id.as_str())) {
            let name = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            // A process that is going has no command line any more, and is none of ours to fear.
            if !name.is_empty() {
                found.push((pid, name.replace('\0', " ")));
            }
        }
    }
    found
}

/// Kills what [`find`] has found, so that one test's leak is not everybody's.
pub(crate) fn end_processes(dir: &Path, machine: &Machine, containers: &BTreeSet<String>) {
    for (pid, _) in processes(machine, containers) {
        drop(Command::new("kill").args(["-9", &pid.to_string()]).status());
    }
    for point in mounts(dir) {
        drop(Command::new("umount").arg("-l").arg(point).status());
    }
    for group in cgroups(containers) {
        drop(fs::remove_dir(group));
    }
}

/// Cgroups that bear a container's id, in any hierarchy.
fn cgroups(containers: &BTreeSet<String>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![(PathBuf::from("/sys/fs/cgroup"), 0)];
    while let Some((dir, depth)) = todo.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|t| t.is_dir()) {
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            if containers.iter().any(|id| name.contains(id.as_str())) {
                found.push(entry.path());
            } else if depth < 3 {
                todo.push((entry.path(), depth + 1));
            }
        }
    }
    found
}

/// Links other than the loopback, the cable to the LAN and the bridge, which stays.
fn links(machine: &Machine) -> Vec<String> {
    let all = machine.ip("-o link");
    let names = all.lines().filter_map(|line| line.split(": ").nth(1)).map(str::to_owned);
    names
        .filter(|name| !["lo", "longshore0"].contains(&name.as_str()) && !name.starts_with("lan0@"))
        .collect()
}

/// Elements in the maps and sets of our nft table: ports that lead to nobody.
fn elements(machine: &Machine) -> Vec<String> {
    let text = machine.read("nft", &["-j", "list", "ruleset"]);
    let Ok(all) = serde_json::from_str::<serde_json::Value>(&text) else { return Vec::new() };
    let mut found = Vec::new();
    for object in all["nftables"].as_array().into_iter().flatten() {
        for kind in ["map", "set"] {
            if let Some(elem) = object[kind]["elem"].as_array()
                && object[kind]["table"].as_str().is_some_and(|table| table.starts_with("longshore"))
            {
                found.extend(elem.iter().map(|e| format!("{} {e}", object[kind]["name"])));
            }
        }
    }
    found
}

/// What has no name yet, or has lost it.
fn scratch(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for tmp in ["root/tmp", "run/tmp"] {
        let entries = fs::read_dir(dir.join(tmp)).into_iter().flatten().flatten();
        found.extend(entries.map(|e| e.path()).filter(|p| there(p)));
    }
    found
}
