//! How an image was built, step by step.

use serde::Deserialize;
use store::{Image, Store};
use types::oci::MAX_CONFIG;
use types::out::img_history::{Shown, Step};
use types::{Error, Kind, Result};

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    history: Option<Vec<Entry>>,
}

/// What a configuration says of a step (image spec, "history").
#[derive(Default, Deserialize)]
struct Entry {
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    created_by: Option<String>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    empty_layer: bool,
}

/// The steps of an image, the last one first. A layer that no step tells of is a step of its own.
///
/// # Errors
/// `Corrupt` if the image is damaged.
pub fn history(store: &Store, image: &Image) -> Result<Vec<Step>> {
    let content = store.read_blob(&image.id, MAX_CONFIG)?;
    let config: Config = serde_json::from_slice(&content)
        .map_err(|e| Error::because(Kind::Corrupt, "read its configuration", e))?;
    let mut entries = config.history.unwrap_or_default();
    let told = entries.iter().filter(|e| !e.empty_layer).count();
    let untold = image.layers.len().saturating_sub(told);
    entries.extend(std::iter::repeat_with(Entry::default).take(untold));

    let mut layers = image.layers.iter().zip(&image.blobs);
    let mut steps = Vec::new();
    for entry in entries {
        let made = if entry.empty_layer { None } else { layers.next() };
        let mut size = 0;
        if let Some((layer, blob)) = made {
            size = store.layer_record(layer)?.map_or(blob.size, |record| record.size);
        }
        steps.push(Step {
            id: None,
            created: entry.created.and_then(|c| c.parse().ok()),
            created_by: entry.created_by.unwrap_or_default(),
            author: entry.author.filter(|a| !a.is_empty()),
            comment: entry.comment.unwrap_or_default(),
            size,
            layer: made.map(|(layer, _)| *layer),
            blob: made.map(|(_, blob)| blob.digest),
            shown: Shown::default(),
        });
    }
    steps.reverse();
    if let Some(last) = steps.first_mut() {
        last.id = Some(image.id);
    }
    Ok(steps)
}
