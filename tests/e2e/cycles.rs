//! Many containers, many at once: afterwards everything is as before.

use std::time::Duration;

use tests::Env;

/// What of the machine and the host a container could leave behind; only what no other test touches.
///
/// All of it happens in a pid namespace of its own, so `ps` and `lsns` show whoever is left of it and nobody
/// else. A namespace lives as long as a process, a descriptor or a mount holds it (namespaces(7)): there
/// are no other processes by then that could, and no such mounts. A link of a container goes with its network.
const STATE: &str = "state() {
    ip -o link | cut -d' ' -f2
    nft -j list ruleset | jq -c '[.nftables[] | (.map // .set).elem?]'
    ls /dev/shm
    losetup -a
    ps -eo stat=,args=
    lsns -n -o TYPE,NPROCS | sort
    ls /proc/$$/fd
    grep -c -e $LONGSHORE_ROOT -e ' - nsfs ' /proc/self/mountinfo
    (cd $LONGSHORE_ROOT && find containers names volumes tmp -mindepth 1)
    (cd $LONGSHORE_RUN && find . -mindepth 2)
}";

/// One container, from its start to the removal of its volume.
fn cycle() -> String {
    let run = "ctr-run -d --rm --name c$0 -p $((20000 + $0)):80 -v /data -v n$0:/more busybox sh -c 'echo x >/data/x; exit 3'";
    format!(
        "id=$({run}) && echo $id >>ids && {{ ctr-wait $id || true; }} >/dev/null 2>&1; \
         vol=n$0; until vol-rm $vol >/dev/null 2>&1; do sleep 0.05; done"
    )
}

#[test]
fn many_containers_at_once_leave_everything_as_it_was() {
    needs!(Root);
    let (cycles, at_once) = if std::env::var_os("LONGSHORE_SOAK").is_some() { (1000, 64) } else { (48, 16) };
    let env = Env::with_images(&["busybox"]);
    env.write("run", cycle());
    let script = format!(
        "{STATE}
ctr-run --rm busybox true # the bridge stays
# Its own link goes a moment after it, when the kernel takes its network down.
for n in $(seq 100); do test -z \"$(ctr-ls -aq; ip -o link | grep ': ls')\" && break; sleep 0.1; done
state >before
seq {cycles} | xargs -P {at_once} -n 1 bash -c \"$(cat run)\" || exit 1
sort -u ids | wc -l
for n in $(seq 100); do state >after; cmp -s before after && break; sleep 0.1; done
diff before after"
    );
    env.write("script", script);
    env.sh("unshare --pid --fork --mount-proc bash script 2>&1")
        .within(Duration::from_secs(900))
        .run()
        .ok()
        .stdout(format!("{cycles}\n"));
    env.sh("find /sys/fs/cgroup -type d 2>/dev/null | grep -F -f ids").run().status(1).stdout("");
}
