//! Descriptors that the program gets from our caller.

use std::os::fd::BorrowedFd;

use oci_spec::runtime::{Process, Spec};
use runtime::Console;
use rustix::fs::{FileType, Gid, Uid, fchown, fstat};
use types::{Error, Result};

/// The standard streams of a program: its terminal, or what our caller gave us. `first` is the first process of the
/// container that it is brought into.
pub fn of_program<'a>(
    console: Option<&'a Console>,
    process: Option<&Process>,
    spec: &Spec,
    first: Option<i32>,
) -> Result<[BorrowedFd<'a>; 3]> {
    if let Some(console) = console {
        return Ok([console.slave(); 3]);
    }
    let ours = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    if let Some(process) = process {
        let user = (process.user().uid(), process.user().gid());
        let (uid, gid) = runtime::user::on_host(spec.linux().as_ref(), user, first)?;
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
