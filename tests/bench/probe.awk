# probe.awk: what the probe has printed in containers of several engines, one file each, as a table.
# Linux 6.1 has 362 calls on x86-64; the probe tries newer ones too.
BEGIN {
    split("cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue statmount listmount " \
        "lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat listxattrat removexattrat " \
        "open_tree_attr file_getattr file_setattr uretprobe number the x32-getpid i386-getpid", list, " ")
    for (i in list) newer[list[i]] = 1
}
FNR == 1 { sub(/\.txt$/, "", FILENAME); arms[++count] = FILENAME; arm = FILENAME }
{ fact[arm, $0] = 1; last[arm, $1 " " $2] = $NF }
$1 == "call" && !($2 in newer) { tried[arm]++; if ($NF != "allowed") refused[arm]++ }
$1 == "clone" && $3 != "thread" && $2 == "new" { spaces[arm] = spaces[arm] " " $NF }
$1 == "CapBnd" { caps[arm] = bits($2) }
$1 == "writable" { writable[arm]++ }
function bits(hex,    n, i, digit) {
    for (i = 1; i <= length(hex); i++) {
        digit = index("0123456789abcdef", substr(hex, i, 1)) - 1
        n += digit % 2 + int(digit / 2) % 2 + int(digit / 4) % 2 + int(digit / 8)
    }
    return n
}
function row(what, kind,    i) {
    printf "%-46s", what
    for (i = 1; i <= count; i++) printf "%-16s", value(kind, arms[i])
    print ""
}
function short(text) {
    if (text ~ /18446744073709551615$/) return "unlimited"
    if (text ~ /host/) return "the host's"
    return text
}
function call(arm, name) { return last[arm, "call " name] }
function value(kind, arm,    name, i, parts, n) {
    if (kind == "head") return arm
    if (kind == "calls") return refused[arm] "/" tried[arm]
    if (kind == "clone") { n = split(spaces[arm], parts, " "); for (i = 1; i <= n; i++) if (parts[i] != "EPERM") return "allowed"; return "refused" }
    if (kind == "caps") return caps[arm]
    if (kind == "writable") return writable[arm] + 0
    if (split(kind, parts, ":") == 2 && parts[1] == "call") return call(arm, parts[2])
    if (parts[1] == "line") return last[arm, parts[2]] == "" ? "absent" : last[arm, parts[2]]
    for (name in fact) { split(name, pair, SUBSEP); if (pair[1] == arm && index(pair[2], kind " ") == 1 && pair[2] !~ /[+]/) return short(substr(pair[2], length(kind) + 2)) }
    return "absent"
}
END {
    row("what", "head")
    row("system calls refused", "calls")
    row("new namespaces by clone(2)", "clone")
    row("mount(2)", "call:mount")
    row("keyctl(2)", "call:keyctl")
    row("io_uring_setup(2)", "call:io_uring_setup")
    row("userfaultfd(2)", "call:userfaultfd")
    row("AF_ALG sockets", "socket family 38")
    row("AF_VSOCK sockets", "socket family 40")
    row("TIOCSTI", "ioctl TIOCSTI")
    row("TIOCLINUX", "ioctl TIOCLINUX")
    row("calls of i386", "call:i386-getpid")
    row("calls of x32", "call:x32-getpid")
    row("a call newer than all", "call number 4000")
    row("capabilities", "caps")
    row("raw sockets", "open socket inet raw")
    row("packet sockets", "open socket packet raw")
    row("ping sockets", "open socket inet ping")
    row("device node of the memory", "make device mem")
    row("device node of tun", "make device tun")
    row("size of core files", "limit core")
    row("processes", "limit pids")
    row("cgroup namespace", "cgroup namespace")
    row("/proc/kallsyms", "proc kallsyms")
    row("/proc/slabinfo", "proc slabinfo")
    row("/proc/pagetypeinfo", "proc pagetypeinfo")
    row("files below /proc and /sys open for writing", "writable")
    row("umask", "umask")
}
