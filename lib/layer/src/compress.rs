//! Compression of what is written: the same bytes for the same content.

use std::io::{self, Write};

use types::{Context, Error, Kind, Result};

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

/// A compression, and how hard it tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Which one.
    pub compression: Compression,
    /// 1 to 9 of gzip, 1 to 22 of zstd; the usual one without it.
    pub level: Option<u32>,
}

impl std::str::FromStr for Effort {
    type Err = Error;

    /// `gzip` or `zstd`, and perhaps `:LEVEL`.
    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::new(Kind::Invalid, format!("bad compression {text:?}"))
                .hint("write gzip or zstd, or with a level gzip:1 to gzip:9, zstd:1 to zstd:22")
        };
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level.parse::<u32>().map_err(|_| bad())?)),
            None => (text, None),
        };
        let (compression, most) = match name {
            "gzip" => (Compression::Gzip, 9),
            "zstd" => (Compression::Zstd, 22),
            _ => return Err(bad()),
        };
        match level {
            Some(level) if !(1..=most).contains(&level) => Err(bad()),
            _ => Ok(Self { compression, level }),
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
        Self::with_effort(Effort { compression, level: None }, out)
    }

    /// Begins, with a level of the compression.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn with_effort(effort: Effort, out: W) -> Result<Self> {
        let encoder = match effort.compression {
            Compression::Gzip => {
                let level = effort.level.map_or_else(flate2::Compression::default, flate2::Compression::new);
                Encoder::Gzip(Box::new(flate2::write::GzEncoder::new(out, level)))
            }
            Compression::Zstd => {
                // 0 is the usual level.
                let level = effort.level.and_then(|level| i32::try_from(level).ok()).unwrap_or(0);
                let mut encoder =
                    zstd::stream::write::Encoder::new(out, level).context("begin to compress")?;
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
    fn an_effort_is_a_name_and_perhaps_a_level() {
        let effort = |text: &str| text.parse::<Effort>().ok();
        assert_eq!(effort("gzip"), Some(Effort { compression: Compression::Gzip, level: None }));
        assert_eq!(effort("zstd:19"), Some(Effort { compression: Compression::Zstd, level: Some(19) }));
        for bad in ["", "xz", "gzip:", "gzip:0", "gzip:10", "zstd:23", "zstd:-1", "zstd:1:2", "GZIP"] {
            assert_eq!(effort(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_level_makes_a_difference() {
        let content: Vec<u8> =
            (0..100_000u32).flat_map(|n| ((n % 1009) * (n % 1013)).to_le_bytes()).collect();
        let size = |text: &str| {
            let mut compressor =
                Compressor::with_effort(text.parse().expect("effort"), Vec::new()).expect("begin");
            compressor.write_all(&content).expect("write");
            compressor.finish().expect("finish").len()
        };
        assert!(size("gzip:9") < size("gzip:1"));
        assert!(size("zstd:19") < size("zstd:1"));
    }

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
