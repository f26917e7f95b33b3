//! The archive: one entry after the other, with the headers that extend it put together.
//!
//! The fields of a header are parsed by the `tar` crate. What stands between headers is ours:
//! its iterator reads a long name as long as the archive claims, and lets the writer of files
//! believe sizes that two readers would see differently.

use std::io::BufRead;

use tar::{EntryType, Header};
use types::{Error, Kind, Result};

use crate::pax::Pax;
use crate::sparse::{self, Map, Segment};

const BLOCK: usize = 512;
/// Long names and extended headers: far more than any real one.
const MAX_EXTENSION: u64 = 1 << 20;
/// Entries of one archive.
const MAX_ENTRIES: u64 = 4 << 20;

/// What an entry makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    File,
    HardLink,
    Symlink,
    Char(u32, u32),
    Block(u32, u32),
    Fifo,
    Dir,
}

/// An entry, as all its headers together describe it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) what: What,
    pub(crate) path: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: (i64, u32),
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) sparse: Option<Map>,
}

/// Reads an archive.
pub(crate) struct Archive<R> {
    source: R,
    /// Content of the entry at hand that nobody has read.
    remaining: u64,
    /// Zeroes behind it.
    padding: u64,
    entries: u64,
}

impl<R: BufRead> Archive<R> {
    pub(crate) const fn new(source: R) -> Self {
        Self { source, remaining: 0, padding: 0, entries: 0 }
    }

    /// How many entries there were.
    pub(crate) const fn count(&self) -> u64 {
        self.entries
    }

    /// The next entry; `None` at the end. Content of the one before that was not read is skipped.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>> {
        let mut pax = Pax::default();
        let (mut long_name, mut long_link) = (None, None);
        loop {
            self.skip()?;
            let Some(block) = self.header()? else {
                let extended = pax != Pax::default() || long_name.is_some() || long_link.is_some();
                return if extended { Err(damaged("ends after an extended header")) } else { Ok(None) };
            };
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(damaged("has more than 4 million entries"));
            }
            let header = Header::from_byte_slice(&block);
            // Not `size`, which is that of the file: a sparse one has less data than that.
            let size = header.entry_size().map_err(|_| damaged("has a bad size"))?;
            match header.entry_type() {
                EntryType::GNULongName => long_name = Some(self.extension(size)?),
                EntryType::GNULongLink => long_link = Some(self.extension(size)?),
                EntryType::XHeader => pax = Pax::parse(&self.extension_bytes(size)?)?,
                EntryType::XGlobalHeader => drop(self.extension_bytes(size)?),
                _ => return self.entry(header, size, pax, long_name, long_link).map(Some),
            }
        }
    }

    /// Reads content of the entry at hand: at most `max` bytes, none at its end.
    pub(crate) fn content(&mut self, max: u64) -> Result<&[u8]> {
        let want = self.remaining.min(max);
        if want == 0 {
            return Ok(&[]);
        }
        let piece = self.source.fill_buf().map_err(broken)?;
        if piece.is_empty() {
            return Err(damaged("ends in the middle of an entry"));
        }
        let n = piece.len().min(usize::try_from(want).unwrap_or(usize::MAX));
        Ok(piece.get(..n).unwrap_or_default())
    }

    /// Marks content as read.
    pub(crate) fn consume(&mut self, amount: usize) {
        self.source.consume(amount);
        self.remaining = self.remaining.saturating_sub(amount as u64);
    }

    /// Reads what follows the end of the archive, which its digest covers too.
    pub(crate) fn drain(&mut self) -> Result<()> {
        loop {
            let n = self.source.fill_buf().map_err(broken)?.len();
            if n == 0 {
                return Ok(());
            }
            self.source.consume(n);
        }
    }

    /// Goes to the next header. Archives that end without filling up their last block exist
    /// (umoci 0.4 writes them), and nothing is missing from them.
    fn skip(&mut self) -> Result<()> {
        let (padding, mut rest) = (self.padding, self.remaining + self.padding);
        (self.remaining, self.padding) = (0, 0);
        while rest > 0 {
            let available = self.source.fill_buf().map_err(broken)?.len();
            if available == 0 {
                return if rest <= padding { Ok(()) } else { Err(damaged("ends in the middle of an entry")) };
            }
            let n = usize::try_from(rest).unwrap_or(usize::MAX).min(available);
            self.source.consume(n);
            rest -= n as u64;
        }
        Ok(())
    }

    /// Content of this size follows. The sum cannot overflow: sizes are below 2^63.
    fn begin(&mut self, size: u64) -> Result<()> {
        if i64::try_from(size).is_err() {
            return Err(damaged("has a bad size"));
        }
        self.remaining = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(())
    }

    /// The next header, checked; `None` at the end: two blocks of zeroes, or nothing more.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let Some(block) = self.block()? else { return Ok(None) };
        if block.iter().all(|b| *b == 0) {
            return match self.block()? {
                Some(second) if second.iter().any(|b| *b != 0) => Err(damaged("has a header that is empty")),
                _ => Ok(None),
            };
        }
        check(&block)?;
        Ok(Some(block))
    }

    fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        if self.source.fill_buf().map_err(broken)?.is_empty() {
            return Ok(None);
        }
        let mut block = [0; BLOCK];
        self.source.read_exact(&mut block).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => damaged("ends in the middle of a header"),
            _ => broken(e),
        })?;
        Ok(Some(block))
    }

    /// A long name: the content up to its first NUL.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>> {
        let mut bytes = self.extension_bytes(size)?;
        if let Some(end) = bytes.iter().position(|b| *b == 0) {
            bytes.truncate(end);
        }
        Ok(bytes)
    }

    fn extension_bytes(&mut self, size: u64) -> Result<Vec<u8>> {
        if size > MAX_EXTENSION {
            return Err(damaged("has an extended header of more than 1 MiB"));
        }
        self.begin(size)?;
        let mut bytes = Vec::new();
        loop {
            let piece = self.content(MAX_EXTENSION)?;
            let n = piece.len();
            if n == 0 {
                return Ok(bytes);
            }
            bytes.extend_from_slice(piece);
            self.consume(n);
        }
    }

    fn entry(
        &mut self,
        header: &Header,
        size: u64,
        pax: Pax,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
    ) -> Result<Entry> {
        let plain = header.path_bytes().into_owned();
        let path = pax.sparse.name.clone().or(pax.path).or(long_name).unwrap_or(plain);
        let own_link = || header.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default();
        let link = pax.linkpath.or(long_link).unwrap_or_else(own_link);
        let what = what(header, &path)?;
        let old_sparse =
            if header.entry_type() == EntryType::GNUSparse { Some(self.old_map(header)?) } else { None };
        // A link or device has no content, whatever its header says; only files and, in old
        // archives, hard links carry some.
        let size = match what {
            What::File | What::HardLink | What::Dir => pax.size.unwrap_or(size),
            _ => 0,
        };
        self.begin(size)?;
        let sparse = match old_sparse {
            Some((segments, real)) => Some(Map::new(segments, real, size)?),
            None => self.pax_map(pax.sparse, size)?,
        };
        let number = |field: std::io::Result<u64>, own: Option<u64>, name: &'static str| {
            let value = match own {
                Some(own) => own,
                None => field.map_err(|_| damaged(name))?,
            };
            // (uid_t)-1 means "leave it" to chown(2), and is no owner.
            u32::try_from(value).ok().filter(|id| *id != u32::MAX).ok_or_else(|| damaged(name))
        };
        let mtime = pax.mtime.unwrap_or_else(|| {
            let seconds = header.mtime().unwrap_or(0);
            (i64::try_from(seconds).unwrap_or(i64::MAX), 0)
        });
        Ok(Entry {
            what,
            path,
            link,
            mode: header.mode().map_err(|_| damaged("has a bad mode"))? & 0o7777,
            uid: number(header.uid(), pax.uid, "has a bad user id")?,
            gid: number(header.gid(), pax.gid, "has a bad group id")?,
            mtime,
            xattrs: pax.xattrs,
            sparse,
        })
    }

    /// The map of an old GNU header, which goes on in blocks of its own behind it.
    fn old_map(&mut self, header: &Header) -> Result<(Vec<Segment>, u64)> {
        let gnu = header.as_gnu().ok_or_else(sparse::bad)?;
        let real = gnu.real_size().map_err(|_| sparse::bad())?;
        let mut segments = Vec::new();
        let mut add = |s: &tar::GnuSparseHeader| -> Result<()> {
            if !s.is_empty() {
                let offset = s.offset().map_err(|_| sparse::bad())?;
                let length = s.length().map_err(|_| sparse::bad())?;
                segments.push(Segment { offset, length });
            }
            Ok(())
        };
        gnu.sparse.iter().try_for_each(&mut add)?;
        let mut more = gnu.is_extended();
        let mut blocks = 0;
        while more {
            let mut extended = tar::GnuExtSparseHeader::new();
            self.source.read_exact(extended.as_mut_bytes()).map_err(|_| sparse::bad())?;
            extended.sparse().iter().try_for_each(&mut add)?;
            more = extended.is_extended();
            blocks += 1;
            if blocks > 4096 {
                return Err(sparse::bad());
            }
        }
        Ok((segments, real))
    }

    fn pax_map(&mut self, pax: sparse::Pax, size: u64) -> Result<Option<Map>> {
        let segments = match (pax.major.unwrap_or(0), pax.minor.unwrap_or(0), pax.map) {
            (1, 0, _) => {
                let (segments, taken) = sparse::read_map(&mut self.source, size)?;
                self.remaining -= taken;
                let filler = taken.next_multiple_of(BLOCK as u64) - taken;
                let mut zeroes = [0; BLOCK];
                let filler_bytes = usize::try_from(filler).ok().and_then(|n| zeroes.get_mut(..n));
                self.source.read_exact(filler_bytes.unwrap_or_default()).map_err(|_| sparse::bad())?;
                self.remaining -= filler;
                segments
            }
            (0, _, Some(segments)) => segments,
            (0, _, None) => return Ok(None),
            _ => return Err(Error::new(Kind::Unsupported, "its sparse map is of an unknown version")),
        };
        let real = pax.real_size.ok_or_else(sparse::bad)?;
        Map::new(segments, real, self.remaining).map(Some)
    }
}

fn what(header: &Header, path: &[u8]) -> Result<What> {
    let device = || -> Result<(u32, u32)> {
        let number =
            |n: std::io::Result<Option<u32>>| n.ok().flatten().ok_or_else(|| damaged("has a bad device"));
        Ok((number(header.device_major())?, number(header.device_minor())?))
    };
    Ok(match header.entry_type() {
        // Before there was a type for directories, a slash at the end told them.
        EntryType::Regular | EntryType::Continuous if path.ends_with(b"/") => What::Dir,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => What::File,
        EntryType::Link => What::HardLink,
        EntryType::Symlink => What::Symlink,
        EntryType::Directory => What::Dir,
        EntryType::Fifo => What::Fifo,
        EntryType::Char => device().map(|(major, minor)| What::Char(major, minor))?,
        EntryType::Block => device().map(|(major, minor)| What::Block(major, minor))?,
        other => {
            return Err(Error::new(
                Kind::Unsupported,
                format!("the archive has an entry of type {:?}", char::from(other.as_byte())),
            ));
        }
    })
}

/// The sum over all bytes, its own field counted as blanks; old writers summed signed bytes.
fn check(block: &[u8; BLOCK]) -> Result<()> {
    let stated =
        Header::from_byte_slice(block).cksum().map_err(|_| damaged("has a header that is no header"))?;
    let bytes = || block.iter().enumerate().map(|(at, b)| if (148..156).contains(&at) { b' ' } else { *b });
    let unsigned: u32 = bytes().map(u32::from).sum();
    let signed: i32 = bytes().map(|b| i32::from(b.cast_signed())).sum();
    if stated == unsigned || i32::try_from(stated).is_ok_and(|s| s == signed) {
        return Ok(());
    }
    Err(damaged("has a header with a wrong checksum"))
}

fn damaged(why: &'static str) -> Error {
    Error::new(Kind::Corrupt, format!("the archive {why}"))
}

fn broken(e: std::io::Error) -> Error {
    Error::because(Kind::Corrupt, "read the archive", e)
}
