use super::*;

#[test]
fn a_group_is_killed_also_one_by_one_and_then_removed() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skip: needs root");
        return;
    }
    let group =
        Cgroup::create(&format!("test-unit-{}", std::process::id()), &LinuxResources::default()).unwrap();
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    for dir in group.v1.iter().map(|group| &group.dir).chain(&group.v2) {
        dir.write("cgroup.procs", &child.id().to_string()).unwrap();
    }
    assert_eq!(group.pids().unwrap(), [child.id().cast_signed()]);
    group.kill_each().unwrap();
    // Not reaped yet: nobody may have to wait for that.
    assert_eq!(group.pids().unwrap().len(), 0);
    let reaper = std::thread::spawn(move || child.wait());
    group.remove().unwrap();
    assert!(!reaper.join().unwrap().unwrap().success());
    assert!(group.pids().unwrap().is_empty() && !group.oom_killed());
}

/// A bundle's groups on a host with v1 controllers, or a word why not.
fn bundle(name: &str, json: &str) -> Option<Result<Cgroup>> {
    let v1 = Path::new("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists();
    if !rustix::process::geteuid().is_root() || !v1 {
        eprintln!("skip: needs root and v1 controllers");
        return None;
    }
    let id = format!("test-unit-{name}-{}", std::process::id());
    let path = format!("/{id}/inner");
    let resources = serde_json::from_str(json).unwrap();
    Some(Cgroup::for_bundle(&id, Some(Path::new(&path)), &resources))
}

fn gone(group: &Cgroup) {
    group.remove().unwrap();
    for path in group.saved().groups.values() {
        assert!(!Path::new(path).exists(), "{path}");
        std::fs::remove_dir(Path::new(path).parent().unwrap()).unwrap();
    }
}

#[test]
fn a_bundle_has_groups_everywhere_and_its_limits_can_be_changed() {
    let json = r#"{"memory": {"limit": 33554432}, "cpu": {"quota": 5000, "shares": 100},
        "devices": [{"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}]}"#;
    let Some(group) = bundle("limits", json) else { return };
    let group = group.unwrap();
    let saved = group.saved();
    assert!(saved.groups.len() >= 8, "{saved:?}");
    let read = |hierarchy: &str, file: &str| {
        std::fs::read_to_string(format!("{}/{file}", saved.groups[hierarchy])).unwrap().trim().to_owned()
    };
    assert_eq!(read("memory", "memory.limit_in_bytes"), "33554432");
    assert_eq!(read("cpu", "cpu.cfs_quota_us"), "5000");
    assert_eq!(
        read("cpuset", "cpuset.cpus"),
        std::fs::read_to_string("/sys/fs/cgroup/cpuset/cpuset.cpus").unwrap().trim()
    );
    let list = read("devices", "devices.list");
    assert!(list.contains("c 10:229 rw") && list.contains("c 1:3 rwm") && !list.contains("a *"), "{list}");

    let again = Cgroup::reopen(&saved).unwrap();
    let change = |json: &str| again.update(&serde_json::from_str(json).unwrap());
    // Each of these pairs has an order in which the kernel refuses it.
    change(r#"{"memory": {"limit": 31457280, "swap": 52428800}}"#).unwrap();
    change(r#"{"memory": {"limit": 62914560, "swap": 83886080}}"#).unwrap();
    assert_eq!(read("memory", "memory.memsw.limit_in_bytes"), "83886080");
    change(r#"{"memory": {"limit": -1}, "cpu": {"quota": -1, "period": 50000, "cpus": "0"}}"#).unwrap();
    assert!(read("memory", "memory.memsw.limit_in_bytes").parse::<u64>().unwrap() > 1 << 50);
    assert_eq!(
        (read("cpu", "cpu.cfs_period_us"), read("cpuset", "cpuset.cpus")),
        ("50000".into(), "0".into())
    );
    let error = change(r#"{"cpu": {"period": 100}}"#).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("cpu.cfs_period_us") && cause.contains("\"100\""), "{cause}");
    gone(&group);
}

#[test]
fn a_frozen_group_is_not_taken_over_and_a_used_one_is_told() {
    let Some(group) = bundle("freeze", "{}") else { return };
    let group = group.unwrap();
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    for path in group.saved().groups.values() {
        std::fs::write(format!("{path}/cgroup.procs"), child.id().to_string()).unwrap();
    }
    assert_eq!((group.found_processes(), group.frozen().unwrap()), (0, false));
    group.freeze(true).unwrap();
    assert!(group.frozen().unwrap());
    let state = std::fs::read_to_string(format!("{}/freezer.state", group.saved().groups["freezer"]));
    assert_eq!(state.unwrap(), "FROZEN\n");
    let refused = bundle("freeze", "{}").unwrap().unwrap_err();
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert_eq!(cause, "container's cgroup unexpectedly frozen");
    group.freeze(false).unwrap();
    assert!(!group.frozen().unwrap());
    assert_eq!(bundle("freeze", "{}").unwrap().unwrap().found_processes(), 1);
    group.freeze(true).unwrap();
    group.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "killed although it was frozen");
    gone(&group);
}

#[test]
fn a_refused_bundle_leaves_no_group() {
    for json in [r#"{"cpu": {"period": 100}}"#, r#"{"blockIO": {"leafWeight": 300}}"#] {
        let Some(refused) = bundle("refused", json) else { return };
        refused.unwrap_err();
        let id = format!("test-unit-refused-{}", std::process::id());
        for hierarchy in ["cpu", "memory", "devices", "unified"] {
            assert!(!Path::new(ROOT).join(hierarchy).join(&id).exists(), "{hierarchy}");
        }
    }
}

#[test]
fn without_groups_nothing_is_there() {
    let none = Cgroup::none();
    assert!(none.pids().unwrap().is_empty() && none.saved().groups.is_empty() && none.tasks().count() == 0);
    none.kill().unwrap();
    none.remove().unwrap();
    assert!(none.freeze(true).is_err() && !none.frozen().unwrap());
}

#[test]
fn an_id_cannot_leave_its_directory() {
    for bad in ["", ".", "..", "../x", "a/b", "-x", "a\n", &"x".repeat(129)] {
        assert!(check_id(bad).is_err(), "{bad:?}");
    }
    assert!(check_id(&"0a".repeat(32)).is_ok());
}
