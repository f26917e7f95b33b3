//! Trees that become archives and trees again.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use types::Kind;

use crate::testing::{Place, is_root};
use crate::{Source, Written, feed_tree, write_tree};

fn write(dir: &Path, source: Source) -> (Vec<u8>, Written) {
    let mut bytes = Vec::new();
    let root = File::open(dir).expect("open");
    let written = write_tree(root.as_fd(), source, &mut bytes, &|| false).expect("write");
    (bytes, written)
}

fn node(path: &Path, kind: FileType, device: u64) {
    rustix::fs::mknodat(CWD, path, kind, Mode::from(0o600), device).expect("mknod");
}

fn xattr(path: &Path, name: &str, value: &[u8]) {
    let file = File::open(path).expect("open");
    rustix::fs::fsetxattr(&file, name, value, XattrFlags::empty()).expect("setxattr");
}

fn set_time(path: &Path, tv_sec: i64, tv_nsec: i64) {
    let time = Timespec { tv_sec, tv_nsec };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("utimens");
}

/// One of each kind, with what is hard to keep.
fn fill(top: &Path) {
    let at = |name: &str| top.join(name);
    std::fs::create_dir_all(at("dir/below")).expect("mkdir");
    std::fs::write(at("dir/file"), vec![7; 300_000]).expect("write");
    std::fs::write(at("empty"), "").expect("write");
    std::fs::hard_link(at("dir/file"), at("another")).expect("link");
    std::os::unix::fs::symlink("../../etc/passwd", at("dir/link")).expect("symlink");
    std::fs::hard_link(at("dir/link"), at("dir/link2")).expect("link");
    std::fs::write(top.join(OsStr::from_bytes(b"\xff\xfe")), "bytes").expect("write");
    std::fs::write(at(&"n".repeat(200)), "long").expect("write");
    std::os::unix::fs::symlink("t".repeat(300), at("far")).expect("symlink");
    node(&at("null"), FileType::CharacterDevice, rustix::fs::makedev(1, 3));
    node(&at("disk"), FileType::BlockDevice, rustix::fs::makedev(259, 70_000));
    node(&at("pipe"), FileType::Fifo, 0);
    std::os::unix::fs::chown(at("dir/file"), Some(3_000_000_000), Some(5)).expect("chown");
    std::os::unix::fs::lchown(at("far"), Some(7), Some(8)).expect("chown");
    // A version 2 capability set: net_bind_service, effective.
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    xattr(&at("dir/file"), "security.capability", &capability);
    xattr(&at("dir"), "user.note", b"a=b\n");
    rustix::fs::chmod(at("empty"), Mode::from(0o4711)).expect("chmod");
    rustix::fs::chmod(at("dir"), Mode::from(0o3770)).expect("chmod");
    set_time(&at("far"), -5, 250_000_000);
    set_time(&at("dir/file"), 1_700_000_000, 123_456_789);
    set_time(&at("dir/below"), 1_000_000_000, 0);
    set_time(&at("dir"), 1_000_000_001, 7);
}

/// All that must be kept of a name.
fn facts(path: &Path) -> String {
    let m = std::fs::symlink_metadata(path).expect("stat");
    let content = if m.is_file() { std::fs::read(path).expect("read") } else { Vec::new() };
    let target = std::fs::read_link(path).unwrap_or_default();
    let links = if m.is_dir() { 0 } else { m.nlink() };
    let (mode, time) = (m.mode(), (m.mtime(), m.mtime_nsec()));
    format!("{mode:o} {} {} {links} {} {time:?} {target:?} {content:?}", m.uid(), m.gid(), m.rdev())
}

#[test]
fn a_tree_comes_back_as_it_was_and_is_written_alike() {
    if !is_root() {
        return;
    }
    let (one, two) = (Place::new(), Place::new());
    fill(&one.root());
    let (archive, written) = write(&one.root(), Source::Whole);
    let unpacked = two.unpack(&archive).expect("unpack");
    assert_eq!(one.listing(), two.listing());
    for line in one.listing().lines() {
        let name = line.split(' ').next().expect("name");
        if !name.contains('\u{fffd}') {
            assert_eq!(facts(&one.root().join(name)), facts(&two.root().join(name)), "{name}");
        }
    }
    assert_eq!(one.meta("dir/file").ino(), one.meta("another").ino());
    assert_eq!(two.meta("dir/file").ino(), two.meta("another").ino());
    assert_eq!(two.meta("dir/link").ino(), two.meta("dir/link2").ino());
    assert_eq!((unpacked.size, written.size), (300_009, 300_009));
    // Attributes too, else these bytes would differ.
    assert!(archive.windows(20).any(|w| w == b"SCHILY.xattr.user.no"));
    assert!(archive.windows(20).any(|w| w == b"SCHILY.xattr.securit"));
    set_time(&two.root(), one.meta("").mtime(), one.meta("").mtime_nsec());
    assert!(write(&two.root(), Source::Whole).0 == archive, "the same tree gives the same bytes");
}

#[test]
fn what_an_overlay_hides_is_hidden_by_the_archive() {
    if !is_root() {
        return;
    }
    let (one, two) = (Place::new(), Place::new());
    let at = |name: &str| one.root().join(name);
    std::fs::create_dir_all(at("etc/new")).expect("mkdir");
    node(&at("etc/gone"), FileType::CharacterDevice, 0);
    node(&at("top"), FileType::CharacterDevice, 0);
    xattr(&at("etc/new"), "trusted.overlay.opaque", b"y");
    std::fs::write(at("etc/new/file"), "x").expect("write");
    let (archive, _) = write(&one.root(), Source::Upper);
    let named = |name: &[u8]| archive.chunks(512).any(|block| block.starts_with(&[name, b"\0"].concat()));
    for name in [&b"etc/.wh.gone"[..], b".wh.top", b"etc/new/.wh..wh..opq", b"etc/new/file"] {
        assert!(named(name), "{}", String::from_utf8_lossy(name));
    }
    assert!(named(b"./"));
    two.unpack(&archive).expect("unpack");
    assert_eq!(one.listing(), two.listing());
    // In a tree that is no layer of an overlay they are what they are: nothing that can be written.
    std::fs::write(at("etc/.wh.x"), "").expect("write");
    let mut out = Vec::new();
    let root = File::open(one.root()).expect("open");
    let err = write_tree(root.as_fd(), Source::Upper, &mut out, &|| false).expect_err("ambiguous");
    assert_eq!(err.kind(), Kind::Unsupported);
}

#[test]
fn a_writable_layer_that_nobody_has_written_to_is_told() {
    let place = Place::new();
    rustix::fs::chmod(place.root(), Mode::from(0o755)).expect("chmod");
    assert_eq!(write(&place.root(), Source::Upper).1.untouched, is_root());
    rustix::fs::chmod(place.root(), Mode::from(0o700)).expect("chmod");
    assert!(!write(&place.root(), Source::Upper).1.untouched);
}

#[test]
fn sockets_are_counted_and_left_out() {
    let place = Place::new();
    let _socket = std::os::unix::net::UnixListener::bind(place.root().join("s")).expect("bind");
    assert_eq!(write(&place.root(), Source::Whole).1.sockets, 1);
}

#[test]
fn a_writer_gives_up_when_it_is_told_to() {
    let place = Place::new();
    std::fs::write(place.root().join("f"), "x").expect("write");
    let root = File::open(place.root()).expect("open");
    let err = write_tree(root.as_fd(), Source::Whole, Vec::new(), &|| true).expect_err("stopped");
    assert!(format!("{err}").contains("interrupted"), "{err}");
}

#[test]
fn a_tree_is_fed_to_a_reader_and_either_may_fail() {
    if !is_root() {
        return;
    }
    let (one, two) = (Place::new(), Place::new());
    fill(&one.root());
    let root = File::open(one.root()).expect("open");
    let to = File::open(two.root()).expect("open");
    let unpack =
        |read: &mut dyn std::io::Read| crate::unpack(read, u64::MAX, &crate::Budget::new(None), to.as_fd());
    let fed = feed_tree(root.as_fd(), Source::Whole, &|| false, unpack);
    assert_eq!(fed.expect("feed").0.size, 300_009);
    assert_eq!(one.listing(), two.listing());

    // Large enough that the writer waits for the reader.
    std::fs::write(one.root().join("large"), vec![1; 8 << 20]).expect("write");
    let gone = |_: &mut dyn std::io::Read| Err::<(), _>(types::Error::new(Kind::Corrupt, "enough"));
    let err = feed_tree(root.as_fd(), Source::Whole, &|| false, gone).expect_err("no reader");
    assert_eq!(err.to_string(), "enough");
    let whole = |read: &mut dyn std::io::Read| {
        std::io::copy(read, &mut std::io::sink()).map_err(|e| types::Error::io("read", e))
    };
    let err = feed_tree(root.as_fd(), Source::Whole, &|| true, whole).expect_err("stopped");
    assert!(format!("{err}").contains("interrupted"), "{err}");
}
