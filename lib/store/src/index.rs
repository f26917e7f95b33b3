//! `index.json`: the names of the images, and how an image gets one.
//!
//! The file is that of an OCI image layout, so that other tools read the store in place. It is
//! changed under the exclusive lock of the images and replaced whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use types::digest::Digest;
use types::oci::{Descriptor, IndexEntry, IndexPlatform, OCI_INDEX};
use types::reference::ImageRef;
use types::{Context, Error, Kind, Result};

use crate::blob::Verified;
use crate::images::Entry;
use crate::layers::SealedLayer;
use crate::layout::annotation;
use crate::{LockMode, Store, Sync, layout};

/// The whole file. What other tools wrote into it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Layout {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    pub(crate) manifests: Vec<IndexEntry>,
    #[serde(flatten)]
    other: BTreeMap<String, serde_json::Value>,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            schema_version: 2,
            media_type: OCI_INDEX.to_owned(),
            manifests: Vec::new(),
            other: BTreeMap::new(),
        }
    }
}

/// An image whose content is complete, and the name it is to have.
#[derive(Debug, Clone)]
pub struct NewImage {
    /// The name that was asked for.
    pub name: ImageRef,
    /// Its manifest.
    pub manifest: Descriptor,
    /// The index that the manifest was chosen from.
    pub index: Option<Digest>,
    /// What it runs on, for other readers of the layout.
    pub platform: Option<IndexPlatform>,
    /// Whether it takes its name from the image that has it; otherwise that is a `Conflict`.
    pub takes_name: bool,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// The name leads to the image now; `false` if it did before.
    Done(bool),
    /// Content that was there when the pull began was removed meanwhile: fetch it and try again.
    Vanished,
}

impl Store {
    pub(crate) fn index(&self) -> Result<Layout> {
        Ok(self.read_json(&layout::index_json())?.unwrap_or_default())
    }

    /// Replaces `index.json`. The caller holds the exclusive lock of the images.
    pub(crate) fn write_index(&self, index: &Layout) -> Result<()> {
        if !self.exists(&layout::oci_layout())? {
            let version = serde_json::json!({ "imageLayoutVersion": "1.0.0" });
            self.publish_json(&layout::oci_layout(), &version, Sync::Durable)?;
        }
        self.publish_json(&layout::index_json(), index, Sync::Durable)
    }

    /// Gives finished content its names and the image its name, in that order, after one sync of
    /// the file system: whatever is cut when, a name never leads to what is not whole.
    pub fn commit_image(
        &self,
        image: &NewImage,
        blobs: Vec<Verified<'_>>,
        layers: Vec<SealedLayer<'_>>,
    ) -> Result<Commit> {
        self.sync_content(blobs.len() + layers.len())?;
        let _lock = self.lock_images(LockMode::Exclusive)?;
        self.publish_content(blobs, layers)?;
        if !self.is_whole(image)? {
            return Ok(Commit::Vanished);
        }
        let mut index = self.index()?;
        check_holder(&index.manifests, image)?;
        let changed = set_name(&mut index.manifests, image);
        if changed {
            self.write_index(&index)?;
        }
        self.note_use(&image.manifest.digest);
        Ok(Commit::Done(changed))
    }

    /// Whether an image may have its name, as things are.
    ///
    /// # Errors
    /// `Conflict` if another one has it, and this one does not take it.
    pub fn may_take_name(&self, image: &NewImage) -> Result<()> {
        check_holder(&self.index()?.manifests, image)
    }

    /// Gives finished content its names although the image is not complete: the next pull of it,
    /// or of another image with the same layers, finds it.
    pub fn keep(&self, blobs: Vec<Verified<'_>>, layers: Vec<SealedLayer<'_>>) -> Result<()> {
        self.sync_content(blobs.len() + layers.len())?;
        let _lock = self.lock_images(LockMode::Exclusive)?;
        self.publish_content(blobs, layers)
    }

    /// One syncfs(2) for all: an fsync for each of 60,000 files would take minutes.
    pub(crate) fn sync_content(&self, pieces: usize) -> Result<()> {
        if pieces == 0 {
            return Ok(());
        }
        rustix::fs::syncfs(self.area(crate::Area::Root))
            .map_err(std::io::Error::from)
            .context("sync the store")
    }

    pub(crate) fn publish_content(
        &self,
        blobs: Vec<Verified<'_>>,
        layers: Vec<SealedLayer<'_>>,
    ) -> Result<()> {
        let (any_blob, any_layer) = (!blobs.is_empty(), !layers.is_empty());
        blobs.into_iter().try_for_each(Verified::publish)?;
        layers.into_iter().try_for_each(SealedLayer::publish)?;
        let some = Digest::from_bytes([0; 32]);
        if any_blob {
            self.sync_parent(&layout::blob(&some))?;
        }
        if any_layer {
            self.sync_parent(&layout::layer(&some))?;
        }
        Ok(())
    }

    /// Whether all that the image consists of has its name.
    fn is_whole(&self, image: &NewImage) -> Result<bool> {
        let named = [Some(image.manifest.digest), image.index];
        if !named.iter().flatten().all(|d| self.has_blob(d)) {
            return Ok(false);
        }
        let manifest = self.manifest(&image.manifest.digest)?;
        if !self.has_blob(&manifest.config.digest)
            || !manifest.layers.iter().all(|l| self.has_blob(&l.digest))
        {
            return Ok(false);
        }
        let layers = self.diff_ids(&manifest)?;
        Ok(layers.iter().all(|l| self.has_layer(l)))
    }
}

fn check_holder(entries: &[IndexEntry], image: &NewImage) -> Result<()> {
    let holder = entries.iter().filter_map(Entry::of).find(|e| e.name == image.name);
    match holder {
        Some(other) if !image.takes_name && other.manifest != image.manifest.digest => {
            Err(Error::new(Kind::Conflict, "another image has this name")
                .hint("--replace takes it from that one, --tag gives this one another"))
        }
        _ => Ok(()),
    }
}

/// Makes the name lead to the image. Returns whether that changed anything.
pub(crate) fn set_name(entries: &mut Vec<IndexEntry>, image: &NewImage) -> bool {
    let wanted = &image.name;
    let manifest = image.manifest.digest;
    let known = |e: &IndexEntry| Entry::of(e).is_some_and(|e| same_image(&e, image));
    if let Some(digest) = wanted.digest() {
        let found = |e: &IndexEntry| {
            Entry::of(e).is_some_and(|e| e.name.same_repository(wanted) && e.has_digest(digest))
        };
        if entries.iter().any(found) {
            return false;
        }
    } else if entries.iter().any(|e| known(e) && Entry::of(e).is_some_and(|e| e.name == *wanted)) {
        return false;
    }
    // What had the name keeps its digest as a name, unless it has another name.
    let holder = entries.iter().position(|e| Entry::of(e).is_some_and(|e| e.name == *wanted));
    if let Some(mut old) = holder.map(|at| entries.remove(at)) {
        let digest = Entry::of(&old).map(|e| e.index.unwrap_or(e.manifest));
        let elsewhere = entries.iter().any(|e| e.descriptor.digest == old.descriptor.digest);
        if let Some(digest) = digest.filter(|_| !elsewhere && old.descriptor.digest != manifest) {
            let name = wanted.with_digest(digest).to_string();
            old.annotations.insert(annotation::REF_NAME.to_owned(), name);
            entries.push(old);
        }
    }
    // Nothing that is kept for others has the name of an image.
    entries.retain(|e| crate::kept::name_of(e).as_ref() != Some(wanted));
    // A tag takes the place of a name that was only a digest.
    entries.retain(|e| {
        !(known(e) && Entry::of(e).is_some_and(|e| e.name.same_repository(wanted) && e.name.tag().is_none()))
    });
    entries.push(entry_for(image));
    true
}

fn same_image(entry: &Entry, image: &NewImage) -> bool {
    entry.manifest == image.manifest.digest && entry.index == image.index
}

fn entry_for(image: &NewImage) -> IndexEntry {
    let mut annotations = BTreeMap::new();
    annotations.insert(annotation::REF_NAME.to_owned(), image.name.to_string());
    if let Some(index) = image.index {
        annotations.insert(annotation::INDEX.to_owned(), index.to_string());
    }
    IndexEntry {
        descriptor: image.manifest.clone(),
        platform: image.platform.clone(),
        annotations,
        other: BTreeMap::new(),
    }
}
