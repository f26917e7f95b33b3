#!/bin/bash
# soak.sh: what takes hours. `make soak`.
#
# Every call of the commands that tests/e2e/matrix.rs disturbs, in each way; a thousand containers, 64 at
# once; the races against a hostile sibling, 50,000 starts each. LONGSHORE_SOAK_ONLY=TEXT takes only
# what contains it of the matrix, such as "EIO ctr-stop" or "kill ctr-run -d"; LONGSHORE_SOAK_EACH=N only each Nth call.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-target}
export LONGSHORE_BIN=$PWD/$target/debug LONGSHORE_SOAK=1 LONGSHORE_RACE_STARTS=50000

[ "$(id -u)" = 0 ] || { echo "soak.sh: containers need root: run it with sudo" >&2; exit 1; }
"$cargo" build --locked --workspace --bins
tests/fixtures/images.sh "$target/fixtures"
tests/host-state.sh >"$target/soak-before"

status=0
"$cargo" test --locked -p tests --test e2e --no-fail-fast -- --nocapture --test-threads=2 matrix:: cycles:: ||
    status=1
"$cargo" test --locked -p runtime --test container -- races || status=1
"$cargo" test --locked -p tests --test e2e -- cve_ || status=1

sleep 5 # what is being torn down is no leak yet
tests/host-state.sh >"$target/soak-after"
diff "$target/soak-before" "$target/soak-after" || { echo "leak: the host is not as it was" >&2; status=1; }
exit "$status"
