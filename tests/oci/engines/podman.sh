# shellcheck shell=bash disable=SC2016,SC2154
# Conditions are for eval, $dir, $runtime and $engine are of smoke.sh.
# podman, with everything it keeps in a directory of its own. Sourced by smoke.sh.

e() {
    podman --root "$dir/root" --runroot "$dir/run" --tmpdir "$dir/tmp" --runtime "$runtime" --cgroup-manager cgroupfs \
        --storage-driver vfs --events-backend none "$@"
}

start_engine() {
    e import "$dir/image.tar" smoke >/dev/null 2>&1
}

stop_engine() {
    e rm -af -t 0 >/dev/null
}

# Limits that a caller without CAP_SYS_RESOURCE may set.
run() { e run --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$@"; }

# shellcheck source=tests/oci/engines/steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/steps.sh"
