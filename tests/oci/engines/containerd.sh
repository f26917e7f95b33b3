# shellcheck shell=bash disable=SC2016,SC2154
# Conditions are for eval, $dir, $runtime and $engine are of smoke.sh.
# containerd, with everything it keeps in a directory of its own, and its own client. Sourced by smoke.sh.

e() { ctr -a "$dir/containerd.sock" "$@"; }

start_engine() {
    cat >"$dir/config.toml" <<TOML
version = 2
root = "$dir/root"
state = "$dir/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "$dir/containerd.sock"
[ttrpc]
  address = "$dir/containerd.sock.ttrpc"
TOML
    containerd -c "$dir/config.toml" >"$dir/containerd.log" 2>&1 &
    daemon=$!
    eventually e version >/dev/null || { tail -5 "$dir/containerd.log"; return 1; }
    # ctr reads images, not trees: umoci makes one of the tree.
    umoci init --layout "$dir/layout" && umoci new --image "$dir/layout:smoke" &&
        umoci raw add-layer --image "$dir/layout:smoke" "$dir/image.tar" &&
        umoci config --image "$dir/layout:smoke" --config.env PATH=/bin &&
        tar -C "$dir/layout" -cf "$dir/oci.tar" . && e image import --base-name smoke "$dir/oci.tar" >/dev/null
}

stop_engine() {
    local id
    for id in $(e task ls -q); do e task kill -s KILL "$id"; e task delete "$id"; done
    for id in $(e container ls -q); do e container delete "$id"; done
    kill "$daemon"
    wait "$daemon"
    find /sys/fs/cgroup -depth -type d \( -path '*/default/smoke-*' -o -path '*/default' \) -exec rmdir {} + 2>/dev/null
}

run() { e run --runc-binary "$runtime" --runc-root "$dir/runc" --snapshotter native "$@"; }

steps() {
    image=$(e image ls -q | head -1)
    export -f e run
    export dir runtime
    step "run shows what the program writes" gives hello run --rm "$image" smoke-a echo hello
    step "run ends with the program's status" code 7 run --rm "$image" smoke-b sh -c 'exit 7'
    step "a program that is not there fails" code 1 run --rm "$image" smoke-c nothing-there
    step "and leaves nothing" eval '[ -z "$(e task ls -q)" ]'
    step "run -t gives a terminal" gives '/dev/pts/' on_terminal bash -c "run -t --rm $image smoke-d tty"
    step "run -d" run -d "$image" smoke-web sh -c 'trap "exit 5" TERM; while :; do sleep 0.1; done'
    step "exec runs beside it" gives 'uid=0' e task exec --exec-id x1 smoke-web id
    step "exec ends with the program's status" code 9 e task exec --exec-id x2 smoke-web sh -c 'exit 9'
    step "exec -t gives a terminal" gives '/dev/pts/' on_terminal bash -c "e task exec -t --exec-id x3 smoke-web tty"
    step "exec as another user" gives 'uid=1000' e task exec --user 1000 --exec-id x4 smoke-web id
    step "ps lists its processes" gives '[0-9]' e task ps smoke-web
    step "metrics" gives memory e task metrics smoke-web
    step "pause" e task pause smoke-web
    step "it is paused" gives PAUSED e task ls
    step "resume" e task resume smoke-web
    step "kill sends TERM" e task kill -s TERM smoke-web
    step "it has ended" eventually gives STOPPED e task ls
    step "delete tells the status" gives "code 5" e task delete smoke-web
    step "start again" e task start -d smoke-web
    step "kill sends KILL" e task kill -s KILL smoke-web
    step "it has ended again" eventually gives STOPPED e task ls
    step "delete again" gives "code 137" e task delete smoke-web
    step "container delete" e container delete smoke-web
    step "run with a memory limit" run -d --memory-limit 67108864 "$image" smoke-m sleep 60
    # Its containers see no cgroups.
    step "the limit holds" gives 67108864 eval 'cat /sys/fs/cgroup/memory/default/smoke-m/memory.limit_in_bytes /sys/fs/cgroup/default/smoke-m/memory.max'
    step "kill it" e task kill -s KILL smoke-m
    step "delete it" eventually e task delete smoke-m
    step "and its container" e container delete smoke-m
    step "volumes" eval 'mkdir -p $dir/v && run --rm --mount type=bind,src=$dir/v,dst=/v,options=rbind:rw $image smoke-v touch /v/f && test -e $dir/v/f'
    step "nothing is left" eval '[ -z "$(e container ls -q)" ]'
}
