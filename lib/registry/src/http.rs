//! One request: redirects, retries, time-outs, and what errors look like.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::blocking::{Client, Response};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RANGE, RETRY_AFTER};
use reqwest::{StatusCode, Url};
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

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Get<'a> {
    pub(crate) url: Url,
    pub(crate) accept: &'a str,
    /// The first byte that is wanted.
    pub(crate) from: u64,
    pub(crate) authorization: Option<&'a str>,
    /// Accept certificates of unknown origin.
    pub(crate) insecure: bool,
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
    pub(crate) fn get(&self, get: &Get<'_>) -> Result<Response> {
        let mut attempt = 0;
        loop {
            let outcome = self.follow(get);
            let wait = match &outcome {
                Ok(response) if says_later(response.status()) => {
                    retry_after(response.headers()).unwrap_or_else(|| self.pause(attempt))
                }
                Err(e) if e.kind() == Kind::TryLater => self.pause(attempt),
                _ => return outcome,
            };
            if attempt >= self.patience.retries || wait > MAX_WAIT {
                return outcome;
            }
            attempt += 1;
            std::thread::sleep(wait);
        }
    }

    /// Whether a server answers at all, whatever it says.
    pub(crate) fn once_ok(&self, get: &Get<'_>) -> Result<()> {
        self.once(get, &get.url, None).map(drop)
    }

    fn pause(&self, attempt: u32) -> Duration {
        self.patience.backoff.saturating_mul(1 << attempt.min(10)).min(MAX_WAIT)
    }

    fn follow(&self, get: &Get<'_>) -> Result<Response> {
        let mut url = get.url.clone();
        let mut hops = 0;
        loop {
            // Credentials are bound to the origin that was asked; a redirect takes none along.
            let authorization = get.authorization.filter(|_| origin::same(&url, &get.url));
            let response = self.once(get, &url, authorization)?;
            let Some(location) = redirect_of(&response) else { return Ok(response) };
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
                    format!("{} redirects more than {MAX_REDIRECTS} times", get.url),
                ));
            }
            url = next;
        }
    }

    fn once(&self, get: &Get<'_>, url: &Url, authorization: Option<&str>) -> Result<Response> {
        let client = self.client(Manner { insecure: get.insecure, direct: origin::is_near(url) })?;
        let mut request = client.get(url.clone()).header(ACCEPT, get.accept);
        if get.from > 0 {
            request = request.header(RANGE, format!("bytes={}-", get.from));
        }
        if let Some(secret) = authorization {
            let mut value = HeaderValue::from_str(secret)
                .map_err(|_| Error::new(Kind::Invalid, "credentials that fit in no header"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request.send().map_err(|e| describe(&e)).with_context(|| format!("GET {}", shown(url)))
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
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Turns an answer that is not the wanted one into words.
pub(crate) fn refusal(response: Response) -> Error {
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
    let mut text = format!("GET {url}: {} {reason}", status.as_u16());
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
