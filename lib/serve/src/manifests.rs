//! Manifests and indexes: what names lead to. Pushed, those that run on this machine become images of the store;
//! everything else is kept as it is.

use std::io::Read;
use std::sync::atomic::AtomicBool;

use hyper::StatusCode;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION};
use image::{PullOptions, Silent};
use store::Keep;
use types::digest::Digest;
use types::oci::{Descriptor, Document, MAX_MANIFEST};
use types::reference::ImageRef;
use types::{Error, Kind};

use crate::answer::{Answer, Content, Outcome, Refusal, header};
use crate::body::Arriving;
use crate::request::Head;
use crate::{App, Event, blobs, referrers};

/// The media type that a manifest says it has, or that its fields make it.
pub(crate) fn media_type_of(content: &[u8]) -> Option<String> {
    Document::parse(content, "").ok().map(|(_, media_type)| media_type)
}

/// Sends what a tag or a digest leads to, as it is.
pub(crate) fn get(app: &App, head: &Head, wanted: &ImageRef) -> Outcome {
    let digest = find(app, wanted)?;
    let content = app.store.read_blob(&digest, MAX_MANIFEST).map_err(Refusal::ours)?;
    let damaged = || Error::new(Kind::Corrupt, format!("{digest} is no manifest"));
    let media_type = media_type_of(&content).ok_or_else(|| Refusal::ours(damaged()))?;
    let tag = blobs::etag(&digest);
    if blobs::is_known(head, &tag) {
        return Ok(Answer::new(StatusCode::NOT_MODIFIED).with(ETAG, tag));
    }
    Ok(Answer::new(StatusCode::OK)
        .content(&media_type, Content::Bytes(content))
        .with(header::CONTENT_DIGEST, digest.to_string())
        .with(ETAG, tag))
}

fn find(app: &App, wanted: &ImageRef) -> Result<Digest, Refusal> {
    let offered = app.store.offered().map_err(Refusal::ours)?;
    let found = offered.iter().find(|o| o.name == *wanted).map(|o| o.digest);
    found.ok_or_else(|| unknown(wanted))
}

fn unknown(wanted: &ImageRef) -> Refusal {
    Refusal::not_found("MANIFEST_UNKNOWN", format!("{:?} is not here", wanted.familiar()))
}

/// Takes a tag, or a digest with all its tags, away.
pub(crate) fn delete(app: &App, wanted: &ImageRef) -> Outcome {
    match app.store.withdraw(wanted) {
        Ok(true) => Ok(Answer::new(StatusCode::ACCEPTED)),
        Ok(false) => Err(unknown(wanted)),
        Err(e) if e.kind() == Kind::Conflict => {
            Err(Refusal::new(StatusCode::CONFLICT, "DENIED", e.to_string()))
        }
        Err(e) => Err(Refusal::ours(e)),
    }
}

/// Takes a manifest in, if all that it needs is here.
pub(crate) fn put(app: &App, head: &Head, (name, wanted): (&str, &ImageRef), body: &mut Arriving) -> Outcome {
    let content = read(head, body)?;
    let announced = head.header(CONTENT_TYPE).map_or("", |t| t.split(';').next().unwrap_or(t).trim());
    let (document, media_type) = Document::parse(&content, announced).map_err(|e| invalid(&e))?;
    let digest = image::digest_of(&content);
    if wanted.digest().is_some_and(|named| named != digest) {
        return Err(Refusal::bad("DIGEST_INVALID", format!("its digest is {digest}")));
    }
    let needs = needs(app, &document)?;
    let adopted = wanted.tag().is_some() && adopt(app, wanted, &content, &media_type)?;
    let manifest = Descriptor { media_type, digest, size: content.len() as u64 };
    if !adopted {
        keep(app, wanted, &manifest, &content, &needs)?;
    }
    let mut answer = Answer::new(StatusCode::CREATED)
        .with(LOCATION, format!("/v2/{name}/manifests/{digest}"))
        .with(header::CONTENT_DIGEST, digest.to_string());
    if let Some(subject) = referrers::subject(&content) {
        answer = answer.with(header::SUBJECT, subject);
    }
    Ok(answer)
}

fn read(head: &Head, body: &mut Arriving) -> Result<Vec<u8>, Refusal> {
    let large = || {
        let why = format!("a manifest has at most {} MiB", MAX_MANIFEST >> 20);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "MANIFEST_INVALID", why)
    };
    let length = head.header(CONTENT_LENGTH).and_then(|l| l.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_MANIFEST) {
        return Err(large());
    }
    let mut content = Vec::new();
    body.take(MAX_MANIFEST + 1)
        .read_to_end(&mut content)
        .map_err(|e| Refusal::bad("MANIFEST_INVALID", format!("the request was cut: {e}")))?;
    if content.len() as u64 > MAX_MANIFEST { Err(large()) } else { Ok(content) }
}

/// What must be here before a name leads to it, which is checked once more when it gets the name.
fn needs(app: &App, document: &Document) -> Result<Vec<Digest>, Refusal> {
    let (needed, code): (Vec<&Descriptor>, _) = match document {
        Document::Manifest(m) => {
            let layers = m.layers.iter().filter(|l| !is_foreign(&l.media_type));
            (std::iter::once(&m.config).chain(layers).collect(), "MANIFEST_BLOB_UNKNOWN")
        }
        Document::Index(index) => {
            (index.manifests.iter().map(|e| &e.descriptor).collect(), "MANIFEST_UNKNOWN")
        }
    };
    for Descriptor { digest, size, .. } in &needed {
        let file = app.store.open_blob(digest).map_err(|e| match e.kind() {
            Kind::NotFound => Refusal::bad(code, format!("{digest} was not pushed before")),
            _ => Refusal::ours(e),
        })?;
        let found = file.metadata().map_err(|e| Refusal::ours(Error::io("look at a blob", e)))?.len();
        if found != *size {
            let why = format!("{digest} has {found} bytes, and is said to have {size}");
            return Err(Refusal::bad("SIZE_INVALID", why));
        }
    }
    Ok(needed.into_iter().map(|d| d.digest).collect())
}

/// Layers that only their maker may distribute are never pushed.
fn is_foreign(media_type: &str) -> bool {
    media_type.contains(".nondistributable.") || media_type.contains(".foreign.")
}

/// Makes an image of it if it is one that can run here. What is none, for whatever reason, is kept as it came.
fn adopt(app: &App, name: &ImageRef, content: &[u8], media_type: &str) -> Result<bool, Refusal> {
    let options = PullOptions {
        platform: &app.options.platform,
        downloads: 1,
        unpackers: 2,
        max_size: None,
        progress: &Silent,
        cancel: &AtomicBool::new(false),
    };
    match image::adopt(app.store, name, content.to_vec(), media_type, &options) {
        Ok(()) => Ok(true),
        Err(e) if matches!(e.kind(), Kind::NotFound | Kind::Unsupported) => Ok(false),
        Err(e) if matches!(e.kind(), Kind::Invalid | Kind::Corrupt) => {
            let what = format!("{:?} is kept, but cannot run here", name.familiar());
            (app.watch)(&Event::Trouble(&e.within(what)));
            Ok(false)
        }
        Err(e) => Err(Refusal::ours(e)),
    }
}

fn keep(
    app: &App,
    wanted: &ImageRef,
    manifest: &Descriptor,
    content: &[u8],
    needs: &[Digest],
) -> Result<(), Refusal> {
    let new = app.store.put_blob(manifest, content).map_err(Refusal::ours)?;
    let mut names = vec![wanted.with_digest(manifest.digest)];
    names.extend(wanted.tag().map(|_| wanted.clone()));
    let keep = Keep { names: &names, manifest, needs };
    app.store.keep_manifest(&keep, new.into_iter().collect()).map_err(|e| match e.kind() {
        Kind::NotFound => Refusal::bad("MANIFEST_BLOB_UNKNOWN", e.to_string()),
        _ => Refusal::ours(e),
    })
}

fn invalid(e: &Error) -> Refusal {
    Refusal::bad("MANIFEST_INVALID", types::error::chain(e))
}
