//! Process 1 of ours (`--init`): starts the program as its child, passes signals on, and reaps.

use core::ffi::c_char;

use crate::arch::{self, call1, call3, call4};
use crate::label::Labels;
use crate::{SIGCHLD, WNOHANG, become_program, exit, mask, report, report_pipe, tell};

/// As in `child::Failure`.
const DIED: u32 = u32::MAX - 9;
const ECHILD: isize = 10;
const O_CLOEXEC: usize = 0o2_000_000;
const PR_SET_NAME: usize = 15;
const TIOCSPGRP: usize = 0x5410;
/// Only children that have not executed anything yet, if they were made with no signal for their end.
const WCLONE: usize = 0x8000_0000;

/// Starts the program and stays.
pub fn stay(program: *const *const c_char, envp: *const *const c_char, labels: &Labels) -> ! {
    let all = u64::MAX;
    mask(&all);
    let watch = Watch::new();
    // SAFETY: clone without a new stack and without shared memory: fork(2).
    let child = unsafe { arch::clone(if watch.is_some() { 0 } else { SIGCHLD }, 0) };
    if child == 0 {
        lead();
        become_program(program, envp);
    }
    if child < 0 {
        report(-child);
    }
    labels.confine_init();
    if let Some(watch) = watch {
        watch.until_executed(child);
    }
    // What ps shows; the name of a memory file says nothing. Not before: under that one we have not run
    // the program yet (`Plan::never_ran` in `lib/runtime/src/launch.rs`).
    // SAFETY: reads a string that ends with a NUL; a refusal changes a name only.
    unsafe { call3(arch::PRCTL, PR_SET_NAME, c"longshore-init".as_ptr().addr(), 0) };
    // SAFETY: an integer; nobody reports from here on.
    unsafe { call1(arch::CLOSE, report_pipe()) };
    loop {
        // SAFETY: waits for any of the set; no siginfo, no timeout.
        let signal = unsafe { call4(arch::RT_SIGTIMEDWAIT, (&raw const all).addr(), 0, 0, 8) };
        if signal == SIGCHLD as isize {
            reap(child);
        } else if signal > 0 {
            // SAFETY: integers; a child that has just ended is found by the next SIGCHLD.
            unsafe { call3(arch::KILL, child as usize, signal as usize, 0) };
        }
    }
}

/// The child gets its own group, in the foreground if there is a terminal: Ctrl-C is for it.
fn lead() {
    // SAFETY: integers.
    unsafe { call3(arch::SETPGID, 0, 0, 0) };
    // SAFETY: takes nothing.
    let group = unsafe { call1(arch::GETPID, 0) } as u32;
    // SAFETY: reads an int; without a terminal it fails, which is fine.
    unsafe { call3(arch::IOCTL, 0, TIOCSPGRP, (&raw const group).addr()) };
    mask(&0);
}

/// A pipe that the child's exec closes, or its death.
struct Watch([i32; 2]);

impl Watch {
    /// `None` if the program's filter refuses it: then a death before the exec is like one after it.
    fn new() -> Option<Self> {
        let mut ends = [0; 2];
        // SAFETY: writes two ints, which are there.
        let made = unsafe { call3(arch::PIPE2, (&raw mut ends).addr(), O_CLOEXEC, 0) };
        (made == 0).then_some(Self(ends))
    }

    /// Waits until the child is the program. If it is dead before, the parent is told so.
    ///
    /// It was made with no signal for its end, and the exec gives it `SIGCHLD` (`de_thread()` in
    /// Linux, `fs/exec.c`), so that what can be waited for with `__WCLONE` (wait(2)) has executed nothing.
    fn until_executed(self, child: isize) {
        let Self([read, write]) = self;
        let (mut byte, mut status) = (0u8, 0i32);
        // SAFETY: an integer; the child has its own.
        unsafe { call1(arch::CLOSE, write as usize) };
        // SAFETY: writes one byte at most to a place that outlives the call. No signal can interrupt it.
        unsafe { call3(arch::READ, read as usize, (&raw mut byte).addr(), 1) };
        // SAFETY: an integer.
        unsafe { call1(arch::CLOSE, read as usize) };
        let mut wait = |options| {
            // SAFETY: writes an int that outlives the call.
            unsafe { call4(arch::WAIT4, child as usize, (&raw mut status).addr(), options, 0) }
        };
        let found = wait(WCLONE | WNOHANG);
        if found == -ECHILD {
            return;
        }
        if found == child || wait(WCLONE) == child {
            tell(DIED, status as u32);
            exit(125);
        }
    }
}

/// Reaps all that have ended; ends with the child's status if it is among them.
fn reap(child: isize) {
    loop {
        let mut status = 0i32;
        // SAFETY: writes an int that outlives the call.
        let pid = unsafe { call4(arch::WAIT4, usize::MAX, (&raw mut status).addr(), WNOHANG, 0) };
        if pid <= 0 {
            return;
        }
        if pid == child {
            let signal = status & 0x7f;
            let code = if signal == 0 { (status >> 8) & 0xff } else { 128 + signal };
            exit(code as usize);
        }
    }
}
