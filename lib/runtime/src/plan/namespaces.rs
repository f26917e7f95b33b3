//! Namespaces: which are made, which are joined.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;

use oci_spec::runtime::{Linux, LinuxNamespaceType};
use types::{Error, Result};

use super::ids::Ids;
use super::{invalid, text, unsupported};

/// `CLONE_NEWTIME`. In `clone3(2)` the child would be in it at once, and its clocks could not be set.
pub const NEWTIME: i32 = 0x80;

/// Whose mount namespace the container is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountSpace {
    /// One of its own.
    Own,
    /// One that is there.
    Joined,
    /// That of its caller.
    Host,
}

/// Namespaces to make and to join.
pub struct Namespaces {
    /// `CLONE_NEW*` for the clone.
    pub new: u64,
    /// A cgroup namespace, which is made after the groups were joined.
    pub cgroup: bool,
    /// A time namespace, which the exec enters (before Linux 6.2 a step of ours).
    pub time: bool,
    /// What is to be written into it first.
    pub offsets: Option<CString>,
    /// Descriptors and their `CLONE_NEW*`. The mount namespace after those for which `/proc` is needed.
    pub join: Vec<(OwnedFd, i32)>,
    /// Whose mount namespace it is.
    pub mount: MountSpace,
    /// Who is who in a user namespace of its own, or in one that is joined.
    pub ids: Option<Ids>,
}

impl Namespaces {
    /// Reads the list.
    ///
    /// # Errors
    /// For a type that is there twice, for a path that leads to no namespace of its type, and for what
    /// does not go together.
    pub fn of(linux: &Linux) -> Result<Self> {
        let mut spaces = Self {
            new: 0,
            cgroup: false,
            time: false,
            offsets: offsets(linux)?,
            join: Vec::new(),
            mount: MountSpace::Host,
            ids: None,
        };
        let all = linux.namespaces().as_deref().unwrap_or_default();
        for (at, space) in all.iter().enumerate() {
            if all.iter().take(at).any(|other| other.typ() == space.typ()) {
                return Err(invalid(format!("{} namespace is there twice", space.typ())));
            }
            let flag = flag(space.typ());
            match space.path().as_deref().filter(|path| !path.as_os_str().is_empty()) {
                Some(path) => spaces.join(path, flag, space.typ(), linux)?,
                None => spaces.make(flag, linux)?,
            }
        }
        spaces.join.sort_by_key(|(_, flag)| *flag == libc::CLONE_NEWNS);
        spaces.check(linux)?;
        Ok(spaces)
    }

    fn make(&mut self, flag: i32, linux: &Linux) -> Result<()> {
        match flag {
            libc::CLONE_NEWCGROUP => self.cgroup = true,
            NEWTIME => self.time = true,
            _ => self.new |= u64::from(flag.cast_unsigned()),
        }
        match flag {
            libc::CLONE_NEWNS => self.mount = MountSpace::Own,
            libc::CLONE_NEWUSER => self.ids = Some(Ids::of_new(linux)?),
            _ => {}
        }
        Ok(())
    }

    fn join(&mut self, path: &Path, flag: i32, typ: LinuxNamespaceType, linux: &Linux) -> Result<()> {
        let failed = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::InvalidInput => {
                invalid(format!("path {path:?} of the {typ} namespace is no namespace"))
            }
            _ => Error::io(format!("open {typ} namespace {path:?}"), e),
        };
        let (fd, kind) = sys::namespace::by_path(path).map_err(failed)?;
        if kind != flag {
            return Err(invalid(format!("path {path:?} is no {typ} namespace but one of another type")));
        }
        match flag {
            libc::CLONE_NEWUSER => self.ids = Some(Ids::of_joined(fd, linux)?),
            _ => self.join.push((fd, flag)),
        }
        if flag == libc::CLONE_NEWNS {
            self.mount = MountSpace::Joined;
        }
        Ok(())
    }

    /// Some namespaces are entered by a process between the caller and the container's first one: a pid
    /// namespace only children are in; a user namespace takes away what is needed to enter others.
    pub fn need_between(&self) -> bool {
        self.ids.is_some() || self.join.iter().any(|(_, flag)| *flag == libc::CLONE_NEWPID)
    }

    fn check(&self, linux: &Linux) -> Result<()> {
        let mapped = |list: &Option<Vec<_>>| list.as_ref().is_some_and(|list| !list.is_empty());
        if self.ids.is_none() && (mapped(linux.uid_mappings()) || mapped(linux.gid_mappings())) {
            return Err(invalid("mappings of users need a user namespace"));
        }
        if self.offsets.is_some() && !self.time {
            return Err(invalid("clock offsets need a time namespace of the container's own"));
        }
        if self.offsets.is_some() && self.mount == MountSpace::Joined && self.need_between() {
            // They are written through /proc, which is the other namespace's by then.
            return Err(unsupported(
                "clock offsets with a joined mount namespace and another pid or user namespace",
            ));
        }
        if self.mount != MountSpace::Own && !kernel_is(6, 15) {
            // Before, nothing can be mounted in a tree that is in no mount table, and the table is not ours.
            return Err(unsupported(
                "container without a mount namespace of its own on a kernel before 6.15",
            ));
        }
        Ok(())
    }
}

const fn flag(typ: LinuxNamespaceType) -> i32 {
    match typ {
        LinuxNamespaceType::Mount => libc::CLONE_NEWNS,
        LinuxNamespaceType::Pid => libc::CLONE_NEWPID,
        LinuxNamespaceType::Network => libc::CLONE_NEWNET,
        LinuxNamespaceType::Ipc => libc::CLONE_NEWIPC,
        LinuxNamespaceType::Uts => libc::CLONE_NEWUTS,
        LinuxNamespaceType::Cgroup => libc::CLONE_NEWCGROUP,
        LinuxNamespaceType::Time => NEWTIME,
        LinuxNamespaceType::User => libc::CLONE_NEWUSER,
    }
}

/// Tells whether a namespace in the list is another one than ours: a new one, or one by a path that leads
/// elsewhere.
pub fn is_own(linux: &Linux, typ: LinuxNamespaceType) -> bool {
    let Some(space) = linux.namespaces().iter().flatten().find(|space| space.typ() == typ) else {
        return false;
    };
    let Some(path) = space.path().as_deref().filter(|path| !path.as_os_str().is_empty()) else { return true };
    let name = match typ {
        LinuxNamespaceType::Network => "net",
        LinuxNamespaceType::Mount => "mnt",
        LinuxNamespaceType::Pid => "pid",
        LinuxNamespaceType::Ipc => "ipc",
        LinuxNamespaceType::Uts => "uts",
        LinuxNamespaceType::Cgroup => "cgroup",
        LinuxNamespaceType::Time => "time",
        LinuxNamespaceType::User => "user",
    };
    let inode = |path: &Path| rustix::fs::stat(path).map(|stat| (stat.st_dev, stat.st_ino)).ok();
    inode(path).is_some_and(|there| Some(there) != inode(&Path::new("/proc/self/ns").join(name)))
}

/// Text for `/proc/self/timens_offsets`.
fn offsets(linux: &Linux) -> Result<Option<CString>> {
    let mut all: Vec<_> = linux.time_offsets().iter().flatten().collect();
    all.sort_by_key(|(clock, _)| *clock);
    let mut lines = String::new();
    for (clock, offset) in all {
        if !["monotonic", "boottime"].contains(&clock.as_str()) {
            return Err(invalid(format!("clock {clock:?} has no offset: there are monotonic and boottime")));
        }
        let (secs, nanos) = (offset.secs().unwrap_or(0), offset.nanosecs().unwrap_or(0));
        lines += &format!("{clock} {secs} {nanos}\n");
    }
    if lines.is_empty() { Ok(None) } else { text(&lines).map(Some) }
}

/// Tells whether the kernel is this one or a newer one, by its name for itself.
pub fn kernel_is(major: u32, minor: u32) -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-', '+']).map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(major), Some(minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linux(text: &str) -> Linux {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn offsets_are_written_as_the_kernel_reads_them() {
        let asked =
            linux(r#"{"timeOffsets": {"monotonic": {"secs": -1, "nanosecs": 5}, "boottime": {"secs": 7}}}"#);
        assert_eq!(offsets(&asked).unwrap().unwrap().to_str().unwrap(), "boottime 7 0\nmonotonic -1 5\n");
        assert_eq!(offsets(&linux("{}")).unwrap(), None);
        assert!(offsets(&linux(r#"{"timeOffsets": {"realtime": {"secs": 1}}}"#)).is_err());
    }

    #[test]
    fn a_namespace_is_named_once_and_offsets_need_one() {
        let twice = linux(r#"{"namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "mount"}]}"#);
        assert!(Namespaces::of(&twice).is_err());
        let without =
            linux(r#"{"namespaces": [{"type": "mount"}], "timeOffsets": {"boottime": {"secs": 1}}}"#);
        assert!(Namespaces::of(&without).is_err());
    }
}
