//! `img-gc` and `img-fsck`: what is garbage, and what is wrong.

use serde::Serialize;

use super::Record;
use crate::digest::Digest;

/// A piece of garbage, or an image that is retired.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Garbage {
    /// `image`, `blob`, `layer` or `partial`.
    #[serde(rename = "Type")]
    pub kind: &'static str,
    /// Its digest; of a download, that of what it would have become; of an image, that of its manifest.
    pub digest: Digest,
    /// Its bytes; of an image, those that no other image takes.
    pub size: u64,
    /// Names that an image had.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// What `-q` prints.
    #[serde(skip)]
    pub shown: String,
}

impl Record for Garbage {
    const HEADS: &'static [&'static str] = &["TYPE", "DIGEST", "SIZE", "NAMES"];

    fn cells(&self) -> Vec<String> {
        vec![self.kind.to_owned(), self.shown.clone(), crate::size::human(self.size), self.names.join(", ")]
    }

    fn id(&self) -> &str {
        &self.shown
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Finding {
    /// `damaged blob`, `missing blob`, `missing layer` or `bad document`.
    pub problem: &'static str,
    /// Of what.
    pub digest: Digest,
    /// Images that need it, as other tools accept them; none if it is garbage.
    pub images: Vec<String>,
    /// Whether it is mended now.
    pub fixed: bool,
    /// What `-q` prints.
    #[serde(skip)]
    pub shown: String,
}

impl Record for Finding {
    const HEADS: &'static [&'static str] = &["PROBLEM", "DIGEST", "IMAGES", "FIXED"];

    fn cells(&self) -> Vec<String> {
        let fixed = if self.fixed { "yes" } else { "no" };
        vec![self.problem.to_owned(), self.shown.clone(), self.images.join(", "), fixed.to_owned()]
    }

    fn id(&self) -> &str {
        &self.shown
    }
}
