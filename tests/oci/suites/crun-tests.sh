#!/bin/bash
# crun's tests in Python. Runs in a cell. Environment as in runtime-tools.sh.
set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d)
cd "$work" || exit 1
mkdir tests
ln -s "$SCRATCH/crun-tests/init" tests/init # some look for it here, whatever INIT says
export INIT=$SCRATCH/crun-tests/init OCI_RUNTIME=$RUNTIME PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here/../helpers/python

# runc has not all of the options that these tests use with every command.
if [ "$(basename "$RUNTIME")" = runc ]; then
    export REAL_RUNTIME=$RUNTIME OCI_RUNTIME=$here/without-crun-options
fi

for file in "$SCRATCH"/crun-tests/test_*.py; do
    name=$(basename "$file" .py)
    name=${name#test_}
    # CRIU is for checkpoints, and handlers are libraries inside of crun.
    case $name in checkpoint_restore | custom_handler) continue ;; esac
    [[ $name =~ ${CASES:-} ]] || continue
    echo "  $name" >&2
    timeout -k 5 40 /usr/bin/python3 "$file" >"$OUT/$name.tap" 2>"$OUT/$name.err" </dev/null ||
        echo "not ok 0 - (the file as a whole: status $?)" >>"$OUT/$name.tap"
    awk -v prefix="$name: " -f "$here/../tap.awk" "$OUT/$name.tap"
done >"$OUT/cases"
rm -rf "$work"
