//! Bundles, behind the command line of OCI runtimes.

use std::fs;

use serde_json::{Value, json};
use tests::Env;

#[test]
fn run_shows_what_the_program_writes_ends_with_its_status_and_leaves_nothing() {
    needs!(Root);
    let env = Env::new();
    let bundle = env.bundle("echo hello; exit 7");
    bundle.run().status(7).stdout("hello\n").stderr("");
    env.tool("ctr-oci").args(["list", "-q"]).run().ok().stdout("");
}

#[test]
fn a_created_container_waits_runs_and_is_deleted_only_when_it_has_ended() {
    needs!(Root);
    let env = Env::new();
    let bundle = env.bundle("echo up; exec /bin/busybox sleep 60");
    let oci = |command| bundle.oci(&[command]).run();
    let status = |word: &str| oci("state").ok().stdout_has(&format!("\"status\": \"{word}\""));
    bundle.leave("create --pid-file pid").ok();
    status("created");
    assert_eq!(fs::read_to_string(env.dir().join("out")).unwrap(), "");
    oci("delete").status(1).stderr_has("that is not stopped: created");
    oci("start").ok();
    status("running");
    oci("start").status(1).stderr_has("cannot start an already running container");
    bundle.exec(&[], &["sh", "-c", "exit 9"]).status(9);
    bundle.exec(&[], &["not-there"]).status(255).stderr_has("no such file");
    env.tool("ctr-oci").args(["kill", bundle.id(), "KILL"]).run().ok();
    bundle.until("stopped");
    oci("kill").status(1).stderr_has("container not running");
    oci("delete").ok();
    oci("state").status(1).stderr_has("does not exist");
}

/// Its parent, first process of a pid namespace, reaps nobody, so that what it was in the end is still there
/// to be seen.
#[test]
fn a_container_that_dies_before_its_program_runs_was_not_started() {
    needs!(Root);
    let env = Env::new();
    let bundle = env.bundle("echo up");
    let script = format!(
        r#"my $id = "{}";
        system("ctr-oci create -b bundle $id </dev/null >out 2>&1") == 0 or die "create";
        my $pid = `ctr-oci state $id | jq .pid`;
        kill "STOP", $pid; # so that it does not read the word that it may go on
        my $start = fork // die;
        exec "ctr-oci", "start", $id if !$start;
        until (`cat /proc/$start/wchan` =~ /poll/) {{ select undef, undef, undef, 0.01 }}
        kill "KILL", $pid;
        waitpid $start, 0;
        print $? >> 8, "
";
        system "ctr-oci state $id | jq -r .status; ctr-oci delete $id""#,
        bundle.id()
    );
    env.program("unshare")
        .args(["--pid", "--fork", "--mount-proc", "perl", "-e", &script])
        .run()
        .ok()
        .stdout(
            "1
stopped
",
        )
        .stderr_has("it ended before its program ran");
}

#[test]
fn a_program_that_is_not_there_fails_at_create_and_is_told_in_the_log() {
    needs!(Root);
    let env = Env::new();
    let bundle = env.bundle("");
    bundle.edit(|config| config["process"]["args"] = json!(["not-there"]));
    let line = format!("ctr-oci --log log --log-format json create -b bundle {} </dev/null", bundle.id());
    env.sh(&line).run().status(1).stderr_has("not-there");
    let log: Value = serde_json::from_slice(&fs::read(env.dir().join("log")).unwrap()).unwrap();
    assert_eq!(log["level"], "error");
    assert!(log["msg"].as_str().unwrap().contains("no such file or directory"), "{log}");
    env.tool("ctr-oci").args(["list", "-q"]).run().ok().stdout("");
}

/// A filter written before faccessat2(2) refuses that call, which says nothing about the program.
#[test]
fn a_filter_that_is_older_than_our_questions_does_not_hide_the_program() {
    needs!(Root);
    let env = Env::new();
    let bundle = env.bundle("exec /bin/busybox sleep 60");
    bundle.edit(|config| {
        config["linux"]["seccomp"] = json!({ "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{ "names": ["faccessat2"], "action": "SCMP_ACT_ERRNO" }] });
    });
    bundle.leave("create").ok();
    bundle.oci(&["start"]).run().ok();
    bundle.oci(&["delete", "-f"]).run().ok();
}

#[test]
fn a_mount_has_the_source_that_the_configuration_names() {
    needs!(Root);
    let env = Env::new();
    let bundle = env.bundle("cat /proc/self/mountinfo");
    bundle.edit(|config| {
        let mount = json!({ "destination": "/scratch", "type": "tmpfs", "source": "a-name-of-mine" });
        config["mounts"].as_array_mut().unwrap().push(mount);
    });
    bundle.run().ok().stdout_has(" - proc proc ").stdout_has(" - tmpfs a-name-of-mine ");
}

/// Engines that may not mount one do so for a container that shares the host's processes.
#[test]
fn the_hosts_procfs_may_be_bound_on_proc_and_nothing_else() {
    needs!(Root);
    let env = Env::new();
    let bundle = env.bundle("test -e /proc/self/status && echo $$");
    let bound = |source: &str| {
        bundle.edit(|config| {
            let spaces = config["linux"]["namespaces"].as_array_mut().unwrap();
            spaces.retain(|space| space["type"] != "pid");
            let mounts = config["mounts"].as_array_mut().unwrap();
            mounts.retain(|mount| mount["destination"] != "/proc");
            let options = ["rbind", "nosuid", "nodev", "noexec"];
            let proc =
                json!({ "destination": "/proc", "type": "none", "source": source, "options": options });
            mounts.insert(0, proc);
        });
        bundle.run()
    };
    let pid = bound("/proc").ok().line();
    assert!(pid.parse::<u32>().unwrap() > 1, "{pid:?} is the number on the host");
    for other in ["/proc/self", "/proc/sys", "/tmp"] {
        bound(other).status(1).stderr_has("\"/proc\" cannot be mounted over");
    }
}

/// The kernel lists mounts by age, and whoever asks what is on a place takes the last that is listed.
#[test]
fn mounts_are_listed_in_the_order_of_the_configuration() {
    needs!(Root);
    let env = Env::new();
    let bundle = env.bundle("cat /proc/self/mountinfo");
    let binds = [("shared", "bind"), ("rslave", "rbind"), ("private", "bind"), ("runbindable", "rbind")];
    bundle.edit(|config| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        for (propagation, bind) in binds {
            let at = format!("/mnt/{propagation}");
            mounts.push(json!({ "destination": at, "type": "tmpfs", "source": "below" }));
            mounts.push(json!({ "destination": at, "source": env.dir(), "options": [bind, propagation] }));
        }
        config["root"]["readonly"] = Value::Bool(false);
    });
    let list = bundle.run().ok().text();
    for (propagation, _) in binds {
        let here = format!(" /mnt/{propagation} ");
        let there: Vec<_> = list.lines().filter(|line| line.contains(&here)).collect();
        let [below, above] = there[..] else { panic!("not two in {list}") };
        assert!(below.contains("tmpfs below") && !above.contains("tmpfs below"), "{list}");
    }
    // The shared one has peers, and the one that may not be bound says so.
    let line = |name: &str| list.lines().rfind(|line| line.contains(name)).unwrap();
    assert!(line("/mnt/shared ").contains(" shared:") && line("/mnt/runbindable ").contains(" unbindable"));
}

#[test]
fn descriptors_are_passed_on_up_to_the_last_that_is_open() {
    needs!(Root);
    let env = Env::new();
    let bundle = env.bundle("cat <&4; ls /proc/self/fd | tr '\\n' ' '");
    let run = |fds: &str, count: u32| {
        let id = bundle.id();
        // Whoever runs the tests may have left some open.
        let close = "6<&- 7<&- 8<&- 9<&- 10<&-";
        let line = format!("echo 4 >four; ctr-oci run -b bundle --preserve-fds {count} {id} {fds} {close}");
        env.sh(&line).run().ok().text()
    };
    assert!(run("3</dev/null 4<four 5<&-", 90).starts_with("4\n0 1 2 3 4 "));
    assert!(run("3<&- 4<four 5</dev/null", 2).starts_with("4\n0 1 2 3 4 "), "3 is of ls");
    assert_eq!(run("3</dev/null 4<four 5</dev/null", 3), "4\n0 1 2 3 4 5 6 ");
}

#[test]
fn who_shares_the_control_group_of_a_deleted_container_lives_on() {
    needs!(Root);
    let env = Env::new();
    let bundle = env.bundle("exec /bin/busybox sleep 60");
    bundle.edit(|config| {
        config["linux"]["cgroupsPath"] = Value::from(format!("/{}shared", bundle.id()));
    });
    let (one, two) = (format!("{}one", bundle.id()), format!("{}two", bundle.id()));
    for id in [&one, &two] {
        env.sh(&format!("ctr-oci run -d -b bundle {id} >out 2>&1 </dev/null")).run().ok();
    }
    assert!(fs::read_to_string(env.dir().join("out")).unwrap().contains("container's cgroup is not empty"));
    env.tool("ctr-oci").args(["delete", "-f", &one]).run().stderr_has("it holds other processes");
    env.tool("ctr-oci").args(["state", &two]).run().ok().stdout_has("\"status\": \"running\"");
    env.tool("ctr-oci").args(["delete", "-f", &two]).run().ok();
    env.tool("ctr-oci").args(["list", "-q"]).run().ok().stdout("");
}
