//! One blob: from where it was cut, over as many connections as it takes, into a partial file.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use registry::Repository;
use store::{Partial, Slot, Store, Verified};
use types::oci::Descriptor;
use types::{Context, Error, Kind, Result};

use crate::progress::{Event, Progress};
use crate::stream::Stream;
use crate::work::{Blobs, Cancelled};

const PIECE: usize = 256 << 10;
/// Connections in a row that bring nothing new.
const MAX_VAIN: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);
/// Bytes in a window below which a connection is of no use (`Settings::crawl`).
const CRAWL: usize = 16 << 10;
/// How long pieces are collected.
const LINGER: Duration = Duration::from_millis(500);

/// What a download needs beside the blob.
pub(crate) struct Downloader<'a> {
    pub(crate) store: &'a Store,
    pub(crate) repository: &'a Repository<'a>,
    pub(crate) progress: &'a dyn Progress,
}

impl<'a> Blobs<'a> for Downloader<'a> {
    fn fetch(
        &self,
        blob: &Descriptor,
        stream: &Stream,
        cancelled: &Cancelled<'_>,
    ) -> Result<Option<Verified<'a>>> {
        let done = self.fetch_verified(blob, stream, cancelled);
        stream.end(done.is_ok());
        done.with_context(|| format!("fetch blob {}", blob.digest))
    }
}

impl<'a> Downloader<'a> {
    fn fetch_verified(
        &self,
        blob: &Descriptor,
        stream: &Stream,
        cancelled: &Cancelled<'_>,
    ) -> Result<Option<Verified<'a>>> {
        let mut partial = match self.store.partial(blob)? {
            Slot::Present => {
                stream.open(self.store.open_blob(&blob.digest)?, blob.size);
                return Ok(None);
            }
            Slot::Missing(partial) => partial,
        };
        stream.open(partial.reader()?, partial.offset());
        match self.fill(&mut partial, blob, stream, cancelled) {
            Ok(()) => partial.verify().map(Some),
            Err(e) => {
                // Too long: what is there cannot be trusted to be its beginning.
                if e.kind() == Kind::Corrupt || crate::install::disk_full(&e) {
                    partial.discard();
                }
                Err(e)
            }
        }
    }

    fn fill(
        &self,
        partial: &mut Partial<'_>,
        blob: &Descriptor,
        stream: &Stream,
        cancelled: &Cancelled<'_>,
    ) -> Result<()> {
        let (mut best, mut vain) = (partial.offset(), 0);
        loop {
            let broken = self.connection(partial, blob, stream, cancelled);
            if partial.offset() >= blob.size {
                return broken.map(drop);
            }
            let trouble = broken?;
            if partial.offset() > best {
                (best, vain) = (partial.offset(), 0);
            } else {
                vain += 1;
            }
            match trouble {
                _ if vain < MAX_VAIN => {}
                // A server that ends where it says it ends has no more of it.
                None => return Ok(()),
                Some(e) => return Err(Error::because(Kind::TryLater, "the connection broke", e)),
            }
            self.progress.event(&Event::Retry { layer: blob.digest, done: partial.offset() });
            std::thread::sleep(PAUSE * (vain + 1));
        }
    }

    /// Reads one answer to its end. Returns what broke it, if it was broken.
    fn connection(
        &self,
        partial: &mut Partial<'_>,
        blob: &Descriptor,
        stream: &Stream,
        cancelled: &Cancelled<'_>,
    ) -> Result<Option<io::Error>> {
        if partial.offset() >= blob.size {
            return Ok(None);
        }
        let mut body = self.repository.blob(blob, partial.offset())?;
        if body.start != partial.offset() {
            partial.restart()?;
            stream.advance(0);
        }
        let mut piece = vec![0; PIECE];
        let mut pace = Pace::new(self.repository.crawl());
        loop {
            if cancelled() {
                return Err(Error::new(Kind::Io, "cancelled"));
            }
            let n = match fill(&mut body, &mut piece) {
                Ok(0) => return Ok(None),
                Ok(n) if pace.crawls(n) => {
                    return Err(Error::new(Kind::TryLater, "the connection brings nearly nothing"));
                }
                Ok(n) => n,
                Err(e) => return Ok(Some(e)),
            };
            let bytes = piece.get(..n).unwrap_or_default();
            partial.write_all(bytes).map_err(own_error)?;
            stream.advance(partial.offset());
            self.progress.event(&Event::Download {
                layer: blob.digest,
                done: partial.offset(),
                size: blob.size,
            });
        }
    }
}

/// How fast a connection is.
struct Pace {
    window: Duration,
    begun: Instant,
    bytes: usize,
}

impl Pace {
    fn new(window: Duration) -> Self {
        Self { window, begun: Instant::now(), bytes: 0 }
    }

    /// Takes notice of bytes; whether they were too few for too long.
    fn crawls(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        if self.begun.elapsed() < self.window {
            return false;
        }
        let few = self.bytes < CRAWL;
        (self.begun, self.bytes) = (Instant::now(), 0);
        few
    }
}

/// Fills a piece as far as what is there does, so that the file and its follower see few large
/// pieces, and not for long, so that whoever cancels is heard. An error is reported when nothing was
/// read before it.
fn fill(source: &mut impl Read, piece: &mut [u8]) -> io::Result<usize> {
    let (mut filled, begun) = (0, Instant::now());
    while let Some(room) = piece.get_mut(filled..).filter(|r| !r.is_empty()) {
        match source.read(room) {
            Ok(0) => break,
            Ok(n) => {
                filled += n;
                if begun.elapsed() > LINGER {
                    break;
                }
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) if filled > 0 => break,
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// The store's own words, where a writer had to wrap them.
fn own_error(e: io::Error) -> Error {
    match e.downcast::<Error>() {
        Ok(own) => own,
        Err(e) => Error::io("write", e),
    }
}
