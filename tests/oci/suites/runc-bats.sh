#!/bin/bash
# runc's own integration tests, in bats. Runs in a cell. Environment as in runtime-tools.sh.
set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
TMPDIR=$(mktemp -d)
chmod 755 "$TMPDIR" # the root of a user namespace has to get to its bundle, too
export TMPDIR RUNC=$RUNTIME
cd "$SCRATCH/runc/tests/integration" || exit 1

for file in *.bats; do
    name=${file%.bats}
    # CRIU, sshfs and a delegating systemd are not here, and help is about the words of runc's help.
    case $name in checkpoint | mounts_sshfs | cgroup_delegation | help) continue ;; esac
    [[ $name =~ ${CASES:-} ]] || continue
    echo "  $name" >&2
    # On a terminal, which some tests look for.
    # shellcheck disable=SC2016 # $1 is for the inner shell
    "$here/../helpers/on_terminal" 120 bash -c 'bats --tap "$1" >"$2" 2>"$3"' - "$file" "$OUT/$name.tap" "$OUT/$name.err" </dev/null ||
        [ "$?" != 124 ] || echo "not ok 0 (the file as a whole: not done in time)" >>"$OUT/$name.tap"
    awk -v prefix="$name: " -f "$here/../tap.awk" "$OUT/$name.tap"
done >"$OUT/cases"

grep -o " $TMPDIR/[^ ]*" /proc/self/mountinfo | sort -r | while read -r point; do umount -l "$point"; done
rm -rf "$TMPDIR"
