//! Chapter 6: exec.

use std::time::Duration;

use tests::Env;

fn web() -> Env {
    let env = Env::with_images(&["httpd"]);
    env.sh("ctr-run -d --name web httpd").run().ok();
    env
}

#[test]
fn a_program_runs_inside_in_the_containers_directory() {
    needs!(Root);
    let env = web();
    env.sh("ctr-exec web pwd").run().ok().stdout("/usr/local/apache2\n").stderr("");
    env.sh("ctr-exec web sh -c 'exit 33'").run().status(33);
    env.sh("ctr-exec web sh -c 'kill -9 $$'").run().status(137);
    env.sh("ctr-exec web nope").run().status(127).one_error(&["nope"]);
    env.sh("ctr-exec web /etc").run().status(126).one_error(&["/etc"]);
}

#[test]
fn environment_directory_and_user_are_as_asked() {
    needs!(Root);
    let env = web();
    env.sh("ctr-exec -e COLOUR=red web env")
        .run()
        .ok()
        .stdout_has("COLOUR=red")
        .stdout_has("HTTPD_PREFIX=/usr/local/apache2");
    env.sh("ctr-exec -w /tmp web pwd").run().ok().stdout("/tmp\n");
    env.sh("ctr-exec -u www-data web id -un").run().ok().stdout("www-data\n");
    env.sh("ctr-exec -u 33:0 web id -g").run().ok().stdout("0\n");
    env.sh("ctr-exec -u nobody-knows web id").run().status_is_not(0);
}

#[test]
fn a_shell_without_i_ends_at_once() {
    needs!(Root);
    let env = web();
    env.sh("ctr-exec web /bin/sh").run().ok().stdout("").took_less_than(Duration::from_secs(2));
}

#[test]
fn a_shell_on_a_terminal_has_size_job_control_and_status() {
    needs!(Root);
    let env = web();
    let mut terminal = env.tool("ctr-exec").args(["-it", "web", "/bin/sh"]).on_a_terminal();
    terminal.type_in("stty size; tty\n");
    terminal.expect("24 80");
    terminal.expect("/dev/pts/");
    terminal.resize(40, 132);
    std::thread::sleep(Duration::from_millis(500));
    terminal.type_in("stty size\n");
    terminal.expect("40 132");
    terminal.type_in("sleep 100\n");
    std::thread::sleep(Duration::from_millis(1000));
    terminal.type_in("\x1a");
    terminal.expect("Stopped");
    terminal.type_in("fg\n");
    std::thread::sleep(Duration::from_millis(1000));
    terminal.type_in("\x03");
    terminal.type_in("exit 12\n");
    assert_eq!(terminal.wait(), 12);
}

#[test]
fn pipes_are_binary_safe_both_ways() {
    needs!(Root);
    let env = web();
    let bytes: Vec<u8> = (0..1_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    env.sh("ctr-exec -i web cat").stdin(bytes.clone()).run().ok().stdout(&bytes);
    env.sh("ctr-exec -i web sh -c 'cat >/tmp/x' && ctr-exec web cat /tmp/x | sha256sum | cut -c1-8")
        .stdin(bytes)
        .run()
        .ok();
}

#[test]
fn d_leaves_the_program_running() {
    needs!(Root);
    let env = web();
    env.sh("ctr-exec -d web sh -c 'sleep 0.2; echo done >/tmp/done; sleep 30'")
        .run()
        .ok()
        .took_less_than(Duration::from_secs(2));
    env.sh("sleep 0.6; ctr-exec web cat /tmp/done").run().ok().stdout("done\n");
}

#[test]
fn what_was_executed_ends_with_its_client() {
    needs!(Root);
    let env = web();
    let exec = env.tool("ctr-exec").args(["web", "sleep", "4242"]).start();
    std::thread::sleep(Duration::from_millis(1000));
    exec.signal("KILL");
    drop(exec.wait());
    let list = "ctr-exec web sh -c 'for p in /proc/[0-9]*; do tr \"\\0\" \" \" <$p/cmdline; echo; done'";
    env.sh(&format!(
        "for n in $(seq 20); do {list} | grep -q '^sleep 4242' || exit 0; sleep 0.1; done; exit 1"
    ))
    .run()
    .ok();
}

#[test]
fn signals_go_through_to_what_was_executed() {
    needs!(Root);
    let env = web();
    let script = "trap 'echo got; exit 8' INT; echo ready; while :; do sleep 0.1; done";
    let exec = env.tool("ctr-exec").args(["web", "sh", "-c", script]).start();
    std::thread::sleep(Duration::from_millis(1500));
    exec.signal("INT");
    exec.wait().status(8).stdout("ready\ngot\n");
}

#[test]
fn a_container_that_does_not_run_cannot_be_entered() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-create --name made busybox true").run().ok();
    env.sh("ctr-exec made true").run().status(1).one_error(&["made", "not running"]);
    env.sh("ctr-exec nobody true").run().status(1).one_error(&["nobody"]);
}

#[test]
fn what_is_executed_is_as_confined_as_the_container() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name c busybox sleep 60").run().ok();
    let fields = "grep -E '^(CapEff|CapBnd|Seccomp|NoNewPrivs):'";
    let first = env.sh(&format!("ctr-exec c {fields} /proc/1/status")).run().ok().text();
    env.sh(&format!("ctr-exec c {fields} /proc/self/status")).run().ok().stdout(first);
    env.sh("ctr-exec c sh -c 'cat /proc/self/cgroup; cat /proc/1/cgroup' | sort | uniq -c | awk '{print $1}' | sort -u").run().ok().stdout("2\n");
    env.sh("ctr-exec c sh -c 'ls /proc/self/fd | wc -l'").run().ok().stdout("4\n");
}
