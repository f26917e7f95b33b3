//! The number of a container's first process is another's by now: that one is never signalled, entered
//! or believed.

use tests::Env;

/// Everything happens in a pid namespace of its own, where the next number can be chosen (`ns_last_pid`,
/// `pid_namespaces(7)`) and nobody else takes it. Its shell reaps whoever is left.
fn in_own_pids(env: &Env, script: &str) -> String {
    env.write("script", script);
    env.sh("unshare --pid --fork --mount-proc bash script 2>&1").run().ok().text()
}

/// Waits until the process `$pid` is gone, and gives its number to a process that must survive.
const REUSE: &str = "while test -e /proc/$pid; do sleep 0.01; done
echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
sleep 1000 &
test $! = $pid || { echo the number is not free; exit 1; }
";

#[test]
fn a_number_that_was_reused_is_nobody_of_a_container() {
    needs!(Root);
    let mut env = Env::with_images(&["busybox"]);
    env.expect_leaks();
    let script = format!(
        "ctr-run -d --name c -p 8080:80 busybox sleep 1000 >/dev/null
run=$(echo $LONGSHORE_ROOT/containers/*/run.jsonl)
pid=$(head -1 $run | jq .pid) monitor=$(head -1 $run | jq .monitor)
kill -STOP $monitor
kill -9 $(pgrep -P $monitor ctr-) $monitor $pid
{REUSE}
echo \"ls: $(ctr-ls -q)\"
ctr-inspect c | jq -r .State.Status
for line in 'ctr-kill c' 'ctr-kill -s HUP c' 'ctr-exec c true' 'ctr-stop -t 1 c' 'ctr-rm c'; do
    $line >/dev/null 2>&1; echo \"$line: $?\"
done
kill -0 $pid && echo alive"
    );
    assert_eq!(
        in_own_pids(&env, &script),
        "ls: \nlost\nctr-kill c: 1\nctr-kill -s HUP c: 1\nctr-exec c true: 1\nctr-stop -t 1 c: 0\nctr-rm c: 0\nalive\n"
    );
}

#[test]
fn a_forced_removal_spares_whoever_has_the_number_now() {
    needs!(Root);
    let mut env = Env::with_images(&["busybox"]);
    env.expect_leaks();
    let script = format!(
        "ctr-run -d --name c --network none busybox sleep 1000 >/dev/null
run=$(echo $LONGSHORE_ROOT/containers/*/run.jsonl)
pid=$(head -1 $run | jq .pid) monitor=$(head -1 $run | jq .monitor)
kill -STOP $monitor
kill -9 $(pgrep -P $monitor ctr-) $monitor $pid
{REUSE}
ctr-rm -f c
ctr-ls -aq
kill -0 $pid && echo alive"
    );
    assert_eq!(in_own_pids(&env, &script), "c\nalive\n");
}

#[test]
fn a_number_that_was_reused_is_nobody_of_a_bundle() {
    needs!(Root);
    let mut env = Env::with_images(&["busybox"]);
    env.expect_leaks();
    let script = format!(
        "layer=$(echo $LONGSHORE_ROOT/layers/sha256/*/tree)
mkdir -p bundle && cp -a $layer bundle/rootfs && cd bundle && ctr-oci spec
jq '.process.terminal = false | .process.args = [\"sleep\", \"1000\"]' config.json >new && mv new config.json
name=truth-$$-$RANDOM
ctr-oci run -d $name </dev/null >/dev/null 2>&1 || exit 1
pid=$(ctr-oci state $name | jq .pid)
kill -9 $pid
{REUSE}
ctr-oci state $name | jq -r .status
ctr-oci kill $name KILL >/dev/null 2>&1 && echo killed
ctr-oci exec $name true >/dev/null 2>&1 && echo entered
ctr-oci delete -f $name
kill -0 $pid && echo alive"
    );
    assert_eq!(in_own_pids(&env, &script), "stopped\nalive\n");
}
