//! A tree that is read as an archive while it is written.

use std::io::{self, Read};
use std::os::fd::BorrowedFd;

use types::{Error, Kind, Result};

use super::{Source, Written, write_tree};
use crate::pipe::{self, Feed};

/// Writes a tree as an archive in a thread of its own, and lets `take` read it meanwhile.
///
/// # Errors
/// As [`write_tree`]; what `take` says.
pub fn feed_tree<T>(
    root: BorrowedFd<'_>,
    source: Source,
    stop: &(dyn Fn() -> bool + Sync),
    take: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> Result<(Written, T)> {
    let (writer, mut reader) = pipe::pipe();
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || {
            let mut feed = Feed::new(writer);
            let written = write_tree(root, source, &mut feed, stop);
            if written.is_err() {
                // The reader must not take this for the end of the archive.
                feed.fail(io::Error::other("the tree cannot be read"));
            }
            written.map_err(|e| (e, feed.is_cut()))
        });
        let taken = take(&mut reader);
        // A writer that waits for a reader would wait for ever.
        drop(reader);
        let written =
            writing.join().unwrap_or_else(|_| Err((Error::new(Kind::Io, "the writer stopped"), false)));
        match (written, taken) {
            (Ok(written), Ok(taken)) => Ok((written, taken)),
            // It failed since nobody reads any more, and that has its own reason.
            (Err((_, true)), Err(e)) => Err(e),
            (Err((e, _)), _) | (Ok(_), Err(e)) => Err(e),
        }
    })
}
