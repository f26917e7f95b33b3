#!/bin/sh
# suite.sh: what only a machine with cgroup v2 can show, and what a reboot leaves. Runs as root in the
# virtual machine; the store is the default one.
passed=0
failed=0
skipped=0
# shellcheck source=/dev/null
[ ! -e /disk/counts ] || . /disk/counts

good() { echo "ok: $1 ($(cut -d' ' -f1 /proc/uptime) s)"; passed=$((passed + 1)); }
bad() { echo "FAILED: $1"; failed=$((failed + 1)); shift; printf '%s\n' "$@" | sed 's/^/    /'; }

# What a command that succeeds prints.
gives() { # SENTENCE EXPECTED COMMAND...
    sentence=$1 expected=$2
    shift 2
    actual=$("$@" 2>/tmp/stderr)
    status=$?
    if [ "$status" = 0 ] && [ "$actual" = "$expected" ]; then good "$sentence"
    else bad "$sentence" "$*: status $status" "expected: $expected" "actual:   $actual" "$(cat /tmp/stderr)"; fi
}
ends() { # SENTENCE STATUS COMMAND...
    sentence=$1 expected=$2
    shift 2
    "$@" >/tmp/stdout 2>/tmp/stderr
    status=$?
    if [ "$status" = "$expected" ]; then good "$sentence"
    else bad "$sentence" "$*: status $status instead of $expected" "$(cat /tmp/stdout /tmp/stderr)"; fi
}
holds() { # SENTENCE SHELL-CONDITION
    if eval "$2"; then good "$1"; else bad "$1" "not so: $2"; fi
}
cgroups() { find /sys/fs/cgroup -mindepth 1 -type d -name "*$1*"; }

verdict() { echo "vm: $passed passed, $failed failed, $skipped skipped"; }

parts=$(cat /disk/parts)
if [ "$parts" != all ]; then
    for part in $parts; do
        # shellcheck source=/dev/null
        . "/$part.sh"
    done
    verdict
elif [ ! -e /disk/second-boot ]; then
    # shellcheck source=tests/vm/first-boot.sh
    . /first-boot.sh
    # shellcheck source=tests/vm/oci.sh
    . /oci.sh
    # shellcheck source=tests/vm/rust.sh
    . /rust.sh
    echo "passed=$passed failed=$failed skipped=$skipped" >/disk/counts
    : >/disk/second-boot
    : >/run/again
else
    # shellcheck source=tests/vm/second-boot.sh
    . /second-boot.sh
    verdict
fi
