//! Layers of an image: fetched and unpacked side by side.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use layer::Budget;
use store::{LayerRecord, SealedLayer, Slot, Store, Verified};
use types::digest::Digest;
use types::oci::Descriptor;
use types::{Error, Kind, Result};

use crate::install::disk_full;
use crate::progress::Event;
use crate::pull::PullOptions;
use crate::stream::Stream;

/// Whether to give up.
pub(crate) type Cancelled<'c> = dyn Fn() -> bool + Sync + 'c;

/// Where blobs come from.
pub(crate) trait Blobs<'a>: Sync {
    /// Brings a blob, unless the store has it. Tells `stream` what has arrived, and always that it ended.
    fn fetch(
        &self,
        blob: &Descriptor,
        stream: &Stream,
        cancelled: &Cancelled<'_>,
    ) -> Result<Option<Verified<'a>>>;
}

/// A layer that has to be fetched, unpacked, or both.
struct Job {
    blob: Descriptor,
    diff_id: Digest,
    stream: Stream,
}

/// All such layers, and what has become of them.
pub(crate) struct Work<'a> {
    store: &'a Store,
    /// The largest first: the one that takes longest must not start last.
    jobs: Vec<Job>,
    next_download: AtomicUsize,
    next_unpack: AtomicUsize,
    budget: Budget,
    blobs: Mutex<Vec<Verified<'a>>>,
    layers: Mutex<Vec<SealedLayer<'a>>>,
    failure: Mutex<Option<Error>>,
}

impl<'a> Work<'a> {
    pub(crate) fn new(
        store: &'a Store,
        blobs: &[Descriptor],
        diff_ids: &[Digest],
        options: &PullOptions<'_>,
    ) -> Self {
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
            budget: Budget::new(options.max_size),
            blobs: Mutex::default(),
            layers: Mutex::default(),
            failure: Mutex::default(),
        }
    }

    /// Refuses what is too large already as it is compressed, before anything of it is fetched.
    pub(crate) fn check_size(&self, options: &PullOptions<'_>) -> Result<()> {
        let announced = self.jobs.iter().fold(0u64, |sum, job| sum.saturating_add(job.blob.size));
        Budget::new(options.max_size).take(announced)
    }

    /// Fetches and unpacks, side by side. The first failure ends all.
    pub(crate) fn run(
        &self,
        source: &dyn Blobs<'a>,
        options: &PullOptions<'_>,
        failed: &AtomicBool,
        cancelled: &Cancelled<'_>,
    ) -> Result<()> {
        let count = self.jobs.len();
        std::thread::scope(|scope| {
            for _ in 0..options.downloads.clamp(1, count.max(1)) {
                scope.spawn(|| {
                    while let Some(job) = self.take(&self.next_download) {
                        self.note(failed, self.download(source, job, options, cancelled));
                    }
                });
            }
            for _ in 0..options.unpackers.clamp(1, count.max(1)) {
                scope.spawn(|| {
                    while let Some(job) = self.take(&self.next_unpack) {
                        self.note(failed, self.unpack(job, options, cancelled));
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

    fn download(
        &self,
        source: &dyn Blobs<'a>,
        job: &Job,
        options: &PullOptions<'_>,
        cancelled: &Cancelled<'_>,
    ) -> Result<()> {
        if cancelled() {
            job.stream.end(false);
            return Err(Error::new(Kind::Io, "cancelled"));
        }
        let verified = source.fetch(&job.blob, &job.stream, cancelled)?;
        options.progress.event(&Event::Downloaded { layer: job.blob.digest });
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).extend(verified);
        Ok(())
    }

    fn unpack(&self, job: &Job, options: &PullOptions<'_>, cancelled: &Cancelled<'_>) -> Result<()> {
        if cancelled() {
            return Err(Error::new(Kind::Io, "cancelled"));
        }
        let staged = match self.store.stage_layer(&job.diff_id)? {
            Slot::Present => return Ok(()),
            Slot::Missing(staged) => staged,
        };
        let outcome =
            layer::unpack(job.stream.follow_until(cancelled), job.blob.size, &self.budget, staged.tree())
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

    /// What is finished.
    pub(crate) fn into_results(self) -> (Vec<Verified<'a>>, Vec<SealedLayer<'a>>) {
        (
            self.blobs.into_inner().unwrap_or_else(PoisonError::into_inner),
            self.layers.into_inner().unwrap_or_else(PoisonError::into_inner),
        )
    }
}
