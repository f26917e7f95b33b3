#!/bin/bash
# soak.sh: what takes hours. `make soak`.
#
# Every call of the commands that tests/e2e/matrix.rs disturbs, in each of six ways; a thousand containers,
# 64 at once; the races against a hostile sibling, 50,000 starts of each. All of it on release binaries, which
# run three times as fast as others. It says how far it is, and at the end how much was done and found.
#
# LONGSHORE_SOAK_ONLY=TEXT takes only what contains it of the matrix, such as "EIO ctr-stop" or "kill ctr-run -d";
# LONGSHORE_SOAK_EACH=N only each Nth call. PARTS names what is run, of "matrix cycles races".
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-target}
parts=${PARTS:-matrix cycles races}
log=$target/soak.log
# Built apart: link-time optimisation is two thirds of a build and little of the speed.
export CARGO_TARGET_DIR=$PWD/$target/soak CARGO_PROFILE_RELEASE_LTO=off
export LONGSHORE_BIN=$CARGO_TARGET_DIR/release LONGSHORE_FIXTURES=$PWD/$target/fixtures LONGSHORE_SOAK=1

[ "$(id -u)" = 0 ] || { echo "soak.sh: containers need root: run it with sudo" >&2; exit 1; }
"$cargo" build --release --locked --workspace --bins
"$cargo" test --release --locked -p tests -p runtime -p vol --no-run
tests/fixtures/images.sh "$target/fixtures"
tests/host-state.sh >"$target/soak-before"

status=0
: >"$log"
# run ARGUMENTS...: of cargo test, into the log too.
run() {
    "$cargo" test --release --locked --no-fail-fast "$@" 2>&1 | tee -a "$log" || status=1
}

case " $parts " in *" matrix "*) run -p tests --test e2e -- --nocapture --test-threads=2 matrix:: ;; esac
case " $parts " in *" cycles "*) run -p tests --test e2e -- --nocapture cycles:: ;; esac
case " $parts " in *" races "*)
    # The first is four races, in turn.
    LONGSHORE_RACE_STARTS=200000 run -p runtime --test container -- --nocapture races
    LONGSHORE_RACE_STARTS=50000 run -p vol --lib -- --nocapture cve_2018_15664
    ;;
esac

sleep 5 # what is being torn down is no leak yet
tests/host-state.sh >"$target/soak-after"
diff "$target/soak-before" "$target/soak-after" || { echo "leak: the host is not as it was" >&2; status=1; }
awk '/^(kill|E[A-Z]+): [0-9]+ calls disturbed/ { calls += $2; found += $5 } /^race: / { races += $2 }
    /^test result:/ { passed += $4; failed += $6 }
    END { printf "soak: %d calls disturbed, %d wrong; %d starts raced; %d tests passed, %d failed\n",
          calls, found, races, passed, failed }' "$log"
exit "$status"
