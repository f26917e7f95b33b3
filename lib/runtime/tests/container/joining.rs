//! Namespaces that are joined by a path, and what leads to none; containers without a mount namespace.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};

use super::env::{Env, Running, chain, skip};
use super::fields::{refused, run, with};
use super::users::users;
use oci_spec::runtime::Spec;

/// Namespaces of a list of types; some with a path.
fn spaces(list: &[(&str, Option<String>)]) -> String {
    let one = |(typ, path): &(&str, Option<String>)| match path {
        Some(path) => format!(r#"{{"type": "{typ}", "path": "{path}"}}"#),
        None => format!(r#"{{"type": "{typ}"}}"#),
    };
    let list: Vec<_> = list.iter().map(one).collect();
    format!(r#"{{"sysctl": {{}}, "namespaces": [{}]}}"#, list.join(", "))
}

fn up(env: &Env, spec: Spec) -> Running {
    let mut running = env.start_spec(spec).map_err(|e| panic!("{}", chain(&e))).unwrap();
    assert_eq!(running.line(), "up");
    running
}

fn of(pid: i32, name: &str) -> Option<String> {
    Some(format!("/proc/{pid}/ns/{name}"))
}

fn without_name(mut spec: Spec) -> Spec {
    spec.set_hostname(None);
    spec
}

/// Before Linux 6.15 a container has a mount namespace of its own.
fn mounts_can_be_shared() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-', '+']).map(|n| n.parse::<u32>().unwrap_or(0));
    let new = (numbers.next(), numbers.next()) >= (Some(6), Some(15));
    if !new {
        skip("Linux 6.15");
    }
    new
}

/// A process in a mount namespace of its own, as `unshare(1)` makes it.
struct Elsewhere(Child);

impl Elsewhere {
    fn new() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", "echo up; exec sleep 60"]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = [0; 3];
        child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
        assert_eq!(&line, b"up\n");
        Self(child)
    }

    fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_container_joins_all_namespaces_of_another_but_its_mounts() {
    let (Some(one), Some(two)) = (Env::new(), Env::new()) else { return };
    let first = up(&one, with("echo up; sleep 60", "{}", &users("")));
    let pid = first.process.pid();
    let names = ["user", "pid", "ipc", "uts", "cgroup", "net"];
    let mut list = vec![("mount", None)];
    list.extend(names.map(|name| (if name == "net" { "network" } else { name }, of(pid, name))));
    let script = "ps | grep -c ' [s]leep 60$'; id -u; tr -s ' ' < /proc/self/uid_map; [ $$ = 1 ] || echo not first; \
        for n in user pid ipc uts cgroup net; do readlink /proc/self/ns/$n; done; echo x > /dev/null && echo works";
    let output = run(&two, without_name(with(script, "{}", &spaces(&list))));
    let lines: Vec<_> = output.stdout.lines().collect();
    assert_eq!(lines[..4], ["1", "0", " 0 200000 1000", "not first"], "{output:?}");
    for (line, name) in lines[4..10].iter().zip(names) {
        assert_eq!(fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap().to_str().unwrap(), *line);
    }
    assert_eq!(lines[10], "works");
    first.end();
}

#[test]
fn a_process_in_a_joined_pid_namespace_ends_with_it_and_can_be_entered() {
    let (Some(one), Some(two)) = (Env::new(), Env::new()) else { return };
    let first = up(&one, with("echo up; sleep 60", "{}", "{}"));
    let pid = first.process.pid();
    let list =
        spaces(&[("mount", None), ("ipc", None), ("uts", None), ("network", None), ("pid", of(pid, "pid"))]);
    let second = up(&two, with("echo up; exec sleep 70", "{}", &list));
    let exe = fs::read_link(format!("/proc/{}/exe", second.process.pid())).unwrap();
    assert!(exe.ends_with("bin/busybox"), "{exe:?}");
    let seen = second.exec(Env::request("ps | grep -c -E ' [s]leep (60|70)$'; ls -d /proc/1")).unwrap();
    assert_eq!(seen.stdout, "2\n/proc/1\n");
    first.cgroup.kill().unwrap();
    assert_eq!(second.finish().code, 137, "with its first process the whole namespace ends");
    // Not earlier: the first process of a pid namespace ends when all others are reaped.
    assert_eq!(first.finish().code, 137);
}

#[test]
fn a_container_in_the_hosts_mount_namespace_leaves_its_table_alone() {
    let Some(env) = Env::new() else { return };
    if !mounts_can_be_shared() {
        return;
    }
    let list = spaces(&[("pid", None), ("ipc", None), ("uts", None), ("network", None), ("cgroup", None)]);
    let table = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    let script = "readlink /proc/self/ns/mnt; ls -d /proc/1 /dev/null /nowhere 2>&1; wc -c < /proc/keys; \
        touch /proc/sys/kernel/hostname 2>&1; umount /proc 2>&1; echo up; sleep 60";
    // Others may mount something on this machine at the same moment, but not each time.
    let unchanged = (0..5).any(|_| {
        let before = table();
        let mut running =
            env.start_spec(with(script, "{}", &list)).map_err(|e| panic!("{}", chain(&e))).unwrap();
        let ours = fs::read_link("/proc/self/ns/mnt").unwrap();
        assert_eq!(running.line(), ours.to_str().unwrap());
        let wanted = [
            "ls: /nowhere: No such file or directory",
            "/dev/null",
            "/proc/1",
            "0",
            "touch: /proc/sys/kernel/hostname: Read-only file system",
            "umount: can't unmount /proc: Operation not permitted",
            "up",
        ];
        let mut lines: Vec<_> = wanted.iter().map(|_| running.line()).collect();
        lines[..3].sort_unstable_by_key(|line| std::cmp::Reverse(line.clone()));
        let mut sorted = wanted;
        sorted[..3].sort_unstable_by_key(|line| std::cmp::Reverse(*line));
        assert_eq!(lines, sorted);
        let during = table();
        let inside = running.exec(Env::request("ls /; ls -d /work /root 2>/dev/null")).unwrap();
        assert_eq!(inside.stdout, "bin\ndev\netc\nproc\nsys\ntmp\n", "its root and not the host's");
        running.end();
        before == during && before == table()
    });
    assert!(unchanged);
}

#[test]
fn a_joined_mount_namespace_is_not_changed_either() {
    let Some(mut env) = Env::new() else { return };
    if !mounts_can_be_shared() {
        return;
    }
    env.plain = true;
    let other = Elsewhere::new();
    let table = || fs::read_to_string(format!("/proc/{}/mountinfo", other.pid())).unwrap();
    let before = table();
    let list = spaces(&[
        ("mount", of(other.pid(), "mnt")),
        ("pid", None),
        ("ipc", None),
        ("uts", None),
        ("network", None),
    ]);
    let running = up(&env, with("ls -d /proc/1 /dev/null >/dev/null && echo up; sleep 60", "{}", &list));
    let link = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/mnt")).unwrap();
    assert_eq!(link(running.process.pid()), link(other.pid()));
    assert_eq!(table(), before);
    let inside = running.exec(Env::request("ls /")).unwrap();
    assert_eq!(inside.stdout, "bin\ndev\netc\nproc\nsys\ntmp\n");
    running.end();
    assert_eq!(table(), before);
}

#[test]
fn a_path_that_leads_to_no_namespace_of_its_type_is_refused_by_name() {
    let Some(env) = Env::new() else { return };
    let (file, fifo, link) =
        (env.dir.path().join("file"), env.dir.path().join("fifo"), env.dir.path().join("link"));
    fs::write(&file, "").unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    symlink("/proc/self/status", &link).unwrap();
    let none = "is no namespace";
    let cases = [
        (file.to_str().unwrap(), none),
        (fifo.to_str().unwrap(), none),
        (link.to_str().unwrap(), none),
        ("/dev/null", none),
        ("/proc/self/ns", none),
        ("/nowhere", "No such file"),
    ];
    for typ in ["network", "pid", "mount", "user", "ipc", "uts", "cgroup", "time"] {
        for (path, wanted) in cases {
            let mut list = vec![(typ, Some(path.to_owned()))];
            list.extend(Some(("mount", None)).filter(|_| typ != "mount"));
            let text = refused(&env, without_name(with("true", "{}", &spaces(&list))));
            assert!(text.contains(wanted) && text.contains(path), "{typ} {path}: {text}");
        }
        let wrong = if typ == "uts" { "ipc" } else { "uts" };
        let path = format!("/proc/self/ns/{wrong}");
        let mut list = vec![(typ, Some(path.clone()))];
        list.extend(Some(("mount", None)).filter(|_| typ != "mount"));
        let text = refused(&env, without_name(with("true", "{}", &spaces(&list))));
        assert!(text.contains("one of another type"), "{typ} {path}: {text}");
    }
    let text = refused(
        &env,
        without_name(with(
            "true",
            "{}",
            &spaces(&[("mount", None), ("user", Some("/proc/self/ns/user".to_owned()))]),
        )),
    );
    assert!(text.starts_with("look into the user namespace to be joined: Invalid argument"), "{text}");
}

#[test]
fn mappings_beside_a_joined_user_namespace_must_be_its_own() {
    let (Some(one), Some(two)) = (Env::new(), Env::new()) else { return };
    let first = up(&one, with("echo up; sleep 60", "{}", &users("")));
    let list = spaces(&[
        ("mount", None),
        ("pid", None),
        ("ipc", None),
        ("cgroup", None),
        ("user", of(first.process.pid(), "user")),
    ]);
    let maps = |host: u32| {
        let map = format!(r#"[{{"containerID": 0, "hostID": {host}, "size": 1000}}]"#);
        format!(r#"{{"uidMappings": {map}, "gidMappings": {map}, {}"#, list.strip_prefix('{').unwrap())
    };
    let text = refused(&two, without_name(with("true", "{}", &maps(7))));
    assert!(text.contains("are not those of the user namespace to be joined"), "{text}");
    let output = run(&two, without_name(with("tr -s ' ' < /proc/self/gid_map", "{}", &maps(200_000))));
    assert_eq!(output.stdout, " 0 200000 1000\n");
    first.end();
}
