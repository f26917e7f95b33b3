//! An archive of files becomes an image of one layer.

use std::io::Read;

use layer::Budget;
use serde_json::{Map, Value, json};
use store::Store;
use types::platform::Platform;
use types::reference::ImageRef;
use types::time::Time;
use types::{Context, Result};

use crate::change::{self, Change};
use crate::make::{self, Parts, Step, commit, compression, take_layer};

/// Where images are that nobody has given a name.
const UNNAMED: &str = "localhost/import";

/// How an archive becomes an image.
#[derive(Debug, Clone)]
pub struct ImportOptions<'o> {
    /// What the image is called; without, its digest is its name.
    pub name: Option<&'o ImageRef>,
    /// What it says of itself.
    pub changes: &'o [Change],
    /// For its history.
    pub message: &'o str,
    /// What the programs in it run on.
    pub platform: &'o Platform,
    /// When it was made, for its history.
    pub created: Time,
    /// Keep its layer compressed by zstd instead of gzip, unless it comes compressed.
    pub zstd: bool,
    /// It may have no more bytes than this, uncompressed.
    pub max_size: Option<u64>,
}

/// Takes an archive of files in as an image. Returns `NAME@DIGEST`.
///
/// # Errors
/// What is wrong with the archive or a change; nothing of it is in the store then.
pub fn import(store: &Store, source: impl Read, options: &ImportOptions<'_>) -> Result<String> {
    let mut config = Map::new();
    // Before anything is read: a change that is none need not wait for the end of the archive.
    change::apply(options.changes, &mut config)?;
    store.sweep_layers()?;
    let stage = store.stage()?;
    let budget = Budget::new(options.max_size);
    let new = take_layer(store, &stage, source, compression(options.zstd), &budget)
        .context("read the archive of files")?;
    let config = document(&new.diff_id.to_string(), config, options).to_string().into_bytes();
    let parts = Parts { config, layers: vec![new.descriptor.clone()], new: vec![new] };
    commit(store, &stage, parts, options.name, UNNAMED)
}

fn document(diff_id: &str, config: Map<String, Value>, options: &ImportOptions<'_>) -> Value {
    let Platform { os, arch, variant } = options.platform;
    let mut all = Map::new();
    all.insert("os".to_owned(), os.as_str().into());
    all.insert("architecture".to_owned(), arch.as_str().into());
    if !variant.is_empty() {
        all.insert("variant".to_owned(), variant.as_str().into());
    }
    all.insert("config".to_owned(), config.into());
    all.insert("rootfs".to_owned(), json!({ "type": "layers", "diff_ids": [diff_id] }));
    let step =
        Step { created: options.created, created_by: "", author: "", comment: options.message, empty: false };
    make::note(&step, &mut all);
    Value::Object(all)
}
