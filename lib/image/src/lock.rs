//! Lock files: exactly these images, whatever their names lead to later.

use std::collections::BTreeMap;

use registry::Client;
use store::Store;
use types::digest::Digest;
use types::out::img_lock::Locked;
use types::reference::ImageRef;
use types::{Error, Kind, Result};

use crate::pull::{PullOptions, Pulled, pull};
use crate::remote::remote_digest;

/// What a name leads to in its registry, for all platforms.
///
/// # Errors
/// Those of the registry.
pub fn lock(client: &Client, name: &ImageRef) -> Result<Locked> {
    Ok(Locked { name: name.clone(), digest: remote_digest(client, name, None)? })
}

/// Pulls the image that a name led to when it was locked, and gives it the name.
///
/// # Errors
/// `NotFound` if the name is not locked; those of [`pull`].
pub fn pull_locked(
    store: &Store,
    client: &Client,
    name: &ImageRef,
    lock: &BTreeMap<ImageRef, Digest>,
    options: &PullOptions<'_>,
) -> Result<Pulled> {
    let Some(digest) = lock.get(name) else {
        return Err(Error::new(Kind::NotFound, "it is not in the lock file")
            .hint("img-lock writes one; names are looked up with their tags"));
    };
    let exactly = name.with_digest(*digest);
    let mut pulled = pull(store, client, &exactly, options)?;
    if name.tag().is_some() {
        pulled.changed |= store.tag_image(&exactly.to_string(), name)?;
    }
    Ok(pulled)
}
