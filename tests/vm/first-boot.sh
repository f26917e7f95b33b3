# shellcheck shell=sh
# first-boot.sh: sourced by suite.sh.

holds "the machine has cgroup v2 and nothing else" '[ -e /sys/fs/cgroup/cgroup.controllers ] && ! grep -q " cgroup " /proc/mounts'
holds "the machine has the controllers" 'grep -q memory /sys/fs/cgroup/cgroup.controllers && grep -q pids /sys/fs/cgroup/cgroup.controllers'
