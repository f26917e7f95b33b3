//! Calls that labels of security modules need.

use core::ffi::{CStr, c_long};

use super::{check, fd};
use crate::{Errno, Fd};

/// Writes the SELinux label of a file (`security.selinux`, xattr(7)).
pub fn label_of(file: Fd, label: &CStr) -> Result<(), Errno> {
    let value = label.to_bytes();
    let name = c"security.selinux".as_ptr();
    sys!(SYS_fsetxattr, file, name, value.as_ptr(), value.len(), 0 as c_long).map(drop)
}

/// Returns a copy at this number or above it, close-on-exec.
pub fn dup_above(from: Fd, above: Fd) -> Result<Fd, Errno> {
    sys!(SYS_fcntl, from, libc::F_DUPFD_CLOEXEC, above).map(fd)
}
