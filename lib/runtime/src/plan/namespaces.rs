//! Namespaces: which are made, which are joined.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;

use oci_spec::runtime::{Linux, LinuxNamespaceType};
use rustix::fs::{Mode, OFlags};
use types::{Error, Result};

use super::{invalid, text, unsupported};

/// `CLONE_NEWTIME`. In `clone3(2)` the child would be in it at once, and its clocks could not be set.
pub const NEWTIME: i32 = 0x80;

/// Namespaces to make and to join.
pub struct Namespaces {
    /// `CLONE_NEW*` for the clone.
    pub new: u64,
    /// A cgroup namespace, which is made after the groups were joined.
    pub cgroup: bool,
    /// A time namespace, which the exec enters.
    pub time: bool,
    /// What is to be written into it first.
    pub offsets: Option<CString>,
    /// Descriptors and their `CLONE_NEW*`.
    pub join: Vec<(OwnedFd, i32)>,
}

impl Namespaces {
    /// Reads the list.
    ///
    /// # Errors
    /// For a type that is there twice, and for what this version cannot join.
    pub fn of(linux: &Linux) -> Result<Self> {
        let mut spaces =
            Self { new: 0, cgroup: false, time: false, offsets: offsets(linux)?, join: Vec::new() };
        let all = linux.namespaces().as_deref().unwrap_or_default();
        for (at, space) in all.iter().enumerate() {
            if all.iter().take(at).any(|other| other.typ() == space.typ()) {
                return Err(invalid(format!("{} namespace is there twice", space.typ())));
            }
            let flag = match space.typ() {
                LinuxNamespaceType::Mount => libc::CLONE_NEWNS,
                LinuxNamespaceType::Pid => libc::CLONE_NEWPID,
                LinuxNamespaceType::Network => libc::CLONE_NEWNET,
                LinuxNamespaceType::Ipc => libc::CLONE_NEWIPC,
                LinuxNamespaceType::Uts => libc::CLONE_NEWUTS,
                LinuxNamespaceType::Cgroup => libc::CLONE_NEWCGROUP,
                LinuxNamespaceType::Time => NEWTIME,
                other @ LinuxNamespaceType::User => return Err(unsupported(format!("{other} namespace"))),
            };
            match space.path() {
                Some(path) => spaces.join(path, flag)?,
                None if flag == libc::CLONE_NEWCGROUP => spaces.cgroup = true,
                None if flag == NEWTIME => spaces.time = true,
                None => spaces.new |= u64::from(flag.cast_unsigned()),
            }
        }
        if spaces.new & u64::from(libc::CLONE_NEWNS.cast_unsigned()) == 0 {
            return Err(unsupported("container in the host's mount namespace"));
        }
        if spaces.offsets.is_some() && !spaces.time {
            return Err(invalid("clock offsets need a time namespace of the container's own"));
        }
        if spaces.time {
            exec_enters_time_namespace()?;
        }
        Ok(spaces)
    }

    fn join(&mut self, path: &Path, flag: i32) -> Result<()> {
        if matches!(flag, libc::CLONE_NEWNS | libc::CLONE_NEWPID) {
            return Err(unsupported(format!("join of the namespace {path:?}")));
        }
        let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|e| Error::io(format!("open namespace {path:?}"), e))?;
        self.join.push((fd, flag));
        Ok(())
    }
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

/// Before Linux 6.1 only a fork enters a new time namespace, and an exec does not.
fn exec_enters_time_namespace() -> Result<()> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    if (numbers.next(), numbers.next()) >= (Some(6), Some(1)) {
        return Ok(());
    }
    Err(unsupported("time namespace on a kernel before 6.1"))
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
