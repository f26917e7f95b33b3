//! The client: settings, and what is learnt about servers while it lives.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use reqwest::Url;
use types::reference::ImageRef;
use types::{Context, Error, Kind, Result};

use crate::config::{Endpoint, Registries};
use crate::credentials::Credentials;
use crate::http::{Ask, Http, Patience};
use crate::origin;
use crate::rate::RateLimit;
use crate::repository::Repository;
use crate::tokens::Tokens;

/// What a client is made from. The tool brings it: this crate reads no file and no environment.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Mirrors and locations.
    pub registries: Registries,
    /// Logins.
    pub credentials: Credentials,
    /// Directories of certificates (containers-certs.d(5)).
    pub certificates: Vec<PathBuf>,
    /// Where tokens are kept for the next process.
    pub tokens: Option<PathBuf>,
    /// Longest wait for the next bytes of an answer.
    pub stall: Duration,
    /// Longest time for the whole of a document, however steadily it drips.
    pub document: Duration,
    /// A blob that brings nearly nothing for so long is given up.
    pub crawl: Duration,
    /// Longest time for one question with all its repetitions.
    pub budget: Duration,
    /// How often a request is made again when the server says "later".
    pub retries: u32,
    /// Wait before the first retry; doubles each time.
    pub backoff: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            registries: Registries::default(),
            credentials: Credentials::default(),
            certificates: Vec::new(),
            tokens: None,
            stall: Duration::from_secs(30),
            document: Duration::from_secs(60),
            crawl: Duration::from_secs(60),
            budget: Duration::from_secs(120),
            retries: 4,
            backoff: Duration::from_millis(500),
        }
    }
}

/// Asks registries. Can be shared by threads.
#[derive(Debug)]
pub struct Client {
    pub(crate) http: Http,
    pub(crate) settings: Settings,
    /// Where each host really answers: over TLS or not.
    bases: Mutex<HashMap<String, Url>>,
    /// `Authorization` by origin and repository.
    pub(crate) tokens: Tokens,
}

impl Client {
    /// A client that has asked nobody anything yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let patience = Patience {
            stall: settings.stall,
            retries: settings.retries,
            backoff: settings.backoff,
            budget: settings.budget,
            document: settings.document,
        };
        let tokens = Tokens::new(settings.tokens.clone());
        let http = Http::new(
            concat!("longshore/", env!("CARGO_PKG_VERSION")),
            patience,
            settings.certificates.clone(),
        );
        Self { http, settings, bases: Mutex::default(), tokens }
    }

    /// What a name may mean, in the order in which it is to be tried ([`Registries::names`]).
    ///
    /// # Errors
    /// `Invalid` if it is no name, or ambiguous where that is not allowed.
    pub fn names(&self, text: &str) -> Result<Vec<ImageRef>> {
        self.settings.registries.names(text)
    }

    /// What the registry that answered last has said about its limit of pulls.
    #[must_use]
    pub fn rate_limit(&self) -> Option<RateLimit> {
        self.http.rate_limit()
    }

    /// The repository of an image, wherever the configuration says it is.
    ///
    /// # Errors
    /// `Denied` if it is blocked.
    pub fn repository(&self, image: &ImageRef) -> Result<Repository<'_>> {
        Ok(Repository::new(self, image.clone(), self.settings.registries.endpoints(image)?))
    }

    /// The address of a host. TLS is asked for first; without it only this machine, and what was
    /// configured as insecure, is spoken to: nothing else falls back to plain HTTP.
    pub(crate) fn base(&self, endpoint: &Endpoint) -> Result<Url> {
        let secure = url(&format!("https://{}/", endpoint.host))?;
        if !endpoint.insecure && !origin::is_loopback(&endpoint.host) {
            return Ok(secure);
        }
        let known = |bases: &HashMap<String, Url>| bases.get(&endpoint.host).cloned();
        if let Some(base) = self.bases.lock().ok().and_then(|b| known(&b)) {
            return Ok(base);
        }
        let base = match self.probe(&secure, endpoint) {
            Ok(()) => secure,
            Err(_) => {
                let plain = url(&format!("http://{}/", endpoint.host))?;
                self.probe(&plain, endpoint)?;
                plain
            }
        };
        if let Ok(mut bases) = self.bases.lock() {
            bases.insert(endpoint.host.clone(), base.clone());
        }
        Ok(base)
    }

    fn probe(&self, base: &Url, endpoint: &Endpoint) -> Result<()> {
        let url = base.join("v2/").map_err(|e| Error::because(Kind::Invalid, "make an address", e))?;
        self.http.once_ok(&Ask::get(url, endpoint))
    }
}

pub(crate) fn url(text: &str) -> Result<Url> {
    Url::parse(text)
        .map_err(|e| Error::because(Kind::Invalid, "read it", e))
        .with_context(|| format!("bad address {text:?}"))
}
