//! The time, as records hold it.

use rustix::time::{ClockId, clock_gettime};

/// Now: RFC 3339 in UTC, with nanoseconds.
#[must_use]
pub fn now() -> String {
    let now = clock_gettime(ClockId::Realtime);
    types::time::rfc3339(now.tv_sec, u32::try_from(now.tv_nsec).unwrap_or(0))
}
