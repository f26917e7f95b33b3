#!/bin/bash
# run.sh: builds and runs all tests once, compares the host before and after, counts. `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-target}
out=$target/results
mkdir -p "$out"
: >"$out/skips"
export LONGSHORE_TEST_SKIPS=$PWD/$out/skips LONGSHORE_BIN=$PWD/$target/debug

# The tools once, then the tests with the same profile, so that nothing is built twice.
"$cargo" build --locked --workspace --bins
"$cargo" test --locked --workspace --exclude tests --lib --test '*' --no-run
"$cargo" test --locked -p tests --no-run

sudo=
if [ "$(id -u)" != 0 ]; then
    sudo="sudo -n --preserve-env"
    # Containers need root, the compiler does not: only the test programs are run by it.
    export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$sudo CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$sudo
fi

# shellcheck disable=SC2086
$sudo tests/fixtures/images.sh "$target/fixtures"
# shellcheck disable=SC2086
$sudo tests/host-state.sh >"$out/before"

status=0
{
    ended=0
    "$cargo" test --locked --workspace --exclude tests --lib --test '*' --no-fail-fast || ended=1
    "$cargo" test --locked -p tests --no-fail-fast -- --test-threads="${LONGSHORE_TEST_THREADS:-2}" || ended=1
    exit "$ended"
} 2>&1 | tee "$out/log" || status=1

# Whatever the tests of one store say: the whole host must be as it was.
leaked=0
for _ in 1 2 3 4 5; do
    # shellcheck disable=SC2086
    $sudo tests/host-state.sh >"$out/after"
    if diff "$out/before" "$out/after" >"$out/leaks"; then break; fi
    sleep 1 # what is being torn down is no leak yet
done
if [ -s "$out/leaks" ]; then
    echo "leak: the host is not as it was before the tests:" >&2
    cat "$out/leaks" >&2
    leaked=1 status=1
fi

awk -v leaked="$leaked" '/^test result:/ { passed += $4; failed += $6 }
    END { if (leaked) failed++; else passed++; print passed + 0, failed + 0 }' "$out/log" >"$out/counts"
read -r passed failed <"$out/counts"
# A skipped test has returned early, which cargo counts as passed.
skipped=$(cut -f1 "$out/skips" | sort -u | grep -c . || true)
echo "$((passed - skipped)) $failed $skipped" >"$out/test"
cut -f1,2 "$out/skips" | sort -u | sed 's/^/skipped: /; s/\t/: /'
if [ -n "${CI:-}" ] && [ "$skipped" != 0 ]; then
    echo "skipped tests are failures where CI is set: the machine lacks what they need" >&2
    status=1
fi
tests/summary.sh test
exit "$status"
