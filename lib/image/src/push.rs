//! Pushing: blobs that the registry lacks, several at once, then the manifest that names them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use registry::{Client, Repository};
use store::Store;
use types::digest::Digest;
use types::oci::Descriptor;
use types::reference::ImageRef;
use types::{Context, Error, Kind, Result};

use crate::inspect::manifest_of;

/// How to push.
#[derive(Debug, Clone, Copy)]
pub struct PushOptions<'a> {
    /// Send blobs in pieces of this size; whole without it.
    pub chunk: Option<u64>,
    /// Blobs that are sent at once.
    pub uploads: usize,
    /// Set by the caller to end early, between two blobs.
    pub cancel: &'a AtomicBool,
}

/// Sends the image that has this name to the registry of the name. Returns `NAME@DIGEST`.
///
/// # Errors
/// `NotFound`; those of the registry. Without its manifest what was sent is no image yet.
pub fn push(store: &Store, client: &Client, name: &ImageRef, options: &PushOptions<'_>) -> Result<String> {
    let image = store.image(&name.to_string())?;
    let (descriptor, manifest, content) = manifest_of(store, &image)?;
    let repository = client.repository(name)?;
    let mut blobs: Vec<Descriptor> = Vec::new();
    for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
        if !blobs.iter().any(|b| b.digest == blob.digest) {
            blobs.push(blob.clone());
        }
    }
    // The one that takes longest must not start last.
    blobs.sort_by_key(|blob| std::cmp::Reverse(blob.size));
    send(store, &repository, name, &blobs, options)?;
    repository.send_manifest(name.tag(), &descriptor, &content).context("send its manifest")?;
    Ok(name.with_digest(image.manifest).familiar())
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
    blobs: &[Descriptor],
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
                        one(store, repository, &neighbours, blob, options.chunk)
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
    store: &Store,
    repository: &Repository<'_>,
    neighbours: &[(String, BTreeSet<Digest>)],
    blob: &Descriptor,
    chunk: Option<u64>,
) -> Result<()> {
    // One try is enough: a registry that has it where we think it has it says so at once.
    let has = |(_, blobs): &&(String, BTreeSet<Digest>)| blobs.contains(&blob.digest);
    let other: Vec<String> = neighbours.iter().find(has).map(|(path, _)| path.clone()).into_iter().collect();
    let open = || store.open_blob(&blob.digest);
    repository
        .send_blob(blob, &open, &other, chunk)
        .map(drop)
        .with_context(|| format!("send blob {}", blob.digest))
}
