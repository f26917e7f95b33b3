//! What is to be pulled when it is not just the operands.

use std::collections::BTreeMap;
use std::path::Path;

use cli::{Exit, Operands};
use image::Client;
use types::Context;
use types::digest::Digest;
use types::reference::ImageRef;

/// A lock file: names, and what they led to.
pub type Lock = BTreeMap<ImageRef, Digest>;

/// Reads a lock file.
pub fn lock(path: &Path) -> anyhow::Result<Lock> {
    let what = || format!("read {path:?}");
    let text = std::fs::read_to_string(path).with_context(what)?;
    Ok(types::out::img_lock::read(&text).with_context(what)?)
}

/// The operands, or all that is locked if there are none.
pub fn locked(images: &Operands, lock: &Lock) -> anyhow::Result<Operands> {
    if images.is_empty() {
        return Ok(Operands::of(lock.keys().map(ToString::to_string).collect()));
    }
    Ok(Operands::of(images.read()?))
}

/// Every tag of the repositories, and whether all could be asked for theirs.
pub fn all_tags(client: &Client, repositories: &Operands) -> anyhow::Result<(Operands, Exit)> {
    let mut names = Vec::new();
    let exit = repositories.each_some("list the tags of", |name| {
        let repository = ImageRef::parse_repository(name)?;
        let tags = image::tags(client, &repository)?;
        names.extend(tags.iter().map(|tag| format!("{}:{tag}", repository.repository())));
        Ok(None)
    })?;
    Ok((Operands::of(names), exit))
}
