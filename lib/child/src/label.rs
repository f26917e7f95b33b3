//! The directory of our security attributes, for the stub.
//!
//! The kernel takes the label of the next program from the process alone that opened the file, and a process
//! that has executed something since is another one (Linux 5.13). So it is the stub that opens the file and
//! writes it, and what it is given is the directory.

use crate::apply::State;
use crate::call;
use crate::mount::{NODEV, NOEXEC, NOSUID};
use crate::{Errno, Fd};

impl State {
    /// Opens `attr` of this process. Not below the container's `/proc`, which the image or a mount may have
    /// covered, nor the host's, out of which a path would lead to more than processes: in a procfs that has
    /// only those of our own pid namespace.
    pub(crate) fn open_attributes(&mut self, above: Fd) -> Result<(), Errno> {
        let fs = call::fsopen(c"proc")?;
        // Linux 5.8. An older one has the rest too.
        let _older = call::fsconfig_set(fs, c"subset", Some(c"pid"));
        call::fsconfig_create(fs)?;
        let root = call::fsmount(fs, NOSUID | NODEV | NOEXEC)?;
        call::close(fs);
        let dir = call::open(root, c"self/attr", libc::O_PATH | libc::O_DIRECTORY, 0)?;
        call::close(root);
        self.attributes = call::dup_above(dir, above)?;
        call::close(dir);
        Ok(())
    }
}
