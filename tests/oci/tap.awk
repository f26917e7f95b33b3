# tap.awk: TAP in, one line a case out: ok, fail or skip, a tab, the name. -v prefix=TEXT goes before
# each name. A plan that was not fulfilled is a failed case of its own: the suite ended early.
function name(line) {
    sub(/^(not )?ok *[0-9]* *(- )?/, "", line)
    sub(/ *# *(SKIP|skip|TODO|in [0-9]+).*$/, "", line)
    sub(/[ \t]+$/, "", line)
    return prefix line
}
/^1\.\.[0-9]+/ { planned = substr($0, 4) + 0 }
/^ok/ { seen++; print (tolower($0) ~ /# *skip/ ? "skip" : "ok") "\t" name($0) }
/^not ok/ { seen++; print "fail\t" name($0) }
END { if (seen + 0 < planned + 0) print "fail\t" prefix "(ended after " seen + 0 " of " planned ")" }
