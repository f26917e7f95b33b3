//! Exec into a running container, and terminals.

use super::env::{Env, Running, SIZE, chain, read_terminal};

fn up(env: &Env) -> Running {
    let mut running = env.start(Env::request("mkdir /work; echo up; sleep 60")).unwrap();
    assert_eq!(running.line(), "up");
    running
}

#[test]
fn a_second_process_is_in_the_same_container_under_the_same_rules() {
    let Some(env) = Env::new() else { return };
    let running = up(&env);
    let mut asked = Env::request(
        "hostname; pwd; ps | grep -c ' [s]leep 60$'; grep -E '^(CapEff|CapBnd|Seccomp:)' /proc/self/status",
    );
    asked.cwd = "/work".into();
    let output = running.exec(asked).unwrap();
    let want = "box\n/work\n1\nCapEff:\t00000000800405fb\nCapBnd:\t00000000800405fb\nSeccomp:\t2\n";
    assert_eq!(output.stdout, want, "{output:?}");
    let spaces =
        "for n in cgroup ipc mnt net pid uts; do readlink /proc/self/ns/$n; readlink /proc/1/ns/$n; done";
    let mut asked = Env::request(spaces);
    // Links of process 1 need the same capabilities as it has, which root here has.
    asked.uid = 0;
    let seen = running.exec(asked).unwrap().stdout;
    let seen: Vec<_> = seen.lines().collect();
    assert_eq!(seen.len(), 12);
    assert!(seen.chunks(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
    let cgroups = running.exec(Env::request("cat /proc/self/cgroup /proc/1/cgroup | grep -v ':/$'")).unwrap();
    assert_eq!(cgroups.stdout, "", "both are at the root of their cgroup namespace");
    running.end();
}

#[test]
fn its_status_is_its_own_and_failures_are_told_apart() {
    let Some(env) = Env::new() else { return };
    let running = up(&env);
    assert_eq!(running.exec(Env::request("exit 9")).unwrap().code, 9);
    let fail = |args: &[&str], cwd: &str| {
        let mut asked = Env::request("");
        asked.args = args.iter().map(|a| (*a).to_owned()).collect();
        asked.cwd = cwd.into();
        running.exec(asked).map(|o| panic!("{o:?}")).unwrap_err()
    };
    assert_eq!(fail(&["nope"], "/").status, 127);
    assert_eq!(fail(&["/etc"], "/").status, 126);
    assert_eq!(fail(&["true"], "/nowhere").status, 126);
    assert_eq!(
        chain(&fail(&["true"], "/proc/self/fd/4").error).split(':').next(),
        Some("enter working directory \"/proc/self/fd/4\"")
    );
    running.end();
}

#[test]
fn another_user_has_no_capabilities_in_force() {
    let Some(env) = Env::new() else { return };
    let running = up(&env);
    let mut asked = Env::request("id -u; id -G; grep CapEff /proc/self/status");
    (asked.uid, asked.gid, asked.groups) = (7, 8, vec![9]);
    assert_eq!(running.exec(asked).unwrap().stdout, "7\n8 9\nCapEff:\t0000000000000000\n");
    running.end();
}

#[test]
fn a_reused_or_ended_process_is_not_entered() {
    let Some(env) = Env::new() else { return };
    let running = up(&env);
    let start_time = running.process.start_time().unwrap();
    let pid = running.process.pid();
    assert!(runtime::root_of(pid, start_time).is_ok());
    let error = runtime::root_of(pid, start_time + 1).unwrap_err();
    assert_eq!(error.kind(), types::Kind::Conflict);
    running.end();
    assert!(runtime::root_of(pid, start_time).is_err());
}

#[test]
fn a_terminal_is_the_containers_own() {
    let Some(env) = Env::new() else { return };
    let mut asked = Env::request(
        "tty; stty size; stat -c '%u %t' /dev/console /dev/pts/0; echo x > /dev/tty; [ -t 0 ] && echo yes",
    );
    asked.terminal = true;
    asked.uid = 1000;
    let mut running = env.start(asked).unwrap();
    let console = running.console.take().unwrap();
    let text = read_terminal(console);
    let want = format!("/dev/pts/0\r\n{} {}\r\n1000 88\r\n1000 88\r\nx\r\nyes\r\n", SIZE.rows, SIZE.columns);
    assert_eq!(text, want);
    assert_eq!(running.finish().code, 0);
}

#[test]
fn a_second_terminal_in_a_running_container_is_on_its_devpts() {
    let Some(env) = Env::new() else { return };
    let running = up(&env);
    let mut asked = Env::request("tty; stty size; echo y > /dev/tty; ls /dev/pts");
    asked.terminal = true;
    let output = running.exec(asked).unwrap();
    let want = format!("/dev/pts/0\r\n{} {}\r\ny\r\n0     ptmx\r\n", SIZE.rows, SIZE.columns);
    assert_eq!(
        output.stdout.split_whitespace().collect::<Vec<_>>(),
        want.split_whitespace().collect::<Vec<_>>()
    );
    running.end();
}

#[test]
fn a_container_that_covers_its_devpts_gets_no_terminal_from_us() {
    let Some(env) = Env::new() else { return };
    let mut asked =
        Env::request("mount -t tmpfs none /dev/pts && mknod /dev/pts/ptmx c 5 2 && echo up; sleep 60");
    asked.privileged = true;
    let mut running = env.start(asked).unwrap();
    assert_eq!(running.line(), "up");
    let mut asked = Env::request("tty");
    asked.terminal = true;
    let error = running.exec(asked).map(|o| panic!("{o:?}")).unwrap_err();
    assert_eq!(error.error.kind(), types::Kind::Unsupported);
    running.end();
}

/// The stub acts under the program's filter, whose author thought of the program alone.
#[test]
fn a_filter_that_refuses_new_processes_can_be_entered_and_refuses_them() {
    let Some(env) = Env::new() else { return };
    let mut asked = Env::request("echo up; read x");
    asked.seccomp = runtime::defaults::Seccomp::Profile(Box::new(
        serde_json::from_str(
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ERRNO", "names":
                ["clone", "clone3", "fork", "vfork", "setsid"]}]}"#,
        )
        .unwrap(),
    ));
    asked.terminal = true;
    let running = env.start(asked).unwrap();
    let mut asked = Env::request("echo here; tty; true & echo not");
    asked.terminal = true;
    let output = running.exec(asked).unwrap();
    assert!(output.stdout.starts_with("here\r\n") && output.stdout.contains("can't fork"), "{output:?}");
    running.cgroup.kill().unwrap();
    assert_eq!(running.finish().code, 137);
}

/// One more process is there for a moment, so one more has to be allowed.
#[test]
fn a_container_at_its_limit_of_processes_says_so() {
    let Some(env) = Env::new() else { return };
    if !super::env::has_pids_controller() {
        return;
    }
    let mut asked = Env::request("echo up; exec sleep 60");
    let mut pids = oci_spec::runtime::LinuxPids::default();
    pids.set_limit(2);
    asked.resources.set_pids(Some(pids));
    let mut running = env.start(asked).unwrap();
    assert_eq!(running.line(), "up");
    let error = running.exec(Env::request("true")).map(|o| panic!("{o:?}")).unwrap_err();
    assert_eq!(error.status, 125);
    assert!(chain(&error).starts_with("start a process in the container: "), "{}", chain(&error));
    running.end();
}
