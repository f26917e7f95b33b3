//! Which images are retired: by how long nobody has used them, by what all of them take, by how many there are.
//!
//! When an image was used last is the time of its manifest: it came here then, or a container was made of it.
//! An image that a container uses, or that somebody reads or has mounted, is not retired, whatever is asked.

use std::collections::{BTreeMap, BTreeSet};

use rustix::fs::{AtFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use types::digest::Digest;
use types::{Context, Kind, Result};

use crate::images::Entry;
use crate::index::Layout;
use crate::untag::Reached;
use crate::{Store, layout};

/// Uses are noted to this many seconds: a container that is started a thousand times an hour writes once.
const GRAIN: i64 = 60;

/// What decides. Without any of them no image is retired.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// Those that were not used for so many seconds go.
    pub unused_for: Option<i64>,
    /// Those that were not used for longest go until all take no more bytes than this, compressed and unpacked.
    pub max_bytes: Option<u64>,
    /// So many that were used last stay, whatever else is said; with nothing else said the others go.
    pub keep_last: Option<usize>,
}

/// An image that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retired {
    /// The digest of its manifest.
    pub digest: Digest,
    /// All its names, in familiar form.
    pub names: Vec<String>,
    /// Bytes that nothing else among the images takes.
    pub size: u64,
}

/// An image with all its names.
struct Aged {
    manifest: Digest,
    entries: Vec<Entry>,
    /// Seconds since 1970.
    last_used: i64,
    parts: Vec<(Part, u64)>,
}

/// A file or a tree of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Blob(Digest),
    Layer(Digest),
}

impl Policy {
    /// Whether it retires anything at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn wants(&self, image: &Aged, now: i64, total: u64) -> bool {
        let idle = |limit: i64| now.saturating_sub(image.last_used) >= limit;
        match (self.unused_for, self.max_bytes) {
            (None, None) => true,
            (age, size) => age.is_some_and(idle) || size.is_some_and(|most| total > most),
        }
    }
}

impl Store {
    /// Notes that an image is used now.
    ///
    /// A note that cannot be made (a full disk, a store that is read only) fails nothing: the image looks older
    /// than it is, and can be pulled again.
    pub fn note_use(&self, manifest: &Digest) {
        if self.last_used(manifest).is_some_and(|then| now().saturating_sub(then) < GRAIN) {
            return;
        }
        let place = layout::blob(manifest);
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        };
        rustix::fs::utimensat(self.area(place.area), &place.path, &times, AtFlags::SYMLINK_NOFOLLOW)
            .unwrap_or_default(); // as promised above
    }

    /// Takes the images that `policy` retires out of the index. The caller holds the exclusive lock.
    pub(crate) fn retire(&self, index: &mut Layout, policy: &Policy) -> Result<Vec<Retired>> {
        if policy.is_empty() {
            return Ok(Vec::new());
        }
        let mut images = self.aged(index)?;
        let mut counts: BTreeMap<Part, (usize, u64)> = BTreeMap::new();
        for (part, size) in images.iter().flat_map(|i| &i.parts) {
            counts.entry(*part).or_insert((0, *size)).0 += 1;
        }
        let mut total: u64 = counts.values().map(|(_, size)| size).sum();
        let used = self.used_images()?;
        // The one that was used last comes last; names decide between images of one second.
        images.sort_by(|a, b| (a.last_used, &b.names()).cmp(&(b.last_used, &a.names())));
        images.truncate(images.len().saturating_sub(policy.keep_last.unwrap_or(0)));
        let (now, mut retired) = (now(), Vec::new());
        for image in images {
            if used.contains(&image.manifest) || !policy.wants(&image, now, total) {
                continue;
            }
            let size = release(&mut counts, &image.parts);
            total = total.saturating_sub(size);
            index.manifests.retain(|e| Entry::of(e).is_none_or(|e| e.manifest != image.manifest));
            retired.push(Retired { digest: image.manifest, names: image.names(), size });
        }
        Ok(retired)
    }

    fn aged(&self, index: &Layout) -> Result<Vec<Aged>> {
        let mut images: BTreeMap<Digest, Vec<Entry>> = BTreeMap::new();
        for entry in index.manifests.iter().filter_map(Entry::of) {
            images.entry(entry.manifest).or_default().push(entry);
        }
        let aged = |(manifest, entries): (Digest, Vec<Entry>)| {
            let parts = self
                .parts(&manifest, &entries)
                .with_context(|| format!("look at image {:?}", familiar(&entries).join(", ")))?;
            Ok(Aged { manifest, last_used: self.last_used(&manifest).unwrap_or(0), entries, parts })
        };
        images.into_iter().map(aged).collect()
    }

    fn parts(&self, manifest: &Digest, entries: &[Entry]) -> Result<Vec<(Part, u64)>> {
        let mut reached = Reached::default();
        reached.blobs.insert(*manifest);
        reached.blobs.extend(entries.iter().filter_map(|e| e.index));
        self.reach(&self.manifest(manifest)?, &mut reached);
        let mut parts = Vec::new();
        for digest in reached.blobs {
            parts.push((Part::Blob(digest), self.size_of(&layout::blob(&digest))));
        }
        for digest in reached.layers {
            parts.push((Part::Layer(digest), self.layer_record(&digest)?.map_or(0, |r| r.size)));
        }
        Ok(parts)
    }

    /// The manifests of images that containers use, or that somebody reads or has mounted.
    fn used_images(&self) -> Result<BTreeSet<Digest>> {
        let mut used: BTreeSet<Digest> = self.uses()?.into_iter().map(|u| u.record.manifest).collect();
        for id in self.containers()? {
            match self.record(&id) {
                Ok(record) => drop(used.insert(record.manifest)),
                // Removed since it was listed.
                Err(e) if e.kind() == Kind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(used)
    }

    fn last_used(&self, manifest: &Digest) -> Option<i64> {
        let place = layout::blob(manifest);
        let stat = rustix::fs::statat(self.area(place.area), &place.path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(stat.st_mtime)
    }
}

impl Aged {
    fn names(&self) -> Vec<String> {
        familiar(&self.entries)
    }
}

fn familiar(entries: &[Entry]) -> Vec<String> {
    let mut names: Vec<String> = entries.iter().map(|e| e.name.familiar()).collect();
    names.sort();
    names
}

/// Takes an image's parts out of the account. Returns the bytes of those that nobody else has.
fn release(counts: &mut BTreeMap<Part, (usize, u64)>, parts: &[(Part, u64)]) -> u64 {
    let mut freed = 0u64;
    for (part, size) in parts {
        let Some((count, _)) = counts.get_mut(part) else { continue };
        *count -= 1;
        if *count == 0 {
            freed = freed.saturating_add(*size);
        }
    }
    freed
}

fn now() -> i64 {
    rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec
}
