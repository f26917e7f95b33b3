#!/bin/bash
# host-state.sh: prints what a container engine could leave behind on a host, in a form to compare.
set -uo pipefail

echo "mounts:"
cut -d' ' -f5 /proc/self/mountinfo | sort | uniq -c
echo "links:"
ip -o link | awk '{ print $2, $NF }' | sed 's/@[^ ]*//' | sort
echo "namespaces:"
ip netns list 2>/dev/null | sort
echo "routes:"
ip route show table all | sed 's/ proto.*//' | sort
echo "rules:"
nft list ruleset 2>/dev/null | sed 's/counter packets [0-9]* bytes [0-9]*//'
echo "forwarding:"
cat /proc/sys/net/ipv4/ip_forward
echo "cgroups:"
find /sys/fs/cgroup -type d -path '*longshore/*' 2>/dev/null | sort
echo "processes:"
for process in /proc/[0-9]*; do
    case $(readlink "$process/exe" 2>/dev/null) in
    "${LONGSHORE_BIN:-/usr/local/bin}"/*) tr '\0' ' ' <"$process/cmdline" 2>/dev/null; echo ;;
    esac
done | sort
echo "loop devices:"
losetup -l -n -O BACK-FILE 2>/dev/null | sort
echo "temporary files:"
find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'longshore-test*' | sort
