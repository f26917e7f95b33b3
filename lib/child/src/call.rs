//! System calls: one function each, an errno instead of -1.

use core::ffi::{CStr, c_char, c_int, c_long, c_void};
use core::mem::{size_of, size_of_val, zeroed};
use core::ptr::{null, null_mut};

use crate::{Attr, Errno, Fd};

/// Resolve as the container will: `/` and `..` stay inside.
pub const IN_ROOT: u64 = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
/// Refuse every symbolic link and everything above.
pub const PLAIN: u64 = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS;

const MOVE_MOUNT_F_EMPTY_PATH: c_long = 0x4;
const MOVE_MOUNT_T_EMPTY_PATH: c_long = 0x40;
const OPEN_TREE_CLONE: c_long = 1;
const FSCONFIG_SET_FLAG: c_long = 0;
const FSCONFIG_SET_STRING: c_long = 1;
const FSCONFIG_CMD_CREATE: c_long = 6;

#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// Turns the result of a C call into errno.
pub fn check(result: c_long) -> Result<c_long, Errno> {
    if result == -1 {
        // SAFETY: the C library's errno of this thread; always valid.
        let at = unsafe { libc::__errno_location() };
        // SAFETY: see above; read only.
        return Err(unsafe { *at });
    }
    Ok(result)
}

macro_rules! sys {
    ($nr:ident $(, $arg:expr)* $(,)?) => {
        // SAFETY: each pointer argument comes from a reference that outlives the call, and the kernel
        // writes only where the caller below hands out a mutable one of the size that it states.
        check(unsafe { libc::syscall(libc::$nr $(, $arg)*) })
    };
}

mod running;
pub use running::*;
mod label;
pub use label::*;

#[expect(clippy::cast_possible_truncation, reason = "the kernel returns an int")]
const fn fd(raw: c_long) -> Fd {
    raw as Fd
}

pub fn close(fd: Fd) {
    // Nothing to do about an error: the descriptor is gone either way (close(2), NOTES).
    let _gone = sys!(SYS_close, fd);
}

pub fn close_range(first: u32, last: u32, flags: u32) -> Result<(), Errno> {
    sys!(SYS_close_range, first, last, flags).map(drop)
}

pub fn write(fd: Fd, bytes: &[u8]) -> Result<usize, Errno> {
    sys!(SYS_write, fd, bytes.as_ptr(), bytes.len()).map(c_long::unsigned_abs).map(|n| n as usize)
}

pub fn read(fd: Fd, buffer: &mut [u8]) -> Result<usize, Errno> {
    sys!(SYS_read, fd, buffer.as_mut_ptr(), buffer.len()).map(c_long::unsigned_abs).map(|n| n as usize)
}

pub fn open(dir: Fd, path: &CStr, flags: c_int, mode: u32) -> Result<Fd, Errno> {
    sys!(SYS_openat, dir, path.as_ptr(), flags | libc::O_CLOEXEC, mode).map(fd)
}

pub fn openat2(dir: Fd, path: &CStr, flags: c_int, resolve: u64) -> Result<Fd, Errno> {
    // SAFETY: plain integers; all zero is a valid value.
    let mut how: libc::open_how = unsafe { zeroed() };
    how.flags = u64::from((flags | libc::O_CLOEXEC).cast_unsigned());
    how.resolve = resolve;
    loop {
        // EAGAIN: something was renamed on the way and the kernel could not prove that we stayed inside.
        match sys!(SYS_openat2, dir, path.as_ptr(), &raw const how, size_of::<libc::open_how>()) {
            Err(libc::EAGAIN | libc::EINTR) => {}
            done => return done.map(fd),
        }
    }
}

pub fn mkdirat(dir: Fd, name: &CStr, mode: u32) -> Result<(), Errno> {
    sys!(SYS_mkdirat, dir, name.as_ptr(), mode).map(drop)
}

pub fn mknodat(dir: Fd, name: &CStr, mode: u32, device: u64) -> Result<(), Errno> {
    sys!(SYS_mknodat, dir, name.as_ptr(), mode, device).map(drop)
}

pub fn fchownat(dir: Fd, name: &CStr, uid: u32, gid: u32) -> Result<(), Errno> {
    sys!(SYS_fchownat, dir, name.as_ptr(), uid, gid, libc::AT_SYMLINK_NOFOLLOW).map(drop)
}

pub fn symlinkat(to: &CStr, dir: Fd, name: &CStr) -> Result<(), Errno> {
    sys!(SYS_symlinkat, to.as_ptr(), dir, name.as_ptr()).map(drop)
}

/// Reads what an open link says. As long as the buffer is: cut off, maybe.
pub fn readlink(link: Fd, buffer: &mut [u8]) -> Result<usize, Errno> {
    let read = sys!(SYS_readlinkat, link, c"".as_ptr(), buffer.as_mut_ptr(), buffer.len());
    read.map(c_long::unsigned_abs).map(|n| n as usize)
}

pub fn fstat(of: Fd) -> Result<libc::stat, Errno> {
    // SAFETY: plain integers; all zero is a valid value.
    let mut stat: libc::stat = unsafe { zeroed() };
    // SAFETY: a buffer of the right type that outlives the call.
    check(c_long::from(unsafe { libc::fstat(of, &raw mut stat) }))?;
    Ok(stat)
}

/// Tells whether the effective user may execute the file (faccessat2(2), Linux 5.8).
pub fn may_execute(file: Fd) -> Result<(), Errno> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_EACCESS;
    sys!(SYS_faccessat2, file, c"".as_ptr(), libc::X_OK, flags).map(drop)
}

pub fn filesystem(of: Fd) -> Result<i64, Errno> {
    // SAFETY: plain integers; all zero is a valid value.
    let mut stat: libc::statfs = unsafe { zeroed() };
    // SAFETY: a buffer of the right type that outlives the call.
    check(c_long::from(unsafe { libc::fstatfs(of, &raw mut stat) }))?;
    Ok(stat.f_type)
}

/// Returns the number of the mount that an open file is on (Linux 5.8).
pub fn mount_id(of: Fd) -> Result<u64, Errno> {
    // SAFETY: plain integers; all zero is a valid value.
    let mut stat: libc::statx = unsafe { zeroed() };
    let flags = libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
    sys!(SYS_statx, of, c"".as_ptr(), flags, libc::STATX_MNT_ID, &raw mut stat)?;
    if stat.stx_mask & libc::STATX_MNT_ID == 0 { Err(libc::ENOSYS) } else { Ok(stat.stx_mnt_id) }
}

pub fn fchdir(to: Fd) -> Result<(), Errno> {
    sys!(SYS_fchdir, to).map(drop)
}

/// Returns the first byte of the working directory's name.
pub fn getcwd_first() -> Result<u8, Errno> {
    let mut buffer = [0u8; 4096];
    sys!(SYS_getcwd, buffer.as_mut_ptr(), buffer.len())?;
    Ok(buffer.first().copied().unwrap_or(0))
}

pub fn fsopen(kind: &CStr) -> Result<Fd, Errno> {
    sys!(SYS_fsopen, kind.as_ptr(), 1 as c_long).map(fd)
}

pub fn fsconfig_set(fs: Fd, key: &CStr, value: Option<&CStr>) -> Result<(), Errno> {
    let (command, value) = match value {
        Some(value) => (FSCONFIG_SET_STRING, value.as_ptr()),
        None => (FSCONFIG_SET_FLAG, null()),
    };
    sys!(SYS_fsconfig, fs, command, key.as_ptr(), value, 0 as c_long).map(drop)
}

pub fn fsconfig_create(fs: Fd) -> Result<(), Errno> {
    sys!(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, null::<c_char>(), null::<c_char>(), 0 as c_long).map(drop)
}

pub fn fsmount(fs: Fd, attr: Attr) -> Result<Fd, Errno> {
    sys!(SYS_fsmount, fs, 1 as c_long, attr).map(fd)
}

pub fn clone_tree(of: Fd, recursive: bool) -> Result<Fd, Errno> {
    let deep = if recursive { c_long::from(libc::AT_RECURSIVE) } else { 0 };
    let flags = OPEN_TREE_CLONE | c_long::from(libc::O_CLOEXEC) | c_long::from(libc::AT_EMPTY_PATH) | deep;
    sys!(SYS_open_tree, of, c"".as_ptr(), flags).map(fd)
}

pub fn move_mount(tree: Fd, to: Fd) -> Result<(), Errno> {
    let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    sys!(SYS_move_mount, tree, c"".as_ptr(), to, c"".as_ptr(), flags).map(drop)
}

pub fn move_mount_to(tree: Fd, path: &CStr) -> Result<(), Errno> {
    let flags = MOVE_MOUNT_F_EMPTY_PATH;
    sys!(SYS_move_mount, tree, c"".as_ptr(), libc::AT_FDCWD, path.as_ptr(), flags).map(drop)
}

pub fn mount_alter(of: Fd, set: Attr, clear: Attr, recursive: bool) -> Result<(), Errno> {
    mount_change(of, &MountAttr { set, clear, propagation: 0, userns: 0 }, recursive)
}

pub fn mount_set(of: Fd, set: Attr, recursive: bool) -> Result<(), Errno> {
    mount_change(of, &MountAttr { set, clear: 0, propagation: 0, userns: 0 }, recursive)
}

pub fn mount_propagate(of: Fd, propagation: u64, recursive: bool) -> Result<(), Errno> {
    mount_change(of, &MountAttr { set: 0, clear: 0, propagation, userns: 0 }, recursive)
}

fn mount_change(of: Fd, attr: &MountAttr, recursive: bool) -> Result<(), Errno> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    sys!(SYS_mount_setattr, of, c"".as_ptr(), flags, &raw const *attr, size_of::<MountAttr>()).map(drop)
}

pub fn propagation(flags: u64) -> Result<(), Errno> {
    sys!(SYS_mount, c"".as_ptr(), c"/".as_ptr(), null::<c_char>(), flags, null::<c_void>()).map(drop)
}

pub fn pivot_root_here() -> Result<(), Errno> {
    sys!(SYS_pivot_root, c".".as_ptr(), c".".as_ptr()).map(drop)
}

pub fn chroot_here() -> Result<(), Errno> {
    sys!(SYS_chroot, c".".as_ptr()).map(drop)
}

pub fn detach_here() -> Result<(), Errno> {
    sys!(SYS_umount2, c".".as_ptr(), libc::MNT_DETACH).map(drop)
}

pub fn detach(path: &CStr) -> Result<(), Errno> {
    sys!(SYS_umount2, path.as_ptr(), libc::MNT_DETACH | libc::UMOUNT_NOFOLLOW).map(drop)
}

pub fn chdir_root() -> Result<(), Errno> {
    sys!(SYS_chdir, c"/".as_ptr()).map(drop)
}

pub fn setns(to: Fd, flags: c_int) -> Result<(), Errno> {
    sys!(SYS_setns, to, flags).map(drop)
}

pub fn unshare(flags: c_int) -> Result<(), Errno> {
    sys!(SYS_unshare, flags).map(drop)
}

pub fn setsid() -> Result<(), Errno> {
    sys!(SYS_setsid).map(drop)
}

pub fn umask(mode: u32) {
    // umask(2) cannot fail.
    let _old = sys!(SYS_umask, mode);
}

pub fn personality(domain: u64) -> Result<(), Errno> {
    sys!(SYS_personality, domain).map(drop)
}

/// `attr` is a `struct sched_attr`, which begins with its own size.
pub fn sched_setattr(attr: &[u8]) -> Result<(), Errno> {
    if attr.len() < 48 {
        return Err(libc::EINVAL);
    }
    sys!(SYS_sched_setattr, 0 as c_long, attr.as_ptr(), 0 as c_long).map(drop)
}

pub fn sched_setaffinity(mask: &[u64]) -> Result<(), Errno> {
    let bytes = size_of_val(mask);
    sys!(SYS_sched_setaffinity, 0 as c_long, bytes, mask.as_ptr()).map(drop)
}

pub fn ioprio_set(value: u32) -> Result<(), Errno> {
    const IOPRIO_WHO_PROCESS: c_long = 1;
    sys!(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0 as c_long, value).map(drop)
}

pub fn set_mempolicy(mode: u32, nodes: &[u64]) -> Result<(), Errno> {
    // The kernel looks at one bit less than it is told of (set_mempolicy(2), BUGS of old libraries).
    let bits = match nodes.len() {
        0 => 0,
        words => words.wrapping_mul(64).wrapping_add(1),
    };
    sys!(SYS_set_mempolicy, mode, nodes.as_ptr(), bits).map(drop)
}

pub fn prctl(option: c_int, a: u64, b: u64) -> Result<(), Errno> {
    sys!(SYS_prctl, option, a, b, 0 as c_long, 0 as c_long).map(drop)
}

pub fn keyctl_join_anonymous() -> Result<(), Errno> {
    const KEYCTL_JOIN_SESSION_KEYRING: c_long = 1;
    sys!(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, null::<c_char>()).map(drop)
}

pub fn sethostname(name: &[u8]) -> Result<(), Errno> {
    sys!(SYS_sethostname, name.as_ptr(), name.len()).map(drop)
}

pub fn setdomainname(name: &[u8]) -> Result<(), Errno> {
    sys!(SYS_setdomainname, name.as_ptr(), name.len()).map(drop)
}

pub fn setrlimit(resource: u32, soft: u64, hard: u64) -> Result<(), Errno> {
    let limit = [soft, hard];
    sys!(SYS_prlimit64, 0 as c_long, resource, limit.as_ptr(), null_mut::<u64>()).map(drop)
}

pub fn dup_to(from: Fd, to: Fd) -> Result<(), Errno> {
    if from == to {
        // dup3(2) refuses this; only the close-on-exec flag has to go.
        return sys!(SYS_fcntl, to, libc::F_SETFD, 0 as c_long).map(drop);
    }
    sys!(SYS_dup3, from, to, 0 as c_long).map(drop)
}

pub fn take_terminal() -> Result<(), Errno> {
    sys!(SYS_ioctl, 0 as c_long, libc::TIOCSCTTY, 0 as c_long).map(drop)
}

pub fn setgroups(groups: &[u32]) -> Result<(), Errno> {
    sys!(SYS_setgroups, groups.len(), groups.as_ptr()).map(drop)
}

pub fn setresgid(gid: u32) -> Result<(), Errno> {
    sys!(SYS_setresgid, gid, gid, gid).map(drop)
}

pub fn setresuid(uid: u32) -> Result<(), Errno> {
    sys!(SYS_setresuid, uid, uid, uid).map(drop)
}

#[expect(clippy::cast_possible_truncation, reason = "the kernel takes each mask in two halves")]
pub fn capset(effective: u64, permitted: u64, inheritable: u64) -> Result<(), Errno> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let data = [
        effective as u32,
        permitted as u32,
        inheritable as u32,
        effective.wrapping_shr(32) as u32,
        permitted.wrapping_shr(32) as u32,
        inheritable.wrapping_shr(32) as u32,
    ];
    sys!(SYS_capset, header.as_ptr(), data.as_ptr()).map(drop)
}

/// Returns the descriptor of the listener, if the flags ask for one.
pub fn seccomp(flags: u32, filter: &[libc::sock_filter]) -> Result<Fd, Errno> {
    let Ok(len) = u16::try_from(filter.len()) else { return Err(libc::EINVAL) };
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut() };
    sys!(SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program).map(fd)
}

/// Gives signal `number` its default action.
pub fn default_signal(number: c_int) {
    // The kernel's struct sigaction: handler, flags, restorer, mask. All zero is SIG_DFL.
    let action = [0usize; 4];
    // SIGKILL and SIGSTOP refuse; they are at their default anyway.
    let _refused = sys!(SYS_rt_sigaction, number, action.as_ptr(), null_mut::<usize>(), 8 as c_long);
}

pub fn unblock_signals() -> Result<(), Errno> {
    let none = 0u64;
    sys!(SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const none, null_mut::<u64>(), 8 as c_long).map(drop)
}

/// From here on a write to a pipe without a reader is an error and not the end.
pub fn block_sigpipe() {
    let set = 1u64.wrapping_shl(12); // signal 13
    let _old = sys!(SYS_rt_sigprocmask, libc::SIG_BLOCK, &raw const set, null_mut::<u64>(), 8 as c_long);
}

pub fn socket_route() -> Result<Fd, Errno> {
    sys!(SYS_socket, libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE).map(fd)
}

pub fn execveat(image: Fd, argv: &[*const c_char], envp: &[*const c_char]) -> Errno {
    match sys!(SYS_execveat, image, c"".as_ptr(), argv.as_ptr(), envp.as_ptr(), libc::AT_EMPTY_PATH) {
        Err(errno) => errno,
        Ok(_) => libc::EINVAL, // execve(2) does not return on success
    }
}

pub fn exit(status: c_int) -> ! {
    loop {
        let _never = sys!(SYS_exit_group, status);
    }
}

/// `clone3(2)`. Returns 0 in the child.
pub fn clone3(args: &libc::clone_args) -> Result<libc::pid_t, Errno> {
    sys!(SYS_clone3, core::ptr::from_ref(args), size_of::<libc::clone_args>()).map(fd)
}
