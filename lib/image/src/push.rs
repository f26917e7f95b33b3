//! Pushing: blobs that the registry lacks, several at once, then the manifest that names them.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use layer::Effort;
use registry::{Client, Repository};
use store::{Staged, Store};
use types::digest::Digest;
use types::oci::Descriptor;
use types::reference::ImageRef;
use types::{Context, Error, Kind, Result};

use crate::inspect::manifest_of;
use crate::recompress::recompress;

/// How to push.
#[derive(Debug, Clone, Copy)]
pub struct PushOptions<'a> {
    /// Send blobs in pieces of this size; whole without it.
    pub chunk: Option<u64>,
    /// Blobs that are sent at once.
    pub uploads: usize,
    /// Compress the layers so; as they are without it.
    pub compression: Option<Effort>,
    /// Set by the caller to end early, between two blobs.
    pub cancel: &'a AtomicBool,
}

/// A blob that is to be sent: from the store, or made for it.
type Outgoing = (Descriptor, Option<Staged>);

/// Sends the image that has this name to the registry of the name. Returns `NAME@DIGEST`.
///
/// # Errors
/// `NotFound`; those of the registry. Without its manifest what was sent is no image yet.
pub fn push(store: &Store, client: &Client, name: &ImageRef, options: &PushOptions<'_>) -> Result<String> {
    let image = store.image(&name.to_string())?;
    let (mut descriptor, manifest, mut content) = manifest_of(store, &image)?;
    let repository = client.repository(name)?;
    let stage = options.compression.map(|effort| Ok((effort, store.stage()?))).transpose()?;
    let mut layers: Vec<Outgoing> = manifest.layers.iter().map(|layer| (layer.clone(), None)).collect();
    if let Some((effort, stage)) = &stage {
        let new = recompress(store, stage, (&descriptor, &manifest, &content), *effort, options.cancel)?;
        (descriptor, content, layers) = (new.descriptor, new.content, new.layers);
    }
    let mut blobs: Vec<Outgoing> = Vec::new();
    for blob in std::iter::once((manifest.config.clone(), None)).chain(layers) {
        if !blobs.iter().any(|(b, _)| b.digest == blob.0.digest) {
            blobs.push(blob);
        }
    }
    // The one that takes longest must not start last.
    blobs.sort_by_key(|(blob, _)| std::cmp::Reverse(blob.size));
    let open = |(blob, made): &Outgoing| match (made, &stage) {
        (Some(made), Some((_, stage))) => stage.open(made),
        _ => store.open_blob(&blob.digest),
    };
    send(store, &repository, name, &blobs, &open, options)?;
    repository.send_manifest(name.tag(), &descriptor, &content).context("send its manifest")?;
    Ok(name.with_digest(descriptor.digest).familiar())
}

/// All names with a tag that a repository has in the store.
///
/// # Errors
/// `NotFound` if there is none.
pub fn tags_of(store: &Store, repository: &ImageRef) -> Result<Vec<ImageRef>> {
    let names = store.images()?.into_iter().filter_map(|image| Some(image.ok()?.name));
    let tags: Vec<_> = names.filter(|n| n.tag().is_some() && n.same_repository(repository)).collect();
    if tags.is_empty() {
        return Err(Error::new(Kind::NotFound, "no image of it has a tag"));
    }
    Ok(tags)
}

fn send(
    store: &Store,
    repository: &Repository<'_>,
    name: &ImageRef,
    blobs: &[Outgoing],
    open: &(dyn Fn(&Outgoing) -> Result<File> + Sync),
    options: &PushOptions<'_>,
) -> Result<()> {
    let neighbours = neighbours(store, name)?;
    let next = AtomicUsize::new(0);
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    let failed = || failure.lock().unwrap_or_else(PoisonError::into_inner).is_some();
    std::thread::scope(|scope| {
        for _ in 0..options.uploads.clamp(1, blobs.len().max(1)) {
            scope.spawn(|| {
                while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| !failed()) {
                    let sent = if options.cancel.load(Ordering::Relaxed) {
                        Err(Error::new(Kind::Io, "interrupted"))
                    } else {
                        one(repository, &neighbours, &blob.0, &|| open(blob), options.chunk)
                    };
                    if let Err(e) = sent {
                        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
                    }
                }
            });
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Other repositories of the same registry, as far as we know them, and their blobs.
fn neighbours(store: &Store, name: &ImageRef) -> Result<Vec<(String, BTreeSet<Digest>)>> {
    let mut found: Vec<(String, BTreeSet<Digest>)> = Vec::new();
    for image in store.images()?.into_iter().flatten() {
        if image.name.domain() != name.domain() || image.name.same_repository(name) {
            continue;
        }
        let blobs = image.blobs.iter().map(|b| b.digest).chain([image.id]);
        match found.iter_mut().find(|(path, _)| path == image.name.path()) {
            Some((_, known)) => known.extend(blobs),
            None => found.push((image.name.path().to_owned(), blobs.collect())),
        }
    }
    Ok(found)
}

fn one(
    repository: &Repository<'_>,
    neighbours: &[(String, BTreeSet<Digest>)],
    blob: &Descriptor,
    open: &dyn Fn() -> Result<File>,
    chunk: Option<u64>,
) -> Result<()> {
    // One try is enough: a registry that has it where we think it has it says so at once.
    let has = |(_, blobs): &&(String, BTreeSet<Digest>)| blobs.contains(&blob.digest);
    let other: Vec<String> = neighbours.iter().find(has).map(|(path, _)| path.clone()).into_iter().collect();
    repository
        .send_blob(blob, open, &other, chunk)
        .map(drop)
        .with_context(|| format!("send blob {}", blob.digest))
}
