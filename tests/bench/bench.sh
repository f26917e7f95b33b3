#!/bin/bash
# bench.sh BIN [ROUNDS [GROUP]]: measures Longshore beside podman and docker.io, where they are installed.
# `make bench`, or `make bench ROUNDS=5 GROUP=pulls`; the others are starts and lists.
# bench.sh BIN PROBE: runs this program (tests/probe) in a container of each instead, with its defaults, and shows
# what it can reach, as in longshore-security(7). `make probe`.
#
# All of it happens in namespaces of its own (network, mounts, processes), so the firewall, the
# links and the daemons of the machine are not touched, and all that was started ends with this.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "${1:?usage: bench.sh BIN [ROUNDS]}" && pwd)
rounds=${2:-10}
group=${3:-}
fixtures=${LONGSHORE_FIXTURES:-$bin/../fixtures}

if [ -z "${LONGSHORE_BENCH_INSIDE:-}" ]; then
    export LONGSHORE_BENCH_INSIDE=1
    exec unshare --net --mount --propagation private --pid --fork --kill-child --mount-proc "$0" "$bin" "$rounds" "$group"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/longshore-bench.XXXXXX")
cgroups_before=$(find /sys/fs/cgroup -type d 2>/dev/null | sort)
registry='' dockerd=''
finish() {
    # Whatever the reason it ends for, the engines end first, since they hold mounts below $work.
    for arm in longshore podman docker; do
        if [ -x "$work/$arm" ]; then "$work/$arm" clear >/dev/null 2>&1 || true; fi
    done
    for process in $dockerd $registry; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    comm -13 <(echo "$cgroups_before") <(find /sys/fs/cgroup -type d 2>/dev/null | sort) |
        grep -E '/(longshore|docker|libpod_parent|machine\.slice|libpod)[^/]*(/|$)' | sort -r | xargs -r rmdir 2>/dev/null || true
    sed -n "s|^[^ ]* [^ ]* [^ ]* [^ ]* \(${work}[^ ]*\).*|\1|p" /proc/self/mountinfo | sort -r | xargs -r -n1 umount -l 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
mount -t tmpfs -o mode=755 run /run # where all of them keep, by default, what ends with a reboot
mkdir -p /run/lock
# The rest is on a disk as distributions set it up: ext4 with its journal. Without one, as on some virtual
# machines, each new file looks at all that were removed in the last minutes.
truncate -s 16G "$work/disk.img"
mkdir "$work/disk"
if mkfs.ext4 -q -F "$work/disk.img" && mount -o loop "$work/disk.img" "$work/disk"; then
    disk=$work/disk
else
    disk=$work
    echo "bench: stores are on the file system of $work, since no other can be mounted ($(stat -f -c %T "$work"))"
fi

if [ -f "$rounds" ]; then "$here/../fixtures/images.sh" "$fixtures"; else "$here/../fixtures/images.sh" --bench "$fixtures"; fi
"$here/../fixtures/registry.sh" "$fixtures" "$work" &
registry=$!
for _ in $(seq 100); do
    if [ -e "$work/registries.conf" ]; then break; fi
    sleep 0.05
done
address=$(sed -n 's/^location = "\(127.*\)"/\1/p' "$work/registries.conf" | head -1)
export CONTAINERS_REGISTRIES_CONF=$work/registries.conf

# One script an engine, with the same verbs. What is measured is run through exec, so that the shell
# that chooses the verb is not there any more; the shell's own start is measured and taken off.
cat >"$work/longshore" <<SH
#!/bin/dash
export PATH=$bin:\$PATH LONGSHORE_ROOT=$disk/ours LONGSHORE_RUN=/run/longshore
case \$1 in
run) exec ctr-run --rm $address/library/busybox true ;;
run-none) exec ctr-run --rm --network none $address/library/busybox true ;;
start) exec ctr-run -d --name "\$2" --network none $address/library/busybox sleep 100000 ;;
exec) exec ctr-exec "\$2" true ;;
ls) exec ctr-ls ;;
probe) exec ctr-run --rm -v $work/probe:/probe:ro $address/library/busybox /probe ;;
pull) exec img-pull -q "$address/\$2" ;;
rmi) exec img-rm "$address/\$2" ;;
clear) ctr-ls -aq | ctr-rm -f - ;;
version) exec ctr-run --version ;;
esac
SH
engine() { # NAME COMMAND: engines with Docker's command line
    cat >"$work/$1" <<SH
#!/bin/dash
case \$1 in
run) exec $2 run --rm $address/library/busybox true ;;
run-none) exec $2 run --rm --network none $address/library/busybox true ;;
start) exec $2 run -d --name "\$2" --network none $address/library/busybox sleep 100000 ;;
exec) exec $2 exec "\$2" true ;;
ls) exec $2 ps ;;
probe) exec $2 run --rm -v $work/probe:/probe:ro $address/library/busybox /probe ;;
pull) exec $2 pull -q "$address/\$2" ;;
rmi) exec $2 rmi "$address/\$2" ;;
clear) $2 ps -aq | xargs -r -n50 $2 rm -f ;;
version) exec $2 --version ;;
esac
SH
}
arms=(longshore)
if command -v podman >/dev/null; then
    engine podman "podman --root $disk/podman.d --runroot /run/podman.run --tmpdir /run/podman.tmp --cgroup-manager cgroupfs --events-backend none"
    arms+=(podman)
else
    echo "bench: podman is not installed and is left out (apt install podman)"
fi
if command -v dockerd >/dev/null && command -v docker >/dev/null; then
    engine docker "docker -H unix://$work/docker.sock"
    dockerd -H "unix://$work/docker.sock" --data-root "$disk/docker.d" --exec-root /run/docker.run \
        --pidfile "$work/docker.pid" --userland-proxy=false >"$work/docker.log" 2>&1 &
    dockerd=$!
    for _ in $(seq 150); do
        if docker -H "unix://$work/docker.sock" version >/dev/null 2>&1; then break; fi
        sleep 0.1
    done
    arms+=(docker)
else
    echo "bench: docker.io is not installed and is left out (apt install docker.io)"
fi
chmod +x "$work"/{longshore,podman,docker} 2>/dev/null || true

# An engine that does not work on this machine is left out, and says why.
works() { # ARM
    "$work/$1" pull library/busybox >/dev/null 2>"$work/words" && "$work/$1" run >/dev/null 2>"$work/words"
}
working=()
for arm in "${arms[@]}"; do
    # Debian 12's crun refuses v1 controllers beside a cgroup2 that has one too; its runc does not.
    if [ "$arm" = podman ] && ! works podman && command -v runc >/dev/null; then
        sed -i 's/--events-backend none/& --runtime runc/' "$work/podman"
    fi
    if works "$arm"; then
        working+=("$arm")
        echo "bench: $arm: $("$work/$arm" version)"
    else
        echo "bench: $arm does not work here and is left out: $(tail -n 2 "$work/words")"
    fi
done
if [ -f "$rounds" ]; then
    install -m 755 "$rounds" "$work/probe"
    for arm in "${working[@]}"; do "$work/$arm" probe >"$work/$arm.txt"; done
    cd "$work"
    awk -f "$here/probe.awk" "${working[@]/%/.txt}"
    exit
fi
"$bin/examples/bench" "$rounds" "$group" "$work" "${working[@]}"
