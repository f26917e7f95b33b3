//! `img-tags`: one record for each tag of a repository.

use serde::Serialize;

use super::Record;
use crate::digest::Digest;
use crate::time::{Time, human};

/// A tag.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// `httpd:2.4`, as other tools accept it.
    pub name: String,
    /// `2.4`.
    pub tag: String,
}

impl Record for Tag {
    const HEADS: &'static [&'static str] = &["TAG"];

    fn cells(&self) -> Vec<String> {
        vec![self.tag.clone()]
    }

    fn id(&self) -> &str {
        &self.tag
    }
}

/// A tag and what it leads to.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Long {
    /// Its names.
    #[serde(flatten)]
    pub tag: Tag,
    /// The digest that it leads to.
    pub digest: Digest,
    /// When the image was built; absent if it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// Bytes of its compressed layers.
    pub download_size: u64,
    /// When the list was asked for: ages are from here.
    #[serde(skip)]
    pub now: Time,
}

impl Record for Long {
    const HEADS: &'static [&'static str] = &["TAG", "DIGEST", "CREATED", "SIZE"];

    fn cells(&self) -> Vec<String> {
        let age =
            self.created.map_or_else(|| "N/A".to_owned(), |t| format!("{} ago", human(self.now.since(t))));
        vec![self.tag.tag.clone(), self.digest.to_string(), age, crate::size::human(self.download_size)]
    }

    fn id(&self) -> &str {
        &self.tag.tag
    }
}
