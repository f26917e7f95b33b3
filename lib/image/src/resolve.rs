//! Which manifest a name leads to.

use store::NewImage;
use types::digest::Digest;
use types::oci::{Descriptor, Document, MAX_CONFIG, Manifest};
use types::platform::Platform;
use types::reference::ImageRef;
use types::{Error, Kind, Result};

use crate::choose::choose;

/// overlayfs stacks no more than this (OVL_MAX_STACK).
const MAX_LAYERS: usize = 500;
const CONFIG_TYPES: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// A manifest or an index that somebody gave us: its bytes, their digest, and what he said they are.
#[derive(Debug, Clone)]
pub(crate) struct Top {
    pub(crate) content: Vec<u8>,
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
}

/// A chosen image: what is needed to fetch its layers and to name it.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) image: NewImage,
    pub(crate) manifest: Manifest,
    /// What was fetched to get here.
    pub(crate) blobs: Vec<(Descriptor, Vec<u8>)>,
}

impl Chosen {
    /// The digest that the name leads to.
    pub(crate) fn digest(&self) -> Digest {
        self.image.index.unwrap_or(self.image.manifest.digest)
    }

    /// The manifest, byte for byte.
    pub(crate) fn manifest_bytes(&self) -> &[u8] {
        self.blobs.last().map(|(_, content)| content.as_slice()).unwrap_or_default()
    }
}

/// Finds the manifest for the platform; `fetch` brings what an index points at.
pub(crate) fn resolve(
    name: &ImageRef,
    top: Top,
    platform: &Platform,
    fetch: impl FnOnce(&Descriptor) -> Result<Vec<u8>>,
) -> Result<Chosen> {
    let (document, media_type) = Document::parse(&top.content, &top.media_type)?;
    let size = top.content.len() as u64;
    let descriptor = Descriptor { media_type, digest: top.digest, size };
    let chosen = match document {
        Document::Manifest(manifest) => {
            let image = NewImage {
                name: name.clone(),
                manifest: descriptor.clone(),
                index: None,
                platform: None,
                takes_name: true,
            };
            Chosen { image, manifest, blobs: vec![(descriptor, top.content)] }
        }
        Document::Index(index) => {
            let entry = choose(&index, platform)?;
            let content = fetch(&entry.descriptor)?;
            let (document, media_type) = Document::parse(&content, &entry.descriptor.media_type)?;
            let Document::Manifest(manifest) = document else {
                return Err(Error::new(Kind::Invalid, "the index leads to another index"));
            };
            let chosen = Descriptor { media_type, ..entry.descriptor.clone() };
            let image = NewImage {
                name: name.clone(),
                manifest: chosen.clone(),
                index: Some(descriptor.digest),
                platform: entry.platform.clone(),
                takes_name: true,
            };
            Chosen { image, manifest, blobs: vec![(descriptor, top.content), (chosen, content)] }
        }
    };
    check(&chosen.manifest)?;
    Ok(chosen)
}

/// Layers that are archives: plain, or compressed by gzip or zstd (zstd:chunked is read as zstd). What its
/// author did not want distributed is one like the others, wherever a registry has it.
fn is_layer(media_type: &str) -> bool {
    let oci = media_type
        .strip_prefix("application/vnd.oci.image.layer.v1.tar")
        .or_else(|| media_type.strip_prefix("application/vnd.oci.image.layer.nondistributable.v1.tar"))
        .is_some_and(|coding| matches!(coding, "" | "+gzip" | "+zstd"));
    let docker = media_type
        .strip_prefix("application/vnd.docker.image.rootfs.diff.tar")
        .or_else(|| media_type.strip_prefix("application/vnd.docker.image.rootfs.foreign.diff.tar"))
        .is_some_and(|coding| matches!(coding, "" | ".gzip" | ".zstd"));
    // Of one that says nothing, its first bytes are looked at.
    oci || docker || media_type.is_empty()
}

fn check(manifest: &Manifest) -> Result<()> {
    if !CONFIG_TYPES.contains(&manifest.config.media_type.as_str()) {
        return Err(Error::new(
            Kind::Unsupported,
            format!(
                "it is no container image: its configuration is of type {:?}",
                manifest.config.media_type
            ),
        ));
    }
    if let Some(odd) = manifest.layers.iter().find(|layer| !is_layer(&layer.media_type)) {
        return Err(Error::new(
            Kind::Unsupported,
            format!("layer {} is of type {:?}, which cannot be unpacked", odd.digest.short(), odd.media_type),
        ));
    }
    if manifest.config.size > MAX_CONFIG {
        let why = format!("its configuration is larger than {} MiB", MAX_CONFIG >> 20);
        return Err(Error::new(Kind::Invalid, why));
    }
    if manifest.layers.len() > MAX_LAYERS {
        return Err(Error::new(
            Kind::Unsupported,
            format!("it has {} layers, more than {MAX_LAYERS}", manifest.layers.len()),
        ));
    }
    Ok(())
}
