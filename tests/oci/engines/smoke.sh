#!/bin/bash
# smoke.sh ENGINE RUNTIME: the same small day of a container under podman, dockerd or containerd, with
# any runtime. Prints one line a step, `ok STEP` or `not ok STEP`, and fails if one is not.
#
# To be run in a cell: the engines leave cgroups, mounts and helpers behind when they are stopped, and
# dockerd wants to forward packets (net.ipv4.ip_forward, which belongs to the network namespace).
# shellcheck disable=SC2317,SC2034 # functions and variables are used by what is sourced, and by step
set -uo pipefail
engine=${1:?usage: smoke.sh podman|dockerd|containerd RUNTIME}
runtime=$(realpath "$(command -v "$2")")
dir=$(mktemp -d "${TMPDIR:-/tmp}/longshore-smoke.XXXXXX")
failed=0
daemon=

finish() {
    stop_engine 2>/dev/null
    umount -R "$dir" 2>/dev/null
    rm -rf "$dir"
}
trap finish EXIT

# What containers are of: busybox and a user list.
image() {
    local root=$dir/image
    mkdir -p "$root"/{bin,etc,tmp,root}
    cp "$(command -v busybox)" "$root/bin/busybox"
    local applet
    for applet in sh true false echo cat sleep id kill env tty stty test touch ls grep dd head trap; do
        ln -sf busybox "$root/bin/$applet"
    done
    echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    tar -C "$root" --numeric-owner --owner=0 --group=0 -cf "$dir/image.tar" .
    rm -rf "$root"
}

step() { # NAME COMMAND...
    local name=$1 out
    shift
    if out=$("$@" 2>&1 </dev/null); then
        echo "ok $name"
    else
        echo "not ok $name: $(tail -c 400 <<<"$out" | tr '\n' ' ')"
        failed=1
    fi
}

# Waits for a condition, at most ten seconds.
eventually() { # COMMAND...
    for _ in $(seq 100); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    "$@"
}

gives() { # TEXT COMMAND...
    local text=$1 out
    shift
    out=$("$@" 2>&1)
    grep -q -- "$text" <<<"$out" || { echo "expected $text, got: $out"; return 1; }
}

code() { # STATUS COMMAND...
    local status=$1 got=0
    shift
    "$@" || got=$?
    [ "$got" = "$status" ] || { echo "expected status $status, got $got"; return 1; }
}

# A command on a terminal of its own.
on_terminal() { script -qec "$(printf '%q ' "$@")" /dev/null; }

# shellcheck source=tests/oci/engines/podman.sh
. "$(dirname "$0")/$engine.sh"

image
start_engine || { echo "not ok start $engine"; exit 1; }
steps
exit "$failed"
