//! The tags of a repository (distribution spec, "Listing Tags").

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde::Deserialize;
use types::reference::ImageRef;
use types::{Error, Kind, Result};

use crate::config::Endpoint;
use crate::http::Ask;
use crate::repository::Repository;
use crate::{pages, refusal};

/// No page of a list is larger.
const MAX_PAGE: u64 = 4 << 20;
/// No repository has more; a list that does not end ends here.
const MAX_TAGS: usize = 1 << 18;
/// What we ask for; a registry may send fewer at once.
const PAGE: &str = "1000";

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Repository<'_> {
    /// All tags of the repository, as the registry has them.
    ///
    /// # Errors
    /// As [`Repository::resolve`]; `Invalid` if it is no list of tags, or has no end.
    pub fn tags(&self) -> Result<BTreeSet<String>> {
        self.any(|endpoint| self.tags_at(endpoint))
    }

    fn tags_at(&self, endpoint: &Endpoint) -> Result<BTreeSet<String>> {
        let mut url = self.url(endpoint, "tags/list")?;
        url.query_pairs_mut().append_pair("n", PAGE);
        let (mut tags, mut seen) = (BTreeSet::new(), BTreeSet::new());
        loop {
            if !seen.insert(url.to_string()) || tags.len() > MAX_TAGS {
                return Err(Error::new(Kind::Invalid, "its list of tags has no end"));
            }
            let ask = Ask { accept: "application/json", ..Ask::get(url.clone(), endpoint) };
            let response = self.ask(endpoint, &ask)?;
            if response.status() != StatusCode::OK {
                return Err(refusal::refusal(response));
            }
            let next = pages::next(&url, &response)?;
            let before = tags.len();
            for tag in page(&self.read(response, MAX_PAGE, "a page of its list of tags")?)? {
                // It goes to terminals and command lines: only what is a tag.
                format!("x.example/x:{tag}")
                    .parse::<ImageRef>()
                    .map_err(|_| Error::new(Kind::Invalid, "it lists a tag that is none"))?;
                tags.insert(tag);
            }
            match next {
                Some(next) if tags.len() > before => url = next,
                // A page that brings nothing new is the last one, whatever it says.
                _ => return Ok(tags),
            }
        }
    }
}

fn page(body: &[u8]) -> Result<Vec<String>> {
    let page: Page = serde_json::from_slice(body)
        .map_err(|e| Error::because(Kind::Invalid, "read the list of tags", e))?;
    Ok(page.tags.unwrap_or_default())
}
