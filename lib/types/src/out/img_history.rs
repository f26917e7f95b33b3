//! `img-history`: one record for each step that an image was built in.

use serde::Serialize;

use super::Record;
use crate::digest::Digest;
use crate::time::{Time, human};

/// What Docker prints for steps whose image is nowhere.
const MISSING: &str = "<missing>";
/// Of what made a step, that much is shown.
const SHOWN: usize = 45;

/// A step.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Step {
    /// The image's id, of its last step; absent for those before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Digest>,
    /// When it was made; absent if the image does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// What made it; empty if the image does not say.
    pub created_by: String,
    /// Who made it; absent if the image does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// A remark; empty if there is none.
    pub comment: String,
    /// Bytes of the files of its layer.
    pub size: u64,
    /// Digest of its uncompressed layer; absent if it changed no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<Digest>,
    /// Digest of its compressed layer; absent if it changed no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blob: Option<Digest>,
    /// How it is shown to people.
    #[serde(skip)]
    pub shown: Shown,
}

/// How a step is shown to people.
#[derive(Debug, Clone)]
pub struct Shown {
    /// When the list was asked for: ages are from here.
    pub now: Time,
    /// Nothing is shortened.
    pub whole: bool,
    /// Ages and sizes in words; otherwise moments and bytes.
    pub human: bool,
    /// What `-q` prints.
    pub id: String,
}

impl Step {
    /// Takes note of how it is to be shown.
    pub fn show(&mut self, now: Time, whole: bool, human: bool) {
        let id = match self.id {
            Some(id) if whole => id.to_string(),
            Some(id) => id.short(),
            None => MISSING.to_owned(),
        };
        self.shown = Shown { now, whole, human, id };
    }

    fn made(&self) -> String {
        match self.created {
            None => "N/A".to_owned(),
            Some(then) if self.shown.human => format!("{} ago", human(self.shown.now.since(then))),
            Some(then) => then.to_string(),
        }
    }

    fn made_by(&self) -> String {
        let text = self.created_by.split_whitespace().collect::<Vec<_>>().join(" ");
        if self.shown.whole || text.chars().count() <= SHOWN {
            return text;
        }
        let mut short: String = text.chars().take(SHOWN - 1).collect();
        short.push('…');
        short
    }

    fn bytes(&self) -> String {
        if self.shown.human { crate::size::human(self.size) } else { self.size.to_string() }
    }
}

impl Default for Shown {
    fn default() -> Self {
        Self { now: Time::EPOCH, whole: false, human: true, id: MISSING.to_owned() }
    }
}

impl Record for Step {
    const HEADS: &'static [&'static str] = &["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"];

    fn cells(&self) -> Vec<String> {
        vec![self.shown.id.clone(), self.made(), self.made_by(), self.bytes(), self.comment.clone()]
    }

    fn id(&self) -> &str {
        &self.shown.id
    }
}
