//! The monitor is killed: the container goes on, and how it ends is known; or it is said that it is not.

use std::time::{Duration, Instant};

use tests::Env;

/// The process whose number the run's record has.
const MONITOR: &str = "$(head -1 $LONGSHORE_ROOT/containers/*/run.jsonl | jq .monitor)";

/// A program that ends once it is told to.
const UNTIL_TOLD: &str = "until test -e /tell/go; do sleep 0.02; done";

/// An environment with a container that waits for a word, in the background.
fn waiting(options: &str, then: &str) -> Env {
    let mut env = Env::with_images(&["busybox"]);
    env.expect_leaks();
    env.write("tell/x", "");
    env.sh(&format!("ctr-run -d --name c -v ./tell:/tell {options} busybox sh -c '{UNTIL_TOLD}; {then}'"))
        .run()
        .ok();
    env
}

/// Waits until the monitor has its standby, which is a copy of it and so a child of it with its name.
fn wait_for_standby(env: &Env) {
    let line = format!("m={MONITOR}; until test -n \"$(pgrep -P $m ctr-)\"; do sleep 0.01; done");
    env.sh(&line).run().ok();
}

fn kill_monitor(env: &Env) {
    wait_for_standby(env);
    env.sh(&format!("kill -9 {MONITOR}")).run().ok();
}

#[test]
fn a_container_whose_monitor_is_killed_goes_on_and_its_end_is_known() {
    needs!(Root);
    for (options, then, code) in [
        ("-p 8080:80", "echo last words; exit 7", "7"),
        ("", "exit 0", "0"),
        ("-t", "kill -11 $$; exit 3", "3"),
        ("--init", "kill -9 $$", "137"),
    ] {
        let env = waiting(options, then);
        kill_monitor(&env);
        env.sh("ctr-ls -q | wc -l; ctr-inspect c | jq -r .State.Status").run().ok().stdout("1\nrunning\n");
        env.sh("ctr-exec c true").run().ok();
        let wait = env.tool("ctr-wait").arg("c").start();
        env.write("tell/go", "");
        wait.wait().ok().stdout(format!("{code}\n"));
        env.sh("ctr-inspect c | jq -c '[.State.Status, .State.ExitCode]'")
            .run()
            .ok()
            .stdout(format!("[\"exited\",{code}]\n"));
        if then.contains("words") {
            env.sh("ctr-logs c").run().ok().stdout("last words\n");
        }
        // Everything was given back, as by the monitor itself.
        assert!(env.leaks().is_empty(), "{:?}", env.leaks());
        env.sh("ctr-start c && ctr-wait c").run().ok().stdout(format!("c\n{code}\n"));
        env.sh("ctr-rm c").run().ok();
    }
}

#[test]
fn who_removes_itself_does_so_without_its_monitor_too() {
    needs!(Root);
    let env = waiting("--rm -p 8080:80 -v /data", "exit 3");
    kill_monitor(&env);
    env.write("tell/go", "");
    // Nobody waits for it, who would also clear away what a dead monitor has left; a list only looks.
    env.sh("until test -z \"$(ctr-ls -aq)$(vol-ls -q)\"; do sleep 0.02; done").run().ok();
    assert!(env.leaks().is_empty(), "{:?}", env.leaks());
}

#[test]
fn how_who_removes_itself_ended_is_known_without_its_monitor_too() {
    needs!(Root);
    let env = waiting("--rm", "exit 3");
    kill_monitor(&env);
    let wait = env.tool("ctr-wait").arg("c").start();
    // It holds the record of the run: later there is nothing to be found any more.
    env.sh(&format!("until ls -l /proc/{}/fd | grep -q run.jsonl; do sleep 0.01; done", wait.pid()))
        .run()
        .ok();
    env.write("tell/go", "");
    wait.wait().ok().stdout("3\n");
    env.sh("until test -z \"$(ctr-ls -aq)\"; do sleep 0.02; done").run().ok();
}

#[test]
fn who_is_to_be_restarted_is_without_its_monitor_too() {
    needs!(Root);
    let env = waiting("--restart on-failure:1", "rm /tell/go; echo ended; exit 3");
    kill_monitor(&env);
    env.write("tell/go", "");
    env.sh("until test \"$(ctr-inspect c | jq .RestartCount)\" = 1; do sleep 0.02; done").run().ok();
    env.sh("until ctr-exec c true 2>/dev/null; do sleep 0.02; done").run().ok();
    env.write("tell/go", "");
    env.sh("ctr-wait c && ctr-logs c").run().ok().stdout("3\nended\nended\n");
}

#[test]
fn a_monitor_can_be_killed_again_and_again() {
    needs!(Root);
    let env = waiting("", "echo said; exit 5");
    let first: i32 = env.sh(&format!("echo {MONITOR}")).run().ok().line().parse().unwrap();
    let mut monitor = first;
    for _ in 0..5 {
        let child = format!("until pgrep -P {monitor} ctr-; do sleep 0.01; done | tail -1");
        let next = env.sh(&child).run().ok().line().parse().unwrap();
        env.sh(&format!("kill -9 {monitor}")).run().ok();
        monitor = next;
        env.sh("ctr-inspect c | jq -r .State.Status").run().ok().stdout("running\n");
    }
    env.write("tell/go", "");
    env.sh("ctr-wait c; ctr-logs c").run().ok().stdout("5\nsaid\n");
}

/// Both at once, so that nobody is left who could go on.
fn kill_both(env: &Env) {
    wait_for_standby(env);
    // Stopped first, so that it makes no other standby meanwhile.
    env.sh(&format!("m={MONITOR}; kill -STOP $m; kill -9 $(pgrep -P $m ctr-); kill -9 $m")).run().ok();
}

#[test]
fn without_anybody_who_saw_the_end_it_is_unknown_and_never_up() {
    needs!(Root);
    let env = waiting("-p 8080:80", "exit 0");
    kill_both(&env);
    env.sh("ctr-inspect c | jq -r .State.Status").run().ok().stdout("running\n");
    let pid = env.sh("ctr-inspect c | jq .State.Pid").run().ok().line();
    env.write("tell/go", "");
    // Its parent is now the first process of the machine, or another that reaps.
    env.sh(&format!(
        "while test -e /proc/{pid} && ! grep -q '^State:.*Z' /proc/{pid}/status; do sleep 0.01; done"
    ))
    .run()
    .ok();
    let asked = Instant::now();
    env.sh("ctr-inspect c | jq -c '[.State.Status, .State.ExitCode]'").run().ok().stdout("[\"lost\",null]\n");
    env.sh("ctr-ls -a").run().ok().stdout_lacks("Up").stdout_lacks("(0)");
    env.sh("ctr-wait c").run().ok().stdout("unknown\n");
    env.sh("ctr-logs c").run().ok();
    assert!(asked.elapsed() < Duration::from_secs(5));
    env.sh("ctr-start c && ctr-wait c").run().ok().stdout("c\n0\n");
    env.sh("ctr-rm c").run().ok();
    assert!(env.leaks().is_empty(), "{:?}", env.leaks());
}

#[test]
fn who_waits_sees_the_end_although_nobody_watches() {
    needs!(Root);
    let env = waiting("", "exit 9");
    kill_both(&env);
    let wait = env.tool("ctr-wait").arg("c").start();
    // It holds the process, or will: what is told to go on here goes on once it does.
    env.sh(&format!("until ls -l /proc/{}/fd | grep -q pidfd; do sleep 0.01; done", wait.pid())).run().ok();
    env.write("tell/go", "");
    if env.sh("test $(uname -r | cut -d. -f1) -ge 7 || test $(uname -r | cut -d. -f2) -ge 15").run().code()
        == 0
    {
        wait.wait().ok().stdout("9\n");
        env.sh("ctr-inspect c | jq .State.ExitCode").run().ok().stdout("9\n");
    } else {
        drop(wait.wait().ok());
    }
}

#[test]
fn a_stop_without_anybody_who_watches_is_a_stop() {
    needs!(Root);
    for line in ["ctr-stop -t 0 c", "ctr-kill c", "ctr-rm -f c"] {
        let env = waiting("-p 8080:80", "exit 9");
        kill_both(&env);
        env.sh(line).run().ok().stdout("c\n");
        env.sh("ctr-ls -q").run().ok().stdout("");
        assert!(env.leaks().is_empty(), "{line}: {:?}", env.leaks());
        env.sh("ctr-ls -a --json | jq .State.ExitCode").run().ok().stdout_lacks("0");
    }
}

#[test]
fn a_tool_in_the_foreground_ends_the_container_when_its_monitor_is_killed() {
    needs!(Root);
    for options in ["--name c", "--rm --name c", "-t --name c"] {
        let mut env = Env::with_images(&["busybox"]);
        env.expect_leaks();
        let run = env.sh(&format!("exec ctr-run {options} busybox sh -c 'echo up; sleep 1000'")).start();
        env.sh("until ctr-logs c 2>/dev/null | grep -q up; do sleep 0.02; done").run().ok();
        env.sh(&format!("kill -9 {MONITOR}")).run().ok();
        run.wait().status(125).stderr_has("its monitor was killed");
        env.sh("ctr-ls -q").run().ok().stdout("");
        let left = env.sh("ctr-ls -aq | wc -l").run().ok().line();
        assert_eq!(left, if options.contains("--rm") { "0" } else { "1" });
        assert!(env.leaks().is_empty(), "{:?}", env.leaks());
    }
}

#[test]
fn a_start_right_after_the_end_is_a_start() {
    needs!(Root);
    let env = waiting("", "echo run");
    let monitor = env.sh(&format!("echo {MONITOR}")).run().ok().line();
    let pid = env.sh("ctr-inspect c | jq .State.Pid").run().ok().line();
    // The program has ended, and its monitor does not get to say so yet.
    env.sh(&format!("kill -STOP {monitor}")).run().ok();
    env.write("tell/go", "");
    env.sh(&format!("until grep -q '^State:.*Z' /proc/{pid}/status; do sleep 0.01; done")).run().ok();
    let start = env.tool("ctr-start").arg("c").start();
    let waits = format!("/proc/{}/wchan", start.pid());
    env.sh(&format!("while test -s {waits} && ! grep -q lock {waits}; do sleep 0.01; done")).run().ok();
    env.sh(&format!("kill -CONT {monitor}")).run().ok();
    start.wait().ok().stdout("c\n");
    env.sh("ctr-wait c && ctr-logs c").run().ok().stdout("0\nrun\nrun\n");
}

#[test]
fn a_caller_gets_its_descriptors_back_when_the_tool_ends() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    // A lock that is held through a descriptor, and a pipe that somebody reads to its end.
    env.sh("exec 9>lock; flock 9; ctr-run -d --name c busybox sleep 1000; exec 9>&-; flock -w 5 lock true")
        .run()
        .ok();
    env.sh("x=$(exec 8>&1; ctr-run -d --name d busybox sleep 1000); test ${#x} = 64").run().ok();
    env.sh("ctr-run --rm busybox yes | head -1").run().stdout("y\n");
    env.sh("until test \"$(ctr-ls -q | wc -l)\" = 2; do sleep 0.02; done").run().ok();
}
