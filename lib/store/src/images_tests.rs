//! Images made by hand: found, listed, renamed, removed.

use sha2::{Digest as _, Sha256};
use types::container::{Network, Record};
use types::digest::Digest;
use types::oci::{Descriptor, OCI_INDEX, OCI_MANIFEST};
use types::{Error, Kind};

use crate::tests::scratch;
use crate::{Commit, LayerRecord, NewImage, RemoveOptions, Slot, Store, Sync};

fn digest(content: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(content).into())
}

fn descriptor(media_type: &str, content: &[u8]) -> Descriptor {
    Descriptor { media_type: media_type.to_owned(), digest: digest(content), size: content.len() as u64 }
}

/// Puts an image with these layers into the store; `salt` tells images apart.
fn add(store: &Store, name: &str, salt: &str, layers: &[&str], indexed: bool) -> NewImage {
    let diff_ids: Vec<Digest> = layers.iter().map(|l| digest(l.as_bytes())).collect();
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "author": salt, "created": "2026-01-02T03:04:05Z",
        "config": {"Labels": {"salt": salt}, "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    })
    .to_string();
    let blobs: Vec<Descriptor> =
        layers.iter().map(|l| descriptor("x", format!("packed {l}").as_bytes())).collect();
    let manifest = serde_json::json!({
        "schemaVersion": 2, "config": descriptor("c", config.as_bytes()), "layers": blobs,
    })
    .to_string();
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(OCI_MANIFEST, manifest.as_bytes())],
    })
    .to_string();
    let mut verified = Vec::new();
    let mut put =
        |content: &[u8]| verified.extend(store.put_blob(&descriptor("", content), content).expect("put"));
    put(config.as_bytes());
    put(manifest.as_bytes());
    if indexed {
        put(index.as_bytes());
    }
    layers.iter().for_each(|l| put(format!("packed {l}").as_bytes()));
    let mut sealed = Vec::new();
    for diff_id in &diff_ids {
        if let Slot::Missing(layer) = store.stage_layer(diff_id).expect("stage") {
            sealed.push(layer.seal(*diff_id, LayerRecord { size: 100, entries: 1 }).expect("seal"));
        }
    }
    let image = NewImage {
        name: name.parse().expect(name),
        manifest: descriptor(OCI_MANIFEST, manifest.as_bytes()),
        index: indexed.then(|| digest(index.as_bytes())),
        platform: None,
        takes_name: true,
    };
    assert!(matches!(store.commit_image(&image, verified, sealed), Ok(Commit::Done(_))));
    image
}

fn names(store: &Store) -> Vec<String> {
    let images = store.images().expect("images");
    images.into_iter().map(|i| i.expect("image").name.familiar()).collect()
}

fn blobs(store: &Store) -> usize {
    store.list(&crate::Place::root("blobs/sha256")).expect("list").len()
}

fn layers(store: &Store) -> usize {
    store.list(&crate::Place::root("layers/sha256")).expect("list").len()
}

fn container(store: &Store, name: &str, image: &NewImage) {
    let found = store.image(&image.name.to_string()).expect("image");
    let id = digest(name.as_bytes()).hex();
    let record = Record {
        id: id.clone(),
        name: name.to_owned(),
        image_id: found.id,
        manifest: found.manifest,
        layers: found.layers,
        image: found.name.familiar(),
        network: Network::None,
        ..empty_record()
    };
    drop(store.stage_container(&id).expect("stage").commit(&record, b"{}", Sync::Lazy).expect("commit"));
}

fn empty_record() -> Record {
    let zero = Digest::from_bytes([0; 32]);
    serde_json::from_value(serde_json::json!({
        "id": "", "name": "", "created": "", "image": "", "image_id": zero, "manifest": zero, "layers": [],
        "args": [], "workdir": "/", "hostname": "", "network": "none", "stop_signal": 15, "stop_timeout": 10,
    }))
    .expect("record")
}

fn remove(store: &Store, name: &str) -> Result<crate::Removed, Error> {
    store.remove_image(name, RemoveOptions::default())
}

#[test]
fn an_image_is_found_by_every_name_of_it() {
    let (_dir, store) = scratch();
    let new = add(&store, "httpd", "1", &["a", "b"], true);
    let image = store.image("httpd").expect("name");
    let index = new.index.expect("index");
    for name in [
        "docker.io/library/httpd:latest".to_owned(),
        "httpd:latest".to_owned(),
        image.id.to_string(),
        image.id.hex(),
        image.id.short(),
        image.id.hex()[..1].to_owned(),
        format!("sha256:{}", image.id.short()),
        format!("httpd@{index}"),
        format!("httpd@{}", new.manifest.digest),
        new.manifest.digest.to_string(),
        index.to_string(),
        image.pinned(),
    ] {
        let found = store.image(&name).expect(&name);
        assert_eq!((found.manifest, found.name.tag()), (new.manifest.digest, Some("latest")), "{name}");
    }
    assert_eq!(image.digest, index);
    assert_eq!((image.size, image.layers.len()), (200, 2));
    assert_eq!(image.labels.get("salt").map(String::as_str), Some("1"));
    assert_eq!(image.created.as_deref(), Some("2026-01-02T03:04:05Z"));
    assert_eq!(store.image_config(&image).expect("config").author().as_deref(), Some("1"));
    for missing in ["nginx", "httpd:2.4", &format!("nginx@{index}"), "0000"] {
        assert_eq!(store.image(missing).expect_err(missing).kind(), Kind::NotFound);
    }
    assert_eq!(store.image("UPPER").expect_err("grammar").kind(), Kind::Invalid);
}

#[test]
fn the_beginning_of_two_ids_is_refused() {
    let (_dir, store) = scratch();
    // Seventeen images cannot all begin with different digits.
    for salt in 0..17 {
        add(&store, &format!("i{salt}"), &salt.to_string(), &["a"], false);
    }
    let refused = |d: u32| store.image(&format!("sha256:{d:x}")).is_err_and(|e| e.kind() == Kind::Invalid);
    assert!((0..16).any(refused));
}

#[test]
fn a_tag_that_moves_leaves_the_old_image_its_digest() {
    let (_dir, store) = scratch();
    let old = add(&store, "httpd", "1", &["a"], false);
    let new = add(&store, "httpd", "2", &["a", "b"], false);
    let pinned = format!("httpd@{}", old.manifest.digest);
    assert_eq!(names(&store), ["httpd:latest".to_owned(), pinned.clone()]);
    assert_eq!(store.image("httpd").expect("new").manifest, new.manifest.digest);
    assert_eq!(store.image(&pinned).expect("old").manifest, old.manifest.digest);
    add(&store, "httpd", "1", &["a"], false);
    assert_eq!(names(&store).len(), 2, "moved back: now the other one has only its digest");
    assert_eq!(store.image("httpd").expect("old").manifest, old.manifest.digest);
}

#[test]
fn a_pull_by_digest_adds_no_second_name() {
    let (_dir, store) = scratch();
    let tagged = add(&store, "httpd", "1", &["a"], true);
    let pinned = format!("httpd@{}", tagged.index.expect("index"));
    add(&store, &pinned, "1", &["a"], true);
    assert_eq!(names(&store), ["httpd:latest"]);
    let other = format!("localhost:5000/httpd@{}", tagged.manifest.digest);
    add(&store, &other, "1", &["a"], false);
    add(&store, "localhost:5000/httpd", "1", &["a"], false);
    assert_eq!(names(&store), ["httpd:latest", "localhost:5000/httpd:latest"]);
}

#[test]
fn the_last_name_takes_the_image_with_it() {
    let (_dir, store) = scratch();
    add(&store, "a", "1", &["shared", "mine"], true);
    add(&store, "a:2", "1", &["shared", "mine"], true);
    add(&store, "b", "2", &["shared"], true);
    let id = store.image("a").expect("a").id;
    assert_eq!((blobs(&store), layers(&store)), (8, 2));

    let first = remove(&store, "a").expect("untag");
    assert_eq!((first.untagged, first.deleted.len()), (vec!["a:latest".to_owned()], 0));
    assert_eq!((blobs(&store), layers(&store)), (8, 2));

    let planned = store.remove_image("a:2", RemoveOptions { dry_run: true, force: false }).expect("plan");
    assert_eq!(names(&store), ["a:2", "b:latest"]);
    let last = remove(&store, "a:2").expect("delete");
    assert_eq!(planned, last);
    assert_eq!(last.untagged.first().map(String::as_str), Some("a:2"));
    assert!(last.untagged.get(1).is_some_and(|n| n.starts_with("a@sha256:")));
    assert_eq!(last.deleted, [id, digest(b"mine")]);
    assert_eq!((blobs(&store), layers(&store)), (4, 1));
    remove(&store, "b").expect("delete");
    assert_eq!((blobs(&store), layers(&store)), (0, 0));
    assert_eq!(remove(&store, "b").expect_err("gone").kind(), Kind::NotFound);
}

#[test]
fn an_id_with_names_in_two_repositories_needs_force() {
    let (_dir, store) = scratch();
    add(&store, "a", "1", &["l"], false);
    add(&store, "b", "1", &["l"], false);
    let id = store.image("a").expect("a").id.short();
    assert_eq!(remove(&store, &id).expect_err("two").kind(), Kind::Conflict);
    let removed = store.remove_image(&id, RemoveOptions { force: true, dry_run: false }).expect("force");
    assert_eq!(removed.untagged.len(), 3);
    assert_eq!((blobs(&store), layers(&store)), (0, 0));
}

#[test]
fn what_a_container_needs_stays() {
    let (_dir, store) = scratch();
    let image = add(&store, "a", "1", &["l"], false);
    add(&store, "a:2", "1", &["l"], false);
    container(&store, "web", &image);
    remove(&store, "a:2").expect("another name is left");
    let err = remove(&store, "a").expect_err("used");
    assert_eq!((err.kind(), err.to_string().contains("\"web\"")), (Kind::Conflict, true));
    let id = store.image("a").expect("a").id.short();
    assert!(remove(&store, &id).is_err());
    let forced = store.remove_image("a", RemoveOptions { force: true, dry_run: false }).expect("force");
    assert_eq!(forced.deleted, []);
    assert_eq!(names(&store), [format!("a@{}", image.manifest.digest)]);
    assert_eq!(layers(&store), 1);
}

#[test]
fn content_that_vanished_during_a_pull_is_noticed() {
    let (_dir, store) = scratch();
    let image = add(&store, "a", "1", &["l"], false);
    remove(&store, "a").expect("remove");
    assert_eq!(store.commit_image(&image, Vec::new(), Vec::new()).expect("commit"), Commit::Vanished);
    assert_eq!(names(&store), [""; 0]);
}

#[test]
fn what_other_tools_wrote_into_the_index_is_kept() {
    let (_dir, store) = scratch();
    add(&store, "a", "1", &["l"], false);
    let place = crate::layout::index_json();
    let mut index: serde_json::Value = store.read_json(&place).expect("read").expect("there");
    index["annotations"] = serde_json::json!({"x": "y"});
    index["manifests"][0]["annotations"]["theirs"] = "z".into();
    store.publish_json(&place, &index, Sync::Lazy).expect("write");
    add(&store, "b", "2", &["l"], false);
    let after: serde_json::Value = store.read_json(&place).expect("read").expect("there");
    assert_eq!(after["annotations"]["x"], "y");
    assert_eq!(after["manifests"][0]["annotations"]["theirs"], "z");
}
