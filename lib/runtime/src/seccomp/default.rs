//! The default profile.
//!
//! What ordinary programs call is allowed by name; the rest of the known calls is refused with
//! `EPERM`. It allows what Docker's profile allows, so that images run, except what programs do
//! without and attackers do not: see [`narrowed`]. Calls that belong to a capability come with it.

use oci_spec::runtime::{
    Capabilities, Capability, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg,
    LinuxSeccompArgBuilder, LinuxSeccompOperator as Op, LinuxSyscall,
};
use types::{Error, Kind, Result};

/// Allowed to everybody. In groups by subject, as `syscalls(2)` has them.
const ALLOWED: &[&str] = &[
    // Files: open, read, write, seek, sync.
    "access",
    "close",
    "close_range",
    "copy_file_range",
    "creat",
    "dup",
    "dup2",
    "dup3",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fallocate",
    "fcntl",
    "fdatasync",
    "fsync",
    "ftruncate",
    "lseek",
    "open",
    "openat",
    "openat2",
    "pread64",
    "preadv",
    "preadv2",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readahead",
    "readv",
    "sendfile",
    "splice",
    "sync",
    "sync_file_range",
    "syncfs",
    "tee",
    "truncate",
    "vmsplice",
    "write",
    "writev",
    "cachestat",
    "flock",
    // Files: names and attributes.
    "chdir",
    "chmod",
    "chown",
    "fchdir",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "fchown",
    "fchownat",
    "fgetxattr",
    "flistxattr",
    "fremovexattr",
    "fsetxattr",
    "fstat",
    "fstatfs",
    "futimesat",
    "getcwd",
    "getdents",
    "getdents64",
    "getxattr",
    "getxattrat",
    "lchown",
    "lgetxattr",
    "link",
    "linkat",
    "listxattr",
    "listxattrat",
    "llistxattr",
    "lremovexattr",
    "lsetxattr",
    "lstat",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "name_to_handle_at",
    "newfstatat",
    "readlink",
    "readlinkat",
    "removexattr",
    "removexattrat",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "setxattr",
    "setxattrat",
    "stat",
    "statfs",
    "statx",
    "symlink",
    "symlinkat",
    "umask",
    "unlink",
    "unlinkat",
    "utime",
    "utimensat",
    "utimes",
    // Waiting for files.
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_ctl_old",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "epoll_wait_old",
    "eventfd",
    "eventfd2",
    "inotify_add_watch",
    "inotify_init",
    "inotify_init1",
    "inotify_rm_watch",
    "poll",
    "ppoll",
    "pselect6",
    "select",
    "fanotify_mark",
    "io_cancel",
    "io_destroy",
    "io_getevents",
    "io_pgetevents",
    "io_setup",
    "io_submit",
    // Memory.
    "brk",
    "madvise",
    "map_shadow_stack",
    "membarrier",
    "memfd_create",
    "memfd_secret",
    "mincore",
    "mlock",
    "mlock2",
    "mlockall",
    "mmap",
    "mprotect",
    "mremap",
    "mseal",
    "msync",
    "munlock",
    "munlockall",
    "munmap",
    "pkey_alloc",
    "pkey_free",
    "pkey_mprotect",
    "process_mrelease",
    "remap_file_pages",
    // Processes and threads.
    "arch_prctl",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "fork",
    "vfork",
    "get_robust_list",
    "get_thread_area",
    "getpgid",
    "getpgrp",
    "getpid",
    "getppid",
    "getsid",
    "gettid",
    "kill",
    "pidfd_open",
    "pidfd_send_signal",
    "prctl",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "rseq",
    "set_robust_list",
    "set_thread_area",
    "set_tid_address",
    "setpgid",
    "setsid",
    "tgkill",
    "tkill",
    "wait4",
    "waitid",
    // Signals.
    "alarm",
    "pause",
    "restart_syscall",
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigqueueinfo",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "rt_tgsigqueueinfo",
    "sigaltstack",
    "signalfd",
    "signalfd4",
    "uretprobe",
    // Who we are. The kernel checks these against the capabilities.
    "capget",
    "capset",
    "getegid",
    "geteuid",
    "getgid",
    "getgroups",
    "getresgid",
    "getresuid",
    "getuid",
    "setfsgid",
    "setfsuid",
    "setgid",
    "setgroups",
    "setregid",
    "setresgid",
    "setresuid",
    "setreuid",
    "setuid",
    // Scheduling and limits.
    "getcpu",
    "getpriority",
    "getrlimit",
    "getrusage",
    "ioprio_get",
    "ioprio_set",
    "prlimit64",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_getaffinity",
    "sched_getattr",
    "sched_getparam",
    "sched_getscheduler",
    "sched_rr_get_interval",
    "sched_setaffinity",
    "sched_setattr",
    "sched_setparam",
    "sched_setscheduler",
    "sched_yield",
    "setpriority",
    "setrlimit",
    // Time.
    "adjtimex",
    "clock_adjtime",
    "clock_getres",
    "clock_gettime",
    "clock_nanosleep",
    "getitimer",
    "gettimeofday",
    "nanosleep",
    "setitimer",
    "time",
    "timer_create",
    "timer_delete",
    "timer_getoverrun",
    "timer_gettime",
    "timer_settime",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_settime",
    "times",
    // Talking to each other.
    "accept",
    "accept4",
    "bind",
    "connect",
    "futex",
    "futex_requeue",
    "futex_wait",
    "futex_waitv",
    "futex_wake",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "mq_getsetattr",
    "mq_notify",
    "mq_open",
    "mq_timedreceive",
    "mq_timedsend",
    "mq_unlink",
    "msgctl",
    "msgget",
    "msgrcv",
    "msgsnd",
    "pipe",
    "pipe2",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "semctl",
    "semget",
    "semop",
    "semtimedop",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shmat",
    "shmctl",
    "shmdt",
    "shmget",
    "shutdown",
    "socketpair",
    // The system; and sandboxes that a program builds for itself.
    "getrandom",
    "landlock_add_rule",
    "landlock_create_ruleset",
    "landlock_restrict_self",
    "listmount",
    "seccomp",
    "statmount",
    "sysinfo",
    "uname",
];

/// Allowed with a capability.
const WITH: &[(Capability, &[&str])] = &[
    (Capability::DacReadSearch, &["open_by_handle_at"]),
    (
        Capability::SysAdmin,
        &[
            "bpf",
            "clone",
            "clone3",
            "fanotify_init",
            "fsconfig",
            "fsmount",
            "fsopen",
            "fspick",
            "lookup_dcookie",
            "lsm_get_self_attr",
            "lsm_list_modules",
            "lsm_set_self_attr",
            "mount",
            "mount_setattr",
            "move_mount",
            "open_tree",
            "perf_event_open",
            "quotactl",
            "quotactl_fd",
            "setdomainname",
            "sethostname",
            "setns",
            "syslog",
            "umount2",
            "unshare",
        ],
    ),
    (Capability::SysBoot, &["reboot"]),
    (Capability::SysChroot, &["chroot"]),
    (Capability::SysModule, &["delete_module", "finit_module", "init_module"]),
    (Capability::SysPacct, &["acct"]),
    (Capability::SysPtrace, &["kcmp", "pidfd_getfd", "process_madvise"]),
    (Capability::SysRawio, &["ioperm", "iopl"]),
    (Capability::SysTime, &["clock_settime", "settimeofday", "stime"]),
    (Capability::SysTtyConfig, &["vhangup"]),
    (Capability::SysNice, &["get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"]),
    (Capability::Syslog, &["syslog"]),
    (Capability::Bpf, &["bpf"]),
    (Capability::Perfmon, &["perf_event_open"]),
];

/// `CLONE_NEW*` that `clone(2)` takes.
const NEW_NAMESPACES: u64 = 0x7e02_0000;
/// Address families that end in a wide attack surface: the kernel's crypto and the hypervisor.
const AF_ALG: u64 = 38;
const AF_VSOCK: u64 = 40;
/// Characters pushed into a terminal's input would be typed by whoever started us.
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;
/// Execution domains: Linux, 2.6 numbers, no randomization, both, and "only ask".
const DOMAINS: [u64; 5] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// Returns the default profile for a process that has these capabilities.
///
/// # Errors
/// Never for a profile that this function makes; the builder of conditions says so at run time.
pub fn profile(capabilities: &Capabilities) -> Result<LinuxSeccomp> {
    let mut rules = vec![allow(ALLOWED)];
    rules.extend(WITH.iter().filter(|(cap, _)| capabilities.contains(cap)).map(|(_, names)| allow(names)));
    narrowed(capabilities, &mut rules)?;
    let mut profile = LinuxSeccomp::default();
    profile
        .set_default_action(Action::ScmpActErrno)
        .set_default_errno_ret(Some(libc::EPERM.cast_unsigned()))
        .set_architectures(Some(vec![NATIVE]))
        .set_syscalls(Some(rules));
    Ok(profile)
}

#[cfg(target_arch = "x86_64")]
const NATIVE: oci_spec::runtime::Arch = oci_spec::runtime::Arch::ScmpArchX86_64;
#[cfg(target_arch = "aarch64")]
const NATIVE: oci_spec::runtime::Arch = oci_spec::runtime::Arch::ScmpArchAarch64;

/// Calls that are judged by their arguments.
///
/// Deliberately missing everywhere: `io_uring_*` (bypasses this filter), `userfaultfd` (makes kernel
/// races winnable), `keyctl`, `add_key`, `request_key` (keys know no namespace).
fn narrowed(capabilities: &Capabilities, rules: &mut Vec<LinuxSyscall>) -> Result<()> {
    // Every family but two; comparisons of the low half, because the kernel takes an int.
    for family in [AF_ALG, AF_VSOCK] {
        rules.push(when(&["socket"], Action::ScmpActErrno, low(0, family)?));
    }
    rules.push(allow(&["socket"]));
    for request in [TIOCSTI, TIOCLINUX] {
        rules.push(when(&["ioctl"], Action::ScmpActErrno, low(1, request)?));
    }
    rules.push(allow(&["ioctl"]));
    for domain in DOMAINS {
        rules.push(when(&["personality"], Action::ScmpActAllow, arg(0, domain, None, Op::ScmpCmpEq)?));
    }
    if !capabilities.contains(&Capability::SysAdmin) {
        let none = arg(0, NEW_NAMESPACES, Some(0), Op::ScmpCmpMaskedEq)?;
        rules.push(when(&["clone"], Action::ScmpActAllow, none));
        // Its flags are behind a pointer, where no filter can look; programs then use clone(2).
        let mut unknown = rule(&["clone3"], Action::ScmpActErrno);
        unknown.set_errno_ret(Some(libc::ENOSYS.cast_unsigned()));
        rules.push(unknown);
    }
    Ok(())
}

fn allow(names: &[&str]) -> LinuxSyscall {
    rule(names, Action::ScmpActAllow)
}

fn rule(names: &[&str], action: Action) -> LinuxSyscall {
    let mut rule = LinuxSyscall::default();
    rule.set_names(names.iter().map(|name| (*name).to_owned()).collect()).set_action(action);
    rule
}

fn when(names: &[&str], action: Action, condition: LinuxSeccompArg) -> LinuxSyscall {
    let mut made = rule(names, action);
    made.set_args(Some(vec![condition]));
    made
}

/// The low 32 bits of an argument equal `value`.
fn low(index: usize, value: u64) -> Result<LinuxSeccompArg> {
    arg(index, 0xffff_ffff, Some(value), Op::ScmpCmpMaskedEq)
}

fn arg(index: usize, value: u64, second: Option<u64>, op: Op) -> Result<LinuxSeccompArg> {
    let builder = LinuxSeccompArgBuilder::default().index(index).value(value).op(op);
    let builder = match second {
        Some(second) => builder.value_two(second),
        None => builder,
    };
    builder.build().map_err(|e| Error::because(Kind::Invalid, "build seccomp condition", e))
}
