//! Headers: the same bytes for the same entry, and what every reader of layers understands.
//!
//! The form is that of pax(1): a header of POSIX.1-1988 and, before it, an extended one for what does not
//! fit: names of more than 100 bytes, numbers that are too large, nanoseconds, extended attributes
//! (`SCHILY.xattr.`, as Go's archive/tar and with it docker, podman and umoci write and read them).

use std::fmt::Write as _;

use tar::{EntryType, Header};
use types::{Error, Kind, Result};

/// What a header's numbers can hold: so many octal digits and a NUL.
const MAX_ID: u64 = 0o7_777_777;
const MAX_SIZE: u64 = 0o77_777_777_777;
const MAX_DEVICE: u64 = 0o7_777_777;
/// Readers of ours, and others, take no longer extended header.
const MAX_EXTENSION: usize = 1 << 20;

pub(super) const BLOCK: usize = 512;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    File,
    HardLink,
    Symlink,
    Char(u32, u32),
    Block(u32, u32),
    Fifo,
    Dir,
}

/// An entry that is to be written.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) kind: Type,
    /// Relative, without a slash at its end.
    pub(crate) path: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: (i64, u32),
    pub(crate) size: u64,
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Entry {
    /// A file without content, of nobody and no time: what a whiteout is.
    pub(crate) fn mark(path: Vec<u8>) -> Self {
        Self {
            kind: Type::File,
            path,
            link: Vec::new(),
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: (0, 0),
            size: 0,
            xattrs: Vec::new(),
        }
    }

    /// The header with, before it, the extended one that it needs.
    ///
    /// # Errors
    /// `Unsupported` for attributes that no archive can carry.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let path = self.written_path();
        let records = self.records(&path);
        let mut out = Vec::with_capacity(3 * BLOCK);
        if !records.is_empty() {
            if records.len() > MAX_EXTENSION {
                let why = "its extended attributes are larger than an archive can carry";
                return Err(Error::new(Kind::Unsupported, why));
            }
            let name: &[u8] = b"PaxHeaders/x";
            let header = plain(EntryType::XHeader, name, b"", 0o644, (0, 0), 0, records.len() as u64, (0, 0));
            out.extend_from_slice(header.as_bytes());
            out.extend_from_slice(&records);
            out.resize(out.len().next_multiple_of(BLOCK), 0);
        }
        let (kind, device) = self.type_and_device();
        let seconds = u64::try_from(self.mtime.0).unwrap_or(0);
        let ids = (u64::from(self.uid), u64::from(self.gid));
        let header = plain(kind, &path, &self.link, self.mode, ids, seconds, self.size, device);
        out.extend_from_slice(header.as_bytes());
        Ok(out)
    }

    /// A directory has a slash at its end, as every writer puts it there.
    fn written_path(&self) -> Vec<u8> {
        let mut path = self.path.clone();
        if self.kind == Type::Dir {
            path.push(b'/');
        }
        path
    }

    const fn type_and_device(&self) -> (EntryType, (u32, u32)) {
        match self.kind {
            Type::File => (EntryType::Regular, (0, 0)),
            Type::HardLink => (EntryType::Link, (0, 0)),
            Type::Symlink => (EntryType::Symlink, (0, 0)),
            Type::Char(major, minor) => (EntryType::Char, (major, minor)),
            Type::Block(major, minor) => (EntryType::Block, (major, minor)),
            Type::Fifo => (EntryType::Fifo, (0, 0)),
            Type::Dir => (EntryType::Directory, (0, 0)),
        }
    }

    /// The records of the extended header, in the order of their keys.
    fn records(&self, path: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let (long_path, long_link) = (path.len() > 100, self.link.len() > 100);
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
        if (long_path && !text(path)) || (long_link && !text(&self.link)) {
            // Otherwise its values would have to be UTF-8 (pax(1), "hdrcharset"). First, since it speaks of
            // those that follow.
            record(&mut out, b"hdrcharset", b"BINARY");
        }
        for (xattr, value) in &self.xattrs {
            record(&mut out, &[b"SCHILY.xattr.", xattr.as_slice()].concat(), value);
        }
        if u64::from(self.gid) > MAX_ID {
            record(&mut out, b"gid", self.gid.to_string().as_bytes());
        }
        if long_link {
            record(&mut out, b"linkpath", &self.link);
        }
        if self.mtime.1 != 0 || self.mtime.0 < 0 || self.mtime.0.cast_unsigned() > MAX_SIZE {
            record(&mut out, b"mtime", moment(self.mtime).as_bytes());
        }
        if long_path {
            record(&mut out, b"path", path);
        }
        if self.size > MAX_SIZE {
            record(&mut out, b"size", self.size.to_string().as_bytes());
        }
        if u64::from(self.uid) > MAX_ID {
            record(&mut out, b"uid", self.uid.to_string().as_bytes());
        }
        out
    }
}

/// Seconds with as many places as they need; before 1970 they count down to the moment.
fn moment((seconds, nanos): (i64, u32)) -> String {
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let (sign, total) = (if total < 0 { "-" } else { "" }, total.unsigned_abs());
    let mut text = format!("{sign}{}", total / 1_000_000_000);
    let fraction = total % 1_000_000_000;
    if fraction != 0 {
        write!(text, ".{fraction:09}").unwrap_or_default();
        text.truncate(text.trim_end_matches('0').len());
    }
    text
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let body = key.len() + value.len() + 3;
    let mut length = body + 1;
    while length != body + length.to_string().len() {
        length += 1;
    }
    out.extend_from_slice(format!("{length} ").as_bytes());
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// A header of POSIX.1-1988. What does not fit is in the extended header, and 0 or cut here.
#[expect(clippy::too_many_arguments, reason = "the fields of one header, in their order")]
fn plain(
    kind: EntryType,
    path: &[u8],
    link: &[u8],
    mode: u32,
    (uid, gid): (u64, u64),
    mtime: u64,
    size: u64,
    (major, minor): (u32, u32),
) -> Header {
    let fit = |value: u64, max: u64| if value > max { 0 } else { value };
    let mut header = Header::new_ustar();
    {
        let old = header.as_old_mut();
        copy(&mut old.name, path);
        copy(&mut old.linkname, link);
    }
    header.set_entry_type(kind);
    header.set_mode(mode & 0o7777);
    header.set_uid(fit(uid, MAX_ID));
    header.set_gid(fit(gid, MAX_ID));
    header.set_mtime(fit(mtime, MAX_SIZE));
    header.set_size(fit(size, MAX_SIZE));
    if let Some(ustar) = header.as_ustar_mut() {
        ustar.set_device_major(u32::try_from(fit(u64::from(major), MAX_DEVICE)).unwrap_or(0));
        ustar.set_device_minor(u32::try_from(fit(u64::from(minor), MAX_DEVICE)).unwrap_or(0));
    }
    header.set_cksum();
    header
}

fn copy(field: &mut [u8], value: &[u8]) {
    for (place, byte) in field.iter_mut().zip(value) {
        *place = *byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{Archive, What};

    fn read_back(entry: &Entry) -> crate::archive::Entry {
        let mut bytes = entry.encode().expect("encode");
        assert_eq!(bytes.len() % BLOCK, 0);
        bytes.resize(bytes.len() + 2 * BLOCK, 0);
        Archive::new(&*bytes).next_entry().expect("read").expect("one")
    }

    #[test]
    fn a_small_entry_is_one_block() {
        let entry = Entry { mode: 0o4755, mtime: (1_000_000_000, 0), ..Entry::mark(b"bin/su".to_vec()) };
        assert_eq!(entry.encode().expect("encode").len(), BLOCK);
        let read = read_back(&entry);
        assert_eq!((read.path, read.mode, read.mtime), (b"bin/su".to_vec(), 0o4755, (1_000_000_000, 0)));
    }

    #[test]
    fn whatever_does_not_fit_is_extended() {
        for path in [vec![b'x'; 300], vec![0xff; 300], vec![0xff; 20], "ü".repeat(80).into_bytes()] {
            let entry = Entry {
                kind: Type::Symlink,
                link: [path.as_slice(), b"=\n 1"].concat(),
                uid: 4_000_000_000,
                gid: 0o10_000_000,
                mtime: (-2, 250_000_000),
                xattrs: vec![
                    (b"security.capability".to_vec(), vec![0, 1, b'\n', b'=', 0xff]),
                    (b"user.e".to_vec(), Vec::new()),
                ],
                ..Entry::mark(path.clone())
            };
            let read = read_back(&entry);
            assert_eq!(read.what, What::Symlink);
            assert_eq!((read.path, &read.link), (path, &entry.link));
            assert_eq!((read.uid, read.gid, read.mtime), (entry.uid, entry.gid, entry.mtime));
            assert_eq!(read.xattrs, entry.xattrs);
        }
    }

    #[test]
    fn moments_are_written_as_numbers_are() {
        for (given, want) in [
            ((1, 500_000_000), "1.5"),
            ((0, 1), "0.000000001"),
            ((-1, 0), "-1"),
            ((-2, 500_000_000), "-1.5"),
            ((-1, 750_000_000), "-0.25"),
        ] {
            assert_eq!(moment(given), want);
        }
    }

    #[test]
    fn devices_keep_their_numbers() {
        let entry = Entry { kind: Type::Block(4095, 1_048_575), ..Entry::mark(b"sd".to_vec()) };
        assert_eq!(read_back(&entry).what, What::Block(4095, 1_048_575));
    }

    #[test]
    fn attributes_that_fit_nowhere_are_refused() {
        let entry =
            Entry { xattrs: vec![(b"user.x".to_vec(), vec![0; 2 << 20])], ..Entry::mark(b"f".to_vec()) };
        assert_eq!(entry.encode().expect_err("large").kind(), Kind::Unsupported);
    }
}
