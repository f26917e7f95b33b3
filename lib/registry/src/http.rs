//! One request: redirects, retries, time-outs, and what errors look like.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::blocking::{Body, Client, Response};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
    RANGE, RETRY_AFTER,
};
use reqwest::{Method, StatusCode, Url};
use types::{Context, Error, Kind, Result};

use crate::certs::{self, Certificates};
use crate::config::Endpoint;
use crate::origin;
use crate::rate::RateLimit;
use crate::refusal::{describe, shown};

/// A registry that sends us further than this sends us in circles.
const MAX_REDIRECTS: usize = 5;
/// A server that wants to be left alone for longer is told to the user instead.
const MAX_WAIT: Duration = Duration::from_secs(20);
/// For names, routes and TLS; a host that does not answer is unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes a second below which an upload is given up.
const SLOWEST: u64 = 32 << 10;

/// How patient requests are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Longest wait for the next bytes.
    pub(crate) stall: Duration,
    /// How often a refused request is made again.
    pub(crate) retries: u32,
    /// Wait before the first retry; doubles each time.
    pub(crate) backoff: Duration,
    /// Longest time for a request with all its repetitions.
    pub(crate) budget: Duration,
    /// Longest time for the whole of a document.
    pub(crate) document: Duration,
}

/// What is sent with a request.
#[derive(Clone, Copy)]
pub(crate) struct Content<'a> {
    pub(crate) media_type: &'a str,
    /// Where in a blob it belongs: its first and its last byte.
    pub(crate) range: Option<(u64, u64)>,
    pub(crate) size: u64,
    /// Opens it, each time that it is sent.
    pub(crate) open: &'a dyn Fn() -> Result<Body>,
}

impl std::fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").field("size", &self.size).finish_non_exhaustive()
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) content: Option<Content<'a>>,
    pub(crate) accept: &'a str,
    /// The first byte that is wanted.
    pub(crate) from: u64,
    pub(crate) authorization: Option<&'a str>,
    /// For whom it is: certificates are those of this registry.
    pub(crate) site: &'a Endpoint,
}

impl<'a> Ask<'a> {
    /// A request for what is at an address.
    pub(crate) const fn get(url: Url, site: &'a Endpoint) -> Self {
        Self { method: Method::GET, url, content: None, accept: "*/*", from: 0, authorization: None, site }
    }
}

/// Makes requests.
#[derive(Debug)]
pub(crate) struct Http {
    user_agent: String,
    patience: Patience,
    /// Directories of certificates.
    certificates: Vec<PathBuf>,
    /// Made when they are first needed: most pulls need one, and each reads the system's roots.
    clients: Mutex<HashMap<Manner, Client>>,
    rate_limit: Mutex<Option<RateLimit>>,
}

/// How a host is spoken to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Manner {
    /// Certificates of unknown origin are accepted.
    insecure: bool,
    /// No proxy reaches this machine's own ports.
    direct: bool,
    /// A directory of certificates, and whether it is that of the host itself.
    certificates: Option<(PathBuf, bool)>,
}

impl Http {
    pub(crate) fn new(user_agent: &str, patience: Patience, certificates: Vec<PathBuf>) -> Self {
        // Fails if one is installed already, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        Self {
            user_agent: user_agent.to_owned(),
            patience,
            certificates,
            clients: Mutex::default(),
            rate_limit: Mutex::default(),
        }
    }

    fn client(&self, manner: Manner) -> Result<Client> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&manner) {
            return Ok(client.clone());
        }
        let mut builder = Client::builder()
            .user_agent(&self.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            // Of the blocking client, for each wait and not for the whole.
            .timeout(self.patience.stall)
            .tcp_nodelay(true)
            .tls_danger_accept_invalid_certs(manner.insecure);
        if manner.direct {
            builder = builder.no_proxy();
        }
        if let Some((dir, own)) = &manner.certificates {
            builder = Certificates::read(dir)?.apply(builder, *own);
        }
        let client = builder.build().map_err(|e| describe(&e).within("prepare TLS"))?;
        clients.insert(manner, client.clone());
        Ok(client)
    }

    /// How an address is spoken to: by the certificates for its host, or else by the authorities of the
    /// registry that led to it, which often signed its token server, too.
    fn manner(&self, ask: &Ask<'_>, url: &Url) -> Manner {
        let own = certs::directory(&self.certificates, &host_of(url)).map(|dir| (dir, true));
        let or = || certs::directory(&self.certificates, &ask.site.host).map(|dir| (dir, false));
        let certificates = if url.scheme() == "https" { own.or_else(or) } else { None };
        Manner { insecure: ask.site.insecure, direct: origin::is_near(url), certificates }
    }

    /// Makes a request, follows redirects, and makes it again while the server says "later".
    /// Returns any other answer, also 401 and 404.
    pub(crate) fn send(&self, ask: &Ask<'_>) -> Result<Response> {
        let (mut attempt, begun) = (0, Instant::now());
        // What carries content is begun anew by its sender: half of it may have arrived.
        let retries = if ask.content.is_some() { 0 } else { self.patience.retries };
        loop {
            let outcome = self.follow(ask);
            let wait = match &outcome {
                Ok(response) if says_later(response.status()) => {
                    retry_after(response.headers()).map_or_else(|| self.pause(attempt), a_little_more)
                }
                Err(e) if e.kind() == Kind::TryLater => self.pause(attempt),
                _ => return outcome,
            };
            let spent = begun.elapsed().saturating_add(wait) > self.patience.budget;
            if attempt >= retries || wait > MAX_WAIT || spent {
                return outcome;
            }
            attempt += 1;
            std::thread::sleep(wait);
        }
    }

    /// Whether a server answers at all, whatever it says.
    pub(crate) fn once_ok(&self, ask: &Ask<'_>) -> Result<()> {
        self.once(ask, &ask.url, None).map(drop)
    }

    fn pause(&self, attempt: u32) -> Duration {
        a_little_more(self.patience.backoff.saturating_mul(1 << attempt.min(10))).min(MAX_WAIT)
    }

    /// What the registry that answered last has said about its limit.
    pub(crate) fn rate_limit(&self) -> Option<RateLimit> {
        *self.rate_limit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a document to its end, which comes in time and before `max` bytes, or not at all.
    pub(crate) fn read(&self, mut response: Response, max: u64, what: &'static str) -> Result<Vec<u8>> {
        // Nothing was asked to compress, and what expands on arrival has no length that could be trusted.
        if let Some(coding) = response.headers().get(CONTENT_ENCODING).filter(|c| *c != "identity") {
            return Err(Error::new(Kind::Unsupported, format!("{what} is encoded as {coding:?}")));
        }
        let (mut content, begun) = (Vec::new(), Instant::now());
        let mut piece = vec![0; 64 << 10];
        loop {
            let n = match response.read(&mut piece) {
                Ok(0) => return Ok(content),
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Error::because(Kind::TryLater, format!("read {what}"), e)),
            };
            content.extend_from_slice(piece.get(..n).unwrap_or_default());
            if content.len() as u64 > max {
                return Err(Error::new(Kind::Invalid, format!("{what} is larger than {} MiB", max >> 20)));
            }
            if begun.elapsed() > self.patience.document {
                return Err(Error::new(Kind::TryLater, format!("{what} does not come to its end in time")));
            }
        }
    }

    /// The longest wait for the answer to so much content, on a line that is slow but alive.
    fn time_for(&self, size: u64) -> Duration {
        self.patience.stall.saturating_add(Duration::from_secs(size / SLOWEST))
    }

    fn follow(&self, ask: &Ask<'_>) -> Result<Response> {
        let mut url = ask.url.clone();
        let mut hops = 0;
        loop {
            // Credentials are bound to the origin that was asked; a redirect takes none along.
            let authorization = ask.authorization.filter(|_| origin::same(&url, &ask.url));
            let response = self.once(ask, &url, authorization)?;
            // What changes something is meant for the one that was asked.
            let read = matches!(ask.method, Method::GET | Method::HEAD);
            let Some(location) = redirect_of(&response).filter(|_| read) else { return Ok(response) };
            let next = location
                .to_str()
                .ok()
                .and_then(|l| url.join(l).ok())
                .ok_or_else(|| Error::new(Kind::Invalid, format!("{url} redirects to a bad address")))?;
            origin::check_redirect(&url, &next)?;
            hops += 1;
            if hops > MAX_REDIRECTS {
                return Err(Error::new(
                    Kind::Invalid,
                    format!("{} redirects more than {MAX_REDIRECTS} times", ask.url),
                ));
            }
            url = next;
        }
    }

    fn once(&self, ask: &Ask<'_>, url: &Url, authorization: Option<&str>) -> Result<Response> {
        let client = self.client(self.manner(ask, url))?;
        let mut request = client.request(ask.method.clone(), url.clone()).header(ACCEPT, ask.accept);
        if ask.from > 0 {
            request = request.header(RANGE, format!("bytes={}-", ask.from));
        }
        if let Some(secret) = authorization {
            let mut value = HeaderValue::from_str(secret)
                .map_err(|_| Error::new(Kind::Invalid, "credentials that fit in no header"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if let Some(content) = ask.content {
            request = request.header(CONTENT_TYPE, content.media_type).timeout(self.time_for(content.size));
            if let Some((first, last)) = content.range {
                request = request.header(CONTENT_RANGE, format!("{first}-{last}"));
            }
            request = request.body((content.open)()?);
        }
        let what = || format!("{} {}", ask.method, shown(url));
        let response = request.send().map_err(|e| describe(&e)).with_context(what)?;
        if let Some(said) = crate::rate::of(response.headers())
            && let Ok(mut known) = self.rate_limit.lock()
        {
            *known = Some(said);
        }
        Ok(response)
    }
}

/// `HOST[:PORT]`, as people write it.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A wait with up to a quarter more, so that those who were refused together do not come back together.
fn a_little_more(wait: Duration) -> Duration {
    // Each has keys of its own from the system's random numbers.
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish() % 256;
    wait.saturating_add(wait.saturating_mul(u32::try_from(random).unwrap_or_default()) / 1024)
}

fn redirect_of(response: &Response) -> Option<&HeaderValue> {
    match response.status() {
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => response.headers().get(LOCATION),
        _ => None,
    }
}

pub(crate) fn says_later(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    crate::later::wait(headers.get(RETRY_AFTER)?.to_str().ok()?, std::time::SystemTime::now())
}
