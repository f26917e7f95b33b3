//! What an archive says is what the tree has.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use sha2::{Digest as _, Sha256};
use tar::{EntryType, GnuSparseHeader, Header};
use types::digest::Digest;

use crate::testing::{Place, Tar, is_root};

fn unpacked(tar: Tar) -> Place {
    let place = Place::new();
    place.unpack(&tar.end()).unwrap_or_else(|e| panic!("{e:?}"));
    place
}

fn xattr(place: &Place, name: &str, attribute: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 256];
    let n = rustix::fs::lgetxattr(place.root().join(name), attribute, &mut value).ok()?;
    value.truncate(n);
    Some(value)
}

#[test]
fn the_digest_is_of_all_bytes_whatever_the_compression() {
    let tar = Tar::default().dir("d").file("d/a", "hello").end();
    // What stands behind the end is part of the layer, too.
    let tar = [tar, vec![1; 700_000]].concat();
    let want = Digest::from_bytes(Sha256::digest(&tar).into());
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&tar).expect("write");
    let mut members = gz.finish().expect("finish");
    members.extend({
        let empty = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        empty.finish().expect("finish")
    });
    let zst = zstd::encode_all(&*tar, 3).expect("zstd");
    for archive in [tar, members, zst] {
        let place = Place::new();
        let result = place.unpack(&archive).expect("unpack");
        assert_eq!((result.digest, result.size, result.entries), (want, 5, 2));
        assert_eq!(place.read("d/a"), "hello");
    }
}

#[test]
fn modes_times_and_owners_are_kept() {
    if !is_root() {
        return;
    }
    let mut sticky = Tar::header(EntryType::Directory, b"tmp/", b"", 0o1777, 0);
    sticky.set_mtime(1_234_567);
    let mut closed = Tar::header(EntryType::Directory, b"closed/", b"", 0o055, 0);
    closed.set_uid(12);
    let mut group = Tar::header(EntryType::Directory, b"mail/", b"", 0o2775, 0);
    group.set_gid(8);
    let mut setuid = Tar::header(EntryType::Regular, b"su", b"", 0o4755, 1);
    setuid.set_uid(1000);
    setuid.set_gid(2000);
    let place = unpacked(
        Tar::default()
            .put(sticky, b"")
            .put(closed, b"")
            .put(group, b"")
            .file("closed/in", "x")
            .file("mail/in", "x")
            .dir("mail/sub")
            .put(setuid, b"x")
            .pax(&[("mtime", b"1600000000.123456789"), ("uid", b"70000")])
            .file("precise", "x")
            .pax(&[("mtime", b"-5.5")])
            .symlink("link", "su"),
    );
    let mode = |name: &str| place.meta(name).mode() & 0o7777;
    assert_eq!((mode("tmp"), place.meta("tmp").mtime()), (0o1777, 1_234_567));
    assert_eq!((mode("closed"), place.meta("closed").uid()), (0o055, 12));
    assert_eq!((mode("mail"), place.meta("mail").gid()), (0o2775, 8));
    assert_eq!(place.meta("mail/in").gid(), 0, "not inherited");
    assert_eq!(mode("mail/sub"), 0o755, "not inherited");
    let su = place.meta("su");
    assert_eq!((su.mode() & 0o7777, su.uid(), su.gid()), (0o4755, 1000, 2000));
    let precise = place.meta("precise");
    assert_eq!((precise.mtime(), precise.mtime_nsec(), precise.uid()), (1_600_000_000, 123_456_789, 70_000));
    assert_eq!((place.meta("link").mtime(), place.meta("link").mtime_nsec()), (-6, 500_000_000));
    assert_eq!(place.meta("mail").mtime(), 1_000_000_000, "after what was made in it");
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    let all = Tar::header(EntryType::Regular, b"all", b"", 0o666, 0);
    let place = unpacked(Tar::default().put(all, b"").dir("d"));
    assert_eq!(place.meta("all").mode() & 0o7777, 0o666);
    assert_eq!(place.meta("d").mode() & 0o7777, 0o755);
}

#[test]
fn the_root_has_the_attributes_of_its_entry() {
    let root = Tar::header(EntryType::Directory, b"./", b"", 0o711, 0);
    let place = unpacked(Tar::default().put(root, b"").file("./a", "x"));
    assert_eq!((place.meta("").mode() & 0o7777, place.meta("").mtime()), (0o711, 1_000_000_000));
    assert_eq!(unpacked(Tar::default().file("a", "x")).meta("").mode() & 0o7777, 0o755);
}

#[test]
fn links_devices_and_fifos_are_made() {
    if !is_root() {
        return;
    }
    let device = |kind, name: &[u8], major, minor| {
        let mut header = Tar::header(kind, name, b"", 0o620, 0);
        header.set_device_major(major).expect("major");
        header.set_device_minor(minor).expect("minor");
        header
    };
    let place = unpacked(
        Tar::default()
            .file("a", "x")
            .hard_link("b", "./a")
            .hard_link("c", "/a")
            .symlink("s", "a")
            .hard_link("t", "s")
            .put(device(EntryType::Char, b"null", 1, 3), b"")
            .put(device(EntryType::Block, b"disk", 7, 300), b"")
            .put(Tar::header(EntryType::Fifo, b"fifo", b"", 0o600, 0), b""),
    );
    assert_eq!((place.meta("a").nlink(), place.meta("c").ino()), (3, place.meta("b").ino()));
    assert_eq!(place.meta("t").ino(), place.meta("s").ino());
    assert_eq!(place.meta("null").rdev(), rustix::fs::makedev(1, 3));
    assert_eq!(place.meta("disk").rdev(), rustix::fs::makedev(7, 300));
    assert_eq!(place.meta("null").mode() & 0o7777, 0o620);
    assert!(place.listing().contains("fifo fifo"));
}

#[test]
fn a_later_entry_of_the_same_name_wins() {
    let place = unpacked(
        Tar::default()
            .file("a", "1")
            .file("a", "22")
            .dir("d")
            .file("d/x", "1")
            .file("d", "file now")
            .file("e", "1")
            .dir("e")
            .file("e/x", "1")
            .dir("k")
            .file("k/x", "1")
            .dir("k")
            .file("p", "1")
            .file("p/q", "its parent was a file")
            .symlink("a", "b"),
    );
    let listing = place.listing();
    for want in ["a -> b\n", "d file 8\n", "e/x file 1\n", "k/x file 1\n", "p/q file"] {
        assert!(listing.contains(want), "{want:?} is not in\n{listing}");
    }
}

#[test]
fn whiteouts_become_those_of_overlayfs() {
    if !is_root() {
        return;
    }
    let place = unpacked(
        Tar::default()
            .file(".wh.gone", "")
            .file("sub/.wh.gone", "")
            .dir("opaque")
            .file("opaque/.wh..wh..opq", "")
            .file("opaque/new", "x")
            .dir(".wh..wh.plnk")
            .file("new", "x")
            .file(".wh.new", "")
            .dir("both")
            .file(".wh.both", "")
            .file(".wh.later", "")
            .file("later/in", "x")
            .file(".wh.soon", "")
            .dir("soon"),
    );
    let listing = place.listing();
    for want in [
        "\ngone char 0\n",
        "sub/gone char 0\n",
        "opaque/new file",
        "\nnew file 1\n",
        "both dir",
        "later/in file",
    ] {
        assert!(format!("\n{listing}").contains(want), "{want:?} is not in\n{listing}");
    }
    assert!(!listing.contains(".wh."), "{listing}");
    for (dir, hidden) in [("opaque", true), ("both", true), ("later", true), ("soon", true), ("sub", false)] {
        assert_eq!(xattr(&place, dir, "trusted.overlay.opaque").is_some(), hidden, "{dir}");
    }
}

#[test]
fn only_harmless_attributes_are_kept() {
    if !is_root() {
        return;
    }
    // VFS_CAP_REVISION_2 with cap_net_bind_service in the permitted set.
    let capability = [0, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut owned = Tar::header(EntryType::Regular, b"ping", b"", 0o755, 4);
    owned.set_uid(1);
    let place = unpacked(
        Tar::default()
            .pax(&[
                ("SCHILY.xattr.security.capability", &capability),
                ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
                ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
                ("SCHILY.xattr.trusted.x", b"y"),
                ("SCHILY.xattr.user.overlay.opaque", b"y"),
                ("SCHILY.xattr.security.selinux", b"y"),
            ])
            .put(owned, b"ping")
            .file("next", "x"),
    );
    assert_eq!(xattr(&place, "ping", "security.capability").as_deref(), Some(&capability[..]));
    for dropped in ["trusted.overlay.opaque", "trusted.overlay.redirect", "trusted.x", "user.overlay.opaque"]
    {
        assert_eq!(xattr(&place, "ping", dropped), None, "{dropped}");
    }
    assert_eq!(xattr(&place, "next", "security.capability"), None, "of one entry only");
}

#[test]
fn long_and_strange_names_are_kept() {
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(250));
    let gnu = format!("{}/{}", "g".repeat(200), "h".repeat(200));
    let name = Tar::header(EntryType::GNULongName, b"././@LongLink", b"", 0o644, gnu.len() as u64 + 1);
    let link = Tar::header(EntryType::GNULongLink, b"././@LongLink", b"", 0o644, gnu.len() as u64 + 1);
    let mut ustar = Header::new_ustar();
    ustar.set_path(format!("{}/{}", "p".repeat(120), "n".repeat(90))).expect("path");
    ustar.set_mode(0o644);
    ustar.set_uid(0);
    ustar.set_gid(0);
    ustar.set_size(1);
    let latin = Tar::header(EntryType::Regular, b"caf\xe9\n", b"", 0o644, 1);
    let place = unpacked(
        Tar::default()
            .pax(&[("path", long.as_bytes())])
            .file("short", "pax")
            .put(name, format!("{gnu}\0").as_bytes())
            .file("short", "gnu")
            .put(link, format!("{gnu}\0").as_bytes())
            .hard_link("linked", "short")
            .put(ustar, b"x")
            .put(latin, b"x"),
    );
    assert_eq!(
        (place.read(&long), place.read(&gnu), place.read("linked")),
        ("pax".into(), "gnu".into(), "gnu".into())
    );
    assert_eq!(place.read(&format!("{}/{}", "p".repeat(120), "n".repeat(90))), "x");
    assert!(place.root().join(std::ffi::OsStr::from_bytes(b"caf\xe9\n")).exists());
    assert!(!place.root().join("short").exists());
}

#[test]
fn the_size_of_an_extended_header_counts() {
    // RUSTSEC-2026-0068: a reader that believes the other size sees other entries.
    let hidden = Tar::default().file("hidden", "x").0;
    let mut header = Tar::header(EntryType::Regular, b"outer", b"", 0o644, 0);
    header.set_size(1);
    let place = unpacked(Tar::default().pax(&[("size", b"1024")]).put(header, &hidden).file("after", "x"));
    assert_eq!(place.meta("outer").len(), 1024);
    assert!(!place.root().join("hidden").exists() && place.root().join("after").exists());
}

#[test]
fn sparse_files_of_all_dialects_are_the_same_file() {
    let data = [vec![b'a'; 512], vec![b'b'; 512]].concat();
    let mut want = vec![0; 20_000];
    want[1024..1536].fill(b'a');
    want[10_240..10_752].fill(b'b');
    let mut old = Tar::header(EntryType::GNUSparse, b"old", b"", 0o644, 1024);
    let octal = |text: &mut [u8], n: u64| text.copy_from_slice(format!("{n:011o}\0").as_bytes());
    let segment = |s: &mut GnuSparseHeader, offset, length| {
        octal(&mut s.offset, offset);
        octal(&mut s.numbytes, length);
    };
    let gnu = old.as_gnu_mut().expect("gnu");
    segment(&mut gnu.sparse[0], 1024, 512);
    segment(&mut gnu.sparse[1], 10_240, 512);
    octal(&mut gnu.realsize, 20_000);
    let mut map = b"2\n1024\n512\n10240\n512\n".to_vec();
    map.resize(512, 0);
    let in_data = [map, data.clone()].concat();
    let file = |size: usize| Tar::header(EntryType::Regular, b"GNUSparseFile.0/x", b"", 0o644, size as u64);
    let place = unpacked(
        Tar::default()
            .put(old, &data)
            .pax(&[
                ("GNU.sparse.size", b"20000"),
                ("GNU.sparse.numblocks", b"2"),
                ("GNU.sparse.offset", b"1024"),
                ("GNU.sparse.numbytes", b"512"),
                ("GNU.sparse.offset", b"10240"),
                ("GNU.sparse.numbytes", b"512"),
                ("GNU.sparse.name", b"v00"),
            ])
            .put(file(1024), &data)
            .pax(&[
                ("GNU.sparse.size", b"20000"),
                ("GNU.sparse.map", b"1024,512,10240,512"),
                ("GNU.sparse.name", b"v01"),
            ])
            .put(file(1024), &data)
            .pax(&[
                ("GNU.sparse.major", b"1"),
                ("GNU.sparse.minor", b"0"),
                ("GNU.sparse.name", b"v10"),
                ("GNU.sparse.realsize", b"20000"),
            ])
            .put(file(in_data.len()), &in_data)
            .file("after", "x"),
    );
    for name in ["old", "v00", "v01", "v10"] {
        assert_eq!(std::fs::read(place.root().join(name)).expect(name), want, "{name}");
    }
    assert_eq!(place.read("after"), "x");
}

#[test]
fn an_archive_without_its_last_padding_is_whole() {
    // umoci 0.4 writes such layers.
    let place = Place::new();
    let mut archive = Tar::default().file("a", "hello").0;
    archive.truncate(512 + 5);
    place.unpack(&archive).expect("unpack");
    assert_eq!(place.read("a"), "hello");
}

#[test]
fn large_files_cross_the_buffers() {
    let content: String = (0..400_000).map(|n| format!("{n}\n")).collect();
    let place = unpacked(Tar::default().file("small", "x").file("large", &content).file("after", "y"));
    assert_eq!(place.read("large"), content);
    assert_eq!(place.read("after"), "y");
}
