//! PAX extended headers: `LEN KEY=VALUE\n` records (pax(1), "Extended header").

use types::{Error, Kind, Result};

use crate::sparse::{self, Segment};

/// What an extended header says about the entry that follows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pax {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) linkpath: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) uid: Option<u64>,
    pub(crate) gid: Option<u64>,
    /// Seconds and nanoseconds.
    pub(crate) mtime: Option<(i64, u32)>,
    /// Names and values, in their order.
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) sparse: sparse::Pax,
}

/// No entry has more extended attributes than the kernel would list.
const MAX_XATTRS: usize = 256;

impl Pax {
    /// Reads the records of one header. A later one of the same key wins.
    ///
    /// # Errors
    /// `Invalid`: a header that is misread misplaces everything that follows.
    pub(crate) fn parse(mut text: &[u8]) -> Result<Self> {
        let mut pax = Self::default();
        while !text.is_empty() {
            // What some writers leave behind the last record.
            if text.iter().all(|b| *b == 0) {
                break;
            }
            let (key, value, rest) = record(text).ok_or_else(|| bad("is damaged"))?;
            pax.set(key, value)?;
            text = rest;
        }
        Ok(pax)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        match key {
            b"path" => self.path = some(value),
            b"linkpath" => self.linkpath = some(value),
            b"size" => self.size = number(value)?,
            b"uid" => self.uid = number(value)?,
            b"gid" => self.gid = number(value)?,
            b"mtime" => self.mtime = time(value)?,
            b"GNU.sparse.major" => self.sparse.major = number(value)?,
            b"GNU.sparse.minor" => self.sparse.minor = number(value)?,
            b"GNU.sparse.name" => self.sparse.name = some(value),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse.real_size = number(value)?,
            b"GNU.sparse.map" => self.sparse.map = sparse_map(value)?,
            b"GNU.sparse.offset" => self.sparse.offset = number(value)?,
            b"GNU.sparse.numbytes" => self.sparse_pair(value)?,
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.retain(|(n, _)| n != name);
                    if self.xattrs.len() >= MAX_XATTRS {
                        return Err(bad("has too many extended attributes"));
                    }
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                }
            }
        }
        Ok(())
    }

    /// Version 0.0 repeats two keys for each segment.
    fn sparse_pair(&mut self, value: &[u8]) -> Result<()> {
        let (Some(offset), Some(length)) = (self.sparse.offset.take(), number(value)?) else {
            return Err(bad("has a sparse map that is damaged"));
        };
        self.sparse.map.get_or_insert_with(Vec::new).push(Segment { offset, length });
        Ok(())
    }
}

fn bad(why: &'static str) -> Error {
    Error::new(Kind::Invalid, format!("an extended header {why}"))
}

/// An empty value takes an earlier one back.
fn some(value: &[u8]) -> Option<Vec<u8>> {
    (!value.is_empty()).then(|| value.to_vec())
}

fn record(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = text.iter().take(21).position(|b| *b == b' ')?;
    let length = usize::try_from(digits(text.get(..space)?)?).ok()?;
    let body = text.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|b| *b == b'=')?;
    Some((body.get(..equals).filter(|k| !k.is_empty())?, body.get(equals + 1..)?, text.get(length..)?))
}

/// Digits only: no sign, no blanks, so that no two readers see two numbers.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn number(value: &[u8]) -> Result<Option<u64>> {
    if value.is_empty() {
        return Ok(None);
    }
    digits(value).map(Some).ok_or_else(|| bad("has a bad number"))
}

/// `[-]SECONDS[.FRACTION]`
fn time(value: &[u8]) -> Result<Option<(i64, u32)>> {
    if value.is_empty() {
        return Ok(None);
    }
    let wrong = || bad("has a bad time");
    let (negative, value) = value.strip_prefix(b"-").map_or((false, value), |v| (true, v));
    let (whole, fraction) = match value.iter().position(|b| *b == b'.') {
        Some(at) => (value.get(..at).unwrap_or_default(), value.get(at + 1..).unwrap_or_default()),
        None => (value, &[][..]),
    };
    let seconds = digits(whole).and_then(|s| i64::try_from(s).ok()).ok_or_else(wrong)?;
    let mut nanos = 0u32;
    for place in 0..9 {
        let digit = fraction.get(place).map_or(Some(0), |d| d.is_ascii_digit().then(|| u32::from(d - b'0')));
        nanos = nanos * 10 + digit.ok_or_else(wrong)?;
    }
    Ok(Some(match (negative, nanos) {
        (false, n) => (seconds, n),
        (true, 0) => (-seconds, 0),
        (true, n) => (-seconds - 1, 1_000_000_000 - n),
    }))
}

fn sparse_map(value: &[u8]) -> Result<Option<Vec<Segment>>> {
    if value.is_empty() {
        return Ok(None);
    }
    let numbers: Option<Vec<u64>> = value.split(|b| *b == b',').map(digits).collect();
    let numbers =
        numbers.filter(|n| n.len() % 2 == 0).ok_or_else(|| bad("has a sparse map that is damaged"))?;
    let pair = |p: &[u64]| Some(Segment { offset: *p.first()?, length: *p.get(1)? });
    Ok(numbers.chunks(2).map(pair).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rec(body: &str) -> String {
        let mut len = body.len() + 3;
        while format!("{len} {body}\n").len() != len {
            len += 1;
        }
        format!("{len} {body}\n")
    }

    #[test]
    fn records_are_read_and_the_last_one_wins() {
        let text = [
            rec("path=a/b"),
            rec("path=c=d"),
            rec("size=12"),
            rec("uid=4000000"),
            rec("mtime=1700000000.123456789123"),
            rec("SCHILY.xattr.user.x=1\n2"),
            rec("comment=x"),
            rec("linkpath="),
        ]
        .concat();
        let pax = Pax::parse(text.as_bytes()).expect("parse");
        assert_eq!(pax.path.as_deref(), Some(&b"c=d"[..]));
        assert_eq!(
            (pax.size, pax.uid, pax.mtime),
            (Some(12), Some(4_000_000), Some((1_700_000_000, 123_456_789)))
        );
        assert_eq!(pax.xattrs, [(b"user.x".to_vec(), b"1\n2".to_vec())]);
        assert_eq!(pax.linkpath, None);
    }

    #[test]
    fn times_before_1970_round_down() {
        for (text, want) in
            [("-1", (-1, 0)), ("-1.5", (-2, 500_000_000)), ("0.1", (0, 100_000_000)), ("5.", (5, 0))]
        {
            assert_eq!(time(text.as_bytes()).expect(text), Some(want), "{text}");
        }
        for bad in ["x", "1.x", "--1", "99999999999999999999", "1e3", " 1"] {
            assert!(time(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn damaged_headers_are_refused() {
        for bad in [
            "5 a=b\n",
            "7 a=b\n",
            "6 a=b",
            "x a=b\n",
            " a=b\n",
            "-6 a=b\n",
            "99999999999999999999999 a=b\n",
            "6 =ab\n",
            "3 \n",
            "0 a=b\n",
        ] {
            assert!(Pax::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        for bad in ["size=-1", "size=0x10", "size=99999999999999999999", "uid=+1", "GNU.sparse.map=1,2,3"] {
            assert!(Pax::parse(rec(bad).as_bytes()).is_err(), "{bad:?}");
        }
        assert!(Pax::parse(b"6 a=b\n\0\0\0").is_ok());
    }
}
