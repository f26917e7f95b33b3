#!/bin/bash
# run.sh TARGET SECONDS: builds the fuzz targets and runs one of them, or `all` in turn. `make fuzz`.
#
# What is found lands in $WORK/found/TARGET, what leads to new code in $WORK/corpus/TARGET; a run begins
# with that and with seeds/TARGET. A line of statistics a run is appended to $WORK/runs.
set -euo pipefail
cd "$(dirname "$0")"
target=${1:-all} seconds=${2:-60}
cargo=${CARGO:-cargo}
triple=$(rustc -vV | sed -n 's/^host: //p')
WORK=${CARGO_TARGET_DIR:-$PWD/../../target}/fuzz
mkdir -p "$WORK"

# The passes of LLVM that libFuzzer needs; all of it is in the stable compiler. `--target` keeps them away
# from build scripts, which have nothing to report to.
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
flags="$flags -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
flags="$flags -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Cllvm-args=-simplifycfg-branch-fold-threshold=0"
[ "${BUILD:-yes}" = no ] || RUSTFLAGS=$flags CARGO_TARGET_DIR=$WORK/build "$cargo" build --locked --release --target "$triple" --bins
bin=$WORK/build/$triple/release

if [ "$target" = all ]; then
    targets=$(sed -n 's/^path = "targets\/\(.*\)\.rs"/\1/p' Cargo.toml)
else
    targets=$target
fi

TMPDIR=$(mktemp -d /dev/shm/longshore-fuzz.XXXXXX)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

for name in $targets; do
    mkdir -p "$WORK/corpus/$name" "$WORK/found/$name"
    dict=()
    [ ! -f "targets/$name.dict" ] || dict=(-dict="targets/$name.dict")
    status=0
    "$bin/$name" "$WORK/corpus/$name" "seeds/$name" "${dict[@]}" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -max_len="${MAX_LEN:-16384}" -print_final_stats=1 \
        -artifact_prefix="$WORK/found/$name/" ${FLAGS:-} >"$WORK/$name.log" 2>&1 || status=$?
    executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$WORK/$name.log")
    coverage=$(sed -n 's/.* cov: \([0-9]*\) ft: \([0-9]*\) .*/\1 \2/p' "$WORK/$name.log" | tail -1)
    spent=$(sed -n 's/^Done [0-9]* runs in \([0-9]*\) second.*/\1/p' "$WORK/$name.log")
    echo "$name status=$status seconds=${spent:-?} executions=${executed:-?} coverage=${coverage:-?}" | tee -a "$WORK/runs"
    [ "$status" = 0 ] || { tail -40 "$WORK/$name.log"; exit "$status"; }
done
