//! A configuration becomes an image of layers that are here.
//!
//! A configuration names its layers by the digests of their uncompressed archives (image spec, `rootfs`),
//! and so says itself which image it came from: the layers are looked for in all images of the store.

use std::collections::BTreeMap;

use serde_json::Value;
use store::Store;
use types::digest::Digest;
use types::oci::{ConfigBrief, Descriptor};
use types::reference::ImageRef;
use types::{Error, Kind, Result};

use crate::make::{Parts, commit};

/// Where images are that nobody has given a name.
const UNNAMED: &str = "localhost/config";

/// Makes an image of a configuration, which is kept byte for byte, and of layers that are in the store.
/// Returns `NAME@DIGEST`.
///
/// # Errors
/// `Invalid` if it is no configuration; `NotFound` if one of its layers is in no image.
pub fn set_config(store: &Store, text: &[u8], name: Option<&ImageRef>) -> Result<String> {
    let invalid = |e| Error::because(Kind::Invalid, "read the configuration", e);
    let brief: ConfigBrief = serde_json::from_slice(text).map_err(invalid)?;
    // What runs containers must be able to read it, too.
    serde_json::from_slice::<Shape>(text).map_err(invalid)?;
    let stage = store.stage()?;
    let known = known_layers(store)?;
    let missing = |layer: &Digest| {
        Error::new(Kind::NotFound, format!("layer {layer} is in no image here"))
            .hint("its rootfs.diff_ids must be those of images in the store")
    };
    let find = |layer: &Digest| known.get(layer).cloned().ok_or_else(|| missing(layer));
    let layers = brief.rootfs.diff_ids.iter().map(find).collect::<Result<Vec<_>>>()?;
    commit(store, &stage, Parts { config: text.to_vec(), layers, new: Vec::new() }, name, UNNAMED)
}

/// The types of what containers are made from. What is not named here may be anything.
#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "only that it can be read matters")]
struct Shape {
    architecture: String,
    os: String,
    #[serde(default)]
    config: Option<Defaults>,
    #[serde(default)]
    history: Option<Vec<Value>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "only that it can be read matters")]
struct Defaults {
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    env: Option<Vec<String>>,
    #[serde(default)]
    entrypoint: Option<Vec<String>>,
    #[serde(default)]
    cmd: Option<Vec<String>>,
    #[serde(default)]
    working_dir: Option<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    stop_signal: Option<String>,
    #[serde(default)]
    exposed_ports: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    volumes: Option<BTreeMap<String, Value>>,
}

/// The compressed form of each layer that an image of the store has.
pub(crate) fn known_layers(store: &Store) -> Result<BTreeMap<Digest, Descriptor>> {
    let mut known = BTreeMap::new();
    // One that is damaged hides no other.
    for image in store.images()?.into_iter().flatten() {
        for (layer, blob) in image.layers.iter().zip(&image.blobs) {
            if store.has_blob(&blob.digest) {
                known.entry(*layer).or_insert_with(|| as_oci(blob));
            }
        }
    }
    Ok(known)
}

/// Docker's names of the same things have no place in a manifest of OCI's.
pub(crate) fn as_oci(blob: &Descriptor) -> Descriptor {
    let media_type = match blob.media_type.as_str() {
        "application/vnd.docker.image.rootfs.diff.tar.gzip" => "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar.zstd" => "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar" => "application/vnd.oci.image.layer.v1.tar",
        own => own,
    };
    Descriptor { media_type: media_type.to_owned(), ..blob.clone() }
}
