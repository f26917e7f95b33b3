//! Which images there are in an archive or a directory.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Deserialize;
use store::{Stage, Staged};
use types::digest::Digest;
use types::oci::{
    DOCKER_LIST, DOCKER_MANIFEST, Descriptor, Index, IndexEntry, MAX_CONFIG, MAX_MANIFEST, OCI_INDEX,
    OCI_MANIFEST,
};
use types::reference::ImageRef;
use types::{Context, Error, Kind, Result};

use super::files::Files;
use super::names;
use crate::FROM_INDEX;

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// An image, not verified yet.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Its names; none if it has none.
    pub(crate) names: Vec<ImageRef>,
    /// Its manifest, or an index.
    pub(crate) top: Descriptor,
    /// The index that it came out of.
    pub(crate) index: Option<Digest>,
}

/// All of them, and the files of their blobs.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) images: Vec<Found>,
    /// Blobs whose files have other names than their digests.
    pub(crate) blobs: BTreeMap<Digest, Staged>,
}

/// Reads an OCI image layout, or what `docker save` has always written.
pub(crate) fn contents(files: &dyn Files, stage: &Stage<'_>) -> Result<Contents> {
    if let Some(index) = small(files, stage, "index.json", MAX_MANIFEST)? {
        return layout(files, stage, &index);
    }
    if let Some(list) = small(files, stage, "manifest.json", MAX_MANIFEST)? {
        return docker(files, stage, &list);
    }
    Err(Error::new(Kind::Invalid, "it holds no images: neither index.json nor manifest.json is in it")
        .hint("what img-save, docker save, podman save and skopeo write is read"))
}

/// A small file, whole.
fn small(files: &dyn Files, stage: &Stage<'_>, name: &str, max: u64) -> Result<Option<Vec<u8>>> {
    let Some(staged) = files.staged(name)? else { return Ok(None) };
    read(stage, &staged, max).with_context(|| format!("read {name:?}")).map(Some)
}

/// The content of a staged file that must not be large.
pub(crate) fn read(stage: &Stage<'_>, staged: &Staged, max: u64) -> Result<Vec<u8>> {
    if staged.size > max {
        return Err(Error::new(Kind::Invalid, format!("it is larger than {} MiB", max >> 20)));
    }
    let mut content = Vec::new();
    stage.open(staged)?.read_to_end(&mut content).context("read it")?;
    Ok(content)
}

fn json<T: for<'d> Deserialize<'d>>(name: &str, content: &[u8]) -> Result<T> {
    serde_json::from_slice(content)
        .map_err(|e| Error::because(Kind::Invalid, "it is not what it should be", e))
        .with_context(|| format!("read {name:?}"))
}

fn layout(files: &dyn Files, stage: &Stage<'_>, index: &[u8]) -> Result<Contents> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        image_layout_version: String,
    }
    let Some(version) = small(files, stage, "oci-layout", MAX_MANIFEST)? else {
        return Err(Error::new(Kind::Invalid, "it has an index.json and no oci-layout"));
    };
    let version: Version = json("oci-layout", &version)?;
    if version.image_layout_version != "1.0.0" {
        let text = format!("it is an image layout of version {:?}", version.image_layout_version);
        return Err(Error::new(Kind::Unsupported, text).hint("version 1.0.0 is read"));
    }
    let index: Index = json("index.json", index)?;
    Ok(Contents { images: merged(index.manifests), blobs: BTreeMap::new() })
}

/// One image a manifest: one with several names is listed once for each.
fn merged(entries: Vec<IndexEntry>) -> Vec<Found> {
    let mut images: Vec<Found> = Vec::new();
    for entry in entries {
        // Signatures and the like are no images, and say so.
        let kind = entry.descriptor.media_type.as_str();
        if !matches!(kind, OCI_INDEX | OCI_MANIFEST | DOCKER_LIST | DOCKER_MANIFEST | "") {
            continue;
        }
        let name = names::annotated(&entry.annotations);
        let index = entry.annotations.get(FROM_INDEX).and_then(|d| d.parse().ok());
        let same = |i: &&mut Found| i.top == entry.descriptor && i.index == index;
        match images.iter_mut().find(same) {
            Some(known) => known.names.extend(name),
            None => images.push(Found { names: name.into_iter().collect(), top: entry.descriptor, index }),
        }
    }
    images
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Docker's list has no manifests: one is made, the same for the same files.
fn docker(files: &dyn Files, stage: &Stage<'_>, list: &[u8]) -> Result<Contents> {
    let list: Vec<Listed> = json("manifest.json", list)?;
    let mut contents = Contents::default();
    for listed in list {
        let config = needed(files, &listed.config)?;
        if config.size > MAX_CONFIG {
            return Err(Error::new(Kind::Invalid, format!("{:?} is too large", listed.config)));
        }
        let mut layers = Vec::new();
        for name in &listed.layers {
            let staged = needed(files, name)?;
            layers.push(descriptor(&layer_type(stage, &staged)?, &staged));
            contents.blobs.insert(staged.digest, staged);
        }
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(CONFIG, &config),
            "layers": layers,
        });
        contents.blobs.insert(config.digest, config);
        let manifest = stage.put(manifest.to_string().as_bytes())?;
        let tags = listed.repo_tags.unwrap_or_default();
        contents.images.push(Found {
            names: tags.iter().map(|tag| tag.parse()).collect::<Result<_>>()?,
            top: descriptor(OCI_MANIFEST, &manifest),
            index: None,
        });
        contents.blobs.insert(manifest.digest, manifest);
    }
    Ok(contents)
}

fn needed(files: &dyn Files, name: &str) -> Result<Staged> {
    let inside = names::member(name.as_bytes())?.unwrap_or_default();
    files
        .staged(&inside)?
        .ok_or_else(|| Error::new(Kind::Invalid, format!("{name:?} is listed in it and not in it")))
}

fn descriptor(media_type: &str, staged: &Staged) -> Descriptor {
    Descriptor { media_type: media_type.to_owned(), digest: staged.digest, size: staged.size }
}

fn layer_type(stage: &Stage<'_>, staged: &Staged) -> Result<String> {
    let mut magic = [0; 4];
    let mut file = stage.open(staged)?;
    let n = file.read(&mut magic).context("read a layer")?;
    Ok(match magic.get(..n).unwrap_or_default() {
        [0x1f, 0x8b, ..] => format!("{LAYER}+gzip"),
        [0x28, 0xb5, 0x2f, 0xfd] => format!("{LAYER}+zstd"),
        _ => LAYER.to_owned(),
    })
}
