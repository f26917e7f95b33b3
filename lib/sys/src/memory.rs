//! Memory of this process.

/// Gives freed memory back to the kernel: for a process that did its work and now waits for long.
pub fn give_back() {
    // SAFETY: malloc_trim(3) touches only free memory of the allocator, under its own lock.
    unsafe { libc::malloc_trim(0) };
}
