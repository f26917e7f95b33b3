//! Binds whose owners are mapped (mount_setattr(2), ID-mapped mounts).

use std::os::fd::{AsFd, OwnedFd};

use oci_spec::runtime::{LinuxIdMapping, Mount};
use types::{Error, Result};

use super::ids::Ids;
use super::options::{Depth, Options};
use super::{Draft, invalid};

/// Maps the owners that a bind shows: as its mappings say, or as a word of crun's that podman passes on
/// (`idmap=uids=0-1000-10;gids=0-1000-10`); without either, `idmap` means those of the container's user
/// namespace.
pub fn apply(mount: &Mount, options: &Options, tree: &OwnedFd, draft: &Draft) -> Result<()> {
    let at = mount.destination();
    let own = (lines(mount.uid_mappings().as_deref()), lines(mount.gid_mappings().as_deref()));
    let (uids, gids) = match &options.mappings {
        Some(_) if !own.0.is_empty() || !own.1.is_empty() => {
            return Err(invalid(format!("mount on {at:?} has mappings and says others in its options")));
        }
        Some(text) => words(text, draft.ids.as_ref())?,
        None => own,
    };
    if uids.is_empty() != gids.is_empty() {
        return Err(invalid(format!("mount on {at:?} has mappings of users or of groups, and needs both")));
    }
    let failed = |e| Error::io(format!("map owners of the mount on {at:?}"), e);
    let namespace = match (uids.is_empty(), options.idmap, &draft.ids) {
        (true, None, _) => return Ok(()),
        (true, Some(_), Some(ids)) => ids.for_mounts()?,
        (true, Some(_), None) => {
            let why = "has \"idmap\" and no mappings, and the container no user namespace";
            return Err(invalid(format!("mount on {at:?} {why}")));
        }
        (false, ..) => sys::userns::with_mappings(&uids, &gids).map_err(failed)?,
    };
    let all = options.idmap == Some(Depth::All);
    sys::mount::map_ids(tree.as_fd(), namespace.as_fd(), all)
        .map_err(|e| failed(e).hint("not every file system can map owners"))
}

/// Mappings in the form of `/proc/PID/uid_map`.
fn lines(mappings: Option<&[LinuxIdMapping]>) -> String {
    let line = |m: &LinuxIdMapping| format!("{} {} {}\n", m.container_id(), m.host_id(), m.size());
    mappings.iter().copied().flatten().map(line).collect()
}

/// `uids=FILE-HOST-COUNT#...;gids=...`, both in the form of `/proc/PID/uid_map`. With `@` in front of a
/// range, its second number is one of the container; who is not mapped there is nobody in the mount either.
fn words(text: &str, ids: Option<&Ids>) -> Result<(String, String)> {
    let (mut uids, mut gids) = (String::new(), String::new());
    for part in text.split(';') {
        let (list, into, parts): (_, _, Parts) = match part.split_once('=') {
            Some(("uids", list)) => (list, &mut uids, Ids::parts_of_users),
            Some(("gids", list)) => (list, &mut gids, Ids::parts_of_groups),
            _ => return Err(invalid(format!("bad mapping {part:?}: there are uids= and gids="))),
        };
        for range in list.split('#') {
            for (file, host, count) in ranges_of(range, ids, parts)? {
                *into += &format!("{file} {host} {count}\n");
            }
        }
    }
    Ok((uids, gids))
}

/// The parts of a range of the container that are mapped: first id there, first id on the host, count.
type Parts = fn(&Ids, u32, u32) -> Vec<(u32, u32, u32)>;

fn ranges_of(range: &str, ids: Option<&Ids>, parts: Parts) -> Result<Vec<(u32, u32, u32)>> {
    let bad =
        || invalid(format!("bad mapping {range:?}: it is a first id, a first id of the host, and a count"));
    let plain = range.strip_prefix('@');
    let mut numbers = plain.unwrap_or(range).split('-').map(|word| word.parse::<u32>().ok());
    let mut next = || numbers.next().flatten().ok_or_else(bad);
    let (file, first, count) = (next()?, next()?, next()?);
    let overflows = [file, first].iter().any(|start| start.checked_add(count).is_none());
    if numbers.next().is_some() || count == 0 || overflows {
        return Err(bad());
    }
    if plain.is_none() {
        return Ok(vec![(file, first, count)]);
    }
    let ids = ids.ok_or_else(|| invalid(format!("mapping {range:?} needs a user namespace")))?;
    let parts = parts(ids, first, count);
    if parts.is_empty() {
        return Err(invalid(format!("mapping {range:?} is of ids that the user namespace does not map")));
    }
    Ok(parts.into_iter().map(|(inside, host, count)| (file + (inside - first), host, count)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_crun_are_read_and_those_of_the_container_translated() {
        let linux = r#"{"uidMappings": [{"containerID": 0, "hostID": 1, "size": 20}],
            "gidMappings": [{"containerID": 0, "hostID": 7, "size": 5}, {"containerID": 5, "hostID": 100, "size": 9}]}"#;
        let ids = Ids::of_new(&serde_json::from_str(linux).unwrap()).unwrap();
        let read = |text: &str| words(text, Some(&ids));
        assert_eq!(
            read("uids=0-2-10#10-100-10;gids=+0-1-10").unwrap(),
            ("0 2 10\n10 100 10\n".to_owned(), "0 1 10\n".to_owned())
        );
        assert_eq!(read("uids=@0-1-10;gids=0-1-10").unwrap().0, "0 2 10\n");
        assert_eq!(
            read("uids=@3-15-10;gids=@0-4-2").unwrap(),
            ("3 16 5\n".into(), "0 11 1\n1 100 1\n".into())
        );
        let bad = ["uids", "uids=1-2", "uids=1-2-0", "uids=1-2-3-4", "uids=a-b-c", "x=1-2-3", "uids=@0-20-1"];
        for bad in bad.into_iter().chain(["uids=0-4294967295-1", "uids=@1-1-4294967295"]) {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(words("uids=@0-1-1", None).is_err());
    }
}
