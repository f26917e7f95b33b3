#!/bin/bash
# run.sh: runs the test suites of other projects against ctr-oci, and beside it against runc and crun.
# `make test-oci`.
#
# RUNTIMES   which runtimes (default: ctr-oci runc crun); a path is allowed too
# SUITES     which suites (default: all of suites_all)
# CASES      only cases (runtime-tools) or files (the others) that match this pattern
# FRESH=1    also runs again what was already run with the same runtime (runc and crun are remembered)
# LONGSHORE_OCI_SCRATCH  where all is fetched, built and kept (default: ~/.cache/longshore-oci)
set -euo pipefail
cd "$(dirname "$0")/../.."
suites_all="runtime-tools runtime-tools-as-is crun-tests runc-bats engine-podman engine-dockerd engine-containerd"
read -ra runtimes <<<"${RUNTIMES:-ctr-oci runc crun}"
read -ra suites <<<"${SUITES:-$suites_all}"
scratch=${LONGSHORE_OCI_SCRATCH:-${XDG_CACHE_HOME:-$HOME/.cache}/longshore-oci}
target=${CARGO_TARGET_DIR:-target}
here=$PWD/tests/oci
say() { echo "test-oci: $*" >&2; }
# shellcheck source=tests/oci/sources.sh
. tests/oci/sources.sh
# shellcheck source=tests/oci/build.sh
. tests/oci/build.sh
# shellcheck source=tests/oci/verdict.sh
. tests/oci/verdict.sh

[ "$(id -u)" = 0 ] || exec sudo -n --preserve-env=RUNTIMES,SUITES,CASES,FRESH,LONGSHORE_OCI_SCRATCH,XDG_CACHE_HOME,HOME,CARGO_TARGET_DIR,CTR_OCI,CI "$0" "$@"
case $scratch in "$PWD"/*) say "the scratch directory must not be in the source tree" && exit 2 ;; esac
mkdir -p "$scratch"
exec 9>"$scratch/lock"
flock 9 # a second run waits until the first has built

program_of() { # RUNTIME: the path of its program
    case $1 in
    */*) readlink -f "$1" ;;
    ctr-oci) readlink -f "${CTR_OCI:-$target/debug/ctr-oci}" ;;
    *) command -v "$1" ;;
    esac
}

# Where the results of one suite with one runtime go. The peers' are kept under the sum of their
# program and of what runs the suite, and need not be made again.
results_of() { # SUITE RUNTIME PROGRAM
    local parts=(tests/oci/cell.sh tests/oci/tap.awk "$scratch/stamps") key
    case $1 in
    engine-*) parts+=(tests/oci/engines tests/oci/suites/engine.sh) ;;
    runtime-tools*) parts+=(tests/oci/suites/runtime-tools.sh) ;;
    crun-tests) parts+=(tests/oci/suites/{crun-tests.sh,without-crun-options} tests/oci/helpers/python) ;;
    *) parts+=(tests/oci/suites/"$1.sh" tests/oci/helpers/{on_terminal,recvtty,seccompagent}) ;;
    esac
    key=$({ sha256sum <"$3"; find "${parts[@]}" -type f -not -path '*/__pycache__/*' | sort | xargs cat; } | sha256sum | cut -c1-12)
    echo "$scratch/results/$1/${2##*/}${CASES:+-some}-$key"
}

# The last results of one suite with one runtime. Those of some cases do not replace those of all.
cases_of() { # SUITE RUNTIME
    echo "$scratch/results/$1/${2##*/}${CASES:+-some}.cases"
}

# Runs one suite with one runtime, in a cell.
run_suite() { # SUITE RUNTIME
    local suite=$1 runtime=$2 program out status=0 script=$1 all_v1=--all-v1 started
    program=$(program_of "$runtime") || { say "$runtime is not there"; return 1; }
    out=$(results_of "$suite" "$runtime" "$program")
    if [ "$runtime" != ctr-oci ] && [ -z "${FRESH:-}" ] && [ -e "$out/done" ]; then
        cp "$out/cases" "$(cases_of "$suite" "$runtime")"
        return
    fi
    # Not "ctr-oci-some-KEY" with those of "ctr-oci-KEY".
    rm -rf "$scratch/results/$suite/${runtime##*/}${CASES:+-some}"-[0-9a-f]*
    mkdir -p "$out"
    case $suite in
    *-as-is)
        script=${suite%-as-is}
        all_v1=
        ;;
    engine-*)
        script=engine
        export ENGINE=${suite#engine-}
        ;;
    esac
    started=$(date +%s)
    cell "$all_v1" "$script" "$program" "$out" || status=$?
    if [ "$status" = 77 ]; then
        # What wants v1 has nothing to say here; the other suites run with what there is.
        [ "$suite" != runtime-tools ] || { say "$suite: skipped: not all controllers can be had as v1 here"; return; }
        status=0
        cell "" "$script" "$program" "$out" || status=$?
    fi
    [ "$status" = 0 ] || { say "$suite with $runtime: the suite itself failed (status $status)"; return 1; }
    : >"$out/done"
    cp "$out/cases" "$(cases_of "$suite" "$runtime")"
    say "$suite with $runtime: $(count ok "$out/cases") of $(count 'ok|fail' "$out/cases") in $(($(date +%s) - started)) s; logs in $out"
}

cell() { # --all-v1|"" SCRIPT PROGRAM OUT
    env SCRATCH="$scratch" RUNTIME="$3" OUT="$4" CASES="${CASES:-}" \
        "$here/cell.sh" ${1:+"$1"} "longshore-oci-$$" "$here/suites/$2.sh" 9>&-
}

fetch_sources "$scratch"
build_suites
flock -u 9

failed=0
for suite in "${suites[@]}"; do
    [[ " $suites_all " == *" $suite "* ]] || { say "no suite is called $suite: there are $suites_all"; exit 2; }
    mkdir -p "$scratch/results/$suite"
    for runtime in "${runtimes[@]}"; do
        run_suite "$suite" "$runtime" || failed=1
        if [ "$runtime" = ctr-oci ] && [ -e "$(cases_of "$suite" ctr-oci)" ]; then
            verdict "$suite" "$(cases_of "$suite" ctr-oci)" || failed=1
        fi
    done
done
if [[ " ${runtimes[*]} " == *" ctr-oci "* ]]; then failures; fi
table
exit "$failed"
