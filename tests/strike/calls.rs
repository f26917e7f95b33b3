//! System calls as a tracer sees them.

use std::fmt;

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::unistd::Pid;

/// A call that is about to be carried out.
pub(crate) struct Call {
    number: i64,
    third: u64,
}

impl Call {
    /// Whether something outlives it: a file, a message, a process, a mount, a lock.
    pub(crate) fn changes(&self) -> bool {
        match self.number {
            libc::SYS_openat => self.third & u64::from(libc::O_CREAT.cast_unsigned()) != 0,
            number => is_in(number, CHANGE),
        }
    }

    /// Whether it can fail in this way: no call that changes something is spared any errno, the others
    /// get those that their kind knows.
    pub(crate) fn can_fail(&self, errno: Errno) -> bool {
        let number = self.number;
        let others = match errno {
            Errno::ENOMEM => is_in(number, OPEN) || is_in(number, READ) || is_in(number, MEMORY),
            Errno::EIO => is_in(number, OPEN) || is_in(number, READ),
            Errno::EINTR => is_in(number, OPEN) || is_in(number, WAIT),
            Errno::EMFILE => is_in(number, OPEN),
            _ => number == libc::SYS_inotify_add_watch, // ENOSPC
        };
        // Nothing can be done about an end that fails, and the kernel has no such thing.
        number != libc::SYS_exit_group && (self.changes() || others)
    }
}

fn is_in(number: i64, list: &[(i64, &str)]) -> bool {
    list.iter().any(|(known, _)| *known == number)
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = [CHANGE, OPEN, READ, WAIT, MEMORY].into_iter().flatten();
        f.write_str(all.find(|(known, _)| *known == self.number).map_or("a call", |(_, name)| name))
    }
}

macro_rules! calls {
    ($($name:ident: $number:ident),+ $(,)?) => { &[$((libc::$number, stringify!($name))),+] };
}

const CHANGE: &[(i64, &str)] = calls![
    mkdirat: SYS_mkdirat, mkdir: SYS_mkdir, symlinkat: SYS_symlinkat, linkat: SYS_linkat,
    renameat: SYS_renameat, renameat2: SYS_renameat2, rename: SYS_rename, unlinkat: SYS_unlinkat,
    unlink: SYS_unlink, rmdir: SYS_rmdir, ftruncate: SYS_ftruncate, fsync: SYS_fsync, write: SYS_write,
    pwrite64: SYS_pwrite64, writev: SYS_writev, fchmod: SYS_fchmod, fchmodat: SYS_fchmodat,
    fchown: SYS_fchown, fchownat: SYS_fchownat, mknodat: SYS_mknodat, mount: SYS_mount, umount2: SYS_umount2,
    setpgid: SYS_setpgid, close_range: SYS_close_range, fdatasync: SYS_fdatasync, syncfs: SYS_syncfs,
    fsetxattr: SYS_fsetxattr, utimensat: SYS_utimensat, fallocate: SYS_fallocate,
    copy_file_range: SYS_copy_file_range, sendfile: SYS_sendfile, chroot: SYS_chroot,
    fsopen: SYS_fsopen, fsconfig: SYS_fsconfig, fsmount: SYS_fsmount, move_mount: SYS_move_mount,
    open_tree: SYS_open_tree, mount_setattr: SYS_mount_setattr, pivot_root: SYS_pivot_root,
    sendto: SYS_sendto, sendmsg: SYS_sendmsg, flock: SYS_flock, clone: SYS_clone, clone3: SYS_clone3,
    fork: SYS_fork, vfork: SYS_vfork, setns: SYS_setns, unshare: SYS_unshare, setsid: SYS_setsid,
    prctl: SYS_prctl, kill: SYS_kill, pidfd_send_signal: SYS_pidfd_send_signal, execve: SYS_execve,
    execveat: SYS_execveat, ioctl: SYS_ioctl, sethostname: SYS_sethostname, chdir: SYS_chdir,
    fchdir: SYS_fchdir, setgroups: SYS_setgroups, setresuid: SYS_setresuid, setresgid: SYS_setresgid,
    capset: SYS_capset, seccomp: SYS_seccomp, keyctl: SYS_keyctl, setrlimit: SYS_prlimit64,
    wait4: SYS_wait4, waitid: SYS_waitid, dup3: SYS_dup3, dup2: SYS_dup2, exit_group: SYS_exit_group,
];

/// What makes a descriptor.
const OPEN: &[(i64, &str)] = calls![
    openat: SYS_openat, open: SYS_open, openat2: SYS_openat2, socket: SYS_socket, socketpair: SYS_socketpair,
    pipe2: SYS_pipe2, memfd_create: SYS_memfd_create, pidfd_open: SYS_pidfd_open, fcntl: SYS_fcntl,
    inotify_init1: SYS_inotify_init1, signalfd4: SYS_signalfd4, eventfd2: SYS_eventfd2, dup: SYS_dup,
];

/// What looks.
const READ: &[(i64, &str)] = calls![
    read: SYS_read, pread64: SYS_pread64, readlinkat: SYS_readlinkat, readlink: SYS_readlink, statx: SYS_statx,
    newfstatat: SYS_newfstatat, fstat: SYS_fstat, fstatfs: SYS_fstatfs, getdents64: SYS_getdents64,
    bind: SYS_bind, setsockopt: SYS_setsockopt, recvfrom: SYS_recvfrom, recvmsg: SYS_recvmsg,
    inotify_add_watch: SYS_inotify_add_watch, access: SYS_access, faccessat: SYS_faccessat,
    faccessat2: SYS_faccessat2, getrandom: SYS_getrandom,
];

/// What may be interrupted although nobody waits any longer.
const WAIT: &[(i64, &str)] = calls![
    read: SYS_read, recvfrom: SYS_recvfrom, recvmsg: SYS_recvmsg, poll: SYS_poll, ppoll: SYS_ppoll,
    clock_nanosleep: SYS_clock_nanosleep, getrandom: SYS_getrandom,
];

/// What asks for memory. close(2) is in no list: whatever it returns, the descriptor is gone.
const MEMORY: &[(i64, &str)] = calls![
    mmap: SYS_mmap, brk: SYS_brk, mprotect: SYS_mprotect, poll: SYS_poll, ppoll: SYS_ppoll,
];

/// The call at whose entry a process has stopped.
#[cfg(target_arch = "x86_64")]
pub(crate) fn read(pid: Pid) -> Option<Call> {
    let regs = ptrace::getregs(pid).ok()?;
    Some(Call { number: regs.orig_rax.cast_signed(), third: regs.rdx })
}

/// Has the kernel carry out nothing instead.
#[cfg(target_arch = "x86_64")]
pub(crate) fn skip(pid: Pid) {
    if let Ok(mut regs) = ptrace::getregs(pid) {
        regs.orig_rax = u64::MAX;
        ptrace::setregs(pid, regs).unwrap_or_default(); // it may have been killed
    }
}

/// What a call returns, at its exit.
#[cfg(target_arch = "x86_64")]
pub(crate) fn set_result(pid: Pid, result: i64) {
    if let Ok(mut regs) = ptrace::getregs(pid) {
        regs.rax = result.cast_unsigned();
        ptrace::setregs(pid, regs).unwrap_or_default(); // it may have been killed
    }
}

pub(crate) fn errno(name: &str) -> Option<Errno> {
    [Errno::ENOSPC, Errno::EIO, Errno::ENOMEM, Errno::EINTR, Errno::EMFILE]
        .into_iter()
        .find(|errno| format!("{errno:?}") == name)
}
