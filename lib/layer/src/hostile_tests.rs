//! Archives that want out. After each, the directory beside the root is what it was.

use tar::EntryType;

use crate::testing::{Place, Tar};

/// Unpacks an archive in which `OUT` stands for the path of the directory outside. Whether it is
/// refused or made harmless is the extractor's choice, unless `want` says what is to be there.
fn try_out(name: &str, make: impl Fn(&str) -> Tar, want: Option<&str>) {
    let place = Place::new();
    let before = place.state_outside();
    let outside = place.outside().display().to_string();
    let outcome = place.unpack(&make(&outside).end());
    assert_eq!(place.state_outside(), before, "{name}: the outside was touched ({outcome:?})");
    if let Some(want) = want {
        outcome.unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let listing = place.listing();
        assert!(listing.contains(want), "{name}: {want:?} is not in\n{listing}");
    }
}

#[test]
fn names_lead_nowhere_but_below_the_root() {
    type Case = (&'static str, fn(&str) -> Tar, Option<&'static str>);
    let cases: &[Case] = &[
        ("dot dot", |_| Tar::default().file("../outside/secret", "x"), Some("outside/secret file")),
        ("slash dot dot", |_| Tar::default().file("/../outside/secret", "x"), Some("outside/secret file")),
        (
            "dot dot inside",
            |_| Tar::default().file("a/../../outside/secret", "x"),
            Some("outside/secret file"),
        ),
        ("dot dot dir", |_| Tar::default().dir("../outside/new"), Some("outside/new dir")),
        ("dot dot symlink", |_| Tar::default().symlink("../outside/link", "x"), Some("outside/link ->")),
        ("only dot dot", |_| Tar::default().dir(".."), None),
        ("root as file", |_| Tar::default().file("./", "x"), None),
        ("root as link", |o| Tar::default().symlink(".", o), None),
        ("root as empty link", |o| Tar::default().symlink("", o), None),
        ("root as hard link", |_| Tar::default().file("a", "x").hard_link("/", "a"), None),
    ];
    for (name, make, want) in cases {
        try_out(name, make, *want);
    }
}

#[test]
fn symbolic_links_are_followed_inside_only() {
    type Case = (&'static str, fn(&str) -> Tar, Option<&'static str>);
    let cases: &[Case] = &[
        ("absolute parent", |o| Tar::default().symlink("l", o).file("l/secret", "x"), None),
        ("relative parent", |_| Tar::default().symlink("l", "../outside").file("l/secret", "x"), None),
        (
            "many dots",
            |_| Tar::default().symlink("l", "../../../../../../../../../../tmp").file("l/x", "x"),
            None,
        ),
        (
            "chain",
            |_| Tar::default().symlink("a", "..").symlink("b", "a/outside").file("b/secret", "x"),
            None,
        ),
        ("parent of a dir", |o| Tar::default().symlink("l", o).dir("l/dir"), None),
        ("parent of a link", |o| Tar::default().symlink("l", o).symlink("l/new", "x"), None),
        (
            "parent of a fifo",
            |o| {
                let fifo = Tar::header(EntryType::Fifo, b"l/fifo", b"", 0o644, 0);
                Tar::default().symlink("l", o).put(fifo, b"")
            },
            None,
        ),
        (
            "file over link",
            |o| Tar::default().symlink("l", &format!("{o}/secret")).file("l", "x"),
            Some("l file 1"),
        ),
        (
            "dir over link",
            |o| Tar::default().symlink("l", o).dir("l").file("l/secret", "x"),
            Some("l/secret file 1"),
        ),
        ("slash ended", |o| Tar::default().symlink("l/", o).file("l/secret", "x"), None),
        ("to the root", |_| Tar::default().symlink("l", "/").file("l/etc/x", "x"), Some("etc/x file 1")),
        (
            "inside",
            |_| Tar::default().dir("usr/lib").symlink("lib", "usr/lib").file("lib/x", "x"),
            Some("usr/lib/x file 1"),
        ),
        (
            "absolute inside",
            |_| Tar::default().dir("usr/lib").symlink("lib", "/usr/lib").file("lib/x", "x"),
            Some("usr/lib/x file 1"),
        ),
        ("dangling", |_| Tar::default().symlink("l", "nowhere").file("l/x", "x"), Some("l/x file 1")),
        ("to itself", |_| Tar::default().symlink("l", "l").file("l/x", "x"), Some("l/x file 1")),
        ("to proc", |_| Tar::default().symlink("l", "/proc/self/root").file("l/x", "x"), None),
        ("real proc", |_| Tar::default().symlink("l", "/proc/self/cwd").file("l/x", "x"), None),
        (
            "made again between",
            |o| Tar::default().dir("d").file("d/a", "1").symlink("d", o).file("d/secret", "x"),
            None,
        ),
        (
            "cached parent is replaced",
            |o| Tar::default().file("d/e/a", "1").symlink("d", o).file("d/e/b", "x").file("d/secret", "y"),
            None,
        ),
    ];
    for (name, make, want) in cases {
        try_out(name, make, *want);
    }
}

#[test]
fn hard_links_link_what_is_inside_only() {
    type Case = (&'static str, fn(&str) -> Tar, Option<&'static str>);
    let cases: &[Case] = &[
        ("absolute", |o| Tar::default().hard_link("h", &format!("{o}/secret")).file("h", "x"), None),
        ("relative", |_| Tar::default().hard_link("h", "../outside/secret").file("h", "x"), None),
        (
            "through a link",
            |o| Tar::default().symlink("l", o).hard_link("h", "l/secret").file("h", "x"),
            None,
        ),
        (
            "to a link",
            |o| Tar::default().symlink("l", &format!("{o}/secret")).hard_link("h", "l").file("h", "x"),
            Some("h file 1"),
        ),
        (
            "to a link, then written by its first name",
            |o| Tar::default().symlink("l", &format!("{o}/secret")).hard_link("h", "l").file("l", "x"),
            Some("l file 1"),
        ),
        ("to a directory", |_| Tar::default().dir("d").hard_link("h", "d"), None),
        ("to the root", |_| Tar::default().hard_link("h", "/"), None),
        ("to itself", |_| Tar::default().file("a", "x").hard_link("a", "a"), Some("a file 1")),
        ("to nothing", |_| Tar::default().hard_link("h", "nothing"), None),
    ];
    for (name, make, want) in cases {
        try_out(name, make, *want);
    }
}

#[test]
fn whiteouts_hide_inside_only() {
    type Case = (&'static str, fn(&str) -> Tar, Option<&'static str>);
    let cases: &[Case] = &[
        ("of the parent", |_| Tar::default().file(".wh...", ""), None),
        ("of the root", |_| Tar::default().file(".wh..", ""), None),
        ("of nothing", |_| Tar::default().file(".wh.", ""), None),
        ("of a parent below", |_| Tar::default().dir("a").file("a/.wh...", ""), None),
        ("through a link", |o| Tar::default().symlink("l", o).file("l/.wh.secret", ""), None),
        ("opaque through a link", |o| Tar::default().symlink("l", o).file("l/.wh..wh..opq", ""), None),
        ("by dots", |_| Tar::default().file("../outside/.wh.secret", ""), None),
        ("as a directory", |_| Tar::default().dir(".wh.secret").file(".wh.secret/x", "y"), None),
    ];
    for (name, make, want) in cases {
        try_out(name, make, *want);
    }
}

#[test]
fn modes_and_owners_are_set_on_the_file_itself() {
    // chmod through a link is CVE-2021-32760, and RUSTSEC-2026-0067 in another extractor.
    try_out(
        "mode of a linked directory",
        |o| {
            let dir = Tar::header(EntryType::Directory, b"l", b"", 0o7777, 0);
            Tar::default().symlink("l", o).put(dir, b"")
        },
        Some("l dir"),
    );
    try_out(
        "directory that becomes a link before its mode is set",
        |o| {
            let dir = Tar::header(EntryType::Directory, b"d/", b"", 0o1777, 0);
            Tar::default().put(dir, b"").symlink("d", o)
        },
        Some("d ->"),
    );
    try_out(
        "parent that becomes a link before times are set",
        |o| Tar::default().dir("p/dir").symlink("p", o),
        Some("p ->"),
    );
    try_out(
        "set-user-id through a hard link to a link",
        |o| {
            let file = Tar::header(EntryType::Regular, b"h", b"", 0o6777, 0);
            Tar::default().symlink("l", &format!("{o}/secret")).hard_link("h", "l").put(file, b"")
        },
        Some("h file 0"),
    );
}

#[test]
fn archives_that_lie_are_refused() {
    let file = |size: u64| Tar::header(EntryType::Regular, b"f", b"", 0o644, size);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("ends in a header", Tar::default().file("a", "x").0[..300].to_vec()),
        ("ends in content", Tar::default().put(file(5000), b"x").0),
        ("huge size", Tar::default().put(file(u64::MAX >> 1), b"x").end()),
        (
            "size beyond a file's",
            Tar::default().pax(&[("size", b"18446744073709551615")]).file("a", "x").end(),
        ),
        ("negative size", Tar::default().pax(&[("size", b"-1")]).file("a", "x").end()),
        ("two sizes", Tar::default().pax(&[("size", b"5000")]).file("a", "x").end()),
        ("wrong checksum", {
            let mut bytes = Tar::default().file("a", "x").end();
            bytes[0] = b'b';
            bytes
        }),
        ("header after one empty block", [vec![0; 512], Tar::default().file("a", "x").end()].concat()),
        ("nothing but noise", vec![0xa5; 4096]),
        ("extended header at the end", Tar::default().pax(&[("path", b"x")]).end()),
        ("uid -1", Tar::default().pax(&[("uid", b"4294967295")]).file("a", "x").end()),
        ("uid beyond 32 bits", Tar::default().pax(&[("uid", b"4294967296")]).file("a", "x").end()),
        ("NUL in a name", Tar::default().pax(&[("path", b"a\0b")]).file("a", "x").end()),
        ("long name of 2 MiB", {
            let name = Tar::header(EntryType::GNULongName, b"././@LongLink", b"", 0o644, 2 << 20);
            Tar::default().put(name, &vec![b'x'; 2 << 20]).file("a", "x").end()
        }),
        (
            "unknown type",
            Tar::default().put(Tar::header(EntryType::new(b'Z'), b"z", b"", 0o644, 0), b"").end(),
        ),
        ("too deep", Tar::default().pax(&[("path", "d/".repeat(300).as_bytes())]).file("a", "x").end()),
        ("truncated gzip", gzip(&Tar::default().file("a", "x").end())[..40].to_vec()),
        ("noise after gzip", [gzip(&Tar::default().file("a", "x").end()), vec![7; 100]].concat()),
        ("xz", b"\xfd7zXZ\0rest of it".to_vec()),
        ("bzip2", b"BZh91AY".to_vec()),
    ];
    for (name, archive) in cases {
        let place = Place::new();
        let before = place.state_outside();
        let outcome = place.unpack(&archive);
        assert!(outcome.is_err(), "{name}: {outcome:?}\n{}", place.listing());
        assert_eq!(place.state_outside(), before, "{name}");
    }
}

#[test]
fn every_cut_of_an_archive_ends_at_once() {
    let whole = gzip(&Tar::default().dir("d").file("d/a", &"x".repeat(3000)).symlink("l", "d").end());
    for end in 0..whole.len() {
        let place = Place::new();
        let outcome = place.unpack(&whole[..end]);
        assert!(outcome.is_err() || end == 0, "cut at {end} of {}: {outcome:?}", whole.len());
    }
}

#[test]
fn a_bomb_is_stopped_by_its_ratio() {
    // 4 GiB of zeroes in a zstd stream of some 130 KiB: more than a layer of that size may grow to.
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("encoder");
    let zeroes = vec![0u8; 1 << 20];
    let header = Tar::header(EntryType::Regular, b"bomb", b"", 0o644, 4 << 30);
    std::io::Write::write_all(&mut encoder, header.as_bytes()).expect("write");
    for _ in 0..1100 {
        std::io::Write::write_all(&mut encoder, &zeroes).expect("write");
    }
    let archive = encoder.finish().expect("finish");
    let place = Place::new();
    // As if it were much smaller: the limit is what is tested, not the disk.
    let root = std::fs::File::open(place.root()).expect("open");
    let err = crate::unpack(&*archive, 1000, &crate::Budget::new(None), std::os::fd::AsFd::as_fd(&root))
        .expect_err("bomb");
    assert!(format!("{err:?}").contains("beyond all measure"), "{err:?}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, bytes).expect("write");
    encoder.finish().expect("finish")
}
