//! The time, as records hold it.

use rustix::time::{ClockId, clock_gettime};

/// Now: RFC 3339 in UTC, with nanoseconds.
#[must_use]
pub fn now() -> String {
    let now = clock_gettime(ClockId::Realtime);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
    // Only years beyond 9999 have no such form, and no clock shows them.
    types::time::Time::from_unix(now.tv_sec, nanos).map_or_else(String::new, |time| time.to_string())
}
