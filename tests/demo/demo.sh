#!/bin/bash
# demo.sh BIN: the main job on screen, each command as one types it. `make demo`.
# Works in a store of its own, and leaves the machine as it was.
set -euo pipefail
bin=$(cd "${1:?usage: demo.sh BIN}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
fixtures=${LONGSHORE_FIXTURES:-$bin/../fixtures}
started=$SECONDS

work=$(mktemp -d "${TMPDIR:-/tmp}/longshore-demo.XXXXXX")
export PATH=$bin:$PATH LONGSHORE_ROOT=$work/root LONGSHORE_RUN=$work/run
forwarding=$(cat /proc/sys/net/ipv4/ip_forward)
registry=

cleanup() {
    ctr-ls -aq 2>/dev/null | ctr-rm -f - >/dev/null 2>&1 || true
    if [ -n "$registry" ]; then
        kill "$registry" 2>/dev/null || true
        wait "$registry" 2>/dev/null || true
    fi
    # The bridge of this store, which says whose it is, and its table; both stay for a real store.
    bridge=$(ip -o link show type bridge 2>/dev/null | sed -n "s|^[0-9]*: \(longshore[0-9]*\):.*alias longshore $LONGSHORE_RUN\$|\1|p")
    if [ -n "$bridge" ]; then
        ip link delete "$bridge" || true
        table=${bridge/%longshore0/longshore}
        nft delete table inet "$table" || true
        echo "$forwarding" >/proc/sys/net/ipv4/ip_forward || true
    fi
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

bold='' plain=''
if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; fi
say() { printf '\n# %s\n' "$*"; }
run() { # COMMAND as typed
    printf '%s$ %s%s\n' "$bold" "$1" "$plain"
    bash -o pipefail -c "$1" || {
        status=$?
        echo "demo: that ended with status $status, which it should not" >&2
        exit 1
    }
}
# The page must be there within a moment, and must be the one that is meant.
shows() { # TEXT COMMAND as typed
    printf '%s$ %s%s\n' "$bold" "$2" "$plain"
    for _ in $(seq 50); do
        if page=$(bash -c "$2" 2>"$work/words"); then break; fi
        sleep 0.1
    done
    printf '%s\n' "${page:-}"
    case ${page:-} in
    *"$1"*) ;;
    *)
        cat "$work/words" >&2
        echo "demo: expected to see: $1" >&2
        exit 1
        ;;
    esac
}

if [ "$(curl -s -m 2 -o /dev/null -w '%{http_code}' https://registry-1.docker.io/v2/ || true)" = 401 ]; then
    say "Images come from Docker Hub."
else
    say "Docker Hub is not reachable: images come from a registry on this machine, made from Debian's packages."
    "$here/../fixtures/images.sh" "$fixtures"
    "$here/../fixtures/registry.sh" "$fixtures" "$work" &
    registry=$!
    for _ in $(seq 100); do
        if [ -e "$work/registries.conf" ]; then break; fi
        sleep 0.05
    done
    export CONTAINERS_REGISTRIES_CONF=$work/registries.conf
fi

port=8080
while ss -Hltn "sport = :$port" | grep -q .; do port=$((port + 1)); done
[ "$port" = 8080 ] || say "Port 8080 is taken here, so $port is used."

mkdir "$work/demo"
cd "$work/demo"

say "Pull an image, look at it."
run "img-pull httpd"
run "img-ls"

say "Run it in the background, with a port of this machine."
run "ctr-run -d --name web -p $port:80 httpd"
shows "It works!" "curl -s http://127.0.0.1:$port"

say "Mount a directory into the container while it runs, and change a file in it."
run "mkdir site && echo '<h1>Hello from the host</h1>' > site/index.html"
run "vol-bind web ./site:/usr/local/apache2/htdocs"
shows "Hello from the host" "curl -s http://127.0.0.1:$port"
run "echo '<h1>Changed on the host</h1>' > site/index.html"
shows "Changed on the host" "curl -s http://127.0.0.1:$port"

say "Look into it."
run "ctr-exec web pwd"
run "ctr-exec web head -n 1 /etc/passwd"
run "ctr-logs -n 3 web"
run "ctr-ls"

say "Stop it, remove it."
run "ctr-stop web"
run "ctr-rm web"
run "img-rm httpd"
run "ctr-ls -a"

say "Done in $((SECONDS - started)) s. Nothing is left running; 'make install' makes these tools yours."
