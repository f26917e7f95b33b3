# shellcheck shell=bash disable=SC2016,SC2154
# Conditions are for eval, $dir, $runtime and $engine are of smoke.sh.
# The day of a container under engines with Docker's command line. Sourced by podman.sh and docker.sh.

steps() {
    step "run shows what the program writes" gives hello run --rm smoke echo hello
    step "run ends with the program's status" code 7 run --rm smoke sh -c 'exit 7'
    step "a program that is not there is 127" code 127 run --rm smoke nothing-there
    step "a program that cannot be run is 126" code 126 run --rm smoke /etc/passwd
    step "run -i passes input on" gives 'came through' eval 'echo came through | run -i --rm smoke cat'
    step "run -t gives a terminal" gives '/dev/pts/' on_terminal bash -c "$(declare_run) -t --rm smoke tty"
    step "run -d" run -d --name web smoke sh -c 'trap "exit 5" TERM; echo up; while :; do sleep 0.1; done'
    step "it writes" eventually gives up e logs web
    step "exec runs beside it" gives 'uid=0' e exec web id
    step "exec ends with the program's status" code 9 e exec web sh -c 'exit 9'
    step "exec sets variables and the directory" gives 'v /tmp' e exec -e X=v -w /tmp web sh -c 'echo $X $PWD'
    step "exec as another user" gives 'uid=1000 gid=1000' e exec -u 1000:1000 web id
    step "exec -t gives a terminal" gives '/dev/pts/' on_terminal bash -c "$(declare_engine) exec -t web tty"
    step "exec of what is not there fails" code "${exec_missing:-127}" e exec web nothing-there
    step "exec -d" e exec -d web touch /tmp/made
    step "what it made is there" eventually e exec web test -e /tmp/made
    step "top lists its processes" gives sleep e top web
    step "pause and unpause" eval 'e pause web && e unpause web'
    step "update changes limits" e update --memory 64m --memory-swap 128m web
    step "stop sends TERM" e stop -t 5 web
    step "and the status is the program's own" gives '^5$' e inspect -f '{{.State.ExitCode}}' web
    step "start again" e start web
    step "restart" e restart -t 5 web
    step "kill sends KILL" e kill web
    step "its status is 137" eventually gives '^137$' e inspect -f '{{.State.ExitCode}}' web
    step "rm" e rm web
    step "a memory limit holds" gives 67108864 run --rm -m 64m smoke sh -c "$(memory_limit)"
    step "volumes" eval 'mkdir -p $dir/v && run --rm -v $dir/v:/v smoke touch /v/f && test -e $dir/v/f'
    step "a read-only volume" code 1 run --rm -v "$dir/v:/v:ro" smoke touch /v/g
    step "a health check" eval 'run -d --name well --health-cmd "test -e /" --health-interval 1s smoke sleep 60 && check_health'
    step "a restart policy" eval 'run -d --name again --restart on-failure:2 smoke false && eventually gives "^2$" e inspect -f "$(restarts)" again'
    step "rm -f" e rm -f well again
    step "nothing is left" eval '[ -z "$(e ps -aq)" ]'
}

memory_limit() {
    echo 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null'
}

# The two are functions, and a terminal wants a command.
declare_engine() { echo "$(declare -f e); dir=$dir runtime=$runtime; e"; }
declare_run() { echo "$(declare -f e run); dir=$dir runtime=$runtime; run"; }

check_health() {
    if [ "$engine" = podman ]; then
        # Without systemd nobody calls it at its time.
        e healthcheck run well
    else
        eventually gives healthy e inspect -f '{{.State.Health.Status}}' well
    fi
}

restarts() { echo '{{.RestartCount}}'; }
