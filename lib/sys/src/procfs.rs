//! A procfs of our own that no mount table has: whatever was mounted over the machine's `/proc`, or over a
//! file in it, this one shows and takes what the kernel says (proc(5); Linux 5.2).

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
};

/// The root of the file system.
#[derive(Debug)]
pub struct Procfs(OwnedFd);

impl Procfs {
    /// Makes one that has processes and nothing else, where the kernel can do that (Linux 5.8).
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn new() -> io::Result<Self> {
        let fs = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
        // An older kernel shows the rest too, which nobody asks for here.
        let _older = fsconfig_set_string(&fs, "subset", "pid");
        fsconfig_create(&fs)?;
        let attrs = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        Ok(Self(fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attrs)?))
    }

    /// Reads a file of a process.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn read(&self, pid: i32, name: &str) -> io::Result<String> {
        let mut text = String::new();
        self.file(pid, name, OFlags::RDONLY)?.read_to_string(&mut text)?;
        Ok(text)
    }

    /// Writes a file of a process, in one call, which is what most of them want.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn write(&self, pid: i32, name: &str, text: &str) -> io::Result<()> {
        let written = self.file(pid, name, OFlags::WRONLY)?.write(text.as_bytes())?;
        if written == text.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    fn file(&self, pid: i32, name: &str, access: OFlags) -> io::Result<std::fs::File> {
        let plain = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
        let path = format!("{pid}/{name}");
        Ok(openat2(&self.0, path, access | OFlags::CLOEXEC, Mode::empty(), plain)?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_processes_and_follows_no_links() {
        let Ok(proc) = Procfs::new() else {
            eprintln!("skip: needs root");
            return;
        };
        let me = i32::try_from(std::process::id()).unwrap();
        assert!(proc.read(me, "status").unwrap().contains(&format!("Pid:\t{me}\n")));
        assert!(proc.read(me, "cwd/Cargo.toml").is_err());
        proc.write(me, "comm", "renamed").unwrap();
        assert_eq!(proc.read(me, "comm").unwrap(), "renamed\n");
    }
}
