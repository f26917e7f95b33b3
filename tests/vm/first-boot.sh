# shellcheck shell=sh disable=SC2016
# first-boot.sh: sourced by suite.sh. What is in single quotes is for the shell inside.

quick() { ctr-run --rm --network none busybox "$@"; }

holds "the machine has cgroup v2 and nothing else" '[ -e /sys/fs/cgroup/cgroup.controllers ] && ! grep -q " cgroup " /proc/mounts'
holds "the image that was pulled outside is there" 'img-ls | grep -q "^busybox "'

gives "a program runs" "hello" quick echo hello
ends "its status comes back" 42 quick sh -c 'exit 42'
ends "a program that is not there is 127" 127 quick nope
ends "a program that cannot be run is 126" 126 quick /etc

gives "the container is at the root of its own cgroups" "0::/" quick cat /proc/self/cgroup
gives "memory is limited" "67108864" ctr-run --rm --network none -m 64m busybox cat /sys/fs/cgroup/memory.max
gives "half a processor is half a period" "50000 100000" ctr-run --rm --network none --cpus 0.5 busybox cat /sys/fs/cgroup/cpu.max
gives "processes are limited" "50" ctr-run --rm --network none --pids-limit 50 busybox cat /sys/fs/cgroup/pids.max
gives "processes are limited without being asked" "2048" quick cat /sys/fs/cgroup/pids.max
ends "the limits cannot be changed from inside" 1 ctr-run --rm --network none -m 64m busybox sh -c 'echo max >/sys/fs/cgroup/memory.max'

ends "a program that takes too much memory is killed" 137 \
    ctr-run --name greedy --network none -m 16m busybox sh -c 'x=$(head -c 100m /dev/zero | tr "\0" x); echo "$x" | wc -c'
holds "that it was killed for memory is known" 'ctr-inspect greedy | grep -q "\"OOMKilled\": *true"'
ends "it can be removed" 0 ctr-rm greedy
gives "a container that forks too much is stopped by its limit" "refused" \
    ctr-run --rm --network none --pids-limit 5 busybox sh -c '(for n in 1 2 3 4 5 6 7 8 9; do sleep 1 & done) 2>&1 | grep -q fork && echo refused'
holds "no cgroup of a container is left" '[ -z "$(find /sys/fs/cgroup -mindepth 2 -type d -path "*longshore*")" ]'

ends "a container runs in the background with a port" 0 \
    ctr-run -d --name web -p 8080:80 busybox sh -c 'mkdir /www; echo page >/www/index.html; exec httpd -f -p 80 -h /www'
holds "the port answers on the loopback" 'for n in 1 2 3 4 5 6 7 8 9 10; do sleep 0.3; wget -q -O- http://127.0.0.1:8080 && break; done | grep -q page'
gives "it has an address on the bridge" "1" ctr-exec web sh -c 'ip -4 -o addr show dev eth0 | wc -l'
gives "what is executed is in the cgroup of the container" "0::/" ctr-exec web cat /proc/self/cgroup
ends "a port is added while it runs" 0 net-forward web 8081:80
holds "and answers" 'wget -q -O- http://127.0.0.1:8081 | grep -q page'
gives "a directory is mounted while it runs" "yes" sh -c 'mkdir -p /disk/site; echo yes >/disk/site/file; vol-bind web /disk/site:/mnt >/dev/null && ctr-exec web cat /mnt/file'
ends "it stops" 0 ctr-stop web
holds "its port is closed" 'timeout 3 wget -q -O- http://127.0.0.1:8080 2>&1 | grep -q refused'
holds "its veth is gone" '[ -z "$(ip -o link | grep veth)" ]'
holds "no cgroup of it is left" '[ -z "$(find /sys/fs/cgroup -mindepth 2 -type d -path "*longshore*")" ]'
ends "it starts again" 0 ctr-start web
holds "with its ports" 'for n in 1 2 3 4 5 6 7 8 9 10; do sleep 0.3; wget -q -O- http://127.0.0.1:8081 && break; done | grep -q page'

gives "sixteen containers start at once" "16" sh -c '
    for n in $(seq 16); do ctr-run -d --name c$n busybox sleep 1000 >/dev/null & done; wait; ctr-ls -q -f name=c | wc -l'
gives "each has an address of its own" "16" sh -c 'for n in $(seq 16); do ctr-exec c$n ip -4 -o addr show dev eth0; done | awk "{print \$4}" | sort -u | wc -l'
ends "they are removed in a pipe" 0 sh -c 'ctr-ls -q -f name=c | ctr-rm -f - >/dev/null'

# What the second boot finds: one that runs now, one that has ended.
ends "one more has ended" 3 ctr-run --name ended --network none busybox sh -c 'exit 3'
gives "one runs at the moment of the reboot" "web" sh -c 'ctr-ls --json | sed "s/.*\"Name\":\"\([^\"]*\)\".*/\1/"'
