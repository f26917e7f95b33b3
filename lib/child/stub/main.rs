//! What is executed first in every container: a program of its own that executes the user's.
//!
//! A program can name the file that it was started from, `/proc/self/exe`, and while that is a binary
//! of the host, a hostile image can have it executed by its own interpreter line and then
//! overwrite it (CVE-2019-5736). So the last image of ours is this one: a few pages in a sealed memory
//! file that belongs to nobody.
//!
//! With `--` as its first argument it stays as process 1 (`--init`): it starts the program as
//! its child, passes signals on and reaps what nobody waits for. With `-e` it becomes the program.
//! What follows is the program and its arguments.
//!
//! Descriptor 3 is the report pipe, or the one whose number follows the first argument (`-e5`). With a
//! `w` behind that (`-e5w`), the start of the program waits: the stub tells on the report pipe that it is
//! ready, waits for one byte from the next descriptor (6), and reports from there on to the one behind
//! that (7). With an `h` it runs hooks before the program (`hooks.rs`), which precede it in the arguments;
//! they read the third descriptor behind the report pipe (8) and write to the fourth. It waits here and not before, because a process that is a few pages of ours and whose file
//! belongs to nobody may be seen by anybody for any time.
//!
//! An `a` or an `s` says that labels of the program precede even those: see `label.rs`.
//!
//! A `b` has it born in the pid namespace that children of this process belong to: see `born.rs`.
//! No allocator, no C library; linked static, at a fixed address.
#![no_std]
#![no_main]

mod arch;
mod born;
mod hooks;
mod init;
mod label;
mod wish;

use core::ffi::c_char;
use core::ptr::{addr_of_mut, null};

use arch::{call1, call3, call4};
use wish::Wish;

/// As in `child::Failure`.
const READY: u32 = u32::MAX - 1;
const ENOENT: isize = 2;
const EINTR: isize = 4;
const EACCES: isize = 13;
const ENOTDIR: isize = 20;
const ENAMETOOLONG: isize = 36;
const ECANCELED: isize = 125;
const SIGCHLD: usize = 17;
const WNOHANG: usize = 1;
const F_SETFD: usize = 2;
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The report pipe.
static mut REPORT: usize = 3;

/// A candidate for the program's path.
static mut CANDIDATE: [u8; 4096] = [0; 4096];

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(125)
}

fn exit(status: usize) -> ! {
    loop {
        // SAFETY: takes an integer and ends the process.
        unsafe { call1(arch::EXIT_GROUP, status) };
    }
}

/// The kernel's view of a new program: argc, then pointers to arguments, null, environment, null.
///
/// # Safety
/// `stack` is the stack pointer at the entry of the process.
#[unsafe(no_mangle)]
unsafe extern "C" fn begin(stack: *const usize) -> ! {
    // SAFETY: the layout above is the kernel's promise (execve(2), System V ABI).
    let (argc, argv) = unsafe { (*stack, stack.add(1).cast::<*const c_char>()) };
    if argc < 3 {
        exit(125);
    }
    // SAFETY: argc pointers, a null and the environment follow; the program is argument 2.
    let (mode, mut program, envp) = unsafe { (*argv.add(1), argv.add(2), argv.add(argc + 1)) };
    // SAFETY: the first two bytes of a string that has at least one and a NUL.
    let stay = unsafe { *mode.cast::<[u8; 2]>() } == *b"--";
    let mut wish = Wish::read(mode);
    // SAFETY: there is one thread.
    unsafe { REPORT = wish.report };
    close_at_exec(wish.report);
    if wish.labels.any() {
        // Before the birth, which it is handed on over, and before anything waits.
        program = wish.labels.take(program, wish.report + 5, wish.word);
        if !stay {
            wish.labels.done();
        }
    }
    if let Some(birth) = wish.born {
        birth.happen(wish.word);
    }
    if wish.waits {
        wait_for_start(wish.report + 1, wish.report + 2);
    }
    if wish.hooks {
        close_at_exec(wish.report + 3);
        close_at_exec(wish.report + 4);
        program = hooks::run(program.cast_mut(), wish.report + 3, wish.report + 4);
    }
    if stay { init::stay(program, envp, &wish.labels) } else { become_program(program, envp) }
}

/// The program must not have this descriptor: whoever started us waits for its end. (A filter of the
/// user's may refuse this call.)
fn close_at_exec(number: usize) {
    // SAFETY: integers.
    let closing = unsafe { call3(arch::FCNTL, number, F_SETFD, 1) };
    if closing < 0 {
        report(-closing);
    }
}

/// Says that all is ready, and waits for one byte.
fn wait_for_start(go: usize, report_to: usize) {
    close_at_exec(go);
    close_at_exec(report_to);
    tell(READY, 0);
    // SAFETY: an integer. Nobody hears what comes later on this one.
    unsafe { call1(arch::CLOSE, report_pipe()) };
    // SAFETY: there is one thread.
    unsafe { REPORT = report_to };
    let mut byte = 0u8;
    loop {
        // SAFETY: writes one byte to a place that outlives the call.
        match unsafe { call3(arch::READ, go, (&raw mut byte).addr(), 1) } {
            1 => return,
            0 => report(ECANCELED),
            errno if errno == -EINTR => {}
            errno => report(-errno),
        }
    }
}

fn mask(set: &u64) {
    const SIG_SETMASK: usize = 2;
    // SAFETY: reads eight bytes that outlive the call.
    unsafe { call4(arch::RT_SIGPROCMASK, SIG_SETMASK, core::ptr::from_ref(set).addr(), 0, 8) };
}

/// Executes the program, or reports why not and ends.
///
/// As `execvp(3)`, with the container's `PATH`: what is not there leads to the next directory, what may
/// not be executed is remembered, everything else ends the search. An empty element would mean the
/// working directory, which is nobody's intention, and is skipped.
fn become_program(program: *const *const c_char, envp: *const *const c_char) -> ! {
    // SAFETY: argc was at least 3, so there is a string.
    let name = unsafe { *program };
    let length = len(name);
    if length == 0 {
        report(ENOENT);
    }
    if contains_slash(name, length) {
        report(execute(name, program, envp));
    }
    let (mut path, mut left) = search_path(envp);
    let mut verdict = ENOENT;
    while left > 0 {
        let dir = directory(path, left);
        if dir > 0 {
            match join(path, dir, name, length) {
                true => match execute(addr_of_mut!(CANDIDATE).cast(), program, envp) {
                    ENOENT | ENOTDIR => {}
                    EACCES => verdict = EACCES,
                    errno => report(errno),
                },
                false => verdict = ENAMETOOLONG,
            }
        }
        let step = if dir < left { dir + 1 } else { dir };
        path = path.wrapping_add(step);
        left -= step;
    }
    report(verdict)
}

fn execute(path: *const c_char, argv: *const *const c_char, envp: *const *const c_char) -> isize {
    // SAFETY: strings and null-terminated arrays, as the kernel gave them to us.
    -unsafe { call3(arch::EXECVE, path.addr(), argv.addr(), envp.addr()) }
}

/// Eight bytes: the step (the exec, by convention the largest number) and the errno.
fn report(errno: isize) -> ! {
    fail(u32::MAX, errno)
}

fn fail(step: u32, errno: isize) -> ! {
    // If nobody listens any more, the status still tells; SIGPIPE would replace it.
    mask(&u64::MAX);
    tell(step, errno as u32);
    exit(if errno == ENOENT || errno == ENOTDIR { 127 } else { 126 })
}

fn tell(step: u32, errno: u32) {
    let record = [step, errno];
    // SAFETY: reads eight bytes.
    unsafe { call3(arch::WRITE, report_pipe(), record.as_ptr().addr(), 8) };
}

fn report_pipe() -> usize {
    // SAFETY: written once, before anything reads it; there is one thread.
    unsafe { REPORT }
}

/// The last `PATH` of the environment, with its length.
fn search_path(mut envp: *const *const c_char) -> (*const u8, usize) {
    let mut found = (DEFAULT_PATH.as_ptr(), DEFAULT_PATH.len());
    loop {
        // SAFETY: walks the null-terminated array.
        let line = unsafe { *envp };
        if line == null() {
            return found;
        }
        if starts_with_path(line) {
            let value = line.cast::<u8>().wrapping_add(5);
            found = (value, len(value.cast()));
        }
        envp = envp.wrapping_add(1);
    }
}

fn starts_with_path(line: *const c_char) -> bool {
    let mut at = 0;
    for wanted in *b"PATH=" {
        // SAFETY: stops at the first byte that differs, at the latest at the NUL.
        if unsafe { *line.cast::<u8>().wrapping_add(at) } != wanted {
            return false;
        }
        at += 1;
    }
    true
}

fn len(text: *const c_char) -> usize {
    let mut at = 0;
    // Volatile, so that the compiler does not make a call of a C library's strlen of it.
    // SAFETY: strings of the kernel end with a NUL.
    while unsafe { text.wrapping_add(at).read_volatile() } != 0 {
        at += 1;
    }
    at
}

fn contains_slash(text: *const c_char, length: usize) -> bool {
    // SAFETY: `length` bytes are there.
    (0..length).any(|at| unsafe { *text.cast::<u8>().wrapping_add(at) } == b'/')
}

/// Length of the first element of a path list.
fn directory(path: *const u8, left: usize) -> usize {
    // SAFETY: `left` bytes are there.
    (0..left).find(|at| unsafe { *path.wrapping_add(*at) } == b':').unwrap_or(left)
}

/// Writes `dir/name` to the buffer; false if it does not fit.
fn join(dir: *const u8, dir_len: usize, name: *const c_char, name_len: usize) -> bool {
    if dir_len + name_len + 2 > 4096 {
        return false;
    }
    copy(0, dir, dir_len);
    copy(dir_len, b"/".as_ptr(), 1);
    // With the NUL.
    copy(dir_len + 1, name.cast(), name_len + 1);
    true
}

/// Volatile, so that the compiler does not make a call of a C library's memcpy of it.
fn copy(to: usize, from: *const u8, length: usize) {
    let buffer = addr_of_mut!(CANDIDATE).cast::<u8>();
    for at in 0..length {
        // SAFETY: `join` has checked that all fits; there is one thread.
        unsafe { buffer.wrapping_add(to + at).write_volatile(*from.wrapping_add(at)) };
    }
}
