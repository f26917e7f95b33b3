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

/// Gives back the pages of this program's file too, which are read again when they are needed: for a
/// process that has nothing to do for longer than a start takes. They are the kernel's cache and no
/// copies, but each process that has them mapped is charged its share.
pub fn give_back_code() {
    unsafe extern "C" {
        static __executable_start: u8;
        static etext: u8;
    }
    let page = rustix::param::page_size();
    let first = (&raw const __executable_start).addr();
    let end = (&raw const etext).addr() & !(page - 1);
    // SAFETY: the linker's names for the beginning of the program and the end of its code. All of it is
    // mapped read-only from the file, so the next access reads the same again (madvise(2)).
    unsafe { libc::madvise(first as *mut c_void, end.saturating_sub(first), libc::MADV_DONTNEED) };
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
    fn code_that_was_given_back_is_there_when_it_is_needed() {
        give_back_code();
        assert_eq!(std::hint::black_box("read only").len(), 9);
    }

    #[test]
    fn what_is_alive_on_the_stack_stays() {
        let big = std::hint::black_box([7u8; 64 << 10]);
        give_back();
        assert!(std::hint::black_box(big).iter().all(|&b| b == 7));
    }
}
