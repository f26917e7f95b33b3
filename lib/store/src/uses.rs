//! Layers that somebody reads or has mounted: no removal may take them away meanwhile.
//!
//! A reader writes a record before he begins, and holds a lock on that very file: a killed one holds none.
//! Who mounts layers leaves the record behind, and the mount carries its name as its source: the record is
//! good as long as some mount table of the machine has that source, and the first removal that finds it
//! nowhere forgets it. So no record is believed that nothing stands behind, and none has to be tidied up.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use types::digest::Digest;
use types::{Error, Kind, Result};

use crate::{Area, Image, LockMode, NewFile, Store, Sync, layout};

mod mounted;

/// What a mount's source begins with.
const SOURCE: &str = "longshore:";

/// `uses/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The image, by its manifest.
    pub(crate) manifest: Digest,
    /// Digests of its uncompressed layers.
    pub(crate) layers: Vec<Digest>,
}

/// A use that something stands behind.
#[derive(Debug)]
pub(crate) struct Living {
    pub(crate) record: Record,
    /// Where it is mounted, if it is not somebody who reads.
    pub(crate) mounted: Option<String>,
}

/// The layers of an image stay where they are until this is dropped.
#[must_use = "dropping it lets the layers go"]
#[derive(Debug)]
pub struct Use<'s> {
    store: &'s Store,
    name: String,
    /// Holds the lock.
    _file: NewFile<'s>,
    kept: bool,
}

impl Use<'_> {
    /// What a mount of these layers has as its source, so that it stands behind this use.
    #[must_use]
    pub fn source(&self) -> String {
        format!("{SOURCE}{}", self.name)
    }

    /// A mount with [`Use::source`] stands behind it from now on.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Use<'_> {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed now is forgotten by the next removal.
            drop(self.store.remove(&layout::use_record(&self.name)));
        }
    }
}

impl Store {
    /// Finds an image whose layers stay until the use is dropped.
    ///
    /// # Errors
    /// As [`Store::image`].
    pub fn use_image(&self, wanted: &str) -> Result<(Image, Use<'_>)> {
        // So that nobody removes it between the two.
        let _lock = self.lock_images(LockMode::Shared)?;
        let image = self.image(wanted)?;
        let used = self.use_layers(image.manifest, &image.layers)?;
        Ok((image, used))
    }

    /// The same for layers that a container or a lock on the images keeps until this returns.
    ///
    /// # Errors
    /// If the record cannot be written.
    pub fn use_layers(&self, manifest: Digest, layers: &[Digest]) -> Result<Use<'_>> {
        let record = Record { manifest, layers: layers.to_vec() };
        let text = serde_json::to_vec(&record)
            .map_err(|e| Error::because(Kind::Invalid, "encode the record of a use", e))?;
        let mut file = self.new_file(Area::Run)?;
        file.write_all(&text).map_err(|e| Error::io("write the record of a use", e))?;
        // Locked before it has a name: whoever finds it finds it held.
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|e| Error::io("lock the record of a use", e))?;
        let name = crate::fs::random_name();
        file.name(&layout::use_record(&name), Sync::Lazy)?;
        Ok(Use { store: self, name, _file: file, kept: false })
    }

    /// All uses that something stands behind; others are forgotten. The caller holds the exclusive lock of
    /// the images, so that none begins meanwhile.
    pub(crate) fn uses(&self) -> Result<Vec<Living>> {
        let (mut living, mut left) = (Vec::new(), Vec::new());
        for name in self.list(&layout::uses())? {
            let Some(record) = self.read_json::<Record>(&layout::use_record(&name))? else { continue };
            if self.is_held(&name)? {
                living.push(Living { record, mounted: None });
            } else {
                left.push((name, record));
            }
        }
        if left.is_empty() {
            return Ok(living); // most machines, most of the time: no mount table is read
        }
        let found = mounted::with_source(SOURCE)?;
        for (name, record) in left {
            match found.get(&format!("{SOURCE}{name}")) {
                Some(place) => living.push(Living { record, mounted: Some(place.clone()) }),
                None => self.remove(&layout::use_record(&name))?,
            }
        }
        Ok(living)
    }

    /// The layers that such uses need.
    pub(crate) fn used_layers(&self) -> Result<BTreeSet<Digest>> {
        Ok(self.uses()?.into_iter().flat_map(|used| used.record.layers).collect())
    }

    /// Forgets the uses that nothing stands behind, such as after an unmount.
    ///
    /// # Errors
    /// If it cannot be found out what is mounted.
    pub fn forget_uses(&self) -> Result<()> {
        let _lock = self.lock_images(LockMode::Exclusive)?;
        self.uses().map(drop)
    }

    fn is_held(&self, name: &str) -> Result<bool> {
        let place = layout::use_record(name);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let what = || format!("look at {:?}", self.absolute(&place));
        let file: OwnedFd = match rustix::fs::openat(self.area(place.area), &place.path, flags, Mode::empty())
        {
            Err(Errno::NOENT) => return Ok(false),
            other => other.map_err(|e| Error::io(what(), e))?,
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(e) => Err(Error::io(what(), e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::scratch;

    #[test]
    fn a_use_lives_as_long_as_its_holder() {
        let (_dir, store) = scratch();
        let layer = Digest::from_bytes([7; 32]);
        let used = store.use_layers(Digest::from_bytes([1; 32]), &[layer]).expect("use");
        let living = store.uses().expect("uses");
        assert_eq!(living.len(), 1);
        assert_eq!(living.first().and_then(|l| l.mounted.clone()), None);
        assert!(store.used_layers().expect("layers").contains(&layer));
        drop(used);
        assert!(store.uses().expect("uses").is_empty());
    }

    #[test]
    fn what_a_killed_holder_left_is_forgotten() {
        let (_dir, store) = scratch();
        // No lock and no mount, as after SIGKILL.
        store.use_layers(Digest::from_bytes([1; 32]), &[]).expect("use").keep();
        assert_eq!(store.list(&layout::uses()).expect("list").len(), 1);
        assert!(store.uses().expect("uses").is_empty());
        assert_eq!(store.list(&layout::uses()).expect("list"), [""; 0]);
    }
}
