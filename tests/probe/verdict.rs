//! What the system call filter says, without a single call being carried out.
//!
//! A filter of our own is stacked on the container's. It hands every call whose sixth argument is
//! a magic number to a supervisor (seccomp_unotify(2)), which answers with an errno that nobody else
//! uses. Of several filters the sternest decides: so a call that comes back with that errno was
//! allowed by the container's filter, and one that does not was refused by it.

use std::ffi::c_int;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::raw;

const MAGIC: u64 = 0x6c6f_6e67;
/// The supervisor's answer. Any up to 4095 can be an errno.
const REACHED: i64 = -4000;
/// Not answered yet.
const OPEN: i64 = i64::MIN;
const KILLED: i64 = i64::MAX;

unsafe extern "C" {
    fn fork() -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn prctl(option: c_int, ...) -> c_int;
    fn syscall(number: i64, ...) -> i64;
    fn ioctl(fd: c_int, request: u64, ...) -> c_int;
    fn poll(fds: *mut PollFd, count: u64, timeout: c_int) -> c_int;
    fn mmap(at: *mut u8, len: usize, prot: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut u8;
    fn _exit(status: c_int) -> !;
}

#[repr(C)]
struct PollFd {
    fd: c_int,
    events: i16,
    revents: i16,
}

#[repr(C)]
struct Insn {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

#[repr(C)]
struct Program {
    len: u16,
    code: *const Insn,
}

#[cfg(target_arch = "x86_64")]
const SECCOMP: i64 = 317;
#[cfg(target_arch = "aarch64")]
const SECCOMP: i64 = 277;
#[cfg(target_arch = "x86_64")]
const EXIT_GROUP: u64 = 231;
#[cfg(target_arch = "aarch64")]
const EXIT_GROUP: u64 = 94;

/// Prints a verdict for every system call.
pub fn calls() {
    // Kernels from 6.14 on let these two pass every filter, and end who calls them by hand.
    let known = crate::calls::CALLS.iter().filter(|(name, _)| !["uretprobe", "uprobe"].contains(name));
    let known: Vec<_> = known.collect();
    let list: Vec<_> = known.iter().map(|(_, number)| (*number, [0; 5])).collect();
    for ((name, _), verdict) in known.iter().zip(judge(&list)) {
        println!("call {name} {verdict}");
    }
    let next = crate::calls::CALLS.last().map_or(0, |(_, number)| number + 1);
    for ((name, _), verdict) in [("the next", next), ("number 4000", 4000)].iter().zip(judge(&[(next, [0; 5]), (4000, [0; 5])])) {
        println!("call {name} {verdict}");
    }
    #[cfg(target_arch = "x86_64")]
    {
        println!("call x32-getpid {}", judge(&[(0x4000_0000 | 39, [0; 5])])[0]);
        println!("call i386-getpid {}", in_child(raw::i386_getpid));
    }
}

/// Prints verdicts that depend on arguments.
#[cfg(target_arch = "x86_64")]
pub fn arguments() {
    const SOCKET: u64 = 41;
    const CLONE: u64 = 56;
    const IOCTL: u64 = 16;
    const PERSONALITY: u64 = 135;
    let mut names = Vec::new();
    let mut list = Vec::new();
    let mut ask = |name: String, number: u64, args: [u64; 5]| {
        names.push(name);
        list.push((number, args));
    };
    for family in 0..=45 {
        ask(format!("socket family {family}"), SOCKET, [family, 2, 0, 0, 0]);
    }
    ask("socket family 38 + 2^32".into(), SOCKET, [(1 << 32) | 38, 5, 0, 0, 0]);
    let spaces = [("time", 0x80), ("mount", 0x2_0000), ("cgroup", 0x200_0000), ("uts", 0x400_0000),
        ("ipc", 0x800_0000), ("user", 0x1000_0000), ("pid", 0x2000_0000), ("network", 0x4000_0000)];
    ask("clone thread".into(), CLONE, [0x3d_0f00, 0, 0, 0, 0]);
    for (name, flag) in spaces {
        // The lowest byte of clone's flags is the signal, so that a time namespace cannot be asked for.
        if name != "time" {
            ask(format!("clone new {name}"), CLONE, [flag | 17, 0, 0, 0, 0]);
        }
    }
    let requests = [("TCGETS", 0x5401), ("TIOCSTI", 0x5412), ("TIOCLINUX", 0x541c), ("TIOCSCTTY", 0x540e),
        ("TIOCSTI + 2^32", 0x1_0000_5412), ("TIOCLINUX + 2^63", 0x8000_0000_0000_541c)];
    for (name, request) in requests {
        ask(format!("ioctl {name}"), IOCTL, [0, request, 0, 0, 0]);
    }
    for domain in [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff, 0x4_0000, 0x40_0000, 0x2] {
        ask(format!("personality {domain:#x}"), PERSONALITY, [domain, 0, 0, 0, 0]);
    }
    for (name, verdict) in names.iter().zip(judge(&list)) {
        println!("{name} {verdict}");
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub fn arguments() {}

/// The container's verdict for each call.
fn judge(list: &[(u64, [u64; 5])]) -> Vec<String> {
    let results = shared(list.len());
    // SAFETY: one thread; the child leaves by _exit.
    let supervisor = unsafe { fork() };
    if supervisor == 0 {
        supervise(list, results);
    }
    let mut status = 0;
    // SAFETY: a child of ours and a place for its status.
    unsafe { waitpid(supervisor, &raw mut status, 0) };
    if status != 0 {
        return vec![format!("unknown: no supervisor ({status})"); list.len()];
    }
    results.iter().map(|result| word(result.load(Ordering::SeqCst))).collect()
}

fn word(result: i64) -> String {
    match result {
        REACHED => "allowed".into(),
        KILLED => "killed".into(),
        OPEN => "unknown".into(),
        -1 => "EPERM".into(),
        -13 => "EACCES".into(),
        -38 => "ENOSYS".into(),
        other => format!("returned {other}"),
    }
}

/// Memory that survives a fork and is seen by both.
fn shared(count: usize) -> &'static [AtomicI64] {
    // SAFETY: anonymous, readable, writable, shared; zeroed by the kernel, which is a valid AtomicI64.
    let at = unsafe { mmap(null_mut(), count.max(1) * 8, 3, 0x21, -1, 0) };
    assert!(!at.is_null() && at as isize != -1, "mmap");
    // SAFETY: mapped for ever, aligned to a page, of that length.
    let cells = unsafe { std::slice::from_raw_parts(at.cast::<AtomicI64>(), count) };
    cells.iter().for_each(|cell| cell.store(OPEN, Ordering::SeqCst));
    cells
}

/// Installs the filter, has a child make the calls, and answers each that comes through.
fn supervise(list: &[(u64, [u64; 5])], results: &'static [AtomicI64]) -> ! {
    let Some(listener) = listen() else {
        // SAFETY: ends the child.
        unsafe { _exit(1) }
    };
    let mut next = 0;
    while next < list.len() {
        // SAFETY: one thread.
        let caller = unsafe { fork() };
        if caller == 0 {
            make(&list[next..], &results[next..]);
        }
        let died = answer_until_end(listener, caller);
        next = results.iter().position(|r| r.load(Ordering::SeqCst) == OPEN).unwrap_or(list.len());
        if died && next < list.len() {
            results[next].store(KILLED, Ordering::SeqCst);
            next += 1;
        }
    }
    // SAFETY: ends the child.
    unsafe { _exit(0) }
}

fn listen() -> Option<c_int> {
    const SIXTH: u32 = 16 + 8 * 5;
    const USER_NOTIF: u32 = 0x7fc0_0000;
    const ALLOW: u32 = 0x7fff_0000;
    let code = [
        Insn { code: 0x20, jt: 0, jf: 0, k: SIXTH },
        Insn { code: 0x15, jt: 0, jf: 1, k: MAGIC as u32 },
        Insn { code: 0x06, jt: 0, jf: 0, k: USER_NOTIF },
        Insn { code: 0x06, jt: 0, jf: 0, k: ALLOW },
    ];
    let program = Program { len: 4, code: code.as_ptr() };
    // SAFETY: PR_SET_NO_NEW_PRIVS takes integers.
    unsafe { prctl(38, 1_u64, 0_u64, 0_u64, 0_u64) };
    // SAFETY: SECCOMP_SET_MODE_FILTER with SECCOMP_FILTER_FLAG_NEW_LISTENER reads the program.
    let fd = unsafe { syscall(SECCOMP, 1_u64, 8_u64, &raw const program, 0_u64, 0_u64, 0_u64) };
    c_int::try_from(fd).ok().filter(|fd| *fd >= 0)
}

/// The calls, one after the other; nothing else happens in this process.
fn make(list: &[(u64, [u64; 5])], results: &[AtomicI64]) -> ! {
    for ((number, [a, b, c, d, e]), cell) in list.iter().zip(results) {
        // SAFETY: never carried out: the filter hands it to the supervisor, or it is refused.
        let result = unsafe { raw::call(*number, [*a, *b, *c, *d, *e, MAGIC]) };
        cell.store(result, Ordering::SeqCst);
    }
    loop {
        // SAFETY: ends the process.
        unsafe { raw::call(EXIT_GROUP, [0; 6]) };
    }
}

/// Answers until the caller has ended; tells whether a signal has ended it.
fn answer_until_end(listener: c_int, caller: c_int) -> bool {
    const RECV: u64 = 0xc050_2100;
    const SEND: u64 = 0xc018_2101;
    loop {
        let mut ready = PollFd { fd: listener, events: 1, revents: 0 };
        // SAFETY: one element.
        unsafe { poll(&raw mut ready, 1, 20) };
        if ready.revents & 1 != 0 {
            let mut notice = [0_u64; 10];
            // SAFETY: a struct seccomp_notif of 80 bytes, zeroed as the kernel wants it.
            if unsafe { ioctl(listener, RECV, notice.as_mut_ptr()) } == 0 {
                let error = u64::from(REACHED as i32 as u32);
                let answer = [notice[0], 0, error];
                // SAFETY: a struct seccomp_notif_resp: id, value, error and flags.
                unsafe { ioctl(listener, SEND, answer.as_ptr()) };
            }
            continue;
        }
        let mut status = 0;
        // SAFETY: a child of ours; WNOHANG.
        if unsafe { waitpid(caller, &raw mut status, 1) } == caller {
            return status & 0x7f != 0;
        }
    }
}

/// What a call gives that may end the process.
#[cfg(target_arch = "x86_64")]
fn in_child(call: fn() -> i64) -> String {
    // SAFETY: one thread; the child leaves by _exit.
    let child = unsafe { fork() };
    if child == 0 {
        let status = match call() {
            1.. => 0,
            -1 => 1,
            _ => 2,
        };
        // SAFETY: ends the child.
        unsafe { _exit(status) };
    }
    let mut status = 0;
    // SAFETY: a child of ours and a place for its status.
    unsafe { waitpid(child, &raw mut status, 0) };
    match (status & 0x7f, status >> 8) {
        (0, 0) => "allowed".into(),
        (0, 1) => "EPERM".into(),
        // SIGSYS by a filter, SIGSEGV where the kernel has no such gate.
        (31, _) => "killed".into(),
        _ => "no such architecture".into(),
    }
}
