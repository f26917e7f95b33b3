//! Whether all is what it is called: blobs are hashed again, images looked through.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest as _, Sha256};
use types::digest::Digest;
use types::platform::Platform;
use types::reference::ImageRef;
use types::{Context, Error, Kind, Result};

use crate::images::Entry;
use crate::{LockMode, Store, layout};

const PIECE: usize = 1 << 20;

/// What is wrong with something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// A blob has another digest than its name.
    DamagedBlob,
    /// A blob of an image is not there.
    MissingBlob,
    /// A layer of an image is not unpacked.
    MissingLayer,
    /// A manifest or configuration has its digest and is none.
    BadDocument,
}

impl Trouble {
    /// In words, for people and programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DamagedBlob => "damaged blob",
            Self::MissingBlob => "missing blob",
            Self::MissingLayer => "missing layer",
            Self::BadDocument => "bad document",
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub trouble: Trouble,
    /// With what.
    pub digest: Digest,
    /// Images that need it, by names that lead to exactly them; none if it is garbage.
    pub images: BTreeSet<ImageRef>,
}

/// Findings in order, and who is hit by each.
type Found = BTreeMap<(Trouble, Digest), BTreeSet<ImageRef>>;

impl Store {
    /// Looks at every blob and every image. Changes nothing.
    ///
    /// # Errors
    /// If something cannot be read, other than by being damaged; `Io` if it was stopped.
    pub fn check(&self, stop: &AtomicBool) -> Result<Vec<Finding>> {
        let mut found = Found::new();
        for digest in self.digests(&layout::blob_dir())? {
            // None if it was removed meanwhile.
            if self.hash_blob(&digest, stop)?.is_some_and(|is| is != digest) {
                found.insert((Trouble::DamagedBlob, digest), BTreeSet::new());
            }
        }
        // No image comes or goes while they are looked through: half of one would be a finding.
        let _lock = self.lock_images(LockMode::Shared)?;
        for entry in self.entries()? {
            let name = entry.name.with_digest(entry.index.unwrap_or(entry.manifest));
            for (trouble, digest) in self.check_image(&entry, &found) {
                found.entry((trouble, digest)).or_default().insert(name.clone());
            }
        }
        Ok(found.into_iter().map(|((trouble, digest), images)| Finding { trouble, digest, images }).collect())
    }

    /// Takes the name of a damaged blob away, so that it can be fetched again.
    ///
    /// # Errors
    /// `Conflict` if it is whole.
    pub fn drop_damaged(&self, digest: &Digest) -> Result<()> {
        let _lock = self.lock_images(LockMode::Exclusive)?;
        match self.hash_blob(digest, &AtomicBool::new(false))? {
            Some(is) if is == *digest => Err(Error::new(Kind::Conflict, format!("blob {digest} is whole"))),
            Some(_) => self.remove(&layout::blob(digest)),
            None => Ok(()),
        }
    }

    /// What an image is for, as its entry says it.
    ///
    /// # Errors
    /// If the names cannot be read.
    pub fn platform_of(&self, name: &ImageRef) -> Result<Option<Platform>> {
        let is = |e: &Entry| e.name.same_repository(name) && name.digest().is_some_and(|d| e.has_digest(d));
        let manifests = self.index()?.manifests;
        let found = manifests.iter().find(|e| Entry::of(e).is_some_and(|e| is(&e)));
        Ok(found.and_then(|e| e.platform.as_ref()).map(Platform::from))
    }

    fn check_image(&self, entry: &Entry, found: &Found) -> Vec<(Trouble, Digest)> {
        let bad = |digest: Digest| {
            if !self.has_blob(&digest) {
                return Some((Trouble::MissingBlob, digest));
            }
            found.contains_key(&(Trouble::DamagedBlob, digest)).then_some((Trouble::DamagedBlob, digest))
        };
        let mut troubles: Vec<_> = entry.index.and_then(bad).into_iter().collect();
        if let Some(trouble) = bad(entry.manifest) {
            troubles.push(trouble);
            return troubles;
        }
        let Ok(manifest) = self.manifest(&entry.manifest) else {
            troubles.push((Trouble::BadDocument, entry.manifest));
            return troubles;
        };
        troubles.extend(manifest.layers.iter().filter_map(|layer| bad(layer.digest)));
        if let Some(trouble) = bad(manifest.config.digest) {
            troubles.push(trouble);
            return troubles;
        }
        match self.diff_ids(&manifest) {
            Ok(layers) => {
                let missing = layers.into_iter().filter(|layer| !self.has_layer(layer));
                troubles.extend(missing.map(|layer| (Trouble::MissingLayer, layer)));
            }
            Err(_) => troubles.push((Trouble::BadDocument, manifest.config.digest)),
        }
        troubles
    }

    fn hash_blob(&self, digest: &Digest, stop: &AtomicBool) -> Result<Option<Digest>> {
        let mut file = match self.open_blob(digest) {
            Ok(file) => file,
            Err(e) if e.kind() == Kind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut hash = Sha256::new();
        let mut piece = vec![0; PIECE];
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::new(Kind::Io, "interrupted"));
            }
            let n = match file.read(&mut piece) {
                Ok(0) => return Ok(Some(Digest::from_bytes(hash.finalize().into()))),
                Ok(n) => n,
                // The disk cannot read it any more (EIO): that is damage too.
                Err(e) if e.raw_os_error() == Some(5) => return Ok(Some(Digest::from_bytes([0; 32]))),
                Err(e) => return Err(Error::io(format!("read blob {digest}"), e)),
            };
            hash.write_all(piece.get(..n).unwrap_or_default()).context("hash")?;
        }
    }
}
