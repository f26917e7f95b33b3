#!/bin/bash
# summary.sh [test|vm]...: adds up what the runs have counted, all of them without arguments.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- test vm
for run in "$@"; do
    cat "${CARGO_TARGET_DIR:-target}/results/$run"
done | awk '{ p += $1; f += $2; s += $3 } END { printf "%d passed, %d failed, %d skipped\n", p, f, s }'
