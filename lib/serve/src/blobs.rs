//! Blobs: content by its digest, whole or a piece of it. The store has one set of them for all repositories.

use hyper::StatusCode;
use hyper::header::{ACCEPT_RANGES, ALLOW, CONTENT_RANGE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE};
use types::digest::Digest;
use types::{Error, Kind};

use crate::App;
use crate::answer::{Answer, Content, Outcome, Refusal, header};
use crate::range::{Piece, wanted};
use crate::request::Head;

const BYTES: &str = "application/octet-stream";

/// Sends a blob.
pub(crate) fn get(app: &App, head: &Head, digest: &Digest) -> Outcome {
    let file = app.store.open_blob(digest).map_err(missing)?;
    let size = file.metadata().map_err(|e| Refusal::ours(Error::io("look at a blob", e)))?.len();
    let tag = etag(digest);
    if is_known(head, &tag) {
        return Ok(Answer::new(StatusCode::NOT_MODIFIED).with(ETAG, tag));
    }
    let range = head.header(RANGE).filter(|_| head.header(IF_RANGE).is_none_or(|known| known == tag));
    let (status, offset, length) = match wanted(range, size) {
        Piece::All => (StatusCode::OK, 0, size),
        Piece::Part(offset, length) => (StatusCode::PARTIAL_CONTENT, offset, length),
        Piece::Outside => {
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            return Err(Refusal::new(status, "SIZE_INVALID", format!("the blob has {size} bytes"))
                .with(CONTENT_RANGE, format!("bytes */{size}")));
        }
    };
    let answer = Answer::new(status)
        .content(BYTES, Content::File(file, offset, length))
        .with(header::CONTENT_DIGEST, digest.to_string())
        .with(ACCEPT_RANGES, "bytes")
        .with(ETAG, tag);
    if status == StatusCode::PARTIAL_CONTENT {
        let last = offset + length.saturating_sub(1);
        return Ok(answer.with(CONTENT_RANGE, format!("bytes {offset}-{last}/{size}")));
    }
    Ok(answer)
}

/// Removes a blob that nothing needs any longer.
pub(crate) fn delete(app: &App, digest: &Digest) -> Outcome {
    match app.store.remove_blob(digest) {
        Ok(true) => Ok(Answer::new(StatusCode::ACCEPTED)),
        Ok(false) => Err(unknown(digest)),
        Err(e) if e.kind() == Kind::Conflict => {
            let message = format!("{e}: delete what needs it first");
            Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message).with(ALLOW, "GET, HEAD"))
        }
        Err(e) => Err(Refusal::ours(e)),
    }
}

/// What identifies content to caches.
pub(crate) fn etag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// Whether the client has it already.
pub(crate) fn is_known(head: &Head, tag: &str) -> bool {
    head.header(IF_NONE_MATCH).is_some_and(|known| known.split(',').any(|k| k.trim() == tag))
}

pub(crate) fn unknown(digest: &Digest) -> Refusal {
    Refusal::not_found(
        "BLOB_UNKNOWN",
        format!("blob {digest} is not here; if an image needs it, img-pull fetches it again"),
    )
}

fn missing(e: Error) -> Refusal {
    match e.kind() {
        Kind::NotFound => Refusal::not_found(
            "BLOB_UNKNOWN",
            "the blob is not here, or was dropped: img-pull fetches it again",
        ),
        _ => Refusal::ours(e),
    }
}
