#!/bin/bash
# cell.sh [--all-v1] NAME COMMAND...: runs a suite where it can leave nothing behind.
#
# A suite gets a mount, a network and a pid namespace, and a cgroup in every hierarchy whose cgroup
# namespace makes it look like the root. What it forgets (these suites forget cgroups and mounts)
# ends with the cell: processes are killed through the cgroup, the cgroups below it are removed.
# Two runs at a time do not see each other, although the suites use fixed names for their cgroups.
#
# --all-v1 also mounts the controllers that the machine left to cgroup v2 as v1 hierarchies
# (hugetlb, net_cls, net_prio), which the kernel allows while no v2 cgroup uses them. Exit status 77:
# this machine cannot do that.
set -euo pipefail
self=$(readlink -f "$0")
wanted_v1="hugetlb net_cls net_prio"

say() { echo "cell: $*" >&2; }

# The cgroup mounts of this namespace: TYPE OPTIONS MOUNTPOINT, one a line. Only v1 has options: those
# that name the hierarchy.
hierarchies() {
    awk -v known="$(awk '!/^#/ { printf "%s ", $1 }' /proc/cgroups)" '
        BEGIN { n = split(known, list, " "); for (i = 1; i <= n; i++) is[list[i]] = 1 }
        {
            for (i = 7; i <= NF; i++) if ($i == "-") break
            if ($(i + 1) == "cgroup2") print "cgroup2", "-", $5
            if ($(i + 1) != "cgroup") next
            n = split($(i + 3), option, ",")
            names = ""
            for (j = 1; j <= n; j++)
                if (option[j] in is || option[j] ~ /^name=/) names = names (names == "" ? "" : ",") option[j]
            print "cgroup", names, $5
        }' /proc/self/mountinfo
}

# Outside of the cell, in a mount namespace of its own: makes the cell's cgroups and takes them away.
stage_outside() { # MODE NAME COMMAND...
    local mode=$1 cell=$2
    shift 2
    extra=$(mktemp -d)
    cells=()
    mounted=()
    trap 'leave' EXIT
    trap 'exit 130' INT TERM
    if [ "$mode" = all-v1 ]; then
        local controller
        for controller in $wanted_v1; do
            if hierarchies | grep -q "^cgroup \(.*,\)\?$controller\(,.*\)\? "; then continue; fi
            mkdir "$extra/$controller"
            mount -t cgroup -o "$controller" cgroup "$extra/$controller" 2>/dev/null || { say "cgroup v2 holds $controller, so it cannot be had as v1 here"; exit 77; }
            mounted+=("$extra/$controller")
        done
    fi
    local type options point
    while read -r type options point; do
        make_cell "$type" "$point" "$point/$cell"
    done < <(hierarchies | sort -u -k1,2)
    # The list, because the namespace inside sees other paths; the command, as words.
    hierarchies | sort -u -k1,2 >"$extra/list"
    local status=0
    bash -c 'for c in $1; do echo $$ >"$c/cgroup.procs"; done; shift; exec unshare --cgroup --pid --fork --kill-child --mount --propagation private --mount-proc "$@"' \
        cell "${cells[*]}" "$self" --inside "$extra/list" "$@" </dev/null &
    # In the background, because a trap does not interrupt a command in the foreground.
    wait $! || status=$?
    exit "$status"
}

make_cell() { # TYPE MOUNTPOINT CELL
    mkdir "$3"
    cells+=("$3")
    # A new v1 cpuset has no processors and no memory, and lets nobody in.
    if [ -e "$3/cpuset.cpus" ] && [ "$1" = cgroup ]; then
        cat "$2/cpuset.cpus" >"$3/cpuset.cpus"
        cat "$2/cpuset.mems" >"$3/cpuset.mems"
    fi
    if [ "$1" = cgroup2 ] && [ "$2" = /sys/fs/cgroup ]; then
        local controller controllers
        read -ra controllers <"$2/cgroup.controllers"
        for controller in "${controllers[@]}"; do
            grep -qw "$controller" "$2/cgroup.subtree_control" && continue
            echo "+$controller" >"$2/cgroup.subtree_control" && added="$controller ${added:-}"
        done
    fi
}

leave() {
    trap '' INT TERM
    local cell directory pid try
    for try in $(seq 50); do
        local left=0
        for cell in "${cells[@]}"; do
            [ -d "$cell" ] || continue
            find "$cell" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u | while read -r pid; do
                kill -KILL "$pid" 2>/dev/null || true
            done
            # A frozen process dies when it thaws (v1); with v2 it dies at once.
            find "$cell" -mindepth 2 -name freezer.state -exec sh -c 'echo THAWED >"$1"' - {} \; 2>/dev/null || true
            find "$cell" -depth -type d -exec rmdir {} + 2>/dev/null || true
            [ ! -d "$cell" ] || left=1
        done
        [ "$left" = 1 ] || break
        sleep 0.1
    done
    [ "$left" = 0 ] || say "left behind after $try tries: ${cells[*]}"
    for directory in ${added:-}; do echo "-$directory" >/sys/fs/cgroup/cgroup.subtree_control || true; done
    for directory in "${mounted[@]}"; do give_back "$directory"; done
    rm -rf "$extra"
}

# A controller returns to cgroup v2 when its last v1 mount goes, but only if no removed cgroup is still
# on its way out at that moment (cgroup_kill_sb); else it stays bound to a hierarchy that nobody sees.
give_back() { # MOUNTPOINT
    local controller=${1##*/} try
    for try in $(seq 50); do
        umount "$1" || return 0
        sleep 0.1
        awk -v c="$controller" '$1 == c { exit $2 != 0 }' /proc/cgroups && return 0
        mount -t cgroup -o "$controller" cgroup "$1" || return 0
        # Another run that has cgroups in it gives it back at its own end.
        if [ -n "$(find "$1" -mindepth 1 -type d -print -quit)" ]; then
            umount "$1"
            return 0
        fi
    done
    say "$controller is still bound to cgroup v1 after $try tries"
}

# Inside: the cell's cgroups become /sys/fs/cgroup, the network gets two interfaces (one suite wants
# a second), and the suite starts.
stage_inside() { # LIST COMMAND...
    local list type options point name names
    list=$(cat "$1")
    # The first mount of a hierarchy counts for runc, so none from outside of the cell may be left.
    for point in "${1%/list}"/*/; do
        [ ! -d "$point" ] || umount "$point"
    done
    shift
    umount --recursive /sys/fs/cgroup
    if [ "$list" = "cgroup2 - /sys/fs/cgroup" ]; then
        mount -t cgroup2 cgroup2 /sys/fs/cgroup
        # Below a root that hands controllers on there are no processes (cgroups(7), no internal processes).
        mkdir /sys/fs/cgroup/suite
        echo 0 >/sys/fs/cgroup/suite/cgroup.procs
        read -ra names </sys/fs/cgroup/cgroup.controllers
        for name in "${names[@]}"; do echo "+$name" >/sys/fs/cgroup/cgroup.subtree_control; done
    else
        mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
        while read -r type options point; do
            case $type in
            cgroup2)
                mkdir /sys/fs/cgroup/unified
                mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
                ;;
            *)
                point=/sys/fs/cgroup/${options#name=}
                mkdir "$point"
                mount -t cgroup -o "$options" cgroup "$point"
                for name in ${options//,/ }; do
                    [ -e "/sys/fs/cgroup/${name#name=}" ] || ln -s "${options#name=}" "/sys/fs/cgroup/${name#name=}"
                done
                ;;
            esac
        done <<<"$list"
    fi
    # Some runtimes give their standard streams to the container's user, and so the host's /dev/null.
    local own
    own=$(mktemp -d)
    mount -t tmpfs -o mode=755 tmpfs "$own"
    mknod -m 666 "$own/null" c 1 3
    mount --bind "$own/null" /dev/null
    umount -l "$own"
    rmdir "$own"
    exec </dev/null
    # One suite expects a pid of five digits.
    echo 20000 >/proc/sys/kernel/ns_last_pid
    ip link set lo up
    # One suite sets the priority of the second interface, by a name that the kernel looks up in the
    # first network namespace (net_prio). The peer is made first, so it is the second one.
    ip link add cell1 type veth peer name "${OUTER_LINK:-cell0}"
    # Not exec: this shell is the init of the pid namespace and reaps what containers leave.
    local status=0
    "$@" || status=$?
    # What is frozen cannot be killed, and the namespace would wait for it for ever (v1).
    find /sys/fs/cgroup/freezer -mindepth 2 -name freezer.state -exec sh -c 'echo THAWED >"$1"' - {} \; 2>/dev/null || true
    exit "$status"
}

case ${1:-} in
--outside)
    shift
    stage_outside "$@"
    ;;
--inside)
    shift
    stage_inside "$@"
    ;;
*)
    mode=as-is
    if [ "${1:-}" = --all-v1 ]; then
        mode=all-v1
        shift
    fi
    name=${1:?usage: cell.sh [--all-v1] NAME COMMAND...}
    shift
    OUTER_LINK=$(ip -o link | awk -F'[:@ ]+' '$2 != "lo" { print $2; exit }')
    export OUTER_LINK
    exec unshare --mount --net --propagation private "$self" --outside "$mode" "$name" "$@"
    ;;
esac
