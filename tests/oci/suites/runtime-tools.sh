#!/bin/bash
# The validation programs of OCI runtime-tools: one case each. Runs in a cell.
# Environment: SCRATCH, RUNTIME, OUT (gets cases and logs), CASES (a pattern of names; empty: all).
set -uo pipefail
cd "$SCRATCH/runtime-tools" || exit 1 # they look for runtimetest and rootfs-amd64.tar.gz here
TMPDIR=$(mktemp -d)
chmod 755 "$TMPDIR" # the root of a user namespace has to get to its bundle, too
export TMPDIR RUNTIME

# Runs one, and tells whether it passed.
passes() { # PROGRAM NAME
    local status=0
    timeout -k 5 90 "$1" >"$OUT/$2.tap" 2>"$OUT/$2.err" </dev/null || status=$?
    # Eight of them never say ok: they print errors in a block of YAML, or nothing.
    [ "$status" = 0 ] && ! grep -q '^ *not ok' "$OUT/$2.tap" &&
        { grep -q '^ *ok' "$OUT/$2.tap" || ! grep -q '"error"' "$OUT/$2.tap"; }
}

for program in validation/*/*.t; do
    name=$(basename "$program" .t)
    [[ $name =~ ${CASES:-} ]] || continue
    echo "  $name" >&2
    # Hook and program write at the same time in this one, and it wants an order: one of three is enough, for
    # every runtime.
    tries=1
    [ "$name" != poststart ] || tries=3
    verdict=fail
    while [ "$verdict" = fail ] && [ "$tries" -gt 0 ]; do
        tries=$((tries - 1))
        if passes "$program" "$name"; then verdict=ok; fi
    done
    printf '%s\t%s\n' "$verdict" "$name"
done >"$OUT/cases"

# Some leave the bundle mounted below it.
grep -o " $TMPDIR/[^ ]*" /proc/self/mountinfo | sort -r | while read -r point; do umount -l "$point" 2>/dev/null; done
rm -rf "$TMPDIR"
