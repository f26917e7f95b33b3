//! Pulling: name -> manifest -> configuration -> layers, all at once.
//!
//! Downloads and unpackers work side by side, the largest layer first: a download writes a
//! partial file, one of the unpackers follows it. Nothing has a name in the store until
//! everything that was verified is synced, once, at the end.

use std::sync::atomic::AtomicBool;

use registry::{Client, RateLimit, Repository};
use store::{Commit, Store};
use types::oci::{Descriptor, MAX_MANIFEST};
use types::platform::Platform;
use types::reference::ImageRef;
use types::{Error, Kind, Result};

use crate::download::Downloader;
use crate::install::{Leftovers, install};
use crate::progress::{Event, Progress};
use crate::resolve::{Chosen, Top, resolve};

/// Content that another tool removes while we pull is fetched again so often.
const MAX_ROUNDS: usize = 5;

/// How to pull.
#[derive(Clone, Copy)]
pub struct PullOptions<'a> {
    /// For what the image is to be.
    pub platform: &'a Platform,
    /// Blobs that are fetched at once.
    pub downloads: usize,
    /// Layers that are unpacked at once.
    pub unpackers: usize,
    /// The layers of an image that are new here may have no more bytes than this, uncompressed.
    pub max_size: Option<u64>,
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// Set by the caller to end early.
    pub cancel: &'a AtomicBool,
}

impl std::fmt::Debug for PullOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PullOptions").field("platform", &self.platform).finish_non_exhaustive()
    }
}

/// A pulled image.
#[derive(Debug, Clone)]
pub struct Pulled {
    /// `httpd@sha256:…`: what the name led to, for all time, as other tools accept it.
    pub pinned: String,
    /// Whether the store changed.
    pub changed: bool,
}

/// Pulls an image into the store.
///
/// # Errors
/// Those of the registry; `NotFound` if it is not for the platform; `Corrupt` if anything is not
/// what its digest says. Nothing half done gets a name; what arrived is kept for the next pull,
/// unless the disk is full.
pub fn pull(store: &Store, client: &Client, name: &ImageRef, options: &PullOptions<'_>) -> Result<Pulled> {
    store.sweep_layers()?;
    let repository = client.repository(name)?;
    let source = Downloader { store, repository: &repository, progress: options.progress };
    for _ in 0..MAX_ROUNDS {
        let chosen = ask(store, client, &repository, name, options)?;
        let digest = chosen.digest();
        options.progress.event(&Event::Resolved { image: &name.familiar(), digest });
        if let Commit::Done(changed) = install(store, &source, &chosen, options, Leftovers::Keep)? {
            return Ok(Pulled { pinned: name.with_digest(digest).familiar(), changed });
        }
    }
    Err(Error::new(Kind::Conflict, "something removes its layers again and again"))
}

/// Finds the manifest for the platform; what an index points at may be in the store.
fn ask(
    store: &Store,
    client: &Client,
    repository: &Repository<'_>,
    name: &ImageRef,
    options: &PullOptions<'_>,
) -> Result<Chosen> {
    let top = top(store, repository, name);
    // Also of a registry that refuses: it says when there will be more.
    if let Some(RateLimit { limit, remaining, reset, window }) = client.rate_limit() {
        options.progress.event(&Event::RateLimit { limit, remaining, reset, window });
    }
    resolve(name, top?, options.platform, |wanted| fetch_manifest(store, repository, wanted))
}

/// What the name leads to. Of an image that is here only the digest is asked for, which registries do not
/// count as a pull; of one that is here under its digest nothing is.
fn top(store: &Store, repository: &Repository<'_>, name: &ImageRef) -> Result<Top> {
    if store.image(&name.to_string()).is_ok() {
        let known = match name.digest() {
            Some(digest) => Some((digest, String::new())),
            None => repository.digest()?,
        };
        if let Some((digest, media_type)) = known
            && let Ok(content) = store.read_blob(&digest, MAX_MANIFEST)
        {
            return Ok(Top { content, digest, media_type });
        }
    }
    let fetched = repository.resolve()?;
    Ok(Top { content: fetched.content, digest: fetched.digest, media_type: fetched.media_type })
}

fn fetch_manifest(store: &Store, repository: &Repository<'_>, wanted: &Descriptor) -> Result<Vec<u8>> {
    if store.has_blob(&wanted.digest)
        && let Ok(content) = store.read_blob(&wanted.digest, MAX_MANIFEST)
    {
        return Ok(content);
    }
    Ok(repository.manifest(wanted)?.content)
}
