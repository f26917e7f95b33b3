//! Names of an image: one more of them, and which there are.

use types::reference::ImageRef;
use types::{Error, Kind, Result};

use crate::images::{Entry, find};
use crate::index::{NewImage, set_name};
use crate::{Image, LockMode, Store};

impl Store {
    /// Gives an image one more name, and takes it from the image that had it: that one keeps its digest
    /// as a name. Returns whether anything changed.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` if the name has a digest, which is nobody's to give.
    pub fn tag_image(&self, wanted: &str, name: &ImageRef) -> Result<bool> {
        if name.digest().is_some() {
            return Err(Error::new(Kind::Invalid, format!("{:?} has a digest", name.familiar()))
                .hint("give a name and a tag: what has a digest is decided by its content"));
        }
        let _lock = self.lock_images(LockMode::Exclusive)?;
        let mut index = self.index()?;
        let entries: Vec<Entry> = index.manifests.iter().filter_map(Entry::of).collect();
        let Some(found) = find(self, &entries, wanted)? else {
            return Err(Error::new(Kind::NotFound, format!("no such image: {wanted:?}")));
        };
        let of = |e: &types::oci::IndexEntry| Entry::of(e).is_some_and(|e| e.name == found.name);
        let Some(entry) = index.manifests.iter().find(|e| of(e)) else {
            return Err(Error::new(Kind::NotFound, format!("no such image: {wanted:?}")));
        };
        let image = NewImage {
            name: name.clone(),
            manifest: entry.descriptor.clone(),
            index: found.index,
            platform: entry.platform.clone(),
            takes_name: true,
        };
        let changed = set_name(&mut index.manifests, &image);
        if changed {
            self.write_index(&index)?;
        }
        Ok(changed)
    }

    /// All names of an image, in order.
    ///
    /// # Errors
    /// If the names cannot be read.
    pub fn image_names(&self, image: &Image) -> Result<Vec<ImageRef>> {
        let mut names: Vec<ImageRef> =
            self.entries()?.into_iter().filter(|e| e.manifest == image.manifest).map(|e| e.name).collect();
        names.sort();
        Ok(names)
    }
}
