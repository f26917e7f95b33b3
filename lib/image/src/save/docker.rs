//! The archive of `docker save` as it has always been: uncompressed layers, and a list of the images.

use std::collections::BTreeSet;
use std::io::Cursor;

use sha2::{Digest as _, Sha256};
use store::Store;
use types::digest::Digest;
use types::oci::Descriptor;
use types::{Context, Error, Kind, Result};

use super::{Hashing, Sink, Wanted, config, text};

pub(super) fn archive(store: &Store, images: &[Wanted], sink: &mut dyn Sink) -> Result<()> {
    let mut list = Vec::new();
    for wanted in images {
        if wanted.image.layers.len() != wanted.manifest.layers.len() {
            return Err(Error::new(Kind::Corrupt, "an image has not as many layers as it says"));
        }
        let names: Vec<String> = wanted.image.layers.iter().map(layer_name).collect();
        let mut entry = listed(wanted, &|_| String::new(), config_name(wanted));
        entry["Layers"] = names.into();
        list.push(entry);
    }
    text(sink, "manifest.json", &serde_json::Value::Array(list).to_string())?;
    let mut written = BTreeSet::new();
    for wanted in images {
        if written.insert(wanted.image.id) {
            let content = config(store, wanted)?;
            sink.file(&config_name(wanted), content.len() as u64, &mut Cursor::new(content))
                .context("write a configuration")?;
        }
        for (diff_id, blob) in wanted.image.layers.iter().zip(&wanted.manifest.layers) {
            if written.insert(*diff_id) {
                layer(store, sink, diff_id, blob).with_context(|| format!("write layer {diff_id}"))?;
            }
        }
    }
    Ok(())
}

/// A line of `manifest.json`. Only names with tags have a place in it.
pub(super) fn listed(
    wanted: &Wanted,
    layer: &dyn Fn(&Descriptor) -> String,
    config: String,
) -> serde_json::Value {
    let tags: Vec<String> =
        wanted.names.iter().filter(|n| n.tag().is_some()).map(types::reference::ImageRef::familiar).collect();
    let layers: Vec<String> = wanted.manifest.layers.iter().map(layer).collect();
    serde_json::json!({ "Config": config, "RepoTags": tags, "Layers": layers })
}

fn config_name(wanted: &Wanted) -> String {
    format!("{}.json", wanted.image.id.hex())
}

fn layer_name(diff_id: &Digest) -> String {
    format!("{}.tar", diff_id.hex())
}

/// Decompresses a layer twice: an archive has the size of a file before the file.
fn layer(store: &Store, sink: &mut dyn Sink, diff_id: &Digest, blob: &Descriptor) -> Result<()> {
    let open = || -> Result<Hashing<_>> {
        let source = layer::inflate(store.open_blob(&blob.digest)?)?;
        Ok(Hashing { source, hash: Sha256::new() })
    };
    let mut first = open()?;
    let size = std::io::copy(&mut first, &mut std::io::sink()).context("decompress it")?;
    let found = first.digest();
    if found != *diff_id {
        return Err(Error::new(Kind::Corrupt, format!("it has digest {found}")));
    }
    sink.file(&layer_name(diff_id), size, &mut open()?)
}
