//! Reading and writing of places: whole or not at all.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;
use types::{Context, Error, Kind, Result};

use crate::{Area, Place, Store, layout};

/// Whether a new name must survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Content and name are on the disk when the call returns.
    Durable,
    /// The kernel writes it when it likes: for what is worthless after a reboot.
    Lazy,
}

/// A `config.json` has about 8 KiB, everything else less.
const USUAL_RECORD: usize = 12 << 10;

/// Seconds after which something in `tmp` that nobody holds is taken to be forgotten. Longer than
/// any moment between making a directory and locking it.
const STALE: i64 = 60;

/// No record of ours is larger; a larger one is damaged.
const MAX_RECORD: usize = 16 << 20;

/// A file that has no name in the store yet. Dropping it throws the content away.
#[must_use = "dropping a NewFile throws the content away; commit() keeps it"]
#[derive(Debug)]
pub struct NewFile<'s> {
    store: &'s Store,
    area: Area,
    file: File,
}

impl NewFile<'_> {
    /// Gives the content its name; fails with `Conflict` if the name is taken.
    pub fn commit_new(self, place: &Place, sync: Sync) -> Result<()> {
        self.name(place, sync)
    }

    /// Gives the content its name, in place of what had it before.
    pub fn commit(self, place: &Place, sync: Sync) -> Result<()> {
        let written = (|| {
            self.settle(sync)?;
            match self.link(place, sync) {
                Err(e) if e.kind() == Kind::Conflict => {}
                other => return other,
            }
            let tmp = layout::tmp_in(self.area).join(&random_name());
            self.link(&tmp, Sync::Lazy)?;
            self.store.rename(&tmp, place)?;
            if sync == Sync::Durable { self.store.sync_parent(place) } else { Ok(()) }
        })();
        written.with_context(|| format!("write {:?}", self.store.absolute(place)))
    }

    /// The same for a file that goes on being used, such as one that is locked.
    pub(crate) fn name(&self, place: &Place, sync: Sync) -> Result<()> {
        self.settle(sync)
            .and_then(|()| self.link(place, sync))
            .with_context(|| format!("write {:?}", self.store.absolute(place)))
    }

    /// The content comes to the disk before any name for it does.
    fn settle(&self, sync: Sync) -> Result<()> {
        if sync == Sync::Durable { self.file.sync_all().context("sync") } else { Ok(()) }
    }

    fn link(&self, place: &Place, sync: Sync) -> Result<()> {
        // linkat(2) with AT_EMPTY_PATH needs CAP_DAC_READ_SEARCH; the way over /proc does not.
        let fd_path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.file));
        let to = self.store.area(place.area);
        rustix::fs::linkat(CWD, &fd_path, to, &place.path, AtFlags::SYMLINK_FOLLOW)
            .map_err(std::io::Error::from)
            .context("link")?;
        if sync == Sync::Durable { self.store.sync_parent(place) } else { Ok(()) }
    }
}

impl Write for NewFile<'_> {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.file.write(buf)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl AsFd for NewFile<'_> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Store {
    /// A nameless file on the file system of `area` (`O_TMPFILE`): a killed writer leaves nothing.
    pub fn new_file(&self, area: Area) -> Result<NewFile<'_>> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let tmp = layout::tmp_in(area);
        let fd = rustix::fs::openat(self.area(area), &tmp.path, flags, Mode::from(0o600))
            .map_err(std::io::Error::from)
            .context("make a temporary file")?;
        Ok(NewFile { store: self, area, file: File::from(fd) })
    }

    /// Writes a whole file in place of what was there.
    pub fn publish(&self, place: &Place, content: &[u8], sync: Sync) -> Result<()> {
        let mut new = self.new_file(place.area)?;
        new.write_all(content).with_context(|| format!("write {:?}", self.absolute(place)))?;
        new.commit(place, sync)
    }

    /// Writes a record as one line of JSON, in place of what was there.
    pub fn publish_json(&self, place: &Place, record: &impl Serialize, sync: Sync) -> Result<()> {
        let mut text = serde_json::to_vec(record)
            .map_err(|e| Error::because(Kind::Invalid, format!("encode {:?}", self.absolute(place)), e))?;
        text.push(b'\n');
        self.publish(place, &text, sync)
    }

    /// Reads a whole small file; `None` if it is not there.
    pub fn read(&self, place: &Place) -> Result<Option<Vec<u8>>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = match rustix::fs::openat(self.area(place.area), &place.path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(e) => return Err(Error::io(format!("open {:?}", self.absolute(place)), e)),
        };
        let content =
            read_small(&fd, MAX_RECORD).with_context(|| format!("read {:?}", self.absolute(place)))?;
        Ok(Some(content))
    }

    /// Reads a record; `None` if it is not there, `Corrupt` if it is not what it should be.
    pub fn read_json<T: DeserializeOwned>(&self, place: &Place) -> Result<Option<T>> {
        let Some(content) = self.read(place)? else { return Ok(None) };
        serde_json::from_slice(&content)
            .map(Some)
            .map_err(|e| Error::because(Kind::Corrupt, format!("read {:?}", self.absolute(place)), e))
    }

    /// Makes a directory with mode 0700; no error if it is there.
    pub fn make_dir(&self, place: &Place) -> Result<()> {
        match rustix::fs::mkdirat(self.area(place.area), &place.path, Mode::from(0o700)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(e) => Err(Error::io(format!("make {:?}", self.absolute(place)), e)),
        }
    }

    /// Opens a directory of the store.
    pub fn open_dir(&self, place: &Place) -> Result<OwnedFd> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        rustix::fs::openat(self.area(place.area), &place.path, flags, Mode::empty())
            .map_err(std::io::Error::from)
            .with_context(|| format!("open {:?}", self.absolute(place)))
    }

    /// The names in a directory, sorted; empty if it is not there.
    pub fn list(&self, place: &Place) -> Result<Vec<String>> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let what = || format!("list {:?}", self.absolute(place));
        let dir = match rustix::fs::openat(self.area(place.area), &place.path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(Vec::new()),
            Err(e) => return Err(Error::io(what(), e)),
        };
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(dir).map_err(std::io::Error::from).with_context(what)? {
            let entry = entry.map_err(std::io::Error::from).with_context(what)?;
            // Names of ours are ASCII; anything else was put there by someone else.
            if let Ok(name) = entry.file_name().to_str()
                && !name.starts_with('.')
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Claims a name: a symbolic link that appears only if the name is free (`symlinkat(2)` never
    /// replaces). `Conflict` if it is taken.
    pub fn claim(&self, place: &Place, target: &str) -> Result<()> {
        rustix::fs::symlinkat(target, self.area(place.area), &place.path)
            .map_err(std::io::Error::from)
            .with_context(|| format!("claim {:?}", self.absolute(place)))
    }

    /// What a claimed name leads to; `None` if it is free.
    pub fn claimed(&self, place: &Place) -> Result<Option<String>> {
        match rustix::fs::readlinkat(self.area(place.area), &place.path, Vec::new()) {
            Ok(target) => Ok(target.into_string().ok()),
            Err(Errno::NOENT | Errno::INVAL) => Ok(None),
            Err(e) => Err(Error::io(format!("read {:?}", self.absolute(place)), e)),
        }
    }

    /// Removes a file or a claim; no error if it is not there.
    pub fn remove(&self, place: &Place) -> Result<()> {
        match rustix::fs::unlinkat(self.area(place.area), &place.path, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(Error::io(format!("remove {:?}", self.absolute(place)), e)),
        }
    }

    /// Removes an empty directory; no error if it is not there.
    pub(crate) fn remove_dir(&self, place: &Place) -> Result<()> {
        match rustix::fs::unlinkat(self.area(place.area), &place.path, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(Error::io(format!("remove {:?}", self.absolute(place)), e)),
        }
    }

    /// Renames within one tree, replacing a file of the new name.
    pub(crate) fn rename(&self, from: &Place, to: &Place) -> Result<()> {
        rustix::fs::renameat(self.area(from.area), &from.path, self.area(to.area), &to.path)
            .map_err(std::io::Error::from)
            .with_context(|| format!("rename to {:?}", self.absolute(to)))
    }

    /// Takes a directory's name away in one step, then its content. A killed remover leaves
    /// something in `tmp` that nobody lists and that the next sweep removes.
    pub fn remove_tree(&self, place: &Place) -> Result<()> {
        match self.set_aside(place)? {
            Some(trash) => self.delete(&trash),
            None => Ok(()),
        }
    }

    /// Moves a directory into `tmp`, where nobody lists it; `None` if it is not there.
    pub(crate) fn set_aside(&self, place: &Place) -> Result<Option<Place>> {
        let trash = layout::tmp_in(place.area).join(&random_name());
        match rustix::fs::renameat(self.area(place.area), &place.path, self.area(trash.area), &trash.path) {
            Ok(()) => Ok(Some(trash)),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(Error::io(format!("remove {:?}", self.absolute(place)), e)),
        }
    }

    /// Deletes what was set aside. Another process may sweep it at the same time.
    pub(crate) fn delete(&self, trash: &Place) -> Result<()> {
        let path = self.absolute(trash);
        match std::fs::remove_dir_all(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.with_context(|| format!("remove {path:?}")),
        }
    }

    /// Removes what killed processes left in `tmp`: what nobody has locked and nobody has touched
    /// for a minute. Costs one look at an empty directory, nearly always.
    pub fn sweep(&self) -> Result<()> {
        for area in [Area::Root, Area::Run] {
            for name in self.list(&layout::tmp_in(area))? {
                self.sweep_one(&layout::tmp_in(area).join(&name))?;
            }
        }
        Ok(())
    }

    fn sweep_one(&self, place: &Place) -> Result<()> {
        let Ok(stat) = rustix::fs::statat(self.area(place.area), &place.path, AtFlags::SYMLINK_NOFOLLOW)
        else {
            return Ok(()); // its owner was quicker
        };
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
        if now.saturating_sub(stat.st_ctime) < STALE {
            return Ok(());
        }
        if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::Directory {
            return self.remove(place);
        }
        match self.try_lock_dir(place, crate::LockMode::Exclusive) {
            Ok(Some(_lock)) => {
                self.forget_name(place)?;
                self.delete(place)
            }
            Ok(None) => Ok(()), // its owner lives
            Err(e) if e.kind() == Kind::NotFound => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Drops the name of a container that never came to be, or is being deleted, if its maker or remover
    /// was killed before he could.
    fn forget_name(&self, place: &Place) -> Result<()> {
        #[derive(serde::Deserialize)]
        struct Named {
            id: String,
            name: String,
        }
        // Not every directory in there was a container, and a damaged one has no name to tell.
        match self.read_json::<Named>(&place.join(layout::in_container::RECORD)) {
            Ok(Some(named)) if types::name::is_valid(&named.name) => self.drop_name(&named.name, &named.id),
            _ => Ok(()),
        }
    }

    pub(crate) fn sync_parent(&self, place: &Place) -> Result<()> {
        let parent = place.path.rsplit_once('/').map_or(".", |(dir, _)| dir);
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::openat(self.area(place.area), parent, flags, Mode::empty())
            .and_then(rustix::fs::fsync)
            .map_err(std::io::Error::from)
            .context("sync its directory")
    }
}

/// Reads a regular file from its beginning, up to `max` bytes. Nearly all records fit into one
/// read, and a list reads two a container: none is spent on the size or on seeing the end twice.
pub(crate) fn read_small(file: impl AsFd, max: usize) -> std::io::Result<Vec<u8>> {
    let mut content: Vec<u8> = Vec::with_capacity(USUAL_RECORD);
    loop {
        let at = content.len() as u64;
        let room = content.capacity() - content.len();
        match rustix::io::pread(&file, rustix::buffer::spare_capacity(&mut content), at) {
            // Less than there was room for is the end of a regular file (read(2)).
            Ok(n) if n < room || content.len() >= max => break,
            Ok(_) => content.reserve(content.len()),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    content.truncate(max);
    Ok(content)
}

/// A name that nobody else picks: 16 random hexadecimal digits.
pub(crate) fn random_name() -> String {
    let mut bytes = [0u8; 8];
    // getrandom(2) without flags never fails for 256 bytes or fewer once the pool is ready, and
    // waits until it is.
    while rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).is_err() {}
    format!("{:016x}", u64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Paths;

    #[test]
    fn the_sweep_spares_what_is_new_or_held() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { root: dir.path().join("root"), run: dir.path().join("run") };
        let store = Store::open(&paths).unwrap();
        std::fs::create_dir(paths.root.join("tmp/new")).unwrap();
        store.sweep().unwrap();
        assert!(paths.root.join("tmp/new").exists());
    }

    #[test]
    fn the_name_of_what_is_swept_is_free_unless_it_is_anothers() {
        let (_dir, store) = crate::tests::scratch();
        let place = layout::tmp_in(Area::Root).join("killed");
        store.make_dir(&place).unwrap();
        let (ours, other) = ("a".repeat(64), "b".repeat(64));
        let record = serde_json::json!({"id": ours, "name": "web", "image": "busybox"});
        store.publish_json(&place.join(layout::in_container::RECORD), &record, Sync::Lazy).unwrap();
        for (holder, stays) in [(&other, true), (&ours, false)] {
            store.remove(&layout::name("web")).unwrap();
            store.claim_name("web", holder).unwrap();
            store.forget_name(&place).unwrap();
            assert_eq!(store.claimed(&layout::name("web")).unwrap().is_some(), stays, "{holder}");
        }
    }

    #[test]
    fn a_file_appears_whole_in_place_of_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { root: dir.path().join("root"), run: dir.path().join("run") };
        let store = Store::open(&paths).unwrap();
        let place = layout::container("x");
        store.publish(&place, b"one", Sync::Durable).unwrap();
        store.publish(&place, b"two", Sync::Lazy).unwrap();
        assert_eq!(store.read(&place).unwrap().as_deref(), Some(&b"two"[..]));
        let taken = store.new_file(Area::Root).unwrap().commit_new(&place, Sync::Lazy).unwrap_err();
        assert_eq!(taken.kind(), Kind::Conflict);
        assert!(store.list(&layout::tmp_in(Area::Root)).unwrap().is_empty());
    }

    #[test]
    fn a_small_file_is_read_whole_whatever_its_size() {
        let mut file = tempfile::tempfile().unwrap();
        for size in [0, 1, USUAL_RECORD - 1, USUAL_RECORD, USUAL_RECORD + 1, 100_000] {
            file.set_len(0).unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            let content: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
            file.write_all(&content).unwrap();
            assert_eq!(read_small(&file, 1 << 20).unwrap(), content, "{size}");
        }
        assert_eq!(read_small(&file, 5000).unwrap().len(), 5000);
    }
}
