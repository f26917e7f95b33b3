//! What a container has changed becomes a layer on top of its image.

mod settings;

use std::os::fd::AsFd;

use layer::{Budget, Source, feed_tree};
use serde_json::Value;
use store::Store;
use types::digest::Digest;
use types::oci::{Document, MAX_CONFIG, MAX_MANIFEST, Manifest};
use types::reference::ImageRef;
use types::time::Time;
use types::{Context, Error, Kind, Result};

use crate::Stop;
use crate::change::Change;
use crate::config::as_oci;
use crate::make::{self, NewLayer, Parts, Step, compression, take_layer};

/// Where images are that nobody has given a name.
const UNNAMED: &str = "localhost/commit";

/// How a container becomes an image.
#[derive(Debug, Clone)]
pub struct CommitOptions<'o> {
    /// What the image is called; without, its digest is its name.
    pub name: Option<&'o ImageRef>,
    /// What it says of itself, after what the container does.
    pub changes: &'o [Change],
    /// For its history.
    pub message: &'o str,
    /// Who made it.
    pub author: &'o str,
    /// When it was made.
    pub created: Time,
    /// Keep its layer compressed by zstd instead of gzip.
    pub zstd: bool,
}

/// Makes an image of a container, which the caller has locked and, if it runs, paused. Returns
/// `NAME@DIGEST`.
///
/// # Errors
/// `NotFound` if there is no such container; what reading and writing say.
pub fn commit(store: &Store, id: &str, options: &CommitOptions<'_>, stop: &Stop<'_>) -> Result<String> {
    let record = store.record(id)?;
    let manifest = manifest(store, &record.manifest)?;
    let mut config = document(store, &manifest)?;
    let Value::Object(all) = &mut config else {
        return Err(Error::new(Kind::Corrupt, "the configuration of its image is no object"));
    };
    settings::put(store, &record, options.changes, all)?;
    store.sweep_layers()?;
    let stage = store.stage()?;
    let new = changed(store, &stage, id, options, stop)?;
    let step = Step {
        created: options.created,
        created_by: &record.args.join(" "),
        author: options.author,
        comment: options.message,
        empty: new.is_none(),
    };
    make::note(&step, all);
    let mut layers: Vec<_> = manifest.layers.iter().map(as_oci).collect();
    if let Some(new) = &new {
        layers.push(new.descriptor.clone());
        push_diff_id(&mut config, &new.diff_id)?;
    }
    let parts = Parts { config: config.to_string().into_bytes(), layers, new: new.into_iter().collect() };
    make::commit(store, &stage, parts, options.name, UNNAMED)
}

/// The layer of what has changed; `None` if nothing has.
fn changed<'s>(
    store: &'s Store,
    stage: &store::Stage<'s>,
    id: &str,
    options: &CommitOptions<'_>,
    stop: &Stop<'_>,
) -> Result<Option<NewLayer<'s>>> {
    let upper = store.bundle(id)?.upper;
    let read = |archive: &mut dyn std::io::Read| {
        take_layer(store, stage, archive, compression(options.zstd), &Budget::new(None))
    };
    let (written, new) =
        feed_tree(upper.as_fd(), Source::Upper, stop, read).context("read what it has changed")?;
    Ok(Some(new).filter(|_| !written.untouched))
}

fn manifest(store: &Store, digest: &Digest) -> Result<Manifest> {
    let content = store.read_blob(digest, MAX_MANIFEST).context("read its image")?;
    match Document::parse(&content, "")?.0 {
        Document::Manifest(manifest) => Ok(manifest),
        Document::Index(_) => Err(Error::new(Kind::Corrupt, "the manifest of its image is an index")),
    }
}

fn document(store: &Store, manifest: &Manifest) -> Result<Value> {
    let content = store.read_blob(&manifest.config.digest, MAX_CONFIG).context("read its image")?;
    serde_json::from_slice(&content)
        .map_err(|e| Error::because(Kind::Corrupt, "read the configuration of its image", e))
}

fn push_diff_id(config: &mut Value, digest: &Digest) -> Result<()> {
    let list = config.pointer_mut("/rootfs/diff_ids").and_then(Value::as_array_mut);
    let list =
        list.ok_or_else(|| Error::new(Kind::Corrupt, "the configuration of its image has no layers"))?;
    list.push(digest.to_string().into());
    Ok(())
}
