//! `img-ls`: one record for each name of an image.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Record;
use crate::digest::Digest;
use crate::reference::ImageRef;
use crate::time::{Time, human};

/// What Docker prints where an image has no tag.
const NONE: &str = "<none>";

/// An image under one of its names.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Image {
    /// Digest of its configuration.
    pub id: Digest,
    /// Its whole name, as people write it: `httpd:latest`, or `httpd@sha256:…` if it has no tag.
    pub name: String,
    /// The name without tag and digest.
    pub repository: String,
    /// Its tag; absent if the one it was pulled by belongs to another image now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The digest that its registry knows it by.
    pub digest: Digest,
    /// When it was built; absent if it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// Bytes of its files.
    pub size: u64,
    /// What it was built for: `linux/amd64`.
    pub platform: String,
    /// Labels of its configuration.
    pub labels: BTreeMap<String, String>,
    /// When the list was asked for: ages are from here.
    #[serde(skip)]
    pub now: Time,
    /// What `-q` prints: short, unless whole ids are wanted.
    #[serde(skip)]
    pub shown_id: String,
}

impl Image {
    /// The fields that its name has.
    #[must_use]
    pub fn names(name: &ImageRef) -> (String, String, Option<String>) {
        (name.familiar(), name.familiar_name(), name.tag().map(str::to_owned))
    }

    fn age(&self) -> String {
        // Builds that can be repeated bit by bit say 1970, or nothing.
        self.created.map_or_else(|| "N/A".to_owned(), |then| format!("{} ago", human(self.now.since(then))))
    }

    fn tag_shown(&self) -> String {
        self.tag.clone().unwrap_or_else(|| NONE.to_owned())
    }
}

impl Record for Image {
    const HEADS: &'static [&'static str] = &["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"];

    fn cells(&self) -> Vec<String> {
        let size = crate::size::human(self.size);
        vec![self.repository.clone(), self.tag_shown(), self.shown_id.clone(), self.age(), size]
    }

    fn id(&self) -> &str {
        &self.shown_id
    }
}

/// The same with a column for the digest.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct WithDigest(pub Image);

impl Record for WithDigest {
    const HEADS: &'static [&'static str] = &["REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"];

    fn cells(&self) -> Vec<String> {
        let mut cells = self.0.cells();
        cells.insert(2, self.0.digest.to_string());
        cells
    }

    fn id(&self) -> &str {
        self.0.id()
    }
}
