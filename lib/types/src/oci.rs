//! Documents of the image world that are pointed at by digest: descriptors, manifests, indexes.
//!
//! Only what a client has to understand; Docker's schema 2 and OCI differ in their media types
//! alone, so that one struct serves both. An image's whole configuration is `oci-spec`'s type.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::platform::Platform;
use crate::{Error, Kind, Result};

/// An OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker's manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's index.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// No manifest is larger (what registries are asked to accept at least, distribution spec).
pub const MAX_MANIFEST: u64 = 4 << 20;
/// No configuration is larger.
pub const MAX_CONFIG: u64 = 16 << 20;

/// What points at content: its kind, digest and size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    #[serde(default)]
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// What an image of one platform consists of.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The configuration.
    pub config: Descriptor,
    /// The compressed layers, lowest first.
    pub layers: Vec<Descriptor>,
}

/// The fields of a configuration that most need. Far less work than the whole of it.
#[derive(Debug, Clone, Deserialize)]
pub struct ConfigBrief {
    /// RFC 3339; absent if the image does not say.
    #[serde(default)]
    pub created: Option<String>,
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: String,
    /// What its file system is made of.
    pub rootfs: RootFs,
    #[serde(default)]
    config: Option<Defaults>,
}

/// What a file system is made of.
#[derive(Debug, Clone, Deserialize)]
pub struct RootFs {
    /// Digests of the uncompressed layers, lowest first.
    pub diff_ids: Vec<Digest>,
}

#[derive(Debug, Clone, Deserialize)]
struct Defaults {
    #[serde(rename = "Labels", default)]
    labels: Option<BTreeMap<String, String>>,
}

impl ConfigBrief {
    /// What it was built for; empty parts if it does not say.
    #[must_use]
    pub fn platform(&self) -> Platform {
        Platform::new(&self.os, &self.architecture, &self.variant)
    }

    /// Labels of its containers.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        self.config.as_ref().and_then(|config| config.labels.clone()).unwrap_or_default()
    }
}

/// Manifests of one image for several platforms.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// In the order of preference.
    pub manifests: Vec<IndexEntry>,
}

/// A manifest in an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexEntry {
    /// The manifest.
    #[serde(flatten)]
    pub descriptor: Descriptor,
    /// What it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<IndexPlatform>,
    /// Names and remarks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What other tools wrote and this one does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// A platform as an index spells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPlatform {
    /// `linux`.
    #[serde(default)]
    pub os: String,
    /// `amd64`.
    #[serde(default)]
    pub architecture: String,
    /// `v7`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// What other tools wrote and this one does not know (`os.version`, `features`).
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

impl From<&IndexPlatform> for Platform {
    fn from(p: &IndexPlatform) -> Self {
        Self::new(&p.os, &p.architecture, &p.variant)
    }
}

/// What a digest or tag leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One platform.
    Manifest(Manifest),
    /// Several.
    Index(Index),
}

/// The fields that tell the kinds apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    manifests: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
    fs_layers: Option<serde::de::IgnoredAny>,
}

impl Document {
    /// Reads a manifest or an index that was announced as `media_type` (by a descriptor or a
    /// header; empty if nothing announced it), and returns it with its media type.
    ///
    /// # Errors
    /// `Invalid` if it could be read as both kinds, or is not what it was announced to be: one
    /// digest must not mean two things (CVE-2021-41190). `Unsupported` for schema 1.
    pub fn parse(content: &[u8], media_type: &str) -> Result<(Self, String)> {
        let json = |e| Error::because(Kind::Invalid, "read manifest", e);
        let shape: Shape = serde_json::from_slice(content).map_err(json)?;
        if shape.schema_version == 1 || shape.fs_layers.is_some() {
            return Err(Error::new(Kind::Unsupported, "the manifest is of Docker's schema 1")
                .hint("push the image again with a tool of this decade: schema 1 cannot be verified whole"));
        }
        if shape.schema_version != 2 {
            return Err(Error::new(
                Kind::Unsupported,
                format!("the manifest has schema version {}", shape.schema_version),
            ));
        }
        let is_index = shape.manifests.is_some();
        if is_index && (shape.layers.is_some() || shape.config.is_some()) {
            return Err(Error::new(Kind::Invalid, "it claims to be both a manifest and an index"));
        }
        let kind = match (media_type, shape.media_type.as_str()) {
            ("", "") if is_index => OCI_INDEX,
            ("", "") => OCI_MANIFEST,
            (outer, "") => outer,
            ("", inner) => inner,
            (outer, inner) if outer == inner => outer,
            (outer, inner) => {
                return Err(Error::new(
                    Kind::Invalid,
                    format!("it is {inner:?} and was announced as {outer:?}"),
                ));
            }
        };
        let document = match kind {
            OCI_INDEX | DOCKER_LIST if is_index => {
                Self::Index(serde_json::from_slice(content).map_err(json)?)
            }
            OCI_MANIFEST | DOCKER_MANIFEST if !is_index => {
                Self::Manifest(serde_json::from_slice(content).map_err(json)?)
            }
            OCI_INDEX | DOCKER_LIST | OCI_MANIFEST | DOCKER_MANIFEST => {
                return Err(Error::new(
                    Kind::Invalid,
                    format!("it is not the {kind:?} that it claims to be"),
                ));
            }
            other => return Err(Error::new(Kind::Unsupported, format!("it is of type {other:?}"))),
        };
        Ok((document, kind.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"{"schemaVersion":2,"config":{"digest":"D","size":2},"layers":[]}"#;
    const INDEX: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

    fn parse(text: &str, media_type: &str) -> Result<(Document, String)> {
        let digest = format!("sha256:{}", "0a".repeat(32));
        Document::parse(text.replace('D', &digest).as_bytes(), media_type)
    }

    #[test]
    fn both_dialects_are_read() {
        for kind in [OCI_MANIFEST, DOCKER_MANIFEST] {
            assert!(matches!(parse(MANIFEST, kind), Ok((Document::Manifest(_), k)) if k == kind));
        }
        for kind in [OCI_INDEX, DOCKER_LIST] {
            assert!(matches!(parse(INDEX, kind), Ok((Document::Index(_), k)) if k == kind));
        }
        assert!(matches!(parse(INDEX, ""), Ok((Document::Index(_), _))));
    }

    #[test]
    fn one_document_is_never_two_kinds() {
        for (text, media_type) in [
            (r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#, OCI_INDEX),
            (r#"{"schemaVersion":2,"manifests":[],"config":{}}"#, OCI_INDEX),
            (INDEX, OCI_MANIFEST),
            (MANIFEST, OCI_INDEX),
            (&INDEX.replace("2,", &format!("2,\"mediaType\":{DOCKER_LIST:?},")), OCI_INDEX),
            (r#"{"schemaVersion":1,"fsLayers":[]}"#, ""),
            (r#"{"schemaVersion":3,"layers":[]}"#, ""),
            (MANIFEST, "text/html"),
            ("<html>", OCI_MANIFEST),
            ("{}", ""),
        ] {
            assert!(parse(text, media_type).is_err(), "{text} as {media_type}");
        }
    }
}
