//! Who a container runs as: `USER[:GROUP]`, looked up in the container's own files.
//!
//! The files belong to the image, or to whoever runs in the container. They are opened inside its root
//! without magic links, must be regular files, and are read up to a limit. Nothing of the
//! container is executed and no name service of the host is asked.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, BorrowedFd};

use oci_spec::runtime::Linux;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;
use types::{Context, Error, Kind, Result};

use crate::plan::Ids;

/// More than any honest passwd or group file has.
const LIMIT: u64 = 4 << 20;

/// A user of the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Number.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Supplementary groups, ascending, without the primary one.
    pub groups: Vec<u32>,
    /// Home directory; `/` for a user that has no entry.
    pub home: String,
    /// Name, if it has an entry.
    pub name: Option<String>,
}

/// Looks up `spec`: empty for root, a name or number, with `:` and a group's name or number.
///
/// A number is a number even if a user of that name exists, and need not have an entry; its group is
/// then 0. Supplementary groups come from the group file unless a group is given; `more` are added in
/// both cases (`--group-add`).
///
/// # Errors
/// `NotFound` for a name without an entry, `Invalid` for a malformed `spec` or a file that is not
/// regular or too long.
pub fn resolve(rootfs: BorrowedFd<'_>, spec: &str, more: &[String]) -> Result<User> {
    let passwd = read(rootfs, "etc/passwd")?;
    let group = read(rootfs, "etc/group")?;
    lookup(&passwd, &group, spec, more).with_context(|| format!("look up user {spec:?}"))
}

fn lookup(passwd: &str, group: &str, spec: &str, more: &[String]) -> Result<User> {
    let (user, primary) = match spec.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (if spec.is_empty() { "0" } else { spec }, None),
    };
    if user.is_empty() || primary.is_some_and(|group| group.is_empty() || group.contains(':')) {
        return Err(Error::new(Kind::Invalid, "bad user").hint("the form is USER[:GROUP]"));
    }
    let mut found = by_user(passwd, user)?;
    match primary {
        Some(primary) => found.gid = gid_of(group, primary)?,
        None => found.groups = memberships(group, found.name.as_deref()),
    }
    for name in more {
        found.groups.push(gid_of(group, name)?);
    }
    found.groups.retain(|gid| *gid != found.gid);
    found.groups.sort_unstable();
    found.groups.dedup();
    Ok(found)
}

fn by_user(passwd: &str, user: &str) -> Result<User> {
    let number = number(user)?;
    let entry = passwd.lines().filter_map(PasswdLine::parse).find(|line| match number {
        Some(uid) => line.uid == uid,
        None => line.name == user,
    });
    match (entry, number) {
        (Some(line), _) => Ok(User {
            uid: line.uid,
            gid: line.gid,
            groups: Vec::new(),
            home: if line.home.is_empty() { "/" } else { line.home }.to_owned(),
            name: Some(line.name.to_owned()),
        }),
        (None, Some(uid)) => Ok(User { uid, gid: 0, groups: Vec::new(), home: "/".into(), name: None }),
        (None, None) => {
            Err(Error::new(Kind::NotFound, format!("no user {user:?} in the container's /etc/passwd")))
        }
    }
}

struct PasswdLine<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

impl<'a> PasswdLine<'a> {
    /// A line that is not well-formed is nobody's entry; in particular, a bad number is not 0.
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let (name, _password) = (fields.next()?, fields.next()?);
        let (uid, gid) = (number(fields.next()?).ok()??, number(fields.next()?).ok()??);
        let _comment = fields.next();
        (!name.is_empty()).then(|| Self { name, uid, gid, home: fields.next().unwrap_or("") })
    }
}

/// Name, number and members of a line of the group file.
fn group_line(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.split(':');
    let (name, _password) = (fields.next()?, fields.next()?);
    let gid = number(fields.next()?).ok()??;
    (!name.is_empty()).then(|| (name, gid, fields.next().unwrap_or("")))
}

fn gid_of(group: &str, wanted: &str) -> Result<u32> {
    if let Some(gid) = number(wanted)? {
        return Ok(gid);
    }
    let entry = group.lines().filter_map(group_line).find(|(name, ..)| *name == wanted);
    entry.map(|(_, gid, _)| gid).ok_or_else(|| {
        Error::new(Kind::NotFound, format!("no group {wanted:?} in the container's /etc/group"))
    })
}

fn memberships(group: &str, name: Option<&str>) -> Vec<u32> {
    let Some(name) = name else { return Vec::new() };
    let member = |members: &str| members.split(',').any(|member| member == name);
    group.lines().filter_map(group_line).filter(|(.., list)| member(list)).map(|(_, gid, _)| gid).collect()
}

/// Decimal digits are a number, everything else is a name. The largest number means "no change" to
/// the kernel and is refused, as is what does not fit.
fn number(text: &str) -> Result<Option<u32>> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(number) if number != u32::MAX => Ok(Some(number)),
        _ => Err(Error::new(Kind::Invalid, format!("{text} is out of range"))),
    }
}

/// Reads a file of the container. One that is not there is empty.
fn read(rootfs: BorrowedFd<'_>, path: &str) -> Result<String> {
    let failed = |e: Errno| Error::io(format!("open \"/{path}\" of the container"), e);
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    // First only a handle: opening a fifo would wait, opening a device would do something.
    let handle = match openat2(rootfs, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), inside) {
        Ok(handle) => handle,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(String::new()),
        Err(e) => return Err(failed(e)),
    };
    let stat = fstat(&handle).map_err(failed)?;
    let bad = |what| Error::new(Kind::Invalid, format!("\"/{path}\" of the container is {what}"));
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(bad("not a regular file"));
    }
    // Our own /proc, and a descriptor of ours: the file that was just looked at.
    let reopened = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let file = File::open(reopened).with_context(|| format!("open \"/{path}\" of the container"))?;
    let mut bytes = Vec::with_capacity(usize::try_from(stat.st_size).unwrap_or(0).min(64 << 10) + 1);
    file.take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("read \"/{path}\" of the container"))?;
    if bytes.len() as u64 > LIMIT {
        return Err(bad("too long"));
    }
    // An entry that is not UTF-8 can hardly be asked for; it must not hide the others.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The supplementary groups of a user. The primary group is one of them: without it, a set-group-id program
/// could shed a group that is denied something by a file's group bits (CVE-2022-2989 and its kin).
#[must_use]
pub fn supplementary(gid: u32, groups: &[u32]) -> Vec<u32> {
    std::iter::once(gid).chain(groups.iter().copied().filter(|other| *other != gid)).collect()
}

/// A user and a group of a container as the host sees them, for what its program is given from outside. `first` is
/// the container's first process, if that is there.
///
/// # Errors
/// If the user namespace cannot be looked at, or lacks one of them.
pub fn on_host(linux: Option<&Linux>, (uid, gid): (u32, u32), first: Option<i32>) -> Result<(u32, u32)> {
    match Ids::of_container(linux, first)? {
        Some(ids) => Ok((ids.user(uid)?, ids.group(gid)?)),
        None => Ok((uid, gid)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
        broken:x:zero:0::/:\n\
        www:x:33:33:web server:/var/www:/bin/false\n\
        1000:x:0:0:a trap:/root:/bin/sh\n\
        www:x:0:0:a second one:/root:/bin/sh\n\
        alice:x:1000:1000::/home/alice:/bin/sh\n";
    const GROUP: &str =
        "root:x:0:\nwww:x:33:\naudio:x:29:alice,bob\nwheel:x:10:alice\n0x:x:77:\nbad:x::alice\n";

    fn find(spec: &str) -> Result<(u32, u32, Vec<u32>, String)> {
        lookup(PASSWD, GROUP, spec, &[]).map(|u| (u.uid, u.gid, u.groups, u.home))
    }

    #[test]
    fn names_and_numbers_are_looked_up_as_docker_does() {
        let some = |uid, gid, groups: &[u32], home: &str| Some((uid, gid, groups.to_vec(), home.to_owned()));
        assert_eq!(find("").ok(), some(0, 0, &[], "/root"));
        assert_eq!(find("www").ok(), some(33, 33, &[], "/var/www"));
        assert_eq!(find("alice").ok(), some(1000, 1000, &[10, 29], "/home/alice"));
        assert_eq!(
            find("1000").ok(),
            some(1000, 1000, &[10, 29], "/home/alice"),
            "never the user named 1000"
        );
        assert_eq!(find("alice:www").ok(), some(1000, 33, &[], "/home/alice"));
        assert_eq!(find("4242").ok(), some(4242, 0, &[], "/"));
        assert_eq!(find("4242:4343").ok(), some(4242, 4343, &[], "/"));
        assert_eq!(find("4294967294").ok(), some(u32::MAX - 1, 0, &[], "/"));
    }

    #[test]
    fn strings_that_mean_no_user_never_mean_root() {
        let bad = [
            "0x10",
            "+1",
            " 1",
            "1:",
            ":1",
            ":",
            "4294967295",
            "4294967296",
            "-1",
            "1:-1",
            "broken",
            "www:bad",
            "1:2:3",
            "alice:4294967295",
            "alice:nobody",
            "www ",
            "Alice",
            "0 ",
            "00x",
        ];
        for spec in bad {
            assert!(find(spec).is_err(), "{spec:?}");
        }
        assert_eq!(find("nobody").unwrap_err().kind(), Kind::NotFound);
    }

    #[test]
    fn groups_are_added_once_and_never_the_primary_one() {
        let more = ["audio", "29", "wheel", "1000"].map(str::to_owned);
        let user = lookup(PASSWD, GROUP, "alice", &more).unwrap();
        assert_eq!(user.groups, [10, 29]);
        assert!(lookup(PASSWD, GROUP, "alice", &["nogroup".to_owned()]).is_err());
    }

    #[test]
    fn only_regular_files_of_the_container_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let etc = dir.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        let root = File::open(dir.path()).unwrap();
        let uid = |spec: &str| resolve(root.as_fd(), spec, &[]).map(|u| u.uid);
        assert_eq!(uid("").ok(), Some(0), "no file at all");

        let passwd = etc.join("passwd");
        std::os::unix::fs::symlink("/etc/real", &passwd).unwrap();
        std::fs::write(etc.join("real"), "bob:x:7:7::/:\n").unwrap();
        assert_eq!(uid("bob").ok(), Some(7), "a link inside the root");

        std::fs::remove_file(&passwd).unwrap();
        std::os::unix::fs::symlink("/../../../../etc/passwd", &passwd).unwrap();
        assert!(uid("bob").is_err(), "the link leads to itself, not to the host");

        std::fs::remove_file(&passwd).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &passwd, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
        assert_eq!(uid("bob").unwrap_err().kind(), Kind::Invalid, "a fifo does not make us wait");

        std::fs::remove_file(&passwd).unwrap();
        File::create(&passwd).unwrap().set_len(1 << 30).unwrap();
        assert_eq!(uid("bob").unwrap_err().kind(), Kind::Invalid, "a gibibyte is not read");
    }
}
