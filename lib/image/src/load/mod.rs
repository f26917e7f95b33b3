//! Images from an archive or a directory.
//!
//! What comes in is copied to a place without names first, and hashed there; from then on an image
//! takes the way of a pulled one: each digest is checked, layers are unpacked side by side, names come
//! last. An archive that fails leaves nothing.

mod files;
mod found;
mod names;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::Ordering;

use layer::Budget;
use store::{Commit, Stage, Staged, Store, Verified};
use types::digest::Digest;
use types::oci::{Descriptor, Document, MAX_MANIFEST};
use types::reference::ImageRef;
use types::{Context, Error, Kind, Result};

use crate::install::{Leftovers, install};
use crate::pull::{PullOptions, Pulled};
use crate::resolve::{Chosen, Top, resolve};
use crate::stream::Stream;
use crate::work::{Blobs, Cancelled};
use files::{Directory, Files, Unarchived};
use found::{Contents, Found};

/// How to load.
#[derive(Debug, Clone)]
pub struct LoadOptions<'a> {
    /// Platform, threads, and who may end it.
    pub pull: PullOptions<'a>,
    /// The name of the one image that there must be, instead of its own.
    pub name: Option<ImageRef>,
    /// Take names from the images that have them.
    pub replace: bool,
}

/// Told of each image: what it is called, and what became of it.
pub type Told<'t> = dyn FnMut(&str, Result<Pulled>) + 't;

/// Loads the images of an archive: an OCI image layout or one of `docker save`, plain, gzip or zstd.
///
/// # Errors
/// If the archive as a whole cannot be read; what is wrong with one image is told of that one.
pub fn load_archive(
    store: &Store,
    source: impl Read,
    options: &LoadOptions<'_>,
    told: &mut Told<'_>,
) -> Result<()> {
    store.sweep_layers()?;
    let stage = store.stage()?;
    let budget = Budget::new(options.pull.max_size);
    let copied = |bytes| match options.pull.cancel.load(Ordering::Relaxed) {
        true => Err(Error::new(Kind::Io, "interrupted")),
        false => budget.take(bytes),
    };
    let files = Unarchived::read(source, &stage, &copied)?;
    load(store, &stage, &files, options, told)
}

/// Loads the images of a directory that is an OCI image layout.
///
/// # Errors
/// As [`load_archive`].
fn load_dir(store: &Store, path: &Path, options: &LoadOptions<'_>, told: &mut Told<'_>) -> Result<()> {
    store.sweep_layers()?;
    let stage = store.stage()?;
    let files = Directory::open(path, &stage)?;
    load(store, &stage, &files, options, told)
}

/// Loads the images of a file or a directory.
///
/// # Errors
/// As [`load_archive`].
pub fn load_path(store: &Store, path: &Path, options: &LoadOptions<'_>, told: &mut Told<'_>) -> Result<()> {
    let loaded = if path.is_dir() {
        load_dir(store, path, options, told)
    } else {
        File::open(path).context("open it").and_then(|file| load_archive(store, file, options, told))
    };
    loaded.with_context(|| format!("load {path:?}"))
}

fn load(
    store: &Store,
    stage: &Stage<'_>,
    files: &dyn Files,
    options: &LoadOptions<'_>,
    told: &mut Told<'_>,
) -> Result<()> {
    let mut contents = found::contents(files, stage)?;
    let images = std::mem::take(&mut contents.images);
    let source = Source { store, stage, files, contents };
    match (&options.name, images.as_slice()) {
        (_, []) => return Err(Error::new(Kind::Invalid, "there is no image in it")),
        (Some(_), [_, _, ..]) => {
            let why = format!("there are {} images in it, and one name for them", images.len());
            return Err(Error::new(Kind::Invalid, why));
        }
        _ => {}
    }
    for image in &images {
        let names = options.name.as_ref().map_or(image.names.as_slice(), std::slice::from_ref);
        if names.is_empty() {
            let why = Error::new(Kind::Invalid, "it has no name").hint("give it one with --tag");
            told(&image.top.digest.to_string(), Err(why));
        }
        for name in names {
            told(&name.familiar(), source.load(image, name, options));
        }
    }
    Ok(())
}

/// Where the blobs of the images are.
struct Source<'a> {
    store: &'a Store,
    stage: &'a Stage<'a>,
    files: &'a dyn Files,
    contents: Contents,
}

impl<'a> Source<'a> {
    fn load(&self, image: &Found, name: &ImageRef, options: &LoadOptions<'_>) -> Result<Pulled> {
        let mut chosen = self.choose(image, name, options)?;
        if name.digest().is_some_and(|d| d != chosen.digest() && d != chosen.image.manifest.digest) {
            return Err(Error::new(Kind::Corrupt, format!("its digest is {}", chosen.digest())));
        }
        chosen.image.takes_name = options.replace;
        self.store.may_take_name(&chosen.image)?;
        self.check_whole(&chosen)?;
        match install(self.store, self, &chosen, &options.pull, Leftovers::Discard)? {
            Commit::Done(changed) => {
                Ok(Pulled { pinned: name.with_digest(chosen.digest()).familiar(), changed })
            }
            Commit::Vanished => Err(Error::new(Kind::Conflict, "something removes its layers meanwhile")),
        }
    }

    fn choose(&self, image: &Found, name: &ImageRef, options: &LoadOptions<'_>) -> Result<Chosen> {
        let content = self.document(&image.top)?;
        let top = Top { content, digest: image.top.digest, media_type: image.top.media_type.clone() };
        let mut chosen = resolve(name, top, options.pull.platform, |wanted| self.document(wanted))?;
        if let Some(index) = image.index.filter(|_| chosen.image.index.is_none()) {
            self.put_below(&mut chosen, index).with_context(|| format!("read index {index}"))?;
        }
        Ok(chosen)
    }

    /// The index that one of our own archives says the image came out of: it must lead to it.
    fn put_below(&self, chosen: &mut Chosen, index: Digest) -> Result<()> {
        let staged = self.staged(&index)?;
        let content = found::read(self.stage, &staged, MAX_MANIFEST)?;
        let (document, media_type) = Document::parse(&content, "")?;
        let manifest = chosen.image.manifest.digest;
        let leads = matches!(document, Document::Index(i) if i.manifests.iter().any(|e| e.descriptor.digest == manifest));
        if !leads {
            return Err(Error::new(Kind::Corrupt, "the image is not in it"));
        }
        chosen.image.index = Some(index);
        chosen.blobs.insert(0, (Descriptor { media_type, digest: index, size: staged.size }, content));
        Ok(())
    }

    /// A manifest or an index.
    fn document(&self, wanted: &Descriptor) -> Result<Vec<u8>> {
        let content = if self.store.has_blob(&wanted.digest) {
            self.store.read_blob(&wanted.digest, MAX_MANIFEST)?
        } else {
            found::read(self.stage, &self.staged(&wanted.digest)?, MAX_MANIFEST)
                .with_context(|| format!("read manifest {}", wanted.digest))?
        };
        check_size(wanted, content.len() as u64)?;
        Ok(content)
    }

    /// What an archive leaves out must be here: all of it that is nowhere is said at once.
    fn check_whole(&self, chosen: &Chosen) -> Result<()> {
        let mut missing = Vec::new();
        for blob in std::iter::once(&chosen.manifest.config).chain(&chosen.manifest.layers) {
            let digest = blob.digest;
            let here = self.store.has_blob(&digest) || self.contents.blobs.contains_key(&digest);
            if !here && !self.files.has(&blob_name(&digest))? && !missing.contains(&digest) {
                missing.push(digest);
            }
        }
        match missing.as_slice() {
            [] => Ok(()),
            [one] => Err(Error::new(Kind::Invalid, format!("blob {one} is neither in it nor here"))),
            all => {
                let all: Vec<String> = all.iter().map(Digest::to_string).collect();
                Err(Error::new(Kind::Invalid, format!("blobs {} are neither in it nor here", all.join(", "))))
            }
        }
    }

    /// The file of a blob, which must have its digest.
    fn staged(&self, digest: &Digest) -> Result<Staged> {
        if let Some(staged) = self.contents.blobs.get(digest) {
            return Ok(staged.clone());
        }
        let Some(staged) = self.files.staged(&blob_name(digest))? else {
            return Err(Error::new(Kind::Invalid, format!("blob {digest} is not in it")));
        };
        if staged.digest == *digest {
            return Ok(staged);
        }
        Err(Error::new(Kind::Corrupt, format!("blob {digest} has digest {}", staged.digest)))
    }

    fn open(&self, blob: &Descriptor, stream: &Stream) -> Result<Option<Verified<'a>>> {
        if self.store.has_blob(&blob.digest) {
            stream.open(self.store.open_blob(&blob.digest)?, blob.size);
            return Ok(None);
        }
        let staged = self.staged(&blob.digest)?;
        check_size(blob, staged.size)?;
        stream.open(self.stage.open(&staged)?, blob.size);
        Ok(Some(self.stage.verified(&staged)))
    }
}

impl<'a> Blobs<'a> for Source<'a> {
    fn fetch(
        &self,
        blob: &Descriptor,
        stream: &Stream,
        _cancelled: &Cancelled<'_>,
    ) -> Result<Option<Verified<'a>>> {
        let done = self.open(blob, stream);
        stream.end(done.is_ok());
        done
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}", digest.to_string().replace(':', "/"))
}

fn check_size(blob: &Descriptor, size: u64) -> Result<()> {
    if size == blob.size {
        return Ok(());
    }
    let Descriptor { digest, size: announced, .. } = blob;
    Err(Error::new(Kind::Corrupt, format!("blob {digest} has {size} bytes, {announced} announced")))
}
