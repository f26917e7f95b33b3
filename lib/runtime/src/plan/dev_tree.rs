//! The `/dev` of a container with a user namespace. Inside of it no device node can be made, and none on a
//! file system that was mounted there could be opened (mknod(2), user_namespaces(7)). So this process
//! makes the whole tree, mounted nowhere, and the child puts it in place.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use child::Param;
use rustix::fs::{AtFlags, FileType, Gid, Mode, Uid, chownat, mkdirat, mknodat, symlinkat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};
use sys::mount::{MountAttr, set_attr};
use types::{Error, Result};

use super::ids::Ids;
use super::{Owned, Step, invalid};

/// Makes a tmpfs with these options and attributes, and takes the steps in it that make devices.
pub fn make(options: &[Param<Owned>], attr: u64, steps: &[Step], ids: &Ids) -> Result<OwnedFd> {
    let tree = tmpfs(options, attr & !MountAttr::RDONLY, ids)?;
    let root = |dir: BorrowedFd<'_>, name: &CStr| owner(dir, name, (ids.user(0)?, ids.group(0)?));
    if !options.iter().any(|param| matches!(param.key.to_bytes(), b"uid" | b"gid")) {
        root(tree.as_fd(), c"")?;
    }
    for step in steps {
        take(step, tree.as_fd(), ids)?;
    }
    // Afterwards, or nothing could be made in it.
    let late = MountAttr { set: attr & MountAttr::RDONLY, ..MountAttr::default() };
    set_attr(tree.as_fd(), late, false).map_err(|e| Error::io("make \"/dev\" read-only", e))?;
    Ok(tree)
}

fn tmpfs(options: &[Param<Owned>], attr: u64, ids: &Ids) -> Result<OwnedFd> {
    let failed = |e| Error::io("make \"/dev\"", e);
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).map_err(failed)?;
    for Param { key, value } in options {
        let mapped = match (key.to_bytes(), value) {
            (b"uid", Some(value)) => Some(ids.user(number(value)?)?.to_string()),
            (b"gid", Some(value)) => Some(ids.group(number(value)?)?.to_string()),
            _ => None,
        };
        match (mapped, value) {
            (Some(mapped), _) => fsconfig_set_string(&fs, key, mapped),
            (None, Some(value)) => fsconfig_set_string(&fs, key, value),
            (None, None) => fsconfig_set_flag(&fs, key),
        }
        .map_err(|e| Error::io(format!("set option {key:?} of \"/dev\""), e))?;
    }
    fsconfig_create(&fs).map_err(failed)?;
    let attr = MountAttrFlags::from_bits_retain(u32::try_from(attr).unwrap_or(0));
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attr).map_err(failed)
}

fn number(value: &CStr) -> Result<u32> {
    let text = value.to_string_lossy();
    text.parse().map_err(|_| invalid(format!("owner {text:?} of \"/dev\" is no number")))
}

fn take(step: &Step, dev: BorrowedFd<'_>, ids: &Ids) -> Result<()> {
    match step {
        Step::DevDir { name, mode } => {
            mkdirat(dev, name, Mode::empty()).map_err(|e| failed(name, e))?;
            chmod(dev, name, *mode)?;
            owner(dev, name, (ids.user(0)?, ids.group(0)?))
        }
        Step::DevNode { name, mode, device, uid, gid } => {
            let kind = FileType::from_raw_mode(*mode);
            mknodat(dev, name, kind, Mode::empty(), *device).map_err(|e| failed(name, e))?;
            chmod(dev, name, *mode)?;
            owner(dev, name, (ids.user(*uid)?, ids.group(*gid)?))
        }
        Step::DevLink { name, to } => {
            symlinkat(to, dev, name).map_err(|e| failed(name, e))?;
            owner(dev, name, (ids.user(0)?, ids.group(0)?))
        }
        _ => Ok(()),
    }
}

/// The caller's umask has no say in this.
fn chmod(dev: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<()> {
    let mode = Mode::from_raw_mode(mode & 0o7777);
    rustix::fs::chmodat(dev, name, mode, AtFlags::empty()).map_err(|e| failed(name, e))
}

fn owner(dir: BorrowedFd<'_>, name: &CStr, (uid, gid): (u32, u32)) -> Result<()> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    chownat(dir, name, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), flags).map_err(|e| failed(name, e))
}

fn failed(name: &CStr, errno: rustix::io::Errno) -> Error {
    Error::io(format!("create \"/dev/{}\"", name.to_string_lossy()), errno)
}
