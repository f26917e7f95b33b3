//! The directory of state: one directory a container.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FlockOperation, Mode, OFlags, flock, mkdirat, open, openat, renameat, unlinkat,
};
use rustix::io::Errno;
use types::{Context, Error, Kind, Result};

use crate::record::{CONFIG, FORMAT, RECORD, Record};

/// Where the state of all containers is. Made with the first container.
#[derive(Debug, Clone)]
pub struct Root(PathBuf);

/// The state of one container, by descriptor: what happens to it does not go astray when another
/// one takes its name meanwhile.
#[derive(Debug)]
pub struct Container {
    id: String,
    path: PathBuf,
    dir: OwnedFd,
}

/// Nobody else changes the container while this lives.
#[derive(Debug)]
#[must_use]
pub struct Lock<'c>(&'c Container);

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // By name and not by closing: the container's first process may still hold a copy of the
        // descriptor. A lock that cannot be given back goes with the last copy.
        let _kept = flock(&self.0.dir, FlockOperation::Unlock);
    }
}

const DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

impl Root {
    /// Uses this directory.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Opens a container.
    ///
    /// # Errors
    /// `NotFound` if there is none of this id.
    pub fn container(&self, id: &str) -> Result<Container> {
        check_id(id)?;
        let path = self.0.join(id);
        let dir = open(&path, DIR, Mode::empty()).map_err(|e| match e {
            Errno::NOENT => Error::new(Kind::NotFound, format!("container {id:?} does not exist")),
            e => Error::io(format!("open {path:?}"), e),
        })?;
        Ok(Container { id: id.to_owned(), path, dir })
    }

    /// Takes an id for a new container.
    pub(crate) fn claim(&self, id: &str) -> Result<Container> {
        check_id(id)?;
        let path = self.0.join(id);
        let private = Mode::from_raw_mode(0o700);
        let made = match mkdirat(CWD, &path, private) {
            Err(Errno::NOENT) => {
                self.make()?;
                mkdirat(CWD, &path, private)
            }
            done => done,
        };
        made.map_err(|e| match e {
            Errno::EXIST => {
                Error::new(Kind::Conflict, format!("container with given ID already exists: {id:?}"))
            }
            e => Error::io(format!("make {path:?}"), e),
        })?;
        self.container(id)
    }

    fn make(&self) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.with_context(|| format!("make {:?}", self.0))
    }

    /// Returns the ids of all containers, sorted; none if the directory is not there.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn ids(&self) -> Result<Vec<String>> {
        let failed = |e: Errno| Error::io(format!("read {:?}", self.0), e);
        let dir = match open(&self.0, DIR, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let mut ids = Vec::new();
        for entry in Dir::new(dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if let Ok(name) = entry.file_name().to_str()
                && check_id(name).is_ok()
            {
                ids.push(name.to_owned());
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Container {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its directory, for what needs a name: a socket that is bound into the container.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Waits until nobody else changes it, and sees to that from then on.
    ///
    /// # Errors
    /// `NotFound` if it was deleted meanwhile.
    pub(crate) fn lock(&self) -> Result<Lock<'_>> {
        loop {
            match flock(&self.dir, FlockOperation::LockExclusive) {
                Err(Errno::INTR) => {}
                done => break done.map_err(|e| Error::io(format!("lock container {:?}", self.id), e))?,
            }
        }
        let stat = rustix::fs::fstat(&self.dir).map_err(|e| Error::io("look at container", e))?;
        if stat.st_nlink == 0 {
            return Err(Error::new(Kind::NotFound, format!("container {:?} does not exist", self.id)));
        }
        Ok(Lock(self))
    }

    /// Tells whether somebody is changing it right now.
    pub(crate) fn is_locked(&self) -> bool {
        let Ok(own) = openat(&self.dir, ".", DIR, Mode::empty()) else { return false };
        flock(&own, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
    }

    /// Reads what is known of it.
    ///
    /// # Errors
    /// `NotFound` if its creation did not come that far; `Corrupt` if it is damaged.
    pub(crate) fn record(&self) -> Result<Record> {
        let text = self.read(RECORD)?;
        let what = || format!("read record of container {:?}", self.id);
        let record: Record =
            serde_json::from_slice(&text).map_err(|e| Error::because(Kind::Corrupt, what(), e))?;
        if record.format != FORMAT {
            let why = format!("it has format {}, this version knows {FORMAT}", record.format);
            return Err(Error::new(Kind::Unsupported, why).within(what()));
        }
        // What is done to one container must not be done to another one.
        if record.id != self.id {
            let why = format!("it is that of {:?}", record.id);
            return Err(Error::new(Kind::Corrupt, why).within(what()));
        }
        Ok(record)
    }

    /// The configuration that it was made with. What became of the bundle's does not matter.
    pub(crate) fn config(&self) -> Result<oci_spec::runtime::Spec> {
        let text = self.read(CONFIG)?;
        let read = crate::foreign::read(&text).map(|(spec, _)| spec);
        read.map_err(|e| Error::because(Kind::Corrupt, format!("read configuration of {:?}", self.id), e))
    }

    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>> {
        let failed = |e| Error::io(format!("read {:?}", self.path.join(name)), e);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = openat(&self.dir, name, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
        let mut text = Vec::with_capacity(8 << 10);
        File::from(file).read_to_end(&mut text).map_err(failed)?;
        Ok(text)
    }

    /// Writes a file that did not exist.
    pub(crate) fn write_new(&self, name: &str, content: &[u8]) -> Result<()> {
        let failed = |e| Error::io(format!("write {:?}", self.path.join(name)), e);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file =
            openat(&self.dir, name, flags, Mode::from_raw_mode(0o600)).map_err(|e| failed(e.into()))?;
        File::from(file).write_all(content).map_err(failed)
    }

    /// Writes the record; a reader sees the old one or the new one. Nothing here outlives a reboot,
    /// so that nothing needs to be synced.
    pub(crate) fn save(&self, record: &Record) -> Result<()> {
        const NEW: &str = ".state.json";
        let text =
            serde_json::to_vec(record).map_err(|e| Error::because(Kind::Invalid, "encode record", e))?;
        match unlinkat(&self.dir, NEW, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(e) => return Err(Error::io(format!("remove {:?}", self.path.join(NEW)), e)),
        }
        self.write_new(NEW, &text)?;
        renameat(&self.dir, NEW, &self.dir, RECORD)
            .map_err(|e| Error::io(format!("write {:?}", self.path.join(RECORD)), e))
    }

    /// Removes all that is known of it; the id is free then.
    pub(crate) fn remove(&self) -> Result<()> {
        std::fs::remove_dir_all(&self.path).with_context(|| format!("remove {:?}", self.path))
    }
}

/// An id is a name in a directory, and a part of paths and of texts that others parse.
fn check_id(id: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'-' | b'.' | b',');
    let good = !id.starts_with(['.', '-']) && id.bytes().all(plain) && (1..=255).contains(&id.len());
    if good {
        return Ok(());
    }
    Err(Error::new(Kind::Invalid, format!("invalid container ID format: {id:?}"))
        .hint("letters, digits and _ + - . , not beginning with a point or a hyphen"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path().join("not/there/yet"));
        (dir, root)
    }

    #[test]
    fn an_id_is_claimed_once_and_found_again() {
        let (_dir, root) = root();
        assert!(root.ids().unwrap().is_empty());
        assert_eq!(root.container("a").unwrap_err().kind(), Kind::NotFound);
        let a = root.claim("a").unwrap();
        assert_eq!(root.claim("a").unwrap_err().kind(), Kind::Conflict);
        let _b = root.claim("b.1+x").unwrap();
        assert_eq!(root.ids().unwrap(), ["a", "b.1+x"]);
        a.remove().unwrap();
        assert_eq!(root.ids().unwrap(), ["b.1+x"]);
        assert_eq!(a.lock().unwrap_err().kind(), Kind::NotFound);
    }

    #[test]
    fn an_id_cannot_leave_its_directory() {
        let (_dir, root) = root();
        for bad in ["", ".", "..", "../x", "a/b", "-a", "a b", "a\n", ".hidden", &"x".repeat(256)] {
            assert_eq!(root.claim(bad).unwrap_err().kind(), Kind::Invalid, "{bad:?}");
        }
    }

    #[test]
    fn a_record_of_another_container_or_format_is_not_believed() {
        let (_dir, root) = root();
        let a = root.claim("a").unwrap();
        a.save(&Record::for_tests("b")).unwrap();
        assert_eq!(a.record().unwrap_err().kind(), Kind::Corrupt);
        a.save(&Record { format: FORMAT + 1, ..Record::for_tests("a") }).unwrap();
        assert_eq!(a.record().unwrap_err().kind(), Kind::Unsupported);
    }

    #[test]
    fn a_lock_is_seen_by_others() {
        let (_dir, root) = root();
        let first = root.claim("a").unwrap();
        let second = root.container("a").unwrap();
        assert!(!second.is_locked());
        let lock = first.lock().unwrap();
        assert!(second.is_locked());
        drop(lock);
    }

    #[test]
    fn a_record_is_replaced_whole_also_after_an_interruption() {
        let (_dir, root) = root();
        let a = root.claim("a").unwrap();
        a.write_new(".state.json", b"half").unwrap();
        let mut record = Record::for_tests("a");
        a.save(&record).unwrap();
        record.pid = 7;
        a.save(&record).unwrap();
        assert_eq!(a.record().unwrap(), record);
    }
}
