#!/bin/bash
# run.sh TARGETS SECONDS: builds the fuzz targets and runs some of them, or `all`, in turn. `make fuzz`.
#
# Below target/fuzz: what is found lands in found/TARGET, what leads to new code in corpus/TARGET, with which
# the next run begins, and with seeds/TARGET. A line of statistics a run is appended to `runs`.
# BUILD=no runs what was built before; MAX_LEN is the longest input, in bytes.
set -euo pipefail
cd "$(dirname "$0")"
targets=${1:-all} seconds=${2:-60}
cargo=${CARGO:-cargo}
triple=$(rustc -vV | sed -n 's/^host: //p')
work=${CARGO_TARGET_DIR:-$PWD/../../target}/fuzz
mkdir -p "$work"

# The passes of LLVM that libFuzzer needs; all of it is in the stable compiler. `--target` keeps them away
# from build scripts, which have nothing to report to. Not --locked: the lock follows what the rooms depend on.
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
flags="$flags -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
flags="$flags -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Cllvm-args=-simplifycfg-branch-fold-threshold=0"
[ "${BUILD:-yes}" = no ] ||
    RUSTFLAGS=$flags CARGO_TARGET_DIR=$work/build "$cargo" build --release --target "$triple" --bins
bin=$work/build/$triple/release

[ "$targets" != all ] || targets=$(sed -n 's/^path = "targets\/\(.*\)\.rs"/\1/p' Cargo.toml)

# Planning a container needs root, compiling does not.
root=()
[ "$(id -u)" = 0 ] || root=(sudo -n --preserve-env=TMPDIR)
TMPDIR=$(mktemp -d /dev/shm/longshore-fuzz.XXXXXX)
export TMPDIR
trap '${root[@]+"${root[@]}"} rm -rf "$TMPDIR"' EXIT

for name in $targets; do
    mkdir -p "$work/corpus/$name" "$work/found/$name"
    log=$work/$name.log
    status=0
    ${root[@]+"${root[@]}"} "$bin/$name" "$work/corpus/$name" "seeds/$name" -max_total_time="$seconds" -timeout=5 \
        -rss_limit_mb=2048 -malloc_limit_mb=512 -max_len="${MAX_LEN:-16384}" -print_final_stats=1 \
        -artifact_prefix="$work/found/$name/" >"$log" 2>&1 || status=$?
    executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    coverage=$(sed -n 's/.* cov: \([0-9]*\) ft: \([0-9]*\) .*/\1 \2/p' "$log" | tail -1)
    spent=$(sed -n 's/^Done [0-9]* runs in \([0-9]*\) second.*/\1/p' "$log")
    echo "$name status=$status seconds=${spent:-?} executions=${executed:-?} coverage=${coverage:-?}" | tee -a "$work/runs"
    [ "$status" = 0 ] || { tail -40 "$log"; exit "$status"; }
done
