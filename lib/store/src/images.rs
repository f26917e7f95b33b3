//! Images: what `index.json` leads to, found by name, digest or the beginning of an id.
//!
//! Readers take no lock: `index.json` is replaced whole, and what it leads to never changes.

use oci_spec::image::ImageConfiguration;
use types::digest::Digest;
use types::oci::{ConfigBrief, Descriptor, Document, IndexEntry, MAX_CONFIG, MAX_MANIFEST, Manifest};
use types::reference::ImageRef;
use types::{Context, Error, Kind, Result};

use crate::{LockMode, LockedDir, Store, layout};

/// An image of this store under one of its names.
#[derive(Debug, Clone)]
pub struct Image {
    /// The name it was found by, or its first one. Has a digest instead of a tag if the tag it
    /// was pulled by now belongs to another image.
    pub name: ImageRef,
    /// The digest that a registry knows it by: of the index it came out of, or else of its manifest.
    pub digest: Digest,
    /// The digest of the manifest for its platform.
    pub manifest: Digest,
    /// The digest of its configuration: the image's id.
    pub id: Digest,
    /// Digests of the uncompressed layers, lowest first; see [`Store::layer_dir`].
    pub layers: Vec<Digest>,
    /// The compressed layers, in the same order.
    pub blobs: Vec<Descriptor>,
    /// Bytes: of the unpacked layers, or of the compressed ones where they are not unpacked.
    pub size: u64,
    /// RFC 3339; `None` if the image does not say.
    pub created: Option<String>,
    /// `linux/amd64`.
    pub platform: String,
    /// Labels of its configuration.
    pub labels: std::collections::BTreeMap<String, String>,
}

impl Image {
    /// The name that leads to exactly this image for all time: `httpd@sha256:…`, as other tools
    /// accept it.
    #[must_use]
    pub fn pinned(&self) -> String {
        self.name.with_digest(self.digest).familiar()
    }
}

impl Store {
    /// Finds an image by name, `NAME@DIGEST`, id, or a unique beginning of an id, in that order.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` if it could be no name, or several ids begin so.
    pub fn image(&self, wanted: &str) -> Result<Image> {
        let entries = self.entries()?;
        match find(self, &entries, wanted)? {
            Some(entry) => self.load(entry).with_context(|| format!("read image {wanted:?}")),
            None => {
                let name = wanted.parse::<ImageRef>().map_or_else(|_| wanted.to_owned(), |r| r.familiar());
                Err(Error::new(Kind::NotFound, format!("no such image: {name:?}")))
            }
        }
    }

    /// All images in the order of their names, one for each name. A damaged one is an error of
    /// its own and hides no other.
    pub fn images(&self) -> Result<Vec<Result<Image>>> {
        let mut entries = self.entries()?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let load = |e: &Entry| self.load(e).with_context(|| format!("read image {:?}", e.name.familiar()));
        Ok(entries.iter().map(load).collect())
    }

    /// The configuration of an image, verified again.
    pub fn image_config(&self, image: &Image) -> Result<ImageConfiguration> {
        let content = self.read_blob(&image.id, MAX_CONFIG)?;
        serde_json::from_slice(&content)
            .map_err(|e| Error::because(Kind::Corrupt, format!("read configuration {}", image.id), e))
    }

    /// Locks the images: shared, so that none is removed between looking it up and recording its
    /// use; exclusive, to add or remove one. Held for moments only, never while something is
    /// fetched or unpacked.
    pub fn lock_images(&self, mode: LockMode) -> Result<LockedDir> {
        self.lock_dir(&layout::blobs(), mode).context("lock the images")
    }

    pub(crate) fn manifest(&self, digest: &Digest) -> Result<Manifest> {
        let content = self.read_blob(digest, MAX_MANIFEST)?;
        match Document::parse(&content, "").with_context(|| format!("read manifest {digest}"))?.0 {
            Document::Manifest(manifest) => Ok(manifest),
            Document::Index(_) => Err(Error::new(Kind::Unsupported, format!("{digest} is an index"))),
        }
    }

    fn load(&self, entry: &Entry) -> Result<Image> {
        let manifest = self.manifest(&entry.manifest)?;
        let brief = self.config_brief(&manifest)?;
        let mut size = 0u64;
        for (layer, blob) in brief.rootfs.diff_ids.iter().zip(&manifest.layers) {
            size = size.saturating_add(self.layer_record(layer)?.map_or(blob.size, |r| r.size));
        }
        let (platform, labels) = (brief.platform(), brief.labels());
        Ok(Image {
            name: entry.name.clone(),
            digest: entry.index.unwrap_or(entry.manifest),
            manifest: entry.manifest,
            id: manifest.config.digest,
            layers: brief.rootfs.diff_ids,
            blobs: manifest.layers,
            size,
            created: brief.created.filter(|c| !c.is_empty()),
            platform: platform.to_string(),
            labels,
        })
    }

    /// What most need to know of an image's configuration.
    pub(crate) fn config_brief(&self, manifest: &Manifest) -> Result<ConfigBrief> {
        let content = self.read_blob(&manifest.config.digest, MAX_CONFIG)?;
        serde_json::from_slice(&content)
            .map_err(|e| Error::because(Kind::Corrupt, "read its configuration", e))
    }

    /// The entries of `index.json` that are ours to list: those with a name.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>> {
        Ok(self.index()?.manifests.iter().filter_map(Entry::of).collect())
    }
}

/// An entry of `index.json`.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: ImageRef,
    pub(crate) manifest: Digest,
    pub(crate) index: Option<Digest>,
}

impl Entry {
    /// `None` for what another tool put there without a name that is a reference of ours. A bare
    /// tag, as `umoci` writes it, is read as a name.
    pub(crate) fn of(entry: &IndexEntry) -> Option<Self> {
        let name = entry.annotations.get(layout::annotation::REF_NAME)?.parse().ok()?;
        let index = entry.annotations.get(layout::annotation::INDEX).and_then(|d| d.parse().ok());
        Some(Self { name, manifest: entry.descriptor.digest, index })
    }

    /// Whether this digest is a name for it.
    pub(crate) fn has_digest(&self, digest: Digest) -> bool {
        self.manifest == digest || self.index == Some(digest)
    }
}

pub(crate) fn find<'e>(store: &Store, entries: &'e [Entry], wanted: &str) -> Result<Option<&'e Entry>> {
    let by_id = id_prefix(wanted);
    if let Some(full) = by_id.filter(|hex| hex.len() == 64) {
        let digest: Digest = format!("sha256:{full}").parse()?;
        if let Some(entry) = entries.iter().find(|e| e.has_digest(digest)) {
            return Ok(Some(entry));
        }
    } else {
        let reference = match wanted.parse::<ImageRef>() {
            Ok(reference) => Some(reference),
            // `sha256:1a2b` names an image by its id; it is no tag of a repository `sha256`.
            Err(_) if by_id.is_some() => None,
            Err(e) => return Err(e),
        };
        if let Some(entry) = reference.and_then(|r| by_name(entries, &r)) {
            return Ok(Some(entry));
        }
    }
    match by_id {
        Some(prefix) => by_prefix(store, entries, prefix),
        None => Ok(None),
    }
}

pub(crate) fn by_name<'e>(entries: &'e [Entry], wanted: &ImageRef) -> Option<&'e Entry> {
    match wanted.digest() {
        None => entries.iter().find(|e| e.name == *wanted),
        Some(digest) => {
            let mut found = entries.iter().filter(|e| e.name.same_repository(wanted) && e.has_digest(digest));
            let first = found.next()?;
            // A tag says more than a digest.
            std::iter::once(first).chain(found).find(|e| e.name.tag().is_some()).or(Some(first))
        }
    }
}

/// The hexadecimal digits of `sha256:HEX` or `HEX`, if that is what it is.
fn id_prefix(wanted: &str) -> Option<&str> {
    let hex = wanted.strip_prefix("sha256:").unwrap_or(wanted);
    let all = (1..=64).contains(&hex.len()) && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    all.then_some(hex)
}

fn by_prefix<'e>(store: &Store, entries: &'e [Entry], prefix: &str) -> Result<Option<&'e Entry>> {
    let mut found: Option<(Digest, &Entry)> = None;
    for entry in entries {
        let Ok(manifest) = store.manifest(&entry.manifest) else { continue };
        let id = manifest.config.digest;
        if !id.hex().starts_with(prefix) {
            continue;
        }
        match found {
            Some((other, _)) if other != id => {
                return Err(Error::new(
                    Kind::Invalid,
                    format!("several images have ids that begin with {prefix:?}"),
                )
                .hint(format!("{} and {} do", other.short(), id.short())));
            }
            Some((_, best)) if best.name.tag().is_some() => {}
            _ => found = Some((id, entry)),
        }
    }
    Ok(found.map(|(_, entry)| entry))
}
