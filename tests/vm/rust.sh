# shellcheck shell=sh
# rust.sh: sourced by suite.sh: test programs that `make test` runs out there, on this kernel and on cgroup v2.

# Counts each test; one that has said that it skips has not passed.
program() { # NAME ARGUMENT...
    name=$1
    shift
    : >/disk/skips
    start=$(cut -d. -f1 /proc/uptime)
    (
        cd "$top/tests" || exit
        TMPDIR=/disk/tmp LONGSHORE_BIN=/usr/local/bin LONGSHORE_FIXTURES=/disk/fixtures LONGSHORE_TEST_SKIPS=/disk/skips LONGSHORE_TEST_PATIENCE=5 \
            timeout -s KILL 600 "/disk/tests/$name" --test-threads=2 "$@"
    ) 2>&1 | tee /disk/log
    result=$(sed -n 's/^test result: [^ ]* \([0-9]*\) passed; \([0-9]*\) failed; .*/\1 \2/p' /disk/log)
    skips=$(cut -f1 /disk/skips | sort -u | grep -c .)
    echo "$name: ${result:-no result}, $skips skipped ($(($(cut -d. -f1 /proc/uptime) - start)) s)"
    if [ -z "$result" ]; then
        bad "$name has come to its end"
        return
    fi
    passed=$((passed + ${result% *} - skips))
    failed=$((failed + ${result#* }))
    skipped=$((skipped + skips))
    sort -u /disk/skips | sed 's/^/skipped: /; s/\t/: /'
}

# The source tree is where it was out there, which may be below a directory that is mounted over here.
top=$(cat /disk/top)
mkdir -p "$top"
mount --bind /disk/source "$top"
# Not the races: two minutes of them are in `make test`.
program container --skip races
# The engine: what differs with the kernel and its cgroups, and one image is enough for.
program e2e run::a_program_runs_and_its_output run::the_status_tells run::stdin_goes_in run::a_terminal_has \
    run::signals_go_through run::a_container_whose_client_is_killed run::the_file_systems run::security_is \
    run::what_tells_of_the_host run::limits_reach run::a_program_that_takes_too_much run::too_many_processes \
    exec::a_container_that_does_not_run exec::what_is_executed_is_as_confined \
    stop::a_created_container stop::kill_sends stop::wait_prints stop::several_operands \
    look::logs_keep look::inspect_says crash::a_container_whose_monitor_is_killed \
    network::a_taken_port network::nothing_that_is_not_published volumes::a_live_mount_is_read_only \
    oci::run_shows oci::who_shares_the_control_group
