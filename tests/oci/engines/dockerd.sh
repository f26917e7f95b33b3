# shellcheck shell=bash disable=SC2016,SC2154
# Conditions are for eval, $dir, $runtime and $engine are of smoke.sh.
# dockerd, with everything it keeps in a directory of its own and a containerd of its own. Sourced by smoke.sh.

# What dockerd 20.10 says, whatever the runtime.
exec_missing=126

e() { docker -H "unix://$dir/docker.sock" "$@"; }

start_engine() {
    # Of this network namespace alone; dockerd refuses to start a network without.
    echo 1 >/proc/sys/net/ipv4/ip_forward
    cat >"$dir/daemon.json" <<JSON
{ "runtimes": { "smoke": { "path": "$runtime" } }, "default-runtime": "smoke", "data-root": "$dir/data",
  "exec-root": "$dir/exec", "pidfile": "$dir/docker.pid", "storage-driver": "vfs", "bridge": "none",
  "iptables": false, "ip6tables": false, "cgroup-parent": "/longshore-smoke-$$" }
JSON
    dockerd --config-file "$dir/daemon.json" -H "unix://$dir/docker.sock" >"$dir/dockerd.log" 2>&1 &
    daemon=$!
    eventually e version >/dev/null || { tail -5 "$dir/dockerd.log"; return 1; }
    e import "$dir/image.tar" smoke >/dev/null
}

stop_engine() {
    local all
    all=$(e ps -aq)
    # shellcheck disable=SC2086
    [ -z "$all" ] || e rm -f $all >/dev/null
    kill "$daemon"
    wait "$daemon"
    find /sys/fs/cgroup -depth -type d -path "*/longshore-smoke-$$*" -exec rmdir {} + 2>/dev/null
}

run() { e run --network none "$@"; }

# shellcheck source=tests/oci/engines/steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/steps.sh"
