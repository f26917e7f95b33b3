//! An image whose layers are compressed in another way: the same files, another manifest.

use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use layer::{Compressor, Effort};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use store::{Stage, Staged, Store};
use types::digest::Digest;
use types::oci::{DOCKER_MANIFEST, Descriptor, Manifest, OCI_MANIFEST};
use types::{Context, Error, Kind, Result};

const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const DOCKER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// Bytes that are compressed between two looks at whether to end early.
const PIECE: usize = 256 << 10;

/// A manifest that names the layers in their new form, and those of them that were made.
#[derive(Debug)]
pub(crate) struct Recompressed {
    pub(crate) descriptor: Descriptor,
    pub(crate) content: Vec<u8>,
    pub(crate) layers: Vec<(Descriptor, Option<Staged>)>,
}

/// Compresses the layers of an image anew, several at once. One that is compressed so already stays as it is,
/// unless a level is asked for; so does one that is not to be distributed.
///
/// # Errors
/// `Corrupt` if a blob is not what its digest says; what the disk says.
pub(crate) fn recompress(
    store: &Store,
    stage: &Stage<'_>,
    document: (&Descriptor, &Manifest, &[u8]),
    effort: Effort,
    cancel: &AtomicBool,
) -> Result<Recompressed> {
    let (top, manifest, content) = document;
    // Docker's manifests have no word for zstd.
    let docker = top.media_type == DOCKER_MANIFEST && effort.compression == layer::Compression::Gzip;
    let media_type =
        if docker { DOCKER_GZIP.to_owned() } else { format!("{OCI_LAYER}{}", effort.compression.suffix()) };
    let work = Work { store, stage, effort, media_type, cancel };
    let layers = work.all(&manifest.layers)?;
    let mut new: Value =
        serde_json::from_slice(content).map_err(|e| Error::because(Kind::Corrupt, "read its manifest", e))?;
    if !docker {
        set(&mut new, "/mediaType", json!(OCI_MANIFEST));
        set(&mut new, "/config/mediaType", json!(oci_config(&manifest.config.media_type)));
    }
    for (at, (layer, _)) in layers.iter().enumerate() {
        let media_type = if docker { layer.media_type.clone() } else { oci_layer(&layer.media_type) };
        set(&mut new, &format!("/layers/{at}/mediaType"), json!(media_type));
        set(&mut new, &format!("/layers/{at}/digest"), json!(layer.digest));
        set(&mut new, &format!("/layers/{at}/size"), json!(layer.size));
    }
    let content = serde_json::to_vec(&new).map_err(|e| Error::because(Kind::Io, "write its manifest", e))?;
    let media_type = if docker { DOCKER_MANIFEST } else { OCI_MANIFEST }.to_owned();
    let descriptor =
        Descriptor { media_type, digest: crate::digest_of(&content), size: content.len() as u64 };
    Ok(Recompressed { descriptor, content, layers })
}

/// Sets a member; `at` is a JSON pointer whose last step may be new.
fn set(document: &mut Value, at: &str, value: Value) {
    let Some((parent, name)) = at.rsplit_once('/') else { return };
    if let Some(Value::Object(members)) = document.pointer_mut(parent) {
        members.insert(name.to_owned(), value);
    }
}

fn oci_config(media_type: &str) -> &str {
    if media_type == "application/vnd.docker.container.image.v1+json" { OCI_CONFIG } else { media_type }
}

/// What Docker calls a layer, in OCI's words.
fn oci_layer(media_type: &str) -> String {
    match media_type {
        DOCKER_GZIP => format!("{OCI_LAYER}+gzip"),
        "application/vnd.docker.image.rootfs.diff.tar" => OCI_LAYER.to_owned(),
        other => other.to_owned(),
    }
}

struct Work<'a> {
    store: &'a Store,
    stage: &'a Stage<'a>,
    effort: Effort,
    media_type: String,
    cancel: &'a AtomicBool,
}

impl Work<'_> {
    /// In their order.
    fn all(&self, layers: &[Descriptor]) -> Result<Vec<(Descriptor, Option<Staged>)>> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(layers.len());
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(layer) = layers.get(at) else { return };
                        let made = self.one(layer).with_context(|| format!("compress {}", layer.digest));
                        let failed = made.is_err();
                        if let Ok(mut done) = done.lock() {
                            done.push((at, made));
                        }
                        if failed {
                            // The others need not begin.
                            next.store(layers.len(), Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        done.sort_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, made)| made).collect()
    }

    fn one(&self, layer: &Descriptor) -> Result<(Descriptor, Option<Staged>)> {
        let same = layer.media_type == self.media_type
            || oci_layer(&layer.media_type) == oci_layer(&self.media_type);
        if same && self.effort.level.is_none() || layer.media_type.contains("nondistributable") {
            return Ok((layer.clone(), None));
        }
        let mut source = Hashed { from: self.store.open_blob(&layer.digest)?, hash: Sha256::new() };
        let mut compressor = Compressor::with_effort(self.effort, self.stage.draft()?)?;
        self.copy(&mut layer::inflate(&mut source)?, &mut compressor)?;
        io::copy(&mut source, &mut io::sink()).context("read what follows it")?;
        let found = Digest::from_bytes(source.hash.finalize().into());
        if found != layer.digest {
            return Err(Error::new(Kind::Corrupt, format!("its content has digest {found}"))
                .hint("img-fsck finds and mends what is damaged"));
        }
        let staged = compressor.finish()?.finish();
        let descriptor =
            Descriptor { media_type: self.media_type.clone(), digest: staged.digest, size: staged.size };
        Ok((descriptor, Some(staged)))
    }

    fn copy(&self, from: &mut impl Read, to: &mut impl Write) -> Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            if self.cancel.load(Ordering::Relaxed) {
                return Err(Error::new(Kind::Io, "interrupted"));
            }
            let n = from.read(&mut piece).context("read it")?;
            if n == 0 {
                return Ok(());
            }
            to.write_all(piece.get(..n).unwrap_or_default()).context("write it")?;
        }
    }
}

/// Knows the digest of all that is read through it.
struct Hashed<R> {
    from: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buf)?;
        self.hash.update(buf.get(..n).unwrap_or_default());
        Ok(n)
    }
}
