//! Hooks of the container's own (`startContainer`): programs of its root that are run before its program,
//! by this process, which is nothing of the host's.
//!
//! In the arguments they are told as: how many; then for each its limit in seconds (0 is none), how many
//! arguments and how many variables it has, its path, the arguments, a string that gives its place to a
//! null, the variables, and one more such string.

use core::ffi::c_char;
use core::ptr::null;

use crate::arch::{self, call1, call3, call4};
use crate::wish::digits;
use crate::{EINTR, SIGCHLD, WNOHANG, exit, mask, tell};

/// The step of a failure of the first hook.
const FIRST: u32 = 0xffff_0000;
const ETIMEDOUT: isize = 110;
const SIGKILL: usize = 9;
const NANOSECONDS: i64 = 1_000_000_000;

/// Runs them all, or ends with a report. Returns where the arguments of the program begin.
pub fn run(mut at: *mut *const c_char, input: usize, output: usize) -> *const *const c_char {
    let waited = 1u64 << (SIGCHLD - 1);
    mask(&waited);
    let count = number(&mut at);
    for step in (FIRST..).take(count) {
        let (seconds, arguments, variables) = (number(&mut at), number(&mut at), number(&mut at));
        let path = next(&mut at);
        let argv = list(&mut at, arguments);
        let envp = list(&mut at, variables);
        // SAFETY: clone without a new stack and without shared memory: fork(2).
        let child = unsafe { arch::clone(SIGCHLD, 0) };
        if child == 0 {
            fail(step, become_hook(path, argv, envp, [input, output]));
        }
        if child < 0 {
            fail(step, -child);
        }
        match wait(child as usize, seconds, &waited) {
            0 => {}
            verdict => fail(step, verdict),
        }
    }
    mask(&0);
    at
}

fn next(at: &mut *mut *const c_char) -> *const c_char {
    // SAFETY: whoever prepared the arguments has put in what they announce.
    let text = unsafe { **at };
    *at = at.wrapping_add(1);
    text
}

fn number(at: &mut *mut *const c_char) -> usize {
    digits(next(at), 0).0
}

/// So many strings, and behind them a null instead of one more.
fn list(at: &mut *mut *const c_char, length: usize) -> *const *const c_char {
    let first = *at;
    let end = first.wrapping_add(length);
    // SAFETY: within the arguments, on the stack of this process, which has one thread.
    unsafe { *end = null() };
    *at = end.wrapping_add(1);
    first
}

/// Returns why it cannot be executed.
fn become_hook(
    path: *const c_char,
    argv: *const *const c_char,
    envp: *const *const c_char,
    [input, output]: [usize; 2],
) -> isize {
    for (from, to) in [(input, 0), (output, 1), (output, 2)] {
        // SAFETY: integers.
        let placed = unsafe { call3(arch::DUP3, from, to, 0) };
        if placed < 0 {
            return -placed;
        }
    }
    // SAFETY: integers. Whoever read it before has left it at its end.
    unsafe { call3(arch::LSEEK, 0, 0, 0) };
    mask(&0);
    // SAFETY: strings and null-terminated arrays, see above.
    -unsafe { call3(arch::EXECVE, path.addr(), argv.addr(), envp.addr()) }
}

/// 0 if it has ended well, `ETIMEDOUT` if it was not done in time, else its negative status.
fn wait(child: usize, seconds: usize, waited: &u64) -> isize {
    let until = now() + seconds as i64 * NANOSECONDS;
    loop {
        if let Some(status) = reap(child, WNOHANG) {
            return status;
        }
        let left = until - now();
        if seconds > 0 && left <= 0 {
            // SAFETY: integers; it was not reaped, so the number is its own.
            unsafe { call3(arch::KILL, child, SIGKILL, 0) };
            reap(child, 0);
            return ETIMEDOUT;
        }
        let time = [left / NANOSECONDS, left % NANOSECONDS];
        let limit = if seconds > 0 { time.as_ptr().addr() } else { 0 };
        // SAFETY: reads eight and sixteen bytes that outlive the call; no siginfo.
        unsafe { call4(arch::RT_SIGTIMEDWAIT, (&raw const *waited).addr(), 0, limit, 8) };
    }
}

/// Its negative status if it has ended.
fn reap(child: usize, options: usize) -> Option<isize> {
    let mut status = 0i32;
    loop {
        // SAFETY: writes an int that outlives the call.
        match unsafe { call4(arch::WAIT4, child, (&raw mut status).addr(), options, 0) } {
            0 => return None,
            errno if errno == -EINTR => {}
            errno if errno < 0 => return Some(-errno),
            _ => return Some(-(status as isize)),
        }
    }
}

fn now() -> i64 {
    const CLOCK_MONOTONIC: usize = 1;
    let mut time = [0i64; 2];
    // SAFETY: writes sixteen bytes.
    unsafe { call3(arch::CLOCK_GETTIME, CLOCK_MONOTONIC, time.as_mut_ptr().addr(), 0) };
    time[0] * NANOSECONDS + time[1]
}

/// The first word counts: if a hook itself has said why it cannot be executed, that is it.
fn fail(step: u32, errno: isize) -> ! {
    mask(&u64::MAX);
    tell(step, errno as u32);
    // SAFETY: an integer; nothing more is said.
    unsafe { call1(arch::CLOSE, crate::report_pipe()) };
    exit(125)
}
