//! A new image: layers that are unpacked while they are read, a configuration, a manifest, a name.

use std::io::{self, Read, Write};

use layer::{Budget, Compression, Compressor};
use serde_json::{Map, Value, json};
use store::{Commit, Draft, LayerRecord, NewImage, SealedLayer, Stage, Store, Verified};
use types::digest::Digest;
use types::oci::{ConfigBrief, Descriptor, IndexPlatform, MAX_CONFIG, OCI_MANIFEST};
use types::reference::ImageRef;
use types::time::Time;
use types::{Context, Error, Kind, Result};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// What tools offer.
pub(crate) const fn compression(zstd: bool) -> Compression {
    if zstd { Compression::Zstd } else { Compression::Gzip }
}

/// A layer that is new to the store, whole and not yet named.
#[derive(Debug)]
pub(crate) struct NewLayer<'s> {
    pub(crate) descriptor: Descriptor,
    pub(crate) diff_id: Digest,
    blob: Verified<'s>,
    sealed: SealedLayer<'s>,
}

/// Takes an archive in: unpacks it, hashes it and keeps it compressed, in one pass. What comes compressed
/// is kept as it came.
///
/// # Errors
/// What is wrong with the archive; what the disk says.
pub(crate) fn take_layer<'s>(
    store: &'s Store,
    stage: &Stage<'s>,
    source: impl Read,
    compression: Compression,
    budget: &Budget,
) -> Result<NewLayer<'s>> {
    let (start, source) = peek(source)?;
    let (kept, suffix) = match start.as_slice() {
        [0x1f, 0x8b, ..] => (Kept::AsIs(stage.draft()?), Compression::Gzip.suffix()),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => (Kept::AsIs(stage.draft()?), Compression::Zstd.suffix()),
        [] => return Err(Error::new(Kind::Invalid, "there is nothing in it")),
        _ => (Kept::Compressed(Compressor::new(compression, stage.draft()?)?), compression.suffix()),
    };
    let staged = store.stage_new_layer()?;
    let mut tee = Tee { source, kept };
    // Bounded by what has come in so far, not by a size that nobody knows.
    let unpacked = layer::unpack(layer::inflate(&mut tee)?, u64::MAX, budget, staged.tree())?;
    io::copy(&mut tee, &mut io::sink()).context("read what follows it")?;
    let blob = tee.kept.finish()?;
    let sealed =
        staged.seal(unpacked.digest, LayerRecord { size: unpacked.size, entries: unpacked.entries })?;
    Ok(NewLayer {
        descriptor: Descriptor {
            media_type: format!("{LAYER}{suffix}"),
            digest: blob.digest,
            size: blob.size,
        },
        diff_id: unpacked.digest,
        blob: stage.verified(&blob),
        sealed,
    })
}

/// As much as tells all compressions apart, also those that are refused.
const LONGEST_MAGIC: u64 = 6;

/// The first bytes, and a reader that gives them too.
fn peek(mut source: impl Read) -> Result<(Vec<u8>, impl Read)> {
    let mut start = Vec::new();
    source.by_ref().take(LONGEST_MAGIC).read_to_end(&mut start).context("read it")?;
    Ok((start.clone(), io::Cursor::new(start).chain(source)))
}

/// What is kept of what is read.
enum Kept {
    AsIs(Draft),
    Compressed(Compressor<Draft>),
}

impl Kept {
    fn finish(self) -> Result<store::Staged> {
        match self {
            Self::AsIs(draft) => Ok(draft.finish()),
            Self::Compressed(compressor) => compressor.finish().map(Draft::finish),
        }
    }
}

/// Keeps all that is read through it.
struct Tee<R> {
    source: R,
    kept: Kept,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buf)?;
        let piece = buf.get(..n).unwrap_or_default();
        match &mut self.kept {
            Kept::AsIs(draft) => draft.write_all(piece)?,
            Kept::Compressed(compressor) => compressor.write_all(piece)?,
        }
        Ok(n)
    }
}

/// An image that is to be.
#[derive(Debug)]
pub(crate) struct Parts<'s> {
    /// Its configuration, byte for byte.
    pub(crate) config: Vec<u8>,
    /// All its layers, lowest first.
    pub(crate) layers: Vec<Descriptor>,
    /// Those of them that the store does not have yet.
    pub(crate) new: Vec<NewLayer<'s>>,
}

/// Gives an image its name, or, without one, its digest in the repository `unnamed`. Returns
/// `NAME@DIGEST`.
///
/// # Errors
/// `Conflict` if a layer below was removed meanwhile.
pub(crate) fn commit<'s>(
    store: &'s Store,
    stage: &Stage<'s>,
    parts: Parts<'s>,
    name: Option<&ImageRef>,
    unnamed: &str,
) -> Result<String> {
    if parts.config.len() as u64 > MAX_CONFIG {
        return Err(Error::new(Kind::Invalid, "its configuration is too large"));
    }
    let brief: ConfigBrief = serde_json::from_slice(&parts.config)
        .map_err(|e| Error::because(Kind::Invalid, "read its configuration", e))?;
    let config = stage.put(&parts.config)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": { "mediaType": CONFIG, "digest": config.digest, "size": config.size },
        "layers": parts.layers,
    });
    let manifest = stage.put(manifest.to_string().as_bytes())?;
    let name = match name {
        Some(name) => name.clone(),
        None => unnamed.parse::<ImageRef>()?.with_digest(manifest.digest),
    };
    let platform = brief.platform();
    let image = NewImage {
        name: name.clone(),
        manifest: Descriptor {
            media_type: OCI_MANIFEST.to_owned(),
            digest: manifest.digest,
            size: manifest.size,
        },
        index: None,
        platform: Some(IndexPlatform {
            os: platform.os,
            architecture: platform.arch,
            variant: platform.variant,
            other: std::collections::BTreeMap::new(),
        }),
        takes_name: true,
    };
    let mut blobs = vec![stage.verified(&config), stage.verified(&manifest)];
    let mut layers = Vec::new();
    for new in parts.new {
        blobs.push(new.blob);
        layers.push(new.sealed);
    }
    match store.commit_image(&image, blobs, layers)? {
        Commit::Done(_) => Ok(name.with_digest(manifest.digest).familiar()),
        Commit::Vanished => Err(Error::new(Kind::Conflict, "a layer of it was removed meanwhile")),
    }
}

/// A step of an image's history.
pub(crate) struct Step<'t> {
    pub(crate) created: Time,
    pub(crate) created_by: &'t str,
    pub(crate) author: &'t str,
    pub(crate) comment: &'t str,
    pub(crate) empty: bool,
}

/// Writes a step down in a configuration, and when and by whom the image was made.
pub(crate) fn note(step: &Step<'_>, config: &mut Map<String, Value>) {
    let mut entry = json!({ "created": step.created });
    for (key, text) in [("created_by", step.created_by), ("author", step.author), ("comment", step.comment)] {
        if !text.is_empty() {
            entry[key] = text.into();
        }
    }
    if step.empty {
        entry["empty_layer"] = true.into();
    }
    let history = config.entry("history").or_insert_with(|| json!([]));
    match history.as_array_mut() {
        Some(list) => list.push(entry),
        None => *history = json!([entry]),
    }
    config.insert("created".to_owned(), json!(step.created));
    if !step.author.is_empty() {
        config.insert("author".to_owned(), step.author.into());
    }
}
