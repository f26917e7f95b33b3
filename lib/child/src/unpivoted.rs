//! A root that is only changed, while the host's tree stays in the mount namespace.

use core::ffi::CStr;

use crate::apply::State;
use crate::mount::{NODEV, NOEXEC, NOSUID, RDONLY};
use crate::{Errno, call};

impl State {
    /// Hides what must not be found below the root, puts that on top of everything, and enters it. There is no way
    /// back up: whoever leaves the root by `..` comes to the top of what is mounted on `/`, which is the root.
    pub(crate) fn move_root<T: AsRef<CStr>>(&self, moves: bool, hide: &[T]) -> Result<(), Errno> {
        for path in hide {
            cover(path.as_ref())?;
        }
        if moves {
            call::move_mount_to(self.root, c"/")?;
        }
        self.chroot()
    }
}

/// Within a user namespace, what came with the host's tree cannot be taken away (mount_namespaces(7)). What is gone
/// already needs no hiding.
fn cover(path: &CStr) -> Result<(), Errno> {
    match call::detach(path) {
        Err(libc::EINVAL | libc::EPERM) => {}
        Err(libc::ENOENT | libc::ENOTDIR) => return Ok(()),
        done => return done,
    }
    let fs = call::fsopen(c"tmpfs")?;
    call::fsconfig_create(fs)?;
    let tree = call::fsmount(fs, RDONLY | NOSUID | NODEV | NOEXEC)?;
    call::close(fs);
    call::move_mount_to(tree, path)?;
    call::close(tree);
    Ok(())
}
