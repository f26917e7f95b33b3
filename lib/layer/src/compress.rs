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

/// Compresses what is written to it. Nothing is whole before [`Compressor::finish`].
pub enum Compressor<W: Write> {
    /// Its header has no time and no name.
    Gzip(Box<flate2::write::GzEncoder<W>>),
    /// With a checksum, as the program zstd writes it.
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
        Ok(match compression {
            Compression::Gzip => {
                let level = flate2::Compression::default();
                Self::Gzip(Box::new(flate2::write::GzEncoder::new(out, level)))
            }
            Compression::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(out, 0).context("begin to compress")?;
                encoder.include_checksum(true).context("begin to compress")?;
                Self::Zstd(Box::new(encoder))
            }
        })
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self) -> Result<W> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
        .context("end the compression")
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(encoder) => encoder.write(buf),
            Self::Zstd(encoder) => encoder.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
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
            let compress = || {
                let mut compressor = Compressor::new(compression, Vec::new()).expect("begin");
                compressor.write_all(&content).expect("write");
                compressor.finish().expect("finish")
            };
            let compressed = compress();
            assert!(compressed == compress(), "{compression:?}");
            let mut read = Vec::new();
            crate::inflate(&*compressed).expect("inflate").read_to_end(&mut read).expect("read");
            assert!(read == content, "{compression:?}");
        }
    }
}
