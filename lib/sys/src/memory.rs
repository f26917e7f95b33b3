//! Memory of this process.

use std::ffi::c_void;

/// How much of the stack may have been used by what ran before, in bytes.
const STACK: usize = 512 << 10;

/// The kernel keeps at least this much unmapped below a stack (`stack_guard_gap`, 256 pages).
const GUARD: usize = 1 << 20;

/// Gives freed memory back to the kernel: for a process that did its work and now waits for long.
pub fn give_back() {
    // SAFETY: malloc_trim(3) touches only free memory of the allocator, under its own lock.
    unsafe { libc::malloc_trim(0) };
    give_back_stack();
}

/// Never inlined: its own frame is what is known to be the lowest one. Within a caller's frame a
/// local variable says nothing of how far below it that frame still reaches.
#[inline(never)]
fn give_back_stack() {
    const { assert!(STACK < GUARD, "the range below never reaches another mapping") };
    let page = rustix::param::page_size();
    let here = std::hint::black_box([0u8; 1]);
    // This frame is a few dozen bytes, and the call to madvise(2) needs no more: two pages below
    // nothing is alive.
    let end = (here.as_ptr() as usize & !(page - 1)) - 2 * page;
    // SAFETY: the range lies below the lowest frame of this thread's own stack. Its mapped part
    // holds nothing that is alive; the rest is the guard gap, which is not mapped and makes the
    // call return ENOMEM after it has done the mapped part.
    unsafe { libc::madvise((end - STACK) as *mut c_void, STACK, libc::MADV_DONTNEED) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alive_on_the_stack_stays() {
        let big = std::hint::black_box([7u8; 64 << 10]);
        give_back();
        assert!(std::hint::black_box(big).iter().all(|&b| b == 7));
    }
}
