//! Archives that are whole, and archives that lie: one clear line, and nothing left.

use std::io::Write;
use std::sync::atomic::AtomicBool;

use tar::{EntryType, Header};
use types::{Error, Kind, Result};

use crate::fake_registry::{self, digest};
use crate::fault_tests::{scratch, words};
use crate::{LoadOptions, PullOptions, SaveFormat, SavePlan, Silent, TarSink, load_archive, load_path, save};
use store::Store;

/// An image of the fake registry, as files.
struct Image {
    manifest: Vec<u8>,
    config: Vec<u8>,
    layers: Vec<Vec<u8>>,
}

impl Image {
    fn new(layers: &[(&str, usize)]) -> Self {
        let fake = fake_registry::Image::new(layers);
        let blob = |d: &types::oci::Descriptor| fake.blobs[&d.digest.to_string()].clone();
        Self {
            manifest: fake.manifests["one"].1.clone(),
            config: blob(fake.config.as_ref().expect("config")),
            layers: fake.layers.iter().map(blob).collect(),
        }
    }

    fn contents(&self) -> impl Iterator<Item = &Vec<u8>> {
        [&self.manifest, &self.config].into_iter().chain(&self.layers)
    }
}

/// An archive that grows member by member.
#[derive(Clone, Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn put(mut self, kind: EntryType, name: &str, link: &str, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, content: &[u8]) -> Self {
        self.put(EntryType::Regular, name, "", content)
    }

    fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

const VERSION: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

fn blob_name(content: &[u8]) -> String {
    format!("blobs/sha256/{}", digest(content).hex())
}

fn index(image: &Image, name: &str) -> String {
    format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}","digest":"{}","size":{},
            "annotations":{{"org.opencontainers.image.ref.name":"{name}"}}}}]}}"#,
        types::oci::OCI_MANIFEST,
        digest(&image.manifest),
        image.manifest.len()
    )
}

/// All of an image but what `without` names.
fn layout(image: &Image, without: &str) -> Tar {
    let mut tar = Tar::default().file("oci-layout", VERSION);
    tar = tar.file("index.json", index(image, "one.example/a:1").as_bytes());
    for content in image.contents() {
        let name = blob_name(content);
        if name != without {
            tar = tar.file(&name, content);
        }
    }
    tar
}

fn load_with(store: &Store, archive: &[u8], name: Option<&str>, replace: bool) -> Result<Vec<String>> {
    let platform = "linux/amd64".parse().expect("platform");
    let cancel = AtomicBool::new(false);
    let pull = PullOptions {
        platform: &platform,
        downloads: 1,
        unpackers: 2,
        max_size: None,
        progress: &Silent,
        cancel: &cancel,
    };
    let options = LoadOptions { pull, name: name.map(|n| n.parse().expect(n)), replace };
    let mut loaded: Result<Vec<String>> = Ok(Vec::new());
    load_archive(store, archive, &options, &mut |_, outcome| match (outcome, &mut loaded) {
        (Ok(pulled), Ok(names)) => names.push(pulled.pinned),
        (Err(e), Ok(_)) => loaded = Err(e),
        _ => {}
    })?;
    loaded
}

fn load(store: &Store, archive: &[u8]) -> Result<Vec<String>> {
    load_with(store, archive, None, false)
}

/// Files below the store, but for what every store has.
fn left(store: &Store) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![store.root_path().to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(dir).expect("list") {
            let path = entry.expect("entry").path();
            let name = path.strip_prefix(store.root_path()).expect("below").display().to_string();
            if path.is_dir() {
                let mine = name.starts_with("tmp/") || name.starts_with("layers/sha256/");
                if mine { found.push(name) } else { todo.push(path) }
            } else if name != "store.json" {
                found.push(name);
            }
        }
    }
    found
}

#[track_caller]
fn refused(archive: &[u8], part: &str) -> Error {
    let s = scratch();
    let err = load(&s.store, archive).expect_err(part);
    assert!(words(&err).contains(part), "{part:?} is not in {:?}", words(&err));
    assert_eq!(left(&s.store), [""; 0], "{part}");
    err
}

#[test]
fn an_image_is_loaded_from_a_layout_whatever_it_is_compressed_by() {
    let image = Image::new(&[("a", 10), ("b", 20)]);
    let plain = layout(&image, "").end();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).expect("gzip");
    for archive in [plain.clone(), gzip.finish().expect("gzip")] {
        let s = scratch();
        let names = load(&s.store, &archive).expect("load");
        assert_eq!(names, [format!("one.example/a@{}", digest(&image.manifest))]);
        assert!(s.store.image("one.example/a:1").is_ok());
        // What is written is the same as long as the images are, and is read again.
        let write = |store: &Store| {
            let mut out = Vec::new();
            save(
                store,
                &["one.example/a:1".to_owned()],
                &SavePlan::whole(SaveFormat::Oci),
                &mut TarSink::new(&mut out),
            )
            .expect("save");
            out
        };
        let first = write(&s.store);
        assert_eq!(first, write(&s.store));
        let t = scratch();
        load(&t.store, &first).expect("load what was saved");
        assert_eq!(write(&t.store), first);
    }
}

#[test]
fn the_archive_of_docker_is_written_and_read_with_its_links() {
    let image = Image::new(&[("a", 10), ("b", 20)]);
    let s = scratch();
    load(&s.store, &layout(&image, "").end()).expect("load");
    let mut out = Vec::new();
    let names = ["one.example/a:1".to_owned()];
    save(&s.store, &names, &SavePlan::whole(SaveFormat::Docker), &mut TarSink::new(&mut out)).expect("save");
    let t = scratch();
    load(&t.store, &out).expect("load");
    let (a, b) = (s.store.image("one.example/a:1").expect("a"), t.store.image("one.example/a:1").expect("b"));
    assert_eq!((a.id, a.layers), (b.id, b.layers));

    // As it was written before: a directory a layer, links where they repeat.
    let config = &image.config;
    let tars = &image.layers;
    let list = br#"[{"Config":"c.json","RepoTags":["two.example/b:2","two.example/b:3"],"Layers":["x/layer.tar","y/layer.tar"]}]"#;
    let archive = Tar::default()
        .put(EntryType::Directory, "x/", "", b"")
        .file("x/real.tar", &tars[0])
        .put(EntryType::Symlink, "x/layer.tar", "real.tar", b"")
        .file("z/layer.tar", &tars[1])
        .put(EntryType::Symlink, "y/layer.tar", "../z/layer.tar", b"")
        .file("c.json", config)
        .file("manifest.json", list)
        .end();
    let names = load(&t.store, &archive).expect("load");
    assert_eq!(names.len(), 2);
    assert_eq!(t.store.image("two.example/b:3").expect("b").id, digest(config));
}

#[test]
fn a_name_that_another_image_has_is_not_taken_unless_it_is_asked_for() {
    let (one, two) = (Image::new(&[("a", 10)]), Image::new(&[("b", 20)]));
    let s = scratch();
    load(&s.store, &layout(&one, "").end()).expect("one");
    load(&s.store, &layout(&one, "").end()).expect("the same again");
    let err = load(&s.store, &layout(&two, "").end()).expect_err("taken");
    assert_eq!(err.kind(), Kind::Conflict);
    assert_eq!(s.store.image("one.example/a:1").expect("one").manifest, digest(&one.manifest));
    load_with(&s.store, &layout(&two, "").end(), Some("two.example/b"), false).expect("another name");
    load_with(&s.store, &layout(&two, "").end(), None, true).expect("replace");
    assert_eq!(s.store.image("one.example/a:1").expect("two").manifest, digest(&two.manifest));
}

#[test]
fn an_image_without_a_name_needs_one() {
    let image = Image::new(&[("a", 10)]);
    let text = index(&image, "x").replace("org.opencontainers.image.ref.name", "other");
    let mut tar = Tar::default().file("oci-layout", VERSION).file("index.json", text.as_bytes());
    for content in image.contents() {
        tar = tar.file(&blob_name(content), content);
    }
    refused(&tar.clone().end(), "it has no name");
    let s = scratch();
    load_with(&s.store, &tar.end(), Some("n.example/a"), false).expect("named");
}

#[test]
fn members_that_lead_out_or_are_no_files_are_refused() {
    let image = Image::new(&[("a", 10)]);
    let whole = || layout(&image, "");
    refused(&whole().file("../evil", b"x").end(), "leads out of the archive");
    refused(&whole().file("/etc/evil", b"x").end(), "absolute name");
    refused(&whole().file("a/../../evil", b"x").end(), "leads out of the archive");
    refused(&whole().put(EntryType::Symlink, "l", "/etc/passwd", b"").end(), "leads out of the archive");
    refused(&whole().put(EntryType::Symlink, "a/l", "../../x", b"").end(), "leads out of the archive");
    refused(&whole().put(EntryType::Link, "l", "../x", b"").end(), "leads out of the archive");
    refused(&whole().put(EntryType::Fifo, "p", "", b"").end(), "is a pipe");
    refused(&whole().put(EntryType::Char, "d", "", b"").end(), "bad device");
    refused(&whole().file("index.json", b"{}").end(), "is in it twice");
    refused(&whole().file("x\u{1b}[2J", b"").end(), "control characters");
}

#[test]
fn archives_that_are_cut_or_damaged_are_refused() {
    let image = Image::new(&[("a", 4000)]);
    let whole = layout(&image, "").end();
    for cut in [100, 600, 1500, whole.len() - 2000] {
        let err = refused(&whole[..cut], "");
        assert!(matches!(err.kind(), Kind::Corrupt | Kind::Invalid), "{err:?}");
    }
    refused(b"", "no images");
    refused(
        b"no archive at all, but long enough to be looked at as one block of it".repeat(20).as_slice(),
        "header",
    );
    refused(b"BZh91AY&SY", "bzip2");
    let mut flipped = whole.clone();
    flipped[10] ^= 1;
    refused(&flipped, "checksum");
}

#[test]
fn documents_that_lie_are_refused() {
    let image = Image::new(&[("a", 10)]);
    let layer = image.layers[0].clone();
    let empty = Tar::default().file("oci-layout", VERSION);
    refused(&empty.clone().end(), "it holds no images");
    refused(&empty.clone().file("index.json", b"[]").end(), "index.json");
    refused(&empty.clone().file("index.json", br#"{"manifests":[]}"#).end(), "no image in it");
    refused(&Tar::default().file("index.json", b"{}").end(), "no oci-layout");
    let other = Tar::default().file("oci-layout", br#"{"imageLayoutVersion":"9"}"#).file("index.json", b"{}");
    refused(&other.end(), "version \"9\"");
    // A blob that is not there, and one that is another.
    refused(&layout(&image, &blob_name(&layer)).end(), "is neither in it nor here");
    refused(&layout(&image, &blob_name(&image.manifest)).end(), "is not in it");
    refused(&layout(&image, &blob_name(&layer)).file(&blob_name(&layer), b"other").end(), "has digest");
    let wrong =
        index(&image, "a.example/b").replace(&format!("\"size\":{}", image.manifest.len()), "\"size\":7");
    let mut tar = empty.clone().file("index.json", wrong.as_bytes());
    for content in image.contents() {
        tar = tar.file(&blob_name(content), content);
    }
    refused(&tar.end(), "7 announced");
    // A name by digest is that image's, or nobody's.
    let name = format!("httpd@{}", digest(b"something else"));
    let mut tar = empty.file("index.json", index(&image, &name).as_bytes());
    for content in image.contents() {
        tar = tar.file(&blob_name(content), content);
    }
    refused(&tar.end(), "its digest is");
    for (list, part) in [
        (r#"[{"Config":"../x","Layers":[]}]"#, "leads out"),
        (r#"[{"Config":"/etc/passwd","Layers":[]}]"#, "absolute"),
        (r#"[{"Config":"nothing","Layers":[]}]"#, "not in it"),
        (r#"[{"Config":"manifest.json","RepoTags":["Bad Name"],"Layers":[]}]"#, "image reference"),
        (r#"[{"Config":"manifest.json","RepoTags":["a:1"],"Layers":[]}]"#, "configuration"),
        ("{", "manifest.json"),
        ("[]", "no image in it"),
    ] {
        refused(&Tar::default().file("manifest.json", list.as_bytes()).end(), part);
    }
    let circle = Tar::default()
        .put(EntryType::Symlink, "a", "b", b"")
        .put(EntryType::Symlink, "b", "a", b"")
        .file("manifest.json", br#"[{"Config":"a","Layers":[]}]"#);
    refused(&circle.end(), "circle");
}

#[test]
fn a_layer_that_is_not_what_its_image_says_is_refused() {
    let image = Image::new(&[("a", 10)]);
    let other = Image::new(&[("b", 10)]);
    let layer = &other.layers[0];
    let list = br#"[{"Config":"c","RepoTags":["a.example/a:1"],"Layers":["l"]}]"#;
    let tar = Tar::default().file("c", &image.config).file("l", layer).file("manifest.json", list);
    refused(&tar.end(), "unpacks to an archive with digest");
    let list = br#"[{"Config":"c","RepoTags":["a.example/a:1"],"Layers":[]}]"#;
    let tar = Tar::default().file("c", &image.config).file("manifest.json", list);
    refused(&tar.end(), "layer digests");
}

#[test]
fn a_directory_that_leads_out_of_itself_is_refused() {
    let image = Image::new(&[("a", 10)]);
    let dir = tempfile::tempdir().expect("tempdir");
    let top = dir.path().join("layout");
    std::fs::create_dir_all(top.join("blobs/sha256")).expect("mkdir");
    std::fs::write(top.join("oci-layout"), VERSION).expect("write");
    std::fs::write(top.join("index.json"), index(&image, "one.example/a:1")).expect("write");
    for content in image.contents() {
        std::fs::write(top.join(blob_name(content)), content).expect("write");
    }
    let platform = "linux/amd64".parse().expect("platform");
    let cancel = AtomicBool::new(false);
    let pull = PullOptions {
        platform: &platform,
        downloads: 1,
        unpackers: 2,
        max_size: None,
        progress: &Silent,
        cancel: &cancel,
    };
    let options = LoadOptions { pull, name: None, replace: false };
    let try_it = |store: &Store| {
        let mut outcome = Ok(());
        load_path(store, &top, &options, &mut |_, o| outcome = o.map(drop)).and(outcome)
    };
    let s = scratch();
    try_it(&s.store).expect("load");
    // A blob that is a link to the same content outside is still outside.
    let outside = dir.path().join("outside");
    std::fs::rename(top.join(blob_name(&image.manifest)), &outside).expect("rename");
    std::os::unix::fs::symlink(&outside, top.join(blob_name(&image.manifest))).expect("link");
    let s = scratch();
    assert!(words(&try_it(&s.store).expect_err("outside")).contains("leads out of the directory"));
    assert_eq!(left(&s.store), [""; 0]);
}
