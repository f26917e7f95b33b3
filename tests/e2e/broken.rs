//! Calls of a monitor that fail, and monitors that are killed as soon as there is one.

use tests::Env;

/// The process whose number the run's record has.
const MONITOR: &str = "$(head -1 $LONGSHORE_ROOT/containers/*/run.jsonl | jq .monitor)";

/// A program that ends once it is told to.
const UNTIL_TOLD: &str = "until test -e /tell/go; do sleep 0.02; done";

/// Nobody is left who watches, whoever there has been. The monitor is stopped first, so that it makes
/// no standby meanwhile.
fn kill_all_who_watch(env: &Env) {
    env.sh(&format!("m={MONITOR}; kill -STOP $m; kill -9 $(pgrep -P $m ctr-) $m")).run().ok();
}

fn environment() -> Env {
    let mut env = Env::with_images(&["busybox"]);
    env.expect_leaks();
    env.write("tell/x", "");
    env
}

#[test]
fn a_standby_that_cannot_be_told_to_go_holds_up_nobody() {
    needs!(Root);
    let env = environment();
    let fail = "exec strace -f -qq -o /dev/null -e inject=pidfd_send_signal,kill:error=ENOMEM";
    let run = env
        .sh(&format!(
            "{fail} ctr-run -d --name c -p 8080:80 -v ./tell:/tell busybox sh -c '{UNTIL_TOLD}; exit 7'"
        ))
        .start();
    env.sh(&format!("until test -n \"$(pgrep -P {MONITOR} ctr-)\"; do sleep 0.05; done 2>/dev/null"))
        .run()
        .ok();
    env.write("tell/go", "");
    env.sh("ctr-wait c").run().ok().stdout("7\n");
    drop(run.wait().ok());
    assert!(env.leaks().is_empty(), "{:?}", env.leaks());
}

#[test]
fn a_tool_that_cannot_hear_its_monitor_ends_the_container() {
    needs!(Root);
    let env = environment();
    env.sh("exec strace -qq -o /dev/null -e inject=recvfrom:error=EIO ctr-run --name c busybox sleep 1000")
        .run()
        .status(125);
    env.sh("ctr-ls -aq").run().ok().stdout("");
    assert!(env.leaks().is_empty(), "{:?}", env.leaks());
}

/// From now on the first read of the monitor, which is of what the program writes, fails.
fn break_reading(env: &Env) {
    let line = format!(
        "m={MONITOR}; strace -qq -o /dev/null -p $m -e inject=read:error=EIO:when=1 >/dev/null 2>&1 & \
         until grep -q '^TracerPid:.*[1-9]' /proc/{MONITOR}/status; do sleep 0.01; done"
    );
    env.sh(&line).run().ok();
}

#[test]
fn what_cannot_be_read_of_a_program_is_said_to_be_missing() {
    needs!(Root);
    let env = environment();
    let program = format!("busybox sh -c '{UNTIL_TOLD}; echo said'");
    env.sh(&format!("ctr-run -d --name c -v ./tell:/tell {program}")).run().ok();
    // One that has its standby does nothing any more but wait.
    env.sh(&format!("until test -n \"$(pgrep -P {MONITOR} ctr-)\"; do sleep 0.01; done")).run().ok();
    break_reading(&env);
    env.write("tell/go", "");
    env.sh("ctr-wait c").run().ok().stdout("0\n");
    let why = "read what it wrote: input/output error";
    env.sh("ctr-inspect c | jq -r .State.Error").run().ok().stdout_has(why);
    env.sh("ctr-logs c").run().status(125).stdout("").stderr_has(why);
    env.sh("ctr-start c && ctr-wait c && ctr-logs c").run().ok().stdout("c\n0\nsaid\n");
    env.sh("ctr-rm c; rm tell/go").run().ok();
    let run = env.sh(&format!("ctr-run --name c -v ./tell:/tell {program}")).start();
    env.sh("until test -n \"$(ctr-ls -q)\"; do sleep 0.01; done").run().ok();
    break_reading(&env);
    env.write("tell/go", "");
    run.wait().status(125).stderr_has(why);
}

#[test]
fn what_cannot_be_written_to_the_log_is_said_to_be_missing() {
    needs!(Root);
    let env = environment();
    env.sh(&format!("ctr-run -d --name c -v ./tell:/tell busybox sh -c '{UNTIL_TOLD}; echo said'"))
        .run()
        .ok();
    // Where the log is to be made there is something else.
    env.sh("mkdir $(echo $LONGSHORE_ROOT/containers/*)/log").run().ok();
    env.write("tell/go", "");
    env.sh("ctr-wait c; rmdir $LONGSHORE_ROOT/containers/*/log").run().ok().stdout("0\n");
    env.sh("ctr-logs c")
        .run()
        .status(125)
        .stderr_has("some of what it wrote is missing: open the log: is a directory");
}

#[test]
fn who_watches_is_killed_right_after_the_start_and_nothing_false_is_said() {
    needs!(Root);
    let env = environment();
    for (turn, options) in ["", "--rm", "--init", "-t", "--rm --init"].iter().cycle().take(20).enumerate() {
        let run = format!("ctr-run -d --name c {options} -p 8080:80 -v ./tell:/tell");
        env.sh(&format!("{run} busybox sh -c '{UNTIL_TOLD}' >/dev/null; sleep 0.0{turn:02}")).run().ok();
        kill_all_who_watch(&env);
        env.sh("ctr-inspect c | jq -r .State.Status; ctr-exec c true").run().ok().stdout("running\n");
        if turn % 2 == 0 {
            env.sh("ctr-stop -t 0 c").run().ok();
        } else {
            let pid = env.sh("ctr-inspect c | jq .State.Pid").run().ok().line();
            env.write("tell/go", "");
            // Its parent is now the first process of the machine, or another that reaps.
            let line = format!(
                "while grep -q '^State:.*[^Z] (' /proc/{pid}/status; do sleep 0.01; done 2>/dev/null"
            );
            env.sh(&line).run().ok();
        }
        env.sh("ctr-ls -q").run().ok().stdout("");
        env.sh("ctr-ls -a --json | jq .State.ExitCode").run().ok().stdout_lacks("0\n");
        env.sh("ctr-ls -aq | ctr-rm -; rm -f tell/go").run().ok();
        assert!(env.leaks().is_empty(), "{options}: {:?}", env.leaks());
    }
}

#[test]
fn a_monitor_is_killed_right_after_a_start_in_the_foreground() {
    needs!(Root);
    let env = environment();
    for options in ["", "--rm", "--init", "-t", "--rm --init"].iter().cycle().take(20) {
        let run = env.sh(&format!("exec ctr-run --name c {options} -p 8080:80 busybox sleep 1000")).start();
        let killed = format!("until kill -9 {MONITOR} 2>/dev/null; do :; done 2>/dev/null");
        env.sh(&killed).run().ok();
        run.wait().status(125).stderr_has("its monitor was killed");
        env.sh("ctr-ls -q").run().ok().stdout("");
        env.sh("ctr-ls -aq | ctr-rm -f -").run().ok();
        assert!(env.leaks().is_empty(), "{options}: {:?}", env.leaks());
    }
}
