//! Memory of this process.

use std::ffi::c_void;

/// How much of the stack may have been used by what ran before, in bytes.
const STACK: usize = 512 << 10;

/// The kernel keeps at least this much unmapped below a stack (`stack_guard_gap`, 256 pages).
const GUARD: usize = 1 << 20;

/// Gives freed memory back to the kernel: for a process that did its work and now waits for long.
pub fn give_back() {
    const { assert!(STACK < GUARD, "the range below never reaches another mapping") };
    // SAFETY: malloc_trim(3) touches only free memory of the allocator, under its own lock.
    unsafe { libc::malloc_trim(0) };
    let page = rustix::param::page_size();
    let here = std::hint::black_box([0u8; 1]);
    // Two pages below this frame nothing is in use: what calls from here leave behind there is
    // dead when they have returned, and madvise(2) itself needs no stack of ours.
    let end = (here.as_ptr() as usize & !(page - 1)) - 2 * page;
    // SAFETY: the range lies below the frame of the running function on this thread's own stack.
    // Its mapped part holds nothing that is alive; the rest is the guard gap, which is not mapped
    // and makes the call return ENOMEM after it has done the mapped part.
    unsafe { libc::madvise((end - STACK) as *mut c_void, STACK, libc::MADV_DONTNEED) };
}
