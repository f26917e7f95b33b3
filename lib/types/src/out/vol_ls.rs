//! `vol-ls`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::Record;
use crate::time::Time;

/// A volume.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// `local`: its content is a directory of this machine.
    pub driver: &'static str,
    /// That directory.
    pub mountpoint: PathBuf,
    /// When it was made.
    pub created_at: Time,
    /// The user's labels.
    pub labels: BTreeMap<String, String>,
    /// It was made for a container that did not name it.
    pub anonymous: bool,
}

impl Record for Volume {
    const HEADS: &'static [&'static str] = &["DRIVER", "VOLUME NAME"];

    fn cells(&self) -> Vec<String> {
        vec![self.driver.to_owned(), self.name.clone()]
    }

    fn id(&self) -> &str {
        &self.name
    }
}
