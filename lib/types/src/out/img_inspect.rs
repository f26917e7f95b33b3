//! `img-inspect`: all about an image. What `img-ls` prints is part of it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::digest::Digest;
use crate::time::Time;

/// An image of the store or of a registry.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Image {
    /// Digest of its configuration.
    pub id: Digest,
    /// The name it was found by, as people write it.
    pub name: String,
    /// That name without tag and digest.
    pub repository: String,
    /// The tag of that name; absent if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// All its names with a tag.
    pub repo_tags: Vec<String>,
    /// Its repositories, each with the digest that its registry knows it by.
    pub repo_digests: Vec<String>,
    /// The digest that its registry knows it by: of an index, or of its manifest.
    pub digest: Digest,
    /// Digest of its manifest.
    pub manifest: Digest,
    /// What its manifest is.
    pub media_type: String,
    /// When it was built; absent if it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// Who built it; absent if it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What it was built for: `linux/amd64`.
    pub platform: String,
    /// The operating system of that.
    pub os: String,
    /// The processor of that.
    pub architecture: String,
    /// Its variant; absent if it says none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Bytes of its unpacked files; absent for an image of a registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Bytes of its compressed layers.
    pub download_size: u64,
    /// Labels of its configuration.
    pub labels: BTreeMap<String, String>,
    /// How it is to be run, as the image says it.
    pub config: serde_json::Value,
    /// Its uncompressed layers.
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    /// Its compressed layers, lowest first.
    pub layers: Vec<Layer>,
}

/// Uncompressed layers.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RootFs {
    /// `layers`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Digests, lowest first.
    pub layers: Vec<Digest>,
}

/// A compressed layer.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Layer {
    /// Its digest.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// What it is.
    pub media_type: String,
}
