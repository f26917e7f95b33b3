//! Out of the store: an archive, or a tree of files.

use std::io::{BufWriter, Write};
use std::path::Path;

use layer::{Budget, Source, feed_tree, write_tree};
use sys::whole::write_file;
use types::{Context, Result};

use crate::target::Target;
use crate::{Stop, View};

/// Headers are small, and there are many of them.
const BUFFER: usize = 256 << 10;

/// Writes the files of an image as one archive, as they are with all layers together.
///
/// # Errors
/// If they cannot be read or written: what was written then is no archive.
pub fn export(view: &View<'_>, out: impl Write) -> Result<()> {
    // Nothing has to be put away if it is interrupted.
    let out = BufWriter::with_capacity(BUFFER, out);
    write_tree(view.root(), Source::Whole, out, &|| false).map(drop)
}

/// The same as a file that appears whole, or not at all.
///
/// # Errors
/// As [`export`].
pub fn export_file(view: &View<'_>, path: &Path) -> Result<()> {
    write_file(path, |out| export(view, out))
}

/// Makes the files of an image in a directory that is empty or not there: all of them, or none.
///
/// # Errors
/// `Conflict` if there is something in the directory; what the disk says.
pub fn unpack(view: &View<'_>, dir: &Path, stop: &Stop<'_>) -> Result<()> {
    let target = Target::prepare(dir)?;
    // Our own writer's archive: there is no measure that it could exceed.
    feed_tree(view.root(), Source::Whole, stop, |archive| {
        layer::unpack(archive, u64::MAX, &Budget::new(None), target.dir())
    })
    .and_then(|_| target.done())
    .with_context(|| format!("unpack into {dir:?}"))
}
