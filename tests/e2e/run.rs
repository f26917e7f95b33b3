//! Chapter 4: run.

use std::fs;
use std::time::Duration;

use tests::Env;

/// The options that keep a test of something else quick and short.
const QUICK: &str = "ctr-run --rm --network none";

#[test]
fn nothing_is_left_of_a_container_that_is_removed() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run --rm busybox true; ctr-run --name c busybox true").run().ok();
    env.sh("ls \"$LONGSHORE_RUN\"/etc | wc -l; ctr-start c; ctr-wait c; ctr-rm c")
        .run()
        .ok()
        .stdout("1\nc\n0\nc\n");
    env.sh(
        "cd \"$LONGSHORE_RUN\"; ls etc attached leases tmp; cd \"$LONGSHORE_ROOT\"; ls containers names tmp",
    )
    .run()
    .ok()
    .stdout("attached:\n\netc:\n\nleases:\n\ntmp:\ncontainers:\n\nnames:\n\ntmp:\n");
}

#[test]
fn a_program_runs_and_its_output_and_status_come_back() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run --rm busybox echo hello").run().ok().stdout("hello\n").stderr("");
    env.sh("ctr-run --rm busybox sh -c 'echo words >&2; exit 42'")
        .run()
        .status(42)
        .stdout("")
        .stderr("words\n");
    env.sh("ctr-ls -a -q").run().ok().stdout("");
}

#[test]
fn the_status_tells_the_engine_the_program_and_signals_apart() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    for (rest, status) in [
        ("busybox true", 0),
        ("busybox false", 1),
        ("busybox sh -c 'exit 255'", 255),
        ("--bad-option busybox true", 125),
        ("--memory nonsense busybox true", 125),
        ("busybox /etc", 126),
        ("busybox /etc/passwd", 126),
        ("busybox no-such-program", 127),
        ("busybox /no/such/program", 127),
        // The first process of a pid namespace is safe from its own signals; below an init it is not.
        ("busybox sh -c 'kill -9 $$; exit 3'", 3),
        ("--init busybox sh -c 'kill -9 $$; exit 3'", 137),
        ("--init busybox sh -c 'kill -TERM $$; sleep 1; exit 3'", 143),
    ] {
        env.sh(&format!("{QUICK} {rest}")).run().status(status);
    }
    env.sh("ctr-ls -a -q").run().ok().stdout("");
}

#[test]
fn a_program_that_is_not_there_is_named_once() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh(&format!("{QUICK} busybox nope")).run().status(127).one_error(&["nope"]);
    env.sh(&format!("{QUICK} busybox /etc/passwd")).run().status(126).one_error(&["/etc/passwd"]);
}

#[test]
fn a_missing_image_is_pulled_and_its_digest_does_not_reach_stdout() {
    needs!(Root);
    let env = Env::online();
    env.sh("ctr-run --rm busybox echo pulled").run().ok().stdout("pulled\n");
    env.sh("img-ls -q").run().ok().stdout_has("\n");
}

#[test]
fn pull_never_and_always_do_what_they_say() {
    needs!(Root);
    let mut env = Env::online();
    env.sh("ctr-run --rm --pull never busybox true").run().status(125).one_error(&["busybox"]);
    env.sh("ctr-run --rm --pull always busybox true").run().ok();
    env.cut_off();
    env.sh("ctr-run --rm busybox true").run().ok();
    env.sh("ctr-run --rm --pull always busybox true").run().status(125);
}

#[test]
fn environment_comes_from_image_file_and_options_in_this_order() {
    needs!(Root);
    let env = Env::with_images(&["busybox", "settings"]);
    env.write("vars", "A=file\nB=file # kept\n# no\n\nQUOTED=\"q\"\nFROM_CALLER\nUNSET_VARIABLE\n");
    let line = format!("FROM_CALLER=caller {QUICK} --env-file vars -e A=option -e EMPTY= busybox env");
    let text = env.sh(&line).run().ok().text();
    let vars: Vec<_> = text.lines().collect();
    for expected in [
        "A=option",
        "B=file # kept",
        "QUOTED=\"q\"",
        "FROM_CALLER=caller",
        "EMPTY=",
        "HOME=/root",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ] {
        assert!(vars.contains(&expected), "no {expected:?} in {text}");
    }
    assert!(
        !text.contains("UNSET_VARIABLE") && !text.contains("LONGSHORE") && !text.contains("TERM="),
        "{text}"
    );
    assert!(vars.iter().any(|v| v.starts_with("HOSTNAME=") && v.len() == 9 + 12), "{text}");
    env.sh(&format!("{QUICK} --entrypoint env settings")).run().ok().stdout_has("COLOUR=blue");
}

#[test]
fn entrypoint_command_user_and_directory_come_from_the_image_unless_given() {
    needs!(Root);
    let env = Env::with_images(&["settings"]);
    for (rest, stdout) in [
        ("settings", "entry default words\n"),
        ("settings other", "entry other\n"),
        ("--entrypoint /bin/pwd settings", "/var/www\n"),
        ("--entrypoint /bin/id settings -un", "www-data\n"),
        ("-u root --entrypoint /bin/id settings -un", "root\n"),
        ("-u 1234 --entrypoint /bin/id settings -u", "1234\n"),
        ("-u 1234:33 --entrypoint /bin/id settings -gn", "www-data\n"),
        ("-u 1234 --entrypoint /bin/id settings -g", "0\n"),
        ("-w /tmp --entrypoint /bin/pwd settings", "/tmp\n"),
        ("-w /made/for/it --entrypoint /bin/pwd settings", "/made/for/it\n"),
        ("--entrypoint /bin/sh settings -c 'echo $HOME'", "/var/www\n"),
    ] {
        env.sh(&format!("{QUICK} {rest}")).run().ok().stdout(stdout);
    }
    env.sh(&format!("{QUICK} -u nobody-knows settings")).run().status(125).one_error(&["nobody-knows"]);
}

#[test]
fn name_hostname_labels_and_cidfile() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let id =
        env.sh("ctr-run -d --name web -h box -l a=b -l c --cidfile id busybox sleep 60").run().ok().line();
    assert_eq!(id.len(), 64);
    assert_eq!(fs::read_to_string(env.dir().join("id")).unwrap().trim(), id);
    env.sh("ctr-exec web hostname").run().ok().stdout("box\n");
    env.sh("ctr-exec web grep box /etc/hosts").run().ok();
    env.sh("ctr-ls -q -f label=a=b").run().ok().stdout_has(&id[..12]);
    env.sh("ctr-ls -q -f label=c").run().ok().stdout_has(&id[..12]);
    env.sh("ctr-ls -q -f label=a=x").run().ok().stdout("");
    env.sh("ctr-run --cidfile id busybox true").run().status(125).one_error(&["id"]);
}

#[test]
fn stdin_goes_in_with_i_and_is_binary_safe() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let bytes: Vec<u8> = (0..300_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    env.sh(&format!("{QUICK} -i busybox cat")).stdin(bytes.clone()).run().ok().stdout(&bytes);
    // Without -i there is nothing to read.
    env.sh(&format!("{QUICK} busybox cat")).stdin("lost").run().ok().stdout("");
}

#[test]
fn a_terminal_has_size_colours_and_control_keys() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let mut terminal = env.tool("ctr-run").args(["--rm", "-it", "busybox"]).on_a_terminal();
    terminal.expect("# ");
    terminal.type_in("tty; stty size; echo T=$TERM\n");
    terminal.expect("/dev/pts/0");
    terminal.expect("24 80");
    terminal.expect("T=xterm");
    terminal.resize(33, 111);
    std::thread::sleep(Duration::from_millis(500));
    terminal.type_in("stty size\n");
    terminal.expect("33 111");
    terminal.type_in("sleep 60\n");
    std::thread::sleep(Duration::from_millis(1000));
    terminal.type_in("\x03");
    terminal.type_in("exit 9\n");
    assert_eq!(terminal.wait(), 9);
}

#[test]
fn t_without_i_merges_the_streams_as_a_terminal_does() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let script = "sh -c 'test -t 1 && echo out; echo err >&2'";
    env.sh(&format!("{QUICK} -t busybox {script}")).run().ok().stdout("out\r\nerr\r\n").stderr("");
}

#[test]
fn it_without_a_terminal_is_refused() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh(&format!("{QUICK} -it busybox true")).run().status(125).one_error(&["terminal"]);
}

#[test]
fn detaching_from_a_terminal_leaves_the_container_running() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let mut terminal = env.tool("ctr-run").args(["-it", "--name", "shell", "busybox"]).on_a_terminal();
    terminal.expect("# ");
    terminal.type_in("echo re''ady\n");
    terminal.expect("ready");
    terminal.type_in("\x10\x11");
    assert_eq!(terminal.wait(), 0);
    env.sh("ctr-ls -f name=shell -q | wc -l").run().ok().stdout("1\n");
}

#[test]
fn signals_go_through_to_the_program() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let script = "trap 'echo got; exit 5' USR1; echo ready; while :; do sleep 0.1; done";
    let run = env
        .tool("ctr-run")
        .args(["--rm", "--network", "none", "--name", "s", "busybox", "sh", "-c", script])
        .start();
    env.sh("until ctr-logs s 2>/dev/null | grep -q ready; do sleep 0.05; done").run().ok();
    run.signal("USR1");
    run.wait().status(5).stdout("ready\ngot\n");
}

#[test]
fn timeout_5_ctr_run_leaves_nothing() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("timeout 1 ctr-run --rm busybox sleep 60")
        .run()
        .status(124)
        .took_less_than(Duration::from_secs(4));
    env.sh("timeout -s KILL 1 ctr-run --rm busybox sleep 60").run().status(137);
    env.sh("for n in 1 2 3 4 5 6 7 8 9 10; do [ -n \"$(ctr-ls -aq)\" ] || exit 0; sleep 0.1; done; exit 1")
        .run()
        .ok();
}

#[test]
fn a_container_whose_client_is_killed_ends_with_it() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let run = env.tool("ctr-run").args(["--name", "orphan", "busybox", "sleep", "60"]).start();
    env.sh("until ctr-ls -q -f name=orphan | grep -q .; do sleep 0.02; done").run().ok();
    run.signal("KILL");
    drop(run.wait());
    env.sh("for n in 1 2 3 4 5 6 7 8 9 10; do [ -n \"$(ctr-ls -q)\" ] || exit 0; sleep 0.1; done; exit 1")
        .run()
        .ok();
    env.sh("ctr-ls -aq -f name=orphan | wc -l").run().ok().stdout("1\n");
}

#[test]
fn a_container_sees_itself_and_nothing_else() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let probe = |line: &str| env.sh(&format!("{QUICK} -h box busybox sh -c '{line}'")).run().ok().text();
    assert_eq!(probe("echo $$"), "1\n");
    assert_eq!(probe("set -- /proc/[0-9]*; echo $#"), "1\n", "this shell alone");
    assert_eq!(probe("hostname"), "box\n");
    assert_eq!(probe("ls /sys/class/net"), "lo\n");
    assert_eq!(probe("ls /proc/self/fd | wc -l"), "4\n", "three streams and the directory");
    assert_eq!(probe("id -u"), "0\n");
    assert!(probe("mount").contains(" on / type overlay (rw"));
    assert_eq!(probe("cat /proc/1/cgroup | sed s/.*:// | sort -u"), "/\n");
    assert_eq!(probe("umask"), "0022\n");
}

#[test]
fn the_file_systems_of_a_container_are_there() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let text = env.sh(&format!("{QUICK} busybox mount")).run().ok().text();
    for point in [
        "on /proc type proc",
        "on /dev type tmpfs",
        "on /dev/pts type devpts",
        "on /dev/shm type tmpfs",
        "on /dev/mqueue type mqueue",
        "on /sys type sysfs (ro",
        "on /etc/hosts",
        "on /etc/hostname",
        "on /etc/resolv.conf",
    ] {
        assert!(text.contains(point), "no {point:?} in\n{text}");
    }
    let devices = env.sh(&format!("{QUICK} busybox ls /dev")).run().ok().text();
    for device in
        ["null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "stdout", "stderr", "ptmx"]
    {
        assert!(devices.lines().any(|d| d == device), "no /dev/{device} in {devices}");
    }
    env.sh(&format!("{QUICK} busybox sh -c 'echo x >/dev/null; head -c 3 /dev/zero | wc -c'"))
        .run()
        .ok()
        .stdout("3\n");
}

#[test]
fn security_is_what_the_page_promises() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let status =
        |options: &str| env.sh(&format!("{QUICK} {options} busybox cat /proc/self/status")).run().ok().text();
    let field = |text: &str, name: &str| {
        text.lines().find_map(|l| l.strip_prefix(name)).map(|v| v.trim().to_owned()).unwrap_or_default()
    };
    let default = status("");
    // chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service sys_chroot setfcap
    for set in ["CapPrm:", "CapEff:", "CapBnd:"] {
        assert_eq!(field(&default, set), "00000000800405fb", "{set}");
    }
    assert_eq!(field(&default, "CapAmb:"), "0000000000000000");
    assert_eq!(field(&default, "CapInh:"), "0000000000000000");
    assert_eq!(field(&default, "Seccomp:"), "2");
    assert_eq!(field(&default, "NoNewPrivs:"), "0");
    assert_eq!(field(&status("--security-opt no-new-privileges"), "NoNewPrivs:"), "1");
    assert_eq!(field(&status("--cap-drop ALL"), "CapEff:"), "0000000000000000");
    assert_eq!(field(&status("--cap-drop ALL --cap-add NET_RAW"), "CapEff:"), "0000000000002000");
    assert_eq!(field(&status("--cap-add sys_time --cap-drop CAP_CHOWN"), "CapEff:"), "00000000820405fa");
    assert_eq!(field(&status("--security-opt seccomp=unconfined"), "Seccomp:"), "0");
    assert_eq!(field(&status("-u 33"), "CapEff:"), "0000000000000000");
    assert_eq!(field(&status("--privileged"), "Seccomp:"), "0");
}

#[test]
fn what_tells_of_the_host_is_masked_or_read_only() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let fails = |line: &str| {
        env.sh(&format!("{QUICK} busybox sh -c '{line}'")).run().status(1);
    };
    fails("echo 1 >/proc/sys/kernel/hostname");
    fails("echo b >/proc/sysrq-trigger");
    fails("mkdir /sys/fs/cgroup/x");
    fails("touch /sys/x");
    fails("mount -t tmpfs x /tmp");
    fails("mknod /x c 1 3");
    fails("dd if=/proc/kcore of=/tmp/x bs=1 count=1 2>/dev/null && test -s /tmp/x");
    fails("ls -A /sys/firmware | grep .");
    env.sh(&format!("{QUICK} busybox sh -c 'cat /proc/timer_list /proc/keys 2>/dev/null | wc -c'"))
        .run()
        .ok()
        .stdout("0\n");
}

#[test]
fn limits_reach_the_kernel() {
    needs!(Root, MemoryCgroup, PidsCgroup);
    let env = Env::with_images(&["busybox"]);
    // v1 as it is mounted on this machine, or v2.
    let first = |files: &str| format!("for f in {files}; do if [ -e $f ]; then cat $f; break; fi; done");
    let gives = |options: &str, files: &str, value: &str| {
        let script = first(files);
        env.sh(&format!("{QUICK} {options} busybox sh -c '{script}'"))
            .run()
            .ok()
            .stdout(format!("{value}\n"));
    };
    gives("-m 64m", "/sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes", "67108864");
    gives("--pids-limit 50", "/sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max", "50");
    gives("", "/sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max", "2048");
    env.sh(&format!("{QUICK} --ulimit nofile=100:200 busybox sh -c 'ulimit -Sn; ulimit -Hn'"))
        .run()
        .ok()
        .stdout("100\n200\n");
}

#[test]
fn a_program_that_takes_too_much_memory_is_killed_and_it_is_said() {
    needs!(Root, MemoryCgroup);
    let env = Env::with_images(&["busybox"]);
    let line = "ctr-run --name big --network none -m 16m busybox sh -c 'x=$(head -c 100m /dev/zero | tr \"\\0\" x); echo $x | wc -c'";
    env.sh(line).run().status(137);
    env.sh("ctr-inspect big | jq .State.OOMKilled").run().ok().stdout("true\n");
}

#[test]
fn too_many_processes_are_refused_inside_and_do_no_harm_outside() {
    needs!(Root, PidsCgroup);
    let env = Env::with_images(&["busybox"]);
    let script = "for n in 1 2 3 4 5 6 7 8 9 10; do sleep 1 & done; wait";
    env.sh(&format!("{QUICK} --pids-limit 5 busybox sh -c '{script}'")).run().stderr_has("fork");
}

#[test]
fn read_only_roots_and_tmpfs() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh(&format!("{QUICK} --read-only busybox touch /x")).run().status(1);
    env.sh(&format!(
        "{QUICK} --read-only --tmpfs /run:size=1m,mode=700 busybox sh -c 'touch /run/x && stat -c %a /run'"
    ))
    .run()
    .ok()
    .stdout("700\n");
    env.sh(&format!("{QUICK} --tmpfs /t busybox sh -c 'grep \" /t \" /proc/mounts'"))
        .run()
        .ok()
        .stdout_has("nosuid,nodev,noexec");
}

#[test]
fn init_reaps_and_passes_signals_on() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name i --init --network none busybox sleep 60").run().ok();
    env.sh(
        "ctr-exec i sh -c 'cat /proc/1/comm; (sleep 0.1 &)'; sleep 0.4; ctr-exec i ps -o stat | grep -c Z",
    )
    .run()
    .stdout_has("0");
    // sleep(1) does not catch SIGTERM; as the first process it could not hear it, below an init it can.
    env.sh("ctr-stop i").run().ok().took_less_than(Duration::from_secs(3));
    env.sh("ctr-inspect i | jq .State.ExitCode").run().ok().stdout("143\n");
}

#[test]
fn hosts_and_name_servers_are_written_as_asked() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let line = "ctr-run --rm -h box --add-host db:10.1.2.3 --dns 9.9.9.9 --dns-search example.org busybox cat /etc/hosts /etc/resolv.conf";
    let text = env.sh(line).run().ok().text();
    for part in [
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost",
        "box",
        "10.1.2.3\tdb",
        "nameserver 9.9.9.9",
        "search example.org",
    ] {
        assert!(text.replace(' ', "\t").contains(&part.replace(' ', "\t")), "no {part:?} in\n{text}");
    }
}

#[test]
fn thirty_two_starts_at_once_all_get_an_address_of_their_own() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let starts: Vec<_> = (0..32)
        .map(|n| {
            env.tool("ctr-run").args(["-d", "--name", &format!("c{n}"), "busybox", "sleep", "100"]).start()
        })
        .collect();
    for start in starts {
        start.wait().ok();
    }
    env.sh("ctr-ls -q | wc -l").run().ok().stdout("32\n");
    env.sh("for c in $(ctr-ls -q); do ctr-exec $c ip -4 -o addr show dev eth0; done | awk '{print $4}' | sort -u | wc -l")
        .within(Duration::from_secs(60))
        .run()
        .ok()
        .stdout("32\n");
    env.sh("ctr-ls -q | ctr-rm -f -").run().ok();
    env.sh("ctr-ls -aq").run().ok().stdout("");
}

#[test]
fn the_umask_of_the_caller_does_not_lock_users_out() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let line = "umask 077; ctr-run --rm -u 1000 busybox sh -c 'cat /etc/hosts >/dev/null && ls / >/dev/null'";
    env.sh(line).run().ok();
}
