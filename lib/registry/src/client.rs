//! The client: settings, and what is learnt about servers while it lives.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use reqwest::Url;
use types::reference::ImageRef;
use types::{Context, Error, Kind, Result};

use crate::config::{Endpoint, Registries};
use crate::credentials::Credentials;
use crate::http::{Ask, Http, Patience};
use crate::origin;
use crate::repository::Repository;

/// What a client is made from. The tool brings it: this crate reads no file and no environment.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Mirrors and locations.
    pub registries: Registries,
    /// Logins.
    pub credentials: Credentials,
    /// Longest wait for the next bytes of an answer.
    pub stall: Duration,
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
            stall: Duration::from_secs(30),
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
    pub(crate) tokens: Mutex<HashMap<(String, String), String>>,
}

impl Client {
    /// A client that has asked nobody anything yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let patience =
            Patience { stall: settings.stall, retries: settings.retries, backoff: settings.backoff };
        let http = Http::new(concat!("longshore/", env!("CARGO_PKG_VERSION")), patience);
        Self { http, settings, bases: Mutex::default(), tokens: Mutex::default() }
    }

    /// What a name may mean, in the order in which it is to be tried ([`Registries::names`]).
    ///
    /// # Errors
    /// `Invalid` if it is no name, or ambiguous where that is not allowed.
    pub fn names(&self, text: &str) -> Result<Vec<ImageRef>> {
        self.settings.registries.names(text)
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
        let base = match self.probe(&secure, endpoint.insecure) {
            Ok(()) => secure,
            Err(_) => {
                let plain = url(&format!("http://{}/", endpoint.host))?;
                self.probe(&plain, endpoint.insecure)?;
                plain
            }
        };
        if let Ok(mut bases) = self.bases.lock() {
            bases.insert(endpoint.host.clone(), base.clone());
        }
        Ok(base)
    }

    fn probe(&self, base: &Url, insecure: bool) -> Result<()> {
        let url = base.join("v2/").map_err(|e| Error::because(Kind::Invalid, "make an address", e))?;
        self.http.once_ok(&Ask::get(url, insecure))
    }
}

pub(crate) fn url(text: &str) -> Result<Url> {
    Url::parse(text)
        .map_err(|e| Error::because(Kind::Invalid, "read it", e))
        .with_context(|| format!("bad address {text:?}"))
}
