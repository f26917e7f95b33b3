//! Lists that come in pages (distribution spec, "Listing Tags").

use reqwest::Url;
use reqwest::blocking::Response;
use reqwest::header::LINK;
use types::{Error, Kind, Result};

use crate::origin;

/// The address of the next page: `Link: <URL>; rel="next"` (RFC 8288), which leads to the same registry.
///
/// # Errors
/// `Invalid` if it leads elsewhere.
pub(crate) fn next(from: &Url, response: &Response) -> Result<Option<Url>> {
    let Some(link) = response.headers().get(LINK).and_then(|l| l.to_str().ok()) else { return Ok(None) };
    let parts = link.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    let Some((target, _)) = parts.filter(|(_, rest)| rest.contains("next")) else { return Ok(None) };
    let bad = || Error::new(Kind::Invalid, "the next page of its list is elsewhere");
    let next = from.join(target).map_err(|_| bad())?;
    if origin::same(from, &next) { Ok(Some(next)) } else { Err(bad()) }
}
