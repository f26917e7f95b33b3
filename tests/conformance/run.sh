#!/bin/bash
# run.sh: runs the conformance suite of the OCI distribution specification on img-serve, on a store of its own in a
# network of its own. `make test-conformance`.
#
# The suite is a Go program (Go 1.24 or newer) in the repository of the specification, pinned below.
#
# CONFORMANCE  the suite, built before; nothing is fetched then
# GO           the compiler (default: go)
# LONGSHORE_CONFORMANCE_SCRATCH  where it is fetched and built (default: ~/.cache/longshore-conformance)
set -euo pipefail
cd "$(dirname "$0")/../.."
source=https://github.com/opencontainers/distribution-spec
commit=967efdc079b91785ad18c77cc4f8991a47feefbf
scratch=${LONGSHORE_CONFORMANCE_SCRATCH:-${XDG_CACHE_HOME:-$HOME/.cache}/longshore-conformance}
serve=$PWD/${CARGO_TARGET_DIR:-target}/debug/img-serve
say() { echo "test-conformance: $*" >&2; }

[ "$(id -u)" = 0 ] || exec sudo -n --preserve-env=CONFORMANCE,GO,LONGSHORE_CONFORMANCE_SCRATCH,XDG_CACHE_HOME,HOME,CARGO_TARGET_DIR,PATH "$0" "$@"
mkdir -p "$scratch"
suite=${CONFORMANCE:-$scratch/conformance-$commit}
if [ ! -x "$suite" ]; then
    say "fetching and building the suite"
    [ -d "$scratch/source" ] || git clone -q "$source" "$scratch/source"
    git -C "$scratch/source" checkout -q "$commit"
    (cd "$scratch/source/conformance" && "${GO:-go}" build -o "$suite" .)
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# What is not offered is said to the suite: digests by sha512, which a store of sha256 does not have; manifests whose
# parts are missing; and tags as parameters of a digest, a draft. What is optional and offered must be right, too.
export OCI_REGISTRY=127.0.0.1:5000 OCI_TLS=disabled OCI_RESULTS_DIR=$work/results OCI_DATA_SHA512=false \
    OCI_API_BLOBS_UPLOAD_CANCEL=true OCI_API_BLOBS_DIGEST_HEADER=true OCI_API_MANIFESTS_DIGEST_HEADER=true
export LONGSHORE_ROOT=$work/root LONGSHORE_RUN=$work/run

status=0
# shellcheck disable=SC2016 # for the shell inside
unshare --net bash -euc '
    ip link set lo up
    "$1" --addr "$OCI_REGISTRY" --writable >"$3/address" 2>"$3/errors" & server=$!
    for _ in $(seq 200); do [ -s "$3/address" ] && break; sleep 0.05; done
    status=0
    (cd "$3" && timeout 600 "$2" >log 2>&1) || status=$?
    kill -TERM "$server"
    wait "$server" || { echo "img-serve ended with $?" >&2; exit 1; }
    exit "$status"
' run "$serve" "$suite" "$work" || status=$?
sed -n '/^API conformance/,$p' "$work/log"
grep -E '^ +OCI Conformance.*: (FAIL|Error)' "$work/log" || true
sed -n 's/^ *\(Pass\|FAIL\|Skip\|Error\|Total\)\.*: *\([0-9]*\)$/\1 \2/p' "$work/log"
exit "$status"
