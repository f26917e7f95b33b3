//! Images of a registry, looked at without fetching their layers.

use std::io::Read;

use registry::Client;
use types::digest::Digest;
use types::oci::Descriptor;
use types::out::img_inspect::Image;
use types::platform::Platform;
use types::reference::ImageRef;
use types::{Context, Error, Kind, Result};

use crate::inspect::{Parts, record};
use crate::resolve::{Chosen, Top, resolve};

/// What a registry says of an image.
#[derive(Debug)]
pub struct Remote {
    /// The manifest for the platform.
    pub manifest: Vec<u8>,
    /// Its configuration.
    pub config: Vec<u8>,
    /// All of it in words.
    pub record: Image,
}

/// Asks a registry for an image, and fetches nothing but what describes it.
///
/// # Errors
/// Those of the registry; `NotFound` if it is not for the platform; `Corrupt` if anything is not
/// what its digest says.
pub fn remote(client: &Client, name: &ImageRef, platform: &Platform) -> Result<Remote> {
    let repository = client.repository(name)?;
    let fetched = repository.resolve()?;
    let top = Top { content: fetched.content, digest: fetched.digest, media_type: fetched.media_type };
    let chosen = resolve(name, top, platform, |wanted| Ok(repository.manifest(wanted)?.content))?;
    let descriptor = &chosen.manifest.config;
    let mut config = Vec::new();
    repository
        .blob(descriptor, 0)?
        .take(descriptor.size + 1)
        .read_to_end(&mut config)
        .map_err(|e| Error::because(Kind::TryLater, "read its configuration", e))?;
    check(descriptor, &config).context("read its configuration")?;
    let record = describe(name, &chosen, &config)?;
    Ok(Remote { manifest: chosen.manifest_bytes().to_vec(), config, record })
}

/// What a name leads to in its registry, byte for byte: an index, or a manifest.
///
/// # Errors
/// As [`remote`].
pub fn remote_document(client: &Client, name: &ImageRef) -> Result<Vec<u8>> {
    Ok(client.repository(name)?.resolve()?.content)
}

/// The digest that a name leads to in its registry: with a platform that of its manifest, otherwise
/// what the registry has under the name, which may be an index.
///
/// # Errors
/// As [`remote`].
pub fn remote_digest(client: &Client, name: &ImageRef, platform: Option<&Platform>) -> Result<Digest> {
    let repository = client.repository(name)?;
    let fetched = repository.resolve()?;
    let Some(platform) = platform else { return Ok(fetched.digest) };
    let top = Top { content: fetched.content, digest: fetched.digest, media_type: fetched.media_type };
    let chosen = resolve(name, top, platform, |wanted| Ok(repository.manifest(wanted)?.content))?;
    Ok(chosen.image.manifest.digest)
}

fn check(descriptor: &Descriptor, content: &[u8]) -> Result<()> {
    let found = crate::digest_of(content);
    if found == descriptor.digest && content.len() as u64 == descriptor.size {
        return Ok(());
    }
    Err(Error::new(Kind::Corrupt, format!("it has digest {found}, not {}", descriptor.digest)))
}

fn describe(name: &ImageRef, chosen: &Chosen, config: &[u8]) -> Result<Image> {
    record(&Parts {
        name,
        names: std::slice::from_ref(name),
        digest: chosen.digest(),
        manifest: &chosen.image.manifest,
        content: &chosen.manifest,
        config,
        size: None,
    })
}
