#!/bin/bash
# oci.sh CTR-OCI [ROUNDS]: `run` of a ready bundle by ctr-oci, runc and crun, in turn. `make bench-oci`.
#
# Prints the median time and the most memory that one process of the runtime held. In a mount namespace
# without cgroup2, which crun refuses beside v1 controllers; the same for all.
set -euo pipefail
ours=$(readlink -f "${1:?usage: oci.sh CTR-OCI [ROUNDS]}")
rounds=${2:-100}
if [ -z "${LONGSHORE_BENCH_INSIDE:-}" ]; then
    LONGSHORE_BENCH_INSIDE=1 exec unshare --mount --propagation private "$0" "$ours" "$rounds"
fi
[ ! -d /sys/fs/cgroup/unified ] || umount /sys/fs/cgroup/unified
work=$(mktemp -d "${TMPDIR:-/tmp}/longshore-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{bundle/rootfs/bin,root}
cp "$(command -v busybox)" "$work/bundle/rootfs/bin"
ln -s busybox "$work/bundle/rootfs/bin/true"
"$ours" spec -b "$work/bundle"
sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"true"/; s/"ociVersion": "[^"]*"/"ociVersion": "1.0.2"/' "$work/bundle/config.json"

runtimes=("$ours")
for peer in runc crun; do
    if command -v "$peer" >/dev/null; then runtimes+=("$(command -v "$peer")"); else echo "bench: $peer is not installed and is left out"; fi
done
/usr/bin/python3 - "$rounds" "$work" "${runtimes[@]}" <<'PYTHON'
import os, statistics, sys, time
rounds, work, runtimes = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
times = {r: [] for r in runtimes}
null = os.open("/dev/null", os.O_RDWR)
for n in range(rounds + 3):
    for runtime in runtimes[n % len(runtimes):] + runtimes[:n % len(runtimes)]:
        name = os.path.basename(runtime)
        args = [runtime, "--root", f"{work}/root/{name}", "run", "-b", f"{work}/bundle", f"bench-{os.getpid()}-{name}-{n}"]
        start = time.perf_counter()
        pid = os.posix_spawn(runtime, args, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 0)])
        _, status = os.waitpid(pid, 0)
        took = (time.perf_counter() - start) * 1000
        if status:
            sys.exit(f"bench: {name} failed: {status}")
        if n > 2:
            times[runtime].append(took)
        time.sleep(0.02)  # what the one before still takes down is not to be measured with the next
ours = statistics.median(times[runtimes[0]])
for runtime in runtimes:
    median = statistics.median(times[runtime])
    print(f"{os.path.basename(runtime):<10}{median:8.2f} ms  ({median / ours:.1f}x)")
PYTHON
# From a small program, because what a process held before its exec counts too. busybox takes the number
# of KiB that the kernel gives (getrusage(2), ru_maxrss) for one of pages, and so shows too much.
page=$(($(getconf PAGESIZE) / 1024))
for runtime in "${runtimes[@]}"; do
    shown=$(busybox time -v "$runtime" --root "$work/root/memory" run -b "$work/bundle" "bench-$$" 2>&1 >/dev/null </dev/null |
        sed -n 's/.*Maximum resident set size (kbytes): //p')
    printf '%-10s%8d KiB at most\n' "${runtime##*/}" $((shown / page))
done
