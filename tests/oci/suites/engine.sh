#!/bin/bash
# The day of a container under an engine: one case a step. Runs in a cell. Environment as in
# runtime-tools.sh, and ENGINE.
set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
TMPDIR=$(mktemp -d)
export TMPDIR
timeout -k 20 200 "$here/../engines/smoke.sh" "$ENGINE" "$RUNTIME" >"$OUT/steps" 2>"$OUT/err" </dev/null
status=$?
sed -n 's/^ok /ok\t/p; s/^not ok \([^:]*\).*/fail\t\1/p' "$OUT/steps" >"$OUT/cases"
# 1 is that of a step that failed, and is in the list.
[ "$status" -le 1 ] || printf 'fail\t(the day as a whole: status %s)\n' "$status" >>"$OUT/cases"
grep -o " $TMPDIR/[^ ]*" /proc/self/mountinfo | sort -r | while read -r point; do umount -l "$point" 2>/dev/null; done
rm -rf "$TMPDIR"
