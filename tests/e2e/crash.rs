//! Tools that are killed: the next command works, and nothing half made is listed.

use std::time::Duration;

use tests::Env;

/// Runs a line under strace, which kills the tool with SIGKILL at its Nth call that changes
/// something, for N from 1 until it survives; after each, `check` is run.
fn kill_at_every_step(env: &Env, line: &str, mut check: impl FnMut(&Env, u32)) {
    let calls = "openat,renameat,renameat2,fsync,fdatasync,unlinkat,mkdirat,symlinkat,linkat,ftruncate,write,pwrite64,move_mount,flock,sendto,sendmsg";
    for step in 1..400 {
        let trace = format!("strace -qq -o /dev/null -e inject={calls}:signal=SIGKILL:when={step} {line}");
        let status = env.sh(&trace).within(Duration::from_secs(60)).run().code();
        check(env, step);
        if status != 137 {
            return;
        }
    }
    panic!("{line} has more than 400 steps");
}

#[test]
fn create_that_is_killed_at_any_step_leaves_a_whole_container_or_none() {
    needs!(Root);
    let mut env = Env::with_images(&["busybox"]);
    env.expect_leaks();
    kill_at_every_step(&env, "ctr-create --name c busybox true", |env, step| {
        let listed = env.sh("ctr-ls -a --json").run().ok().json_lines();
        assert!(listed.len() <= 1, "step {step}");
        // The name is free, or its container is whole.
        if listed.is_empty() {
            env.sh("ctr-create --name c busybox true").run().ok();
        }
        env.sh("ctr-inspect c && ctr-rm c").run().ok();
    });
}

#[test]
fn remove_that_is_killed_at_any_step_is_done_or_can_be_done_again() {
    needs!(Root);
    let mut env = Env::with_images(&["busybox"]);
    env.expect_leaks();
    env.sh("ctr-create --name c busybox true").run().ok();
    kill_at_every_step(&env, "ctr-rm c", |env, step| {
        let listed = env.sh("ctr-ls -a -q").run().ok().text();
        if listed.is_empty() {
            env.sh("ctr-create --name c busybox true").run().ok();
        } else {
            assert_eq!(listed.lines().count(), 1, "step {step}");
            env.sh("ctr-inspect c").run().ok();
        }
    });
}

#[test]
fn run_that_is_killed_at_any_moment_leaves_nothing_in_the_way() {
    needs!(Root);
    let mut env = Env::with_images(&["busybox"]);
    env.expect_leaks();
    for delay in (0..40).map(|n| Duration::from_micros(n * 700)) {
        let run = env
            .tool("ctr-run")
            .args(["-d", "--name", "c", "-p", "8080:80", "busybox", "sleep", "100"])
            .start();
        std::thread::sleep(delay);
        run.signal_if_there("KILL");
        drop(run.wait());
        // Whatever has become of it, it can be removed, and its name and port taken again.
        env.sh("ctr-ls -aq | ctr-rm -f -").run().ok();
        env.sh("ctr-run --rm --name c -p 8080:80 busybox true").run().ok();
    }
    env.sh("ctr-ls -aq").run().ok().stdout("");
}

#[test]
fn a_container_whose_monitor_is_killed_is_seen_as_what_it_is() {
    needs!(Root);
    let mut env = Env::with_images(&["busybox"]);
    env.expect_leaks();
    env.sh("ctr-run -d --name c -p 8080:80 busybox sleep 100").run().ok();
    let monitor = "jq -r 'select(.monitor) | .monitor' $LONGSHORE_ROOT/containers/*/run.jsonl";
    env.sh(&format!("kill -9 $({monitor})")).run().ok();
    std::thread::sleep(Duration::from_millis(200));
    let status = env.sh("ctr-inspect c | jq -r .State.Status").run().ok().line();
    assert!(["running", "exited", "lost"].contains(&status.as_str()), "{status}");
    drop(env.sh("ctr-stop -t 0 c").run());
    env.sh("ctr-inspect c | jq -r .State.Status").run().ok().stdout_lacks("running");
    env.sh("ctr-start c && ctr-exec c true && ctr-rm -f c").run().ok();
}

#[test]
fn forward_that_is_killed_at_any_step_does_not_block_its_port() {
    needs!(Root);
    let mut env = Env::with_images(&["busybox"]);
    env.expect_leaks();
    env.sh("ctr-run -d --name c busybox sleep 100").run().ok();
    kill_at_every_step(&env, "net-forward c 8080:80", |env, _| {
        env.sh("net-forward --rm c 8080 2>/dev/null; net-forward c 8080:80 && net-forward --rm c 8080")
            .run()
            .ok();
    });
}

#[test]
fn ids_of_another_boot_mean_nothing() {
    needs!(Root);
    let mut env = Env::with_images(&["busybox"]);
    env.expect_leaks();
    env.sh("ctr-run -d --name c busybox sleep 100").run().ok();
    // As after a power cut: the record is from another boot, its process id is somebody else's now.
    let script = "f=$(echo $LONGSHORE_ROOT/containers/*/run.jsonl); victim=$(jq -r .pid $f); ctr-kill c; ctr-wait c >/dev/null; \
                  sleep 300 & jq -c --argjson p $! '.pid = $p | .boot_id = \"00000000-0000-0000-0000-000000000000\"' $f | head -1 >new; \
                  cat new >$f; ctr-inspect c | jq -r .State.Status; ctr-kill c; ctr-rm -f c; kill -0 $! && echo alive; kill $!";
    env.sh(script).run().stdout_has("lost").stdout_has("alive");
}
