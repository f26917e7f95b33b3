//! Archives made by hand, and a place to unpack them beside something that must not change.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};
use types::Result;

use crate::{Unpacked, unpack};

/// An archive that grows entry by entry, with names exactly as given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tar(pub(crate) Vec<u8>);

impl Tar {
    pub(crate) fn header(kind: EntryType, name: &[u8], link: &[u8], mode: u32, size: u64) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        header.set_size(size);
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name);
        old.linkname[..link.len()].copy_from_slice(link);
        header.set_cksum();
        header
    }

    pub(crate) fn put(mut self, mut header: Header, content: &[u8]) -> Self {
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.raw(content)
    }

    /// Content, filled up to a whole block.
    pub(crate) fn raw(mut self, content: &[u8]) -> Self {
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        let header = Self::header(EntryType::Regular, name.as_bytes(), b"", 0o644, content.len() as u64);
        self.put(header, content.as_bytes())
    }

    pub(crate) fn dir(self, name: &str) -> Self {
        self.put(Self::header(EntryType::Directory, name.as_bytes(), b"", 0o755, 0), b"")
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.put(Self::header(EntryType::Symlink, name.as_bytes(), target.as_bytes(), 0o777, 0), b"")
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.put(Self::header(EntryType::Link, name.as_bytes(), target.as_bytes(), 0o644, 0), b"")
    }

    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut text = Vec::new();
        for (key, value) in records {
            let body = key.len() + value.len() + 3;
            let mut length = body + 1;
            while length != body + length.to_string().len() {
                length += 1;
            }
            text.extend_from_slice(format!("{length} {key}=").as_bytes());
            text.extend_from_slice(value);
            text.push(b'\n');
        }
        self.put(Self::header(EntryType::XHeader, b"pax", b"", 0o644, text.len() as u64), &text)
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// Two directories side by side: one to unpack in, one that nothing may touch.
#[derive(Debug)]
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("tempdir");
        std::fs::create_dir(dir.path().join("root")).expect("mkdir");
        std::fs::create_dir_all(dir.path().join("outside/dir")).expect("mkdir");
        std::fs::write(dir.path().join("outside/secret"), "host").expect("write");
        Self { dir }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub(crate) fn outside(&self) -> PathBuf {
        self.dir.path().join("outside")
    }

    pub(crate) fn unpack(&self, archive: &[u8]) -> Result<Unpacked> {
        let root = std::fs::File::open(self.root()).expect("open");
        unpack(archive, archive.len() as u64, &crate::Budget::new(None), root.as_fd())
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.root().join(name)).unwrap_or_else(|e| format!("{name}: {e}"))
    }

    pub(crate) fn meta(&self, name: &str) -> std::fs::Metadata {
        std::fs::symlink_metadata(self.root().join(name)).expect(name)
    }

    /// All names below the root, with what they are.
    pub(crate) fn listing(&self) -> String {
        let mut text = String::new();
        for (path, what) in tree(&self.root()) {
            writeln!(text, "{} {what}", String::from_utf8_lossy(path.as_os_str().as_bytes())).expect("write");
        }
        text
    }

    /// Everything about the outside, to be compared.
    pub(crate) fn state_outside(&self) -> String {
        let mut text = String::new();
        for (path, _) in tree(&self.outside()) {
            let full = self.outside().join(&path);
            let m = std::fs::symlink_metadata(&full).expect("stat");
            let content =
                if m.is_file() { std::fs::read_to_string(&full).expect("read") } else { String::new() };
            let times = (m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
            writeln!(
                text,
                "{path:?} {:o} {} {} {} {times:?} {content}",
                m.mode(),
                m.uid(),
                m.gid(),
                m.nlink()
            )
            .expect("write");
        }
        text
    }
}

fn tree(top: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(top.join(&dir)).expect("list") {
            let entry = entry.expect("entry");
            let path = dir.join(entry.file_name());
            let m = entry.metadata().expect("stat");
            let what = match m.mode() & 0o170_000 {
                0o040_000 => {
                    todo.push(path.clone());
                    "dir".to_owned()
                }
                0o100_000 => format!("file {}", m.len()),
                0o120_000 => format!("-> {}", std::fs::read_link(top.join(&path)).expect("link").display()),
                0o020_000 => format!("char {}", m.rdev()),
                0o060_000 => format!("block {}", m.rdev()),
                0o010_000 => "fifo".to_owned(),
                other => format!("{other:o}"),
            };
            found.insert(path, what);
        }
    }
    found
}

/// Whether this process may make what only root makes. Says so if not.
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        // Not through a macro of printing: libraries have none, and a test holds them to it.
        drop(std::io::Write::write_all(&mut std::io::stderr(), b"skip: needs root\n"));
    }
    root
}
