//! Pieces: of what is sent (`Range`, RFC 9110 section 14) and of what is uploaded (`Content-Range` as the
//! distribution spec has it, without a unit).

/// What of some content is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    All,
    /// From an offset, so many bytes.
    Part(u64, u64),
    /// None of it is there.
    Outside,
}

/// Reads `Range`. What is not understood, and several pieces at once, count as all: a server may.
pub(crate) fn wanted(header: Option<&str>, size: u64) -> Piece {
    let Some(spec) = header.and_then(|h| h.trim().strip_prefix("bytes=")) else { return Piece::All };
    let Some((first, last)) = spec.trim().split_once('-') else { return Piece::All };
    match (number(first), number(last)) {
        (Some(first), None) if last.is_empty() => part(first, size.saturating_sub(1), size),
        (None, Some(count)) if first.is_empty() => {
            let count = count.min(size);
            if count == 0 { Piece::Outside } else { Piece::Part(size - count, count) }
        }
        (Some(first), Some(last)) if first > last => Piece::Outside,
        (Some(first), Some(last)) => part(first, last.min(size.saturating_sub(1)), size),
        _ => Piece::All,
    }
}

fn part(first: u64, last: u64, size: u64) -> Piece {
    if first >= size { Piece::Outside } else { Piece::Part(first, last - first + 1) }
}

/// Reads `Content-Range: 0-1023`. Returns the offset and the number of bytes.
pub(crate) fn sent(header: &str) -> Option<(u64, u64)> {
    let text = header.trim();
    let text = text.strip_prefix("bytes ").unwrap_or(text);
    let text = text.split_once('/').map_or(text, |(range, _)| range);
    let (first, last) = text.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    last.checked_sub(first)?.checked_add(1).map(|count| (first, count))
}

/// Digits only: `parse` would take a sign.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_read_as_http_has_them() {
        for (header, piece) in [
            ("bytes=500-1499", Piece::Part(500, 1000)),
            ("bytes=500-", Piece::Part(500, 1548)),
            ("bytes=-500", Piece::Part(1548, 500)),
            ("bytes=-5000", Piece::Part(0, 2048)),
            ("bytes=2000-5000", Piece::Part(2000, 48)),
            ("bytes=0-0", Piece::Part(0, 1)),
            ("bytes=500-0", Piece::Outside),
            ("bytes=2048-", Piece::Outside),
            ("bytes=5000-10000", Piece::Outside),
            ("bytes=-0", Piece::Outside),
            ("bytes=0-1,4-5", Piece::All),
            ("bytes=+1-2", Piece::All),
            ("bytes=99999999999999999999-", Piece::All),
            ("lines=1-2", Piece::All),
            ("bytes=", Piece::All),
            ("bytes=-", Piece::All),
        ] {
            assert_eq!(wanted(Some(header), 2048), piece, "{header}");
        }
        assert_eq!(wanted(None, 2048), Piece::All);
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(wanted(Some(header), 0), Piece::Outside, "{header} of nothing");
        }
    }

    #[test]
    fn what_is_sent_has_a_beginning_and_a_length() {
        assert_eq!(sent("0-1023"), Some((0, 1024)));
        assert_eq!(sent("1024-1024"), Some((1024, 1)));
        assert_eq!(sent("bytes 5-9/*"), Some((5, 5)));
        for bad in ["", "5", "9-5", "-5", "a-b", "+1-2", "0-18446744073709551615", "1-99999999999999999999"] {
            assert_eq!(sent(bad), None, "{bad:?}");
        }
    }
}
