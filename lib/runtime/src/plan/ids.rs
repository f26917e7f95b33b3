//! Users and groups of a container that has a user namespace: who they are on the host.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use oci_spec::runtime::{Linux, LinuxIdMapping, LinuxNamespaceType, Process};
use types::{Error, Result};

use super::invalid;

/// The kernel takes so many lines for one kind of ids (user_namespaces(7), Linux 4.15), in one page.
const MOST: usize = 340;
const PAGE: usize = 4096;

/// The group of terminals, everywhere.
pub const TTY: u32 = 5;

/// The users and groups of one user namespace.
#[derive(Debug)]
pub struct Ids {
    users: Map,
    groups: Map,
    /// The namespace, if it is one that was there before.
    joined: Option<OwnedFd>,
}

/// Ids of one kind.
#[derive(Debug)]
struct Map {
    /// What they are: users or groups.
    kind: &'static str,
    ranges: Vec<Range>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    inside: u32,
    outside: u32,
    count: u32,
}

impl Ids {
    /// Those of a namespace that is to be made.
    ///
    /// # Errors
    /// If there are none or bad ones, or user 0, who builds the container, is not among them.
    pub fn of_new(linux: &Linux) -> Result<Self> {
        let ids = Self {
            users: Map::of("users", linux.uid_mappings().as_deref())?,
            groups: Map::of("groups", linux.gid_mappings().as_deref())?,
            joined: None,
        };
        ids.check()
    }

    /// Those of a namespace that is there. If the configuration has mappings too, they must be the same.
    ///
    /// # Errors
    /// If it is our own, or its mappings are not those of the configuration or lack user 0.
    pub fn of_joined(namespace: OwnedFd, linux: &Linux) -> Result<Self> {
        let (users, groups) = sys::userns::mappings_of(namespace.as_fd()).map_err(|e| {
            let error = Error::io("look into the user namespace to be joined", e);
            error.hint("the namespace that a process is in already cannot be joined")
        })?;
        let ids = Self {
            users: Map::parse("users", &users)?,
            groups: Map::parse("groups", &groups)?,
            joined: Some(namespace),
        };
        for (there, asked) in [(&ids.users, linux.uid_mappings()), (&ids.groups, linux.gid_mappings())] {
            let asked = asked.as_deref().filter(|list| !list.is_empty());
            if asked.is_some_and(|list| !there.is(list)) {
                let kind = there.kind;
                return Err(invalid(format!(
                    "mappings of {kind} are not those of the user namespace to be joined"
                )));
            }
        }
        ids.check()
    }

    /// Those of a process that is in another user namespace than we are.
    ///
    /// # Errors
    /// If they cannot be read. Whether the process is the one that was meant is to be looked at afterwards.
    pub fn of_process(pid: i32) -> Result<Option<Self>> {
        let inode = |pid: &str| rustix::fs::stat(format!("/proc/{pid}/ns/user")).map(|stat| stat.st_ino);
        let failed = |e| Error::io("look at the user namespace of the container", e);
        if inode(&pid.to_string()).map_err(failed)? == inode("self").map_err(failed)? {
            return Ok(None);
        }
        let failed = |e: std::io::Error| Error::io("read who is who in the container", e);
        let proc = sys::procfs::Procfs::new().map_err(failed)?;
        let users = Map::parse("users", &proc.read(pid, "uid_map").map_err(failed)?)?;
        let groups = Map::parse("groups", &proc.read(pid, "gid_map").map_err(failed)?)?;
        Self { users, groups, joined: None }.check().map(Some)
    }

    /// Those that a container has or is to have: of its first process, if that is there, else of the namespace that
    /// the configuration makes or joins; none without a user namespace.
    pub fn of_container(linux: Option<&Linux>, first: Option<i32>) -> Result<Option<Self>> {
        if let Some(pid) = first {
            return Self::of_process(pid);
        }
        let mut spaces = linux.iter().flat_map(|linux| linux.namespaces().iter().flatten());
        let space = spaces.find(|space| space.typ() == LinuxNamespaceType::User);
        let Some((linux, space)) = linux.zip(space) else { return Ok(None) };
        match space.path().as_deref().filter(|path| !path.as_os_str().is_empty()) {
            None => Self::of_new(linux).map(Some),
            Some(path) => {
                let failed = |e| Error::io(format!("open user namespace {path:?}"), e);
                let (namespace, _) = sys::namespace::by_path(path).map_err(failed)?;
                Self::of_joined(namespace, linux).map(Some)
            }
        }
    }

    fn check(self) -> Result<Self> {
        for map in [&self.users, &self.groups] {
            if map.on_host(0).is_none() {
                return Err(invalid(format!("mappings of {} lack 0, who builds the container", map.kind)));
            }
        }
        Ok(self)
    }

    /// The namespace that is to be joined, if it is not to be made.
    pub fn joined(&self) -> Option<BorrowedFd<'_>> {
        self.joined.as_ref().map(AsFd::as_fd)
    }

    /// A user of the container as the host sees it.
    pub fn user(&self, id: u32) -> Result<u32> {
        self.users.on_host(id).ok_or_else(|| invalid(format!("user {id} of the container is not mapped")))
    }

    /// A group of the container as the host sees it.
    pub fn group(&self, id: u32) -> Result<u32> {
        self.groups.on_host(id).ok_or_else(|| invalid(format!("group {id} of the container is not mapped")))
    }

    /// The parts of a range of users that are mapped: first id in the container, first id on the host, count.
    pub fn parts_of_users(&self, first: u32, count: u32) -> Vec<(u32, u32, u32)> {
        self.users.parts(first, count)
    }

    /// The same of groups.
    pub fn parts_of_groups(&self, first: u32, count: u32) -> Vec<(u32, u32, u32)> {
        self.groups.parts(first, count)
    }

    /// Checks that the process can be who it is to be.
    pub fn check_process(&self, process: &Process) -> Result<()> {
        let user = process.user();
        self.user(user.uid())?;
        self.group(user.gid())?;
        user.additional_gids().iter().flatten().try_for_each(|gid| self.group(*gid).map(drop))
    }

    /// Both in the form of `/proc/PID/uid_map` and `gid_map`.
    pub fn lines(&self) -> (String, String) {
        (self.users.lines(), self.groups.lines())
    }

    /// Tells a namespace that a process was just born in who is who.
    pub fn write(&self, pid: i32) -> Result<()> {
        let proc = sys::procfs::Procfs::new().map_err(|e| Error::io("make procfs", e))?;
        let (users, groups) = self.lines();
        for (name, lines) in [("uid_map", users), ("gid_map", groups)] {
            proc.write(pid, name, &lines)
                .map_err(|e| Error::io(format!("write {name} of the container"), e))?;
        }
        Ok(())
    }

    /// A user namespace with these mappings, for mounts.
    pub fn for_mounts(&self) -> Result<OwnedFd> {
        let failed = |e| Error::io("make user namespace for mounts", e);
        match &self.joined {
            Some(namespace) => namespace.try_clone().map_err(failed),
            None => {
                let (users, groups) = self.lines();
                sys::userns::with_mappings(&users, &groups).map_err(failed)
            }
        }
    }
}

impl Map {
    fn of(kind: &'static str, list: Option<&[LinuxIdMapping]>) -> Result<Self> {
        let list = list.unwrap_or_default();
        let ranges: Vec<_> = list.iter().map(Range::of).collect();
        let map = Self { kind, ranges };
        match () {
            () if list.is_empty() => Err(invalid(format!("user namespace has no mappings of {kind}"))),
            () if map.ranges.iter().any(|r| !r.is_good()) => {
                Err(invalid(format!("a mapping of {kind} is empty or goes beyond the last id")))
            }
            () if map.overlaps() => Err(invalid(format!("mappings of {kind} overlap"))),
            () if list.len() > MOST || map.lines().len() >= PAGE => {
                Err(invalid(format!("more mappings of {kind} than the kernel takes")))
            }
            () => Ok(map),
        }
    }

    /// What the kernel says of a namespace that is there.
    fn parse(kind: &'static str, text: &str) -> Result<Self> {
        let range = |line: &str| {
            let mut words = line.split_whitespace().map(|word| word.parse().ok());
            Some(Range { inside: words.next()??, outside: words.next()??, count: words.next()?? })
        };
        let ranges = text.lines().map(range).collect::<Option<_>>();
        let bad = || invalid(format!("user namespace to be joined has strange mappings of {kind}"));
        Ok(Self { kind, ranges: ranges.ok_or_else(bad)? })
    }

    /// The same ranges, in whatever order: the kernel sorts many.
    fn is(&self, list: &[LinuxIdMapping]) -> bool {
        let sorted = |mut ranges: Vec<Range>| {
            ranges.sort_unstable_by_key(|range| range.inside);
            ranges
        };
        sorted(self.ranges.clone()) == sorted(list.iter().map(Range::of).collect())
    }

    fn overlaps(&self) -> bool {
        let pairs = self.ranges.iter().enumerate();
        let mut pairs =
            pairs.flat_map(|(at, one)| self.ranges.iter().skip(at + 1).map(move |two| (one, two)));
        pairs.any(|(one, two)| {
            let meet = |a: u32, b: u32| {
                u64::from(a) < u64::from(b) + u64::from(two.count)
                    && u64::from(b) < u64::from(a) + u64::from(one.count)
            };
            meet(one.inside, two.inside) || meet(one.outside, two.outside)
        })
    }

    fn on_host(&self, id: u32) -> Option<u32> {
        self.ranges.iter().find_map(|range| {
            let offset = id.checked_sub(range.inside).filter(|offset| *offset < range.count)?;
            range.outside.checked_add(offset)
        })
    }

    fn parts(&self, first: u32, count: u32) -> Vec<(u32, u32, u32)> {
        let part = |range: &Range| {
            let start = range.inside.max(first);
            let end = range.inside.saturating_add(range.count).min(first.saturating_add(count));
            let count = end.checked_sub(start).filter(|count| *count > 0)?;
            Some((start, range.outside.checked_add(start.checked_sub(range.inside)?)?, count))
        };
        self.ranges.iter().filter_map(part).collect()
    }

    fn lines(&self) -> String {
        self.ranges.iter().map(|r| format!("{} {} {}\n", r.inside, r.outside, r.count)).collect()
    }
}

impl Range {
    fn of(mapping: &LinuxIdMapping) -> Self {
        Self { inside: mapping.container_id(), outside: mapping.host_id(), count: mapping.size() }
    }

    /// The largest number is no id: it means "none" in chown(2) and others.
    fn is_good(&self) -> bool {
        let ends = |first: u32| u64::from(first) + u64::from(self.count) <= u64::from(u32::MAX);
        self.count > 0 && ends(self.inside) && ends(self.outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linux(users: &str, groups: &str) -> Linux {
        serde_json::from_str(&format!(r#"{{"uidMappings": {users}, "gidMappings": {groups}}}"#)).unwrap()
    }

    const ALL: &str = r#"[{"containerID": 0, "hostID": 0, "size": 4294967295}]"#;
    const TWO: &str =
        r#"[{"containerID": 0, "hostID": 1000, "size": 10}, {"containerID": 10, "hostID": 5000, "size": 5}]"#;

    #[test]
    fn ids_are_translated_in_every_range_and_others_are_refused() {
        let ids = Ids::of_new(&linux(TWO, ALL)).unwrap();
        assert_eq!([0, 9, 10, 14].map(|id| ids.user(id).unwrap()), [1000, 1009, 5000, 5004]);
        assert_eq!(ids.user(15).unwrap_err().to_string(), "user 15 of the container is not mapped");
        assert_eq!(ids.group(4_294_967_294).unwrap(), 4_294_967_294);
        assert_eq!(ids.lines().0, "0 1000 10\n10 5000 5\n");
        let process: Process =
            serde_json::from_str(r#"{"cwd": "/", "user": {"uid": 3, "gid": 4, "additionalGids": [20]}}"#)
                .unwrap();
        assert!(Ids::of_new(&linux(TWO, ALL)).unwrap().check_process(&process).is_ok());
        let error = Ids::of_new(&linux(ALL, TWO)).unwrap().check_process(&process).unwrap_err();
        assert_eq!(error.to_string(), "group 20 of the container is not mapped");
    }

    #[test]
    fn mappings_that_cannot_be_are_refused_by_name() {
        let one = |inside: u32, outside: u32, size: u32| {
            format!(r#"{{"containerID": {inside}, "hostID": {outside}, "size": {size}}}"#)
        };
        let cases = [
            ("[]".to_owned(), "no mappings of users"),
            (format!("[{}]", one(0, 1, 0)), "empty"),
            (format!("[{}]", one(0, 2, u32::MAX - 1)), "beyond the last id"),
            (format!("[{}]", one(1, 1, 1)), "lack 0"),
            (format!("[{}, {}]", one(0, 10, 5), one(4, 100, 5)), "overlap"),
            (format!("[{}, {}]", one(0, 10, 5), one(5, 14, 5)), "overlap"),
            (format!("[{}]", (0..341).map(|n| one(n, n, 1)).collect::<Vec<_>>().join(",")), "more mappings"),
        ];
        for (users, wanted) in cases {
            let text = Ids::of_new(&linux(&users, ALL)).unwrap_err().to_string();
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
    }

    #[test]
    fn a_namespace_that_is_there_has_the_mappings_that_the_kernel_says() {
        let there =
            Map::parse("users", "         0       1000         10\n        10       5000          5\n")
                .unwrap();
        let asked = linux(TWO, ALL);
        assert!(there.is(asked.uid_mappings().as_deref().unwrap()));
        assert!(!there.is(asked.gid_mappings().as_deref().unwrap()));
        assert!(Map::parse("users", "0 x 1\n").is_err());
    }
}
