//! One repository: its manifests and blobs, from the first place that has them.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::blocking::Response;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode, Url};
use sha2::{Digest as _, Sha256};
use types::digest::Digest;
use types::oci::{DOCKER_LIST, DOCKER_MANIFEST, Descriptor, MAX_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use types::reference::ImageRef;
use types::{Context, Error, Kind, Result};

use crate::client::Client;
use crate::config::Endpoint;
use crate::http::Ask;
use crate::tokens::Use;
use crate::{challenge, origin, refusal, token};

const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+json";
const SCHEMA_1_SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// A repository of images, at one or several places.
#[derive(Debug)]
pub struct Repository<'c> {
    client: &'c Client,
    image: ImageRef,
    endpoints: Vec<Endpoint>,
    /// The place that had the manifest is asked first for the rest.
    preferred: AtomicUsize,
}

/// A manifest or index: bytes whose digest is known.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The document, byte for byte.
    pub content: Vec<u8>,
    /// What the registry says it is; empty if it does not say.
    pub media_type: String,
    /// The digest of `content`.
    pub digest: Digest,
}

/// The bytes of a blob, not verified yet.
#[derive(Debug)]
pub struct Blob {
    /// Where in the blob `read` begins: where it was asked to, or 0 if the server cannot.
    pub start: u64,
    body: Response,
}

impl Read for Blob {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.body.read(buf)
    }
}

impl<'c> Repository<'c> {
    pub(crate) const fn new(client: &'c Client, image: ImageRef, endpoints: Vec<Endpoint>) -> Self {
        Self { client, image, endpoints, preferred: AtomicUsize::new(0) }
    }

    /// Fetches what the tag or digest of the image leads to.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `TryLater`; `Corrupt` if it has another digest than was asked for.
    pub fn resolve(&self) -> Result<Fetched> {
        let wanted = self.image.digest();
        let version =
            wanted.map_or_else(|| self.image.tag().unwrap_or_default().to_owned(), |d| d.to_string());
        self.any(|endpoint| {
            self.manifest_at(endpoint, &version, wanted).map_err(|e| match e.kind() {
                Kind::NotFound => {
                    e.hint(format!("{:?} is not there; check name and tag", self.image.familiar()))
                }
                _ => e,
            })
        })
    }

    /// Fetches a manifest that an index points at.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn manifest(&self, descriptor: &Descriptor) -> Result<Fetched> {
        let digest = descriptor.digest;
        if descriptor.size > MAX_MANIFEST {
            return Err(too_large());
        }
        let fetched = self.any(|endpoint| self.manifest_at(endpoint, &digest.to_string(), Some(digest)))?;
        if fetched.content.len() as u64 == descriptor.size {
            return Ok(fetched);
        }
        Err(Error::new(
            Kind::Corrupt,
            format!("manifest {digest} has {} bytes, {} announced", fetched.content.len(), descriptor.size),
        ))
    }

    /// Opens a blob at a position.
    ///
    /// # Errors
    /// As [`Self::resolve`]; whether the bytes are right is for the reader to verify.
    pub fn blob(&self, descriptor: &Descriptor, from: u64) -> Result<Blob> {
        let what = format!("blobs/{}", descriptor.digest);
        self.any(|endpoint| {
            let response = self.get(endpoint, &what, "*/*", from)?;
            match response.status() {
                StatusCode::OK => Ok(Blob { start: 0, body: response }),
                StatusCode::PARTIAL_CONTENT if range_start(&response) == Some(from) => {
                    Ok(Blob { start: from, body: response })
                }
                // A range that is not the wanted one, or none: the whole is never wrong.
                StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => {
                    let response = self.get(endpoint, &what, "*/*", 0)?;
                    match response.status() {
                        StatusCode::OK => Ok(Blob { start: 0, body: response }),
                        _ => Err(refusal::refusal(response)),
                    }
                }
                _ => Err(refusal::refusal(response)),
            }
        })
    }

    /// The digest that the registry has under the tag, without its manifest; `None` if it does not say.
    /// Registries that count pulls count manifests that are fetched, not this.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn digest(&self) -> Result<Option<(Digest, String)>> {
        let version = self.image.tag().unwrap_or_default();
        self.any(|endpoint| {
            let url = self.url(endpoint, &format!("manifests/{version}"))?;
            let ask = Ask { method: Method::HEAD, accept: &accept(), ..Ask::get(url, endpoint) };
            let response = self.ask(endpoint, &ask)?;
            match response.status() {
                StatusCode::OK => Ok(announced(&response).zip(media_type_of(&response).ok())),
                // What a server does not do is done by the ordinary question, which also says why not.
                _ => Ok(None),
            }
        })
    }

    fn manifest_at(&self, endpoint: &Endpoint, version: &str, wanted: Option<Digest>) -> Result<Fetched> {
        let response = self.get(endpoint, &format!("manifests/{version}"), &accept(), 0)?;
        if response.status() != StatusCode::OK {
            return Err(refusal::refusal(response));
        }
        let media_type = media_type_of(&response)?;
        let announced = announced(&response);
        if response.content_length().is_some_and(|length| length > MAX_MANIFEST) {
            return Err(too_large());
        }
        let content = self.read(response, MAX_MANIFEST, "the manifest")?;
        let digest = Digest::from_bytes(Sha256::digest(&content).into());
        match wanted.or(announced) {
            Some(expected) if expected != digest => {
                Err(Error::new(Kind::Corrupt, format!("the manifest has digest {digest}, not {expected}"))
                    .hint(
                        "the registry, or something on the way to it, sent other content than was asked for",
                    ))
            }
            _ => Ok(Fetched { content, media_type, digest }),
        }
    }

    /// Reads a document to its end.
    pub(crate) fn read(&self, response: Response, max: u64, what: &'static str) -> Result<Vec<u8>> {
        self.client.http.read(response, max, what)
    }

    /// Asks one place after the other, beginning with the preferred one.
    pub(crate) fn any<T>(&self, ask: impl Fn(&Endpoint) -> Result<T>) -> Result<T> {
        let count = self.endpoints.len();
        let first = self.preferred.load(Ordering::Relaxed);
        let mut refusals: Vec<Error> = Vec::new();
        for at in (first..count).chain(0..first.min(count)) {
            let Some(endpoint) = self.endpoints.get(at) else { continue };
            match ask(endpoint) {
                Ok(found) => {
                    self.preferred.store(at, Ordering::Relaxed);
                    return Ok(found);
                }
                Err(err) => refusals.push(err.within(format!("ask {}", endpoint.host))),
            }
        }
        // The registry itself is asked last; what its mirrors said before may explain more.
        let last = refusals.pop().unwrap_or_else(|| Error::new(Kind::NotFound, "no place to ask"));
        if refusals.is_empty() {
            return Err(last);
        }
        let said: Vec<String> = refusals.iter().map(types::error::chain).collect();
        Err(last.within("fetch it").hint(format!("before that: {}", said.join("; "))))
    }

    fn get(&self, endpoint: &Endpoint, what: &str, accept: &str, from: u64) -> Result<Response> {
        let url = self.url(endpoint, what)?;
        self.ask(endpoint, &Ask { accept, from, ..Ask::get(url, endpoint) })
    }

    /// The address of something in this repository.
    pub(crate) fn url(&self, endpoint: &Endpoint, what: &str) -> Result<Url> {
        self.client
            .base(endpoint)?
            .join(&format!("v2/{}/{what}", endpoint.path))
            .map_err(|e| Error::because(Kind::Invalid, "make an address", e))
    }

    /// Asks one place, with a login if it wants one. A token that has ended is renewed once.
    pub(crate) fn ask(&self, endpoint: &Endpoint, ask: &Ask<'_>) -> Result<Response> {
        let base = self.client.base(endpoint)?;
        // Another host than the registry's has no business with its credentials.
        let own = origin::same(&base, &ask.url);
        let what = Use::new(&base, &endpoint.path, &ask.method);
        let login = || token::login_for(self.client, endpoint).ok().flatten();
        let known = if own { self.client.tokens.get(&what, login) } else { None };
        let send = |authorization: Option<&str>| self.client.http.send(&Ask { authorization, ..ask.clone() });
        let response = send(known.as_deref())?;
        if response.status() != StatusCode::UNAUTHORIZED || !own {
            return Ok(response);
        }
        let asked = response.headers().get_all(WWW_AUTHENTICATE);
        let Some(challenge) = challenge::parse(asked.iter().filter_map(|v| v.to_str().ok())) else {
            return Ok(response);
        };
        let fresh = token::authorize(self.client, endpoint, &base, &challenge).context("log in")?;
        let Some(fresh) = fresh else {
            return Err(refusal::refusal_of(&ask.method, response)
                .hint(format!("it wants a login: reg-login {}", self.image.domain())));
        };
        let response = send(Some(&fresh.header))?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(refusal::refusal_of(&ask.method, response)
                .hint("the image does not exist, or the login does not suffice for it (see reg-login)"));
        }
        self.client.tokens.put(what, &fresh, login());
        Ok(response)
    }

    /// A blob that brings nearly nothing for so long is given up.
    #[must_use]
    pub fn crawl(&self) -> std::time::Duration {
        self.client.settings.crawl
    }

    /// How often something is begun anew.
    pub(crate) fn retries(&self) -> u32 {
        self.client.settings.retries
    }

    /// The wait before that.
    pub(crate) fn backoff(&self) -> std::time::Duration {
        self.client.settings.backoff
    }

    /// The place that an image is pushed to: the registry itself, no mirror of it.
    pub(crate) fn home(&self) -> Result<&Endpoint> {
        self.endpoints.last().ok_or_else(|| Error::new(Kind::NotFound, "no place to push to"))
    }
}

/// All that a tag may lead to.
fn accept() -> String {
    format!("{OCI_INDEX}, {OCI_MANIFEST}, {DOCKER_LIST}, {DOCKER_MANIFEST}")
}

fn announced(response: &Response) -> Option<Digest> {
    response.headers().get("docker-content-digest")?.to_str().ok()?.parse().ok()
}

fn too_large() -> Error {
    Error::new(Kind::Invalid, format!("the manifest is larger than {} MiB", MAX_MANIFEST >> 20))
}

/// Servers that know no better say JSON or bytes; then the document speaks for itself.
fn media_type_of(response: &Response) -> Result<String> {
    let header = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    match header.split(';').next().unwrap_or_default().trim() {
        "" | "application/json" | "application/octet-stream" | "text/plain" => Ok(String::new()),
        known @ (OCI_MANIFEST | OCI_INDEX | DOCKER_MANIFEST | DOCKER_LIST) => Ok(known.to_owned()),
        SCHEMA_1 | SCHEMA_1_SIGNED => {
            Err(Error::new(Kind::Unsupported, "the manifest is of Docker's schema 1")
                .hint("push the image again with a tool of this decade: schema 1 cannot be verified whole"))
        }
        other => Err(Error::new(Kind::Unsupported, format!("the manifest is of type {other:?}"))),
    }
}

fn range_start(response: &Response) -> Option<u64> {
    let value = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    value.trim().strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}
