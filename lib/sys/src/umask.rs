//! The umask of one thread.

use rustix::fs::Mode;
use rustix::thread::UnshareFlags;
use types::{Error, Result};

/// Gives this thread a umask of its own, and sets it to zero: what is created from now on gets
/// exactly the mode that is asked for, without a chmod(2) for each file. Other threads keep
/// theirs. The thread's working directory becomes its own too.
pub fn clear_for_this_thread() -> Result<()> {
    // SAFETY: CLONE_FS gives this thread a copy of root, working directory and umask; no memory
    // or descriptor is affected, so that no other code can be surprised by it.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FS) }.map_err(|e| Error::io("unshare fs", e))?;
    rustix::process::umask(Mode::empty());
    Ok(())
}
