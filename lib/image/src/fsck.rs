//! Looking through the store, and mending what is damaged by fetching it again.

use std::collections::BTreeSet;

use registry::Client;
use store::{Finding, Store, Trouble};
use types::reference::ImageRef;
use types::{Error, Result};

use crate::pull::{PullOptions, pull};

/// A finding, and what became of it.
#[derive(Debug)]
pub struct Checked {
    /// What is wrong, or was.
    pub finding: Finding,
    /// Whether it is not any longer.
    pub fixed: bool,
}

/// Mends what was found: damaged blobs lose their names, and the images that need them are pulled again by
/// their digests. `told` hears of each image that could not be.
///
/// # Errors
/// If the store cannot be changed.
pub fn mend(
    store: &Store,
    client: &Client,
    options: &PullOptions<'_>,
    findings: Vec<Finding>,
    told: &mut dyn FnMut(&ImageRef, Error),
) -> Result<Vec<Checked>> {
    for finding in findings.iter().filter(|f| f.trouble == Trouble::DamagedBlob) {
        store.drop_damaged(&finding.digest)?;
    }
    let mut tried: BTreeSet<ImageRef> = BTreeSet::new();
    for name in findings.iter().flat_map(|f| &f.images) {
        if !tried.insert(name.clone()) {
            continue;
        }
        // Of an index the image of the platform that is here, not of this machine's.
        let own = store.platform_of(name)?;
        let platform = own.as_ref().unwrap_or(options.platform);
        if let Err(e) = pull(store, client, name, &PullOptions { platform, ..*options }) {
            told(name, e);
        }
    }
    let left = store.check(options.cancel)?;
    let stays = |f: &Finding| left.iter().any(|l| l.trouble == f.trouble && l.digest == f.digest);
    Ok(findings.into_iter().map(|finding| Checked { fixed: !stays(&finding), finding }).collect())
}
