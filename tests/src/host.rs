//! The host as a hostile image must not change it, and the means of such an image.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Env;

/// A directory of the host's, kernel parameters, devices and mounts, as they were.
#[derive(Debug)]
#[must_use = "say at the end that it is untouched"]
pub struct Host {
    dir: PathBuf,
    before: BTreeMap<String, String>,
}

impl Env {
    /// Makes a directory that stands for the host and looks at it, and at what else is worth a attack.
    pub fn host(&self) -> Host {
        let dir = self.dir().join("host");
        fs::create_dir_all(dir.join("deep")).unwrap();
        fs::write(dir.join("sentinel"), "of the host\n").unwrap();
        fs::set_permissions(dir.join("sentinel"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        Host { before: look(&dir), dir }
    }

    /// Makes a container with these options, and whatever is to be in its image: `change` gets the
    /// directory that is on top of the layers.
    pub fn hostile(&self, options: &str, change: impl FnOnce(&Path)) {
        let id = self.sh(&format!("ctr-create --name evil {options}")).run().ok().line();
        change(&self.root().join("containers").join(id).join("upper"));
    }
}

impl Host {
    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its only file with content.
    #[must_use]
    pub fn sentinel(&self) -> PathBuf {
        self.dir.join("sentinel")
    }

    /// Everything must be as it was.
    #[track_caller]
    pub fn untouched(&self) {
        assert_eq!(self.before, look(&self.dir), "the host was changed");
    }
}

fn look(dir: &Path) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    for name in ["kernel/core_pattern", "kernel/hostname", "net/ipv4/ip_default_ttl"] {
        let path = Path::new("/proc/sys").join(name);
        facts.insert(name.to_owned(), fs::read_to_string(path).unwrap_or_default());
    }
    for device in ["/dev/null", "/dev/full", "/dev/console"] {
        if let Ok(meta) = fs::symlink_metadata(device) {
            let mode = format!("{}:{} {:o} {:x}", meta.uid(), meta.gid(), meta.mode(), meta.rdev());
            facts.insert(device.to_owned(), mode);
        }
    }
    // Other tests mount elsewhere meanwhile.
    let ours = |point: &str| {
        Path::new(point).starts_with(dir) || ["/proc", "/dev", "/etc"].iter().any(|d| point.starts_with(d))
    };
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    for line in table.lines().filter(|line| line.split(' ').nth(4).is_some_and(ours)) {
        facts.insert(format!("mount {line}"), String::new());
    }
    walk(dir, &mut facts);
    facts
}

fn walk(dir: &Path, facts: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let (path, meta) = (entry.path(), entry.metadata().unwrap());
        let text = fs::read_to_string(&path).unwrap_or_default();
        let fact = format!(
            "{:o} {}:{} {}:{} {text}",
            meta.mode(),
            meta.uid(),
            meta.gid(),
            meta.ctime(),
            meta.ctime_nsec()
        );
        facts.insert(path.display().to_string(), fact);
        if meta.is_dir() {
            walk(&path, facts);
        }
    }
}
