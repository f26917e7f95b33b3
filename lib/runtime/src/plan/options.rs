//! Options of a mount, as `mount(8)` and the OCI runtime spec name them.

use child::Param;
use sys::mount::MountAttr;
use types::Result;

use super::{Owned, text, unsupported};

/// What the options of one mount ask for.
#[derive(Default)]
pub struct Options {
    /// Attributes to set.
    pub set: u64,
    /// Attributes to clear.
    pub clear: u64,
    /// The mount shows a tree of the host.
    pub bind: bool,
    /// With everything mounted below it.
    pub recursive: bool,
    /// `MS_PRIVATE`, `MS_SLAVE` or `MS_SHARED`.
    pub propagation: u64,
    /// What the file system itself understands.
    pub data: Vec<Param<Owned>>,
}

impl Options {
    /// Reads the options of a mount.
    ///
    /// # Errors
    /// For options that this version does not do; unknown ones are left to the file system.
    pub fn read(options: &[String]) -> Result<Self> {
        let mut read = Self { propagation: libc::MS_PRIVATE, ..Self::default() };
        for option in options {
            if !read.attribute(option) {
                read.other(option)?;
            }
        }
        Ok(read)
    }

    /// Tells whether the mount is to be read-only.
    pub const fn read_only(&self) -> bool {
        self.set & MountAttr::RDONLY != 0
    }

    fn attribute(&mut self, option: &str) -> bool {
        // A recursive variant changes nothing for a new file system, and ours are recursive for binds.
        let plain = match option {
            "rro" => "ro",
            "rrw" => "rw",
            "rnosuid" => "nosuid",
            "rnodev" => "nodev",
            "rnoexec" => "noexec",
            other => other,
        };
        let (set, clear) = match plain {
            "ro" => (MountAttr::RDONLY, 0),
            "rw" => (0, MountAttr::RDONLY),
            "nosuid" => (MountAttr::NOSUID, 0),
            "suid" => (0, MountAttr::NOSUID),
            "nodev" => (MountAttr::NODEV, 0),
            "dev" => (0, MountAttr::NODEV),
            "noexec" => (MountAttr::NOEXEC, 0),
            "exec" => (0, MountAttr::NOEXEC),
            // Access times are one number; to set it, all its bits are cleared.
            "noatime" => (MountAttr::NOATIME, MountAttr::ATIME),
            "strictatime" => (MountAttr::STRICTATIME, MountAttr::ATIME),
            "relatime" => (0, MountAttr::ATIME),
            "nodiratime" => (MountAttr::NODIRATIME, 0),
            "diratime" => (0, MountAttr::NODIRATIME),
            "nosymfollow" => (MountAttr::NOSYMFOLLOW, 0),
            "symfollow" => (0, MountAttr::NOSYMFOLLOW),
            _ => return false,
        };
        self.set = (self.set & !clear) | set;
        self.clear = (self.clear & !set) | clear;
        true
    }

    fn other(&mut self, option: &str) -> Result<()> {
        match option {
            "bind" => self.bind = true,
            "rbind" => (self.bind, self.recursive) = (true, true),
            "private" | "rprivate" => self.propagation = libc::MS_PRIVATE,
            "slave" | "rslave" => self.propagation = libc::MS_SLAVE,
            "shared" | "rshared" => self.propagation = libc::MS_SHARED,
            "defaults" | "atime" | "norelatime" | "async" => {}
            "idmap" | "ridmap" | "tmpcopyup" | "copy-symlink" => {
                return Err(unsupported(format!("mount option {option:?}")));
            }
            _ => {
                let (key, value) = match option.split_once('=') {
                    Some((key, value)) => (key, Some(text(value)?)),
                    None => (option, None),
                };
                self.data.push(Param { key: text(key)?, value });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[&str]) -> Options {
        let owned: Vec<_> = options.iter().map(|o| (*o).to_owned()).collect();
        Options::read(&owned).unwrap()
    }

    #[test]
    fn later_options_win_and_the_rest_is_for_the_file_system() {
        let tmp = read(&["nosuid", "ro", "rw", "strictatime", "size=64k", "mode=1777", "newinstance"]);
        assert_eq!(tmp.set, MountAttr::NOSUID | MountAttr::STRICTATIME);
        assert!(!tmp.read_only() && !tmp.bind);
        let keys: Vec<_> = tmp.data.iter().map(|p| p.key.to_str().unwrap()).collect();
        assert_eq!(keys, ["size", "mode", "newinstance"]);
    }

    #[test]
    fn a_bind_is_private_unless_told_otherwise() {
        let bind = read(&["rbind", "rro"]);
        assert!(bind.bind && bind.recursive && bind.read_only());
        assert_eq!(bind.propagation, libc::MS_PRIVATE);
        assert_eq!(read(&["rbind", "rslave"]).propagation, libc::MS_SLAVE);
    }
}
