# shellcheck shell=bash
# What the results mean. Sourced by run.sh.
#
# expected/SUITE.txt: the cases that ctr-oci is expected to fail, a tab, and why. A line "@SUITE" takes
# the lines of another list in.
#
# $scratch, $suites, $runtimes, cases_of: see run.sh.

count() { # STATUS-PATTERN CASES-FILE
    { grep -cE "^($1)"$'\t' "$2" || true; }
}

expected_lines() { # SUITE
    local line
    [ -e "tests/oci/expected/$1.txt" ] || return 0
    while IFS= read -r line; do
        case $line in
        '' | '#'*) ;;
        @*) expected_lines "${line#@}" ;;
        *$'\t'*) printf '%s\n' "$line" ;;
        *) echo "test-oci: expected/$1.txt: a line without a tab and a reason: $line" >&2; return 1 ;;
        esac
    done <"tests/oci/expected/$1.txt"
}

# Compares with the list. Only a failure that nobody expects is a failure.
verdict() { # SUITE CASES-FILE
    local suite=$1 cases=$2 list surprises good=0
    list=$(mktemp)
    expected_lines "$suite" | cut -f1 | sort -u >"$list"
    surprises=$(sed -n 's/^fail\t//p' "$cases" | sort -u | comm -23 - "$list")
    if [ -n "$surprises" ]; then
        good=1
        printf '%s\n' "$surprises" | sed "s/^/test-oci: $suite: fails unexpectedly: /"
    fi
    sed -n 's/^ok\t//p' "$cases" | sort -u | comm -12 - "$list" | sed "s/^/test-oci: $suite: passes, although it is expected to fail: /"
    if [ -z "${CASES:-}" ]; then
        cut -f2 "$cases" | sort -u | comm -13 - "$list" | sed "s/^/test-oci: $suite: is expected to fail, but is no case: /"
    fi
    rm "$list"
    return "$good"
}

# What ctr-oci does not pass, why, and which of the others do not pass it either.
failures() {
    local suite name why peer peers
    # shellcheck disable=SC2154 # run.sh has them
    for suite in "${suites[@]}"; do
        [ -e "$(cases_of "$suite" ctr-oci)" ] || continue
        sed -n 's/^fail\t//p' "$(cases_of "$suite" ctr-oci)" | sort -u | while IFS= read -r name; do
            # To the end: who writes into a pipe that nobody reads fails.
            why=$(expected_lines "$suite" | awk -F'\t' -v name="$name" '$1 == name && !n++ { print $2 }')
            peers=
            for peer in runc crun; do
                if grep -qsxF "fail"$'\t'"$name" "$(cases_of "$suite" "$peer")"; then peers=${peers:+$peers, }$peer; fi
            done
            echo "$suite: $name: ${why:-not expected}${peers:+ [fails with $peers too]}"
        done
    done
}

# The last results of each suite with each runtime. Skipped cases are in neither number.
table() {
    local suite runtime file
    # shellcheck disable=SC2154 # run.sh has them
    {
        printf 'suite'
        printf '\t%s' "${runtimes[@]##*/}"
        printf '\n'
        for suite in "${suites[@]}"; do
            printf '%s' "$suite"
            for runtime in "${runtimes[@]##*/}"; do
                file=$(cases_of "$suite" "$runtime")
                if [ -e "$file" ]; then printf '\t%s' "$(count ok "$file")/$(count 'ok|fail' "$file")"; else printf '\t-'; fi
            done
            printf '\n'
        done
    } | column -t -s $'\t'
}
