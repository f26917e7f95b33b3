//! Removing images: names go first, content follows when no name, image or container needs it.

use std::collections::BTreeSet;

use types::digest::Digest;
use types::oci::{IndexEntry, Manifest};
use types::reference::ImageRef;
use types::{Error, Kind, Result};

use crate::images::{Entry, find};
use crate::{LockMode, Store, layout};

/// How an image is removed.
#[derive(Debug, Clone, Copy, Default)]
pub struct RemoveOptions {
    /// Take all its names away, even several, even if a container uses it; what a container
    /// needs stays nevertheless, without a name.
    pub force: bool,
    /// Only say what would be removed.
    pub dry_run: bool,
}

/// What a removal did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Names that lead nowhere now, in familiar form.
    pub untagged: Vec<String>,
    /// The image's id and its layers, if nothing needs them any longer.
    pub deleted: Vec<Digest>,
}

/// What is reached from the images and containers that stay.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    pub(crate) blobs: BTreeSet<Digest>,
    pub(crate) layers: BTreeSet<Digest>,
}

impl Store {
    /// Removes a name of an image, or an image by its id; with its last name the image goes.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` if a container uses it, or an id has several names, without force.
    pub fn remove_image(&self, wanted: &str, options: RemoveOptions) -> Result<Removed> {
        let lock = self.lock_images(LockMode::Exclusive)?;
        let mut index = self.index()?;
        let entries: Vec<Entry> = index.manifests.iter().filter_map(Entry::of).collect();
        let Some(target) = find(self, &entries, wanted)? else {
            return Err(Error::new(Kind::NotFound, format!("no such image: {wanted:?}")));
        };
        // A damaged image can be removed too: it just reaches less.
        let manifest = self.manifest(&target.manifest).ok();
        let going = self.names_to_go(&entries, target, wanted, options)?;
        let last = !entries.iter().any(|e| e.manifest == target.manifest && !going.contains(&e.name));
        let users = if last { self.users(target.manifest)? } else { Vec::new() };
        refuse_if_used(&users, options)?;
        if last {
            self.refuse_if_mounted(target.manifest, options)?;
        }

        let mut removed = Removed::default();
        removed.untagged.extend(going.iter().map(ImageRef::familiar));
        if last && let Some(pinned) = pinned(target).filter(|p| !removed.untagged.contains(p)) {
            removed.untagged.push(pinned);
        }
        let kept_for_users = !users.is_empty();
        retain(&mut index.manifests, &going, kept_for_users.then_some(target));
        let gone = last && !kept_for_users;
        let sweep = if gone {
            self.unreached(target, manifest.as_ref(), &index.manifests)?
        } else {
            Reached::default()
        };
        if gone {
            removed.deleted.extend(manifest.map(|m| m.config.digest));
            removed.deleted.extend(sweep.layers.iter());
        }
        if options.dry_run {
            return Ok(removed);
        }
        self.write_index(&index)?;
        let trash = self.unname(&sweep)?;
        drop(lock); // others need not wait while trees are deleted
        trash.iter().try_for_each(|place| self.delete_quietly(place))?;
        Ok(removed)
    }

    /// Which names are meant: one by name, all by id (of several only with force).
    fn names_to_go(
        &self,
        entries: &[Entry],
        target: &Entry,
        wanted: &str,
        options: RemoveOptions,
    ) -> Result<Vec<ImageRef>> {
        let by_name = wanted.parse::<ImageRef>().is_ok_and(|r| r == target.name);
        if by_name {
            return Ok(vec![target.name.clone()]);
        }
        let same: Vec<&Entry> = entries.iter().filter(|e| e.manifest == target.manifest).collect();
        let one_repository = same.iter().all(|e| e.name.same_repository(&target.name));
        let by_digest = wanted.parse::<ImageRef>().is_ok_and(|r| r.digest().is_some());
        if !one_repository && !options.force && !by_digest {
            let names: Vec<String> = same.iter().map(|e| e.name.familiar()).collect();
            return Err(Error::new(Kind::Conflict, "it has names in several repositories")
                .hint(format!("name the one to remove, or use -f for all: {}", names.join(", "))));
        }
        let meant = |e: &&&Entry| !by_digest || e.name.same_repository(&target.name);
        Ok(same.iter().filter(meant).map(|e| e.name.clone()).collect())
    }

    /// The containers of an image.
    fn users(&self, manifest: Digest) -> Result<Vec<String>> {
        let mut users = Vec::new();
        for id in self.containers()? {
            match self.record(&id) {
                Ok(record) if record.manifest == manifest => users.push(record.name),
                Ok(_) => {}
                // Removed since it was listed.
                Err(e) if e.kind() == Kind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(users)
    }

    /// One who reads an image keeps its layers, and no removal from being done: he will be gone soon.
    fn refuse_if_mounted(&self, manifest: Digest, options: RemoveOptions) -> Result<()> {
        if options.force {
            return Ok(());
        }
        let uses = self.uses()?;
        let mut places =
            uses.iter().filter(|u| u.record.manifest == manifest).filter_map(|u| u.mounted.as_ref());
        let Some(place) = places.next() else { return Ok(()) };
        Err(Error::new(Kind::Conflict, format!("it is mounted on {place:?}"))
            .hint(format!("unmount it first: umount {place}")))
    }

    /// What this image reaches and nothing that stays does.
    fn unreached(&self, target: &Entry, manifest: Option<&Manifest>, stay: &[IndexEntry]) -> Result<Reached> {
        let mut mine = Reached::default();
        mine.blobs.insert(target.manifest);
        mine.blobs.extend(target.index);
        if let Some(manifest) = manifest {
            self.reach(manifest, &mut mine);
        }
        let mut theirs = Reached::default();
        for entry in stay {
            theirs.blobs.insert(entry.descriptor.digest);
            theirs.blobs.extend(Entry::of(entry).and_then(|e| e.index));
            if let Ok(manifest) = self.manifest(&entry.descriptor.digest) {
                self.reach(&manifest, &mut theirs);
            }
        }
        theirs.layers.extend(self.used_layers()?);
        for id in self.containers()? {
            match self.record(&id) {
                Ok(record) => theirs.layers.extend(record.layers),
                Err(e) if e.kind() == Kind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        mine.blobs.retain(|d| !theirs.blobs.contains(d));
        mine.layers.retain(|d| !theirs.layers.contains(d));
        Ok(mine)
    }

    pub(crate) fn reach(&self, manifest: &Manifest, into: &mut Reached) {
        into.blobs.insert(manifest.config.digest);
        into.blobs.extend(manifest.layers.iter().map(|l| l.digest));
        into.layers.extend(self.diff_ids(manifest).unwrap_or_default());
    }

    /// The digests of an image's uncompressed layers.
    pub(crate) fn diff_ids(&self, manifest: &Manifest) -> Result<Vec<Digest>> {
        self.config_brief(manifest).map(|config| config.rootfs.diff_ids)
    }

    /// Takes the names of content away. Removing needs no free space on the disk.
    fn unname(&self, sweep: &Reached) -> Result<Vec<crate::Place>> {
        let mut trash = Vec::new();
        for layer in &sweep.layers {
            trash.extend(self.unname_layer(layer)?);
        }
        for blob in &sweep.blobs {
            self.remove(&layout::blob(blob))?;
        }
        Ok(trash)
    }
}

fn refuse_if_used(users: &[String], options: RemoveOptions) -> Result<()> {
    let Some(first) = users.first().filter(|_| !options.force) else { return Ok(()) };
    let others = match users.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    Err(Error::new(Kind::Conflict, format!("container {first:?}{others} uses it"))
        .hint(format!("remove the container first: ctr-rm {first}")))
}

/// `NAME@DIGEST`, which leads nowhere either when the last name is gone (as Docker says it).
fn pinned(entry: &Entry) -> Option<String> {
    entry.name.tag().map(|_| entry.name.with_digest(entry.index.unwrap_or(entry.manifest)).familiar())
}

/// Takes the names out of the index; the image that containers use keeps its digest as a name.
fn retain(entries: &mut Vec<IndexEntry>, going: &[ImageRef], keep: Option<&Entry>) {
    let is_going = |e: &IndexEntry| Entry::of(e).is_some_and(|e| going.contains(&e.name));
    let mut kept = keep.and_then(|k| entries.iter().find(|e| e.descriptor.digest == k.manifest)).cloned();
    entries.retain(|e| !is_going(e));
    if let (Some(mut entry), Some(target)) = (kept.take(), keep) {
        let name = target.name.with_digest(target.index.unwrap_or(target.manifest)).to_string();
        entry.annotations.insert(layout::annotation::REF_NAME.to_owned(), name);
        entries.push(entry);
    }
}
