//! What is kept for other machines and is no image here: artifacts, images for other platforms, indexes of
//! such, and what has no tag yet. Somebody pushed it to a registry over this store.
//!
//! It has an entry in `index.json` like everything else, so that it is reached and not swept, with its name in
//! an annotation of ours instead of the usual one: lists of images do not show it, and nothing runs it.

use std::collections::BTreeMap;

use types::digest::Digest;
use types::oci::{Descriptor, IndexEntry};
use types::reference::ImageRef;
use types::{Error, Kind, Result};

use crate::blob::Verified;
use crate::images::Entry;
use crate::layout::annotation;
use crate::{LockMode, RemoveOptions, Store, layout};

/// A name that a registry over this store answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// With a tag or a digest.
    pub name: ImageRef,
    /// The manifest or index that it leads to.
    pub digest: Digest,
}

/// What is to be kept.
#[derive(Debug)]
pub struct Keep<'k> {
    /// Its names: a digest, and perhaps a tag.
    pub names: &'k [ImageRef],
    /// The manifest or index.
    pub manifest: &'k Descriptor,
    /// Blobs that must be there.
    pub needs: &'k [Digest],
}

impl Store {
    /// All names with what they lead to: of images, by tag and by the digests of index and manifest, and of
    /// what is kept.
    ///
    /// # Errors
    /// If the names cannot be read.
    pub fn offered(&self) -> Result<Vec<Offered>> {
        let mut offered = Vec::new();
        for entry in self.index()?.manifests {
            if let Some(image) = Entry::of(&entry) {
                let top = image.index.unwrap_or(image.manifest);
                if image.name.tag().is_some() {
                    offered.push(Offered { name: image.name.clone(), digest: top });
                }
                for digest in [Some(image.manifest), image.index].into_iter().flatten() {
                    offered.push(Offered { name: image.name.with_digest(digest), digest });
                }
            } else if let Some(name) = name_of(&entry) {
                offered.push(Offered { name, digest: entry.descriptor.digest });
            }
        }
        Ok(offered)
    }

    /// Keeps a manifest or an index under names; an image that has one of them keeps its digest as a name.
    ///
    /// # Errors
    /// `NotFound`, naming the first, if a blob that it needs is not there.
    pub fn keep_manifest(&self, keep: &Keep<'_>, blobs: Vec<Verified<'_>>) -> Result<()> {
        self.sync_content(blobs.len())?;
        let _lock = self.lock_images(LockMode::Exclusive)?;
        self.publish_content(blobs, Vec::new())?;
        let all = keep.needs.iter().chain(std::iter::once(&keep.manifest.digest));
        if let Some(missing) = all.into_iter().find(|digest| !self.has_blob(digest)) {
            return Err(Error::new(Kind::NotFound, format!("blob {missing} is not there")));
        }
        let mut index = self.index()?;
        for name in keep.names {
            displace(&mut index.manifests, name);
            index.manifests.push(entry_for(name, keep.manifest));
        }
        self.write_index(&index)
    }

    /// Takes a name away: a tag alone, or with a digest all names that its repository has for it. An image
    /// whose tag goes keeps its digest as a name. Returns whether there was one.
    ///
    /// # Errors
    /// `Conflict` if a container uses the image that would go.
    pub fn withdraw(&self, name: &ImageRef) -> Result<bool> {
        let Some(digest) = name.digest() else { return self.withdraw_tag(name) };
        let lock = self.lock_images(LockMode::Exclusive)?;
        let mut index = self.index()?;
        let before = index.manifests.len();
        index.manifests.retain(|e| {
            !(e.descriptor.digest == digest && name_of(e).is_some_and(|n| n.same_repository(name)))
        });
        let mut found = index.manifests.len() != before;
        let image = |e: &IndexEntry| {
            Entry::of(e).is_some_and(|e| e.name.same_repository(name) && e.has_digest(digest))
        };
        let is_image = index.manifests.iter().any(image);
        if found {
            self.write_index(&index)?;
        }
        drop(lock); // the removal takes it itself
        if is_image {
            found |= match self.remove_image(&name.to_string(), RemoveOptions::default()) {
                Ok(_) => true,
                Err(e) if e.kind() == Kind::NotFound => false,
                Err(e) => return Err(e),
            };
        }
        Ok(found)
    }

    fn withdraw_tag(&self, name: &ImageRef) -> Result<bool> {
        let _lock = self.lock_images(LockMode::Exclusive)?;
        let mut index = self.index()?;
        let found = displace(&mut index.manifests, name);
        if found {
            self.write_index(&index)?;
        }
        Ok(found)
    }

    /// Removes a blob that nothing needs. Returns whether there was one.
    ///
    /// # Errors
    /// `Conflict` if something needs it.
    pub fn remove_blob(&self, digest: &Digest) -> Result<bool> {
        let _lock = self.lock_images(LockMode::Exclusive)?;
        if !self.has_blob(digest) {
            return Ok(false);
        }
        if self.needed()?.blobs.contains(digest) {
            return Err(Error::new(Kind::Conflict, format!("an image needs blob {digest}")));
        }
        self.remove(&layout::blob(digest)).map(|()| true)
    }
}

/// The name of what is kept; `None` for an image, and for what other tools put there.
pub(crate) fn name_of(entry: &IndexEntry) -> Option<ImageRef> {
    if entry.annotations.contains_key(annotation::REF_NAME) {
        return None;
    }
    entry.annotations.get(annotation::KEPT)?.parse().ok()
}

/// Frees a name. Returns whether something had it.
fn displace(entries: &mut Vec<IndexEntry>, name: &ImageRef) -> bool {
    let before = entries.len();
    entries.retain(|e| name_of(e).as_ref() != Some(name));
    // A digest is never taken from an image: it leads to the same.
    let image = |e: &IndexEntry| name.tag().is_some() && Entry::of(e).is_some_and(|e| e.name == *name);
    let Some(mut old) = entries.iter().position(image).map(|at| entries.remove(at)) else {
        return entries.len() != before;
    };
    let Some(digest) = Entry::of(&old).map(|e| e.index.unwrap_or(e.manifest)) else { return true };
    let same =
        |e: &IndexEntry| Entry::of(e).is_some_and(|e| e.name.same_repository(name) && e.has_digest(digest));
    if !entries.iter().any(same) {
        old.annotations.insert(annotation::REF_NAME.to_owned(), name.with_digest(digest).to_string());
        entries.push(old);
    }
    true
}

fn entry_for(name: &ImageRef, manifest: &Descriptor) -> IndexEntry {
    IndexEntry {
        descriptor: manifest.clone(),
        platform: None,
        annotations: BTreeMap::from([(annotation::KEPT.to_owned(), name.to_string())]),
        other: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::scratch;
    use crate::{Collected, Policy};
    use sha2::{Digest as _, Sha256};
    use types::oci::OCI_MANIFEST;

    fn put(store: &Store, content: &[u8], media_type: &str) -> Descriptor {
        let digest = Digest::from_bytes(Sha256::digest(content).into());
        let descriptor = Descriptor { media_type: media_type.to_owned(), digest, size: content.len() as u64 };
        let new = store.put_blob(&descriptor, content).expect("put");
        store.keep(new.into_iter().collect(), Vec::new()).expect("keep");
        descriptor
    }

    fn name(text: &str) -> ImageRef {
        text.parse().expect(text)
    }

    /// An artifact that is kept as `a:one` and by its digest, and its blob.
    fn artifact(store: &Store) -> (Descriptor, Descriptor) {
        let blob = put(store, b"{}", "application/vnd.oci.empty.v1+json");
        let text = serde_json::json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "text/x", "config": blob, "layers": [blob],
        });
        let manifest = put(store, text.to_string().as_bytes(), OCI_MANIFEST);
        let names = [name("a").with_digest(manifest.digest), name("a:one")];
        let keep = Keep { names: &names, manifest: &manifest, needs: &[blob.digest] };
        store.keep_manifest(&keep, Vec::new()).expect("keep");
        (manifest, blob)
    }

    #[test]
    fn what_is_kept_is_offered_and_no_image_and_not_swept() {
        let (_dir, store) = scratch();
        let (manifest, blob) = artifact(&store);
        assert!(store.images().expect("images").is_empty());
        let offered = store.offered().expect("offered");
        assert!(offered.iter().any(|o| o.name == name("a:one") && o.digest == manifest.digest));
        assert_eq!(store.collect_garbage(&Policy::default(), false).expect("gc"), Collected::default());
        let err = store.remove_blob(&blob.digest).expect_err("needed");
        assert_eq!(err.kind(), Kind::Conflict);
        assert!(store.check(&std::sync::atomic::AtomicBool::new(false)).expect("check").is_empty());
    }

    #[test]
    fn a_tag_goes_alone_and_a_digest_with_its_tags() {
        let (_dir, store) = scratch();
        let (manifest, blob) = artifact(&store);
        assert!(store.withdraw(&name("a:one")).expect("tag"));
        assert!(!store.withdraw(&name("a:one")).expect("again"));
        assert_eq!(store.offered().expect("offered").len(), 1);
        artifact(&store);
        assert_eq!(store.offered().expect("offered").len(), 2);
        assert!(store.withdraw(&name("a").with_digest(manifest.digest)).expect("digest"));
        assert_eq!(store.offered().expect("offered"), []);
        assert!(store.remove_blob(&blob.digest).expect("free"));
        assert!(!store.remove_blob(&blob.digest).expect("gone"));
    }

    #[test]
    fn nothing_is_kept_whose_blobs_are_not_there() {
        let (_dir, store) = scratch();
        let manifest = put(&store, b"{\"schemaVersion\":2}", OCI_MANIFEST);
        let missing = Digest::from_bytes([7; 32]);
        let names = [name("a:one")];
        let keep = Keep { names: &names, manifest: &manifest, needs: &[missing] };
        assert_eq!(store.keep_manifest(&keep, Vec::new()).expect_err("missing").kind(), Kind::NotFound);
        assert_eq!(store.offered().expect("offered"), []);
    }
}
