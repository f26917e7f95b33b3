#!/bin/bash
# lint-man.sh: every page must be free of warnings, as mandoc sees it and with links that lead somewhere.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0
shopt -s nullglob
pages=(man/*.[1-8] man/template)
if [ ${#pages[@]} = 0 ]; then
    echo "lint-man: there are no pages" >&2
    exit 1
fi
for page in "${pages[@]}"; do
    # Of the warnings, those about style that are matters of taste (a missing date, a bare URL) are left out.
    mandoc -T lint -W warning "$page" || status=1
    # Pages of ours that SEE ALSO names must exist.
    while read -r name section; do
        case $name in
        longshore* | ctr-* | img-* | net-* | vol-*)
            if [ ! -e "man/$name.$section" ]; then
                echo "$page: refers to $name($section), which there is not" >&2
                status=1
            fi ;;
        esac
    done < <(sed 's/\\f[BIRP]//g; s/^\.B[RI]* //; s/\\-/-/g; s/" "//g; s/ (/(/g' "$page" | grep -oE '[a-z][a-z-]+ ?\([1-8]\)' | sed 's/ \?(/ /; s/)//' | sort -u)
done
exit "$status"
