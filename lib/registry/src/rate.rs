//! How many pulls a registry allows: `RateLimit-*`, as Docker Hub and the draft of the IETF write them.

use reqwest::header::HeaderMap;

/// What a registry says about its limit, as far as it says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// Pulls in a window.
    pub limit: Option<u64>,
    /// Pulls that are left of them.
    pub remaining: Option<u64>,
    /// Seconds until there are more.
    pub reset: Option<u64>,
    /// Length of a window, in seconds.
    pub window: Option<u64>,
}

/// Reads the headers; `None` if there are none.
pub(crate) fn of(headers: &HeaderMap) -> Option<RateLimit> {
    let value = |name: &str| headers.get(name)?.to_str().ok();
    let number = |text: &str| text.split([';', ',']).next()?.trim().parse().ok();
    let limit = value("ratelimit-limit");
    let remaining = value("ratelimit-remaining");
    // `100;w=21600`, `100;window=21600`
    let window = limit.or(remaining).and_then(|text| number(text.split("w=").nth(1)?));
    let found = RateLimit {
        limit: limit.and_then(number),
        remaining: remaining.and_then(number),
        reset: value("ratelimit-reset").and_then(number),
        window,
    };
    (found != RateLimit::default()).then_some(found)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn limits_are_read_as_registries_write_them() {
        let read = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)));
            of(&pairs.collect())
        };
        let hub = read(&[("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "76;w=21600")]);
        assert_eq!(
            hub,
            Some(RateLimit { limit: Some(100), remaining: Some(76), reset: None, window: Some(21600) })
        );
        let draft = read(&[("ratelimit-limit", "10, 10;window=1"), ("ratelimit-reset", "5")]);
        assert_eq!(draft.map(|r| (r.limit, r.reset, r.window)), Some((Some(10), Some(5), Some(1))));
        assert_eq!(read(&[("ratelimit-limit", "many")]), None);
        assert_eq!(read(&[]), None);
    }
}
