//! Trees with all that an image can hold. What only root may make is left out for others.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

use super::*;

fn open(path: &Path) -> OwnedFd {
    rustix::fs::open(path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

fn copied(build: impl FnOnce(&Path)) -> (tempfile::TempDir, PathBuf, Result<()>) {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    fs::create_dir(&from).unwrap();
    fs::create_dir(&to).unwrap();
    build(&from);
    let done = copy(open(&from).as_fd(), open(&to).as_fd());
    (dir, to, done)
}

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn content_modes_times_and_links_are_kept() {
    let (dir, to, done) = copied(|from| {
        fs::create_dir(from.join("sub")).unwrap();
        fs::write(from.join("sub/file"), "text").unwrap();
        fs::write(from.join("z"), vec![7; 300_000]).unwrap();
        fs::hard_link(from.join("z"), from.join("sub/again")).unwrap();
        fs::set_permissions(from.join("sub/file"), fs::Permissions::from_mode(0o4751)).unwrap();
        fs::set_permissions(from.join("sub"), fs::Permissions::from_mode(0o1777)).unwrap();
        fs::set_permissions(from, fs::Permissions::from_mode(0o2750)).unwrap();
        let old = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 5);
        File::options().write(true).open(from.join("sub/file")).unwrap().set_modified(old).unwrap();
        File::open(from.join("sub")).unwrap().set_modified(old).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, from.join("pipe"), Mode::from(0o600)).unwrap();
        fs::set_permissions(from.join("pipe"), fs::Permissions::from_mode(0o622)).unwrap();
    });
    done.unwrap();
    let mode = |name: &str| fs::symlink_metadata(to.join(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("sub/file"), mode("sub"), mode(".")), (0o4751, 0o1777, 0o2750));
    assert_eq!(fs::read(to.join("sub/file")).unwrap(), b"text");
    assert_eq!(fs::read(to.join("z")).unwrap(), vec![7; 300_000]);
    let meta = |name: &str| fs::symlink_metadata(to.join(name)).unwrap();
    assert_eq!((meta("sub").mtime(), meta("sub").mtime_nsec()), (1_000_000_000, 5));
    assert_eq!(meta("sub/file").mtime(), 1_000_000_000);
    assert_eq!(meta("z").ino(), meta("sub/again").ino());
    assert_ne!(meta("z").ino(), fs::metadata(dir.path().join("from/z")).unwrap().ino());
    assert!(meta("pipe").file_type().is_fifo() && mode("pipe") == 0o622);
}

#[test]
fn symbolic_links_are_copied_and_never_followed() {
    let secret = tempfile::tempdir().unwrap();
    fs::write(secret.path().join("secret"), "secret").unwrap();
    let (_dir, to, done) = copied(|from| {
        symlink(secret.path(), from.join("dir")).unwrap();
        symlink(secret.path().join("secret"), from.join("file")).unwrap();
        symlink("nowhere", from.join("dangling")).unwrap();
        symlink("loop", from.join("loop")).unwrap();
    });
    done.unwrap();
    assert_eq!(fs::read_link(to.join("dir")).unwrap(), secret.path());
    assert_eq!(fs::read_link(to.join("dangling")).unwrap(), Path::new("nowhere"));
    assert!(fs::symlink_metadata(to.join("file")).unwrap().is_symlink());
    assert!(fs::symlink_metadata(to.join("loop")).unwrap().is_symlink());
    // The owner and mode of what a link leads to are not touched either.
    assert_eq!(fs::read_dir(secret.path()).unwrap().count(), 1);
}

#[test]
fn owners_devices_and_attributes_are_kept() {
    if !root() {
        eprintln!("skip: needs root");
        return;
    }
    let capability = b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    let (_dir, to, done) = copied(|from| {
        for name in ["file", "capable"] {
            fs::write(from.join(name), "x").unwrap();
        }
        symlink("file", from.join("link")).unwrap();
        std::os::unix::fs::lchown(from.join("file"), Some(12), Some(34)).unwrap();
        std::os::unix::fs::lchown(from.join("link"), Some(56), Some(78)).unwrap();
        rustix::fs::setxattr(from.join("file"), "trusted.mine", b"v\0w", XattrFlags::empty()).unwrap();
        rustix::fs::setxattr(from.join("file"), "trusted.overlay.opaque", b"y", XattrFlags::empty()).unwrap();
        rustix::fs::setxattr(from.join("capable"), "security.capability", capability, XattrFlags::empty())
            .unwrap();
        rustix::fs::setxattr(from, "trusted.top", b"t", XattrFlags::empty()).unwrap();
        let null = rustix::fs::makedev(1, 3);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            from.join("null"),
            FileType::CharacterDevice,
            Mode::from(0o666),
            null,
        )
        .unwrap();
        std::os::unix::fs::lchown(from, Some(9), Some(9)).unwrap();
    });
    done.unwrap();
    let meta = |name: &str| fs::symlink_metadata(to.join(name)).unwrap();
    assert_eq!((meta("file").uid(), meta("file").gid()), (12, 34));
    assert_eq!((meta("link").uid(), meta("link").gid()), (56, 78));
    assert_eq!(meta(".").uid(), 9);
    assert_eq!(meta("null").rdev(), rustix::fs::makedev(1, 3));
    let xattr = |name: &str, key: &str| {
        let mut value = [0; 64];
        rustix::fs::getxattr(to.join(name), key, &mut value[..]).map(|n| value[..n].to_vec())
    };
    assert_eq!(xattr("file", "trusted.mine").unwrap(), b"v\0w");
    assert_eq!(xattr("file", "trusted.overlay.opaque"), Err(Errno::NODATA));
    assert_eq!(xattr("capable", "security.capability").unwrap(), capability);
    assert_eq!(xattr(".", "trusted.top").unwrap(), b"t");
}

#[test]
fn a_tree_that_is_too_deep_is_refused() {
    let (_dir, _to, done) = copied(|from| {
        let mut path = from.to_owned();
        for _ in 0..=MAX_DEPTH {
            path.push("d");
            fs::create_dir(&path).unwrap();
        }
    });
    assert_eq!(done.unwrap_err().kind(), Kind::Unsupported);
}
