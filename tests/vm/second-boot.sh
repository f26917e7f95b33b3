# shellcheck shell=sh disable=SC2016
# second-boot.sh: sourced by suite.sh after a reboot that nobody announced to anybody.

gives "nothing runs after the reboot" "" ctr-ls -q
holds "what ran is known and not called running" 'ctr-ls -a | grep -w web | grep -qv " Up "'
holds "what had ended is still known, with its status" 'ctr-ls -a | grep -w ended | grep -q "Exited (3)"'
holds "no port of it is open" 'timeout 3 wget -q -O- http://127.0.0.1:8080 2>&1 | grep -q refused'
ends "it starts again without a repair" 0 ctr-start web
holds "with its ports" 'for n in 1 2 3 4 5 6 7 8 9 10; do sleep 0.3; wget -q -O- http://127.0.0.1:8080 && break; done | grep -q page'
ends "everything is removed" 0 sh -c 'ctr-ls -aq | ctr-rm -f - >/dev/null'
gives "and nothing is left" "" ctr-ls -aq
holds "no cgroup either" '[ -z "$(find /sys/fs/cgroup -mindepth 2 -type d -path "*longshore*")" ]'
ends "the image is removed" 0 img-rm busybox
holds "and its layers" '[ -z "$(find /var/lib/longshore/layers /var/lib/longshore/blobs -mindepth 2 2>/dev/null)" ]'
