//! One request: redirects, retries, time-outs, and what errors look like.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::blocking::{Body, Client, Response};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RANGE, RETRY_AFTER,
};
use reqwest::{Method, StatusCode, Url};
use types::{Context, Error, Kind, Result};

use crate::origin;

/// A registry that sends us further than this sends us in circles.
const MAX_REDIRECTS: usize = 5;
/// No message of a server is read further than this.
const MAX_MESSAGE: u64 = 64 << 10;
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
    /// Accept certificates of unknown origin.
    pub(crate) insecure: bool,
}

impl Ask<'_> {
    /// A request for what is at an address.
    pub(crate) const fn get(url: Url, insecure: bool) -> Self {
        Self {
            method: Method::GET,
            url,
            content: None,
            accept: "*/*",
            from: 0,
            authorization: None,
            insecure,
        }
    }
}

/// Makes requests.
#[derive(Debug)]
pub(crate) struct Http {
    user_agent: String,
    patience: Patience,
    /// Made when they are first needed: most pulls need one, and each reads the system's roots.
    clients: Mutex<HashMap<Manner, Client>>,
}

/// How a host is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Manner {
    /// Certificates of unknown origin are accepted.
    insecure: bool,
    /// No proxy reaches this machine's own ports.
    direct: bool,
}

impl Http {
    pub(crate) fn new(user_agent: &str, patience: Patience) -> Self {
        // Fails if one is installed already, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        Self { user_agent: user_agent.to_owned(), patience, clients: Mutex::default() }
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
        let client = builder.build().map_err(|e| describe(&e).within("prepare TLS"))?;
        clients.insert(manner, client.clone());
        Ok(client)
    }

    /// Makes a request, follows redirects, and makes it again while the server says "later".
    /// Returns any other answer, also 401 and 404.
    pub(crate) fn send(&self, ask: &Ask<'_>) -> Result<Response> {
        let mut attempt = 0;
        // What carries content is begun anew by its sender: half of it may have arrived.
        let retries = if ask.content.is_some() { 0 } else { self.patience.retries };
        loop {
            let outcome = self.follow(ask);
            let wait = match &outcome {
                Ok(response) if says_later(response.status()) => {
                    retry_after(response.headers()).unwrap_or_else(|| self.pause(attempt))
                }
                Err(e) if e.kind() == Kind::TryLater => self.pause(attempt),
                _ => return outcome,
            };
            if attempt >= retries || wait > MAX_WAIT {
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
        self.patience.backoff.saturating_mul(1 << attempt.min(10)).min(MAX_WAIT)
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
        let client = self.client(Manner { insecure: ask.insecure, direct: origin::is_near(url) })?;
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
        request.send().map_err(|e| describe(&e)).with_context(|| format!("{} {}", ask.method, shown(url)))
    }
}

/// An address without its query, which may be a signature that opens the door for an hour.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
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

fn says_later(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    crate::later::wait(headers.get(RETRY_AFTER)?.to_str().ok()?, std::time::SystemTime::now())
}

/// Turns an answer that is not the wanted one into words.
pub(crate) fn refusal(response: Response) -> Error {
    refusal_of(&Method::GET, response)
}

/// The same for another method.
pub(crate) fn refusal_of(method: &Method, response: Response) -> Error {
    let status = response.status();
    let later = retry_after(response.headers());
    let url = shown(response.url());
    let kind = match status.as_u16() {
        401 | 403 => Kind::Denied,
        404 => Kind::NotFound,
        _ if says_later(status) => Kind::TryLater,
        _ => Kind::Io,
    };
    let reason = status.canonical_reason().unwrap_or("unknown status");
    let mut text = format!("{method} {url}: {} {reason}", status.as_u16());
    if let Some(message) = message_of(response) {
        text.push_str(": ");
        text.push_str(&message);
    }
    let err = Error::new(kind, text);
    match (status.as_u16(), later) {
        (429, Some(wait)) => {
            err.hint(format!("the registry limits pulls; try again in {} s", wait.as_secs()))
        }
        (429, None) => err.hint("the registry limits pulls; try again later, or log in"),
        _ => err,
    }
}

/// The first message of a registry's JSON, cut to a line.
fn message_of(response: Response) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Body {
        errors: Vec<Item>,
    }
    #[derive(serde::Deserialize)]
    struct Item {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let mut body = Vec::new();
    // A message that cannot be read is not worth an error of its own.
    response.take(MAX_MESSAGE).read_to_end(&mut body).ok()?;
    let item = serde_json::from_slice::<Body>(&body).ok()?.errors.into_iter().next()?;
    let text = if item.message.is_empty() { item.code } else { item.message };
    Some(text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect())
}

/// Turns an error of the HTTP library, whose own text is for programmers, into words: its
/// innermost cause.
pub(crate) fn describe(err: &reqwest::Error) -> Error {
    let kind = if err.is_connect() {
        Kind::Io
    } else {
        // Something broke on the way, not before it: the same request may well succeed.
        Kind::TryLater
    };
    if err.is_timeout() {
        return Error::new(
            kind,
            if err.is_connect() { "no connection in time" } else { "no answer in time" },
        )
        .hint("the host is unreachable, or a proxy or firewall is in the way");
    }
    let mut cause: &dyn std::error::Error = err;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let text = cause.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text).to_owned();
    let connect = err.is_connect();
    let named = lower_first(&text);
    let err = Error::new(kind, named);
    if connect && text.contains("lookup") {
        err.hint("check the registry's name and the network")
    } else {
        err
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
