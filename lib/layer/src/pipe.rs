//! A pipe of large buffers between the thread that decompresses and the one that writes files.
//!
//! The reader hands out slices of the buffers themselves, so that a file's content goes from the
//! decompressor's output to write(2) without another copy.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// How much is handed over at once, and how many pieces may be on the way: enough to keep both
/// sides busy, little enough to stay in the processor's cache.
const PIECE: usize = 256 << 10;
const PIECES: usize = 6;

pub(crate) struct Writer {
    full: SyncSender<io::Result<Vec<u8>>>,
    empty: Receiver<Vec<u8>>,
}

pub(crate) struct Reader {
    full: Receiver<io::Result<Vec<u8>>>,
    empty: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

pub(crate) fn pipe() -> (Writer, Reader) {
    let (full_in, full_out) = sync_channel(PIECES);
    let (empty_in, empty_out) = sync_channel(PIECES + 2);
    (
        Writer { full: full_in, empty: empty_out },
        Reader { full: full_out, empty: empty_in, piece: Vec::new(), at: 0 },
    )
}

impl Writer {
    /// Moves everything from `source` to the reader; `seen` sees each piece first. Ends early,
    /// without an error, if the reader is gone: it has its own reason, which counts.
    pub(crate) fn pump(
        &self,
        source: &mut impl Read,
        mut seen: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        loop {
            let mut piece = self.empty.try_recv().unwrap_or_default();
            piece.resize(PIECE, 0);
            let filled = fill(source, &mut piece).and_then(|n| {
                piece.truncate(n);
                seen(&piece)
            });
            if let Err(e) = filled {
                // The reader must not take this for the end of the archive.
                let told = io::Error::new(e.kind(), e.to_string());
                drop(self.full.send(Err(told)));
                return Err(e);
            }
            if piece.is_empty() || self.full.send(Ok(piece)).is_err() {
                return Ok(());
            }
        }
    }
}

fn fill(source: &mut impl Read, piece: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = piece.get_mut(filled..).filter(|r| !r.is_empty()) {
        match source.read(room) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// The writer's side for one that has bytes now and then, and no stream that could be pumped.
pub(crate) struct Feed {
    writer: Writer,
    piece: Vec<u8>,
    cut: bool,
}

impl Feed {
    pub(crate) fn new(writer: Writer) -> Self {
        Self { writer, piece: Vec::with_capacity(PIECE), cut: false }
    }

    /// Tells the reader that what it has is not all.
    pub(crate) fn fail(&self, why: io::Error) {
        // A reader that is gone need not be told.
        drop(self.writer.full.send(Err(why)));
    }

    /// Whether the reader was gone before the end.
    pub(crate) const fn is_cut(&self) -> bool {
        self.cut
    }
}

impl io::Write for Feed {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let room = PIECE - self.piece.len();
        let taken = buf.get(..room.min(buf.len())).unwrap_or_default();
        self.piece.extend_from_slice(taken);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // An empty piece would be the end.
        if self.piece.is_empty() {
            return Ok(());
        }
        let mut next = self.writer.empty.try_recv().unwrap_or_default();
        next.clear();
        next.reserve(PIECE);
        let full = std::mem::replace(&mut self.piece, next);
        if self.writer.full.send(Ok(full)).is_err() {
            self.cut = true;
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }
}

impl BufRead for Reader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.piece.len() {
            let used = std::mem::take(&mut self.piece);
            self.at = 0;
            if used.capacity() > 0 {
                // A writer that is gone needs no buffers.
                drop(self.empty.try_send(used));
            }
            if let Ok(piece) = self.full.recv() {
                self.piece = piece?;
            }
        }
        Ok(self.piece.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.piece.len());
    }
}

impl Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(buf)?;
        self.consume(n);
        Ok(n)
    }
}
