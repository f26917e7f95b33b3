//! Pulling: name -> manifest -> configuration -> layers, all at once.
//!
//! Downloads and unpackers work side by side, the largest layer first: a download writes a
//! partial file, one of the unpackers follows it. Nothing has a name in the store until
//! everything that was verified is synced, once, at the end.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use registry::{Client, Fetched, Repository};
use store::{Commit, LayerRecord, NewImage, SealedLayer, Slot, Store, Verified};
use types::digest::Digest;
use types::oci::{Descriptor, Document, IndexPlatform, MAX_CONFIG, Manifest};
use types::platform::Platform;
use types::reference::ImageRef;
use types::{Context, Error, Kind, Result};

use crate::choose::{choose, no_match};
use crate::download::Downloader;
use crate::progress::{Event, Progress};
use crate::stream::Stream;

/// overlayfs stacks no more than this (OVL_MAX_STACK).
const MAX_LAYERS: usize = 500;
/// Content that another tool removes while we pull is fetched again so often.
const MAX_ROUNDS: usize = 5;
const CONFIG_TYPES: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// How to pull.
#[derive(Clone, Copy)]
pub struct PullOptions<'a> {
    /// For what the image is to be.
    pub platform: &'a Platform,
    /// Blobs that are fetched at once.
    pub downloads: usize,
    /// Layers that are unpacked at once.
    pub unpackers: usize,
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

/// A chosen image: what is needed to fetch its layers and to name it.
struct Chosen {
    image: NewImage,
    manifest: Manifest,
    /// What was fetched to get here.
    blobs: Vec<(Descriptor, Vec<u8>)>,
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
    for _ in 0..MAX_ROUNDS {
        let chosen = resolve(store, &repository, name, options)?;
        let digest = chosen.image.index.unwrap_or(chosen.image.manifest.digest);
        options.progress.event(&Event::Resolved { image: &name.familiar(), digest });
        if let Commit::Done(changed) = fetch(store, &repository, &chosen, options)? {
            return Ok(Pulled { pinned: name.with_digest(digest).familiar(), changed });
        }
    }
    Err(Error::new(Kind::Conflict, "something removes its layers again and again"))
}

/// Finds the manifest for the platform.
fn resolve(
    store: &Store,
    repository: &Repository<'_>,
    name: &ImageRef,
    options: &PullOptions<'_>,
) -> Result<Chosen> {
    let fetched = repository.resolve()?;
    let (document, media_type) = Document::parse(&fetched.content, &fetched.media_type)?;
    let top = descriptor(&fetched, &media_type);
    let (image, manifest, blobs) = match document {
        Document::Manifest(manifest) => {
            let image = NewImage { name: name.clone(), manifest: top.clone(), index: None, platform: None };
            (image, manifest, vec![(top, fetched.content)])
        }
        Document::Index(index) => {
            let entry = choose(&index, options.platform)?;
            let content = fetch_manifest(store, repository, &entry.descriptor)?;
            let (document, media_type) = Document::parse(&content, &entry.descriptor.media_type)?;
            let Document::Manifest(manifest) = document else {
                return Err(Error::new(Kind::Invalid, "the index leads to another index"));
            };
            let chosen = Descriptor { media_type, ..entry.descriptor.clone() };
            let image = NewImage {
                name: name.clone(),
                manifest: chosen.clone(),
                index: Some(top.digest),
                platform: entry.platform.clone(),
            };
            (image, manifest, vec![(top, fetched.content), (chosen, content)])
        }
    };
    if !CONFIG_TYPES.contains(&manifest.config.media_type.as_str()) {
        return Err(Error::new(
            Kind::Unsupported,
            format!(
                "it is no container image: its configuration is of type {:?}",
                manifest.config.media_type
            ),
        ));
    }
    if manifest.layers.len() > MAX_LAYERS {
        return Err(Error::new(
            Kind::Unsupported,
            format!("it has {} layers, more than {MAX_LAYERS}", manifest.layers.len()),
        ));
    }
    Ok(Chosen { image, manifest, blobs })
}

fn fetch_manifest(store: &Store, repository: &Repository<'_>, wanted: &Descriptor) -> Result<Vec<u8>> {
    if store.has_blob(&wanted.digest)
        && let Ok(content) = store.read_blob(&wanted.digest, types::oci::MAX_MANIFEST)
    {
        return Ok(content);
    }
    Ok(repository.manifest(wanted)?.content)
}

fn descriptor(fetched: &Fetched, media_type: &str) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: fetched.digest,
        size: fetched.content.len() as u64,
    }
}

/// Fetches what is missing and commits.
fn fetch(
    store: &Store,
    repository: &Repository<'_>,
    chosen: &Chosen,
    options: &PullOptions<'_>,
) -> Result<Commit> {
    let failed = AtomicBool::new(false);
    let cancelled = || failed.load(Ordering::Relaxed) || options.cancel.load(Ordering::Relaxed);
    let downloader = Downloader { store, repository, progress: options.progress, cancelled: &cancelled };
    let mut blobs = Vec::new();
    for (descriptor, content) in &chosen.blobs {
        blobs.extend(store.put_blob(descriptor, content)?);
    }
    let config = &chosen.manifest.config;
    let (diff_ids, platform, fetched) = read_config(&downloader, config)?;
    blobs.extend(fetched);
    if options.platform.rank(&platform).is_none() && !platform.arch.is_empty() {
        return Err(no_match(options.platform, &platform.to_string()));
    }
    if diff_ids.len() != chosen.manifest.layers.len() {
        return Err(Error::new(
            Kind::Invalid,
            format!("it has {} layers and {} layer digests", chosen.manifest.layers.len(), diff_ids.len()),
        ));
    }
    let work = Work::new(store, &chosen.manifest.layers, &diff_ids, options);
    let outcome = work.run(&downloader, options, &failed);
    let (more, layers) = work.into_results();
    blobs.extend(more);
    if let Err(e) = outcome {
        let e = if options.cancel.load(Ordering::Relaxed) { Error::new(Kind::Io, "interrupted") } else { e };
        keep_or_discard(store, blobs, layers, &e)?;
        return Err(e);
    }
    let mut image = chosen.image.clone();
    image.platform.get_or_insert_with(|| index_platform(&platform));
    store.commit_image(&image, blobs, layers)
}

/// What is right is kept for the next pull, except where it would keep the disk full.
fn keep_or_discard(
    store: &Store,
    blobs: Vec<Verified<'_>>,
    layers: Vec<SealedLayer<'_>>,
    why: &Error,
) -> Result<()> {
    if disk_full(why) {
        blobs.into_iter().for_each(Verified::discard);
        drop(layers);
        return Ok(());
    }
    store.keep(blobs, layers)
}

/// Whether an error comes from a full disk (or quota).
pub(crate) fn disk_full(err: &Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(err);
    while let Some(link) = next {
        let code = link.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if matches!(code, Some(std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)) {
            return true;
        }
        next = link.source();
    }
    false
}

fn index_platform(platform: &Platform) -> IndexPlatform {
    IndexPlatform {
        os: platform.os.clone(),
        architecture: platform.arch.clone(),
        variant: platform.variant.clone(),
        other: std::collections::BTreeMap::new(),
    }
}

/// The digests of the uncompressed layers, and the platform.
fn read_config<'a>(
    downloader: &Downloader<'a>,
    config: &Descriptor,
) -> Result<(Vec<Digest>, Platform, Option<Verified<'a>>)> {
    #[derive(serde::Deserialize)]
    struct Config {
        #[serde(default)]
        os: String,
        #[serde(default)]
        architecture: String,
        #[serde(default)]
        variant: String,
        rootfs: RootFs,
    }
    #[derive(serde::Deserialize)]
    struct RootFs {
        diff_ids: Vec<Digest>,
    }
    if config.size > MAX_CONFIG {
        return Err(Error::new(
            Kind::Invalid,
            format!("its configuration is larger than {} MiB", MAX_CONFIG >> 20),
        ));
    }
    let stream = Stream::new(config.size);
    let verified = downloader.fetch(config, &stream)?;
    let text = std::io::read_to_string(stream.follow()).context("read its configuration")?;
    let parsed: Config = serde_json::from_str(&text)
        .map_err(|e| Error::because(Kind::Invalid, "read its configuration", e))?;
    let platform = Platform::new(&parsed.os, &parsed.architecture, &parsed.variant);
    Ok((parsed.rootfs.diff_ids, platform, verified))
}

/// A layer that has to be fetched, unpacked, or both.
struct Job {
    blob: Descriptor,
    diff_id: Digest,
    stream: Stream,
}

/// All such layers, and what has become of them.
struct Work<'a> {
    store: &'a Store,
    /// The largest first: the one that takes longest must not start last.
    jobs: Vec<Job>,
    next_download: AtomicUsize,
    next_unpack: AtomicUsize,
    blobs: Mutex<Vec<Verified<'a>>>,
    layers: Mutex<Vec<SealedLayer<'a>>>,
    failure: Mutex<Option<Error>>,
}

impl<'a> Work<'a> {
    fn new(store: &'a Store, blobs: &[Descriptor], diff_ids: &[Digest], options: &PullOptions<'_>) -> Self {
        let mut seen = BTreeSet::new();
        let mut jobs = Vec::new();
        for (blob, diff_id) in blobs.iter().zip(diff_ids) {
            if !seen.insert((blob.digest, *diff_id)) {
                continue; // the same layer twice in one image
            }
            if store.has_blob(&blob.digest) && store.has_layer(diff_id) {
                options.progress.event(&Event::Exists { layer: blob.digest });
                continue;
            }
            options.progress.event(&Event::Layer { layer: blob.digest, size: blob.size });
            jobs.push(Job { blob: blob.clone(), diff_id: *diff_id, stream: Stream::new(blob.size) });
        }
        jobs.sort_by_key(|job| std::cmp::Reverse(job.blob.size));
        Self {
            store,
            jobs,
            next_download: AtomicUsize::new(0),
            next_unpack: AtomicUsize::new(0),
            blobs: Mutex::default(),
            layers: Mutex::default(),
            failure: Mutex::default(),
        }
    }

    fn run(&self, downloader: &Downloader<'a>, options: &PullOptions<'_>, failed: &AtomicBool) -> Result<()> {
        let count = self.jobs.len();
        std::thread::scope(|scope| {
            for _ in 0..options.downloads.clamp(1, count.max(1)) {
                scope.spawn(|| {
                    while let Some(job) = self.take(&self.next_download) {
                        self.note(failed, self.download(downloader, job));
                    }
                });
            }
            for _ in 0..options.unpackers.clamp(1, count.max(1)) {
                scope.spawn(|| {
                    while let Some(job) = self.take(&self.next_unpack) {
                        self.note(failed, self.unpack(job, options, downloader.cancelled));
                    }
                });
            }
        });
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(()), Err)
    }

    fn take(&self, next: &AtomicUsize) -> Option<&Job> {
        self.jobs.get(next.fetch_add(1, Ordering::Relaxed))
    }

    /// The first failure is the cause; what fails after it fails because of it.
    fn note(&self, failed: &AtomicBool, outcome: Result<()>) {
        let Err(err) = outcome else { return };
        let mut first = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(err);
        failed.store(true, Ordering::Relaxed);
    }

    fn download(&self, downloader: &Downloader<'a>, job: &Job) -> Result<()> {
        if (downloader.cancelled)() {
            job.stream.end(false);
            return Err(Error::new(Kind::Io, "cancelled"));
        }
        let verified = downloader.fetch(&job.blob, &job.stream)?;
        downloader.progress.event(&Event::Downloaded { layer: job.blob.digest });
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).extend(verified);
        Ok(())
    }

    fn unpack(
        &self,
        job: &Job,
        options: &PullOptions<'_>,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<()> {
        if cancelled() {
            return Err(Error::new(Kind::Io, "cancelled"));
        }
        let staged = match self.store.stage_layer(&job.diff_id)? {
            Slot::Present => return Ok(()),
            Slot::Missing(staged) => staged,
        };
        let outcome = layer::unpack(job.stream.follow_until(cancelled), job.blob.size, staged.tree())
            .and_then(|u| staged.seal(u.digest, LayerRecord { size: u.size, entries: u.entries }));
        match outcome {
            Ok(sealed) => {
                options.progress.event(&Event::Unpacked { layer: job.blob.digest });
                self.layers.lock().unwrap_or_else(PoisonError::into_inner).push(sealed);
                Ok(())
            }
            // What is wrong with the blob explains what is wrong with its content, and its download
            // reports it.
            Err(e) if !disk_full(&e) && !job.stream.wait() => Ok(()),
            Err(_) if cancelled() => Err(Error::new(Kind::Io, "cancelled")),
            Err(e) => Err(e.within(format!("unpack layer {}", job.blob.digest.short()))),
        }
    }

    fn into_results(self) -> (Vec<Verified<'a>>, Vec<SealedLayer<'a>>) {
        (
            self.blobs.into_inner().unwrap_or_else(PoisonError::into_inner),
            self.layers.into_inner().unwrap_or_else(PoisonError::into_inner),
        )
    }
}
