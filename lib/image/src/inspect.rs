//! All about an image, from its manifest and its configuration.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use store::Store;
use types::digest::Digest;
use types::oci::{Descriptor, Document, MAX_CONFIG, MAX_MANIFEST, Manifest};
use types::out::img_inspect::{Image, Layer, RootFs};
use types::platform::Platform;
use types::reference::ImageRef;
use types::{Context, Error, Kind, Result};

/// What an image is described from.
pub(crate) struct Parts<'p> {
    /// The name it was found by.
    pub(crate) name: &'p ImageRef,
    /// All its names.
    pub(crate) names: &'p [ImageRef],
    /// What its registry knows it by.
    pub(crate) digest: Digest,
    pub(crate) manifest: &'p Descriptor,
    pub(crate) content: &'p Manifest,
    pub(crate) config: &'p [u8],
    /// Bytes of its unpacked files.
    pub(crate) size: Option<u64>,
}

/// The fields of a configuration that are told.
#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    config: serde_json::Value,
    rootfs: Layers,
}

#[derive(Deserialize)]
struct Layers {
    #[serde(rename = "type", default)]
    kind: String,
    diff_ids: Vec<Digest>,
}

/// Describes an image of the store.
///
/// # Errors
/// `NotFound`; `Corrupt` if it is damaged.
pub fn inspect(store: &Store, wanted: &str) -> Result<Image> {
    let image = store.image(wanted)?;
    let (descriptor, manifest, _) = manifest_of(store, &image)?;
    record(&Parts {
        name: &image.name,
        names: &store.image_names(&image)?,
        digest: image.digest,
        manifest: &descriptor,
        content: &manifest,
        config: &store.read_blob(&image.id, MAX_CONFIG)?,
        size: Some(image.size),
    })
}

/// The manifest of an image of the store: what it is called, what it says, and its bytes.
pub(crate) fn manifest_of(store: &Store, image: &store::Image) -> Result<(Descriptor, Manifest, Vec<u8>)> {
    let content = store.read_blob(&image.manifest, MAX_MANIFEST)?;
    let (document, media_type) = Document::parse(&content, "")?;
    let Document::Manifest(manifest) = document else {
        return Err(Error::new(Kind::Corrupt, "its manifest is an index"));
    };
    let size = content.len() as u64;
    Ok((Descriptor { media_type, digest: image.manifest, size }, manifest, content))
}

/// Puts the parts into words.
pub(crate) fn record(parts: &Parts<'_>) -> Result<Image> {
    let config: Config = serde_json::from_slice(parts.config)
        .map_err(|e| Error::because(Kind::Invalid, "read it", e))
        .context("read its configuration")?;
    let name = parts.name;
    let pinned = |n: &ImageRef| n.with_digest(parts.digest).familiar();
    let repo_digests: BTreeSet<String> = parts.names.iter().map(pinned).collect();
    Ok(Image {
        id: parts.content.config.digest,
        name: name.familiar(),
        repository: name.familiar_name(),
        tag: name.tag().map(str::to_owned),
        repo_tags: parts.names.iter().filter(|n| n.tag().is_some()).map(ImageRef::familiar).collect(),
        repo_digests: repo_digests.into_iter().collect(),
        digest: parts.digest,
        manifest: parts.manifest.digest,
        media_type: parts.manifest.media_type.clone(),
        created: config.created.and_then(|c| c.parse().ok()),
        author: config.author.filter(|a| !a.is_empty()),
        platform: Platform::new(
            &config.os,
            &config.architecture,
            config.variant.as_deref().unwrap_or_default(),
        )
        .to_string(),
        os: config.os,
        architecture: config.architecture,
        variant: config.variant.filter(|v| !v.is_empty()),
        size: parts.size,
        download_size: parts.content.layers.iter().fold(0, |sum: u64, l| sum.saturating_add(l.size)),
        labels: labels(&config.config),
        config: if config.config.is_null() { serde_json::json!({}) } else { config.config },
        root_fs: RootFs { kind: config.rootfs.kind, layers: config.rootfs.diff_ids },
        layers: parts.content.layers.iter().map(layer).collect(),
    })
}

fn layer(blob: &Descriptor) -> Layer {
    Layer { digest: blob.digest, size: blob.size, media_type: blob.media_type.clone() }
}

fn labels(config: &serde_json::Value) -> BTreeMap<String, String> {
    let all = config.get("Labels").and_then(serde_json::Value::as_object);
    let text =
        |(name, value): (&String, &serde_json::Value)| Some((name.clone(), value.as_str()?.to_owned()));
    all.into_iter().flatten().filter_map(text).collect()
}

/// What the name of an image leads to, byte for byte: the index that it came out of, or its manifest,
/// which is also found by its own digest.
///
/// # Errors
/// `NotFound`; `Corrupt` if it is damaged.
pub fn document(store: &Store, wanted: &str) -> Result<Vec<u8>> {
    let image = store.image(wanted)?;
    let itself = wanted.parse::<ImageRef>().is_ok_and(|name| name.digest() == Some(image.manifest));
    store.read_blob(if itself { &image.manifest } else { &image.digest }, MAX_MANIFEST)
}

/// The configuration of an image, byte for byte.
///
/// # Errors
/// As [`document`].
pub fn configuration(store: &Store, wanted: &str) -> Result<Vec<u8>> {
    store.read_blob(&store.image(wanted)?.id, MAX_CONFIG)
}
