//! System calls without a C library.

#[cfg(target_arch = "x86_64")]
mod this {
    use core::arch::{asm, global_asm};

    // The kernel gives an aligned stack pointer to what is on it.
    global_asm!(".globl _start", "_start:", "xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call begin", "ud2");

    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const CLOSE: usize = 3;
    pub const LSEEK: usize = 8;
    pub const RT_SIGPROCMASK: usize = 14;
    pub const IOCTL: usize = 16;
    pub const GETPID: usize = 39;
    pub const EXECVE: usize = 59;
    pub const WAIT4: usize = 61;
    pub const KILL: usize = 62;
    pub const FCNTL: usize = 72;
    pub const SETPGID: usize = 109;
    pub const SETSID: usize = 112;
    pub const RT_SIGTIMEDWAIT: usize = 128;
    pub const PRCTL: usize = 157;
    pub const CLOCK_GETTIME: usize = 228;
    pub const EXIT_GROUP: usize = 231;
    pub const OPENAT: usize = 257;
    pub const DUP3: usize = 292;
    pub const PIPE2: usize = 293;
    pub const CLONE: usize = 56;

    /// # Safety
    /// As the system call with these arguments.
    pub unsafe fn call5(number: usize, a: usize, b: usize, c: usize, d: usize, e: usize) -> isize {
        let result;
        // SAFETY: the caller's; the kernel clobbers rcx and r11 only.
        unsafe {
            asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
                in("r8") e, lateout("rcx") _, lateout("r11") _, options(nostack));
        }
        result
    }
}

#[cfg(target_arch = "aarch64")]
mod this {
    use core::arch::{asm, global_asm};

    global_asm!(".globl _start", "_start:", "mov x29, #0", "mov x30, #0", "mov x0, sp", "bl begin", "brk #1");

    pub const DUP3: usize = 24;
    pub const FCNTL: usize = 25;
    pub const IOCTL: usize = 29;
    pub const OPENAT: usize = 56;
    pub const CLOSE: usize = 57;
    pub const PIPE2: usize = 59;
    pub const LSEEK: usize = 62;
    pub const READ: usize = 63;
    pub const WRITE: usize = 64;
    pub const EXIT_GROUP: usize = 94;
    pub const CLOCK_GETTIME: usize = 113;
    pub const KILL: usize = 129;
    pub const RT_SIGPROCMASK: usize = 135;
    pub const RT_SIGTIMEDWAIT: usize = 137;
    pub const SETPGID: usize = 154;
    pub const SETSID: usize = 157;
    pub const PRCTL: usize = 167;
    pub const GETPID: usize = 172;
    pub const EXECVE: usize = 221;
    pub const WAIT4: usize = 260;
    pub const CLONE: usize = 220;

    /// # Safety
    /// As the system call with these arguments.
    pub unsafe fn call5(number: usize, a: usize, b: usize, c: usize, d: usize, e: usize) -> isize {
        let result;
        // SAFETY: the caller's.
        unsafe {
            asm!("svc #0", in("x8") number, inlateout("x0") a => result, in("x1") b, in("x2") c, in("x3") d,
                in("x4") e, options(nostack));
        }
        result
    }
}

pub use this::*;

/// # Safety
/// As `clone(2)` without a new stack and without pointers, such as `fork(2)`.
pub unsafe fn clone(flags: usize, unused: usize) -> isize {
    // SAFETY: the caller's.
    unsafe { call5(CLONE, flags, 0, 0, 0, unused) }
}

/// # Safety
/// As the system call with these arguments.
pub unsafe fn call4(number: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    // SAFETY: the caller's.
    unsafe { call5(number, a, b, c, d, 0) }
}

/// # Safety
/// As the system call with these arguments.
pub unsafe fn call3(number: usize, a: usize, b: usize, c: usize) -> isize {
    // SAFETY: the caller's.
    unsafe { call4(number, a, b, c, 0) }
}

/// # Safety
/// As the system call with these arguments.
pub unsafe fn call1(number: usize, a: usize) -> isize {
    // SAFETY: the caller's.
    unsafe { call4(number, a, 0, 0, 0) }
}
