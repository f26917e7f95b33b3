//! Images to an archive or a directory: the same bytes for the same images, whoever writes when.

mod docker;
mod output;
mod sink;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read};

use sha2::{Digest as _, Sha256};
use store::{Image, Store};
use types::digest::Digest;
use types::oci::{Descriptor, Document, MAX_CONFIG, MAX_MANIFEST, Manifest};
use types::{Context, Error, Kind, Result};

pub use output::{save_dir, save_file};
pub use sink::{DirSink, Sink, TarSink};

/// How images are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveFormat {
    /// An OCI image layout that `docker load` reads too.
    Oci,
    /// What `docker save` wrote for ten years: uncompressed layers and a list.
    Docker,
}

/// What is written, and how.
#[derive(Debug, Clone)]
pub struct SavePlan {
    /// How.
    pub format: SaveFormat,
    /// Layers, by the digests of their blobs, that the reader has already.
    pub except: BTreeSet<Digest>,
}

impl SavePlan {
    /// All of the images.
    #[must_use]
    pub const fn whole(format: SaveFormat) -> Self {
        Self { format, except: BTreeSet::new() }
    }
}

/// All digests that are anywhere in a text: alone in lines, or in records of other tools.
#[must_use]
pub fn digests_in(text: &str) -> BTreeSet<Digest> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != ':');
    words.filter_map(|word| word.parse().ok()).collect()
}

/// An image that is to be written.
struct Wanted {
    image: Image,
    manifest: Manifest,
    descriptor: Descriptor,
    /// The names that it is asked for by.
    names: Vec<types::reference::ImageRef>,
}

/// Writes images.
///
/// # Errors
/// `NotFound`; `Invalid` if anything is to be left out of an archive that must be whole; `Corrupt` if anything
/// is not what its digest says: what was written then is worthless.
pub fn save(store: &Store, wanted: &[String], plan: &SavePlan, sink: &mut dyn Sink) -> Result<()> {
    let images = find(store, wanted)?;
    match plan.format {
        SaveFormat::Oci => layout(store, &images, &plan.except, sink)?,
        SaveFormat::Docker if plan.except.is_empty() => docker::archive(store, &images, sink)?,
        SaveFormat::Docker => {
            return Err(Error::new(Kind::Invalid, "an archive of docker save has all its layers in it"));
        }
    }
    sink.finish()
}

/// Each image once, in the order in which they were asked for.
fn find(store: &Store, wanted: &[String]) -> Result<Vec<Wanted>> {
    let mut images: Vec<Wanted> = Vec::new();
    for name in wanted {
        let image = store.image(name)?;
        let same = |w: &&mut Wanted| w.image.manifest == image.manifest && w.image.digest == image.digest;
        if let Some(known) = images.iter_mut().find(same) {
            if !known.names.contains(&image.name) {
                known.names.push(image.name);
            }
            continue;
        }
        let content = store.read_blob(&image.manifest, MAX_MANIFEST)?;
        let (document, media_type) = Document::parse(&content, "")?;
        let Document::Manifest(manifest) = document else {
            return Err(Error::new(Kind::Corrupt, format!("the manifest of {name:?} is an index")));
        };
        let descriptor = Descriptor { media_type, digest: image.manifest, size: content.len() as u64 };
        images.push(Wanted { names: vec![image.name.clone()], image, manifest, descriptor });
    }
    Ok(images)
}

/// An OCI image layout, and beside it the list by which `docker load` finds the same blobs.
fn layout(store: &Store, images: &[Wanted], except: &BTreeSet<Digest>, sink: &mut dyn Sink) -> Result<()> {
    let mut blobs: BTreeMap<Digest, u64> = BTreeMap::new();
    let (mut manifests, mut list) = (Vec::new(), Vec::new());
    for wanted in images {
        for name in &wanted.names {
            manifests.push(entry(wanted, name));
        }
        list.push(docker::listed(wanted, &|d| blob_name(&d.digest), blob_name(&wanted.image.id)));
        let mut add = |d: &Descriptor| {
            blobs.insert(d.digest, d.size);
        };
        add(&wanted.descriptor);
        add(&wanted.manifest.config);
        wanted.manifest.layers.iter().filter(|layer| !except.contains(&layer.digest)).for_each(add);
        if wanted.image.digest != wanted.image.manifest {
            let index = store.read_blob(&wanted.image.digest, MAX_MANIFEST)?;
            blobs.insert(wanted.image.digest, index.len() as u64);
        }
    }
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": types::oci::OCI_INDEX, "manifests": manifests,
    });
    // First what says what the rest is: a reader need not wait for the end.
    text(sink, "oci-layout", &serde_json::json!({ "imageLayoutVersion": "1.0.0" }).to_string())?;
    text(sink, "index.json", &index.to_string())?;
    text(sink, "manifest.json", &serde_json::Value::Array(list).to_string())?;
    for (digest, size) in blobs {
        blob(store, sink, &digest, size).with_context(|| format!("write blob {digest}"))?;
    }
    Ok(())
}

fn entry(wanted: &Wanted, name: &types::reference::ImageRef) -> serde_json::Value {
    let Wanted { image, descriptor, .. } = wanted;
    let name = name.to_string();
    let mut annotations = serde_json::json!({
        "org.opencontainers.image.ref.name": name, "io.containerd.image.name": name,
    });
    if image.digest != image.manifest {
        annotations[crate::FROM_INDEX] = image.digest.to_string().into();
    }
    serde_json::json!({
        "mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size,
        "annotations": annotations,
    })
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}", digest.to_string().replace(':', "/"))
}

fn text(sink: &mut dyn Sink, name: &str, text: &str) -> Result<()> {
    sink.file(name, text.len() as u64, &mut Cursor::new(text)).with_context(|| format!("write {name:?}"))
}

/// Writes a blob and makes sure that it is what it is called.
fn blob(store: &Store, sink: &mut dyn Sink, digest: &Digest, size: u64) -> Result<()> {
    let file = store.open_blob(digest)?;
    let found = file.metadata().context("look at it")?.len();
    if found != size {
        return Err(Error::new(Kind::Corrupt, format!("it has {found} bytes, not {size}")));
    }
    let mut source = Hashing { source: file, hash: Sha256::new() };
    sink.file(&blob_name(digest), size, &mut source)?;
    let found = source.digest();
    if found == *digest {
        return Ok(());
    }
    Err(Error::new(Kind::Corrupt, format!("it has digest {found}"))
        .hint("the disk has damaged it: pull the image again after img-rm"))
}

/// A configuration, in memory.
fn config(store: &Store, wanted: &Wanted) -> Result<Vec<u8>> {
    store.read_blob(&wanted.image.id, MAX_CONFIG)
}

/// Hashes what is read through it.
struct Hashing<R> {
    source: R,
    hash: Sha256,
}

impl<R> Hashing<R> {
    fn digest(self) -> Digest {
        Digest::from_bytes(self.hash.finalize().into())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buf)?;
        self.hash.update(buf.get(..n).unwrap_or_default());
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_wherever_they_are() {
        let (a, b) = (Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32]));
        let text = format!("{a}\n{{\"Digest\":\"{b}\",\"Name\":\"x@{b}\"}}\nsha256:12\nx{a}y\n");
        assert_eq!(digests_in(&text), BTreeSet::from([a, b]));
        assert_eq!(digests_in(&format!("x{a} {a}0")), BTreeSet::new());
    }
}
