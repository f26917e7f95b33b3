//! Records of state: whatever is in them, a reader says what it is or that it is damaged, and one that is
//! damaged hides no other.
//!
//! An input is a JSON object from the name of a file to its content: a document, or a text as it is. `cut`
//! is how many bytes each of them is short of; see `Files`.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use engine::Wanted;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use store::{Paths, Status, Store};
use types::digest::Digest;

/// The container that is made up.
const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// The container that is always whole.
const GOOD: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const DIFF_ID: &str = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

/// A store and a directory of bundles' state.
#[derive(Debug)]
pub struct Scratch {
    dir: tempfile::TempDir,
    store: Store,
    bundles: oci::Root,
}

impl Scratch {
    /// Makes it. `example` is an input of which the good container is made.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn new(example: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store =
            Store::open(&Paths { root: dir.path().join("root"), run: dir.path().join("run") }).unwrap();
        let bundles = oci::Root::new(dir.path().join("bundles"));
        let made = Self { dir, store, bundles };
        for place in ["bundles/a", "bundles/b", "root/volumes/v/_data", "root/volumes/w/_data"] {
            std::fs::create_dir_all(made.path(place)).unwrap();
        }
        let layer = format!("root/layers/sha256/{DIFF_ID}/tree");
        for place in [&format!("root/containers/{ID}"), &format!("root/containers/{GOOD}"), &layer] {
            std::fs::create_dir_all(made.path(place)).unwrap();
        }
        std::fs::create_dir_all(made.path(&format!("run/attached/{ID}"))).unwrap();
        let files = Files::of(example).unwrap();
        for (name, place) in [
            ("record.json", format!("root/containers/{GOOD}/record.json")),
            ("config.json", format!("root/containers/{GOOD}/config.json")),
            ("state.json", "bundles/b/state.json".to_owned()),
            ("volume.json", "root/volumes/w/volume.json".to_owned()),
        ] {
            let text = String::from_utf8(files.text(name).unwrap()).unwrap();
            std::fs::write(made.path(&place), text.replace(ID, GOOD).replace("\"a\"", "\"b\"")).unwrap();
        }
        made
    }

    fn path(&self, place: &str) -> PathBuf {
        self.dir.path().join(place)
    }
}

/// The files of an input.
struct Files {
    all: Map<String, Value>,
    cut: usize,
}

impl Files {
    fn of(data: &[u8]) -> Option<Self> {
        let Value::Object(all) = serde_json::from_slice(data).ok()? else { return None };
        let cut =
            all.get("cut").and_then(Value::as_u64).and_then(|cut| usize::try_from(cut).ok()).unwrap_or(0);
        Some(Self { all, cut })
    }

    /// The whole content; an array in a file of lines is one document a line.
    fn text(&self, name: &str) -> Option<Vec<u8>> {
        match self.all.get(name)? {
            Value::String(text) => Some(text.clone().into_bytes()),
            Value::Array(lines) if name.ends_with(".jsonl") => {
                Some(lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect())
            }
            other => Some(format!("{other}\n").into_bytes()),
        }
    }

    fn short<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        &text[..text.len().saturating_sub(self.cut)]
    }
}

/// Puts the files in their places and looks at all.
///
/// # Panics
/// If a reader believes something that is not whole, or the good ones are not seen.
pub fn check(scratch: &Scratch, data: &[u8]) {
    let Some(files) = Files::of(data) else { return };
    container(scratch, &files);
    bundle(scratch, &files);
    images(scratch, &files);
    volumes(scratch, &files);
    networks(scratch, &files);
}

fn put(scratch: &Scratch, place: &str, content: Option<&[u8]>) {
    let path = scratch.path(place);
    match content {
        Some(content) => std::fs::write(path, content).unwrap(),
        None => drop(std::fs::remove_file(path)),
    }
}

/// Whether a text has lost something that counts.
fn is_cut(whole: &[u8], short: &[u8]) -> bool {
    whole.trim_ascii_end() != short.trim_ascii_end()
}

fn container(scratch: &Scratch, files: &Files) {
    let dir = format!("root/containers/{ID}");
    for name in ["record.json", "config.json", "run.jsonl"] {
        put(scratch, &format!("{dir}/{name}"), files.text(name).as_deref().map(|text| files.short(text)));
    }
    let record = scratch.store.record(ID);
    if let (Ok(_), Some(whole)) = (&record, files.text("record.json")) {
        let parses = serde_json::from_slice::<Value>(files.short(&whole)).is_ok();
        assert!(parses, "a record was read from half a file");
    }
    let state = scratch.store.state(ID);
    if let Ok(state) = &state {
        let run = files.text("run.jsonl").unwrap_or_default();
        let mut lines = files.short(&run).split(|b| *b == b'\n');
        let whole = |line: Option<&[u8]>| line.is_some_and(|l| serde_json::from_slice::<Value>(l).is_ok());
        let is_whole = (whole(lines.next()), whole(lines.next()));
        assert!(state.run.is_none() || is_whole.0, "a run was read from half a line");
        assert!(state.exit.is_none() || is_whole.1, "an exit was read from half a line");
        assert!(
            state.status != Status::Exited || state.exit.is_some(),
            "it says that it knows, and does not"
        );
    }
    let all = Wanted::new(true, None, &[]).unwrap();
    let found = engine::list(&scratch.store, &all, false).unwrap();
    assert!(found.containers.iter().any(|(c, _)| c.id == GOOD), "a damaged container hides another");
    let listed = found.containers.iter().any(|(c, _)| c.id != GOOD);
    let gone = files.text("record.json").is_none();
    assert!(listed || gone || found.errors.len() == 1, "it is neither listed nor said to be damaged");
    assert!(!listed || (record.is_ok() && state.is_ok()));
    let _said = engine::inspect(&scratch.store, ID);
}

fn bundle(scratch: &Scratch, files: &Files) {
    put(scratch, "bundles/a/state.json", files.text("state.json").as_deref().map(|text| files.short(text)));
    put(scratch, "bundles/a/config.json", files.text("config.json").as_deref().map(|text| files.short(text)));
    let state = oci::state(&scratch.bundles, "a");
    if let (Ok(_), Some(whole)) = (&state, files.text("state.json")) {
        assert!(serde_json::from_slice::<Value>(files.short(&whole)).is_ok(), "half a state was read");
    }
    let _pids = oci::pids(&scratch.bundles, "a");
    let found = oci::list(&scratch.bundles).unwrap();
    assert!(found.states.iter().any(|state| state.id == "b"), "a damaged container hides another");
    assert_eq!(found.states.iter().any(|state| state.id != "b"), state.is_ok());
}

fn digest(content: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(content).into())
}

fn blob(scratch: &Scratch, files: &Files, content: &[u8]) -> Digest {
    let digest = digest(content);
    put(scratch, &format!("root/blobs/sha256/{}", digest.hex()), Some(files.short(content)));
    digest
}

/// `CONFIG` in the manifest and `MANIFEST` in the index stand for what they should lead to.
fn images(scratch: &Scratch, files: &Files) {
    let text = |name: &str| files.text(name).unwrap_or_default();
    let replace = |text: Vec<u8>, from: &str, to: Digest| {
        String::from_utf8_lossy(&text).replace(from, &to.to_string()).into_bytes()
    };
    let config = blob(scratch, files, &text("image"));
    let manifest = blob(scratch, files, &replace(text("manifest"), "CONFIG", config));
    let index = replace(text("index.json"), "MANIFEST", manifest);
    let is_short = is_cut(&index, files.short(&index));
    put(scratch, "root/index.json", files.all.get("index.json").map(|_| files.short(&index)));
    let layer = files.text("layer.json");
    let layer = layer.as_deref().map(|text| files.short(text));
    put(scratch, &format!("root/layers/sha256/{DIFF_ID}/layer.json"), layer);
    if let Ok(images) = scratch.store.images() {
        assert!(!is_short || images.is_empty(), "half an index was read");
        for image in images.into_iter().flatten() {
            assert!(image.manifest != manifest || files.cut == 0, "half a manifest was read");
            assert!(image.id != config || files.cut == 0, "half a configuration was read");
            let _config = scratch.store.image_config(&image);
            // Where two entries have one name, another may be found by it, and be damaged.
            if let Ok(found) = scratch.store.image(&image.pinned()) {
                assert!(found.name.same_repository(&image.name));
            }
        }
    }
    let _any = scratch.store.image("a");
    for name in [config, manifest] {
        let _gone = std::fs::remove_file(scratch.path(&format!("root/blobs/sha256/{}", name.hex())));
    }
}

fn volumes(scratch: &Scratch, files: &Files) {
    put(
        scratch,
        "root/volumes/v/volume.json",
        files.text("volume.json").as_deref().map(|text| files.short(text)),
    );
    let volume = scratch.store.volume("v");
    if let (Ok(Some(_)), Some(whole)) = (&volume, files.text("volume.json")) {
        assert!(serde_json::from_slice::<Value>(files.short(&whole)).is_ok(), "half a volume was read");
    }
    assert_eq!(scratch.store.volumes().unwrap(), ["v", "w"]);
    assert!(scratch.store.volume("w").unwrap().is_some());
}

/// `attached` is a map from what a container has to where it leads; each port is claimed, too.
fn networks(scratch: &Scratch, files: &Files) {
    put(
        scratch,
        "root/networks/bridge.json",
        files.text("bridge.json").as_deref().map(|text| files.short(text)),
    );
    let _record = scratch.store.network::<Value>("bridge");
    let mut made: Vec<PathBuf> = Vec::new();
    let empty = Map::new();
    let attached = files.all.get("attached").and_then(Value::as_object).unwrap_or(&empty);
    for (name, to) in attached.iter().take(8) {
        let (Some(to), false) = (to.as_str(), name.contains('/') || name.is_empty()) else { continue };
        for (dir, to) in [(format!("run/attached/{ID}"), to), ("run/forwards".to_owned(), ID)] {
            let path = scratch.path(&dir).join(name);
            if symlink(to, &path).is_ok() {
                made.push(path);
            }
        }
    }
    let has = scratch.store.attached(ID).unwrap();
    assert!(has.forwards.len() <= attached.len());
    for claim in scratch.store.claimed_ports(|_, _, _| true).unwrap() {
        assert_eq!(claim.id, ID);
    }
    made.iter().for_each(|path: &PathBuf| std::fs::remove_file(Path::new(path)).unwrap());
}
