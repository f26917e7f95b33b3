//! Sending an image: blobs that the registry lacks, then the manifest (distribution spec, "Push").

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use reqwest::blocking::{Body, Response};
use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode, Url};
use types::digest::Digest;
use types::oci::Descriptor;
use types::{Context, Error, Kind, Result};

use crate::http::{Ask, Content};
use crate::repository::Repository;
use crate::{origin, refusal};

const BYTES: &str = "application/octet-stream";

/// What became of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The repository had it.
    Exists,
    /// It was taken from another repository of the registry.
    Mounted,
    /// It was sent.
    Sent,
}

/// An answer to the question for a place to send a blob to.
enum Place {
    Mounted,
    Upload(Url),
}

impl Repository<'_> {
    /// Makes sure that a blob is in the repository. `open` gives its content; `others` are repositories of
    /// the same registry that may have it; with `chunk` it is sent in pieces of that size.
    ///
    /// # Errors
    /// `Denied`, `TryLater` and those of the network; `Corrupt` if the registry takes it for another one.
    pub fn send_blob(
        &self,
        blob: &Descriptor,
        open: &dyn Fn() -> Result<File>,
        others: &[String],
        chunk: Option<u64>,
    ) -> Result<Sent> {
        if self.has_blob(&blob.digest)? {
            return Ok(Sent::Exists);
        }
        for other in others {
            // A registry that does not know how, or does not let us, begins an upload instead, which
            // it forgets by itself.
            if matches!(self.begin(&blob.digest, Some(other))?, Place::Mounted) {
                return Ok(Sent::Mounted);
            }
        }
        let mut attempt = 0;
        loop {
            match self.upload(blob, open, chunk) {
                Err(e) if e.kind() == Kind::TryLater && attempt < self.retries() => {
                    attempt += 1;
                    std::thread::sleep(self.backoff() * attempt);
                }
                other => return other.map(|()| Sent::Sent),
            }
        }
    }

    /// Gives a manifest its tag, or without one only its digest.
    ///
    /// # Errors
    /// As [`Repository::send_blob`].
    pub fn send_manifest(&self, tag: Option<&str>, manifest: &Descriptor, content: &[u8]) -> Result<()> {
        let version = tag.map_or_else(|| manifest.digest.to_string(), str::to_owned);
        let url = self.url(self.home()?, &format!("manifests/{version}"))?;
        let bytes = content.to_vec();
        let open = || Ok(Body::from(bytes.clone()));
        let size = content.len() as u64;
        let content = Content { media_type: &manifest.media_type, range: None, size, open: &open };
        let response = self.tell(Method::PUT, url, Some(content))?;
        if response.status() != StatusCode::CREATED {
            return Err(refusal::refusal_of(&Method::PUT, response));
        }
        let told: Option<Digest> =
            response.headers().get("docker-content-digest").and_then(|v| v.to_str().ok()?.parse().ok());
        match told {
            Some(other) if other != manifest.digest => {
                Err(Error::new(Kind::Corrupt, format!("the registry has the manifest as {other}")))
            }
            _ => Ok(()),
        }
    }

    fn has_blob(&self, digest: &Digest) -> Result<bool> {
        let url = self.url(self.home()?, &format!("blobs/{digest}"))?;
        let response = self.tell(Method::HEAD, url, None)?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(refusal::refusal_of(&Method::HEAD, response)),
        }
    }

    fn begin(&self, digest: &Digest, from: Option<&str>) -> Result<Place> {
        let mut url = self.url(self.home()?, "blobs/uploads/")?;
        if let Some(from) = from {
            url.query_pairs_mut().append_pair("mount", &digest.to_string()).append_pair("from", from);
        }
        let response = self.tell(Method::POST, url.clone(), None)?;
        match response.status() {
            StatusCode::CREATED if from.is_some() => Ok(Place::Mounted),
            StatusCode::ACCEPTED => next_place(&url, &response).map(Place::Upload),
            _ => Err(refusal::refusal_of(&Method::POST, response)),
        }
    }

    fn upload(&self, blob: &Descriptor, open: &dyn Fn() -> Result<File>, chunk: Option<u64>) -> Result<()> {
        let Place::Upload(mut url) = self.begin(&blob.digest, None)? else {
            return Err(Error::new(Kind::Invalid, "the registry answers what was not asked"));
        };
        let (mut at, piece) = (0, chunk.unwrap_or(u64::MAX).max(1));
        // The last piece goes with the request that ends the upload; of a small blob it is the only one.
        while blob.size - at > piece {
            url = self.patch(&url, open, (at, piece))?;
            at += piece;
        }
        url.query_pairs_mut().append_pair("digest", &blob.digest.to_string());
        let rest = blob.size - at;
        let body = || body(open, at, rest);
        let range = (at > 0).then(|| (at, at + rest.saturating_sub(1)));
        let content = Content { media_type: BYTES, range, size: rest, open: &body };
        let response = self.tell(Method::PUT, url, Some(content))?;
        match response.status() {
            StatusCode::CREATED => Ok(()),
            _ => Err(refusal::refusal_of(&Method::PUT, response)),
        }
    }

    fn patch(&self, url: &Url, open: &dyn Fn() -> Result<File>, (at, size): (u64, u64)) -> Result<Url> {
        let body = || body(open, at, size);
        let range = Some((at, at + size - 1));
        let content = Content { media_type: BYTES, range, size, open: &body };
        let response = self.tell(Method::PATCH, url.clone(), Some(content))?;
        match response.status() {
            StatusCode::ACCEPTED => next_place(url, &response),
            _ => Err(refusal::refusal_of(&Method::PATCH, response)),
        }
    }

    fn tell(&self, method: Method, url: Url, content: Option<Content<'_>>) -> Result<Response> {
        let home = self.home()?;
        self.ask(home, &Ask { method, content, ..Ask::get(url, home) })
            .with_context(|| format!("ask {}", home.host))
    }
}

/// A piece of a blob.
fn body(open: &dyn Fn() -> Result<File>, at: u64, size: u64) -> Result<Body> {
    let mut file = open()?;
    file.seek(SeekFrom::Start(at)).context("read a blob")?;
    Ok(Body::sized(file.take(size), size))
}

/// Where an upload goes on. It may be another server, which gets no credentials, but none nearer to us.
fn next_place(from: &Url, response: &Response) -> Result<Url> {
    let next = response
        .headers()
        .get(LOCATION)
        .and_then(|l| from.join(l.to_str().ok()?).ok())
        .ok_or_else(|| Error::new(Kind::Invalid, "the registry says not where to send it to"))?;
    if !origin::same(from, &next) {
        origin::check_redirect(from, &next)?;
    }
    Ok(next)
}
