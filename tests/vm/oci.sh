# shellcheck shell=sh disable=SC2016
# oci.sh: sourced by suite.sh: the life of a bundle on cgroup v2. What is in single quotes is for the shell
# inside.

bundle=/disk/bundle
group=/sys/fs/cgroup/oci/one
disk=$(cat /sys/block/vda/dev)
mkdir -p "$bundle/rootfs/bin"
for name in dev proc sys tmp etc; do mkdir "$bundle/rootfs/$name"; done
cp /bin/busybox "$bundle/rootfs/bin/"
for name in sh cat echo sleep id head wc grep; do ln -s busybox "$bundle/rootfs/bin/$name"; done

oci() { ctr-oci --root /run/oci "$@"; }
status() { oci state one | sed -n 's/.*"status": "\(.*\)".*/\1/p'; }
# A configuration with a program and one more part of "linux".
config() { # ARGS PART [SED-COMMAND]
    rm -f "$bundle/config.json"
    oci spec -b "$bundle"
    sed -i "s/\"terminal\": true/\"terminal\": false/; s/\"sh\"/$1/; s|\"linux\": {|\"linux\": { \"cgroupsPath\": \"/oci/one\", $2|; ${3:-}" "$bundle/config.json"
}
node="\"devices\": [{\"path\": \"/dev/disk\", \"type\": \"b\", \"major\": ${disk%:*}, \"minor\": ${disk#*:}}],"

config '"sleep", "1000"' "$node"
ends "a bundle is made" 0 oci create -b "$bundle" one </dev/null
gives "it waits" "created" status
gives "in its own cgroup" "1" sh -c "wc -l <$group/cgroup.procs"
ends "it is started" 0 oci start one
gives "and runs" "running" status
gives "what is executed is in its cgroup" "0::/" oci exec one cat /proc/self/cgroup
ends "a device that is not among the usual cannot be read" 1 oci exec one head -c 1 /dev/disk
holds "because of the policy" 'grep -q "not permitted" /tmp/stderr'
gives "the usual can" "1" oci exec one sh -c 'head -c 1 /dev/zero | wc -c'
ends "limits are changed" 0 oci update --memory 67108864 --pids-limit 40 --cpu-quota 50000 --cpu-period 100000 one
gives "of memory, processes and time" "67108864 40 50000 100000" \
    sh -c "echo \$(cat $group/memory.max $group/pids.max $group/cpu.max)"
holds "the limits are those that the container sees" '[ "$(oci exec one cat /sys/fs/cgroup/pids.max)" = 40 ]'
ends "it is paused" 0 oci pause one
gives "and frozen" "paused 1" sh -c "echo $(status) \$(cat $group/cgroup.freeze)"
ends "nothing is executed in it meanwhile" 255 oci exec one true
ends "it goes on" 0 oci resume one
gives "and runs again" "running" status
holds "what it uses is told" 'oci events --stats one | grep -q "\"limit\":67108864"'
ends "it is killed" 0 oci kill one KILL
holds "and has ended" 'for n in 1 2 3 4 5 6 7 8 9 10; do [ "$(status)" = stopped ] && break; sleep 0.2; done; [ "$(status)" = stopped ]'
ends "it is deleted" 0 oci delete one
holds "with its cgroup" '[ ! -e '$group' ]'

config '"head", "-c", "1", "\/dev\/disk"' "$node" 's/"allow": false/"allow": true/'
ends "with all devices allowed the same can be read" 0 oci run -b "$bundle" one

map='[{"containerID": 0, "hostID": 100000, "size": 1000}]'
users="\"uidMappings\": $map, \"gidMappings\": $map,"
config '"sh", "-c", "id -u; echo $(cat \/proc\/self\/uid_map); cat \/proc\/self\/cgroup; head -c 1 \/dev\/zero | wc -c"' \
    "$users" 's/"namespaces": \[/"namespaces": [{"type": "user"},/'
gives "a container has users of its own" "0
0 100000 1000
0::/
1" oci run -b "$bundle" one
config '"sh", "-c", "mkdir \/sys\/fs\/cgroup\/sub \&\& echo 0 >\/sys\/fs\/cgroup\/sub\/cgroup.procs \&\& cat \/proc\/self\/cgroup; echo 1 >\/sys\/fs\/cgroup\/pids.max"' \
    "$users" 's/"namespaces": \[/"namespaces": [{"type": "user"},/; /"relatime",/,/"ro"/s/"ro"/"rw"/'
ends "it has groups of its own if it may write them, and cannot change its limits" 1 oci run -b "$bundle" one
holds "as it says" '[ "$(cat /tmp/stdout)" = 0::/sub ] && grep -q "pids.max" /tmp/stderr'
ends "one that has not ended is deleted by force" 0 sh -c "
    sed -i 's/\"id -u;.*\"/\"exec sleep 1000\"/' $bundle/config.json
    ctr-oci --root /run/oci run -d -b $bundle one </dev/null >/dev/null 2>&1 && ctr-oci --root /run/oci delete -f one"
holds "nothing is left of it" '[ ! -e '$group' ] && [ "$(oci list -q)" = "" ]'
rmdir /sys/fs/cgroup/oci
