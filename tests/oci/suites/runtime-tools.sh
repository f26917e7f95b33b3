#!/bin/bash
# The validation programs of OCI runtime-tools: one case each. Runs in a cell.
# Environment: SCRATCH, RUNTIME, OUT (gets cases and logs), CASES (a pattern of names; empty: all).
set -uo pipefail
cd "$SCRATCH/runtime-tools" || exit 1 # they look for runtimetest and rootfs-amd64.tar.gz here
TMPDIR=$(mktemp -d)
chmod 755 "$TMPDIR" # the root of a user namespace has to get to its bundle, too
export TMPDIR RUNTIME

for program in validation/*/*.t; do
    name=$(basename "$program" .t)
    [[ $name =~ ${CASES:-} ]] || continue
    echo "  $name" >&2
    status=0
    timeout -k 5 90 "$program" >"$OUT/$name.tap" 2>"$OUT/$name.err" </dev/null || status=$?
    # Eight of them never say ok: they print errors in a block of YAML, or nothing.
    if [ "$status" = 0 ] && ! grep -q '^ *not ok' "$OUT/$name.tap" &&
        { grep -q '^ *ok' "$OUT/$name.tap" || ! grep -q '"error"' "$OUT/$name.tap"; }; then
        printf 'ok\t%s\n' "$name"
    else
        printf 'fail\t%s\n' "$name"
    fi
done >"$OUT/cases"

# Some leave the bundle mounted below it.
grep -o " $TMPDIR/[^ ]*" /proc/self/mountinfo | sort -r | while read -r point; do umount -l "$point" 2>/dev/null; done
rm -rf "$TMPDIR"
