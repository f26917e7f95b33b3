//! Many containers, many at once: afterwards everything is as before.

use std::time::Duration;

use tests::Env;

/// What of the machine and the host a container could leave behind. Only what no other test touches.
const STATE: &str = "ip -o link | cut -d' ' -f2; nft -j list ruleset | jq -c '[.nftables[] | (.map // .set).elem?]'; \
    ls /dev/shm; losetup -a; cd $LONGSHORE_ROOT && find containers names volumes tmp -mindepth 1; \
    cd $LONGSHORE_RUN && find . -mindepth 2; grep -c $LONGSHORE_ROOT /proc/self/mountinfo";

#[test]
fn many_containers_at_once_leave_everything_as_it_was() {
    needs!(Root);
    let (cycles, at_once) = if std::env::var_os("LONGSHORE_SOAK").is_some() { (1000, 64) } else { (48, 16) };
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run --rm busybox true").run().ok(); // the bridge stays
    let before = env.sh(STATE).run().text();
    let run = "ctr-run -d --rm --name c$0 -p $((20000 + $0)):80 -v /data -v n$0:/more busybox sh -c 'echo x >/data/x; exit 3'";
    env.write("run", format!("id=$({run}) && echo $id >>ids && {{ ctr-wait $id || true; }} >/dev/null 2>&1; vol=n$0; until vol-rm $vol 2>/dev/null; do sleep 0.05; done"));
    env.sh(&format!("seq {cycles} | xargs -P {at_once} -n 1 bash -c \"$(cat run)\""))
        .within(Duration::from_secs(900))
        .run()
        .ok();
    env.sh("sort -u ids | wc -l").run().ok().stdout(format!("{cycles}\n"));
    env.sh("for n in $(seq 100); do test -n \"$(ctr-ls -aq)\" || exit 0; sleep 0.1; done; exit 1").run().ok();
    let after = env.sh(&format!("for n in $(seq 50); do now=$({STATE}); test \"$now\" = \"$(cat before)\" && break; sleep 0.1; done; printf '%s\\n' \"$now\""));
    env.write("before", before.trim_end());
    assert_eq!(after.run().text(), before);
    env.sh("find /sys/fs/cgroup -type d 2>/dev/null | grep -F -f ids").run().status(1).stdout("");
}
