//! Searching a registry: by the search of Docker Hub (its API of version 1, which others have too), or, where
//! there is none, in the names that the registry lists (`_catalog`, an extension of the distribution spec).

use std::collections::BTreeSet;

use reqwest::{StatusCode, Url};
use serde::Deserialize;
use types::reference::ImageRef;
use types::{Context, Error, Kind, Result};

use crate::client::Client;
use crate::config::Endpoint;
use crate::http::Ask;
use crate::repository::Repository;
use crate::{pages, refusal};

/// No page of results is larger.
const MAX_PAGE: u64 = 4 << 20;
/// No registry has more; a list that does not end ends here.
const MAX_NAMES: usize = 1 << 18;
/// Names that we ask for at once.
const PAGE: &str = "1000";

/// Where Docker Hub serves images, and where it searches.
const HUB: (&str, &str) = ("registry-1.docker.io", "index.docker.io");

/// A repository that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name, which can be pulled.
    pub repository: ImageRef,
    /// What its owner says of it, as it was sent; empty where the registry keeps no such words.
    pub description: String,
    /// How many people like it, if the registry counts them.
    pub stars: Option<u64>,
    /// Whether Docker Hub vouches for it.
    pub official: bool,
}

#[derive(Deserialize)]
struct Results {
    results: Vec<Hit>,
}

/// A result, as version 1 of the API writes it.
#[derive(Deserialize)]
struct Hit {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    star_count: u64,
    #[serde(default)]
    is_official: bool,
}

#[derive(Deserialize)]
struct Catalog {
    #[serde(default)]
    repositories: Option<Vec<String>>,
}

/// What is searched for, and where.
struct Search<'s> {
    domain: &'s str,
    term: &'s str,
    limit: usize,
}

impl Client {
    /// Searches the registry `domain` for `term`: at most `limit` repositories, in the order of the registry.
    /// Mirrors are not asked; a registry that the configuration puts elsewhere is.
    ///
    /// # Errors
    /// `Denied` if it is blocked or wants a login; `NotFound` if it has no search; `Invalid` if what it
    /// answers are no repositories.
    pub fn search(&self, domain: &str, term: &str, limit: usize) -> Result<Vec<Found>> {
        let what = Search { domain, term, limit };
        let any: ImageRef = format!("{domain}/x").parse()?;
        let mut endpoint = self.settings.registries.endpoints(&any)?;
        let endpoint = endpoint.pop().ok_or_else(|| Error::new(Kind::NotFound, "no place to ask"))?;
        let within = endpoint.path.strip_suffix(any.path()).unwrap_or_default().to_owned();
        let hub = endpoint.host == HUB.0;
        let endpoint = if hub { Endpoint { host: HUB.1.to_owned(), ..endpoint } } else { endpoint };
        // Tokens are kept for what they are good for: this one is for no repository.
        let endpoint = Endpoint { path: String::new(), ..endpoint };
        let registry = Repository::new(self, any, vec![endpoint.clone()]);
        let ask = || match self.by_term(&registry, &endpoint, &what)? {
            Some(found) => Ok(found),
            None if hub => Err(Error::new(Kind::NotFound, "its search is not there")),
            None => self.by_name(&registry, &endpoint, &what, &within),
        };
        ask().with_context(|| format!("ask {}", endpoint.host))
    }

    /// Where a term without a registry is searched.
    #[must_use]
    pub fn searched(&self) -> Vec<String> {
        self.settings.registries.searched()
    }

    /// `None` if the registry has no such search.
    fn by_term(
        &self,
        registry: &Repository<'_>,
        at: &Endpoint,
        what: &Search<'_>,
    ) -> Result<Option<Vec<Found>>> {
        let mut url = join(&self.base(at)?, "v1/search")?;
        url.query_pairs_mut().append_pair("q", what.term).append_pair("n", &what.limit.to_string());
        let response = self.http.send(&Ask { accept: "application/json", ..Ask::get(url, at) })?;
        match response.status() {
            StatusCode::OK => {}
            // A registry without it knows no such path, or wants a login for whatever is asked.
            StatusCode::NOT_FOUND
            | StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::METHOD_NOT_ALLOWED => return Ok(None),
            _ => return Err(refusal::refusal(response)),
        }
        let body = registry.read(response, MAX_PAGE, "its results")?;
        // Some answer everything with a page for people.
        let Ok(page) = serde_json::from_slice::<Results>(&body) else { return Ok(None) };
        page.results
            .into_iter()
            .take(what.limit)
            .map(|r| r.found(what.domain))
            .collect::<Result<_>>()
            .map(Some)
    }

    fn by_name(
        &self,
        registry: &Repository<'_>,
        at: &Endpoint,
        what: &Search<'_>,
        within: &str,
    ) -> Result<Vec<Found>> {
        let mut url = join(&self.base(at)?, "v2/_catalog")?;
        url.query_pairs_mut().append_pair("n", PAGE);
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        while seen.len() < MAX_NAMES {
            let response =
                registry.ask(at, &Ask { accept: "application/json", ..Ask::get(url.clone(), at) })?;
            if response.status() != StatusCode::OK {
                return Err(refusal::refusal(response).hint(
                    "it has no search, and does not tell its names; img-tags asks for the tags of one",
                ));
            }
            let next = pages::next(&url, &response)?;
            let body = registry.read(response, MAX_PAGE, "a page of its names")?;
            let page: Catalog = serde_json::from_slice(&body)
                .map_err(|e| Error::because(Kind::Invalid, "read the list of its names", e))?;
            let before = seen.len();
            for name in page.repositories.unwrap_or_default() {
                let Some(name) = name.strip_prefix(within) else { continue };
                if seen.insert(name.to_owned()) && name.contains(what.term) {
                    found.push(named(what.domain, name)?);
                }
                if found.len() == what.limit {
                    return Ok(found);
                }
            }
            match next {
                Some(next) if seen.len() > before => url = next,
                // A page that brings nothing new is the last one, whatever it says.
                _ => return Ok(found),
            }
        }
        Err(Error::new(Kind::Invalid, "its list of names has no end"))
    }
}

impl Hit {
    fn found(self, domain: &str) -> Result<Found> {
        Ok(Found {
            description: self.description.unwrap_or_default(),
            stars: Some(self.star_count),
            official: self.is_official,
            ..named(domain, &self.name)?
        })
    }
}

/// It goes to terminals and command lines: only what is a name.
fn named(domain: &str, name: &str) -> Result<Found> {
    let repository = ImageRef::parse_repository(&format!("{domain}/{name}"))
        .map_err(|_| Error::new(Kind::Invalid, "it lists a name that is none"))?;
    Ok(Found { repository, description: String::new(), stars: None, official: false })
}

fn join(base: &Url, path: &str) -> Result<Url> {
    base.join(path).map_err(|e| Error::because(Kind::Invalid, "make an address", e))
}
