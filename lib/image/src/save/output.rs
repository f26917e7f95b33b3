//! Where a user wants the images: a file or directory appears whole or not at all.

use std::path::Path;

use store::Store;
use sys::whole::{beside, write_file};
use types::{Context, Error, Kind, Result};

use super::{DirSink, SavePlan, TarSink, save};

/// Writes images as a file. What was there before stays until the new one is whole; a pipe or a device
/// is written to as it is.
///
/// # Errors
/// As [`save`].
pub fn save_file(store: &Store, wanted: &[String], plan: &SavePlan, path: &Path) -> Result<()> {
    write_file(path, |out| save(store, wanted, plan, &mut TarSink::new(out)))
}

/// Writes images as an OCI image layout in a directory that is empty or not there.
///
/// # Errors
/// As [`save`]; `Conflict` if there is something in it.
pub fn save_dir(store: &Store, wanted: &[String], plan: &SavePlan, path: &Path) -> Result<()> {
    if path.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::new(Kind::Conflict, format!("{path:?} is not empty")));
    }
    let beside = beside(path);
    std::fs::create_dir(&beside).with_context(|| format!("make {beside:?}"))?;
    let written = save(store, wanted, plan, &mut DirSink::new(beside.clone()))
        .and_then(|()| std::fs::rename(&beside, path).with_context(|| format!("write {path:?}")));
    if written.is_err() {
        drop(std::fs::remove_dir_all(&beside));
    }
    written
}
