//! What is reached from the names and the containers: all else is garbage, or leftovers of somebody who
//! was killed.

use std::collections::BTreeSet;

use serde_json::Value;
use types::digest::Digest;
use types::oci::{IndexEntry, MAX_MANIFEST};
use types::{Context, Error, Kind, Result};

use crate::images::Entry;
use crate::{Store, layout};

/// Indexes in indexes, as far as any tool writes them.
const MAX_DEPTH: usize = 4;

/// Content that something needs.
#[derive(Debug, Default)]
pub(crate) struct Needed {
    pub(crate) blobs: BTreeSet<Digest>,
    pub(crate) layers: BTreeSet<Digest>,
}

impl Store {
    /// What the names in `index.json`, also those that other tools wrote, the containers and those who read
    /// or have mounted layers need. The caller holds the lock of the images.
    ///
    /// # Errors
    /// `Corrupt` if anything on the way is damaged or missing: nobody knows then what it needs.
    pub(crate) fn needed(&self) -> Result<Needed> {
        self.needed_by(&self.index()?.manifests)
    }

    /// The same, with these entries in place of those that are there.
    pub(crate) fn needed_by(&self, entries: &[IndexEntry]) -> Result<Needed> {
        let mut needed = Needed::default();
        for entry in entries {
            self.need_entry(entry, &mut needed).with_context(|| match Entry::of(entry) {
                Some(e) => format!("look at image {:?}", e.name.familiar()),
                None => format!("look at {}", entry.descriptor.digest),
            })?;
        }
        needed.layers.extend(self.used_layers()?);
        for id in self.containers()? {
            match self.record(&id) {
                Ok(record) => needed.layers.extend(record.layers),
                // Removed since it was listed.
                Err(e) if e.kind() == Kind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(needed)
    }

    fn need_entry(&self, entry: &IndexEntry, needed: &mut Needed) -> Result<()> {
        needed.blobs.extend(Entry::of(entry).and_then(|e| e.index));
        let digest = entry.descriptor.digest;
        self.need_document(&digest, MAX_DEPTH, needed)?;
        if let Ok(manifest) = self.manifest(&digest) {
            // An image of another tool need not be a container image, nor unpacked.
            match self.diff_ids(&manifest) {
                Ok(layers) => needed.layers.extend(layers),
                Err(e) if Entry::of(entry).is_some() => return Err(e),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// A manifest or an index, whoever wrote it: all that it points at.
    fn need_document(&self, digest: &Digest, depth: usize, needed: &mut Needed) -> Result<()> {
        if !needed.blobs.insert(*digest) {
            return Ok(());
        }
        let content = self.read_blob(digest, MAX_MANIFEST).map_err(|e| match e.kind() {
            Kind::NotFound => Error::new(Kind::Corrupt, format!("blob {digest} is not there")),
            _ => e,
        })?;
        let document: Value = serde_json::from_slice(&content)
            .map_err(|e| Error::because(Kind::Corrupt, format!("read manifest {digest}"), e))?;
        needed.blobs.extend(document.get("config").and_then(digest_of));
        for list in ["layers", "blobs"] {
            needed.blobs.extend(items(&document, list).filter_map(digest_of));
        }
        for below in items(&document, "manifests").filter_map(digest_of) {
            // Of an index for several platforms not all need be here.
            if depth > 0 && self.exists(&layout::blob(&below))? {
                self.need_document(&below, depth - 1, needed)?;
            }
        }
        Ok(())
    }
}

fn items<'v>(document: &'v Value, list: &str) -> impl Iterator<Item = &'v Value> {
    document.get(list).and_then(Value::as_array).into_iter().flatten()
}

fn digest_of(descriptor: &Value) -> Option<Digest> {
    descriptor.get("digest")?.as_str()?.parse().ok()
}
