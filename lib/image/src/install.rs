//! From a chosen manifest to an image of the store, whatever its blobs come from.

use std::sync::atomic::{AtomicBool, Ordering};

use store::{Commit, Store, Verified};
use types::digest::Digest;
use types::oci::{ConfigBrief, Descriptor, IndexPlatform};
use types::platform::Platform;
use types::{Context, Error, Kind, Result};

use crate::choose::no_match;
use crate::pull::PullOptions;
use crate::resolve::Chosen;
use crate::stream::Stream;
use crate::work::{Blobs, Cancelled, Work};

/// What becomes of finished pieces of an image that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leftovers {
    /// The next pull finds them, unless the disk is full or what came is no image.
    Keep,
    /// Nothing is left.
    Discard,
}

/// Fetches what is missing and commits.
pub(crate) fn install<'a>(
    store: &'a Store,
    source: &dyn Blobs<'a>,
    chosen: &Chosen,
    options: &PullOptions<'_>,
    leftovers: Leftovers,
) -> Result<Commit> {
    let failed = AtomicBool::new(false);
    let cancelled = || failed.load(Ordering::Relaxed) || options.cancel.load(Ordering::Relaxed);
    let mut blobs = Vec::new();
    let (diff_ids, platform) = match prepare(store, source, chosen, options, &cancelled, &mut blobs) {
        Ok(prepared) => prepared,
        Err(e) => {
            if leftovers == Leftovers::Discard {
                blobs.into_iter().for_each(Verified::discard);
            }
            return Err(e);
        }
    };
    let work = Work::new(store, &chosen.manifest.layers, &diff_ids, options);
    let outcome = work.check_size(options).and_then(|()| work.run(source, options, &failed, &cancelled));
    let (more, layers) = work.into_results();
    blobs.extend(more);
    if let Err(e) = outcome {
        let e = if options.cancel.load(Ordering::Relaxed) { Error::new(Kind::Io, "interrupted") } else { e };
        // What is no image, or none that is wanted, will not be one at the next pull either.
        if leftovers == Leftovers::Discard || disk_full(&e) || e.kind() == Kind::Invalid {
            blobs.into_iter().for_each(Verified::discard);
        } else {
            store.keep(blobs, layers)?;
        }
        return Err(e);
    }
    let mut image = chosen.image.clone();
    image.platform.get_or_insert_with(|| index_platform(&platform));
    store.commit_image(&image, blobs, layers)
}

/// Brings what describes the image, and checks that its parts fit together.
fn prepare<'a>(
    store: &'a Store,
    source: &dyn Blobs<'a>,
    chosen: &Chosen,
    options: &PullOptions<'_>,
    cancelled: &Cancelled<'_>,
    blobs: &mut Vec<Verified<'a>>,
) -> Result<(Vec<Digest>, Platform)> {
    for (descriptor, content) in &chosen.blobs {
        blobs.extend(store.put_blob(descriptor, content)?);
    }
    let (diff_ids, platform, fetched) = read_config(source, &chosen.manifest.config, cancelled)?;
    blobs.extend(fetched);
    if options.platform.rank(&platform).is_none() && !platform.arch.is_empty() {
        return Err(no_match(options.platform, &platform.to_string()));
    }
    let layers = chosen.manifest.layers.len();
    if diff_ids.len() != layers {
        let why = format!("it has {layers} layers and {} layer digests", diff_ids.len());
        return Err(Error::new(Kind::Invalid, why));
    }
    Ok((diff_ids, platform))
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
    source: &dyn Blobs<'a>,
    config: &Descriptor,
    cancelled: &Cancelled<'_>,
) -> Result<(Vec<Digest>, Platform, Option<Verified<'a>>)> {
    let stream = Stream::new(config.size);
    let verified = source.fetch(config, &stream, cancelled)?;
    let text = std::io::read_to_string(stream.follow()).context("read its configuration")?;
    let parsed: ConfigBrief = serde_json::from_str(&text)
        .map_err(|e| Error::because(Kind::Invalid, "read its configuration", e))?;
    let platform = parsed.platform();
    Ok((parsed.rootfs.diff_ids, platform, verified))
}
