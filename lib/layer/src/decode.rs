//! Decompression, chosen by what the content is, not by what it is called.

use std::io::{self, BufRead, BufReader, Read};

use types::{Context, Error, Kind, Result};

/// Compressed input is read in pieces of this size.
const INPUT: usize = 256 << 10;
/// Zstandard may ask for this much memory (128 MiB), as its own tool allows without asking.
const ZSTD_WINDOW_LOG: u32 = 27;

/// A stream of uncompressed bytes.
pub(crate) enum Decoder<R: Read> {
    Plain(BufReader<R>),
    Gzip(Box<flate2::bufread::MultiGzDecoder<BufReader<R>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<R>>>),
}

impl<R: Read> Decoder<R> {
    /// # Errors
    /// `Unsupported` for compressions that no image may use.
    pub(crate) fn new(source: R) -> Result<Self> {
        let mut source = BufReader::with_capacity(INPUT, source);
        let magic = source.fill_buf().context("read it")?;
        match magic {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(source)))),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(source).context("begin to decompress")?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).context("begin to decompress")?;
                Ok(Self::Zstd(Box::new(decoder)))
            }
            [b'B', b'Z', b'h', ..] => Err(unsupported("bzip2")),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => Err(unsupported("xz")),
            _ => Ok(Self::Plain(source)),
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(r) => r.read(buf),
            Self::Gzip(r) => r.read(buf),
            Self::Zstd(r) => r.read(buf),
        }
    }
}

fn unsupported(name: &str) -> Error {
    Error::new(Kind::Unsupported, format!("it is compressed by {name}; gzip and zstd are supported"))
}
