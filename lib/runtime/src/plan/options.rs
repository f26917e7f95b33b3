//! Options of a mount, as `mount(8)` and the OCI runtime spec name them.

use std::ffi::CString;

use child::Param;
use oci_spec::runtime::Mount;
use sys::mount::MountAttr;
use types::Result;

use super::labels::MountLabel;
use super::target::host_path;
use super::{Owned, text, unsupported};

/// How far an option reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The mount alone.
    Top,
    /// All that is mounted below it too.
    All,
}

/// What the options of one mount ask for.
#[derive(Default)]
pub struct Options {
    /// Attributes to set.
    pub set: u64,
    /// Attributes to clear.
    pub clear: u64,
    /// Attributes to set on this mount and all below it (`rro` and its kin).
    pub deep_set: u64,
    /// Attributes to clear on this mount and all below it.
    pub deep_clear: u64,
    /// The mount shows a tree of the host.
    pub bind: bool,
    /// With everything mounted below it.
    pub recursive: bool,
    /// `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED` or `MS_UNBINDABLE`. Of this mount and of all below it, also
    /// where the option is not the recursive one: what was shared on the host must not stay so unasked.
    pub propagation: u64,
    /// The same as the options say it, and whether of all below it too; `None` if they do not.
    pub spread: Option<(u64, Depth)>,
    /// Nothing is mounted: what is mounted there already is changed.
    pub remount: bool,
    /// The new file system begins with what is in its place.
    pub copy_up: bool,
    /// A source that is a symbolic link is made again in its place, and not followed (crun).
    pub copy_link: bool,
    /// Owners are mapped: `idmap`, or of all below it too with `ridmap`.
    pub idmap: Option<Depth>,
    /// Mappings of owners in the words of crun, from `idmap=` or `ridmap=`.
    pub mappings: Option<String>,
    /// What the file system itself understands.
    pub data: Vec<Param<Owned>>,
    /// Flags of the file system that were taken back.
    pub unset: Vec<&'static str>,
    /// What its root is labelled with afterwards.
    pub label: Option<CString>,
}

impl Options {
    /// Reads the options of a mount.
    ///
    /// # Errors
    /// For options that this version does not do; unknown ones are left to the file system.
    pub fn read(options: &[String]) -> Result<Self> {
        let mut read = Self { propagation: libc::MS_PRIVATE, ..Self::default() };
        for option in options {
            if !read.attribute(option) && !read.spread(option) {
                read.other(option)?;
            }
        }
        Ok(read)
    }

    /// Adds what the file system is made of: a device for some, for the others a name that the list of
    /// mounts shows.
    pub fn with_source(mut self, mount: &Mount, fs: &str, label: Option<&str>) -> Result<Self> {
        self.label(fs, label)?;
        self.count_versions(fs)?;
        if let Some(source) = mount.source().as_deref().filter(|source| !source.as_os_str().is_empty()) {
            let value = Some(host_path(source)?);
            self.data.push(Param { key: text("source")?, value });
        }
        Ok(self)
    }

    /// `iversion` is a flag of mount(2), which that API of the kernel's does not have; what ext4 calls it, it has.
    /// Other file systems count the changes of a file always, or never.
    fn count_versions(&mut self, fs: &str) -> Result<()> {
        for param in self.data.iter_mut().filter(|param| param.key.as_c_str() == c"iversion") {
            if !matches!(fs, "ext2" | "ext3" | "ext4") {
                return Err(unsupported(format!("mount option \"iversion\" of a {fs}")));
            }
            param.key = text("i_version")?;
        }
        Ok(())
    }

    /// Labels what is made.
    pub fn label(&mut self, fs: &str, label: Option<&str>) -> Result<()> {
        match MountLabel::of(fs, label) {
            Some(MountLabel::Context(label)) => {
                self.data.push(Param { key: text("context")?, value: Some(text(&label)?) });
            }
            Some(MountLabel::Attribute(label)) => self.label = Some(text(&label)?),
            None => {}
        }
        Ok(())
    }

    /// Tells whether the mount is to be read-only.
    #[cfg(test)]
    pub const fn read_only(&self) -> bool {
        (self.set | self.deep_set) & MountAttr::RDONLY != 0
    }

    /// Attributes for a mount that has none below it.
    pub const fn attributes(&self) -> u64 {
        (self.deep_set & !self.clear) | self.set
    }

    fn attribute(&mut self, option: &str) -> bool {
        if let Some((set, clear)) = attribute(option) {
            self.set = (self.set & !clear) | set;
            self.clear = (self.clear & !set) | clear;
            return true;
        }
        // mount(8) of util-linux 2.39 says `ro=recursive`; the runtime spec says `rro`.
        let Some((set, clear)) = option.strip_prefix('r').and_then(attribute) else { return false };
        self.deep_set = (self.deep_set & !clear) | set;
        self.deep_clear = (self.deep_clear & !set) | clear;
        true
    }

    fn spread(&mut self, option: &str) -> bool {
        let Some((flag, depth)) = propagation(option) else { return false };
        (self.propagation, self.spread) = (flag, Some((flag, depth)));
        true
    }

    fn unset(&mut self, flag: &'static str) {
        self.data.retain(|param| param.key.to_bytes() != flag.as_bytes());
        self.unset.push(flag);
    }

    fn other(&mut self, option: &str) -> Result<()> {
        match option {
            "bind" => self.bind = true,
            "rbind" => (self.bind, self.recursive) = (true, true),
            // What a mount has anyway; `silent` and `loud` concern the kernel's log of old kernels.
            "defaults" | "silent" | "loud" => {}
            "async" => self.unset("sync"),
            "nomand" => self.unset("mand"),
            "noiversion" => self.unset("iversion"),
            "nolazytime" => self.unset("lazytime"),
            "remount" => self.remount = true,
            "tmpcopyup" => self.copy_up = true,
            "idmap" => self.idmap = Some(Depth::Top),
            "ridmap" => self.idmap = Some(Depth::All),
            "copy-symlink" => self.copy_link = true,
            _ => {
                let (key, value) = match option.split_once('=') {
                    Some(("idmap", words)) => return self.map(Depth::Top, words),
                    Some(("ridmap", words)) => return self.map(Depth::All, words),
                    Some((key, value)) => (key, Some(text(value)?)),
                    None => (option, None),
                };
                self.data.push(Param { key: text(key)?, value });
            }
        }
        Ok(())
    }

    fn map(&mut self, depth: Depth, words: &str) -> Result<()> {
        (self.idmap, self.mappings) = (Some(depth), Some(words.to_owned()));
        Ok(())
    }
}

fn propagation(option: &str) -> Option<(u64, Depth)> {
    let plain = |option: &str| {
        Some(match option {
            "private" => libc::MS_PRIVATE,
            "slave" => libc::MS_SLAVE,
            "shared" => libc::MS_SHARED,
            "unbindable" => libc::MS_UNBINDABLE,
            _ => return None,
        })
    };
    let deep = || Some((plain(option.strip_prefix('r')?)?, Depth::All));
    plain(option).map(|flag| (flag, Depth::Top)).or_else(deep)
}

/// What an option sets and clears of a mount.
fn attribute(option: &str) -> Option<(u64, u64)> {
    Some(match option {
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
        "relatime" | "atime" | "norelatime" | "nostrictatime" => (0, MountAttr::ATIME),
        "nodiratime" => (MountAttr::NODIRATIME, 0),
        "diratime" => (0, MountAttr::NODIRATIME),
        "nosymfollow" => (MountAttr::NOSYMFOLLOW, 0),
        "symfollow" => (0, MountAttr::NOSYMFOLLOW),
        _ => return None,
    })
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

    #[test]
    fn recursive_options_are_told_from_plain_ones() {
        let deep = read(&["rbind", "rro", "rnosuid", "rnoatime", "noexec", "rdev"]);
        assert_eq!(deep.deep_set, MountAttr::RDONLY | MountAttr::NOSUID | MountAttr::NOATIME);
        assert_eq!((deep.set, deep.deep_clear & MountAttr::NODEV), (MountAttr::NOEXEC, MountAttr::NODEV));
        assert!(read(&["rrelatime", "rsymfollow", "rstrictatime"]).data.is_empty());
        assert_eq!(read(&["rbind", "unbindable"]).propagation, libc::MS_UNBINDABLE);
        assert_eq!(read(&["shared"]).spread, Some((libc::MS_SHARED, Depth::Top)));
        assert_eq!(read(&["rslave"]).spread, Some((libc::MS_SLAVE, Depth::All)));
        assert_eq!(read(&["ro"]).spread, None);
    }

    #[test]
    fn flags_of_the_file_system_are_taken_back_and_called_what_it_calls_them() {
        let taken = read(&["sync", "mand", "async", "nolazytime"]);
        assert_eq!(taken.data.len(), 1);
        assert_eq!(taken.unset, ["sync", "lazytime"]);
        let disk = read(&["iversion"]).with_source(&Mount::default(), "ext4", None).unwrap();
        assert_eq!(disk.data[0].key.as_c_str(), c"i_version");
        let none = read(&["iversion"]).with_source(&Mount::default(), "tmpfs", None);
        assert!(none.is_err_and(|e| e.to_string().contains("\"iversion\" of a tmpfs")));
    }
}
