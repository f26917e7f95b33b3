//! Descriptors that the program gets from our caller.

use std::os::fd::BorrowedFd;

use oci_spec::runtime::{LinuxIdMapping, Process, Spec};
use runtime::Console;
use rustix::fs::{FileType, Gid, Uid, fchown, fstat};
use types::{Error, Result};

/// The standard streams of a program: its terminal, or what our caller gave us.
pub fn of_program<'a>(
    console: Option<&'a Console>,
    process: Option<&Process>,
    spec: &Spec,
) -> Result<[BorrowedFd<'a>; 3]> {
    if let Some(console) = console {
        return Ok([console.slave(); 3]);
    }
    let ours = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    if let Some(process) = process {
        let linux = spec.linux().as_ref();
        let uid = on_host(process.user().uid(), linux.and_then(|linux| linux.uid_mappings().as_deref()));
        let gid = on_host(process.user().gid(), linux.and_then(|linux| linux.gid_mappings().as_deref()));
        give(ours, uid, gid)?;
    }
    Ok(ours)
}

/// Gives pipes and sockets to the program's user, who could not open `/dev/stdout` otherwise. Files and
/// devices belong to others (runc#1784 gave away the host's `/dev/null`).
fn give(stdio: [BorrowedFd<'_>; 3], uid: u32, gid: u32) -> Result<()> {
    for fd in stdio {
        let stat = fstat(fd).map_err(|e| Error::io("look at standard descriptor", e))?;
        let ours = matches!(FileType::from_raw_mode(stat.st_mode), FileType::Fifo | FileType::Socket);
        if !ours || (stat.st_uid == uid && stat.st_gid == gid) {
            continue;
        }
        match fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))) {
            // A socket that cannot change hands, and a user who has no such id: as it is, then.
            Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::PERM | rustix::io::Errno::ROFS) => {}
            Err(e) => return Err(Error::io("give standard descriptor to user", e)),
        }
    }
    Ok(())
}

/// An id of the container as the host sees it.
fn on_host(id: u32, mappings: Option<&[LinuxIdMapping]>) -> u32 {
    let inside = |m: &&LinuxIdMapping| id.checked_sub(m.container_id()).is_some_and(|n| n < m.size());
    let mapping = mappings.unwrap_or_default().iter().find(inside);
    mapping.map_or(id, |m| m.host_id().saturating_add(id - m.container_id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_mapped_where_there_is_a_mapping() {
        let mapping = r#"{"containerID": 10, "hostID": 1000, "size": 5}"#;
        let maps = [serde_json::from_str::<LinuxIdMapping>(mapping).unwrap()];
        assert_eq!(on_host(12, Some(&maps)), 1002);
        assert_eq!(on_host(15, Some(&maps)), 15);
        assert_eq!(on_host(9, Some(&maps)), 9);
        assert_eq!(on_host(3, None), 3);
    }
}
