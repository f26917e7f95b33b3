//! An empty volume gets what the image has at its target, once and whole.
//!
//! The copy grows in `_new`, is renamed to `_ready` when it is complete, and its entries are then
//! renamed into `_data` one by one. Whoever is killed, the next one goes on: before the rename
//! the copy is begun anew, after it the rest is moved. Containers that have the volume mounted
//! meanwhile keep their directory, since it is never replaced.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;
use store::Store;
use types::{Error, Result};

use crate::tree;

/// Copies what `rootfs` has at `target` into the volume, if the volume is empty and there is a
/// directory. Returns whether it did. `rootfs` is a container's root before anything of the
/// container runs; as in Docker it is done when a container is started for the first time, not
/// again when someone has emptied the volume since.
///
/// # Errors
/// If something cannot be read or written; the volume is then as empty as before.
pub fn copy_up(store: &Store, volume: &str, rootfs: BorrowedFd<'_>, target: &Path) -> Result<bool> {
    fill(store, volume, rootfs, target)
        .map_err(|e| e.within(format!("copy {target:?} of the image into volume {volume:?}")))
}

fn fill(store: &Store, volume: &str, rootfs: BorrowedFd<'_>, target: &Path) -> Result<bool> {
    // Nearly always there is nothing to do, and this finds it out without a lock.
    if !store.volume_waits(volume)? && !tree::is_empty(store.open_dir(&store.volume_data(volume))?.as_fd())? {
        return Ok(false);
    }
    let filling = store.fill_volume(volume)?;
    if let Some(ready) = filling.complete()? {
        move_in(ready.as_fd(), filling.data()?.as_fd())?;
        filling.moved()?;
        return Ok(true);
    }
    let data = filling.data()?;
    if !tree::is_empty(data.as_fd())? {
        return Ok(false);
    }
    let Some(source) = open_source(rootfs, target)? else { return Ok(false) };
    let stage = filling.stage()?;
    tree::copy(source.as_fd(), stage.as_fd())?;
    // What a volume holds is meant to last, unless it goes with its container.
    if store.volume(volume)?.is_some_and(|record| !record.anonymous) {
        rustix::fs::syncfs(&stage).map_err(|e| Error::io("sync the copy", e))?;
    }
    filling.stage_is_complete()?;
    move_in(stage.as_fd(), data.as_fd())?;
    filling.moved()?;
    Ok(true)
}

/// The directory of the image, `None` if there is none. The image's symbolic links are followed
/// inside its root, never out of it.
fn open_source(rootfs: BorrowedFd<'_>, target: &Path) -> Result<Option<OwnedFd>> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(rootfs, target, flags, Mode::empty(), inside) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(e) => Err(Error::io("open it in the container's root", e)),
    }
}

/// Renames the entries of `ready` into `data`, and gives `data` the owner, mode and attributes.
fn move_in(ready: BorrowedFd<'_>, data: BorrowedFd<'_>) -> Result<()> {
    // Taken first: each rename out of a directory changes its time.
    let like = tree::stat(ready)?;
    for name in tree::names(ready)? {
        match rustix::fs::renameat_with(ready, &*name, data, &*name, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            // A container that has the volume mounted was quicker: what it wrote stays.
            Err(Errno::EXIST) => tree::remove(ready, &name)?,
            Err(e) => return Err(Error::io(format!("move {name:?} into the volume"), e)),
        }
    }
    tree::copy_attributes(ready, data, &like)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    use super::*;
    use crate::prepare::tests::scratch;

    /// A store with a volume `data`, and the root of a container with `/srv/page` in it.
    struct Bench {
        dir: tempfile::TempDir,
        store: Store,
        data: PathBuf,
    }

    impl Bench {
        fn new() -> Self {
            let (dir, store) = scratch();
            crate::create(&store, "data", &std::collections::BTreeMap::new()).unwrap();
            let srv = dir.path().join("image/srv");
            fs::create_dir_all(srv.join("sub")).unwrap();
            fs::write(srv.join("page"), "hello").unwrap();
            fs::write(srv.join("sub/x"), "x").unwrap();
            fs::set_permissions(&srv, fs::Permissions::from_mode(0o711)).unwrap();
            let data = store.absolute(&store.volume_data("data"));
            Self { dir, store, data }
        }

        fn copy(&self, target: &str) -> Result<bool> {
            let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
            let root = rustix::fs::open(self.dir.path().join("image"), flags, Mode::empty()).unwrap();
            copy_up(&self.store, "data", root.as_fd(), Path::new(target))
        }

        fn listed(&self) -> Vec<String> {
            let mut names: Vec<_> = fs::read_dir(self.data.parent().unwrap())
                .unwrap()
                .chain(fs::read_dir(&self.data).unwrap())
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    #[test]
    fn an_empty_volume_is_filled_and_a_full_one_left_alone() {
        let bench = Bench::new();
        assert!(bench.copy("/srv").unwrap());
        assert_eq!(bench.listed(), ["_data", "page", "sub", "volume.json"]);
        assert_eq!(fs::metadata(&bench.data).unwrap().permissions().mode() & 0o777, 0o711);
        fs::write(bench.data.join("page"), "mine").unwrap();
        assert!(!bench.copy("/srv").unwrap());
        assert_eq!(fs::read(bench.data.join("page")).unwrap(), b"mine");
        assert_eq!(fs::read(bench.dir.path().join("image/srv/page")).unwrap(), b"hello");
    }

    #[test]
    fn a_target_that_is_no_directory_gives_nothing() {
        let bench = Bench::new();
        for target in ["/nothing", "/srv/page", "/srv/page/x"] {
            assert!(!bench.copy(target).unwrap(), "{target}");
        }
        assert_eq!(bench.listed(), ["_data", "volume.json"]);
    }

    #[test]
    fn links_in_the_image_lead_nowhere_but_into_its_root() {
        let bench = Bench::new();
        let image = bench.dir.path().join("image");
        symlink("/srv", image.join("inside")).unwrap();
        symlink("../../../../../../../../../../etc", image.join("outside")).unwrap();
        assert!(!bench.copy("/outside").unwrap());
        assert!(bench.copy("/inside").unwrap());
        assert!(bench.data.join("page").exists());
    }

    #[test]
    fn a_copier_killed_before_the_end_is_begun_anew() {
        let bench = Bench::new();
        let new = bench.data.with_file_name("_new");
        fs::create_dir(&new).unwrap();
        fs::write(new.join("half"), "").unwrap();
        assert!(bench.copy("/srv").unwrap());
        assert_eq!(bench.listed(), ["_data", "page", "sub", "volume.json"]);
    }

    #[test]
    fn a_copier_killed_after_the_end_is_completed() {
        let bench = Bench::new();
        let ready = bench.data.with_file_name("_ready");
        fs::create_dir_all(ready.join("sub")).unwrap();
        fs::write(ready.join("sub/theirs"), "").unwrap();
        fs::write(ready.join("page"), "ready").unwrap();
        // Part of it is in place, and a container has written since.
        fs::write(bench.data.join("moved"), "").unwrap();
        fs::create_dir(bench.data.join("sub")).unwrap();
        assert!(bench.copy("/srv").unwrap());
        assert_eq!(bench.listed(), ["_data", "moved", "page", "sub", "volume.json"]);
        assert_eq!(fs::read(bench.data.join("page")).unwrap(), b"ready");
        assert!(!bench.data.join("sub/theirs").exists());
    }
}
