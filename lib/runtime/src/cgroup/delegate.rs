//! A container that may manage groups of its own: delegation (cgroups(7), Delegation containment).

use std::os::fd::AsFd;

use oci_spec::runtime::{Linux, LinuxNamespaceType, Spec};
use rustix::fs::{AtFlags, Uid, chownat};
use rustix::io::Errno;
use types::{Error, Result};

use super::Cgroup;

/// What the kernel lists in `/sys/kernel/cgroup/delegate`, for kernels without that file (before 4.15).
const USUAL: &str = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";

/// Tells whether a configuration is one of those whose group belongs to the container (runtime spec, Cgroup
/// ownership): a cgroup namespace of its own, and a view of the groups that can be written.
pub fn is_wanted(spec: &Spec, linux: &Linux) -> bool {
    let mut spaces = linux.namespaces().iter().flatten();
    let own = spaces.any(|space| space.typ() == LinuxNamespaceType::Cgroup && space.path().is_none());
    let kind = |typ: &Option<String>| matches!(typ.as_deref(), Some("cgroup" | "cgroup2"));
    let has =
        |options: &Option<Vec<String>>, word: &str| options.iter().flatten().any(|option| option == word);
    let mut mounts = spec.mounts().iter().flatten().filter(|mount| kind(mount.typ()));
    own && mounts.any(|mount| !has(mount.options(), "ro") && !has(mount.options(), "rro"))
}

impl Cgroup {
    /// Gives the group of v2 to a user of the host, with the files by which it is managed. Its limits stay
    /// ours, and so do groups of v1, which cannot be delegated safely.
    ///
    /// # Errors
    /// The kernel's reason.
    pub(crate) fn delegate(&self, uid: u32) -> Result<()> {
        let Some(dir) = self.v2.as_ref().filter(|_| self.unified) else { return Ok(()) };
        let files =
            std::fs::read_to_string("/sys/kernel/cgroup/delegate").unwrap_or_else(|_| USUAL.to_owned());
        for name in std::iter::once("").chain(files.lines()) {
            let flags = AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW;
            match chownat(dir.as_fd(), name, Some(Uid::from_raw(uid)), None, flags) {
                // One that belongs to a controller which is not there.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(e) => return Err(Error::io(format!("give {:?} to the container", dir.name()), e)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_belongs_to_a_container_that_sees_it_as_its_own_and_can_write() {
        let wanted = |spaces: &str, options: &str| {
            let json = format!(
                r#"{{"ociVersion": "1.0.0", "root": {{"path": "r"}}, "linux": {{"namespaces": [{spaces}]}},
                "mounts": [{{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": [{options}]}}]}}"#
            );
            let spec: Spec = serde_json::from_str(&json).unwrap();
            let linux = spec.linux().clone().unwrap();
            is_wanted(&spec, &linux)
        };
        let own = r#"{"type": "cgroup"}"#;
        assert!(wanted(own, r#""nosuid", "rw""#));
        assert!(!wanted(own, r#""nosuid", "ro""#));
        assert!(!wanted(r#"{"type": "cgroup", "path": "/proc/1/ns/cgroup"}"#, ""));
        assert!(!wanted("", ""));
    }
}
