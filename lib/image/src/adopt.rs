//! An image of what is in the store already: somebody brought its blobs one by one.

use store::{Commit, Store, Verified};
use types::oci::{Descriptor, MAX_MANIFEST};
use types::reference::ImageRef;
use types::{Error, Kind, Result};

use crate::install::{Leftovers, install};
use crate::pull::PullOptions;
use crate::resolve::{Top, resolve};
use crate::stream::Stream;
use crate::work::{Blobs, Cancelled};

/// Unpacks the image that a manifest or an index describes and gives it its name.
///
/// # Errors
/// `NotFound` if it is not for the platform; `Unsupported`, `Invalid` or `Corrupt` if it is no image that could
/// run; `Conflict` if its blobs are removed meanwhile.
pub fn adopt(
    store: &Store,
    name: &ImageRef,
    content: Vec<u8>,
    media_type: &str,
    options: &PullOptions<'_>,
) -> Result<()> {
    store.sweep_layers()?;
    let digest = crate::digest_of(&content);
    let top = Top { content, digest, media_type: media_type.to_owned() };
    let chosen =
        resolve(name, top, options.platform, |wanted| store.read_blob(&wanted.digest, MAX_MANIFEST))?;
    match install(store, &Here(store), &chosen, options, Leftovers::Keep)? {
        Commit::Done(_) => Ok(()),
        Commit::Vanished => Err(Error::new(Kind::Conflict, "something removes its blobs meanwhile")),
    }
}

/// Blobs that are all there.
struct Here<'a>(&'a Store);

impl<'a> Blobs<'a> for Here<'a> {
    fn fetch(
        &self,
        blob: &Descriptor,
        stream: &Stream,
        _cancelled: &Cancelled<'_>,
    ) -> Result<Option<Verified<'a>>> {
        let opened = self.0.open_blob(&blob.digest);
        let done = opened.map(|file| stream.open(file, blob.size));
        stream.end(done.is_ok());
        done.map(|()| None)
    }
}
