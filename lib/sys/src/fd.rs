//! Descriptors by number.

use std::io;
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

/// Closes what this process was started with beside 0, 1 and 2: everything that is not close-on-exec, since
/// all that we open ourselves is.
///
/// # Errors
/// If `/proc/self/fd` cannot be read.
pub fn close_inherited() -> io::Result<()> {
    let names = std::fs::read_dir("/proc/self/fd")?.flatten().map(|entry| entry.file_name());
    let numbers: Vec<RawFd> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // SAFETY: an integer; the descriptor of the directory, which is closed by now, is an error.
        let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
        if flags >= 0 && flags & libc::FD_CLOEXEC == 0 {
            // SAFETY: nobody in this process owns it: owners have all theirs close-on-exec.
            unsafe { libc::close(number) };
        }
    }
    Ok(())
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
