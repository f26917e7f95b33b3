//! Sparse files: three PAX dialects and the old GNU header, all made into one list of segments.

use std::io::BufRead;

use types::{Error, Kind, Result};

/// More segments than this make a list that is larger than the data it describes.
const MAX_SEGMENTS: usize = 1 << 16;

/// A part of a file that has data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// What an extended header says about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pax {
    pub(crate) major: Option<u64>,
    pub(crate) minor: Option<u64>,
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) real_size: Option<u64>,
    pub(crate) map: Option<Vec<Segment>>,
    pub(crate) offset: Option<u64>,
}

/// The layout of a sparse file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Map {
    pub(crate) segments: Vec<Segment>,
    pub(crate) real_size: u64,
}

impl Map {
    /// # Errors
    /// `Invalid` if segments overlap, go backwards, exceed the file, or need other than `data` bytes.
    pub(crate) fn new(segments: Vec<Segment>, real_size: u64, data: u64) -> Result<Self> {
        let mut end = 0u64;
        let mut total = 0u64;
        for segment in &segments {
            let next = segment.offset.checked_add(segment.length).filter(|n| *n <= real_size);
            let Some(next) = next.filter(|_| segment.offset >= end) else { return Err(bad()) };
            end = next;
            total += segment.length; // cannot overflow: the segments are disjoint parts of a u64
        }
        if total != data || segments.len() > MAX_SEGMENTS || i64::try_from(real_size).is_err() {
            return Err(bad());
        }
        Ok(Self { segments, real_size })
    }
}

/// Reads the map that version 1.0 puts before the data: decimal numbers, one a line, filled up to
/// a whole block. Returns it with the bytes that it took.
pub(crate) fn read_map(source: &mut impl BufRead, data: u64) -> Result<(Vec<Segment>, u64)> {
    let mut taken = 0u64;
    let count = read_number(source, &mut taken, data)?;
    if count > MAX_SEGMENTS as u64 {
        return Err(bad());
    }
    let mut segments = Vec::new();
    for _ in 0..count {
        let offset = read_number(source, &mut taken, data)?;
        let length = read_number(source, &mut taken, data)?;
        segments.push(Segment { offset, length });
    }
    let padded = taken.next_multiple_of(512);
    if padded > data {
        return Err(bad());
    }
    Ok((segments, taken))
}

fn read_number(source: &mut impl BufRead, taken: &mut u64, data: u64) -> Result<u64> {
    let mut value = 0u64;
    for digit in 0.. {
        let mut byte = [0];
        if *taken >= data || source.read_exact(&mut byte).is_err() {
            return Err(bad());
        }
        *taken += 1;
        match byte {
            [b'\n'] if digit > 0 => return Ok(value),
            [d @ b'0'..=b'9'] => {
                value =
                    value.checked_mul(10).and_then(|v| v.checked_add(u64::from(d - b'0'))).ok_or_else(bad)?;
            }
            _ => return Err(bad()),
        }
    }
    Err(bad())
}

pub(crate) fn bad() -> Error {
    Error::new(Kind::Invalid, "its sparse map is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seg(offset: u64, length: u64) -> Segment {
        Segment { offset, length }
    }

    #[test]
    fn segments_ascend_and_fit() {
        assert!(Map::new(vec![seg(0, 5), seg(5, 0), seg(10, 5)], 20, 10).is_ok());
        for (segments, real, data) in [
            (vec![seg(0, 5), seg(4, 5)], 20, 10),
            (vec![seg(10, 5), seg(0, 5)], 20, 10),
            (vec![seg(0, 5)], 4, 5),
            (vec![seg(0, 5)], 20, 6),
            (vec![seg(u64::MAX, 5)], u64::MAX, 5),
            (vec![], u64::MAX, 0),
        ] {
            assert!(Map::new(segments.clone(), real, data).is_err(), "{segments:?}");
        }
    }

    #[test]
    fn a_map_in_the_data_is_bounded_by_it() {
        let mut map = b"2\n0\n5\n10\n5\n".to_vec();
        let used = map.len() as u64;
        map.resize(512, 0);
        let read = |bytes: &[u8], data: u64| read_map(&mut &*bytes, data);
        assert_eq!(read(&map, 600).expect("map"), (vec![seg(0, 5), seg(10, 5)], used));
        assert!(read(&map, 511).is_err());
        for bad in ["\n", "x\n", "99999999999\n", "1\n1\n", "99999999999999999999999\n", "-1\n"] {
            assert!(read(bad.as_bytes(), 10_000).is_err(), "{bad:?}");
        }
    }
}
