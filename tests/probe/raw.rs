//! System calls without a library between, so that all six arguments are as wanted.

use std::arch::asm;

/// Makes a system call; a negative errno is an error, as the kernel says it.
///
/// # Safety
/// The arguments are what the call expects, or what it refuses.
#[cfg(target_arch = "x86_64")]
pub unsafe fn call(number: u64, args: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = args;
    let result: i64;
    // SAFETY: the kernel's calling convention; rcx and r11 are lost.
    unsafe {
        asm!("syscall", inlateout("rax") number as i64 => result, in("rdi") a, in("rsi") b, in("rdx") c,
            in("r10") d, in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// Makes a system call; a negative errno is an error, as the kernel says it.
///
/// # Safety
/// The arguments are what the call expects, or what it refuses.
#[cfg(target_arch = "aarch64")]
pub unsafe fn call(number: u64, args: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = args;
    let result: i64;
    // SAFETY: the kernel's calling convention.
    unsafe {
        asm!("svc 0", inlateout("x0") a as i64 => result, in("x1") b, in("x2") c, in("x3") d, in("x4") e,
            in("x5") f, in("x8") number, options(nostack));
    }
    result
}

/// Calls getpid(2) of i386.
#[cfg(target_arch = "x86_64")]
pub fn i386_getpid() -> i64 {
    let result: i64;
    // SAFETY: takes no pointer; the gate of 32-bit programs works in 64-bit code too.
    unsafe {
        asm!("int 0x80", inlateout("rax") 20_i64 => result, lateout("r8") _, lateout("r9") _,
            lateout("r10") _, lateout("r11") _, options(nostack));
    }
    result
}
