//! System calls of x32, the 32-bit interface of x86-64 processors: for profiles that ask for it.
//!
//! It has the architecture of x86-64 and numbers with a bit of their own, and a few calls with
//! structures of another size, which are numbered from 512 on (`asm/unistd_x32.h`).

/// `__X32_SYSCALL_BIT`; no call of another interface has it.
pub const BIT: u32 = 0x4000_0000;

/// Returns the number of a call, with the bit. `native` is what x86-64 calls it.
pub fn find(name: &str, native: Option<u32>) -> Option<u32> {
    let own = OWN.binary_search_by(|(known, _)| (*known).cmp(name)).ok();
    let number = own.and_then(|at| OWN.get(at)).map(|(_, number)| *number).or(native)?;
    Some(number | BIT)
}

/// Calls that x32 numbers differently.
pub const OWN: &[(&str, u32)] = &[
    ("execve", 520),
    ("execveat", 545),
    ("get_robust_list", 531),
    ("getsockopt", 542),
    ("io_setup", 543),
    ("io_submit", 544),
    ("ioctl", 514),
    ("kexec_load", 528),
    ("move_pages", 533),
    ("mq_notify", 527),
    ("preadv", 534),
    ("preadv2", 546),
    ("process_vm_readv", 539),
    ("process_vm_writev", 540),
    ("ptrace", 521),
    ("pwritev", 535),
    ("pwritev2", 547),
    ("readv", 515),
    ("recvfrom", 517),
    ("recvmmsg", 537),
    ("recvmsg", 519),
    ("rt_sigaction", 512),
    ("rt_sigpending", 522),
    ("rt_sigqueueinfo", 524),
    ("rt_sigreturn", 513),
    ("rt_sigtimedwait", 523),
    ("rt_tgsigqueueinfo", 536),
    ("sendmmsg", 538),
    ("sendmsg", 518),
    ("set_robust_list", 530),
    ("setsockopt", 541),
    ("sigaltstack", 525),
    ("timer_create", 526),
    ("vmsplice", 532),
    ("waitid", 529),
    ("writev", 516),
];
