//! Chapter 4: create, start, stop, kill, wait, remove.

use std::time::Duration;

use tests::Env;

#[test]
fn a_created_container_is_started_stopped_and_started_again() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let id = env.sh("ctr-create --name c busybox sleep 60").run().ok().line();
    assert_eq!(id.len(), 64);
    env.sh("ctr-inspect c | jq -r .State.Status").run().ok().stdout("created\n");
    env.sh("ctr-start c").run().ok().stdout("c\n");
    env.sh("ctr-inspect c | jq -r .State.Status").run().ok().stdout("running\n");
    env.sh("ctr-exec c sh -c 'echo kept >/file'").run().ok();
    env.sh("ctr-stop c").run().ok().stdout("c\n");
    env.sh("ctr-start c").run().ok();
    env.sh("ctr-exec c cat /file").run().ok().stdout("kept\n");
    env.sh("ctr-start c").run().ok(); // as Docker: it runs, which is what was wanted
}

#[test]
fn start_a_shows_the_output_and_returns_the_status() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-create --name c busybox sh -c 'echo out; exit 6'").run().ok();
    env.sh("ctr-start -a c").run().status(6).stdout("out\n");
}

#[test]
fn stop_asks_with_the_signal_of_the_image_and_then_insists() {
    needs!(Root);
    let env = Env::with_images(&["busybox", "settings"]);
    let deaf = "trap \"echo heard\" TERM; echo ready; while :; do sleep 0.1; done";
    env.sh(&format!("ctr-run -d --name deaf busybox sh -c '{deaf}'")).run().ok();
    env.sh("until ctr-logs deaf | grep -q ready; do sleep 0.05; done").run().ok();
    let stop = env.sh("ctr-stop -t 1 deaf").run().ok();
    assert!(stop.took() > Duration::from_millis(900) && stop.took() < Duration::from_secs(4), "{stop}");
    env.sh("ctr-inspect deaf | jq .State.ExitCode").run().ok().stdout("137\n");
    env.sh("ctr-logs deaf").run().ok().stdout_has("heard");

    let polite = "trap \"exit 7\" INT; echo ready; while :; do sleep 0.1; done";
    env.sh(&format!("ctr-run -d --name polite --entrypoint sh settings -c '{polite}'")).run().ok();
    env.sh("until ctr-logs polite | grep -q ready; do sleep 0.05; done; ctr-stop polite").run().ok();
    env.sh("ctr-inspect polite | jq .State.ExitCode").run().ok().stdout("7\n");
}

#[test]
fn the_default_is_ten_seconds() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let deaf = "trap : TERM; echo ready; while :; do sleep 0.1; done";
    env.sh(&format!("ctr-run -d --name deaf --network none busybox sh -c '{deaf}'")).run().ok();
    env.sh("until ctr-logs deaf | grep -q ready; do sleep 0.05; done").run().ok();
    let stop = env.sh("ctr-stop deaf").run().ok();
    assert!(stop.took() > Duration::from_millis(9_800) && stop.took() < Duration::from_secs(13), "{stop}");
}

#[test]
fn stop_does_not_wait_for_a_process_that_cannot_hear() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name s --network none busybox sleep 60").run().ok();
    env.sh("ctr-stop s").run().ok().took_less_than(Duration::from_secs(3));
}

#[test]
fn kill_sends_what_it_is_told() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name k busybox sh -c 'trap \"echo usr1\" USR1; echo ready; while :; do sleep 0.1; done'").run().ok();
    env.sh("until ctr-logs k | grep -q ready; do sleep 0.05; done").run().ok();
    for signal in ["USR1", "SIGUSR1", "10"] {
        env.sh(&format!("ctr-kill -s {signal} k")).run().ok().stdout("k\n");
        std::thread::sleep(Duration::from_millis(250));
    }
    env.sh("ctr-logs k | grep -c usr1").run().ok().stdout("3\n");
    env.sh("ctr-kill k && ctr-wait k").run().ok().stdout("k\n137\n");
    env.sh("ctr-kill k").run().status(1).one_error(&["k", "not running"]);
}

#[test]
fn wait_prints_the_statuses() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name a busybox sh -c 'sleep 0.3; exit 5'; ctr-run -d --name b busybox true")
        .run()
        .ok();
    env.sh("ctr-wait a b").run().ok().stdout("5\n0\n");
}

#[test]
fn a_running_container_is_not_removed_without_force() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name r busybox sleep 60").run().ok();
    env.sh("ctr-rm r").run().status(1).one_error(&["r", "running"]).stderr_has("hint: ");
    env.sh("ctr-rm -f r").run().ok().stdout("r\n").took_less_than(Duration::from_secs(2));
    env.sh("ctr-rm --force r").run().ok().stdout(""); // as Docker: it is gone, which is what was wanted
}

#[test]
fn several_operands_are_all_done_and_each_failure_is_told() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-create --name a busybox true; ctr-create --name b busybox true").run().ok();
    let out = env.sh("ctr-rm a nobody b").run().status(1).stdout("a\nb\n");
    out.stderr_has("nobody");
    env.sh("ctr-ls -aq").run().ok().stdout("");
}

#[test]
fn anonymous_volumes_go_with_v_and_stay_without() {
    needs!(Root);
    let env = Env::with_images(&["settings"]);
    env.sh("ctr-create --name a settings; ctr-create --name b settings").run().ok();
    env.sh("vol-ls -q | wc -l").run().ok().stdout("2\n");
    env.sh("ctr-rm -v a; vol-ls -q | wc -l").run().ok().stdout("a\n1\n");
    env.sh("ctr-rm b; vol-ls -q | wc -l").run().ok().stdout("b\n1\n");
    env.sh("ctr-run --rm settings; vol-ls -q | wc -l").run().ok().stdout("entry default words\n1\n");
}

#[test]
fn a_name_is_free_again_when_its_container_is_gone() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    for _ in 0..3 {
        env.sh("ctr-run --name again --network none busybox true && ctr-rm again").run().ok();
    }
}
