//! Descriptors by number.

use std::os::fd::{BorrowedFd, RawFd};

/// Borrows a descriptor that somebody has passed to this process by number, if it is open.
///
/// For the rest of the process: whoever passed it expects it to be used, and nothing of ours closes it.
#[must_use]
pub fn borrowed(number: RawFd) -> Option<BorrowedFd<'static>> {
    // SAFETY: an integer; tells whether the descriptor is open.
    let open = unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0;
    // SAFETY: it is open, as was just seen, and not -1.
    open.then(|| unsafe { BorrowedFd::borrow_raw(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_open_descriptors_are_borrowed() {
        assert!(borrowed(0).is_some() || borrowed(1).is_some() || borrowed(2).is_some());
        assert!(borrowed(-1).is_none() && borrowed(i32::MAX).is_none());
    }
}
