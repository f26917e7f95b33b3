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
            number => CHANGE.iter().any(|(known, _)| *known == number),
        }
    }

    /// Whether a program has to expect that it fails for want of something.
    pub(crate) fn may_fail(&self) -> bool {
        self.number == libc::SYS_openat || MAY_FAIL.iter().any(|(known, _)| *known == self.number)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = CHANGE.iter().chain(MAY_FAIL).find(|(known, _)| *known == self.number);
        f.write_str(known.map_or("openat", |(_, name)| name))
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

const MAY_FAIL: &[(i64, &str)] = calls![
    openat2: SYS_openat2, read: SYS_read, pread64: SYS_pread64, readlinkat: SYS_readlinkat,
    statx: SYS_statx, newfstatat: SYS_newfstatat, fstat: SYS_fstat, getdents64: SYS_getdents64,
    socket: SYS_socket, socketpair: SYS_socketpair, bind: SYS_bind, recvfrom: SYS_recvfrom,
    recvmsg: SYS_recvmsg, pipe2: SYS_pipe2, memfd_create: SYS_memfd_create, pidfd_open: SYS_pidfd_open,
    fcntl: SYS_fcntl, inotify_init1: SYS_inotify_init1, inotify_add_watch: SYS_inotify_add_watch,
    faccessat: SYS_faccessat, faccessat2: SYS_faccessat2, getrandom: SYS_getrandom,
    signalfd4: SYS_signalfd4, eventfd2: SYS_eventfd2, dup: SYS_dup,
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
