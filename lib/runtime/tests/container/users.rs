//! User namespaces: who is who, inside and outside.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

use super::env::{Env, Running, chain, read_terminal};
use super::fields::{refused, run, with};
use oci_spec::runtime::{Mount, Spec};
use runtime::defaults::mount;

const FIRST: u32 = 200_000;

/// Namespaces of a container with its own users, and 1000 of them.
pub fn users(more: &str) -> String {
    let map = format!(r#"[{{"containerID": 0, "hostID": {FIRST}, "size": 1000}}]"#);
    format!(
        r#"{{"sysctl": {{}}, "uidMappings": {map}, "gidMappings": {map}, "namespaces": [{{"type": "user"}}, {{"type": "mount"}},
        {{"type": "pid"}}, {{"type": "ipc"}}, {{"type": "uts"}}, {{"type": "cgroup"}}, {{"type": "network"}}]{more}}}"#
    )
}

fn start(env: &Env, spec: Spec) -> Running {
    env.start_spec(spec).map_err(|e| panic!("{}", chain(&e))).unwrap()
}

fn bind(spec: &mut Spec, more: Mount) {
    let mut mounts = spec.mounts().clone().unwrap();
    mounts.push(more);
    spec.set_mounts(Some(mounts));
}

#[test]
fn its_root_is_nobody_of_the_host() {
    let Some(mut env) = Env::new() else { return };
    // A directory of the host's root, in which nobody of the container can make one.
    fs::create_dir(env.layer().join("site")).unwrap();
    let site = env.dir.path().join("site");
    fs::create_dir(&site).unwrap();
    chown(&site, Some(FIRST), Some(FIRST)).unwrap();
    let script = "id -u; id -g; tr -s ' ' < /proc/self/uid_map; echo x > /site/new; stat -c %u /dev/shm /dev; \
        for n in cgroup ipc mnt net pid uts user; do readlink /proc/self/ns/$n; done; \
        hostname other && hostname; mount -t tmpfs none /tmp 2>&1; grep CapEff /proc/self/status; stat -c %u /etc";
    let mut spec = with(script, "{}", &users(""));
    bind(&mut spec, mount("/site", "bind", &site, &["rbind"]));
    let output = run(&env, spec);
    let lines: Vec<_> = output.stdout.lines().collect();
    assert_eq!(lines[..5], ["0", "0", " 0 200000 1000", "0", "0"], "{output:?}");
    for line in &lines[5..12] {
        let name = line.split(':').next().unwrap();
        assert_ne!(fs::read_link(format!("/proc/self/ns/{name}")).unwrap().to_str().unwrap(), *line);
    }
    assert!(lines[12].contains("denied") && lines[13].ends_with("00000000800405fb"), "{output:?}");
    assert_eq!(lines[14], "65534", "what belongs to the host's root belongs to nobody inside");
    assert_eq!(fs::metadata(site.join("new")).unwrap().uid(), FIRST);
}

#[test]
fn another_user_has_the_mapped_id_outside() {
    let Some(env) = Env::new() else { return };
    let process = r#"{"user": {"uid": 7, "gid": 8, "additionalGids": [9]}, "oomScoreAdj": 100,
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]}"#;
    let script = "id -u; id -G; cat /proc/self/oom_score_adj; grep '^Max open files' /proc/self/limits; echo up; sleep 60";
    let mut running = start(&env, with(script, process, &users("")));
    let lines: Vec<_> = (0..5).map(|_| running.line()).collect();
    assert_eq!(lines[..3], ["7", "8 9", "100"]);
    assert!(lines[3].split_whitespace().skip(3).take(2).eq(["100", "200"]), "{lines:?}");
    let status = fs::read_to_string(format!("/proc/{}/status", running.process.pid())).unwrap();
    let (uid, gid) = (FIRST + 7, FIRST + 8);
    assert!(status.contains(&format!("\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{gid}\t")), "{status}");
    running.end();
}

#[test]
fn devices_are_there_with_their_owners_and_no_others_can_be_made() {
    let Some(env) = Env::new() else { return };
    let devices = r#", "devices": [{"path": "/dev/snd/foo", "type": "b", "major": 1, "minor": 5, "uid": 10,
        "gid": 11, "fileMode": 416}]"#;
    let script = "cd /dev; stat -c '%n %t:%T %a %u' null tty; stat -c '%F %t:%T %a %u %g' snd/foo; \
        head -c 4 zero | wc -c; echo x > null && echo written; readlink ptmx; mknod /dev/x c 1 3 2>&1; ls -d /dev/x 2>&1";
    let output = run(&env, with(script, "{}", &users(devices)));
    let want = "null 1:3 666 0\ntty 5:0 666 0\nblock special file 1:5 640 10 11\n4\nwritten\npts/ptmx\n\
        mknod: /dev/x: Operation not permitted\nls: /dev/x: No such file or directory\n";
    assert_eq!(output.stdout, want, "{output:?}");
}

#[test]
fn a_terminal_belongs_to_the_mapped_user() {
    let Some(env) = Env::new() else { return };
    let process = r#"{"terminal": true, "user": {"uid": 7, "gid": 7}}"#;
    let script = "tty; stat -c '%u %g' /dev/pts/0 /dev/console /dev/pts /dev/pts/ptmx; echo x > /dev/tty";
    let mut running = start(&env, with(script, process, &users("")));
    let text = read_terminal(running.console.take().unwrap());
    assert_eq!(text, "/dev/pts/0\r\n7 5\r\n7 5\r\n0 0\r\n0 0\r\nx\r\n");
    assert_eq!(running.finish().code, 0);
}

#[test]
fn owners_of_a_bind_are_shifted_into_the_namespace_if_asked_for() {
    let Some(mut env) = Env::new() else { return };
    fs::create_dir(env.layer().join("m")).unwrap();
    let site = env.dir.path().join("site");
    fs::create_dir(&site).unwrap();
    fs::write(site.join("file"), "").unwrap();
    chown(site.join("file"), Some(3), Some(4)).unwrap();
    for (option, wanted) in [
        ("rbind", "65534:65534"),
        ("idmap", "3:4"),
        ("ridmap", "3:4"),
        ("idmap=uids=3-200007-1;gids=@4-9-1", "7:9"),
    ] {
        let mut spec = with("stat -c %u:%g /m/file", "{}", &users(""));
        bind(&mut spec, mount("/m", "bind", &site, &["rbind", option]));
        assert_eq!(run(&env, spec).stdout.trim(), wanted, "{option}");
    }
}

#[test]
fn the_network_of_the_host_has_the_hosts_sysfs() {
    let Some(env) = Env::new() else { return };
    let linux = users("").replace(r#", {"type": "network"}"#, "");
    let output = run(
        &env,
        with(
            "[ -d /sys/kernel/mm ] && echo shown; touch /sys/x 2>&1; readlink /proc/self/ns/net",
            "{}",
            &linux,
        ),
    );
    let lines: Vec<_> = output.stdout.lines().collect();
    assert_eq!(lines[0], "shown", "{output:?}");
    assert_eq!(lines[2], fs::read_link("/proc/self/ns/net").unwrap().to_str().unwrap());
}

#[test]
fn what_is_not_mapped_is_refused_by_name() {
    let Some(env) = Env::new() else { return };
    let user = |uid: u32, gid: u32| format!(r#"{{"user": {{"uid": {uid}, "gid": {gid}}}}}"#);
    let spaces = r#""namespaces": [{"type": "mount"}, {"type": "user"}]"#;
    let map = |inside: u32, size: u32| {
        format!(r#"[{{"containerID": {inside}, "hostID": 200000, "size": {size}}}]"#)
    };
    let maps =
        |uids: &str, gids: &str| format!(r#"{{"uidMappings": {uids}, "gidMappings": {gids}, {spaces}}}"#);
    let cases = [
        (user(1000, 0), users(""), "user 1000 of the container is not mapped"),
        (user(0, 1000), users(""), "group 1000 of the container is not mapped"),
        (user(0, 0), maps(&map(1, 1), &map(0, 1)), "mappings of users lack 0"),
        (user(0, 0), maps(&map(0, 1), &map(5, 9)), "mappings of groups lack 0"),
        (user(0, 0), maps(&map(0, 0), &map(0, 1)), "a mapping of users is empty"),
        (user(0, 0), format!("{{{spaces}}}"), "no mappings of users"),
        (user(0, 0), maps(&map(0, 1), "[]"), "no mappings of groups"),
        (
            user(0, 0),
            maps(&map(0, 1), &map(0, 1)).replace(r#", {"type": "user"}"#, ""),
            "need a user namespace",
        ),
        (
            user(0, 0),
            users(r#", "devices": [{"path": "/dev/foo", "type": "c", "major": 1, "minor": 5, "uid": 5000}]"#),
            "user 5000 of the container is not mapped",
        ),
    ];
    for (process, linux, wanted) in cases {
        let text = refused(&env, with("true", &process, &linux));
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
}

#[test]
fn a_second_process_is_in_the_same_namespaces() {
    let Some(env) = Env::new() else { return };
    let mut running = start(&env, with("echo up; sleep 60", "{}", &users("")));
    assert_eq!(running.line(), "up");
    let spaces = "cgroup ipc mnt net pid uts user";
    let script = format!(
        "for n in {spaces}; do readlink /proc/self/ns/$n; readlink /proc/1/ns/$n; done; id -u; echo x > /dev/shm/x; \
        stat -c %u /dev/shm/x; grep CapEff /proc/self/status; ps | grep -c ' [s]leep 60$'"
    );
    let output = running.exec(Env::request(&script)).map_err(|e| panic!("{}", chain(&e))).unwrap();
    let lines: Vec<_> = output.stdout.lines().collect();
    assert!(lines.len() == 18 && lines[..14].chunks(2).all(|pair| pair[0] == pair[1]), "{output:?}");
    assert_eq!(lines[14..], ["0", "0", "CapEff:\t00000000800405fb", "1"]);
    let mut asked = Env::request("id -u; id -G; tty; stat -c %u /dev/pts/0");
    (asked.uid, asked.gid, asked.groups, asked.terminal) = (7, 8, vec![9], true);
    let seen = running.exec(asked).map_err(|e| panic!("{}", chain(&e))).unwrap().stdout;
    assert_eq!(seen, "7\r\n8 9\r\n/dev/pts/0\r\n7\r\n");
    let mut asked = Env::request("true");
    asked.uid = 5000;
    let error = running.exec(asked).map(|o| panic!("{o:?}")).unwrap_err();
    assert_eq!(chain(&error), "user 5000 of the container is not mapped");
    running.end();
}

/// Pipes of the caller are given to the program's user, who must be found wherever the mappings are.
#[test]
fn users_are_known_on_the_host_by_mappings_by_path_and_by_process() {
    let Some(env) = Env::new() else { return };
    let mut running = start(&env, with("echo up; sleep 60", "{}", &users("")));
    assert_eq!(running.line(), "up");
    let pid = running.process.pid();
    let joined = format!(r#"{{"namespaces": [{{"type": "user", "path": "/proc/{pid}/ns/user"}}]}}"#);
    let joined: oci_spec::runtime::Linux = serde_json::from_str(&joined).unwrap();
    let of = |linux, first| runtime::user::on_host(linux, (5, 6), first).unwrap();
    let there = (FIRST + 5, FIRST + 6);
    assert_eq!(of(running.spec.linux().as_ref(), None), there);
    assert_eq!((of(Some(&joined), None), of(Some(&joined), Some(pid))), (there, there));
    let me = i32::try_from(std::process::id()).unwrap();
    assert_eq!((of(None, None), of(None, Some(me))), ((5, 6), (5, 6)));
    assert!(runtime::user::on_host(Some(&joined), (5000, 0), None).is_err());
    running.end();
}
