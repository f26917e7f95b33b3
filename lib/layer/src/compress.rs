//! Compression of what is written: the same bytes for the same content.

use std::io::{self, Write};

use types::{Context, Result};

/// How a blob is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As everybody reads it; the usual level of gzip.
    Gzip,
    /// Smaller and faster, for readers of this decade; the usual level of zstd.
    Zstd,
}

impl Compression {
    /// What a media type of a layer has at its end.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Gzip => "+gzip",
            Self::Zstd => "+zstd",
        }
    }
}

/// What is written comes to the encoder in pieces of this size: where they end makes a difference to what it
/// makes of them, and a pipe gives what it has.
const PIECE: usize = 256 << 10;

/// Compresses what is written to it. Nothing is whole before [`Compressor::finish`].
pub struct Compressor<W: Write> {
    encoder: Encoder<W>,
    piece: Vec<u8>,
}

enum Encoder<W: Write> {
    // Its header has no time and no name.
    Gzip(Box<flate2::write::GzEncoder<W>>),
    // With a checksum, as the program zstd writes it.
    Zstd(Box<zstd::stream::write::Encoder<'static, W>>),
}

impl<W: Write> std::fmt::Debug for Compressor<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

impl<W: Write> Compressor<W> {
    /// Begins.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new(compression: Compression, out: W) -> Result<Self> {
        let encoder = match compression {
            Compression::Gzip => {
                let level = flate2::Compression::default();
                Encoder::Gzip(Box::new(flate2::write::GzEncoder::new(out, level)))
            }
            Compression::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(out, 0).context("begin to compress")?;
                encoder.include_checksum(true).context("begin to compress")?;
                Encoder::Zstd(Box::new(encoder))
            }
        };
        Ok(Self { encoder, piece: Vec::with_capacity(PIECE) })
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(mut self) -> Result<W> {
        self.encoder.take(&self.piece).context("compress")?;
        match self.encoder {
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Zstd(encoder) => encoder.finish(),
        }
        .context("end the compression")
    }
}

impl<W: Write> Encoder<W> {
    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(piece),
            Self::Zstd(encoder) => encoder.write_all(piece),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let room = PIECE - self.piece.len();
        let taken = buf.get(..room.min(buf.len())).unwrap_or_default();
        self.piece.extend_from_slice(taken);
        if self.piece.len() == PIECE {
            self.encoder.take(&self.piece)?;
            self.piece.clear();
        }
        Ok(taken.len())
    }

    /// Nothing: an encoder that is flushed makes other bytes of the same content.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn what_is_compressed_is_read_again_and_always_the_same() {
        let content: Vec<u8> = (0..200_000u32).flat_map(|n| (n % 1000).to_le_bytes()).collect();
        for compression in [Compression::Gzip, Compression::Zstd] {
            let compress = |pieces: usize| {
                let mut compressor = Compressor::new(compression, Vec::new()).expect("begin");
                content.chunks(pieces).for_each(|piece| compressor.write_all(piece).expect("write"));
                compressor.finish().expect("finish")
            };
            let compressed = compress(usize::MAX);
            for pieces in [1000, 4096, 65_536, 300_000] {
                assert!(compressed == compress(pieces), "{compression:?} {pieces}");
            }
            let mut read = Vec::new();
            crate::inflate(&*compressed).expect("inflate").read_to_end(&mut read).expect("read");
            assert!(read == content, "{compression:?}");
        }
    }
}
